//! What operators ask, and which metric answers it: a page of the documents.
//! May use: std.
//! Must not: name a metric that is not in the table; a test holds it to that.

/// A question, how it is answered, and what the answer needs beyond traffic.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// What is asked.
    pub question: &'static str,
    /// The expression in PromQL, or the command.
    pub answer: &'static str,
    /// What it needs, and how far it can be believed.
    pub needs: &'static str,
}

/// The questions in the order of the page.
pub static ANSWERS: &[Answer] = &[
    Answer {
        question: "flagged rate",
        answer: "sum(rate(stepgate_requests_total{decision!=\"allow\"}[1h])) / sum(rate(stepgate_requests_total[1h]))",
        needs: "nothing; in shadow mode what enforcing would flag",
    },
    Answer {
        question: "false-positive rate",
        answer: "sum(increase(stepgate_reasons_total{reason=\"challenge-solved\"}[1d])) / sum(increase(stepgate_requests_total{mode=\"enforce\",decision=\"step-up\"}[1d]))",
        needs: "enforce mode: challenges that the owner solved are labels by themselves. A lower bound, since owners who gave up are not among them. In shadow mode labels: `stepgate replay`",
    },
    Answer {
        question: "time to detect",
        answer: "stepgate replay EVENTS --per session",
        needs: "labels (`labels.attack`): from the first event of an attack to the first that is not allowed. No metric can tell: a decision takes microseconds, what counts is how many requests of a thief passed before it",
    },
    Answer {
        question: "time of a decision",
        answer: "histogram_quantile(0.99, sum by (le) (rate(stepgate_evaluation_microseconds_bucket[1h])))",
        needs: "nothing; every sixteenth request of a worker",
    },
    Answer {
        question: "time to remediate",
        answer: "max(stepgate_feed_age_seconds)",
        needs: "a feed: an order is in force at most this much and a second after it was published. From the audit line to the order is your desk's time: `@timestamp` of both",
    },
    Answer {
        question: "blocked attempts",
        answer: "sum by (decision) (increase(stepgate_requests_total{mode=\"enforce\",decision!=\"allow\"}[1d]))",
        needs: "enforce mode",
    },
    Answer {
        question: "machine-identity rate",
        answer: "sum(rate(stepgate_identities_total{kind=~\"service|api-key\"}[1h])) / sum(rate(stepgate_identities_total[1h]))",
        needs: "nothing",
    },
    Answer {
        question: "user impact",
        answer: "sum(rate(stepgate_identities_total{kind=\"human\",mode=\"enforce\",decision!=\"allow\"}[1h])) / sum(rate(stepgate_identities_total{kind=\"human\"}[1h]))",
        needs: "enforce mode; with `mode=\"shadow\"` what it would be",
    },
    Answer {
        question: "alert volume",
        answer: "sum(increase(stepgate_audit_lines_total[1d])) + sum(increase(stepgate_audit_suppressed_total[1d]))",
        needs: "nothing; what reaches a person: reason `notify` in `stepgate_reasons_total`",
    },
    Answer {
        question: "precision",
        answer: "sum(increase(stepgate_verdicts_applied_total{verdict=\"attack\"}[30d])) / sum(increase(stepgate_verdicts_applied_total[30d]))",
        needs: "labels: verdicts of a feed on a sample of the flagged decisions, drawn without looking",
    },
    Answer {
        question: "recall",
        answer: "stepgate replay EVENTS --learn allowed",
        needs: "labels on what was allowed too (`labels.attack`): no metric knows what was missed",
    },
];
