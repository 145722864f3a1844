//! Exceptions at work: which of them hold for a request, and what they take off its evidence.
//! May use: signals, evidence.
//! Must not: set a decision, or touch a rule or a note.

mod compile;

pub(super) use compile::{Scope, compile, digests, whom};

use super::term::Term;
use crate::evidence::{Evidence, EvidenceList, Family, Nature, Reason};
use crate::signals::address::CidrSet;
use crate::signals::request::{Field, Signals, Standing};
use crate::token::digest_api_key;
use subtle::ConstantTimeEq;

/// Longest value of a device cookie that is compared, in bytes.
const DEVICE_BYTES_MAX: usize = 1024;

/// All exceptions of a policy, checked.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Exceptions {
    list: Vec<Exception>,
}

/// One exception.
#[derive(Clone, Debug, PartialEq)]
struct Exception {
    name: String,
    /// Path in the policy, as written end and whom to ask.
    path: String,
    until: String,
    owner: String,
    term: Term,
    whom: Whom,
    effect: Effect,
}

/// What an exception does.
#[derive(Clone, Debug, PartialEq)]
enum Effect {
    /// Named reasons count nothing.
    Allow(Vec<Reason>),
    /// The request is refused, or else challenged.
    Deny { challenges: bool },
    /// Named reasons of place count nothing in some countries, and journeys on some legs.
    Travel {
        reasons: Vec<Reason>,
        countries: Vec<[u8; 2]>,
        legs: Vec<[[u8; 2]; 2]>,
    },
    /// Named novelty counts less.
    Campaign { reasons: Vec<Reason>, nats: f64 },
}

/// For whom an exception holds: all that is given must agree.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Whom {
    identities: Vec<String>,
    groups: Vec<String>,
    clients: Vec<String>,
    networks: Option<CidrSet>,
    /// SHA-256 in lower-case hexadecimal digits.
    devices: Vec<String>,
    tiers: Vec<String>,
}

/// Who asks, as exceptions see it.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// What the request says.
    pub signals: &'a Signals<'a>,
    /// Seconds since 1970.
    pub now: u32,
    /// Name of the tier.
    pub tier: &'a str,
    /// Countries the identity was seen in within a day, other than the request's.
    pub left: &'a [[u8; 2]],
}

/// What an entry of the denylist asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Which exception.
    pub exception: u16,
    /// Whether a stronger authentication passes.
    pub challenges: bool,
}

/// What exceptions took off.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Excepted {
    /// Which exceptions, in the order of the policy's sections.
    pub by: Vec<u16>,
    /// The evidence as it was before.
    pub damped: Vec<Evidence>,
}

impl Whom {
    /// Identities it names.
    pub(super) fn identities(&self) -> &[String] {
        &self.identities
    }

    /// Whether it names whoever asks.
    pub(super) fn holds(&self, asker: &Asker<'_>) -> bool {
        let signals = asker.signals;
        // A name nobody verified is anybody's to give.
        let subject = match &signals.standing {
            Standing::Verified(subject) => Some(subject),
            Standing::Anonymous | Standing::Unverified(_) | Standing::Rejected(_) => None,
        };
        let named = |names: &[String], name: Option<&str>| {
            names.is_empty()
                || name.is_some_and(|name| names.iter().any(|listed| listed.as_str() == name))
        };
        named(&self.identities, subject.map(|subject| &*subject.id))
            && named(&self.groups, subject.map(|subject| &*subject.group))
            && named(&self.clients, subject.map(|subject| &*subject.client_id))
            && named(&self.tiers, Some(asker.tier))
            && self.networks.as_ref().is_none_or(|networks| {
                let address = signals.network.address.present();
                address.is_some_and(|address| networks.contains(address))
            })
            && (self.devices.is_empty() || self.is_device(signals))
    }

    fn is_device(&self, signals: &Signals<'_>) -> bool {
        // A cookie is a secret of its client: nobody learns from the time taken how much of a digest was right.
        let listed = |digest: &[u8]| {
            let digest = digest.to_ascii_lowercase();
            self.devices.iter().fold(false, |found, device| {
                let same = digest.ct_eq(device.to_ascii_lowercase().as_bytes());
                found | bool::from(same)
            })
        };
        let client = &signals.client;
        let cookie = client.device.present();
        let cookie = cookie.filter(|value| !value.is_empty() && value.len() <= DEVICE_BYTES_MAX);
        client.certificate.present().is_some_and(listed)
            || cookie.is_some_and(|value| listed(hex(&digest_api_key(value)).as_bytes()))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

impl Exceptions {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The name of an exception.
    #[must_use]
    pub fn name(&self, exception: u16) -> &str {
        self.list
            .get(usize::from(exception))
            .map_or("", |exception| &exception.name)
    }

    /// Identities that are named anywhere.
    pub fn identities(&self) -> impl Iterator<Item = &str> {
        let lists = self.list.iter().map(|exception| &exception.whom.identities);
        lists.flatten().map(String::as_str)
    }

    /// Exceptions that are over, with path and whom to ask.
    pub(super) fn ended(&self, now: u32) -> impl Iterator<Item = String> {
        let ended = self.list.iter().filter(move |e| e.term.has_ended(now));
        ended.map(|e| super::term::ended(&e.path, &e.until, &e.owner))
    }

    fn holding<'e>(
        &'e self,
        asker: &'e Asker<'_>,
    ) -> impl Iterator<Item = (u16, &'e Exception)> + 'e {
        let numbered = (0_u16..).zip(&self.list);
        numbered.filter(|(_, e)| e.term.holds(asker.now) && e.whom.holds(asker))
    }

    /// The first entry of the denylist that holds; one that denies before one that challenges.
    #[must_use]
    pub fn denial(&self, asker: &Asker<'_>) -> Option<Denial> {
        let denials = self
            .holding(asker)
            .filter_map(|(exception, e)| match e.effect {
                Effect::Deny { challenges } => Some(Denial {
                    exception,
                    challenges,
                }),
                Effect::Allow(_) | Effect::Travel { .. } | Effect::Campaign { .. } => None,
            });
        denials.min_by_key(|denial| denial.challenges)
    }

    /// Takes off what the exceptions that hold name.
    pub fn damp(&self, asker: &Asker<'_>, evidence: &mut EvidenceList) -> Excepted {
        let mut excepted = Excepted::default();
        let before = evidence.clone();
        let mut in_campaign = false;
        for (number, exception) in self.holding(asker) {
            let applied = match &exception.effect {
                Effect::Deny { .. } => false,
                Effect::Allow(reasons) => clear(evidence, |reason| reasons.contains(&reason)),
                Effect::Travel {
                    reasons,
                    countries,
                    legs,
                } => {
                    let here = match asker.signals.network.country {
                        Field::Present(country) => country,
                        Field::Absent | Field::Malformed => continue,
                    };
                    let there = countries.contains(&here);
                    let on_leg = is_on_leg(legs, asker.left, here);
                    clear(evidence, |reason| {
                        let explained = match reason {
                            Reason::ImpossibleTravel => on_leg,
                            _ => there,
                        };
                        explained && reasons.contains(&reason)
                    })
                }
                Effect::Campaign { reasons, nats } => {
                    // Campaigns never add up: many at once would open what each of them may not.
                    let lowered = !in_campaign && lower(evidence, reasons, *nats);
                    in_campaign |= lowered;
                    lowered
                }
            };
            if applied {
                excepted.by.push(number);
            }
        }
        if !excepted.by.is_empty() {
            let changed = before.iter().zip(evidence.iter());
            let changed = changed.filter(|(before, after)| before.nats != after.nats);
            excepted.damped = changed.map(|(before, _)| *before).collect();
        }
        excepted
    }
}

/// Whether a reason may ever be damped.
fn is_evidence(reason: Reason) -> bool {
    !matches!(reason.nature(), Nature::Rule | Nature::Note)
}

/// Makes what speaks against the owner count nothing; whether there was any.
fn clear(evidence: &mut EvidenceList, named: impl Fn(Reason) -> bool) -> bool {
    let mut cleared = false;
    for piece in evidence.iter_mut() {
        if piece.nats > 0.0 && is_evidence(piece.reason) && named(piece.reason) {
            piece.nats = 0.0;
            cleared = true;
        }
    }
    cleared
}

/// Lowers named novelty such that the score falls by at most `nats`: families add up, so they share it.
fn lower(evidence: &mut EvidenceList, reasons: &[Reason], nats: f64) -> bool {
    let counts = |piece: &Evidence| {
        piece.nats > 0.0
            && piece.reason.nature() == Nature::Novelty
            && reasons.contains(&piece.reason)
    };
    let of = |family: Family| {
        evidence
            .iter()
            .any(|piece| piece.reason.family() == family && counts(piece))
    };
    let families = Family::ALL.into_iter().filter(|family| of(*family)).count();
    if families == 0 {
        return false;
    }
    let share = nats / families as f64;
    for piece in evidence.iter_mut().filter(|piece| counts(piece)) {
        piece.nats = (piece.nats - share).max(0.0);
    }
    true
}

/// Whether every country that was left is joined with this one by a leg.
fn is_on_leg(legs: &[[[u8; 2]; 2]], left: &[[u8; 2]], here: [u8; 2]) -> bool {
    let joined = |there: &[u8; 2]| {
        legs.iter()
            .any(|leg| *leg == [*there, here] || *leg == [here, *there])
    };
    !left.is_empty() && left.iter().all(joined)
}
