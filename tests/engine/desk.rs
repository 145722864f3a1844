//! A login route without a proxy: records in maps, and an upstream that accepts what the test says is right.
//! May use the engine's public face.
//! Must not expect anything.

use std::collections::BTreeMap;

use stepgate::assess::{Assessment, assess, wants_sources};
use stepgate::baseline::account::{Account, AccountLesson};
use stepgate::baseline::population::Population;
use stepgate::baseline::source::{Source, SourceKey};
use stepgate::decision::Refusal;
use stepgate::evidence::{Known, Reason};
use stepgate::observe::{Outcome, observe};
use stepgate::policy::{Policy, Route};
use stepgate::signals::address::Address;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{HashKey, Locator};
use stepgate::signals::request::{
    ClientSignals, Field, NetworkSignals, RequestSignals, Signals, Standing,
};
use stepgate::signals::user_agent;

pub(super) const NOW: i64 = 1_772_618_400;
pub(super) const HOME: &str = "81.2.69.142";
pub(super) const AWAY: &str = "185.220.101.4";
pub(super) const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
pub(super) const UPDATED: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
pub(super) const FIREFOX: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// A deployment with a login route, and an upstream that accepts `right` passwords.
pub(super) struct Desk {
    pub(super) policy: Policy,
    pub(super) now: i64,
    pub(super) accounts: BTreeMap<Locator, Account>,
    pub(super) sources: BTreeMap<SourceKey, Source>,
    pub(super) everybody: Population,
}

/// One attempt.
#[derive(Clone, Copy)]
pub(super) struct Try<'a> {
    pub(super) name: &'a str,
    pub(super) from: &'a str,
    pub(super) with: &'a str,
    pub(super) right: bool,
}

pub(super) fn attempt(name: &str) -> Try<'_> {
    Try {
        name,
        from: AWAY,
        with: FIREFOX,
        right: false,
    }
}

pub(super) fn owner(name: &str) -> Try<'_> {
    Try {
        name,
        from: HOME,
        with: CHROME,
        right: true,
    }
}

impl Desk {
    pub(super) fn new(login: &str) -> Self {
        Self::of(&format!(
            r#"{{"mode":"enforce","login":{login},"tiers":[
                {{"name":"login","paths":["/login"],"class":"login"}},
                {{"name":"reset","paths":["/reset"],"class":"recovery"}}]}}"#
        ))
    }

    pub(super) fn of(policy: &str) -> Self {
        Self {
            policy: Policy::parse(policy).unwrap(),
            now: NOW,
            accounts: BTreeMap::new(),
            sources: BTreeMap::new(),
            everybody: Population::default(),
        }
    }

    pub(super) fn serve(
        &mut self,
        path: &str,
        standing: Standing<'static>,
        what: Try<'_>,
    ) -> Assessment {
        self.now += 1;
        let key = HashKey::PUBLIC;
        let signals = Signals {
            now_ms: self.now * 1000,
            standing,
            network: NetworkSignals {
                address: Field::from(Address::parse(what.from)),
                ..NetworkSignals::default()
            },
            client: ClientSignals {
                user_agent: Field::Present(what.with.as_bytes()),
                parsed: user_agent::parse(what.with.as_bytes()),
                ..ClientSignals::default()
            },
            request: RequestSignals {
                method: b"POST",
                path: path.as_bytes(),
                ..RequestSignals::default()
            },
            ..Signals::default()
        };
        let tier = self.policy.tier(&Route {
            path: path.as_bytes(),
            method: b"POST",
            ..Route::default()
        });
        let name = match what.name {
            "" => Field::Malformed,
            name => Field::Present(name.to_owned()),
        };
        let features = Features::of(&signals, &key)
            .of_class(tier.class)
            .trying(&name, &key);
        let wanted = wants_sources(tier, &signals, &features, None);
        assert!(!wanted.is_empty(), "an attempt reads its sources");
        let found = wanted
            .iter()
            .filter_map(|key| Some((*key, *self.sources.get(key)?)));
        let sources: Vec<_> = found.collect();
        let account = features.tried.and_then(|at| self.accounts.get(&at));
        let known = Known::of(&self.everybody)
            .with_sources(&sources)
            .with_account(account)
            .with_alike(features.alike.and_then(|at| self.accounts.get(&at)));
        let assessment = assess(&self.policy, tier, &signals, &features, &known);
        if assessment.decision.refused().is_some() {
            return assessment;
        }
        let outcome = Outcome {
            succeeded: what.right,
        };
        let seen = observe(&features, &assessment, outcome, &known);
        for lesson in &seen.lessons {
            self.everybody.learn(lesson);
        }
        let records = |lesson: AccountLesson| {
            let records = lesson.records(&features);
            records.map(move |at| (at, lesson)).collect::<Vec<_>>()
        };
        for (at, lesson) in seen.account.into_iter().flat_map(records) {
            let account = self.accounts.entry(at).or_default();
            account.learn(&features, lesson);
        }
        if let Some(lesson) = &seen.source {
            for key in SourceKey::of(&features) {
                let source = self.sources.entry(key).or_default();
                source.learn(key.kind, lesson);
            }
        }
        assessment
    }

    pub(super) fn login(&mut self, what: Try<'_>) -> Assessment {
        self.serve("/login", Standing::Anonymous, what)
    }

    /// How many of these attempts reach the upstream.
    pub(super) fn reach(&mut self, times: usize, what: Try<'_>) -> usize {
        (0..times)
            .filter(|_| self.login(what).decision.refused().is_none())
            .count()
    }
}

pub(super) fn wait(assessment: &Assessment) -> u32 {
    match assessment.decision.refused() {
        Some(Refusal::TooMany { retry_after }) => retry_after,
        other => panic!("not too many: {other:?} {:?}", assessment.reasons),
    }
}

pub(super) fn has(assessment: &Assessment, reason: Reason) -> bool {
    assessment
        .reasons
        .iter()
        .any(|piece| piece.reason == reason)
}

/// An address of another network each.
pub(super) fn bot(n: usize) -> String {
    format!("23.{}.{}.9", n % 200, n / 200)
}
