//! How fast: journeys nobody makes.
//! May use: signals, baseline.
//! Must not: take a shared or anonymous network for the end of a journey.

use super::{Gathered, Known, Reason};
use crate::baseline::identity::Place;
use crate::signals::countries::{Point, distance_km};
use crate::signals::features::Features;
use crate::signals::request::Anonymiser;

/// Slower than this is an ordinary flight, in km/h.
const FLIGHT: f64 = 900.0;
/// Shorter than this is within the error of geolocation, in km.
const NEAR: f64 = 500.0;
const DAY: u32 = 86_400;

pub(super) fn gather(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    let (Some(record), Some(here)) = (known.identity, features.point) else {
        return;
    };
    let anonymous = Anonymiser::TOR
        | Anonymiser::VPN
        | Anonymiser::PROXY
        | Anonymiser::HOSTING
        | Anonymiser::RELAY
        | Anonymiser::UNKNOWN;
    if features.anonymiser.has(anonymous) || features.kind.is_machine() {
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
        let excess = libm::log(fastest / FLIGHT).min(1.0);
        // The weight of the table is that of a journey just too fast.
        found.add(Reason::ImpossibleTravel, 1.0 + excess / 4.6);
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
