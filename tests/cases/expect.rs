//! What a case expects of a request, and what a level saw of it.
//! May use serde.
//! Must not know how a level came to its outcome.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::OneOrMore;

/// What is expected; what is not named is not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    decision: Option<OneOrMore<String>>,
    would: Option<String>,
    mode: Option<String>,
    status: Option<OneOrMore<u16>>,
    grpc_status: Option<u8>,
    score: Option<[u8; 2]>,
    reasons: Vec<String>,
    without: Vec<String>,
    history: Option<u32>,
    rejected: Option<String>,
    upstream: BTreeMap<String, Option<String>>,
    client: BTreeMap<String, Option<String>>,
    challenge: Vec<String>,
}

/// What a level saw. `None`: this level cannot see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Headers the upstream got; `None` if the request did not reach it.
    pub(crate) upstream: Option<Vec<(String, String)>>,
    /// The client's status.
    pub(crate) status: u16,
    /// The client's headers.
    pub(crate) client: Vec<(String, String)>,
    /// gRPC status of a local reply.
    pub(crate) grpc_status: Option<u8>,
    /// Reason codes, strongest first.
    pub(crate) reasons: Option<Vec<String>>,
    /// What enforcing would do.
    pub(crate) would: Option<String>,
    /// The score in percent.
    pub(crate) score: Option<u8>,
    /// Events known before.
    pub(crate) history: Option<u32>,
    /// Why a credential is none.
    pub(crate) rejected: Option<String>,
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(have, _)| have == name);
    found.map(|(_, value)| value.as_str())
}

/// The codes in a list of reasons.
pub(crate) fn codes(list: &str) -> Vec<String> {
    let codes = list.split(", ").filter(|code| !code.is_empty());
    let bare = |code: &str| code.split(';').next().unwrap_or_default().to_owned();
    codes.map(bare).collect()
}

impl Outcome {
    /// Fills in what the upstream's headers say.
    pub(crate) fn read_headers(mut self) -> Self {
        let Some(upstream) = &self.upstream else {
            return self;
        };
        let get = |name: &str| value(upstream, name).map(str::to_owned);
        self.would = get("x-stepgate-would").or_else(|| get("x-stepgate-decision"));
        self.score = get("x-stepgate-score").and_then(|score| score.parse().ok());
        if get("x-stepgate-decision").is_some() {
            self.reasons = Some(codes(&get("x-stepgate-reasons").unwrap_or_default()));
        }
        self
    }

    /// A header the upstream got, or the client if the request did not reach it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value(self.upstream.as_ref().unwrap_or(&self.client), name)
    }

    /// What was done.
    pub(crate) fn decision(&self) -> Option<&str> {
        self.header("x-stepgate-decision")
    }
}

impl Expect {
    /// What is not as expected.
    pub(crate) fn problems(&self, seen: &Outcome) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, what: String| {
            if !holds {
                problems.push(what);
            }
        };
        if let Some(wanted) = &self.decision {
            let found = seen.decision();
            let holds = found.is_some_and(|found| wanted.all().iter().any(|word| word == found));
            check(holds, format!("decision {found:?}, not {wanted:?}"));
        }
        if let (Some(wanted), Some(found)) = (&self.would, &seen.would) {
            check(found == wanted, format!("would {found}, not {wanted}"));
        }
        if let (Some(wanted), Some(upstream)) = (&self.mode, &seen.upstream) {
            let found = value(upstream, "x-stepgate-mode");
            check(
                found == Some(wanted),
                format!("mode {found:?}, not {wanted}"),
            );
        }
        let passes = seen.upstream.is_some();
        if let Some(wanted) = &self.status {
            let found = seen.status;
            check(
                wanted.all().contains(&found),
                format!("status {found}, not {wanted:?}"),
            );
        }
        if let Some(wanted) = self.grpc_status
            && !passes
        {
            let found = seen.grpc_status;
            check(
                found == Some(wanted),
                format!("grpc-status {found:?}, not {wanted}"),
            );
        }
        if let (Some([low, high]), Some(found)) = (self.score, seen.score) {
            check(
                (low..=high).contains(&found),
                format!("score {found}, not {low} to {high}"),
            );
        }
        if let Some(found) = &seen.reasons {
            for wanted in &self.reasons {
                check(
                    found.contains(wanted),
                    format!("no reason {wanted} in {found:?}"),
                );
            }
            for unwanted in &self.without {
                check(
                    !found.contains(unwanted),
                    format!("reason {unwanted} in {found:?}"),
                );
            }
        }
        if let (Some(wanted), Some(found)) = (self.history, seen.history) {
            check(found == wanted, format!("history {found}, not {wanted}"));
        }
        if let (Some(wanted), Some(found)) = (&self.rejected, &seen.rejected) {
            check(
                found == wanted,
                format!("rejected as {found}, not {wanted}"),
            );
        }
        let upstream = seen.upstream.as_deref().unwrap_or_default();
        for (side, wanted, headers) in [
            ("upstream", &self.upstream, upstream),
            ("client", &self.client, &seen.client),
        ] {
            for (name, wanted) in wanted {
                let found = value(headers, name);
                check(
                    found == wanted.as_deref(),
                    format!("{side} {name}: {found:?}, not {wanted:?}"),
                );
            }
        }
        let challenge = value(&seen.client, "www-authenticate").unwrap_or_default();
        for wanted in &self.challenge {
            check(
                challenge.contains(wanted.as_str()),
                format!("no `{wanted}` in `{challenge}`"),
            );
        }
        problems
    }
}
