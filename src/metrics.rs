//! The one table of metrics: names, types, labels and meaning. The filter, the documents and the dashboards are held to it.
//! May use: the table of reasons, the policy, and the words of decisions, modes and kinds.
//! Must not: count anything, or know the host that does.
//!
//! A series is written `name.label=.=value;.;`, the form in which Istio's `extraStatTags` look for labels; Envoy alone finds
//! them with the same patterns in `stats_tags`. So one set of names serves both.

#[cfg(feature = "cli")]
mod answers;

use crate::decision::Action;
use crate::evidence::REASONS;
use crate::headers::mode_word;
use crate::policy::{Mode, Policy};
use crate::signals::request::Kind;

#[cfg(feature = "cli")]
pub use answers::{ANSWERS, Answer};

/// Tiers with a label value of their own, in the order of the policy; the rest is `other`.
pub const TIERS: usize = 15;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only rises.
    Counter,
    /// Holds the last value.
    Gauge,
    /// Counts values in buckets.
    Histogram,
}

/// What a metric is divided by. Every value is known when a policy is taken: none comes from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// What enforcing does or would do.
    Decision,
    /// Whether it is carried out.
    Mode,
    /// The tier by its configured name, `default` for the rest of the policy, `other` beyond [`TIERS`].
    Tier,
    /// Who asks.
    Kind,
    /// The reason, with its family as a second label.
    Reason,
    /// A feed by its configured name; a policy has at most sixteen.
    Feed,
    /// What lives in a page.
    Table,
    /// What somebody found out about a decision.
    Verdict,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The metric.
    pub metric: Metric,
    /// Its name in Prometheus.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// What it is divided by.
    pub labels: &'static [Label],
    /// Its unit.
    #[cfg(feature = "cli")]
    pub unit: &'static str,
    /// What it counts, for an operator.
    #[cfg(feature = "cli")]
    pub meaning: &'static str,
}

macro_rules! metrics {
    ($($metric:ident $name:literal $kind:ident [$($label:ident)*] $unit:literal $meaning:literal;)*) => {
        /// A metric of the filter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric {
            $(#[doc = $meaning] $metric,)*
        }

        /// Every metric, in the order of the enum.
        pub static METRICS: &[Row] = &[
            $(Row {
                metric: Metric::$metric,
                name: $name,
                kind: Type::$kind,
                labels: &[$(Label::$label),*],
                #[cfg(feature = "cli")]
                unit: $unit,
                #[cfg(feature = "cli")]
                meaning: $meaning,
            },)*
        ];
    };
}

metrics! {
    Requests "stepgate_requests_total" Counter [Decision Mode Tier] "requests"
        "decisions, by what enforcing does or would do";
    Identities "stepgate_identities_total" Counter [Decision Mode Kind] "requests"
        "the same decisions, by who asked";
    Reasons "stepgate_reasons_total" Counter [Reason] "decisions"
        "decisions that have this reason";
    Score "stepgate_score" Histogram [Mode] "percent"
        "score of the decisions";
    Evaluation "stepgate_evaluation_microseconds" Histogram [] "microseconds"
        "time from the headers of a request to its decision, of every sixteenth request of a worker";
    Learned "stepgate_learned_total" Counter [] "records"
        "records that learned something";
    LearnSkipped "stepgate_learning_skipped_total" Counter [] "records"
        "lessons given up after three conflicts, or where a page must not be written";
    CasRetry "stepgate_cas_retries_total" Counter [] "writes"
        "writes that another worker was faster at, and that were tried again";
    LessonsDropped "stepgate_lessons_dropped_total" Counter [] "lessons"
        "lessons about everybody that stay with one worker, since too many waited to be shared";
    Evicted "stepgate_evictions_total" Counter [] "records"
        "records that made room for others";
    Pages "stepgate_pages" Gauge [Table] "pages"
        "pages there are, by what lives in them";
    PagesUsed "stepgate_pages_used" Gauge [Table] "pages"
        "pages that hold a record; estimated from at most 1,024 pages of each table";
    PageBytesUsed "stepgate_page_bytes_used" Gauge [Table] "bytes"
        "bytes of the pages that records take; estimated likewise";
    Records "stepgate_records" Gauge [Table] "records"
        "records in the pages; estimated likewise";
    BadPage "stepgate_bad_pages_total" Counter [] "pages"
        "pages read as empty: damaged, foreign, or made with another key";
    BadRecord "stepgate_bad_records_total" Counter [] "records"
        "records read as absent: damaged, or of a form that is not known";
    BadValue "stepgate_bad_values_total" Counter [] "values"
        "other values in shared data read as absent: damaged, or written by a foreign plugin";
    SpoofedHeader "stepgate_spoofed_headers_total" Counter [] "headers"
        "`x-stepgate-*` headers that clients sent, and that were removed";
    TokenKnown "stepgate_tokens_known_total" Counter [] "tokens"
        "tokens found in the cache of verified ones";
    TokenVerified "stepgate_tokens_verified_total" Counter [] "tokens"
        "tokens whose signature was verified";
    JwksFetched "stepgate_jwks_fetched_total" Counter [] "fetches"
        "key sets that were fetched";
    JwksFailed "stepgate_jwks_failed_total" Counter [] "fetches"
        "fetches of key sets that failed; the last good set is kept";
    JwksAge "stepgate_jwks_age_seconds" Gauge [] "seconds"
        "age of the key set that was fetched longest ago";
    FeedFetched "stepgate_feeds_fetched_total" Counter [] "fetches"
        "feeds that were fetched";
    FeedFailed "stepgate_feeds_failed_total" Counter [] "fetches"
        "fetches of feeds that failed; the last good document is kept";
    FeedAge "stepgate_feed_age_seconds" Gauge [Feed] "seconds"
        "time since a feed was last fetched";
    VerdictApplied "stepgate_verdicts_applied_total" Counter [Verdict] "verdicts"
        "verdicts of feeds that were carried out";
    VerdictUnknown "stepgate_verdicts_unknown_total" Counter [] "verdicts"
        "verdicts on decisions or identities that are not known any more";
    SnapshotRecord "stepgate_snapshot_records_total" Counter [] "records"
        "records loaded from a trained baseline";
    SnapshotRefused "stepgate_snapshot_refused_total" Counter [] "snapshots"
        "trained baselines that could not be used";
    BodyTimeout "stepgate_body_timeouts_total" Counter [] "requests"
        "logins decided without their body, which did not come in time";
    ReceiptIssued "stepgate_receipts_issued_total" Counter [] "cookies"
        "device receipts given to clients";
    ReturnAddressRefused "stepgate_return_addresses_refused_total" Counter [] "requests"
        "return addresses of challenged browsers that lead elsewhere and were replaced";
    ProofUnkept "stepgate_proofs_unkept_total" Counter [] "proofs"
        "DPoP proofs that could not be remembered: another worker may take them once more";
    AuditLine "stepgate_audit_lines_total" Counter [] "lines"
        "audit lines that were written";
    AuditSuppressed "stepgate_audit_suppressed_total" Counter [] "lines"
        "audit lines held back as repetitions; a line at the end of their window says how many";
    ConfigurationDigest "stepgate_configuration_digest" Gauge [] "number"
        "low 32 bits of the digest of the policy in force: replicas that differ have different policies";
    ConfigurationGeneration "stepgate_configuration_generation" Gauge [] "policies"
        "policies this process has taken: rises by one with each that differs from the one before";
    Heartbeat "stepgate_heartbeats_total" Counter [] "ticks"
        "one per second from every worker whose VM lives, and from the main thread";
}

impl Metric {
    /// Its row of the table.
    #[must_use]
    pub fn row(self) -> Option<&'static Row> {
        METRICS.get(self as usize)
    }

    /// The names of all its series under a policy, the values of the last label varying fastest.
    #[must_use]
    pub fn series(self, policy: &Policy) -> Vec<String> {
        let Some(row) = self.row() else {
            return Vec::new();
        };
        let mut names = vec![row.name.to_owned()];
        for (place, label) in row.labels.iter().enumerate() {
            let dot = if place == 0 { "." } else { "" };
            let values = label.values(policy);
            names = names
                .iter()
                .flat_map(|name| {
                    values
                        .iter()
                        .map(move |value| format!("{name}{dot}{value}"))
                })
                .collect();
        }
        names
    }
}

fn tag(label: &str, value: &str) -> String {
    format!("{label}=.={value};.;")
}

impl Label {
    /// Its words in Prometheus.
    #[must_use]
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Decision => &["decision"],
            Self::Mode => &["mode"],
            Self::Tier => &["tier"],
            Self::Kind => &["kind"],
            Self::Reason => &["reason", "family"],
            Self::Feed => &["feed"],
            Self::Table => &["table"],
            Self::Verdict => &["verdict"],
        }
    }

    /// How many values it has under a policy.
    #[must_use]
    pub fn count(self, policy: &Policy) -> usize {
        match self {
            Self::Decision => DECISIONS.len(),
            Self::Mode => MODES.len(),
            Self::Tier => 1 + policy.tiers.len().min(TIERS + 1),
            Self::Kind => KINDS.len() + 1,
            Self::Reason => REASONS.len(),
            Self::Feed => policy.config.feeds.len(),
            Self::Table => TABLES.len(),
            Self::Verdict => VERDICTS.len(),
        }
    }

    fn values(self, policy: &Policy) -> Vec<String> {
        let word = |value| tag(self.words().first().unwrap_or(&""), value);
        match self {
            Self::Decision => DECISIONS.iter().map(|d| word(d.as_str())).collect(),
            Self::Mode => MODES.iter().map(|mode| word(mode_word(*mode))).collect(),
            Self::Tier => {
                let named = policy.tiers.iter().take(TIERS).map(|tier| &*tier.name);
                let rest = policy.tiers.get(TIERS).map(|_| "other");
                let all = std::iter::once("default").chain(named).chain(rest);
                all.map(word).collect()
            }
            Self::Kind => {
                let known = KINDS.iter().map(|kind| kind.as_str());
                known.chain(["none"]).map(word).collect()
            }
            Self::Reason => REASONS
                .iter()
                .map(|row| tag("reason", row.code) + &tag("family", row.family.as_str()))
                .collect(),
            Self::Feed => {
                let feeds = policy.config.feeds.iter();
                feeds.map(|feed| word(&feed.name)).collect()
            }
            Self::Table => TABLES.iter().copied().map(word).collect(),
            Self::Verdict => VERDICTS.iter().copied().map(word).collect(),
        }
    }
}

const DECISIONS: [Action; 4] = [
    Action::Allow,
    Action::StepUp,
    Action::Restrict,
    Action::Deny,
];
const MODES: [Mode; 2] = [Mode::Shadow, Mode::Enforce];
const KINDS: [Kind; 3] = [Kind::Human, Kind::Service, Kind::ApiKey];
const VERDICTS: [&str; 2] = ["attack", "owner"];
/// In the order of `PageKind::ALL`.
const TABLES: [&str; 4] = ["identity", "routes", "source", "account"];

/// The place of a tier among the values of its label; `None` is the rest of the policy.
#[must_use]
pub fn tier_place(tier: Option<usize>) -> usize {
    tier.map_or(0, |index| 1 + index.min(TIERS))
}

/// The place of a mode among the values of its label.
#[must_use]
pub fn mode_place(mode: Mode) -> usize {
    usize::from(mode == Mode::Enforce)
}

/// The place of who asks among the values of its label.
#[must_use]
pub fn kind_place(kind: Option<Kind>) -> usize {
    kind.map_or(KINDS.len(), |kind| kind as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::page::PageKind;

    fn policy(tiers: usize) -> Policy {
        let tiers: Vec<_> = (0..tiers)
            .map(|n| serde_json::json!({ "name": format!("t{n}"), "paths": [format!("/{n}")] }))
            .collect();
        Policy::parse(&serde_json::json!({ "tiers": tiers }).to_string()).unwrap()
    }

    #[test]
    fn names_are_unique_and_say_their_type() {
        for (place, row) in METRICS.iter().enumerate() {
            assert_eq!(row.metric as usize, place);
            assert_eq!(METRICS.iter().filter(|r| r.name == row.name).count(), 1);
            assert_eq!(
                row.name.ends_with("_total"),
                row.kind == Type::Counter,
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_place_is_where_the_series_stands() {
        let policy = policy(2);
        let series = Metric::Requests.series(&policy);
        let tiers = Label::Tier.count(&policy);
        let place = |decision: Action, mode, tier| {
            (decision as usize * 2 + mode_place(mode)) * tiers + tier_place(tier)
        };
        assert_eq!(
            series[place(Action::StepUp, Mode::Enforce, Some(1))],
            "stepgate_requests_total.decision=.=step-up;.;mode=.=enforce;.;tier=.=t1;.;"
        );
        assert_eq!(
            series[place(Action::Deny, Mode::Shadow, None)],
            "stepgate_requests_total.decision=.=deny;.;mode=.=shadow;.;tier=.=default;.;"
        );
        for (kind, word) in [(Some(Kind::ApiKey), "api-key"), (None, "none")] {
            let series = Metric::Identities.series(&policy);
            assert!(series[kind_place(kind)].ends_with(&tag("kind", word)));
        }
        let tables = Metric::Pages.series(&policy);
        for (kind, name) in PageKind::ALL.iter().zip(tables) {
            let word = format!("{kind:?}").to_lowercase();
            assert!(name.ends_with(&tag("table", &word)), "{name}");
        }
    }

    #[test]
    fn no_policy_makes_more_series_than_are_planned_for() {
        for (tiers, values) in [
            (0, 1),
            (TIERS, TIERS + 1),
            (TIERS + 1, TIERS + 2),
            (200, 17),
        ] {
            let policy = policy(tiers);
            let series = Metric::Requests.series(&policy);
            assert_eq!(series.len(), DECISIONS.len() * MODES.len() * values);
            assert_eq!(Label::Tier.count(&policy), values);
            let last = tier_place(tiers.checked_sub(1));
            assert!(last < values);
            for row in METRICS {
                let counts = row.labels.iter().map(|label| label.count(&policy));
                assert_eq!(row.metric.series(&policy).len(), counts.product::<usize>());
            }
        }
    }
}
