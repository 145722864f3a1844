//! Sessions that were denied: closed for everybody who holds them until somebody authenticates again.
//! May use: the byte codec, arrayvec.
//! Must not: judge a request, or hold anything of the identity: a thief must not lock the owner out of other sessions.

use arrayvec::ArrayVec;

use super::bytes::{Reader, Writer};

/// How many denied sessions a record remembers: as many as sessions at all.
pub const CONTAINED: usize = super::identity::SESSIONS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    session: u32,
    denied: u32,
}

/// The sessions of one identity that were denied, latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contained(ArrayVec<Entry, CONTAINED>);

impl Contained {
    /// Whether the session is closed for an authentication of that time (0: unknown). Session 0 is none.
    #[must_use]
    pub fn holds(&self, session: u32, auth_time: u32) -> bool {
        self.0
            .iter()
            .any(|entry| entry.session == session && session != 0 && auth_time <= entry.denied)
    }

    /// Closes a session. The one closed longest ago makes room.
    pub fn close(&mut self, session: u32, now: u32) {
        if session == 0 {
            return;
        }
        let mut denied = now;
        self.0.retain(|known| {
            let same = known.session == session;
            if same {
                denied = denied.max(known.denied);
            }
            !same
        });
        let index = self
            .0
            .partition_point(|known| (known.denied, known.session) > (denied, session));
        if self.0.is_full() {
            if index == CONTAINED {
                return;
            }
            self.0.pop();
        }
        let _room_was_made = self.0.try_insert(index, Entry { session, denied });
    }

    /// Opens a session that was closed at `denied` or before.
    pub fn open(&mut self, session: u32, denied: u32) {
        self.0
            .retain(|known| known.session != session || known.denied > denied);
    }

    /// When the latest was closed, seconds since 1970.
    pub(super) fn latest(&self) -> Option<u32> {
        self.0.first().map(|entry| entry.denied)
    }

    /// Closes as of `now` what is closed ahead of it: still closed, but not until a clock that was wrong is right.
    pub(super) fn set_back(&mut self, now: u32) {
        for entry in std::mem::take(&mut self.0) {
            self.close(entry.session, now.min(entry.denied));
        }
    }

    /// Adds what was closed elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for entry in other.0.iter().rev() {
            self.close(entry.session, entry.denied);
        }
    }

    /// Appends the table to a record: a byte, and eight for each session.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u8(self.0.len() as u8);
        for entry in &self.0 {
            out.u32(entry.session);
            out.u32(entry.denied);
        }
    }

    /// Reads a table back; `None` when the bytes are not one.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let mut table = Self::default();
        for _ in 0..input.u8()? {
            let entry = Entry {
                session: input.u32()?,
                denied: input.u32()?,
            };
            table.0.try_push(entry).ok()?;
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_closed_until_a_newer_authentication() {
        let mut contained = Contained::default();
        contained.close(7, 100);
        for (session, auth_time, held) in [
            (7, 0, true),
            (7, 100, true),
            (7, 101, false),
            (8, 0, false),
            (0, 0, false),
        ] {
            assert_eq!(contained.holds(session, auth_time), held);
        }
        contained.close(0, 100);
        assert!(!contained.holds(0, 0));
        contained.open(7, 99);
        assert!(contained.holds(7, 50));
        contained.open(7, 100);
        assert_eq!(contained, Contained::default());
    }

    #[test]
    fn the_latest_are_remembered_in_whatever_order_they_are_learned() {
        let (mut one, mut two) = (Contained::default(), Contained::default());
        for session in 1..=3 {
            one.close(session, session * 10);
        }
        for session in 3..=6 {
            two.close(session, session * 10 + 1);
        }
        let mut left = one.clone();
        left.merge(&two);
        two.merge(&one);
        assert_eq!(left, two);
        let held: Vec<_> = (1..=6).filter(|session| left.holds(*session, 0)).collect();
        assert_eq!(held, [3, 4, 5, 6]);
        let mut bytes = Vec::new();
        left.encode(&mut Writer(&mut bytes));
        assert_eq!(bytes.len(), 1 + 4 * 8);
        assert_eq!(Contained::decode(&mut Reader::new(&bytes)), Some(left));
        assert_eq!(Contained::decode(&mut Reader::new(&bytes[..20])), None);
        assert_eq!(Contained::decode(&mut Reader::new(&[9; 100])), None);
    }
}
