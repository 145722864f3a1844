//! What a device receipt is worth: it explains a new client, and nothing that is suspicious.
//! May use assess with signals made by hand.
//! Must not make a receipt: what it proves is given.

use std::borrow::Cow;

use stepgate::assess::{Assessment, assess};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::population::Population;
use stepgate::evidence::{Known, Reason};
use stepgate::policy::{Policy, Route};
use stepgate::receipt::{Grant, RENEWAL};
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{
    ClientSignals, DeviceReceipt, Field, Kind, SessionSignals, Signals, Standing, Subject,
};
use stepgate::signals::user_agent;

const NOW: u32 = 1_772_618_400;
const DEVICE: [u8; 12] = [7; 12];

fn held(issued: u32) -> DeviceReceipt {
    DeviceReceipt::Held {
        issued,
        device: DEVICE,
    }
}

fn signals(agent: &'static str, receipt: DeviceReceipt, kind: Kind) -> Signals<'static> {
    Signals {
        now_ms: i64::from(NOW) * 1000,
        standing: Standing::Verified(Subject {
            id: Cow::Borrowed("https://idp|alice"),
            kind,
            ..Subject::default()
        }),
        client: ClientSignals {
            user_agent: Field::Present(agent.as_bytes()),
            parsed: user_agent::parse(agent.as_bytes()),
            ..ClientSignals::default()
        },
        session: SessionSignals {
            auth_time: Some(i64::from(NOW) - 5),
            receipt,
            ..SessionSignals::default()
        },
        ..Signals::default()
    }
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Of somebody whose forty events were all with another client, recovered at a time.
fn assessed(signals: &Signals<'_>, recovered: u32) -> Assessment {
    let policy = Policy::parse("{}").unwrap();
    let features = Features::of(signals, &HashKey::PUBLIC);
    let mut record = IdentityRecord::new(NOW - 40 * 86_400);
    record.updated = NOW;
    record.history = 40;
    record.events = 40.0;
    record.last_event = NOW - 86_400;
    record.recovered = recovered;
    let population = Population::default();
    let known = Known::of(&population).with_identity(Some(&record));
    let tier = policy.tier(&Route::default());
    assess(&policy, tier, signals, &features, &known)
}

fn nats(found: &Assessment, reason: Reason) -> Option<f64> {
    let mut pieces = found.reasons.iter();
    pieces
        .find(|piece| piece.reason == reason)
        .map(|piece| piece.nats)
}

#[test]
fn a_proven_device_is_not_new_and_speaks_for_its_owner() {
    let without = assessed(&signals(FIREFOX, DeviceReceipt::Absent, Kind::Human), 0);
    let with = assessed(&signals(FIREFOX, held(NOW - 60), Kind::Human), 0);
    assert!(nats(&without, Reason::NewDevice).unwrap() > 1.0);
    assert!(nats(&with, Reason::NewDevice).unwrap() <= -1.0);
    assert_eq!(nats(&with, Reason::DeviceProven), Some(-1.0));
    assert!(with.score.logit < without.score.logit - 2.0);
}

#[test]
fn what_is_suspicious_stays_whatever_the_device() {
    let with = assessed(&signals("curl/8.5.0", held(NOW - 60), Kind::Human), 0);
    assert!(nats(&with, Reason::ScriptClient).unwrap() > 1.0);
    let without = assessed(
        &signals("curl/8.5.0", DeviceReceipt::Absent, Kind::Human),
        0,
    );
    assert_eq!(
        nats(&with, Reason::ScriptClient),
        nats(&without, Reason::ScriptClient)
    );
}

#[test]
fn a_recovery_ends_every_receipt_before_it() {
    let recovered = NOW - 3600;
    for (issued, proven) in [
        (recovered - 1, false),
        (recovered, false),
        (recovered + 1, true),
    ] {
        let found = assessed(&signals(FIREFOX, held(issued), Kind::Human), recovered);
        assert_eq!(
            nats(&found, Reason::DeviceProven).is_some(),
            proven,
            "{issued}"
        );
        assert_eq!(
            nats(&found, Reason::ReceiptRefused).is_none(),
            proven,
            "{issued}"
        );
    }
}

#[test]
fn machines_and_refused_receipts_prove_nothing() {
    for (receipt, kind) in [
        (DeviceReceipt::Refused, Kind::Human),
        (held(NOW - 60), Kind::Service),
    ] {
        let found = assessed(&signals(FIREFOX, receipt, kind), 0);
        assert_eq!(nats(&found, Reason::DeviceProven), None);
        assert_eq!(nats(&found, Reason::ReceiptRefused), Some(0.0));
        assert_eq!(found.receipt, None);
    }
}

#[test]
fn a_receipt_in_use_is_renewed_when_it_has_aged() {
    for (age, grant) in [
        (0, None),
        (RENEWAL - 1, None),
        (RENEWAL, Some(Grant::Renewed(DEVICE))),
    ] {
        let found = assessed(&signals(FIREFOX, held(NOW - age), Kind::Human), 0);
        assert_eq!(found.receipt, grant, "{age}");
    }
    let none = assessed(&signals(FIREFOX, DeviceReceipt::Absent, Kind::Human), 0);
    assert_eq!(none.receipt, None);
}
