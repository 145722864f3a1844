//! Pages and the records in them, as another plugin might leave them in shared data, down to the decisions made with them.
//! May use the engine's baseline, and the whole engine to use what was read.
//! Must not build a record by hand.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use stepgate::assess::assess;
use stepgate::baseline::account::Account;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Activity, PAGE_BYTES, Page, PageHealth, PageKind};
use stepgate::baseline::population::Population;
use stepgate::baseline::profile::Profile;
use stepgate::baseline::source::Source;
use stepgate::evidence::Known;
use stepgate::observe::{Outcome, observe};
use stepgate::policy::{Policy, Route};
use stepgate::signals::address::Address;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{
    ClientSignals, Field, NetworkSignals, Signals, Standing, Subject,
};
use stepgate::signals::user_agent;

use crate::NOW;

const KEY: HashKey = HashKey::PUBLIC;

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    let kind = PageKind::from_number(mode >> 4 & 3).unwrap_or(PageKind::Account);
    match mode & 15 {
        0 => page(data.to_vec(), kind),
        1 => {
            // With the head it should have: the slots are reached.
            let mut bytes = Page::empty(kind, &KEY).as_bytes().to_vec();
            let room = PAGE_BYTES - 8;
            bytes.truncate(8);
            bytes.extend(data.iter().take(room));
            bytes.resize(PAGE_BYTES, 0);
            page(bytes, kind);
        }
        2 => {
            let _short = kept(kind, &mut Unstructured::new(data));
        }
        3 => coded(data, Source::decode, Source::encode, Source::merge),
        4 => coded(data, Account::decode, Account::encode, |_, _| ()),
        5 => coded(data, Profile::decode, Profile::encode, Profile::merge),
        6 => coded(data, Population::decode, Population::encode, |_, _| ()),
        7 | 8 => decided(data),
        _ => coded(
            data,
            IdentityRecord::decode,
            IdentityRecord::encode,
            IdentityRecord::merge,
        ),
    }
}

fn page(bytes: Vec<u8>, kind: PageKind) {
    let (mut page, health) = Page::read(bytes.clone(), kind, &KEY);
    assert_eq!(page.as_bytes().len(), PAGE_BYTES);
    match health {
        PageHealth::Sound => assert_eq!(page.as_bytes(), bytes, "what is read is what was written"),
        PageHealth::Fresh | PageHealth::Bad | PageHealth::Older | PageHealth::Newer => {
            assert!(page.is_empty())
        }
    }
    let held: usize = page.records(&KEY).map(|(_, body)| body.len()).sum();
    assert!(held <= PAGE_BYTES);
    let tags: Vec<u64> = page.records(&KEY).map(|(tag, _)| tag).collect();
    for tag in tags {
        let _found = page.find(tag, &KEY);
    }
    let evicted = page.put(7, b"a record", Activity::of(1.0, NOW), &KEY);
    assert!(evicted.is_some());
    assert_eq!(page.as_bytes().len(), PAGE_BYTES, "a page never grows");
    assert_eq!(page.find(7, &KEY), Ok(Some(&b"a record"[..])));
    let (again, health) = Page::read(page.as_bytes().to_vec(), kind, &KEY);
    assert_eq!(health, PageHealth::Sound);
    assert_eq!(again.len(), page.len());
}

/// Puts records as they come: the one that was put is there, whatever must go.
fn kept(kind: PageKind, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut page = Page::empty(kind, &KEY);
    for _ in 0..input.int_in_range(0..=40)? {
        let tag = u64::from(input.int_in_range(0..=15u8)?);
        let length = input.int_in_range(0..=1600usize)?;
        let body = vec![input.arbitrary()?; length];
        let activity = Activity::of(f64::from(input.arbitrary::<u16>()?), input.arbitrary()?)
            .established(input.arbitrary()?);
        let before = page.len();
        match page.put(tag, &body, activity, &KEY) {
            None => assert!(length > kind.max_record()),
            Some(evicted) => {
                assert!(length <= kind.max_record() && usize::from(evicted) <= before);
                assert_eq!(page.find(tag, &KEY), Ok(Some(&body[..])));
            }
        }
        assert_eq!(page.as_bytes().len(), PAGE_BYTES);
        assert_eq!(page.records(&KEY).count(), page.len());
    }
    Ok(())
}

/// What is read is the same after being bytes; two that are merged are still a record.
fn coded<R: PartialEq + Clone + std::fmt::Debug>(
    data: &[u8],
    decode: impl Fn(&[u8]) -> Option<R>,
    encode: impl Fn(&R, &mut Vec<u8>),
    merge: impl Fn(&mut R, &R),
) {
    let bytes = |record: &R| {
        let mut bytes = Vec::new();
        encode(record, &mut bytes);
        bytes
    };
    let read = |data: &[u8]| {
        let record = decode(data)?;
        assert_eq!(decode(&bytes(&record)).as_ref(), Some(&record));
        Some(record)
    };
    let whole = read(data);
    let (front, back) = match data.split_first_chunk::<2>() {
        Some((at, rest)) => rest.split_at(usize::from(u16::from_le_bytes(*at)).min(rest.len())),
        None => return,
    };
    let (front, back) = (whole.or_else(|| read(front)), read(back));
    let Some(mut one) = front else { return };
    let other = back.unwrap_or_else(|| one.clone());
    merge(&mut one, &other);
    assert!(
        decode(&bytes(&one)).is_some(),
        "two records together are one: {one:?}"
    );
}

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    Policy::parse(
        r#"{"mode":"enforce","tiers":[{"name":"login","paths":["/login"],"class":"login"}]}"#,
    )
    .unwrap()
});

/// A decision with a record that somebody else may have written, and what is learned from it.
fn decided(data: &[u8]) {
    let Some(record) = IdentityRecord::decode(data) else {
        return;
    };
    let agent = b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    for (address, path, now) in [
        ("198.51.100.7", &b"/"[..], NOW),
        ("2001:db8::7", b"/login", 0),
        ("192.0.2.1", b"/", u32::MAX),
    ] {
        let signals = Signals {
            now_ms: i64::from(now) * 1000,
            standing: Standing::Verified(Subject {
                id: "alice".into(),
                kind: stepgate::signals::request::Kind::Human,
                group: "staff".into(),
                client_id: "web".into(),
            }),
            network: NetworkSignals {
                address: Field::from(Address::parse(address)),
                country: Field::Present(*b"NO"),
                point: stepgate::signals::countries::point(*b"NO"),
                ..NetworkSignals::default()
            },
            client: ClientSignals {
                user_agent: Field::Present(agent),
                parsed: user_agent::parse(agent),
                ..ClientSignals::default()
            },
            ..Signals::default()
        };
        let features = Features::of(&signals, &KEY);
        let tier = POLICY.tier(&Route {
            path,
            ..Route::default()
        });
        let population = Population::default();
        let known = Known::of(&population).with_identity(Some(&record));
        let assessment = assess(&POLICY, tier, &signals, &features, &known);
        let probability = assessment.score.probability;
        assert!((0.0..=1.0).contains(&probability), "{probability}");
        for piece in &assessment.reasons {
            assert!(piece.nats.is_finite(), "{piece:?}");
        }
        let outcome = Outcome { succeeded: true };
        if let Some(taught) = observe(&features, &assessment, outcome, &known).record {
            let mut bytes = Vec::new();
            taught.encode(&mut bytes);
            assert!(
                IdentityRecord::decode(&bytes).is_some(),
                "what was learned can be read"
            );
        }
    }
}
