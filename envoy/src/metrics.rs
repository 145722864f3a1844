//! Counters, gauges and histograms: the engine's table of metrics, defined once per VM.
//! May use: host calls, the engine's table.
//! Must not: make a name from anything a client sends.

use std::cell::Cell;

use stepgate::assess::Assessment;
use stepgate::evidence::Reason;
use stepgate::headers::percent;
use stepgate::metrics::{Label, METRICS, Type, kind_place, mode_place, tier_place};
use stepgate::policy::Policy;
use stepgate::signals::features::Features;

use crate::host::{self, MetricType};

pub(crate) use stepgate::metrics::Metric as Count;

/// Of so many requests one is timed: the clock costs a host call, and a quantile needs no more.
const TIMED: u32 = 16;

/// Ids of all series. One the host cannot define is not counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    ids: Vec<Vec<Option<u32>>>,
    tiers: usize,
    requests: Cell<u32>,
}

impl Metrics {
    /// Defines what a policy has: looking a metric up takes locks of the process, so it is done here and not on requests.
    pub(crate) fn define(policy: &Policy) -> Self {
        let series = |row: &stepgate::metrics::Row| {
            let kind = match row.kind {
                Type::Counter => MetricType::Counter,
                Type::Gauge => MetricType::Gauge,
                Type::Histogram => MetricType::Histogram,
            };
            let names = row.metric.series(policy);
            names
                .iter()
                .map(|name| host::define_metric(kind, name).ok())
                .collect()
        };
        Self {
            ids: METRICS.iter().map(series).collect(),
            tiers: Label::Tier.count(policy),
            requests: Cell::new(0),
        }
    }

    fn id(&self, what: Count, place: usize) -> Option<u32> {
        self.ids.get(what as usize)?.get(place).copied().flatten()
    }

    fn add_at(&self, what: Count, place: usize, by: i64) {
        if by > 0
            && let Some(id) = self.id(what, place)
        {
            host::increment_metric(id, by);
        }
    }

    /// Sets a gauge, or puts a value into a histogram: the series at `place` among those of the metric.
    pub(crate) fn record(&self, what: Count, place: usize, value: u64) {
        if let Some(id) = self.id(what, place) {
            host::record_metric(id, value);
        }
    }

    pub(crate) fn add(&self, what: Count, by: i64) {
        self.add_at(what, 0, by);
    }

    pub(crate) fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts a decision, by what enforcing does or would do. `tier` is its place in the policy.
    pub(crate) fn decision(
        &self,
        assessment: &Assessment,
        features: &Features,
        tier: Option<usize>,
    ) {
        let decision = &assessment.decision;
        let mode = mode_place(decision.mode);
        let acted = decision.would as usize * 2 + mode;
        self.add_at(Count::Requests, acted * self.tiers + tier_place(tier), 1);
        let kind = kind_place(features.identity.map(|_| features.kind));
        self.add_at(Count::Identities, acted * 4 + kind, 1);
        let score = percent(assessment.score.probability);
        self.record(Count::Score, mode, u64::from(score));
    }

    pub(crate) fn reason(&self, reason: Reason) {
        self.add_at(Count::Reasons, reason as usize, 1);
    }

    /// Counts a verdict that was carried out.
    pub(crate) fn verdict(&self, owner: bool) {
        self.add_at(Count::VerdictApplied, usize::from(owner), 1);
    }

    /// Does `work`, and times every sixteenth.
    pub(crate) fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let number = self.requests.get();
        self.requests.set(number.wrapping_add(1));
        if !number.is_multiple_of(TIMED) {
            return work();
        }
        let start = host::now_us();
        let done = work();
        // A clock that was set back says nothing.
        if let Ok(taken) = u64::try_from(host::now_us().saturating_sub(start)) {
            self.record(Count::Evaluation, 0, taken);
        }
        done
    }
}
