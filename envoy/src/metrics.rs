//! Counters, gauges and histograms: a fixed set, defined once per VM.
//! May use: host calls.
//! Must not: make a name from anything a client sends.
//!
//! Labels are written the way Istio's stats tags read them, `name.label=.=value;.;`; `docs/operations.md` has the rule
//! for plain Envoy.

use stepgate::decision::Decision;
use stepgate::evidence::REASONS;
use stepgate::headers::mode_word;
use stepgate::policy::Mode;

use crate::host::{self, MetricType};

/// What is counted without labels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Learned,
    LearnSkipped,
    CasRetry,
    Evicted,
    BadPage,
    BadRecord,
    BadValue,
    SpoofedHeader,
    TokenKnown,
    TokenVerified,
    JwksFetched,
    JwksFailed,
    FeedFetched,
    FeedFailed,
    VerdictApplied,
    VerdictUnknown,
    SnapshotRecord,
    SnapshotRefused,
    BodyTimeout,
    ReceiptIssued,
    ReturnAddressRefused,
    ProofUnkept,
}

const COUNTS: [(Count, &str); 22] = [
    (Count::Learned, "stepgate_learned_total"),
    (Count::LearnSkipped, "stepgate_learning_skipped_total"),
    (Count::CasRetry, "stepgate_cas_retries_total"),
    (Count::Evicted, "stepgate_evictions_total"),
    (Count::BadPage, "stepgate_bad_pages_total"),
    (Count::BadRecord, "stepgate_bad_records_total"),
    (Count::BadValue, "stepgate_bad_values_total"),
    (Count::SpoofedHeader, "stepgate_spoofed_headers_total"),
    (Count::TokenKnown, "stepgate_tokens_known_total"),
    (Count::TokenVerified, "stepgate_tokens_verified_total"),
    (Count::JwksFetched, "stepgate_jwks_fetched_total"),
    (Count::JwksFailed, "stepgate_jwks_failed_total"),
    (Count::FeedFetched, "stepgate_feeds_fetched_total"),
    (Count::FeedFailed, "stepgate_feeds_failed_total"),
    (Count::VerdictApplied, "stepgate_verdicts_applied_total"),
    (Count::VerdictUnknown, "stepgate_verdicts_unknown_total"),
    (Count::SnapshotRecord, "stepgate_snapshot_records_total"),
    (Count::SnapshotRefused, "stepgate_snapshot_refused_total"),
    (Count::BodyTimeout, "stepgate_body_timeouts_total"),
    (Count::ReceiptIssued, "stepgate_receipts_issued_total"),
    (
        Count::ReturnAddressRefused,
        "stepgate_return_addresses_refused_total",
    ),
    (Count::ProofUnkept, "stepgate_proofs_unkept_total"),
];

const WORDS: [&str; 4] = ["allow", "step-up", "restrict", "deny"];
const MODES: [Mode; 2] = [Mode::Shadow, Mode::Enforce];

/// Ids of all metrics. A metric the host cannot define is not counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    counts: Vec<Option<u32>>,
    decisions: Vec<Option<u32>>,
    reasons: Vec<Option<u32>>,
    score: Option<u32>,
    configuration: Option<u32>,
    key_age: Option<u32>,
}

impl Metrics {
    pub(crate) fn define() -> Self {
        let define = |kind, name: &str| host::define_metric(kind, name).ok();
        Self {
            counts: COUNTS
                .iter()
                .map(|(_, name)| define(MetricType::Counter, name))
                .collect(),
            decisions: MODES
                .iter()
                .flat_map(|mode| WORDS.iter().map(move |word| (mode, word)))
                .map(|(mode, word)| {
                    let mode = mode_word(*mode);
                    let name =
                        format!("stepgate_requests_total.decision=.={word};.;mode=.={mode};.;");
                    define(MetricType::Counter, &name)
                })
                .collect(),
            reasons: REASONS
                .iter()
                .map(|row| {
                    let family = row.family.as_str();
                    let name = format!(
                        "stepgate_reasons_total.reason=.={};.;family=.={family};.;",
                        row.code
                    );
                    define(MetricType::Counter, &name)
                })
                .collect(),
            score: define(MetricType::Histogram, "stepgate_score"),
            configuration: define(MetricType::Gauge, "stepgate_configuration_digest"),
            key_age: define(MetricType::Gauge, "stepgate_jwks_age_seconds"),
        }
    }

    pub(crate) fn add(&self, what: Count, by: i64) {
        if by > 0
            && let Some(Some(id)) = self.counts.get(what as usize)
        {
            host::increment_metric(*id, by);
        }
    }

    pub(crate) fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts a decision, by what enforcing does or would do.
    pub(crate) fn decision(&self, decision: &Decision, percent: u8) {
        let mode = usize::from(decision.mode == Mode::Enforce);
        let index = mode * WORDS.len() + decision.would as usize;
        if let Some(Some(id)) = self.decisions.get(index) {
            host::increment_metric(*id, 1);
        }
        if let Some(id) = self.score {
            host::record_metric(id, u64::from(percent));
        }
    }

    pub(crate) fn reason(&self, reason: stepgate::evidence::Reason) {
        if let Some(Some(id)) = self.reasons.get(reason as usize) {
            host::increment_metric(*id, 1);
        }
    }

    /// The low 32 bits of the digest of the policy in force: replicas that differ have different policies.
    pub(crate) fn configured(&self, digest: u64) {
        if let Some(id) = self.configuration {
            host::record_metric(id, digest & 0xffff_ffff);
        }
    }

    /// How long ago the key set that was fetched longest ago was fetched, in seconds.
    pub(crate) fn keys_are_old(&self, seconds: i64) {
        if let Some(id) = self.key_age {
            host::record_metric(id, u64::try_from(seconds).unwrap_or(0));
        }
    }
}
