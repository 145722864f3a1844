//! A baseline in words: countries, providers, clients, hours, sessions, with their shares.
//! May use: the identity record.
//! Must not: show a hash, which says nothing.

use std::fmt;

use serde::Serialize;
use stepgate::baseline::decay::began;
use stepgate::baseline::hours::Hours;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::values::Values;
use stepgate::signals::user_agent::{Browser, Device, Os};

use super::moment;

/// Part of the active time that the hours named cover.
const COVERED: f64 = 0.8;

/// What is normal.
#[derive(Debug, Serialize)]
pub(super) struct Baseline {
    /// Authentication events learned.
    events: u32,
    first: String,
    last: String,
    /// Too little is known to deny.
    young: bool,
    countries: Vec<Part>,
    providers: Vec<Part>,
    /// Addresses and networks remembered; their hashes say nothing.
    addresses: usize,
    networks: usize,
    browsers: Vec<Part>,
    systems: Vec<Part>,
    user_agents: usize,
    /// Hours in UTC that hold four fifths of the activity.
    weekday_hours: Vec<usize>,
    weekend_hours: Vec<usize>,
    sessions: Vec<SessionPart>,
    places: Vec<PlacePart>,
}

/// One value and how much of the whole it is.
#[derive(Debug, Serialize)]
struct Part {
    name: String,
    /// Of 1.
    share: f64,
    /// First seen in a surprising event: counts as new until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_probation_since: Option<String>,
}

#[derive(Debug, Serialize)]
struct SessionPart {
    last_change: String,
    began_at: String,
    now_at: String,
    unsolved_challenges: u8,
}

#[derive(Debug, Serialize)]
struct PlacePart {
    seen: String,
    country: String,
    lat: f64,
    lon: f64,
}

impl Baseline {
    /// The record as it is at a time.
    pub(super) fn of(mut record: IdentityRecord, now: u32) -> Self {
        record.decay_to(now);
        let now = now.max(record.updated);
        let (network, client) = (&record.network, &record.client);
        let sessions = record.sessions.iter().map(|session| SessionPart {
            last_change: moment(session.seen),
            began_at: provider(session.first.asn),
            now_at: provider(session.latest.asn),
            unsolved_challenges: session.unsolved,
        });
        let places = record.places.iter().map(|place| PlacePart {
            seen: moment(place.seen),
            country: country(u32::from(place.country)),
            lat: f64::from(place.latitude) / 100.0,
            lon: f64::from(place.longitude) / 100.0,
        });
        Self {
            events: record.history,
            first: moment(record.created),
            last: moment(record.last_event),
            young: record.is_young(now),
            countries: parts(&network.country, now, country),
            providers: parts(&network.asn, now, provider),
            addresses: network.address.entries().len(),
            networks: network.prefix.entries().len(),
            browsers: parts(&client.browser, now, browser),
            systems: parts(&client.os, now, |key| {
                format!("{} ({})", system((key >> 8) as u16), form(key & 0xff))
            }),
            user_agents: client.user_agent.entries().len(),
            weekday_hours: busiest(&record.hours, false),
            weekend_hours: busiest(&record.hours, true),
            sessions: sessions.collect(),
            places: places.collect(),
        }
    }
}

/// The values of a table, the commonest first.
fn parts<const N: usize>(values: &Values<N>, now: u32, name: impl Fn(u32) -> String) -> Vec<Part> {
    let total: f64 = values
        .entries()
        .iter()
        .map(|value| f64::from(value.count))
        .sum();
    let mut parts: Vec<Part> = values
        .entries()
        .iter()
        .map(|value| Part {
            name: name(value.key),
            share: libm::round(1000.0 * f64::from(value.count) / total) / 1000.0,
            on_probation_since: (!value.is_established()).then(|| moment(began(value.since, now))),
        })
        .collect();
    parts.sort_by(|a, b| {
        b.share
            .total_cmp(&a.share)
            .then_with(|| a.name.cmp(&b.name))
    });
    parts
}

fn country(key: u32) -> String {
    match (key as u16).to_be_bytes() {
        [0, 0] => "unknown".to_owned(),
        code => String::from_utf8_lossy(&code).into_owned(),
    }
}

fn provider(number: u32) -> String {
    match number {
        0 => "unknown".to_owned(),
        number => format!("AS{number}"),
    }
}

fn browser(key: u32) -> String {
    let browser = Browser::from_id((key >> 16) as u16);
    let browser = match browser.name() {
        Some(name) => name,
        None if browser == Browser::NONE => "no browser",
        None => "another browser",
    };
    format!("{browser} on {}", system(key as u16))
}

fn system(id: u16) -> String {
    let system = Os::from_id(id);
    match system.name() {
        Some(name) => name,
        None if system == Os::NONE => "an unnamed system",
        None => "another system",
    }
    .to_owned()
}

fn form(device: u32) -> &'static str {
    const FORMS: [(Device, &str); 5] = [
        (Device::Desktop, "desktop"),
        (Device::Mobile, "mobile"),
        (Device::Tablet, "tablet"),
        (Device::Bot, "bot"),
        (Device::Tool, "tool"),
    ];
    let named = |(form, _): &&(Device, &str)| *form as u32 == device;
    FORMS.iter().find(named).map_or("unknown", |(_, name)| name)
}

/// The fewest hours that hold most of the activity, in order of the clock.
fn busiest(hours: &Hours, weekend: bool) -> Vec<usize> {
    let mut counts: Vec<(usize, f64)> = (0..24)
        .map(|hour| (hour, hours.at(hour, weekend)))
        .collect();
    let total: f64 = counts.iter().map(|(_, count)| count).sum();
    counts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut covered = 0.0;
    let mut busiest: Vec<usize> = counts
        .into_iter()
        .take_while(|(_, count)| {
            let goes_on = *count > 0.0 && covered < COVERED * total;
            covered += count;
            goes_on
        })
        .map(|(hour, _)| hour)
        .collect();
    busiest.sort_unstable();
    busiest
}

/// Hours as ranges, ends included: `8-10, 16`.
struct Ranges<'a>(&'a [usize]);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let runs = self.0.chunk_by(|a, b| a + 1 == *b);
        for (index, run) in runs.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match run {
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                [only] => write!(f, "{comma}{only}")?,
                [] => {}
            }
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.0} %", self.name, 100.0 * self.share)?;
        match &self.on_probation_since {
            Some(day) => write!(f, " (on probation since {})", date(day)),
            None => Ok(()),
        }
    }
}

fn date(moment: &str) -> &str {
    moment.split_once('T').map_or(moment, |(date, _)| date)
}

fn list(f: &mut fmt::Formatter<'_>, name: &str, parts: &[Part]) -> fmt::Result {
    write!(f, "  {name}:")?;
    for (index, part) in parts.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(f, "{comma} {part}")?;
    }
    writeln!(f)
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let young = if self.young {
            "; young, so it can never deny"
        } else {
            ""
        };
        writeln!(
            f,
            "baseline: {} authentication events from {} to {}{young}",
            self.events, self.first, self.last
        )?;
        list(f, "countries", &self.countries)?;
        list(f, "providers", &self.providers)?;
        writeln!(
            f,
            "  addresses: {}; networks: {}",
            self.addresses, self.networks
        )?;
        list(f, "browsers", &self.browsers)?;
        list(f, "systems", &self.systems)?;
        writeln!(f, "  user agents: {}", self.user_agents)?;
        writeln!(
            f,
            "  hours (UTC): weekdays {}; weekends {}",
            Ranges(&self.weekday_hours),
            Ranges(&self.weekend_hours)
        )?;
        for session in &self.sessions {
            write!(f, "  session: began at {}", session.began_at)?;
            if session.now_at != session.began_at {
                write!(f, ", now at {}", session.now_at)?;
            }
            write!(f, ", last change {}", session.last_change)?;
            match session.unsolved_challenges {
                0 => writeln!(f)?,
                count => writeln!(f, ", {count} unsolved challenges")?,
            }
        }
        for PlacePart {
            seen,
            country,
            lat,
            lon,
        } in &self.places
        {
            writeln!(f, "  place: {country} {lat:.2}, {lon:.2}, last seen {seen}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_told_as_ranges() {
        let text = |hours: &[usize]| Ranges(hours).to_string();
        assert_eq!(text(&[8, 9, 10, 16, 20, 21]), "8-10, 16, 20-21");
        assert_eq!(text(&[]), "none");
    }

    #[test]
    fn keys_of_a_record_are_told_as_names() {
        assert_eq!(country(u32::from(u16::from_be_bytes(*b"NO"))), "NO");
        let key = u32::from(Browser::FIREFOX.id()) << 16 | u32::from(Os::LINUX.id());
        assert_eq!(browser(key), "Firefox on Linux");
        assert_eq!(browser(0), "no browser on an unnamed system");
        assert_eq!(provider(64500), "AS64500");
    }
}
