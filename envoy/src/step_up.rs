//! Step-up at the wire: how a client is refused or redirected, and the device receipt in a cookie.
//! May use: collected headers, host calls, the engine's redirect and receipt.
//! Must not: decide, or show a receipt to anybody but the client.

use stepgate::decision::{Decision, Refusal};
use stepgate::policy::Tier;
use stepgate::receipt::Grant;
use stepgate::redirect::{self, Navigation};
use stepgate::signals::keyed::Domain;
use stepgate::signals::request::{DeviceReceipt, Standing};

use crate::collect::Collected;
use crate::host::{self, MapType};
use crate::metrics::Count;
use crate::pairs;
use crate::shared::Shared;

/// What the device receipt of a request proves of its identity. Nobody's receipt is looked at.
pub(crate) fn receipt(
    headers: &Collected<'_>,
    standing: &Standing<'_>,
    shared: &Shared,
    now: i64,
) -> DeviceReceipt {
    match (&shared.receipts, standing) {
        (Some(receipts), Standing::Verified(subject)) => receipts.read(
            headers.receipt,
            &subject.id,
            u32::try_from(now).unwrap_or(0),
        ),
        _ => DeviceReceipt::Absent,
    }
}

/// The cookie to set with the response.
pub(crate) fn set_cookie(
    shared: &Shared,
    grant: Grant,
    standing: &Standing<'_>,
    now_ms: i64,
) -> Option<String> {
    let receipts = shared.receipts.as_ref()?;
    let identity = &standing.subject()?.id;
    let now = u32::try_from(now_ms.div_euclid(1000)).ok()?;
    receipts.set_cookie(grant, identity, shared.device(now_ms), now)
}

/// Sets the cookie beside those of the upstream, where its response accepted the request.
pub(crate) fn give(shared: &Shared, cookie: &str) {
    if host::add_header(MapType::Response, "set-cookie", cookie.as_bytes()).is_ok() {
        shared.metrics.count(Count::ReceiptIssued);
    }
}

/// Answers a request that does not pass. Returns whether the host took the answer.
pub(crate) fn refuse(
    shared: &Shared,
    tier: &Tier,
    headers: &Collected<'_>,
    (refusal, decision): (Refusal, &Decision),
    id: &str,
) -> bool {
    let asked = Navigation {
        method: headers.method,
        fetch_mode: headers.fetch_mode,
        accepts_html: headers.accepts_html,
        authority: headers.authority,
        target: headers.target,
    };
    let (reply, elsewhere) = redirect::answer(refusal, &shared.policy, tier, id, &asked);
    if elsewhere {
        shared.metrics.count(Count::ReturnAddressRefused);
    }
    let pairs: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let details = format!("stepgate_{}", decision.would.as_str().replace('-', "_"));
    host::reply(
        reply.status,
        &details,
        &pairs::serialize(&pairs),
        &reply.body,
        reply.grpc_status,
    )
    .is_ok()
}

impl Shared {
    /// A name for a device that gets its first receipt: as unique as the id of a decision.
    fn device(&self, now_ms: i64) -> [u8; 12] {
        let number = self.next_number();
        let name = self.key.locate(
            Domain::Device,
            &[&now_ms.to_le_bytes(), &number.to_le_bytes()],
        );
        let mut device = [0; 12];
        let bytes = name
            .page
            .to_le_bytes()
            .into_iter()
            .chain(name.tag.to_le_bytes());
        for (slot, byte) in device.iter_mut().zip(bytes) {
            *slot = byte;
        }
        device
    }
}
