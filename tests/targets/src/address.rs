//! Addresses, blocks and lists of them, times, device receipts, and the address a browser is sent back to.
//! May use the engine's parsers; a reader of URLs as lax as browsers are.
//! Must not look anything up.

use std::sync::LazyLock;

use stepgate::decision::Refusal;
use stepgate::policy::{Policy, Route};
use stepgate::receipt::{Grant, Receipts};
use stepgate::redirect::{Navigation, answer};
use stepgate::signals::address::{Address, Cidr, CidrSet};
use stepgate::signals::ecs::{parse_time, rfc3339};
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{DeviceReceipt, Field};

use crate::NOW;

static RECEIPTS: LazyLock<Receipts> =
    LazyLock::new(|| Receipts::new("device", &HashKey::from_secret("of receipts"), None).unwrap());

static PAGE: LazyLock<Policy> = LazyLock::new(|| {
    Policy::parse(
        r#"{"mode":"enforce","challenge":{"page":{"url":"https://id.test/mfa","origins":["https://app.test","https://shop.test:8443"],"default":"/start"}}}"#,
    )
    .unwrap()
});

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    match mode % 4 {
        0 => addresses(data),
        1 => blocks(data),
        2 => receipts(data),
        _ => sent_back(data),
    }
}

fn addresses(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(address) = Address::parse(text) {
        sound(address);
    }
    if let Some(time) = parse_time(text) {
        let again = parse_time(&rfc3339(time)).expect("what is written is read");
        assert!((again - time).abs() < 1e-3, "{text}: {time} {again}");
    }
}

fn sound(address: Address) {
    assert_eq!(Address::from_octets(address.octets()), address);
    assert_eq!(Address::parse(&address.ip().to_string()), Some(address));
    for wider in [address.prefix(), address.subscriber(), address.block()] {
        assert_eq!(wider.is_v4(), address.is_v4());
    }
    assert_eq!(address.prefix().prefix(), address.prefix());
    assert_eq!(address.subscriber().prefix(), address.prefix());
    assert_eq!(address.prefix().block(), address.block());
    assert_eq!(
        address.is_global(),
        address.scope() == stepgate::signals::address::Scope::Global
    );
    let block = Cidr::parse(&address.ip().to_string()).expect("an address is a block");
    assert!(block.contains(address));
}

/// Lines are blocks; a set of them holds what one of them holds.
fn blocks(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let blocks: Vec<(&str, Cidr)> = text
        .lines()
        .take(200)
        .filter_map(|line| Some((line, Cidr::parse(line).ok()?)))
        .collect();
    let set = CidrSet::parse(blocks.iter().map(|(line, _)| *line)).unwrap();
    assert!(set.len() <= blocks.len());
    let bases = text.split(['\n', '/']).filter_map(Address::parse);
    let probes = bases.flat_map(|base| {
        let mut octets = base.octets();
        octets[15] ^= 1;
        let near = Address::from_octets(octets);
        octets[12] ^= 0x80;
        [base, near, Address::from_octets(octets), base.prefix()]
    });
    for address in probes {
        let one = blocks.iter().any(|(_, block)| block.contains(address));
        assert_eq!(set.contains(address), one, "{address:?} {text}");
    }
    let _list = CidrSet::parse_list(text);
}

fn receipts(data: &[u8]) {
    let found = RECEIPTS.read(Field::Present(data), "alice", NOW);
    assert_eq!(found, DeviceReceipt::Refused, "nobody made this");
    // A receipt with bytes of another in it.
    let device = data.iter().chain(&[0; 12]).take(12).copied();
    let device: Vec<u8> = device.collect();
    let device = device.try_into().unwrap();
    let cookie = RECEIPTS
        .set_cookie(Grant::New, "alice", device, NOW)
        .unwrap();
    let value = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(
        RECEIPTS.read(Field::Present(value.as_bytes()), "alice", NOW),
        DeviceReceipt::Held {
            issued: NOW,
            device
        }
    );
    let name = String::from_utf8_lossy(data);
    if name != "alice" {
        let other = RECEIPTS.read(Field::Present(value.as_bytes()), &name, NOW);
        assert_eq!(other, DeviceReceipt::Refused);
    }
}

/// First line: who was asked; the rest: for what.
fn sent_back(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (authority, target) = data.split_at(at);
    let asked = Navigation {
        method: b"GET",
        fetch_mode: Field::Present(b"navigate"),
        accepts_html: true,
        authority,
        target: target.strip_prefix(b"\n").unwrap_or(target),
    };
    let tier = PAGE.tier(&Route::default());
    let (reply, _) = answer(Refusal::Challenge, &PAGE, tier, "d0", &asked);
    let location = reply.headers.iter().find(|(name, _)| *name == "location");
    let (_, location) = location.expect("a redirect");
    let escaped = location
        .strip_prefix("https://id.test/mfa?return_to=")
        .expect("to the page");
    assert!(location.len() < 8192);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    assert!(escaped.bytes().all(plain), "{location}");
    let mut address = escaped.to_owned();
    // However often it is unescaped, it leads to an origin of the policy.
    for _ in 0..4 {
        address = unescaped(&address);
        let origin = origin(&address);
        assert!(
            ["https://app.test", "https://shop.test:8443"].contains(&origin.as_str()),
            "{address:?} leads to {origin}"
        );
    }
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The origin of an address as a browser sees it (WHATWG URL): control characters are dropped, a backslash is a slash, any
/// number of them begins the authority, and what stands before its last `@` is no host.
fn origin(address: &str) -> String {
    let plain: String = address
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    let (scheme, rest) = plain.trim().split_once(':').unwrap_or_default();
    let authority = rest.trim_start_matches('/');
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{}://{}", scheme.to_lowercase(), host.to_lowercase())
}
