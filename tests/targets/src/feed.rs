//! Feed documents: taken whole or not at all, bounded, and with a path that cannot become another header.
//! May use the engine's feeds.
//! Must not fetch.

use stepgate::feed::{Document, Feed};
use stepgate::signals::address::Address;
use stepgate::signals::keyed::HashKey;

use crate::NOW;

pub(crate) fn run(data: &[u8]) {
    let read = || Document::read(data, &HashKey::PUBLIC, NOW);
    let document = match (read(), read()) {
        (Ok(document), Ok(again)) => {
            assert_eq!(document.feed, again.feed);
            document
        }
        (Err(why), Err(again)) => {
            assert_eq!(why, again);
            assert!(!why.is_empty() && !why.ends_with('.'), "{why}");
            return;
        }
        _ => panic!("the same document is read in two ways"),
    };
    if let Some(path) = &document.snapshot {
        assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    // No entry takes less than ten bytes of the document.
    let feed = &document.feed;
    let entries = feed.revocations.len() + feed.networks.len() + feed.orders.len();
    assert!(10 * (entries + document.verdicts.len() + document.expired) <= data.len());
    for list in &feed.networks {
        assert!(list.expires > NOW);
        assert!(list.nats.is_none_or(|nats| (0.0..=20.0).contains(&nats)));
        let _listed = Address::parse("192.0.2.1").map(|address| list.networks.contains(address));
    }
    for ordered in feed.orders.values() {
        assert!(ordered.until > NOW);
    }
    let mut all = Feed::default();
    let _left_out = all.merge(feed);
    let once = all.clone();
    let _left_out = all.merge(feed);
    assert_eq!(all.revocations.len(), once.revocations.len());
    assert_eq!(all.orders, once.orders);
    assert_eq!(all.shadow, feed.shadow);
}
