//! The feeds of a policy: fetched like keys, read into one value, the same in every VM a tick later.
//! May use: fetch, metrics, the engine's feed room.
//! Must not: forget the last good document because the next one is bad.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use stepgate::feed::{Document, Feed, Verdict};
use stepgate::policy::{Policy, PolicyError};
use stepgate::signals::keyed::HashKey;

use crate::crowd::Crowd;
use crate::delivery::Delivery;
use crate::fetch::{Source, Target};
use crate::memory::Memory;
use crate::metrics::{Count, Metrics};
use crate::store::Store;

/// The feeds of one policy and what they say together.
#[derive(Debug)]
pub(crate) struct Feeds {
    feeds: Vec<One>,
    key: HashKey,
    together: RefCell<Rc<Feed>>,
}

#[derive(Debug)]
struct One {
    source: Source,
    says: RefCell<Document>,
    delivery: Delivery,
}

impl Feeds {
    /// # Errors
    /// A feed whose token is not in the environment.
    pub(crate) fn of(
        policy: &Policy,
        key: HashKey,
        memory: &Rc<Memory>,
        now: i64,
    ) -> Result<Self, PolicyError> {
        let mut feeds = Vec::with_capacity(policy.config.feeds.len());
        for (index, written) in policy.config.feeds.iter().enumerate() {
            let authorization = match &written.token_env {
                Some(name) => Some(bearer(name).map_err(|why| PolicyError {
                    path: format!("feeds[{index}].token_env"),
                    message: format!("`{}` {why}", name.escape_debug()),
                })?),
                None => None,
            };
            let id = [
                "feed",
                &*written.name,
                &written.cluster,
                &written.authority,
                &written.path,
            ];
            let target = Target {
                what: format!("feed `{}`", written.name),
                meanwhile: [
                    "the filter goes on without it",
                    "what it said last still holds",
                ],
                cluster: written.cluster.clone(),
                authority: written.authority.clone(),
                path: written.path.clone(),
                refresh_seconds: written.refresh_seconds,
                timeout_seconds: written.timeout_seconds,
                max_bytes: written.max_bytes as usize,
                authorization,
                counts: [Count::FeedFetched, Count::FeedFailed],
            };
            feeds.push(One {
                source: Source::new(target, &id, Rc::clone(memory), now),
                says: RefCell::default(),
                delivery: Delivery::new(memory, key, written.max_snapshot_bytes),
            });
        }
        Ok(Self {
            feeds,
            key,
            together: RefCell::default(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    /// What all feeds say now.
    pub(crate) fn now(&self) -> Rc<Feed> {
        Rc::clone(&self.together.borrow())
    }

    /// Takes what any VM has fetched since the last time.
    pub(crate) fn take(&self, metrics: &Metrics, now: i64) {
        let changed = Cell::new(false);
        for (place, one) in self.feeds.iter().enumerate() {
            let age = one.source.take(now, |body| {
                let document = self.read(body, now)?;
                one.says.replace(document);
                changed.set(true);
                Ok(())
            });
            let age = u64::try_from(age).unwrap_or(0);
            metrics.record(Count::FeedAge, place, age);
        }
        if changed.get() {
            self.put_together();
        }
    }

    /// Asks for every feed whose time has come, where no other VM is at it.
    pub(crate) fn fetch(&self, metrics: &Metrics, now: i64) {
        for one in &self.feeds {
            one.source.fetch(metrics, now);
        }
    }

    /// Does a piece of work on the snapshots that feeds name.
    pub(crate) fn load(&self, can_call_out: bool, with: (&Store, &Crowd, &Metrics), now: i64) {
        for one in &self.feeds {
            let says = one.says.borrow();
            if let Some(path) = &says.snapshot {
                let target = &one.source.target;
                one.delivery.tick(target, path, can_call_out, with, now);
            }
        }
    }

    /// Takes the answer to the call `token`, if it is a feed's. Returns the verdicts to carry out: only the VM that fetched a
    /// document does.
    pub(crate) fn answered(
        &self,
        token: u32,
        size: usize,
        metrics: &Metrics,
        now: i64,
    ) -> Option<Vec<Verdict>> {
        let verdicts = RefCell::new(Vec::new());
        let ours = self.feeds.iter().any(|one| {
            let delivered = one.delivery.answered(token, size, metrics, now);
            delivered
                || one.source.answered(token, size, metrics, now, |body| {
                    let document = self.read(body, now)?;
                    let said = described(&document);
                    verdicts.borrow_mut().clone_from(&document.verdicts);
                    one.says.replace(document);
                    self.put_together();
                    Ok(said)
                })
        });
        ours.then(|| verdicts.into_inner())
    }

    fn read(&self, body: &[u8], now: i64) -> Result<Document, String> {
        let now = u32::try_from(now.div_euclid(1000)).unwrap_or(0);
        Document::read(body, &self.key, now)
    }

    fn put_together(&self) {
        let mut together = Feed::default();
        for one in &self.feeds {
            let lost = together.merge(&one.says.borrow().feed);
            if lost > 0 {
                log::error!(
                    "stepgate: {}: no room for {lost} revocations: those that end first are not in force",
                    one.source.target.what
                );
            }
        }
        let before = self.together.replace(Rc::new(together));
        let shadow = self.together.borrow().shadow;
        if before.shadow != shadow {
            log::warn!(
                "stepgate: the kill switch of the feeds is {}",
                if shadow {
                    "on: nothing is enforced"
                } else {
                    "off: the policy holds"
                }
            );
        }
    }
}

/// The token of a feed, as a header.
fn bearer(name: &str) -> Result<String, &'static str> {
    let token = std::env::var(name).map_err(|_| "is not in the environment of the VM")?;
    // Never said: it is a secret.
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if plain {
        Ok(format!("Bearer {token}"))
    } else {
        Err("holds no token; allowed: visible ASCII without spaces")
    }
}

/// What a document says, in numbers, for the log.
fn described(document: &Document) -> String {
    let feed = &document.feed;
    let mut said = format!(
        "{} revocations, {} lists of networks, {} orders, {} verdicts",
        feed.revocations.len(),
        feed.networks.len(),
        feed.orders.len(),
        document.verdicts.len()
    );
    if document.expired > 0 {
        said.push_str(&format!(", {} expired", document.expired));
    }
    if feed.shadow {
        said.push_str(", shadow");
    }
    said
}
