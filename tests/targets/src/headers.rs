//! Header pairs in the ABI's form, and what one scan of them collects.
//! May use the adapter's scan, a policy that reads every header there is to read.
//! Must not judge what the headers say.

use std::sync::LazyLock;

use stepgate::policy::Policy;
use stepgate::signals::request::Field;

use crate::collect::{Collected, Wanted};
use crate::pairs::{self, Pairs};

/// Longest value that is a signal.
const LONGEST: usize = 16 * 1024;

static CURIOUS: LazyLock<(Policy, Wanted)> = LazyLock::new(|| {
    let policy = Policy::parse(
        r#"{
            "hash_key": "a secret of enough characters",
            "credentials": {
                "tokens": [{}, { "scheme": "DPoP" }, { "header": "x-token", "scheme": "" }, { "cookie": "session" }],
                "api_keys": { "header": "x-api-key", "query": "key" }
            },
            "signals": {
                "preset": "envoy-geoip", "latitude": "x-lat", "longitude": "x-lon", "coordinates": "x-place",
                "tls_fingerprint": "x-ja4", "device_cookie": "device"
            },
            "challenge": { "receipt": {} },
            "tiers": [{ "name": "login", "paths": ["/login"], "class": "login" }]
        }"#,
    )
    .unwrap();
    let wanted = Wanted::of(&policy);
    (policy, wanted)
});

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    if mode & 1 == 0 {
        scan(data);
        return;
    }
    // Lines of `name: value` are a request, as the host would hand it over.
    let list: Vec<(&[u8], &[u8])> = data
        .split(|byte| *byte == b'\n')
        .map(|line| match line.windows(2).position(|two| two == b": ") {
            Some(at) => (&line[..at], &line[at + 2..]),
            None => (line, &[][..]),
        })
        .collect();
    let map = encode(&list);
    assert!(
        Pairs::new(&map).eq(list.iter().copied()),
        "what was written is read"
    );
    let text: Option<Vec<(&str, &str)>> = list
        .iter()
        .map(|(name, value)| {
            Some((
                std::str::from_utf8(name).ok()?,
                std::str::from_utf8(value).ok()?,
            ))
        })
        .collect();
    if let Some(text) = text {
        assert_eq!(pairs::serialize(&text), map, "both writers agree");
    }
    let found = scan(&map);
    let bearers = list.iter().filter(|(name, value)| {
        *name == b"authorization" && value.len() > 7 && value[..7].eq_ignore_ascii_case(b"bearer ")
    });
    if bearers.count() > 1 {
        assert_eq!(found.token, Field::Malformed, "two tokens are none");
    }
    let ours = list
        .iter()
        .filter(|(name, _)| stepgate::headers::is_ours(name));
    assert!(
        ours.map(|(name, _)| *name).eq(found.ours.iter().copied()),
        "every spoofed header is named"
    );
}

fn encode(list: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut map = (list.len() as u32).to_le_bytes().to_vec();
    for part in list.iter().flat_map(|(name, value)| [name, value]) {
        map.extend((part.len() as u32).to_le_bytes());
    }
    for part in list.iter().flat_map(|(name, value)| [name, value]) {
        map.extend(*part);
        map.push(0);
    }
    map
}

fn scan(map: &[u8]) -> Collected<'_> {
    let read: usize = Pairs::new(map)
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(read <= map.len(), "no byte is read twice");
    let (policy, wanted) = &*CURIOUS;
    let found = Collected::scan(map, policy, wanted);
    for name in &found.ours {
        assert!(stepgate::headers::is_ours(name));
    }
    for field in [
        found.token,
        found.api_key,
        found.user_agent,
        found.device,
        found.receipt,
        found.proof,
        found.content_type,
    ] {
        if let Field::Present(value) = field {
            assert!(value.len() <= LONGEST);
        }
    }
    found
}
