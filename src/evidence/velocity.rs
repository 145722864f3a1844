//! How fast and how many: journeys nobody makes, networks many arrive on at once.
//! May use: signals, baseline.
//! Must not: take a shared or anonymous network for the end of a journey.

use super::{Gathered, Known, Reason};
use crate::baseline::decay::DAY;
use crate::baseline::identity::{IdentityRecord, Place};
use crate::signals::countries::{Point, distance_km};
use crate::signals::features::Features;
use crate::signals::request::Anonymiser;

/// Slower than this is an ordinary flight, in km/h.
const FLIGHT: f64 = 900.0;
/// Shorter than this is within the error of geolocation, in km.
const NEAR: f64 = 500.0;

/// Journeys since the last places.
pub(super) fn travel(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    found: &mut Gathered<'_>,
) {
    let Some(here) = features.point else { return };
    let anonymous = Anonymiser::TOR
        | Anonymiser::VPN
        | Anonymiser::PROXY
        | Anonymiser::HOSTING
        | Anonymiser::RELAY
        | Anonymiser::UNKNOWN;
    let nowhere = features.anonymiser.has(anonymous) || known.is_shared(features.now);
    if nowhere || features.kind.is_machine() {
        return;
    }
    // Who is known in both countries switches a VPN on and off.
    if record.network.country.count(features.country) >= 2.0 {
        return;
    }
    let fastest = record
        .places
        .iter()
        .filter(|place| place.prefix != features.prefix)
        .filter(|place| features.now.saturating_sub(place.seen) <= DAY)
        .filter_map(|place| speed(place, here, features.now))
        .fold(0.0, f64::max);
    if fastest >= FLIGHT {
        let weight = super::Reason::ImpossibleTravel.row().weight;
        let excess = libm::log(fastest / FLIGHT).min(1.0);
        found.add(Reason::ImpossibleTravel, 1.0 + excess / weight);
    } else if fastest > 0.0 && is_far_from_habit(record, features.country) {
        found.add(Reason::AtypicalTravel, 1.0);
    }
}

/// Whether a country was never seen, by somebody who was seen in few for long enough to tell: more than 1 nat.
fn is_far_from_habit(record: &IdentityRecord, country: u32) -> bool {
    let known = &record.network.country;
    let distinct = known.distinct().max(1.0);
    let nats = libm::log((f64::from(record.events) + distinct) / distinct);
    country != 0 && known.count(country) <= 0.0 && nats > 1.0
}

/// Others arriving on a network that is new to the identity.
pub(super) fn crowd(
    features: &Features,
    known: &Known<'_>,
    new_network: bool,
    found: &mut Gathered<'_>,
) {
    let identity = features.identity.map_or(0, |locator| locator.tag as u32);
    let everybody = known.population;
    if new_network && features.asn != 0 && !known.is_shared(features.now) {
        found.add(
            Reason::NetworkBurst,
            everybody.burst(features.asn, identity, features.now),
        );
    }
}

/// Speed in km/h between a place and here, uncertainties taken off; `None` for what may be no journey at all.
fn speed(place: &Place, here: Point, now: u32) -> Option<f64> {
    let there = Point {
        lat: f64::from(place.latitude) / 100.0,
        lon: f64::from(place.longitude) / 100.0,
        radius_km: f64::from(place.radius),
    };
    let apart = distance_km(there, here) - there.radius_km - here.radius_km;
    let hours = f64::from(now.saturating_sub(place.seen).max(60)) / 3600.0;
    (apart >= NEAR).then_some(apart / hours)
}
