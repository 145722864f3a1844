//! What is done: routes and commands, amounts, refusals, sensitive actions, and machines off their purpose.
//! May use: signals, baseline, what the other families found.
//! Must not: learn, or deny on an amount alone.
//!
//! "Valid token, wrong person": `r = ln p - ln q` per request, q the identity's habit by Witten-Bell over at most 128 routes, p
//! everybody else's. A two-state chain carries belief from piece to piece. Own, after Schonlau et al. 2001 and Maxion and
//! Townsend 2002 (updating naive Bayes).

use super::{Family, Gathered, Known, Reason};
use crate::baseline::identity::IdentityRecord;
use crate::baseline::ongoing::{Lately, Ongoing, SCALE};
use crate::baseline::profile::{Judgement, Profile};
use crate::signals::features::{Class, Features};
use crate::signals::request::Anonymiser;

/// Amounts, in minutes, turns or hours, below which none is unusual.
const SETTLED: f64 = 20.0;
/// Windows below which nothing is new.
const FIRST_WINDOWS: f64 = 1.0;
/// What a window says in which two routes were new, before the weight, in nats.
const LOOKED_AROUND: f64 = 1.0;
/// Sum of excess of bytes that is an alarm: eight standard deviations over some hours.
const EXCESS: f64 = 8.0;
/// With slack .5 the sum is the log-likelihood ratio of hours that are one standard deviation above the usual. This much of
/// it is the price of not knowing when that began, so that the alarm starts with 1.5 nats.
const SINCE: f64 = 6.5;
/// Most that bytes say, in nats: enough to ask, far from enough to deny.
const MOST_EGRESS: f64 = 6.0;
/// All links of the chain that takes an account over: e-mail, password and second factor.
const TAKEOVER: u8 = 7;
/// Authentication events after which a machine has a purpose.
const PURPOSE: u32 = 50;
/// Seconds after a recovery in which a new context is suspicious.
const RECOVERED: u32 = 3_600;
/// Novelty below this is no new context, in nats.
const NEW: f64 = 1.0;

/// What the owner does not do. Whoever does it with the owner's session sits behind the owner's network and client, or is
/// the owner gone astray: that both are familiar speaks for nobody then.
const DEVIANT: [Reason; 4] = [
    Reason::UnusualBehaviour,
    Reason::NewPrivilege,
    Reason::PrivilegeBurst,
    Reason::Enumeration,
];

/// What is known of an identity whose requests are followed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched<'a> {
    /// Its profile; absent where none was learned.
    pub profile: Option<&'a Profile>,
    /// What is going on with it; absent where nothing is.
    pub ongoing: Option<&'a Ongoing>,
}

/// What learning needs to know of the assessment of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conduct {
    /// `ln p(route | everybody) - ln p(route | identity)`.
    pub ratio: f64,
    /// The judgement of the profile.
    pub judgement: Judgement,
    /// The minute is above what is learned of minutes.
    pub loud: bool,
    /// A machine never used the route.
    pub strange: bool,
}

/// Evidence of what a followed identity does. Comes after all other families.
pub(super) fn gather(
    features: &Features,
    known: &Known<'_>,
    found: &mut Gathered<'_>,
) -> Option<Conduct> {
    let Watched { profile, ongoing } = known.behaviour?;
    let (no_profile, nothing) = (Profile::default(), Ongoing::default());
    let (profile, ongoing) = (profile.unwrap_or(&no_profile), ongoing.unwrap_or(&nothing));
    let ratio = ratio(profile, features.route, known);
    let mut strange = false;
    if features.route != 0 {
        strange = route(profile, ongoing, ratio, features, found);
        window(profile, ongoing, ratio, features, found);
    }
    privilege(profile, ongoing, ratio, features, known, found);
    let lately = ongoing.lately(features.now);
    let sensitive = lately.sensitive + f64::from(u8::from(features.class.is_sensitive()));
    found.add(Reason::SensitiveBurst, burst(sensitive));
    let chain = lately.takeover | features.class.takeover_link() == TAKEOVER;
    found.add(Reason::TakeoverChain, f64::from(u8::from(chain)));
    found.add(Reason::Enumeration, enumeration(profile, lately));
    found.add(Reason::BulkEgress, egress(profile, ongoing, features.now));
    let (count, before) = ongoing.minute(features.now);
    let loud = is_loud(profile, count);
    found.add(
        Reason::VolumeSpike,
        f64::from(u8::from(loud && before >= 2)),
    );
    if strength(found, &DEVIANT) > NEW {
        found.void(|family| matches!(family, Family::Network | Family::Client));
    }
    Some(Conduct {
        ratio,
        judgement: profile.judgement,
        loud,
        strange,
    })
}

fn ratio(profile: &Profile, route: u32, known: &Known<'_>) -> f64 {
    if route == 0 {
        return 0.0;
    }
    let routes = &profile.routes;
    let (used, total) = (routes.count(route), routes.total());
    let share = known.population.routes().share_without(route, used, total);
    let kinds = routes.distinct().max(1.0);
    libm::log(share) - libm::log((used + kinds * share) / (total + kinds))
}

/// A machine does few things: a route it never used is novelty of its own, and so is the window that held some. People's mix
/// is judged by the window. Returns whether the route is such a one.
fn route(
    profile: &Profile,
    ongoing: &Ongoing,
    ratio: f64,
    features: &Features,
    found: &mut Gathered<'_>,
) -> bool {
    if !features.kind.is_machine() || profile.windows() < FIRST_WINDOWS {
        return false;
    }
    let strange = profile.routes.count(features.route) == 0.0;
    let in_window = ongoing.strange() + f64::from(u8::from(strange));
    let window = if in_window >= 2.0 { LOOKED_AROUND } else { 0.0 };
    let new = if strange { ratio } else { 0.0 };
    found.add(Reason::NewRoute, new.max(window));
    strange
}

/// The mix of routes so far.
fn window(
    profile: &Profile,
    ongoing: &Ongoing,
    ratio: f64,
    features: &Features,
    found: &mut Gathered<'_>,
) {
    let (judgement, requests, sum) = ongoing.with(features.session, ratio, profile.judgement);
    if judgement.is_young() {
        return;
    }
    let nats = judgement.log_odds(requests, sum) + SCALE;
    // The owner's habit outranks nothing else: whoever took over a session or a key would hide behind what the owner did
    // with it a minute before.
    if nats > 0.0 || !found.list.iter().any(|piece| piece.nats > 0.0) {
        found.add(Reason::UnusualBehaviour, nats);
    }
}

/// Privileged routes: their first use, and far more of it than usual in one window.
fn privilege(
    profile: &Profile,
    ongoing: &Ongoing,
    ratio: f64,
    features: &Features,
    known: &Known<'_>,
    found: &mut Gathered<'_>,
) {
    let windows = f64::from(profile.turns);
    if features.class != Class::Privileged || windows < FIRST_WINDOWS {
        return;
    }
    let (used, share) = (
        f64::from(profile.privileged),
        known.population.routes().privileged_share(),
    );
    let kinds = 1.0 + used.min(1.0);
    let own = (used + kinds * share) / (windows + kinds);
    let class = libm::log(share) - libm::log(own);
    // An administrator has used some of these routes and not the others.
    let unused = profile.routes.count(features.route) == 0.0;
    let route = if unused { ratio } else { 0.0 };
    found.add(Reason::NewPrivilege, class.max(route).max(0.0));
    let count = ongoing.privileged() + 1.0;
    let rate = &profile.privileges;
    let unusual = rate.count() >= 10.0 && count >= 5.0 && rate.deviation(count) > 3.0;
    found.add(Reason::PrivilegeBurst, f64::from(u8::from(unusual)));
}

/// Sensitive actions of five to ten minutes, as keycloak-adaptive-authn counts them.
fn burst(sensitive: f64) -> f64 {
    match sensitive {
        n if n > 10.0 => 2.0,
        n if n > 5.0 => 1.5,
        n if n > 3.0 => 0.8,
        _ => 0.0,
    }
}

/// Refusals, or objects far beyond the usual number.
fn enumeration(profile: &Profile, lately: Lately) -> f64 {
    if lately.refused >= 10.0 && lately.refused > 0.3 * lately.requests {
        return 1.5;
    }
    let usual = &profile.objects;
    let many =
        usual.count() >= SETTLED && lately.objects >= 20.0 && lately.objects > 5.0 * usual.high();
    f64::from(u8::from(many))
}

/// Bytes: an hour far above the usual, or many hours a little above.
fn egress(profile: &Profile, ongoing: &Ongoing, now: u32) -> f64 {
    let usual = &profile.bytes;
    if usual.count() < SETTLED {
        return 0.0;
    }
    let excess = profile.excess_with(ongoing.hours());
    if excess > EXCESS {
        (excess - SINCE).min(MOST_EGRESS)
    } else {
        f64::from(u8::from(usual.deviation(ongoing.bytes(now)) > 4.0))
    }
}

/// Whether a minute of `count` requests is far above the usual.
fn is_loud(profile: &Profile, count: f64) -> bool {
    let usual = &profile.requests;
    usual.count() >= SETTLED
        && count >= 20.0
        && usual.deviation(count) > 4.0
        && count >= 3.0 * usual.high()
}

fn strength(found: &Gathered<'_>, reasons: &[Reason]) -> f64 {
    let named = found
        .list
        .iter()
        .filter(|piece| reasons.contains(&piece.reason));
    named.map(|piece| piece.nats).fold(0.0, f64::max)
}

/// Evidence of what a new context is used for. Needs no profile.
pub(super) fn purpose(record: &IdentityRecord, features: &Features, found: &mut Gathered<'_>) {
    let network = [Reason::NewAsn, Reason::NewCountry];
    let client = [Reason::NewClient, Reason::NewDevice];
    if features.kind.is_machine() {
        let strange = strength(found, &network).max(strength(found, &client));
        if record.history >= PURPOSE && strange > NEW {
            found.add(Reason::OffPurpose, 1.0);
        }
        let browser = !features.script && features.browser >> 16 != 0;
        if browser && record.client.browser.count(features.browser) == 0.0 {
            found.add(Reason::HumanUse, 1.0);
        }
    } else {
        let strange = strength(found, &network).max(strength(found, &[Reason::NewDevice]));
        let lately = features.now.saturating_sub(record.recovered) <= RECOVERED;
        if record.recovered != 0 && lately && strange > NEW {
            found.add(Reason::RecoveryAbuse, 1.0);
        }
    }
}

/// A critical action from an anonymiser that is not the identity's habit.
pub(super) fn critical(features: &Features, found: &mut Gathered<'_>) {
    let bad = Anonymiser::TOR | Anonymiser::VPN | Anonymiser::PROXY | Anonymiser::HOSTING;
    let strange = [Reason::Anonymiser, Reason::SessionMoved];
    if features.class.is_critical()
        && features.anonymiser.has(bad)
        && strength(found, &strange) > 0.0
    {
        found.add(Reason::CriticalFromAnonymiser, 1.0);
    }
}

#[cfg(test)]
#[path = "behaviour_tests.rs"]
mod tests;
