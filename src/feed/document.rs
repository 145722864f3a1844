//! The one JSON format of feeds, from bytes to values. `docs/feeds.md` has it for people.
//! May use: the feed room, keyed hashes.
//! Must not: keep a name in clear, or take a part of a document that is not sound as a whole.
//!
//! Types are strict and a bad entry refuses the document: what cannot be read might be a revocation. Unknown members are
//! passed over, so that one document can serve older and newer filters; `version` says that it is a feed at all, since an
//! error page in JSON must not look like a feed that lifts every revocation.

use super::written::{
    Networks, Override, Time, Written, WrittenAction, WrittenMode, WrittenVerdict,
};
use super::{Answerable, Feed, Judged, NetworkList, Order, Ordered, Verdict};
use crate::baseline::revocation::MOST;
use crate::place::path_at;
use crate::signals::address::{CidrSet, MAX_ENTRIES};
use crate::signals::credential::Names;
use crate::signals::keyed::{Domain, HashKey};

/// The version of the format that is read.
const VERSION: u32 = 1;
/// Most orders and most verdicts of one document.
const MOST_ORDERS: usize = 10_000;
/// Longest path of a snapshot.
const LONGEST_PATH: usize = 1024;
/// What a network of risk 100 is worth, in nats.
const FULL_RISK: f64 = 5.0;

/// A document that was read.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Document {
    /// What holds while the document does.
    pub feed: Feed,
    /// What is to be done once.
    pub verdicts: Vec<Verdict>,
    /// Path of a baseline snapshot, at the same place.
    pub snapshot: Option<String>,
    /// Entries that are over and were left out.
    pub expired: usize,
}

type Checked<T> = Result<T, String>;

impl Document {
    /// Reads a document. What it names is hashed with `key`; what is over at `now` is left out and counted.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path and what is allowed.
    pub fn read(bytes: &[u8], key: &HashKey, now: u32) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
        let written: Written = serde_json::from_slice(bytes).map_err(|error| {
            match path_at(text, error.line(), error.column()).as_str() {
                "" => error.to_string(),
                path => format!("{path}: {error}"),
            }
        })?;
        if written.version != VERSION {
            return Err(format!(
                "version: {} is not known; allowed: {VERSION}",
                written.version
            ));
        }
        let mut read = Self::default();
        read.feed.shadow = matches!(written.mode, Some(WrittenMode::Shadow));
        read.revocations(&written, key, now)?;
        read.networks(&written.networks, now)?;
        read.overrides(&written.overrides, key, now)?;
        at_most("verdicts", written.verdicts.len(), MOST_ORDERS)?;
        for (index, verdict) in written.verdicts.iter().enumerate() {
            let of = judged(verdict, key, &format!("verdicts[{index}]"))?;
            let owner = verdict.owner;
            read.verdicts.push(Verdict { of, owner });
        }
        read.snapshot = written.snapshot.map(|place| path(place.path)).transpose()?;
        Ok(read)
    }

    fn revocations(&mut self, written: &Written, key: &HashKey, now: u32) -> Checked<()> {
        let epochs = &written.not_before;
        let entries = [
            epochs.subjects.len(),
            epochs.sessions.len(),
            epochs.clients.len(),
            written.tokens.len(),
        ];
        at_most("revocations", entries.iter().sum(), MOST)?;
        for (index, of) in epochs.subjects.iter().enumerate() {
            let at = format!("not_before.subjects[{index}]");
            let id = identity(&of.iss, &of.sub, &of.id, &at)?;
            let name = Names::of_subject(id.as_bytes(), key);
            self.revoke(name, of.time.0, of.expires, now);
        }
        for (index, of) in epochs.sessions.iter().enumerate() {
            let at = format!("not_before.sessions[{index}]");
            named(&at, &[("iss", &of.iss), ("sid", &of.sid)])?;
            let name = Names::of_session(&of.iss, of.sid.as_bytes(), key);
            self.revoke(name, of.time.0, of.expires, now);
        }
        for (index, of) in epochs.clients.iter().enumerate() {
            let at = format!("not_before.clients[{index}]");
            named(&at, &[("iss", &of.iss), ("client_id", &of.client_id)])?;
            let name = Names::of_client(&of.iss, of.client_id.as_bytes(), key);
            self.revoke(name, of.time.0, of.expires, now);
        }
        for (index, of) in written.tokens.iter().enumerate() {
            named(
                &format!("tokens[{index}]"),
                &[("iss", &of.iss), ("jti", &of.jti)],
            )?;
            let name = Names::of_token(&of.iss, of.jti.as_bytes(), key);
            self.revoke(name, u32::MAX, of.expires, now);
        }
        Ok(())
    }

    fn revoke(&mut self, name: u64, not_before: u32, expires: Option<Time>, now: u32) {
        let until = expires.map_or(u32::MAX, |time| time.0);
        if until < now {
            self.expired += 1;
            return;
        }
        // There is room: the number of entries was checked.
        let _kept = self
            .feed
            .revocations
            .revoke_before(name, not_before, until, now);
    }

    fn networks(&mut self, lists: &[Networks], now: u32) -> Checked<()> {
        let blocks = lists.iter().map(|list| list.networks.len()).sum();
        at_most("networks", blocks, MAX_ENTRIES)?;
        for (index, list) in lists.iter().enumerate() {
            let networks = CidrSet::parse(list.networks.iter().map(String::as_str))
                .map_err(|why| format!("networks[{index}].networks: {why}"))?;
            let nats = match (list.score, list.risk) {
                (Some(_), Some(_)) => {
                    return Err(format!("networks[{index}].risk: stands beside `score`"));
                }
                (None, None) => None,
                (Some(score), None) if score > 0.0 && score <= 20.0 => Some(score),
                (Some(score), None) => {
                    return Err(format!(
                        "networks[{index}].score: {score} is not a score; allowed: above 0 up to 20 nats"
                    ));
                }
                (None, Some(risk)) if (0.0..=100.0).contains(&risk) => {
                    Some(risk / 100.0 * FULL_RISK)
                }
                (None, Some(risk)) => {
                    return Err(format!(
                        "networks[{index}].risk: {risk} is not a risk; allowed: 0 to 100"
                    ));
                }
            };
            if list.expires.0 <= now {
                self.expired += 1;
                continue;
            }
            self.feed.networks.push(NetworkList {
                networks,
                nats,
                expires: list.expires.0,
            });
        }
        Ok(())
    }

    fn overrides(&mut self, overrides: &[Override], key: &HashKey, now: u32) -> Checked<()> {
        at_most("overrides", overrides.len(), MOST_ORDERS)?;
        for (index, of) in overrides.iter().enumerate() {
            let at = format!("overrides[{index}]");
            named(&at, &[("owner", &of.owner), ("reason", &of.reason)])?;
            let id = identity(&of.iss, &of.sub, &of.id, &at)?;
            if of.expires.0 <= now {
                self.expired += 1;
                continue;
            }
            let order = match of.action {
                WrittenAction::Allow => Order::Allow,
                WrittenAction::StepUp => Order::StepUp,
                WrittenAction::Deny => Order::Deny,
            };
            let name = Names::of_subject(id.as_bytes(), key);
            let ordered = Ordered {
                until: of.expires.0,
                by: Answerable::of(&of.owner, &of.reason),
            };
            self.feed.order(name, order, ordered);
        }
        Ok(())
    }
}

fn at_most(path: &str, found: usize, most: usize) -> Checked<()> {
    if found > most {
        return Err(format!(
            "{path}: {found} are too many; allowed: {most} in one document"
        ));
    }
    Ok(())
}

/// An empty name would concern whatever has none.
fn named(at: &str, names: &[(&str, &String)]) -> Checked<()> {
    match names.iter().find(|(_, value)| value.trim().is_empty()) {
        Some((name, _)) => Err(format!("{at}.{name}: is empty")),
        None => Ok(()),
    }
}

/// `user.id` of the identity: of a token by `iss` and `sub`, of anything else by `id`.
fn identity(
    iss: &Option<String>,
    sub: &Option<String>,
    id: &Option<String>,
    at: &str,
) -> Checked<String> {
    match (iss, sub, id) {
        (Some(iss), Some(sub), None) => {
            named(at, &[("iss", iss), ("sub", sub)])?;
            Ok(format!("{iss}|{sub}"))
        }
        (None, None, Some(id)) => {
            named(at, &[("id", id)])?;
            Ok(id.clone())
        }
        _ => Err(format!(
            "{at}: names no identity; allowed: `iss` with `sub`, or `id`"
        )),
    }
}

fn judged(written: &WrittenVerdict, key: &HashKey, at: &str) -> Checked<Judged> {
    if let Some(id) = &written.decision {
        let digits = id.strip_prefix('d').filter(|digits| {
            digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        return digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Judged::Decision)
            .ok_or_else(|| {
                format!(
                    "{at}.decision: is not the id of a decision; allowed: `d` and 16 hex digits"
                )
            });
    }
    let id = identity(&written.iss, &written.sub, &written.id, at)?;
    let (Some(sid), Some(time)) = (&written.sid, written.time) else {
        return Err(format!(
            "{at}: names no decision; allowed: `decision`, or an identity with `sid` and `time`"
        ));
    };
    named(at, &[("sid", sid)])?;
    Ok(Judged::Session {
        identity: key.locate(Domain::Identity, &[id.as_bytes()]),
        session: key.hash32(Domain::Session, sid.as_bytes()),
        time: time.0,
    })
}

/// A path that cannot become another header.
fn path(path: String) -> Checked<String> {
    let plain = path.starts_with('/')
        && path.len() <= LONGEST_PATH
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if plain {
        Ok(path)
    } else {
        Err(
            "snapshot.path: is not a path; allowed: / and up to 1023 visible ASCII characters"
                .into(),
        )
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
