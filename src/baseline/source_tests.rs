use super::*;

fn failure(name: u32, now: u32) -> SourceLesson {
    let ended = Ended::Failed;
    SourceLesson { name, now, ended }
}

fn success(name: u32, now: u32) -> SourceLesson {
    let ended = Ended::Succeeded { ordinary: true };
    SourceLesson { name, now, ended }
}

#[test]
fn any_25_in_15_minutes_is_a_burst() {
    for spread in [0, 1, 10, 30, 37] {
        let mut source = Source::default();
        for i in 0..25 {
            assert!(!source.is_hot(100_000 + i * spread));
            source.learn(SourceKind::Prefix, &failure(i, 100_000 + i * spread));
        }
        assert!(source.is_hot(100_000 + 24 * spread), "{spread}");
        assert!(source.is_hot(100_000 + 24 * spread + CALM - 1));
        assert!(!source.is_hot(100_000 + 24 * spread + CALM));
    }
}

#[test]
fn an_office_is_shared_and_calms_in_hours() {
    let mut source = Source::default();
    for i in 1..41u32 {
        let name = i.wrapping_mul(2_246_822_519);
        source.learn(SourceKind::Prefix, &success(name, 90_000 + i * 60));
    }
    assert!(source.is_shared(93_000));
    for i in 0..100 {
        source.learn(SourceKind::Prefix, &failure(i, 93_000 + i));
    }
    assert!(source.is_hot(93_100));
    assert!(!source.is_hot(93_100 + CALM_SHARED));
}

#[test]
fn a_burst_of_a_clock_that_was_ahead_is_over_when_it_is_right() {
    const NOW: u32 = 1_750_000_000;
    for ahead in [3 * 3600, 86_400, 365 * 86_400] {
        let mut source = Source::default();
        for i in 0..40 {
            source.learn(SourceKind::Prefix, &failure(i, NOW + ahead));
        }
        assert!(source.is_hot(NOW + ahead));
        assert!(!source.is_hot(NOW), "{ahead}");
        assert_eq!(source.hot_until(NOW), None, "{ahead}");
        assert_eq!((source.failed(NOW), source.names(NOW)), (0.0, 0.0));
        // Nor is it blind: a burst of now is one, and is over in a day.
        for i in 0..40 {
            source.learn(SourceKind::Prefix, &failure(i, NOW));
        }
        assert!(source.is_hot(NOW) && source.names(NOW) > 30.0, "{ahead}");
        assert_eq!(
            source.hot_until(NOW).map(|until| until <= NOW + CALM + 960),
            Some(true)
        );
    }
}

#[test]
fn parts_merge_and_survive_encoding() {
    let (mut a, mut b, mut whole) = (Source::default(), Source::default(), Source::default());
    for i in 0..60 {
        let now = 50_000 + i * 40;
        let part = if i % 3 == 0 { &mut a } else { &mut b };
        for lesson in [failure(i, now), success(i + 7, now)] {
            part.learn(SourceKind::Network, &lesson);
            whole.learn(SourceKind::Network, &lesson);
        }
    }
    a.merge(&b);
    assert_eq!(
        (a.failures, a.names, a.owners),
        (whole.failures, whole.names, whole.owners)
    );
    assert!((a.failed(60_000) - whole.failed(60_000)).abs() < 1e-3);
    assert!((a.succeeded(60_000) - whole.succeeded(60_000)).abs() < 1e-3);
    let mut bytes = Vec::new();
    whole.encode(&mut bytes);
    assert_eq!(bytes.len(), Source::BYTES);
    assert_eq!(Source::decode(&bytes), Some(whole));
    assert_eq!(Source::decode(&bytes[1..]), None);
}

#[test]
fn what_is_spent_answers_as_what_never_was() {
    let mut spent = Source::default();
    for i in 0..1000 {
        let now = 1_000_000 + i;
        spent.learn(SourceKind::Device, &failure(i, now));
        spent.learn(SourceKind::Device, &success(i, now));
    }
    let gone = 1_001_000 + 7 * 86_400;
    assert!(!spent.is_spent(1_001_000) && !spent.is_spent(gone - 86_400));
    assert!(spent.is_spent(gone));
    let mut fresh = Source::default();
    for i in 0..50 {
        let now = gone + i * 10;
        for source in [&mut spent, &mut fresh] {
            source.learn(SourceKind::Device, &failure(i, now));
            source.learn(SourceKind::Device, &success(i, now));
        }
        let told = |source: &Source| {
            let numbers = [source.failed(now), source.succeeded(now), source.names(now)];
            (source.hot_until(now), source.owners(now), numbers)
        };
        assert_eq!(told(&spent), told(&fresh));
    }
}

#[test]
fn keys_of_what_is_absent_do_not_exist() {
    assert_eq!(SourceKey::of(&Features::default()).count(), 0);
    let features = Features {
        address: 1,
        prefix: 1,
        asn: 1,
        user_agent: 1,
        ..Features::default()
    };
    let mut pages: Vec<_> = SourceKey::of(&features).map(SourceKey::locator).collect();
    pages.dedup();
    assert_eq!(pages.len(), 4);
}
