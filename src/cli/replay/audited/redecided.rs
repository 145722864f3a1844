//! An audit line decided again, on its own evidence.
//! May use: the engine's step from evidence to a decision.
//! Must not: gather evidence, or read a line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use stepgate::assess::is_safe;
use stepgate::decision::{self, Decision, Refusal, Standing};
use stepgate::evidence::{Evidence, EvidenceList, Nature, Reason};
use stepgate::feed::Order;
use stepgate::judgement::{Bar, Case, denied, judge, judge_nobody, unpinned};
use stepgate::policy::{Mode, Policy, Route, Tier};
use stepgate::score::Score;
use stepgate::signals::features::{Class, Features};
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate::signals::request::{Field, NetworkSignals, Signals, Standing as Credential, Subject};

use super::AuditLine;

/// What a line is decided to be, this time.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Redecided {
    /// The decision; absent where the tier is off.
    pub(in crate::cli) decision: Option<Decision>,
    pub(in crate::cli) tier: String,
    pub(in crate::cli) logit: f64,
    /// The strongest reason.
    pub(in crate::cli) reason: &'static str,
    /// Exceptions that held.
    pub(in crate::cli) exceptions: Vec<String>,
}

impl Redecided {
    /// How the request is treated: `allow`, `deny`, or `shadow deny` where it only would be.
    pub(in crate::cli) fn treatment(&self) -> String {
        match self.decision {
            None => "off".to_owned(),
            Some(decision) if decision.differs() => format!("shadow {}", decision.would.as_str()),
            Some(decision) => decision.would.as_str().to_owned(),
        }
    }
}

impl AuditLine {
    /// The same request as signals, as far as the line tells. A hash becomes the name a policy gives it.
    fn signals<'a>(&'a self, names: &'a Names) -> Signals<'a> {
        let name = self.user.as_deref();
        let name = name.or_else(|| names.of(self.hash.as_deref()));
        let standing = if self.hash.is_none() && self.user.is_none() {
            Credential::Anonymous
        } else {
            let subject = Subject {
                id: Cow::Borrowed(name.unwrap_or_default()),
                kind: self.kind,
                group: Cow::Borrowed(&self.group),
                client_id: Cow::Borrowed(&self.client),
            };
            if self.verified {
                Credential::Verified(subject)
            } else {
                Credential::Unverified(subject)
            }
        };
        Signals {
            now_ms: (self.time * 1000.0) as i64,
            standing,
            network: NetworkSignals {
                address: Field::from(self.address),
                asn: Field::from(self.asn),
                country: Field::from(self.country),
                ..NetworkSignals::default()
            },
            ..Signals::default()
        }
    }

    /// Decides again, with evidence that was weighed by `weighed`.
    ///
    /// # Errors
    /// Where the line holds no evidence for what this policy would look at.
    pub(in crate::cli) fn decide(
        &self,
        policy: &Policy,
        weighed: &Policy,
        names: &Names,
    ) -> Result<Redecided, &'static str> {
        let tier = policy.tier(&Route {
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            method: self.method.as_bytes(),
            metadata: self.tier.as_bytes(),
        });
        let tier = tier.of_cohort(self.cohort);
        let told = |decision, logit, reason: Reason, exceptions: &[u16]| Redecided {
            decision,
            tier: tier.name.clone(),
            logit,
            reason: reason.code(),
            exceptions: exceptions
                .iter()
                .map(|exception| policy.exceptions.name(*exception).to_owned())
                .collect(),
        };
        if tier.mode == Mode::Off {
            return Ok(told(None, policy.prior, Reason::Anonymous, &[]));
        }
        let signals = self.signals(names);
        let features = Features {
            now: self.time as u32,
            kind: self.kind,
            verified: self.verified,
            safe: is_safe(self.method.as_bytes()),
            cohort: self.cohort,
            ..Features::default()
        };
        let rule = |refusal, reason| {
            let decision = decision::refuse(refusal, tier);
            Ok(told(Some(decision), policy.prior, reason, &[]))
        };
        let outside = tier.fence.as_ref().map(|fence| {
            let broken = fence.is_broken(&signals);
            (broken && fence.denies, broken && !fence.denies)
        });
        let (forbidden, unexpected) = outside.unwrap_or_default();
        if forbidden {
            return rule(Refusal::Forbidden, Reason::CountryForbidden);
        }
        let is_token_rule = |piece: &&Evidence| {
            piece.reason.nature() == Nature::Rule && !is_of_policy(piece.reason)
        };
        if let Some(broken) = self.reasons.iter().find(is_token_rule) {
            return rule(Refusal::InvalidToken, broken.reason);
        }
        let anonymous = matches!(signals.standing, Credential::Anonymous);
        if anonymous && tier.require_identity {
            return rule(Refusal::IdentityRequired, Reason::IdentityRequired);
        }
        // What a feed ordered then is no matter of the policy.
        let order = [
            (Reason::OrderedDeny, Order::Deny),
            (Reason::OrderedStepUp, Order::StepUp),
            (Reason::OrderedAllow, Order::Allow),
        ]
        .into_iter()
        .find(|(reason, _)| self.has(*reason))
        .map(|(_, order)| order);
        let case = Case {
            order,
            standing: Standing {
                young: self.has(Reason::YoungBaseline),
                unsolved: self.unsolved,
                contained: policy.containment && self.has(Reason::SessionContained),
                ..Standing::default()
            },
            stepped_up: self.has(Reason::SteppedUp) || self.has(Reason::NewerToken),
            left: &self.left,
            ..Case::of_nobody(tier, &signals, &features)
        };
        if let Some((decision, exception)) = denied(policy, &case) {
            let reason = Reason::Denylisted;
            return Ok(told(Some(decision), policy.prior, reason, &[exception]));
        }
        if policy.pins.look_beyond_audit(&case.asker()) {
            return Err("holds no certificate and no user agent, which a pin looks at");
        }
        if let Some((decision, _)) = unpinned(policy, &case) {
            let reason = Reason::PinnedContext;
            return Ok(told(Some(decision), policy.prior, reason, &[]));
        }
        let early = [
            Reason::Denylisted,
            Reason::CountryForbidden,
            Reason::PinnedContext,
        ];
        let refused_early = early.into_iter().any(|reason| self.has(reason));
        let tries = !anonymous || tier.class == Class::Login;
        if refused_early && tries {
            return Err(
                "was refused by a denylist, a fence or a pin before any evidence was gathered",
            );
        }
        let evidence = self.evidence(policy, weighed, tier, unexpected);
        // Of a login that was barred the line holds what was known of the attempt, whoever asked.
        let barred = self.hot || self.has(Reason::TooManyFailures);
        let judged = if anonymous || barred {
            judge_nobody(policy, &case, &evidence, |score| self.bar(tier, score))
        } else {
            judge(policy, &case, &evidence)
        };
        let counted = judged.evidence.iter();
        let strongest = counted.max_by(|a, b| a.nats.total_cmp(&b.nats));
        let strongest = strongest.map_or(Reason::Anonymous, |piece| piece.reason);
        let logit = judged.score.logit;
        let by = &judged.excepted.by;
        Ok(told(Some(judged.decision), logit, strongest, by))
    }

    /// What barred an attempt to log in. How many failures there were is not in the line: too many stay too many.
    fn bar(&self, tier: &Tier, score: Score) -> Bar {
        let barred = self.has(Reason::TooManyFailures) || (self.hot && score.logit >= tier.step_up);
        Bar {
            retry_after: barred.then_some(1),
            unreadable: self.has(Reason::UnreadableLogin),
            listed: self.has(Reason::ListedNetwork) && score.logit >= tier.deny,
        }
    }

    /// The evidence as this policy weighs it.
    fn evidence(
        &self,
        policy: &Policy,
        weighed: &Policy,
        tier: &Tier,
        unexpected: bool,
    ) -> EvidenceList {
        let mut evidence = EvidenceList::new();
        for piece in &self.reasons {
            let of_policy = piece.reason == Reason::CountryUnexpected;
            let says_nothing = piece.nats == 0.0 || piece.reason.nature() == Nature::Rule;
            if of_policy || says_nothing {
                continue;
            }
            let (old, new) = (
                weighed.weights.of(piece.reason),
                policy.weights.of(piece.reason),
            );
            let scale = if old > 0.0 { new / old } else { 1.0 };
            let nats = piece.nats * scale;
            let _as_many_as_were_written = evidence.try_push(Evidence { nats, ..*piece });
        }
        if unexpected && tier.fence.is_some() {
            let reason = Reason::CountryUnexpected;
            let nats = policy.weights.of(reason);
            let _as_many_as_were_written = evidence.try_push(Evidence { reason, nats });
        }
        evidence
    }
}

/// Rules that follow from the policy and what a line says, and are judged anew.
fn is_of_policy(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CountryForbidden
            | Reason::IdentityRequired
            | Reason::Denylisted
            | Reason::DenylistChallenge
            | Reason::PinnedContext
            | Reason::Unsolved
            | Reason::TooManyFailures
            | Reason::UnreadableLogin
            | Reason::SessionContained
            | Reason::OrderedStepUp
            | Reason::OrderedDeny
    )
}

/// The names of identities that policies except, by their hash.
#[derive(Debug, Default)]
pub(in crate::cli) struct Names(BTreeMap<String, String>);

impl Names {
    /// All that are named in these policies.
    pub(in crate::cli) fn of_policies(policies: &[&Policy], key: &HashKey) -> Self {
        let named = policies
            .iter()
            .flat_map(|p| p.exceptions.identities().chain(p.pins.identities()));
        let hashed = named.map(|name| {
            let locator = key.locate(Domain::Identity, &[name.as_bytes()]);
            (format!("{:016x}", locator.tag), name.to_owned())
        });
        Self(hashed.collect())
    }

    fn of(&self, hash: Option<&str>) -> Option<&str> {
        hash.and_then(|hash| self.0.get(hash)).map(String::as_str)
    }
}
