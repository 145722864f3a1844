//! The session slot: where and with what a session was used, and the challenges it was given.
//! May use: std.
//! Must not: judge a move.

/// A network a session was used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Location {
    /// /24 or /48, hashed.
    pub prefix: u32,
    /// Autonomous system.
    pub asn: u32,
}

/// With what a session is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SessionClient {
    /// User agent string and TLS fingerprint.
    pub exact: u32,
    /// Browser, operating system and device class without versions.
    pub family: u32,
}

/// Both ends of a session in use within this time, in seconds, are an alternation.
pub const ALTERNATION: u32 = 300;
/// Alternations that count.
pub const MAX_ALTERNATIONS: u8 = 3;

/// One session of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Session {
    /// Hash of `sid`, or of the token where there is none.
    pub id: u32,
    /// Last use that changed something, seconds since 1970.
    pub seen: u32,
    /// `auth_time` it was last seen with.
    pub auth_time: u32,
    /// Where it began.
    pub first: Location,
    /// Where it was used last.
    pub latest: Location,
    /// Where it was before.
    pub before: Location,
    /// When it left there, seconds since 1970.
    pub left: u32,
    /// With what.
    pub client: SessionClient,
    /// When the last challenge was issued, seconds since 1970; 0: never.
    pub challenged: u32,
    /// Challenges issued and not solved.
    pub unsolved: u8,
    /// Returns to the place before within five minutes.
    pub alternations: u8,
}

impl Session {
    /// Whether the session was never used from `place`, as far as it remembers.
    #[must_use]
    pub fn is_new_place(&self, place: Location) -> bool {
        place != self.latest && place != self.first && place != self.before
    }

    /// Whether using it from `place` now means that both ends are in use.
    #[must_use]
    pub fn alternates(&self, place: Location, now: u32) -> bool {
        place == self.before && place != self.latest && now.saturating_sub(self.left) <= ALTERNATION
    }

    /// Moves the session. Returns whether something changed that is worth storing.
    pub fn advance(&mut self, place: Location, client: SessionClient, now: u32) -> bool {
        let mut changed = false;
        // A client on two networks at once flips with every request; after the third that is known and not written again.
        let flips = !self.is_new_place(place)
            && self.alternations >= MAX_ALTERNATIONS
            && now.saturating_sub(self.seen) < ALTERNATION;
        if place != self.latest && !flips {
            if self.alternates(place, now) {
                self.alternations = self.alternations.saturating_add(1).min(MAX_ALTERNATIONS);
            }
            self.before = self.latest;
            self.left = self.seen.max(self.left);
            self.latest = place;
            changed = true;
        }
        if client != self.client {
            self.client = client;
            changed = true;
        }
        if changed {
            self.seen = self.seen.max(now);
        }
        changed
    }
}
