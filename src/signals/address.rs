//! Network addresses as Envoy writes them, prefixes of them, and sets of prefixes.
//! May use: std only. Must not: resolve names, read headers, keep hash-map order.
//! IPv4 lives inside the 16 bytes as `::ffff:a.b.c.d`, so one form serves both families.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sorted::sorted;

/// Most entries one [`CidrSet`] takes; about 3 MiB if all are IPv6.
pub const MAX_ENTRIES: usize = 100_000;

/// Longest text looked at: a bracketed IPv6 address with zone and port is shorter.
const MAX_TEXT: usize = 96;

/// One client address, IPv4 or IPv6, in the 16-byte form of RFC 4291 (IPv4 as `::ffff:a.b.c.d`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(u128);

/// Where in the address plan an address lies, after the IANA special-purpose registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Routed on the public internet.
    Global,
    /// RFC 1918 or a unique local address (`fc00::/7`).
    Private,
    /// `127.0.0.0/8` or `::1`.
    Loopback,
    /// Carrier-grade NAT, `100.64.0.0/10` (RFC 6598).
    CarrierNat,
    /// `169.254.0.0/16` or `fe80::/10`.
    LinkLocal,
    /// Unspecified, multicast, documentation, benchmarking or reserved: no client comes from here.
    Reserved,
}

impl Address {
    /// Reads the text of Envoy's `source.address` or of an event's `source.ip`: with or without port,
    /// brackets or zone. Anything that is no IP address (pipes, internal listeners, names) is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_TEXT {
            return None;
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::from(address));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']')?;
            let port = port.strip_prefix(':');
            let fits = port.is_none_or(is_port) && (port.is_some() || rest.ends_with(']'));
            return if fits { Self::v6(host) } else { None };
        }
        let (host, port) = text.split_once(':')?;
        if port.contains(':') {
            return Self::v6(text);
        }
        let host = host.parse::<Ipv4Addr>().ok()?;
        is_port(port).then(|| Self::from(host))
    }

    fn v6(text: &str) -> Option<Self> {
        let host = text.split_once('%').map_or(text, |(host, _zone)| host);
        host.parse::<Ipv6Addr>().ok().map(Self::from)
    }

    /// The 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`.
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The address of 16 bytes in network order.
    #[must_use]
    pub fn from_octets(octets: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(octets))
    }

    /// True for IPv4, also when it came as an IPv4-mapped IPv6 address.
    #[must_use]
    pub fn is_v4(self) -> bool {
        self.0 >> 32 == 0xffff
    }

    /// The network a subscriber or office sits in: the first 24 bits of IPv4, 48 of IPv6, the rest zero.
    #[must_use]
    pub fn prefix(self) -> Self {
        Self(self.0 & mask(if self.is_v4() { 96 + 24 } else { 48 }))
    }

    /// What a subscriber holds: the address of IPv4, the first 64 bits of IPv6, whose rest changes by itself (RFC 8981).
    #[must_use]
    pub fn subscriber(self) -> Self {
        Self(self.0 & mask(if self.is_v4() { 128 } else { 64 }))
    }

    /// The block a pool of addresses lies in: the first 20 bits of IPv4, 40 of IPv6, the rest zero.
    #[must_use]
    pub fn block(self) -> Self {
        Self(self.0 & mask(if self.is_v4() { 96 + 20 } else { 40 }))
    }

    /// Which part of the address plan this is; 6to4, Teredo and NAT64 count by the IPv4 address inside.
    #[must_use]
    pub fn scope(self) -> Scope {
        if let Some(inner) = self.tunnelled() {
            return inner.scope();
        }
        match self.ip() {
            IpAddr::V4(v4) => scope_v4(v4),
            IpAddr::V6(v6) => scope_v6(v6),
        }
    }

    /// Short for `scope() == Scope::Global`: only such an address says where its user is.
    #[must_use]
    pub fn is_global(self) -> bool {
        self.scope() == Scope::Global
    }

    /// True for `2002::/16` (RFC 3056).
    #[must_use]
    pub fn is_6to4(self) -> bool {
        self.0 >> 112 == 0x2002
    }

    /// True for `2001::/32` (RFC 4380).
    #[must_use]
    pub fn is_teredo(self) -> bool {
        self.0 >> 96 == 0x2001_0000
    }

    /// The IPv4 address that 6to4, Teredo (its client) or NAT64 (`64:ff9b::/96`) carries, if it is one of them.
    #[must_use]
    pub fn tunnelled(self) -> Option<Self> {
        let inner = if self.is_6to4() {
            self.0 >> 80
        } else if self.is_teredo() {
            !self.0
        } else if self.0 >> 32 == 0x0064_ff9b << 64 {
            self.0
        } else {
            return None;
        };
        Some(Self(MAPPED | (inner & 0xffff_ffff)))
    }

    /// The same address as std knows it.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }
}

const MAPPED: u128 = 0xffff << 32;

/// The first `bits` of 128 set.
fn mask(bits: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(bits.min(128)))
        .unwrap_or(0)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn scope_v4(ip: Ipv4Addr) -> Scope {
    match ip.octets() {
        [127, ..] => Scope::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Scope::Private,
        [100, 64..=127, ..] => Scope::CarrierNat,
        [169, 254, ..] => Scope::LinkLocal,
        [0 | 224.., ..] | [192, 0, 0 | 2, _] | [198, 18 | 19, ..] => Scope::Reserved,
        [198, 51, 100, _] | [203, 0, 113, _] => Scope::Reserved,
        _ => Scope::Global,
    }
}

fn scope_v6(ip: Ipv6Addr) -> Scope {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Scope::Loopback,
        [0xfc00..=0xfdff, ..] => Scope::Private,
        [0xfe80..=0xfebf, ..] => Scope::LinkLocal,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Scope::Reserved,
        [0x2000..=0x3fff, ..] => Scope::Global,
        _ => Scope::Reserved,
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self(MAPPED | u128::from(u32::from(ip)))
    }
}

impl From<Ipv6Addr> for Address {
    fn from(ip: Ipv6Addr) -> Self {
        Self(u128::from(ip))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A block of addresses of one family. Bits beyond its length are ignored, as firewalls do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    first: Address,
    last: Address,
}

impl Cidr {
    /// Reads `198.51.100.0/24`, `2001:db8::/32` or a single address.
    ///
    /// # Errors
    /// If it is neither; the message names the value.
    pub fn parse(text: &str) -> Result<Self, CidrError> {
        let refuse = || CidrError::NotABlock(text.chars().take(MAX_TEXT).collect());
        let (host, length) = match text.trim().split_once('/') {
            None => (text.trim(), None),
            Some((host, length)) => (host, Some(length)),
        };
        let base = Address::from(host.parse::<IpAddr>().map_err(|_| refuse())?);
        let host_is_v4 = base.is_v4() && !host.contains(':');
        let offset = if host_is_v4 { 96 } else { 0 };
        let bits = match length {
            None => 128,
            Some(length) if is_port(length) => {
                let length = length.parse::<u8>().map_err(|_| refuse())?;
                Some(length.saturating_add(offset))
                    .filter(|bits| *bits <= 128)
                    .ok_or_else(refuse)?
            }
            Some(_) => return Err(refuse()),
        };
        let first = Address(base.0 & mask(bits));
        Ok(Self {
            first,
            last: Address(first.0 | !mask(bits)),
        })
    }

    /// True if the address lies in the block. `::/0` holds no IPv4 address.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        self.first.is_v4() == address.is_v4() && (self.first..=self.last).contains(&address)
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => v6.into(),
        }
    }
}

/// Many blocks as sorted, merged ranges: a lookup is one binary search, whatever the overlaps were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CidrSet {
    v4: Vec<(Address, Address)>,
    v6: Vec<(Address, Address)>,
}

impl CidrSet {
    /// Builds the set of all blocks given as text.
    ///
    /// # Errors
    /// On the first value that is no block, or when there are more than [`MAX_ENTRIES`].
    pub fn parse<'a>(blocks: impl IntoIterator<Item = &'a str>) -> Result<Self, CidrError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (seen, text) in blocks.into_iter().enumerate() {
            if seen >= MAX_ENTRIES {
                return Err(CidrError::TooMany);
            }
            let block = Cidr::parse(text)?;
            let family = if block.first.is_v4() {
                &mut v4
            } else {
                &mut v6
            };
            family.push((block.first, block.last));
        }
        Ok(Self {
            v4: merged(v4),
            v6: merged(v6),
        })
    }

    /// Builds the set from a published list: one block per line, `#` and `;` begin a comment.
    ///
    /// # Errors
    /// As [`CidrSet::parse`].
    pub fn parse_list(text: &str) -> Result<Self, CidrError> {
        let blocks = text
            .lines()
            .map(|line| line.split(['#', ';']).next().unwrap_or("").trim());
        Self::parse(blocks.filter(|block| !block.is_empty()))
    }

    /// True if any block holds the address.
    #[must_use]
    pub fn contains(&self, address: Address) -> bool {
        let ranges = if address.is_v4() { &self.v4 } else { &self.v6 };
        let after = ranges.partition_point(|(first, _)| *first <= address);
        let range = after.checked_sub(1).and_then(|i| ranges.get(i));
        range.is_some_and(|(_, last)| address <= *last)
    }

    /// Number of ranges after merging.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// True if no block was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn merged(ranges: Vec<(Address, Address)>) -> Vec<(Address, Address)> {
    let mut ranges = sorted(ranges);
    ranges.dedup_by(|next, kept| {
        let touches = next.0.0 <= kept.1.0.saturating_add(1);
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
    ranges.shrink_to_fit();
    ranges
}

/// Why a list of blocks was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CidrError {
    /// The value is no block.
    NotABlock(String),
    /// The list is longer than [`MAX_ENTRIES`].
    TooMany,
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABlock(text) => {
                let text = text.escape_debug();
                write!(
                    f,
                    "`{text}` is no address block, write it like 198.51.100.0/24, 2001:db8::/32 or 198.51.100.7"
                )
            }
            Self::TooMany => write!(f, "more than {MAX_ENTRIES} address blocks in one list"),
        }
    }
}

impl std::error::Error for CidrError {}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
