//! Pins at work: who is pinned to what, and whether a request keeps to it.
//! May use: signals, whom exceptions name.
//! Must not: score, or take the word of a credential nobody verified.

use super::PolicyError;
use super::config::{PinConfig, PolicyConfig};
use super::exceptions::{Asker, Scope, Whom, digests, whom};
use super::external::country;
use super::names::SignalNames;
use crate::signals::address::{CidrSet, MAX_ENTRIES};
use crate::signals::request::{Field, Signals};

/// Most pins of one policy: each is asked on every request.
const MAX_PINS: usize = 1000;
/// Most values in one list of a pin, which are compared one by one.
const MAX_VALUES: usize = 1000;
/// Longest URI SAN and longest product, in bytes.
const URI_BYTES_MAX: usize = 2048;
const PRODUCT_BYTES_MAX: usize = 64;

/// All pins of a policy, checked.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Pins {
    list: Vec<Pin>,
}

/// One pin. An empty list is no limit.
#[derive(Clone, Debug, PartialEq)]
struct Pin {
    name: String,
    whom: Whom,
    networks: Option<CidrSet>,
    countries: Vec<[u8; 2]>,
    asns: Vec<u32>,
    certificates: Vec<String>,
    workloads: Vec<String>,
    agents: Vec<String>,
}

impl Pins {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The name of a pin.
    #[must_use]
    pub fn name(&self, pin: u16) -> &str {
        self.list
            .get(usize::from(pin))
            .map_or("", |pin| pin.name.as_str())
    }

    /// Identities that are named anywhere.
    pub fn identities(&self) -> impl Iterator<Item = &str> {
        let lists = self.list.iter().map(|pin| pin.whom.identities());
        lists.flatten().map(String::as_str)
    }

    /// Whether any pin looks at client certificates.
    #[must_use]
    pub fn look_at_certificates(&self) -> bool {
        let looks = |pin: &Pin| !pin.certificates.is_empty() || !pin.workloads.is_empty();
        self.list.iter().any(looks)
    }

    /// The first pin that whoever asks does not keep to.
    #[must_use]
    pub fn broken(&self, asker: &Asker<'_>) -> Option<u16> {
        let numbered = (0_u16..).zip(&self.list);
        let mut named = numbered.filter(|(_, pin)| pin.whom.holds(asker));
        let broken = named.find(|(_, pin)| !pin.is_kept(asker.signals));
        broken.map(|(number, _)| number)
    }

    /// Whether whoever asks is pinned to something that an audit line does not hold.
    #[cfg(feature = "cli")]
    #[must_use]
    pub fn look_beyond_audit(&self, asker: &Asker<'_>) -> bool {
        self.list.iter().any(|pin| {
            let beyond =
                !(pin.certificates.is_empty() && pin.workloads.is_empty() && pin.agents.is_empty());
            beyond && pin.whom.holds(asker)
        })
    }
}

impl Pin {
    fn is_kept(&self, signals: &Signals<'_>) -> bool {
        let (network, client) = (&signals.network, &signals.client);
        let address = network.address.present();
        self.networks
            .as_ref()
            .is_none_or(|networks| address.is_some_and(|address| networks.contains(address)))
            && is_one(&self.countries, network.country, |known, shown| {
                *known == shown
            })
            && is_one(&self.asns, network.asn, |known, shown| *known == shown)
            && is_one(&self.certificates, client.certificate, |known, shown| {
                known.as_bytes().eq_ignore_ascii_case(shown)
            })
            && is_one(&self.workloads, client.workload, |known, shown| {
                known.as_bytes() == shown
            })
            && is_one(&self.agents, client.user_agent, |known, shown| {
                known.as_bytes().eq_ignore_ascii_case(product(shown))
            })
    }
}

/// Whether a value is known and is one of these; an empty list is no limit.
fn is_one<T, V: Copy>(list: &[T], value: Field<V>, same: impl Fn(&T, V) -> bool) -> bool {
    list.is_empty()
        || value
            .present()
            .is_some_and(|value| list.iter().any(|known| same(known, value)))
}

/// The first product of a user agent, without its version (RFC 9110 §10.1.5).
fn product(agent: &[u8]) -> &[u8] {
    agent
        .split(|byte| matches!(byte, b'/' | b' '))
        .next()
        .unwrap_or_default()
}

pub(super) fn compile(config: &PolicyConfig, names: &SignalNames) -> Result<Pins, PolicyError> {
    let written = &config.pins;
    if written.len() > MAX_PINS {
        let count = written.len();
        return Err(PolicyError::new(
            "pins",
            format!("{count} are too many; allowed: {MAX_PINS}"),
        ));
    }
    let blocks: usize = written.iter().map(|pin| pin.networks.len()).sum();
    if blocks > MAX_ENTRIES {
        return Err(PolicyError::new(
            "pins",
            format!("{blocks} blocks are too many; allowed: {MAX_ENTRIES} in all pins"),
        ));
    }
    let mut pins = Pins::default();
    for (index, entry) in written.iter().enumerate() {
        let path = format!("pins[{index}]");
        let pin = pin(entry, &path, names)?;
        if pins.list.iter().any(|other| other.name == pin.name) {
            let name = &pin.name;
            return Err(PolicyError::new(
                format!("{path}.name"),
                format!("`{name}` is taken; every pin needs a name of its own"),
            ));
        }
        pins.list.push(pin);
    }
    Ok(pins)
}

fn pin(written: &PinConfig, path: &str, names: &SignalNames) -> Result<Pin, PolicyError> {
    let at = |key: &str| format!("{path}.{key}");
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let name = &written.name;
    if name.is_empty() || name.len() > 64 || !name.bytes().all(word) {
        let name = name.escape_debug();
        return Err(PolicyError::new(
            at("name"),
            format!("`{name}` is not a name; allowed: 1 to 64 of a-z, 0-9 and -"),
        ));
    }
    let whom = whom(&Scope {
        path,
        identities: &written.identities,
        groups: &written.groups,
        clients: &written.clients,
        networks: &[],
        devices: &[],
        tiers: &[],
        keys: "identities, groups or clients",
    })?;
    limits(written, path, names)?;
    let countries = written.countries.iter().enumerate();
    let countries =
        countries.map(|(index, code)| country(&at(&format!("countries[{index}]")), code));
    Ok(Pin {
        name: name.clone(),
        whom,
        networks: match written.networks.as_slice() {
            [] => None,
            blocks => Some(
                CidrSet::parse(blocks.iter().map(String::as_str))
                    .map_err(|why| PolicyError::new(at("networks"), why.to_string()))?,
            ),
        },
        countries: countries.collect::<Result<_, _>>()?,
        asns: written.asns.clone(),
        certificates: written.certificates.clone(),
        workloads: written.workloads.clone(),
        agents: written.agents.clone(),
    })
}

/// Checks what an identity is pinned to: something, in bounds, and known of requests.
fn limits(written: &PinConfig, path: &str, names: &SignalNames) -> Result<(), PolicyError> {
    let refuse =
        |key: &str, message: String| Err(PolicyError::new(format!("{path}{key}"), message));
    let given = [
        ("countries", written.countries.len()),
        ("asns", written.asns.len()),
        ("certificates", written.certificates.len()),
        ("workloads", written.workloads.len()),
        ("agents", written.agents.len()),
    ];
    if written.networks.is_empty() && given.iter().all(|(_, count)| *count == 0) {
        let message =
            "pins to nothing; name networks, countries, asns, certificates, workloads or agents";
        return refuse("", message.into());
    }
    for (key, count) in given {
        if count > MAX_VALUES {
            let message = format!("{count} are too many; allowed: {MAX_VALUES}");
            return refuse(&format!(".{key}"), message);
        }
    }
    for (key, needed, header) in [
        ("countries", !written.countries.is_empty(), &names.country),
        ("asns", !written.asns.is_empty(), &names.asn),
    ] {
        if needed && header.is_none() {
            let signal = if key == "asns" { "asn" } else { "country" };
            let message = format!(
                "no header is named that says it, so that every request would be refused; set `signals.{signal}` or `signals.preset`"
            );
            return refuse(&format!(".{key}"), message);
        }
    }
    if let Some(index) = written.asns.iter().position(|asn| *asn == 0) {
        let message = "0 is no autonomous system; allowed: 1 to 4294967295 (RFC 7607)";
        return refuse(&format!(".asns[{index}]"), message.into());
    }
    digests(&written.certificates, &format!("{path}.certificates"))?;
    for (index, uri) in written.workloads.iter().enumerate() {
        let known =
            uri.len() <= URI_BYTES_MAX && uri.contains(':') && !uri.contains(char::is_whitespace);
        if !known {
            let message = "is no URI; allowed: the URI SAN of a certificate, such as spiffe://cluster.local/ns/shop/sa/cart";
            return refuse(&format!(".workloads[{index}]"), message.into());
        }
    }
    for (index, agent) in written.agents.iter().enumerate() {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if agent.is_empty() || agent.len() > PRODUCT_BYTES_MAX || !agent.bytes().all(token) {
            let message = format!(
                "`{}` is no product of a user agent; allowed: what stands before its first / or space, such as terraform",
                agent.escape_debug()
            );
            return refuse(&format!(".agents[{index}]"), message);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "pins_tests.rs"]
mod tests;
