//! One generated event in few bytes, and the event line it becomes.
//! May use: the world, clients, routes, event lines.
//! Must not: draw anything.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use stepgate::signals::ecs::{Event, Kind, Outcome, TimeForm};
use stepgate::signals::user_agent;

use super::clients::Client;
use super::routes::Call;
use super::world::{Origin, World};

/// Midnight of the first day: Monday, 2026-01-05, in seconds since 1970.
const BEGIN: f64 = 1_767_571_200.0;
pub(super) const DAY: f64 = 86_400.0;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Who {
    Person(u32),
    /// A name that no account has.
    Nobody(u32),
    Service(u32),
    Runner(u32),
    Key(u32),
}

impl Who {
    fn name(self) -> String {
        match self {
            Self::Person(number) => format!("u{number:06}"),
            // Whoever tries names tries names of the same form.
            Self::Nobody(number) => format!("u{:06}", 900_000 + number % 100_000),
            Self::Service(number) => format!("service-{number}"),
            Self::Runner(number) => format!("ci-runner-{number}"),
            Self::Key(number) => format!("api-key:{:016x}", spread(u64::from(number))),
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Person(_) | Self::Nobody(_) => Kind::Human,
            Self::Service(_) | Self::Runner(_) => Kind::Service,
            Self::Key(_) => Kind::ApiKey,
        }
    }

    /// A number that no other identity has.
    pub(super) fn stream(self) -> u64 {
        let (sort, number) = match self {
            Self::Person(number) => (1, number),
            Self::Nobody(number) => (2, number),
            Self::Service(number) => (3, number),
            Self::Runner(number) => (4, number),
            Self::Key(number) => (5, number),
        };
        sort << 32 | u64::from(number)
    }
}

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Seconds since the first midnight.
    pub(super) time: f64,
    pub(super) who: Who,
    pub(super) success: bool,
    pub(super) origin: Origin,
    pub(super) client: Client,
    /// 0: none.
    pub(super) session: u64,
    /// Absent for logins.
    pub(super) call: Option<Call>,
    pub(super) persona: Option<&'static str>,
    pub(super) attack: Option<&'static str>,
}

impl Record {
    pub(super) fn is_login(&self) -> bool {
        self.call.is_none()
    }

    /// A successful login that is nobody's attack.
    pub(super) fn is_own_login(&self) -> bool {
        self.is_login() && self.success && self.attack.is_none()
    }

    /// The event as a line, without line end.
    pub(super) fn line(&self, world: &World) -> String {
        let place = world.place(self.origin);
        let agent = self.client.to_string();
        let client = user_agent::parse(agent.as_bytes());
        let version = |number: u16| (number > 0).then(|| Cow::Owned(number.to_string()));
        let request = self.call.as_ref();
        Event {
            time: libm::round((BEGIN + self.time) * 1000.0) / 1000.0,
            time_form: TimeForm::Rfc3339,
            action: Some(Cow::Borrowed(if self.is_login() {
                "login"
            } else {
                "request"
            })),
            outcome: Some(if self.success {
                Outcome::Success
            } else {
                Outcome::Failure
            }),
            user: Some(Cow::Owned(self.who.name())),
            ip: Some(Cow::Owned(Ipv4Addr::from(self.origin.address).to_string())),
            asn: Some(place.number),
            country: Some(Cow::Borrowed(place.code)),
            lat: Some(place.lat),
            lon: Some(place.lon),
            agent_name: client.browser.name().map(Cow::Borrowed),
            agent_version: version(client.major),
            os_name: client.os.name().map(Cow::Borrowed),
            os_version: version(client.os_major),
            device: Some(Cow::Borrowed(word(client.device))),
            agent: Some(Cow::Owned(agent)),
            method: request.map(|call| Cow::Borrowed(call.method())),
            path: request.map(|call| Cow::Owned(call.path())),
            status: request.map(|call| call.status),
            bytes: request.map(|call| call.bytes),
            session: (self.session != 0)
                .then(|| Cow::Owned(format!("{:016x}", spread(self.session)))),
            kind: Some(self.who.kind()),
            persona: self.persona.map(Cow::Borrowed),
            attack: self.attack.map(Cow::Borrowed),
            ..Event::default()
        }
        .to_line()
    }
}

/// Numbers in turn as numbers that look drawn: a bijection (the finaliser of SplitMix64).
fn spread(number: u64) -> u64 {
    let word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn word(device: user_agent::Device) -> &'static str {
    match device {
        user_agent::Device::Desktop => "desktop",
        user_agent::Device::Mobile => "mobile",
        user_agent::Device::Tablet => "tablet",
        _ => "bot",
    }
}
