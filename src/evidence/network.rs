//! From where: novelty of address, prefix, provider and country, and anonymisers.
//! May use: signals, baseline, novelty.
//! Must not: look at other families.

use super::novelty::{likelihood_ratio, step};
use super::{Gathered, Known, Reason};
use crate::baseline::population::Level;
use crate::signals::features::Features;
use crate::signals::request::Anonymiser;

pub(super) fn gather(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    let Some(record) = known.identity else { return };
    let own = &record.network;
    let everybody = known.population;
    let ratio = likelihood_ratio([
        step(
            &own.country,
            features.country,
            everybody,
            Level::Country,
            (Level::Country, 0),
        ),
        step(
            &own.asn,
            features.asn,
            everybody,
            Level::Asn,
            (Level::Country, features.country),
        ),
        step(
            &own.prefix,
            features.prefix,
            everybody,
            Level::Prefix,
            (Level::Asn, features.asn),
        ),
        step(
            &own.address,
            features.address,
            everybody,
            Level::Address,
            (Level::Prefix, features.prefix),
        ),
    ]);
    let reason = if features.country != 0
        && !own.country.is_empty()
        && !own.country.contains(features.country)
    {
        Reason::NewCountry
    } else if features.asn != 0 && !own.asn.is_empty() && !own.asn.contains(features.asn) {
        Reason::NewAsn
    } else if !own.prefix.contains(features.prefix) {
        Reason::NewNetwork
    } else {
        Reason::NewAddress
    };
    found.add(reason, ratio);
    if ratio > 0.0 {
        found.add(Reason::Anonymiser, anonymiser(features));
    }
}

fn anonymiser(features: &Features) -> f64 {
    let flags = features.anonymiser;
    if flags.has(Anonymiser::TOR) {
        3.0
    } else if flags.has(Anonymiser::PROXY) {
        2.0
    } else if flags.has(Anonymiser::HOSTING) && !features.kind.is_machine() {
        1.5
    } else if flags.has(Anonymiser::VPN | Anonymiser::UNKNOWN) {
        1.0
    } else {
        0.0
    }
}
