//! The page: storing, evicting, refusing what is foreign or damaged.

use super::*;

const KEY: HashKey = HashKey::PUBLIC;

fn page() -> Page {
    Page::empty(PageKind::Identity, &KEY)
}

#[test]
fn stores_and_finds() {
    let mut page = page();
    assert_eq!(page.put(7, b"seven", Activity(1), &KEY), Some(0));
    assert_eq!(page.put(8, b"eight", Activity(1), &KEY), Some(0));
    assert_eq!(page.put(7, b"SEVEN!", Activity(1), &KEY), Some(0));
    assert_eq!(page.find(7, &KEY), Ok(Some(&b"SEVEN!"[..])));
    assert_eq!(page.find(9, &KEY), Ok(None));
    assert_eq!(page.len(), 2);
    let (again, health) = Page::read(page.as_bytes().to_vec(), PageKind::Identity, &KEY);
    assert_eq!(health, PageHealth::Sound);
    assert_eq!(again.find(8, &KEY), Ok(Some(&b"eight"[..])));
}

#[test]
fn evicts_the_least_active_and_never_grows() {
    let mut page = page();
    for tag in 0..100 {
        let activity = if tag == 3 { 1000 } else { tag as u16 };
        page.put(tag, &[tag as u8; 400], Activity(activity), &KEY);
        assert_eq!(page.as_bytes().len(), PAGE_BYTES);
    }
    assert!(page.find(3, &KEY).unwrap().is_some());
    assert!(page.find(99, &KEY).unwrap().is_some());
    assert!(page.find(50, &KEY).unwrap().is_none());
}

#[test]
fn a_crowd_that_comes_once_makes_room_for_itself() {
    let mut page = page();
    let now = 1_700_000_000;
    for tag in 0..4 {
        let old = Activity::of(1.0, now - 90 * 86_400).established(true);
        page.put(tag, &[0; 400], old, &KEY);
    }
    for tag in 100..200 {
        page.put(tag, &[0; 200], Activity::of(1.0, now), &KEY);
    }
    assert!((0..4).all(|tag| page.find(tag, &KEY).unwrap().is_some()));
    // What is more active than a newcomer takes its room, established or not.
    for tag in 4..40 {
        let new = Activity::of(2.0, now).established(true);
        page.put(tag, &[0; 400], new, &KEY);
    }
    assert!(
        (0..4)
            .chain(100..200)
            .all(|tag| page.find(tag, &KEY).unwrap().is_none())
    );
}

#[test]
fn refuses_a_record_larger_than_a_quarter_page() {
    assert_eq!(page().put(1, &[0; MAX_RECORD + 1], Activity(1), &KEY), None);
}

#[test]
fn foreign_older_and_newer_pages_read_as_empty() {
    let mut page = page();
    page.put(1, b"x", Activity(1), &KEY);
    let bytes = page.as_bytes().to_vec();
    let other = HashKey::from_secret("other");
    let read = |bytes: Vec<u8>, key| Page::read(bytes, PageKind::Identity, key).1;
    assert_eq!(read(bytes.clone(), &other), PageHealth::Bad);
    assert_eq!(read(vec![], &KEY), PageHealth::Fresh);
    assert_eq!(read(b"garbage".to_vec(), &KEY), PageHealth::Bad);
    let mut newer = bytes.clone();
    newer[2] = VERSION + 1;
    assert_eq!(read(newer, &KEY), PageHealth::Newer);
    let mut older = bytes.clone();
    older[2] = VERSION - 1;
    // A page says with its own version whose it is: that of another version is no older one.
    assert_eq!(read(older.clone(), &KEY), PageHealth::Bad);
    let check = key_check(&KEY, PageKind::Identity, VERSION - 1);
    older[4..8].copy_from_slice(&check.to_le_bytes());
    assert_eq!(read(older.clone(), &KEY), PageHealth::Older);
    assert_eq!(read(older, &other), PageHealth::Bad);
    let mut kind = bytes;
    kind[3] = PageKind::Source as u8;
    assert_eq!(read(kind, &KEY), PageHealth::Bad);
}

#[test]
fn a_flipped_bit_in_a_record_is_damage() {
    let mut page = page();
    page.put(1, b"record", Activity(1), &KEY);
    let mut bytes = page.as_bytes().to_vec();
    bytes[HEADER + SLOT] ^= 1;
    let (page, health) = Page::read(bytes, PageKind::Identity, &KEY);
    assert_eq!(health, PageHealth::Sound);
    assert_eq!(page.find(1, &KEY), Err(DamagedRecord));
}

#[test]
fn activity_orders_by_recency_and_frequency() {
    let day = 86_400;
    let now = 1_700_000_000;
    assert!(Activity::of(1.0, now) < Activity::of(1.0, now + 30 * day));
    assert!(Activity::of(10.0, now) > Activity::of(1.0, now + 30 * day));
    // One event decayed over a half-life is half an event now.
    assert_eq!(Activity::of(1.0, now), Activity::of(0.5, now + 30 * day));
}
