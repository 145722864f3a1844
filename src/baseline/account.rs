//! The account record: how often a login name failed of late, and from where it logs in, in 25 to 127 bytes.
//! May use: recent counters, the byte codec.
//! Must not: hold the name, learn a place from a failure, or let others keep the owner out.
//!
//! A login name is often not the `sub` of the token it leads to, so what is known of a name is learned here, from logins that
//! the upstream accepted.

use arrayvec::ArrayVec;

use super::bytes::{Reader, Writer};
use super::decay::is_ahead;
use super::page::Activity;
use super::recent::Minutes;
use crate::signals::features::Features;
use crate::signals::keyed::Locator;

/// Places an account remembers; the one unused for longest makes room.
const PLACES: usize = 6;
/// A place that was not used for so long, in seconds, is not the owner's any more: 90 days.
const STALE: u32 = 90 * 86_400;
/// Failures in a row at one of the account's own places, after which it is tried there at the pace of strangers until it succeeds
/// there: the hundred of NIST SP 800-63B §3.2.2. A neighbour with the owner's browser has no more tries than that at once, and
/// the owner all of them.
const IN_A_ROW: u8 = 100;
/// Time in which strangers have their failures, in seconds.
const WINDOW: u32 = 900;
/// Weight of an account that somebody has, against names that are only tried.
const KNOWN: f64 = 1000.0;

/// Somewhere an account logs in: a network with a browser, or a device cookie anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The /24 or /48; 0: anywhere.
    prefix: u32,
    /// The browser with its system, which outlives updates, or the cookie.
    client: u32,
    seen: u32,
    /// Failures since it was last used.
    failed: u8,
    /// The last of them.
    failed_at: u32,
}

impl Place {
    fn is(&self, other: &Self) -> bool {
        (self.prefix, self.client) == (other.prefix, other.client)
    }

    fn fail(&mut self, now: u32) {
        self.failed = self.failed.saturating_add(1);
        self.failed_at = now;
    }

    /// When it may be tried here again; absent: now.
    fn barred_until(&self, now: u32, failures: u32) -> Option<u32> {
        let pace = WINDOW / failures.max(1);
        let until = self.failed_at.saturating_add(pace);
        (self.failed >= IN_A_ROW && (self.failed_at..until).contains(&now)).then_some(until)
    }
}

/// What an account learns from one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountLesson {
    /// The credential was wrong.
    Failed,
    /// It was good, and nothing spoke against the login.
    Succeeded,
}

impl AccountLesson {
    /// The records that learn it: a success is of the very name, a failure of all that are written like it.
    pub fn records(self, features: &Features) -> impl Iterator<Item = Locator> {
        let alike = features.alike.filter(|_| self == Self::Failed);
        features.tried.into_iter().chain(alike)
    }
}

/// One login name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Failures from elsewhere.
    strange: Minutes,
    places: ArrayVec<Place, PLACES>,
    seen: u32,
}

/// The places a login is from, the surest first.
fn places(features: &Features) -> impl Iterator<Item = Place> {
    let place = |prefix, client| Place {
        prefix,
        client,
        seen: features.now,
        failed: 0,
        failed_at: 0,
    };
    let device = (features.cookie != 0).then(|| place(0, features.cookie));
    let network = (features.prefix != 0).then(|| place(features.prefix, features.browser));
    device.into_iter().chain(network)
}

impl Account {
    /// Longest record, in bytes.
    pub const BYTES: usize = 25 + 17 * PLACES;

    /// Whether it has logged in from this network with this browser, or with this device, of late.
    #[must_use]
    pub fn is_own(&self, features: &Features) -> bool {
        self.own(features).is_some()
    }

    /// Which of its places it is, a device before a network: who has the owner's device is not held up by who shares the network.
    fn own(&self, features: &Features) -> Option<usize> {
        places(features).find_map(|here| {
            self.places
                .iter()
                .position(|place| place.is(&here) && here.seen.saturating_sub(place.seen) < STALE)
        })
    }

    /// When it may be tried again from here, in seconds since 1970; absent: now. From elsewhere `failures` within 15 minutes are
    /// too many. Each of its own places counts for itself: a hundred in a row are too many, and then one is every 15 minutes
    /// divided by `failures`.
    #[must_use]
    pub fn barred_until(&self, features: &Features, failures: u32) -> Option<u32> {
        match self.own(features).and_then(|at| self.places.get(at)) {
            Some(place) => place.barred_until(features.now, failures),
            None => self.strange.below(features.now, failures),
        }
    }

    /// When it may be tried again from elsewhere; absent: now.
    #[must_use]
    pub fn barred_elsewhere_until(&self, now: u32, failures: u32) -> Option<u32> {
        self.strange.below(now, failures)
    }

    /// Learns from one login.
    pub fn learn(&mut self, features: &Features, lesson: AccountLesson) {
        let now = features.now;
        if is_ahead(self.seen, now) {
            self.set_back(now);
        }
        self.seen = self.seen.max(now);
        match lesson {
            AccountLesson::Failed => {
                match self.own(features).and_then(|at| self.places.get_mut(at)) {
                    Some(place) => place.fail(now),
                    None => self.strange.add(now / 60),
                }
            }
            AccountLesson::Succeeded => places(features).for_each(|place| self.remember(place)),
        }
    }

    /// What was noted while the clock was wrong is of now.
    fn set_back(&mut self, now: u32) {
        self.seen = now;
        for place in &mut self.places {
            place.seen = now.min(place.seen);
        }
    }

    fn remember(&mut self, new: Place) {
        if let Some(known) = self.places.iter_mut().find(|place| place.is(&new)) {
            let seen = known.seen.max(new.seen);
            *known = Place { seen, ..new };
            return;
        }
        if self.places.is_full() {
            let places = self.places.iter().enumerate();
            let oldest = places.min_by_key(|(_, place)| (place.seen, place.prefix, place.client));
            if let Some((index, _)) = oldest {
                self.places.swap_remove(index);
            }
        }
        let _room_was_made = self.places.try_push(new);
    }

    /// How the page should rank this record against others when space is short: a flood of made-up names pushes out no
    /// account that somebody has.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let tried = f64::from(self.strange.sum(self.seen / 60)).clamp(1.0, KNOWN / 10.0);
        let weight = if self.places.is_empty() { tried } else { KNOWN };
        Activity::of(weight, self.seen)
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        let out = &mut out;
        out.u32(self.seen);
        self.strange.encode(out);
        out.u8(self.places.len() as u8);
        for place in &self.places {
            out.u32(place.prefix);
            out.u32(place.client);
            out.u32(place.seen);
            out.u8(place.failed);
            out.u32(place.failed_at);
        }
    }

    /// Reads a record back; `None` when the bytes are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let mut account = Self {
            seen: input.u32()?,
            strange: Minutes::decode(&mut input)?,
            places: ArrayVec::new(),
        };
        for _ in 0..input.u8()? {
            let place = Place {
                prefix: input.u32()?,
                client: input.u32()?,
                seen: input.u32()?,
                failed: input.u8()?,
                failed_at: input.u32()?,
            };
            account.places.try_push(place).ok()?;
        }
        input.is_empty().then_some(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_700_000_040;

    fn from(prefix: u32, browser: u32, now: u32) -> Features {
        Features {
            now,
            prefix,
            browser,
            ..Features::default()
        }
    }

    fn tried(account: &mut Account, features: &Features, times: u32) {
        for _ in 0..times {
            account.learn(features, AccountLesson::Failed);
        }
    }

    #[test]
    fn an_attack_from_elsewhere_never_keeps_the_owner_out() {
        let mut account = Account::default();
        account.learn(&from(1, 1, NOW), AccountLesson::Succeeded);
        tried(&mut account, &from(2, 1, NOW), 500);
        assert_eq!(account.barred_until(&from(1, 1, NOW), 10), None);
        // Neither the owner's network with another browser nor the browser elsewhere is the owner's place.
        for stranger in [from(1, 2, NOW), from(2, 1, NOW), from(3, 3, NOW)] {
            assert!(account.barred_until(&stranger, 10).is_some());
        }
        // Nor does anything that has no network.
        assert!(account.barred_until(&from(0, 1, NOW), 10).is_some());
        account.learn(&from(0, 1, NOW), AccountLesson::Succeeded);
        assert!(account.barred_until(&from(0, 1, NOW), 10).is_some());
    }

    #[test]
    fn a_device_is_known_anywhere() {
        let device = |prefix, cookie| Features {
            cookie,
            ..from(prefix, 1, NOW)
        };
        let mut account = Account::default();
        account.learn(&device(1, 7), AccountLesson::Succeeded);
        tried(&mut account, &from(9, 9, NOW), 20);
        assert_eq!(account.barred_until(&device(5, 7), 10), None);
        assert!(account.barred_until(&device(5, 8), 10).is_some());
    }

    #[test]
    fn a_name_is_free_again_when_its_failures_are_old() {
        let mut account = Account::default();
        let here = |now| from(2, 1, now);
        tried(&mut account, &here(NOW), 4);
        tried(&mut account, &here(NOW + 120), 5);
        assert_eq!(account.barred_until(&here(NOW + 120), 10), None);
        tried(&mut account, &here(NOW + 121), 1);
        let until = account.barred_until(&here(NOW + 121), 10).unwrap();
        assert!((NOW + 900..=NOW + 960).contains(&until), "{}", until - NOW);
        assert!(account.barred_until(&here(until - 1), 10).is_some());
        assert_eq!(account.barred_until(&here(until), 10), None);
    }

    #[test]
    fn a_neighbour_with_the_owners_browser_has_a_hundred_tries_in_a_row() {
        let mut account = Account::default();
        let home = |now| from(1, 1, now);
        account.learn(&home(NOW), AccountLesson::Succeeded);
        // However slowly they come.
        for n in 0..100 {
            assert_eq!(account.barred_until(&home(NOW + n * 600), 10), None, "{n}");
            tried(&mut account, &home(NOW + n * 600), 1);
        }
        let last = NOW + 99 * 600;
        assert_eq!(account.barred_until(&home(last), 10), Some(last + 90));
        assert_eq!(account.barred_until(&home(last + 89), 10), Some(last + 90));
        // Then there is one at a time, until one is good.
        assert_eq!(account.barred_until(&home(last + 90), 10), None);
        tried(&mut account, &home(last + 90), 1);
        assert!(account.barred_until(&home(last + 91), 10).is_some());
        // What fails at home is not held against others.
        assert_eq!(account.barred_until(&from(2, 1, last + 91), 10), None);
        account.learn(&home(last + 180), AccountLesson::Succeeded);
        assert_eq!(account.barred_until(&home(last + 180), 10), None);
        // A clock that went back bars nobody.
        tried(&mut account, &home(last + 200), 120);
        assert_eq!(account.barred_until(&home(last), 10), None);
    }

    #[test]
    fn each_place_counts_for_itself() {
        let mut account = Account::default();
        let (home, office) = (from(1, 1, NOW), from(2, 1, NOW));
        let device = Features {
            cookie: 7,
            ..office
        };
        for place in [&home, &device] {
            account.learn(place, AccountLesson::Succeeded);
        }
        // A colleague with the owner's browser.
        tried(&mut account, &office, 200);
        assert!(account.barred_until(&office, 10).is_some());
        assert_eq!(account.barred_until(&home, 10), None);
        assert_eq!(account.barred_until(&from(3, 3, NOW), 10), None);
        assert_eq!(
            account.barred_until(&device, 10),
            None,
            "the owner's device"
        );
    }

    #[test]
    fn places_are_bounded_and_forgotten() {
        let mut account = Account::default();
        for place in 1..20 {
            account.learn(&from(place, 1, NOW + place), AccountLesson::Succeeded);
        }
        assert!(account.is_own(&from(19, 1, NOW + 20)) && account.is_own(&from(14, 1, NOW + 20)));
        assert!(!account.is_own(&from(13, 1, NOW + 20)));
        assert!(!account.is_own(&from(19, 1, NOW + 19 + STALE)));
        let mut bytes = Vec::new();
        account.encode(&mut bytes);
        assert_eq!(bytes.len(), Account::BYTES);
        assert_eq!(Account::decode(&bytes), Some(account));
        assert_eq!(Account::decode(&bytes[..Account::BYTES - 1]), None);
        let mut long = bytes.clone();
        long[24] = 7;
        long.extend([0; 17]);
        assert_eq!(Account::decode(&long), None);
    }

    #[test]
    fn a_clock_that_was_ahead_bars_nobody_and_keeps_no_place_for_ever() {
        for ahead in [7_200, 86_400, 365 * 86_400] {
            let mut account = Account::default();
            account.learn(&from(1, 1, NOW + ahead), AccountLesson::Succeeded);
            tried(&mut account, &from(2, 2, NOW + ahead), 20);
            assert_eq!(account.barred_until(&from(2, 2, NOW), 10), None, "{ahead}");
            tried(&mut account, &from(2, 2, NOW), 20);
            assert!(account.barred_until(&from(2, 2, NOW), 10).is_some());
            assert!(account.is_own(&from(1, 1, NOW)));
            assert!(!account.is_own(&from(1, 1, NOW + STALE)), "{ahead}");
            assert_eq!(account.seen, NOW);
        }
    }

    #[test]
    fn names_that_are_only_tried_make_room_for_accounts() {
        let mut account = Account::default();
        account.learn(&from(1, 1, NOW), AccountLesson::Succeeded);
        let mut name = Account::default();
        tried(&mut name, &from(2, 2, NOW + 86_400), 250);
        assert!(name.activity() < account.activity());
    }
}
