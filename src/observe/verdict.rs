//! From a verdict on a decision to what the baseline becomes: a person's word against what was learned on probation.
//! May use: the record.
//! Must not: take back what is established, or change what everybody learned: one event is nothing there.

use crate::baseline::identity::IdentityRecord;
use crate::signals::features::Features;

/// How many values a decision leaves in the record.
const VALUES: usize = 8;

/// What a verdict needs to know of the decision it is on. All hashed or coarse, as in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Trace {
    /// When it was made, seconds since 1970.
    pub time: u32,
    /// In which session; 0: none.
    pub session: u32,
    /// Networks, finest first, then clients, finest first; 0: not known.
    pub values: [u32; VALUES],
}

impl Trace {
    /// Bytes of a trace.
    pub const BYTES: usize = 8 + 4 * VALUES;

    /// The trace of a request.
    #[must_use]
    pub const fn of(features: &Features) -> Self {
        Self {
            time: features.now,
            session: features.session,
            values: [
                features.address,
                features.prefix,
                features.asn,
                features.country,
                features.user_agent,
                features.browser,
                features.os,
                features.device,
            ],
        }
    }

    /// As bytes, little-endian.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [self.time, self.session]
            .iter()
            .chain(&self.values)
            .flat_map(|field| field.to_le_bytes())
            .collect()
    }

    /// From its bytes; `None` when they are no trace.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (fields, []) = bytes.as_chunks::<4>() else {
            return None;
        };
        let mut fields = fields.iter().map(|field| u32::from_le_bytes(*field));
        let mut trace = Self {
            time: fields.next()?,
            session: fields.next()?,
            ..Self::default()
        };
        for value in &mut trace.values {
            *value = fields.next()?;
        }
        fields.next().is_none().then_some(trace)
    }
}

/// The record after somebody said whether it was the owner. If not, the session is closed until a newer `auth_time` and what
/// is on probation is taken back; if so, the session is opened again and probation ends.
#[must_use]
pub fn judge(record: &IdentityRecord, trace: &Trace, owner: bool) -> IdentityRecord {
    let mut record = record.clone();
    if owner {
        record.contained.open(trace.session, trace.time);
        for session in &mut record.sessions {
            if session.id == trace.session && session.challenged <= trace.time {
                session.unsolved = 0;
            }
        }
    } else {
        record.contained.close(trace.session, trace.time);
    }
    let [
        address,
        prefix,
        asn,
        country,
        user_agent,
        browser,
        os,
        device,
    ] = trace.values;
    let (network, client) = (&mut record.network, &mut record.client);
    macro_rules! settle {
        ($($table:expr, $key:expr;)*) => {
            $(if $key != 0 {
                if owner { $table.confirm($key) } else { $table.forget($key) }
            })*
        };
    }
    settle! {
        network.address, address;
        network.prefix, prefix;
        network.asn, asn;
        network.country, country;
        client.user_agent, user_agent;
        client.browser, browser;
        client.os, os;
        client.device, device;
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::session::Session;
    use crate::baseline::values::Sighting;

    /// A record that knows network 1 and client 2, and has 7 and 8 on probation.
    fn record() -> IdentityRecord {
        let mut record = IdentityRecord::new(100);
        let seen = |key, surprising| Sighting {
            key,
            surprising,
            hour: 1,
            ..Sighting::default()
        };
        for (network, client, surprising) in [(1, 2, false), (7, 8, true)] {
            record.network.prefix.learn(seen(network, surprising));
            record.client.user_agent.learn(seen(client, surprising));
        }
        record.remember_session(Session {
            id: 5,
            challenged: 150,
            unsolved: 3,
            ..Session::default()
        });
        record
    }

    fn trace(prefix: u32, user_agent: u32) -> Trace {
        Trace {
            time: 200,
            session: 5,
            values: [0, prefix, 0, 0, user_agent, 0, 0, 0],
        }
    }

    #[test]
    fn not_the_owner_closes_the_session_and_takes_back_what_is_on_probation() {
        let judged = judge(&record(), &trace(7, 8), false);
        assert!(judged.contained.holds(5, 200) && !judged.contained.holds(5, 201));
        assert!(!judged.network.prefix.on_probation(7));
        assert!(!judged.client.user_agent.on_probation(8));
        // What the owner uses as well stays the owner's.
        let judged = judge(&judged, &trace(1, 2), false);
        assert!(judged.network.prefix.established(1).is_some());
        assert!(judged.client.user_agent.established(2).is_some());
        assert_eq!(
            judge(&judged, &trace(1, 2), false),
            judged,
            "once is enough"
        );
    }

    #[test]
    fn the_owner_is_let_in_again_and_known_there() {
        let closed = judge(&record(), &trace(0, 0), false);
        let judged = judge(&closed, &trace(7, 8), true);
        assert!(!judged.contained.holds(5, 0));
        assert_eq!(judged.session(5).unwrap().unsolved, 0);
        assert!(judged.network.prefix.established(7).is_some());
        assert!(judged.client.user_agent.established(8).is_some());
        // A word on an earlier decision says nothing of a later denial.
        let mut later = closed.clone();
        later.contained.close(5, 300);
        let judged = judge(&later, &trace(7, 8), true);
        assert!(judged.contained.holds(5, 0));
    }

    #[test]
    fn a_trace_is_its_bytes() {
        let bytes = trace(7, 8).bytes();
        assert_eq!(bytes.len(), Trace::BYTES);
        assert_eq!(Trace::read(&bytes), Some(trace(7, 8)));
        assert_eq!(Trace::read(&bytes[1..]), None);
        assert_eq!(Trace::read(&bytes[4..]), None);
        assert_eq!(Trace::read(&[0; 44]), None);
    }
}
