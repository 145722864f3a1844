//! Signals as numbers: hashed, normalised and ready to compare. Behind this point nothing names a person.
//! May use: signals and keyed hashes.
//! Must not: read the baseline, or decide.

use super::address::Address;
use super::bearer::{Bearer, seconds};
use super::countries::Point;
use super::credential::CredentialFeatures;
use super::keyed::{Domain, HashKey, Locator};
use super::language;
use super::request::{Anonymiser, DeviceReceipt, Kind, Signals, Standing};
use super::route;

/// What a route is, as far as risk is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Nothing special.
    #[default]
    Ordinary,
    /// Where credentials are exchanged for a session.
    Login,
    /// Where a lost credential is replaced.
    Recovery,
    /// Administration: grants, keys, audit settings.
    Privileged,
    /// What an owner would want to confirm, such as a payment.
    Sensitive,
    /// Where the e-mail address of an account is changed: sensitive.
    EmailChange,
    /// Where the password of an account is changed: sensitive.
    PasswordChange,
    /// Where the second factors of an account are changed: sensitive.
    MfaChange,
    /// Export of many records.
    Bulk,
}

impl Class {
    /// The word in policies and audit lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Login => "login",
            Self::Recovery => "recovery",
            Self::Privileged => "privileged",
            Self::Sensitive => "sensitive",
            Self::EmailChange => "email-change",
            Self::PasswordChange => "password-change",
            Self::MfaChange => "mfa-change",
            Self::Bulk => "bulk",
        }
    }

    /// Whether an owner would want to confirm what is done here.
    #[must_use]
    pub const fn is_sensitive(self) -> bool {
        matches!(
            self,
            Self::Sensitive | Self::EmailChange | Self::PasswordChange | Self::MfaChange
        )
    }

    /// Whether more than the asker's own reading is at stake.
    #[must_use]
    pub const fn is_critical(self) -> bool {
        matches!(self, Self::Privileged) || self.is_sensitive()
    }

    /// The link of the chain that takes an account over, as a bit; 0: none.
    #[must_use]
    pub const fn takeover_link(self) -> u8 {
        match self {
            Self::EmailChange => 1,
            Self::PasswordChange => 2,
            Self::MfaChange => 4,
            _ => 0,
        }
    }
}

/// Major versions of browser and operating system; 0: not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientVersion {
    /// Of the browser.
    pub browser: u16,
    /// Of the operating system.
    pub os: u16,
}

/// Numbers of one request. A `u32` of 0 means absent.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Features {
    /// Seconds since 1970.
    pub now: u32,
    /// Where the identity's record lives; absent for anonymous requests.
    pub identity: Option<Locator>,
    /// Whether the credential was verified.
    pub verified: bool,
    /// Person or machine.
    pub kind: Kind,
    /// Peer group.
    pub group: u32,
    /// OAuth client.
    pub client_id: u32,
    /// What a subscriber holds: address, or /64 of IPv6.
    pub address: u32,
    /// /24 or /48.
    pub prefix: u32,
    /// /20 or /40.
    pub block: u32,
    /// Autonomous system, in clear.
    pub asn: u32,
    /// Country, in clear: two letters.
    pub country: u32,
    /// City, with its country: names of cities are not unique.
    pub city: u32,
    /// Place on earth.
    pub point: Option<Point>,
    /// Anonymiser flags.
    pub anonymiser: Anonymiser,
    /// Whether the address is a hosting provider's: 1 no, 2 yes.
    pub hosting: u32,
    /// The finest that tells one client from another: the device cookie where there is one, else the user agent string.
    pub user_agent: u32,
    /// Browser family with operating system.
    pub browser: u32,
    /// Operating system with device class.
    pub os: u32,
    /// Major versions of both.
    pub version: ClientVersion,
    /// Device class.
    pub device: u32,
    /// Device cookie.
    pub cookie: u32,
    /// A tool, a headless browser, or no user agent at all.
    pub script: bool,
    /// JA3/JA4 or certificate.
    pub tls: u32,
    /// Browser together with its TLS fingerprint; a certificate is none.
    pub handshake: u32,
    /// The language asked for first.
    pub language: u32,
    /// What the device receipt proves.
    pub receipt: DeviceReceipt,
    /// Session, or the token where there is none.
    pub session: u32,
    /// Its credential names no session: every new token looks like another one.
    pub sessionless: bool,
    /// The request itself is a login, as event files say.
    pub login: bool,
    /// The authentication event this request belongs to; 0 for requests that can start none.
    pub event: u32,
    /// `auth_time`, or 0.
    pub auth_time: u32,
    /// `iat`, or 0.
    pub issued_at: u32,
    /// What the token itself shows.
    pub credential: CredentialFeatures,
    /// Route with its method, ids taken out, or the command an event line names.
    pub route: u32,
    /// The thing asked for: the path as it is.
    pub object: u32,
    /// An event line names what was done.
    pub command: bool,
    /// What the route is for.
    pub class: Class,
    /// The method changes nothing.
    pub safe: bool,
    /// Of a thousand parts of all identities the one this belongs to; by the address where none is named.
    pub cohort: u16,
    /// Where the record of the name lives that a login tries; absent where it tries none, or one that cannot be read.
    pub tried: Option<Locator>,
    /// The login tries a name that cannot be read.
    pub unreadable_name: bool,
    /// The name may stand in a body that is still to come: whether this is a place of its own is not known yet.
    pub awaits_name: bool,
    /// The name came with a method that changes nothing, and without credentials: the upstream may not have looked at it, so that
    /// an answer which is no failure proves nothing.
    pub asks_only: bool,
}

/// Longest name of a city that is read, in bytes: the longest there is has 168 letters.
const CITY_BYTES_MAX: usize = 256;

/// A city as it is compared: its country, and its name without regard to case.
fn city(country: Option<[u8; 2]>, name: &[u8]) -> Option<Vec<u8>> {
    let name = name.trim_ascii();
    let named = !name.is_empty() && name != b"-" && name.len() <= CITY_BYTES_MAX;
    named.then(|| {
        let mut whole = country.unwrap_or_default().to_vec();
        whole.extend(name.iter().map(u8::to_ascii_lowercase));
        whole
    })
}

impl Features {
    /// Hashes what `signals` say.
    #[must_use]
    pub fn of(signals: &Signals<'_>, key: &HashKey) -> Self {
        let bearer = Bearer::of(signals.standing.subject(), &signals.session, key);
        Self::shown_by(&bearer, signals, key)
    }

    /// The same of a credential whose numbers are known.
    #[must_use]
    pub fn shown_by(bearer: &Bearer, signals: &Signals<'_>, key: &HashKey) -> Self {
        let now = u32::try_from(signals.now_ms.div_euclid(1000)).unwrap_or(0);
        let hash = |domain, bytes: Option<&[u8]>| {
            bytes
                .filter(|bytes| !bytes.is_empty())
                .map_or(0, |bytes| key.hash32(domain, bytes))
        };
        let subject = signals.standing.subject();
        let network = &signals.network;
        let client = &signals.client;
        let address = network.address.present();
        let of_address = |domain, part: fn(Address) -> Address| {
            hash(
                domain,
                address
                    .map(|address| part(address).octets())
                    .as_ref()
                    .map(<[u8; 16]>::as_slice),
            )
        };
        let parsed = &client.parsed;
        let (browser, os, device) = (
            u32::from(parsed.browser.id()),
            u32::from(parsed.os.id()),
            parsed.device as u32,
        );
        let mut features = Self {
            now,
            identity: bearer.identity,
            verified: matches!(signals.standing, Standing::Verified(_)),
            kind: subject.map_or(Kind::Human, |subject| subject.kind),
            group: bearer.group,
            client_id: bearer.client_id,
            address: of_address(Domain::Address, Address::subscriber),
            prefix: of_address(Domain::Prefix, Address::prefix),
            block: of_address(Domain::Block, Address::block),
            asn: network.asn.present().unwrap_or(0),
            country: network
                .country
                .present()
                .map_or(0, |code| u32::from(u16::from_be_bytes(code))),
            city: network
                .city
                .present()
                .and_then(|name| city(network.country.present(), name))
                .map_or(0, |name| key.hash32(Domain::City, &name)),
            point: network.point,
            anonymiser: network.anonymiser,
            hosting: match network.anonymiser {
                said if !said.has(Anonymiser::HOSTING_SAID) => 0,
                said => 1 + u32::from(said.has(Anonymiser::HOSTING)),
            },
            user_agent: match client.device.present() {
                Some(cookie) => hash(Domain::Device, Some(cookie)),
                None => hash(Domain::UserAgent, client.user_agent.present()),
            },
            cookie: hash(Domain::Device, client.device.present()),
            browser: browser << 16 | os,
            os: os << 8 | device,
            version: ClientVersion {
                browser: parsed.major,
                os: parsed.os_major,
            },
            device,
            script: parsed.automated || client.user_agent.present().is_none(),
            tls: hash(
                Domain::Tls,
                client.tls.present().or(client.certificate.present()),
            ),
            handshake: match hash(Domain::Tls, client.tls.present()) {
                tls if tls == 0 || browser == 0 => 0,
                tls => (browser << 16 | os) ^ tls.rotate_left(16),
            },
            language: hash(
                Domain::Language,
                client
                    .language
                    .present()
                    .and_then(language::first)
                    .as_deref(),
            ),
            receipt: signals.session.receipt,
            session: bearer.session,
            sessionless: bearer.sessionless,
            login: signals.request.action == b"login",
            event: 0,
            auth_time: seconds(signals.session.auth_time),
            issued_at: seconds(signals.session.issued_at),
            credential: CredentialFeatures {
                binding: signals.session.binding,
                ..bearer.credential
            },
            route: hash(
                Domain::Route,
                Some(&route::name(
                    signals.request.action,
                    signals.request.method,
                    signals.request.path,
                )),
            ),
            object: hash(Domain::Route, Some(signals.request.path)),
            command: route::is_command(signals.request.action),
            class: match signals.request.action {
                b"recovery" => Class::Recovery,
                _ => Class::Ordinary,
            },
            safe: matches!(signals.request.method, b"GET" | b"HEAD" | b"OPTIONS" | b""),
            cohort: match subject {
                Some(_) => bearer.cohort,
                None => address.map_or(0, |address| key.cohort(&address.subscriber().octets())),
            },
            tried: None,
            unreadable_name: false,
            awaits_name: false,
            asks_only: false,
        };
        features.event = features.authentication_event(bearer, signals, key);
        features
    }

    /// The same on a route of this class, where the tier names one.
    #[must_use]
    pub fn of_class(mut self, class: Class) -> Self {
        if class != Class::Ordinary {
            self.class = class;
        }
        if self.class == Class::Recovery {
            // A recovery proves nothing: the context it is made from is not learned.
            self.event = 0;
        }
        self
    }

    /// The authentication event: a new `auth_time`; without one a new session; without that a new token. Credentials that
    /// never change count one per clock hour, prefix and client.
    fn authentication_event(&self, bearer: &Bearer, signals: &Signals<'_>, key: &HashKey) -> u32 {
        if self.identity.is_none() || self.class == Class::Recovery {
            return 0;
        }
        if bearer.authenticated != 0 {
            return bearer.authenticated;
        }
        if self.login {
            return key.hash32(Domain::Token, &signals.now_ms.to_le_bytes());
        }
        let session = signals.session.id.bytes();
        let token = signals.session.token.bytes();
        // Event lines name the token first, live requests the session, which outlives its tokens.
        let id = if signals.request.action.is_empty() {
            session.or(token)
        } else {
            token.or(session)
        };
        if let Some(id) = id {
            return key.hash32(Domain::Token, id);
        }
        let mut hourly = [0; 12];
        let parts = [self.now / 3600, self.prefix, self.user_agent];
        for (slot, part) in hourly.chunks_exact_mut(4).zip(parts) {
            slot.copy_from_slice(&part.to_le_bytes());
        }
        key.hash32(Domain::Token, &hourly)
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Field;
    use super::*;

    fn of_city(country: [u8; 2], name: &[u8]) -> u32 {
        let network = super::super::request::NetworkSignals {
            country: Field::Present(country),
            city: Field::Present(name),
            ..Default::default()
        };
        let signals = Signals {
            network,
            ..Signals::default()
        };
        Features::of(&signals, &HashKey::PUBLIC).city
    }

    #[test]
    fn a_city_is_one_of_its_country_in_any_case_and_bounded() {
        let paris = of_city(*b"FR", b"Paris");
        assert_ne!(paris, 0);
        assert_eq!(of_city(*b"FR", b" PARIS "), paris);
        assert_ne!(of_city(*b"US", b"Paris"), paris);
        for none in [&b""[..], b" ", b"-", &[b'x'; CITY_BYTES_MAX + 1]] {
            assert_eq!(of_city(*b"FR", none), 0);
        }
    }
}
