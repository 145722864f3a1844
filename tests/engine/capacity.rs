//! The formula for the memory, as the documents have it, on real pages.
//! May use: pages and keyed places.
//! Must not: know the constants of a page.

use stepgate::baseline::page::{Activity, PAGE_BYTES, Page, PageKind};
use stepgate::signals::keyed::{Domain, HashKey};

/// `memory = N × (b + slot) / (fill × share)`, with the numbers of the document.
struct Formula {
    slot: f64,
    fill: f64,
    share: f64,
}

/// The formulas for small records and for large ones.
fn formulas() -> Vec<Formula> {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let text = std::fs::read_to_string(text).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("memory = N ×"));
    let read = |line: &str| {
        let numbers: Vec<f64> = line
            .split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .filter_map(|word| word.parse().ok())
            .collect();
        Formula {
            slot: numbers[0],
            fill: numbers[1],
            share: numbers[2],
        }
    };
    lines.map(read).collect()
}

/// Fills a table of `bytes` with `identities` of `mean` bytes, lengths from half to one and a half of it. How many had to go.
fn evicted(bytes: f64, identities: u32, mean: usize) -> u32 {
    let key = HashKey::from_secret("a secret of the capacity test");
    let count = PageKind::Identity.share((bytes / PAGE_BYTES as f64) as u64);
    let mut pages = vec![Page::empty(PageKind::Identity, &key); count as usize];
    let mut evicted = 0;
    for identity in 0..identities {
        let place = key.locate(Domain::Identity, &[&identity.to_le_bytes()]);
        let length = mean / 2 + place.tag as usize % (mean + 1);
        let activity = Activity::of(f64::from(identity % 7), 1_750_000_000);
        let page = &mut pages[(place.page % count) as usize];
        let gone = page.put(place.tag, &vec![7; length], activity, &key);
        evicted += u32::from(gone.unwrap());
    }
    evicted
}

#[test]
fn the_memory_that_the_formula_says_holds_the_identities() {
    let formulas = formulas();
    assert_eq!(formulas.len(), 2);
    for (formula, (identities, mean)) in formulas.iter().zip([(20_000, 158), (20_000, 460)]) {
        let Formula { slot, fill, share } = formula;
        let memory = f64::from(identities) * (f64::from(mean) + slot) / (fill * share);
        let gone = evicted(memory, identities, mean as usize);
        let part = f64::from(gone) / f64::from(identities);
        assert!(
            part < 0.015,
            "{part} of {identities} identities of {mean} bytes had to go"
        );
        // It does not ask for far more than is needed either.
        let gone = evicted(memory / 2.0, identities, mean as usize);
        assert!(f64::from(gone) > 0.05 * f64::from(identities), "{gone}");
    }
}

/// Megabytes of shared data, people who log in now and then, and bytes of their records in the mean.
const DEPLOYMENTS: [(f64, u32, usize); 2] = [(64.0, 150_000, 158), (450.0, 1_000_000, 158)];

/// A part of what is promised: the memory and the people of a deployment through `parts`, and how many had to go.
fn deployed(parts: u32) -> impl Iterator<Item = (f64, u32, u32)> {
    DEPLOYMENTS
        .into_iter()
        .map(move |(megabytes, people, mean)| {
            let people = people / parts;
            let gone = evicted(megabytes * 1e6 / f64::from(parts), people, mean);
            assert!(gone * 50 <= people, "{gone} of {people} had to go");
            (megabytes, people, gone)
        })
}

#[test]
fn people_who_log_in_now_and_then_fit() {
    assert_eq!(deployed(10).count(), DEPLOYMENTS.len());
}

/// The same at their size: takes a minute and half a gigabyte.
#[test]
#[ignore = "`make capacity` runs it"]
fn a_million_people_fit() {
    for (megabytes, people, gone) in deployed(1) {
        let kept = 100.0 - 100.0 * f64::from(gone) / f64::from(people);
        println!("{people} identities in {megabytes} MB of shared data: {kept:.2} % kept");
    }
}

#[test]
fn the_numbers_of_the_formula_are_those_of_a_page() {
    let formulas = formulas();
    let Formula { slot, share, .. } = &formulas[0];
    let key = HashKey::PUBLIC;
    let mut page = Page::empty(PageKind::Identity, &key);
    assert_eq!(page.used(), 0);
    for (records, body) in [[0; 100].as_slice(), &[0; 300]].iter().enumerate() {
        let before = page.used();
        page.put(records as u64, body, Activity::default(), &key)
            .unwrap();
        assert_eq!((page.used() - before) as f64, body.len() as f64 + slot);
    }
    let all = 16_384;
    let part = PageKind::Identity.share(all) as f64 / all as f64;
    assert!((part - share).abs() < 0.005, "{part}");
}
