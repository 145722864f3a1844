//! A deployment without a proxy: the filter's pages, everybody's population, and one request after the other.
//! May use: the engine's public face.
//! Must not: keep anything of a request but what the pages keep.

use std::borrow::Cow;

use stepgate::assess::{assess, wants_sources};
use stepgate::baseline::account::Account;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{PAGE_BYTES, Page, PageKind};
use stepgate::baseline::population::Population;
use stepgate::baseline::source::{Source, SourceKey};
use stepgate::evidence::Known;
use stepgate::observe::{Outcome, observe};
use stepgate::policy::{Policy, Route, Tier};
use stepgate::signals::address::Address;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{HashKey, Locator};
use stepgate::signals::request::{
    ClientSignals, Field, Kind, NetworkSignals, RequestSignals, SessionSignals, Signals, Standing,
    Subject,
};
use stepgate::signals::user_agent;

/// 2026-03-04T10:00:00Z.
pub(crate) const NOW: i64 = 1_772_618_400;
const KEY: HashKey = HashKey::PUBLIC;
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// The pages of one kind.
struct Table(Vec<Page>);

impl Table {
    fn new(kind: PageKind, pages: u64) -> Self {
        Self(vec![Page::empty(kind, &KEY); kind.share(pages) as usize])
    }

    fn index(&self, at: Locator) -> usize {
        (at.page % self.0.len() as u64) as usize
    }

    fn find(&self, at: Locator) -> Option<&[u8]> {
        let page = self.0.get(self.index(at))?;
        page.find(at.tag, &KEY).ok().flatten()
    }

    fn put(
        &mut self,
        at: Locator,
        bytes: &[u8],
        activity: stepgate::baseline::page::Activity,
    ) -> u64 {
        let index = self.index(at);
        let page = self.0.get_mut(index);
        let evicted = page.and_then(|page| page.put(at.tag, bytes, activity, &KEY));
        u64::from(evicted.unwrap_or_default())
    }
}

pub(crate) struct Deployment {
    policy: Policy,
    identities: Table,
    sources: Table,
    accounts: Table,
    /// Followed by identities that call APIs; here only its pages count.
    routes: Table,
    everybody: Population,
    evicted: u64,
    buffer: Vec<u8>,
}

fn features(signals: &Signals<'_>, tier: &Tier) -> Features {
    Features::of(signals, &KEY).of_class(tier.class)
}

impl Deployment {
    pub(crate) fn new(mebibytes: u64) -> Self {
        let pages = (mebibytes << 20) / PAGE_BYTES as u64;
        let policy =
            r#"{"mode":"enforce","tiers":[{"name":"login","paths":["/login"],"class":"login"}]}"#;
        Self {
            policy: Policy::parse(policy).unwrap(),
            identities: Table::new(PageKind::Identity, pages),
            sources: Table::new(PageKind::Source, pages),
            accounts: Table::new(PageKind::Account, pages),
            routes: Table::new(PageKind::Routes, pages),
            everybody: Population::default(),
            evicted: 0,
            buffer: Vec::new(),
        }
    }

    /// Bytes of all pages.
    pub(crate) fn bytes(&self) -> u64 {
        let tables = [
            &self.identities,
            &self.sources,
            &self.accounts,
            &self.routes,
        ];
        let pages = tables.iter().flat_map(|table| &table.0);
        pages.map(|page| page.as_bytes().len() as u64).sum()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Whether the identity's record is there.
    pub(crate) fn knows(&self, who: &str) -> bool {
        let signals = visiting(who, "20.0.0.1", b"", NOW);
        let features = Features::of(&signals, &KEY);
        let found = features.identity.and_then(|at| self.identities.find(at));
        found
            .and_then(IdentityRecord::decode)
            .is_some_and(|record| record.history > 10)
    }

    /// Whether the record of the name that logged in is there.
    pub(crate) fn knows_name(&self, who: &str) -> bool {
        let name = Field::Present(who.to_owned());
        let at = Features::default().trying(&name, &KEY).tried;
        at.and_then(|at| self.accounts.find(at)).is_some()
    }

    /// A login of this name that succeeds, and the first request with its token.
    pub(crate) fn visit(&mut self, who: &str, from: u32, at: i64) {
        let (address, token) = (address(from), format!("{who}-{at}"));
        if who.starts_with("active") {
            self.login(who, &address, at, true);
        }
        let signals = visiting(who, &address, token.as_bytes(), at);
        self.serve(&signals, None, true);
    }

    /// A failed login.
    pub(crate) fn guess(&mut self, name: &str, from: u32, at: i64) {
        self.login(name, &address(from), at, false);
    }

    fn login(&mut self, name: &str, address: &str, at: i64, right: bool) {
        let mut signals = visiting(name, address, b"", at);
        signals.standing = Standing::Anonymous;
        signals.request = RequestSignals {
            method: b"POST",
            path: b"/login",
            ..RequestSignals::default()
        };
        self.serve(&signals, Some(name), right);
    }

    fn serve(&mut self, signals: &Signals<'_>, name: Option<&str>, succeeded: bool) {
        let tier = self.policy.tier(&Route {
            path: signals.request.path,
            method: signals.request.method,
            ..Route::default()
        });
        let mut features = features(signals, tier);
        if let Some(name) = name {
            features = features.trying(&Field::Present(name.to_owned()), &KEY);
        }
        let record = features.identity.and_then(|at| self.identities.find(at));
        let record = record.and_then(IdentityRecord::decode);
        let account = features.tried.and_then(|at| self.accounts.find(at));
        let account = account.and_then(Account::decode);
        let wanted = wants_sources(tier, signals, &features, record.as_ref());
        let found = wanted.iter().filter_map(|key| {
            let bytes = self.sources.find(key.locator())?;
            Some((*key, Source::decode(bytes)?))
        });
        let sources: Vec<_> = found.collect();
        let known = Known::of(&self.everybody)
            .with_identity(record.as_ref())
            .with_sources(&sources)
            .with_account(account.as_ref());
        let assessment = assess(&self.policy, tier, signals, &features, &known);
        if assessment.decision.refused().is_some() {
            return;
        }
        let seen = observe(&features, &assessment, Outcome { succeeded }, &known);
        if let (Some(at), Some(record)) = (features.identity, &seen.record) {
            self.buffer.clear();
            record.encode(&mut self.buffer);
            self.evicted += self.identities.put(at, &self.buffer, record.activity());
        }
        if let (Some(at), Some(lesson)) = (features.tried, seen.account) {
            let mut account = account.unwrap_or_default();
            account.learn(&features, lesson);
            self.buffer.clear();
            account.encode(&mut self.buffer);
            self.evicted += self.accounts.put(at, &self.buffer, account.activity());
        }
        if let Some(lesson) = &seen.source {
            for key in SourceKey::of(&features) {
                let bytes = self.sources.find(key.locator());
                let mut source = bytes.and_then(Source::decode).unwrap_or_default();
                source.learn(key.kind, lesson);
                self.buffer.clear();
                source.encode(&mut self.buffer);
                self.evicted += self
                    .sources
                    .put(key.locator(), &self.buffer, source.activity());
            }
        }
        for lesson in &seen.lessons {
            self.everybody.learn(lesson);
        }
    }
}

/// An address for each number, in a network for each: a /24 first, then more of it.
fn address(n: u32) -> String {
    let (high, middle, low) = (n % 200, n / 200 % 250, n / 50_000 % 250);
    format!("{}.{middle}.{low}.{}", high + 20, 1 + n / 12_500_000)
}

fn visiting<'a>(who: &'a str, address: &str, token: &'a [u8], at: i64) -> Signals<'a> {
    Signals {
        now_ms: at * 1000,
        standing: Standing::Verified(Subject {
            id: Cow::Borrowed(who),
            kind: Kind::Human,
            group: Cow::Borrowed("human:web"),
            client_id: Cow::Borrowed("web"),
        }),
        network: NetworkSignals {
            address: Field::from(Address::parse(address)),
            ..NetworkSignals::default()
        },
        client: ClientSignals {
            user_agent: Field::Present(BROWSER.as_bytes()),
            parsed: user_agent::parse(BROWSER.as_bytes()),
            ..ClientSignals::default()
        },
        session: SessionSignals {
            token: Field::Present(Cow::Borrowed(token)),
            auth_time: Some(at),
            issued_at: Some(at),
            ..SessionSignals::default()
        },
        request: RequestSignals {
            method: b"GET",
            path: b"/orders",
            ..RequestSignals::default()
        },
    }
}
