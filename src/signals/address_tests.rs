//! Tests of addresses and blocks.

use super::*;

fn at(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|| panic!("{text} is an address"))
}

#[test]
fn every_form_envoy_writes_is_read() {
    for (text, shown) in [
        ("1.2.3.4:5678", "1.2.3.4"),
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4 ", "1.2.3.4"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%3]:80", "fe80::1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("[::ffff:a01:203]:9", "10.1.2.3"),
        ("::1", "::1"),
    ] {
        assert_eq!(at(text).to_string(), shown, "{text}");
    }
}

#[test]
fn what_is_no_address_is_none() {
    for text in [
        "",
        ":",
        "/tmp/sock",
        "unix:///tmp/sock",
        "@abstract",
        "pipe",
        "envoy_internal_address",
        "localhost:80",
        "envoy://internal_listener/x",
        "1.2.3",
        "1.2.3.4:",
        "1.2.3.4:99999",
        "1.2.3.4:+80",
        "1.2.3.4.5",
        "01.2.3.4",
        "[1.2.3.4]:80",
        "[::1",
        "[::1]80",
        "[::1]:x",
        "::1]",
        "[]:80",
        "1.2.3.4, 5.6.7.8",
        "::g",
    ] {
        assert_eq!(Address::parse(text), None, "{text}");
    }
    assert_eq!(Address::parse(&"1".repeat(4096)), None);
}

#[test]
fn prefixes_cut_at_24_and_48_bits() {
    assert_eq!(at("198.51.100.77").prefix(), at("198.51.100.0"));
    assert_eq!(at("2001:db8:1:2:3::4").prefix(), at("2001:db8:1::"));
    assert_eq!(at("::ffff:198.51.100.77").prefix(), at("198.51.100.0"));
}

#[test]
fn scopes_follow_the_registries() {
    use Scope::*;
    for (text, scope) in [
        ("8.8.8.8", Global),
        ("10.0.0.1", Private),
        ("172.16.0.1", Private),
        ("172.32.0.1", Global),
        ("192.168.3.4", Private),
        ("127.84.0.0", Loopback),
        ("100.64.0.1", CarrierNat),
        ("100.128.0.1", Global),
        ("169.254.169.254", LinkLocal),
        ("0.0.0.0", Reserved),
        ("203.0.113.9", Reserved),
        ("198.18.0.1", Reserved),
        ("255.255.255.255", Reserved),
        ("224.0.0.1", Reserved),
        ("2a00:1450::1", Global),
        ("::1", Loopback),
        ("::", Reserved),
        ("fd00::1", Private),
        ("fe80::1", LinkLocal),
        ("ff02::1", Reserved),
        ("2001:db8::1", Reserved),
        ("2002:a00:1::", Private),
        ("2002:808:808::", Global),
        ("64:ff9b::8.8.8.8", Global),
        ("64:ff9b::127.0.0.1", Loopback),
    ] {
        assert_eq!(at(text).scope(), scope, "{text}");
    }
}

#[test]
fn tunnels_show_the_address_inside() {
    assert!(at("2002:c633:6401::1").is_6to4());
    assert_eq!(
        at("2002:c633:6401::1").tunnelled(),
        Some(at("198.51.100.1"))
    );
    // The example of RFC 4380 §4: client 192.0.2.45 behind server 65.54.227.120.
    let teredo = at("2001:0:4136:e378:8000:63bf:3fff:fdd2");
    assert!(teredo.is_teredo());
    assert_eq!(teredo.tunnelled(), Some(at("192.0.2.45")));
    assert_eq!(at("2001:db8::1").tunnelled(), None);
}

#[test]
fn blocks_hold_what_they_say() {
    let block = |text| Cidr::parse(text).unwrap();
    assert!(block("10.0.0.0/8").contains(at("10.255.255.255")));
    assert!(!block("10.0.0.0/8").contains(at("11.0.0.0")));
    assert!(block("10.1.2.3/8").contains(at("10.9.9.9")));
    assert!(block("0.0.0.0/0").contains(at("255.1.2.3")));
    assert!(!block("0.0.0.0/0").contains(at("2001:db8::1")));
    assert!(!block("::/0").contains(at("1.2.3.4")));
    assert!(block("::/0").contains(at("2001:db8::1")));
    assert!(block("::ffff:10.0.0.0/104").contains(at("10.3.4.5")));
    assert!(block("2001:db8::/32").contains(at("2001:db8:ffff::1")));
    assert!(block("192.0.2.1").contains(at("192.0.2.1")));
    assert!(!block("192.0.2.1").contains(at("192.0.2.2")));
}

#[test]
fn a_bad_block_is_named() {
    for text in [
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0/8",
        "",
        "x/8",
        "1.2.3.4:80/8",
    ] {
        assert_eq!(
            Cidr::parse(text),
            Err(CidrError::NotABlock(text.to_owned())),
            "{text}"
        );
    }
    let error = CidrSet::parse(["10.0.0.0/8", "10.0.0.0/99"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`10.0.0.0/99` is no address block, write it like 198.51.100.0/24, 2001:db8::/32 or 198.51.100.7"
    );
    let many = std::iter::repeat_n("10.0.0.0/8", MAX_ENTRIES + 1);
    assert_eq!(
        CidrSet::parse(many).unwrap_err().to_string(),
        "more than 100000 address blocks in one list"
    );
}

#[test]
fn lists_may_carry_comments() {
    let set = CidrSet::parse_list(
        "# drop\n198.51.100.0/24 ; SBL1\r\n\n 2001:db8::/32 # test\n198.51.101.0/24",
    )
    .unwrap();
    assert_eq!(set.len(), 2, "neighbours merge");
    assert!(set.contains(at("198.51.101.200")) && set.contains(at("2001:db8::5")));
    assert!(!set.contains(at("198.51.102.0")) && !CidrSet::default().contains(at("::1")));
    assert!(CidrSet::parse_list("").unwrap().is_empty());
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,120}") {
            let _ = Address::parse(&text);
            let _ = Cidr::parse(&text);
        }

        #[test]
        fn addresses_survive_their_text(octets: [u8; 16]) {
            let address = Address::from_octets(octets);
            prop_assert_eq!(Address::parse(&address.to_string()), Some(address));
            prop_assert_eq!(address.octets(), octets);
        }

        #[test]
        fn a_set_answers_as_a_scan_of_its_blocks(
            blocks in prop::collection::vec((0u32..0x4000, 16u8..=32, any::<bool>()), 0..40),
            probes in prop::collection::vec((0u32..0x4000, any::<bool>()), 0..60),
        ) {
            let place = |n: u32, v6: bool| {
                let v4 = Ipv4Addr::from(0x0a00_0000 | n);
                if v6 { Address::from(Ipv6Addr::from(u128::from(n) << 96 | 7)) } else { v4.into() }
            };
            let texts: Vec<String> =
                blocks.iter().map(|(n, bits, v6)| format!("{}/{}", place(*n, *v6), bits)).collect();
            let set = CidrSet::parse(texts.iter().map(String::as_str)).unwrap();
            let all: Vec<Cidr> = texts.iter().map(|t| Cidr::parse(t).unwrap()).collect();
            for (n, v6) in probes {
                let probe = place(n, v6);
                prop_assert_eq!(set.contains(probe), all.iter().any(|c| c.contains(probe)), "{}", probe);
            }
        }
    }
}
