//! What the engine keeps, whatever it is taught: bounded, decaying, the same after being bytes, the same in parts.
//! May use assess and observe to make records, and the public face of the baseline.
//! Must not build a record by hand: what counts is what can be learned.

use proptest::prelude::*;
use stepgate::assess::{Assessment, Attempt, Lesson, Novel};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Activity, MAX_RECORD, PAGE_BYTES, Page, PageKind};
use stepgate::baseline::population::Population;
use stepgate::decision::{Action, Decision};
use stepgate::evidence::{EvidenceList, Known};
use stepgate::judgement::Grounds;
use stepgate::observe::{Outcome, observe, observe_from};
use stepgate::policy::Mode;
use stepgate::score::Score;
use stepgate::signals::countries::Point;
use stepgate::signals::credential::CredentialFeatures;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{HashKey, Locator};

use crate::cases::engine::brought;

const NOW: u32 = 1_772_618_400;
const HALVING: u32 = 120 * 86_400;

/// Features that an adapter could make: any values, small ones often enough to repeat.
pub(crate) fn features(values: u32) -> impl Strategy<Value = Features> {
    let value = move || 0..=values;
    let networks = (value(), value(), value(), value());
    let clients = (value(), value(), value(), value(), any::<bool>());
    let session = (value(), value(), 0..3u32, value());
    let point = proptest::option::of((-90.0..=90.0f64, -180.0..=180.0f64, 0.0..3000.0f64));
    (networks, clients, session, point, 0..400 * 86_400u32).prop_map(
        |(network, client, session, point, later)| Features {
            now: NOW + later,
            identity: Some(Locator { page: 1, tag: 2 }),
            verified: true,
            address: network.0,
            prefix: network.1,
            asn: network.2,
            country: network.3,
            point: point.map(|(lat, lon, radius_km)| Point {
                lat,
                lon,
                radius_km,
            }),
            user_agent: client.0,
            browser: client.1,
            os: client.2,
            device: client.3,
            script: client.4,
            session: session.0,
            tls: session.1,
            auth_time: session.2 * later,
            event: session.3,
            client_id: client.3,
            city: network.1,
            hosting: network.2 % 3,
            language: client.1,
            credential: CredentialFeatures {
                multi_factor: client.4,
                grant: session.1 % 3,
                issuer: 1,
                shape: client.0,
                lifetime: client.1,
                ..CredentialFeatures::default()
            },
            ..Features::default()
        },
    )
}

/// What the record becomes after this lesson, if it changes.
fn taught(
    event: &Features,
    lesson: Lesson,
    succeeded: bool,
    record: Option<&IdentityRecord>,
    everybody: &mut Population,
) -> Option<IdentityRecord> {
    let assessment = Assessment {
        decision: Decision {
            would: Action::Allow,
            refusal: None,
            mode: Mode::Shadow,
        },
        score: Score::default(),
        reasons: EvidenceList::new(),
        history: 0,
        lesson,
        conduct: None,
        receipt: None,
        owner: None,
        grounds: Grounds::default(),
        attempt: Attempt::default(),
    };
    let known = Known::of(everybody).with_identity(record);
    let outcome = Outcome { succeeded };
    let seen = observe(event, &assessment, outcome, &known);
    // The copy that was brought to the time of the request learns the same.
    let mut current = brought(record, event.now);
    let same = observe_from(event, &assessment, outcome, &known, &mut current);
    assert_eq!(same, seen);
    for lesson in &seen.lessons {
        everybody.learn(lesson);
    }
    seen.record.map(|record| *record)
}

/// An authentication event; some are surprising.
fn event(features: &Features) -> Lesson {
    Lesson::Event(Novel {
        surprising: features.script,
        ..Novel::default()
    })
}

pub(crate) fn learn(events: &[Features]) -> Option<IdentityRecord> {
    let mut everybody = Population::default();
    let mut record: Option<IdentityRecord> = None;
    for seen in events {
        let learned = taught(seen, event(seen), true, record.as_ref(), &mut everybody);
        record = learned.or(record);
    }
    record
}

fn bytes(record: &IdentityRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_is_the_same_after_being_bytes(events in prop::collection::vec(features(u32::MAX), 1..40)) {
        if let Some(record) = learn(&events) {
            let bytes = bytes(&record);
            prop_assert!(bytes.len() <= MAX_RECORD, "{} bytes", bytes.len());
            prop_assert_eq!(IdentityRecord::decode(&bytes), Some(record));
            // Every shorter text is refused, not misread.
            for end in 0..bytes.len() {
                prop_assert_eq!(IdentityRecord::decode(&bytes[..end]), None);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_record_or_none(bytes in prop::collection::vec(any::<u8>(), 0..MAX_RECORD)) {
        if let Some(record) = IdentityRecord::decode(&bytes) {
            let mut again = Vec::new();
            record.encode(&mut again);
            prop_assert_eq!(IdentityRecord::decode(&again), Some(record));
        }
    }

    #[test]
    fn a_damaged_record_is_a_record_or_none(
        events in prop::collection::vec(features(9), 1..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        if let Some(record) = learn(&events) {
            let mut bytes = bytes(&record);
            for (place, byte) in damage {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Some(mut record) = IdentityRecord::decode(&bytes) {
                record.decay_to(u32::MAX);
                let _active = record.activity();
            }
        }
    }

    #[test]
    fn the_same_event_counts_once(
        events in prop::collection::vec(features(9), 1..20),
        again in any::<prop::sample::Index>(),
    ) {
        let record = learn(&events);
        let twice: Vec<_> = events.iter().flat_map(|event| [*event, *event]).collect();
        prop_assert_eq!(&learn(&twice), &record);
        // Neither does one that was learned a moment ago on another worker.
        if let Some(record) = &record {
            let seen = &events[again.index(events.len())];
            if record.knows_event(seen.event) && !record.is_ahead(seen.now) {
                let mut everybody = Population::default();
                let learned = taught(seen, event(seen), true, Some(record), &mut everybody);
                prop_assert_eq!(learned, None);
                prop_assert_eq!(everybody, Population::default());
            }
        }
    }

    #[test]
    fn what_failed_or_was_not_allowed_is_not_learned(
        seen in features(u32::MAX),
        events in prop::collection::vec(features(9), 0..5),
    ) {
        let record = learn(&events);
        // What a clock left behind that was wrong is mended by any lesson.
        let now = record.as_ref().map_or(0, |record| record.updated).max(seen.now);
        let seen = Features { now, ..seen };
        for (lesson, succeeded) in [
            (event(&seen), false),
            (Lesson::Nothing, true),
            (Lesson::Attempt(Novel::default()), true),
            (Lesson::Attempt(Novel::default()), false),
            (Lesson::Move, false),
        ] {
            let learned = taught(&seen, lesson, succeeded, record.as_ref(), &mut Population::default());
            prop_assert_eq!(learned, None);
        }
        let challenge = Lesson::Challenge(Novel::default());
        let challenged = taught(&seen, challenge, true, None, &mut Population::default());
        prop_assert_eq!(challenged.is_some(), seen.verified);
        if let Some(challenged) = challenged {
            // It remembers that somebody was asked, and nothing of who they are.
            prop_assert!(challenged.is_young(u32::MAX));
            let nothing = IdentityRecord { sessions: challenged.sessions.clone(), ..IdentityRecord::new(seen.now) };
            prop_assert_eq!(challenged, nothing);
        }
        let contain = Lesson::Contain(None);
        prop_assert_eq!(taught(&seen, contain.clone(), true, None, &mut Population::default()), None);
        if let Some(record) = &record {
            // It closes the session and teaches nothing else.
            let closed = taught(&seen, contain, true, Some(record), &mut Population::default());
            let closed = closed.unwrap_or_default();
            prop_assert_eq!(closed.contained.holds(seen.session, 0), seen.session != 0);
            let mut open = closed;
            open.contained = record.contained.clone();
            prop_assert_eq!(&open, record);
        }
    }

    #[test]
    fn time_only_takes_away(events in prop::collection::vec(features(9), 1..20), steps in prop::collection::vec(0..30 * 86_400u32, 1..20)) {
        if let Some(mut record) = learn(&events) {
            let mut now = record.updated;
            for step in steps {
                let before = record.clone();
                now = now.saturating_add(step);
                record.decay_to(now);
                prop_assert!(record.events <= before.events && record.events >= 0.0);
                for value in record.network.country.entries() {
                    let earlier = before.network.country.entries();
                    let earlier = earlier.iter().find(|earlier| earlier.key == value.key);
                    prop_assert!(earlier.is_some_and(|earlier| value.count <= earlier.count));
                }
                prop_assert!(record.client.browser.entries().len() <= before.client.browser.entries().len());
                prop_assert!(record.moves.total() <= before.moves.total());
                prop_assert_eq!(record.history, before.history);
                // Backwards it gives nothing back.
                let after = record.clone();
                record.decay_to(now.saturating_sub(86_400));
                prop_assert_eq!(&record, &after);
            }
        }
    }

    #[test]
    fn parts_merged_are_the_whole(events in prop::collection::vec(features(3), 2..40), cut in any::<prop::sample::Index>()) {
        let mut events = events;
        events.sort_by_key(|event| event.now);
        for (n, event) in events.iter_mut().enumerate() {
            // Which requests belong together is decided before they are taken apart.
            event.event = n as u32 + 1;
            event.session = n as u32 + 1;
            event.now += n as u32;
        }
        let cut = 1 + cut.index(events.len() - 1);
        let (whole, first, second) = (learn(&events), learn(&events[..cut]), learn(&events[cut..]));
        let (Some(whole), Some(first), Some(second)) = (whole, first, second) else {
            return Ok(());
        };
        let mut merged = first.clone();
        merged.merge(&second);
        same(&whole, &merged)?;
        // In either order.
        let mut turned = second;
        turned.merge(&first);
        same(&whole, &turned)?;
    }

    #[test]
    fn a_page_keeps_its_size_and_its_most_active_record(
        puts in prop::collection::vec((0..60u64, 0..MAX_RECORD, 0..1000u32), 1..120),
    ) {
        let key = HashKey::PUBLIC;
        let mut page = Page::empty(PageKind::Identity, &key);
        let mut kept: std::collections::BTreeMap<u64, Activity> = std::collections::BTreeMap::new();
        for (tag, size, events) in puts {
            let activity = Activity::of(f64::from(events), NOW);
            let body = vec![tag as u8; size];
            prop_assert!(page.put(tag, &body, activity, &key).is_some());
            prop_assert_eq!(page.as_bytes().len(), PAGE_BYTES);
            kept.insert(tag, activity);
            let top = kept.values().max().copied();
            kept.retain(|tag, _| page.find(*tag, &key) != Ok(None));
            prop_assert_eq!(kept.values().max().copied(), top, "the most active record is lost");
            prop_assert_eq!(page.find(tag, &key), Ok(Some(&body[..])));
            let (again, _) = Page::read(page.as_bytes().to_vec(), PageKind::Identity, &key);
            prop_assert_eq!(again.as_bytes(), page.as_bytes());
        }
    }

    #[test]
    fn any_bytes_are_a_page(mut bytes in prop::collection::vec(any::<u8>(), 0..PAGE_BYTES + 9), whole in any::<bool>(), tag in any::<u64>()) {
        let key = HashKey::PUBLIC;
        if whole {
            // A sound head with anything behind it.
            bytes.resize(PAGE_BYTES, 0);
            let head = Page::empty(PageKind::Identity, &key);
            bytes[..8].copy_from_slice(&head.as_bytes()[..8]);
        }
        let (mut page, _) = Page::read(bytes, PageKind::Identity, &key);
        let _found = page.find(tag, &key);
        let _count = page.records(&key).count();
        prop_assert!(page.put(tag, b"record", Activity::default(), &key).is_some());
        prop_assert_eq!(page.as_bytes().len(), PAGE_BYTES);
        prop_assert_eq!(page.find(tag, &key), Ok(Some(&b"record"[..])));
    }
}

fn same(whole: &IdentityRecord, merged: &IdentityRecord) -> Result<(), TestCaseError> {
    prop_assert_eq!(whole.history, merged.history);
    prop_assert_eq!(whole.created, merged.created);
    prop_assert_eq!(whole.last_event, merged.last_event);
    prop_assert_eq!(whole.auth_time, merged.auth_time);
    prop_assert!(close(f64::from(whole.events), f64::from(merged.events)));
    for value in 0..=3 {
        for (whole, merged) in [
            (
                whole.network.address.count(value),
                merged.network.address.count(value),
            ),
            (
                whole.network.country.count(value),
                merged.network.country.count(value),
            ),
            (
                whole.client.user_agent.count(value),
                merged.client.user_agent.count(value),
            ),
        ] {
            prop_assert!(close(whole, merged), "{value}: {whole} and {merged}");
        }
    }
    // Hours are halved on fixed days in whole steps: within one period they are exact.
    if whole.created / HALVING == whole.last_event / HALVING {
        prop_assert_eq!(&whole.hours, &merged.hours);
    }
    prop_assert_eq!(&whole.places, &merged.places);
    prop_assert_eq!(&whole.sessions, &merged.sessions);
    Ok(())
}

/// Counts are single precision, and below a sixty-fourth they are forgotten.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-4 * a.abs().max(b.abs()) + 2.0 / 64.0
}
