//! Whether made-up events are like real ones: the figures two independent scans of a public data set gave, and ours.
//! May use: records, the flat likelihood ratio.
//! Must not: be printed without its bands.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use super::flat::{Features, Flat, Scored, features};
use super::people::Society;
use super::record::Record;
use super::world::World;
use super::{Kind, audit};
use crate::cli::replay::measure::{above, auc};

/// Share of legitimate logins that may be challenged.
const CHALLENGED: f64 = 0.01;

/// What real logins showed (31.3 million logins of 3.3 million people, Wiefling et al. 2022): least and most.
const BANDS: [(&str, f64, f64); 11] = [
    ("same country", 0.48, 0.58),
    ("same provider", 0.18, 0.24),
    ("same user agent", 0.005, 0.02),
    ("new provider", 0.08, 0.14),
    ("new user agent", 0.39, 0.47),
    ("naive AUC", 0.903, 0.963),
    ("naive TPR@1%", 0.25, 0.45),
    ("vpn_same_country AUC", 0.876, 0.936),
    ("vpn_same_country TPR@1%", 0.155, 0.375),
    ("targeted AUC", 0.515, 0.815),
    ("targeted TPR@1%", 0.0, 0.03),
];

/// Figures of the logins of people.
#[derive(Debug, Default)]
struct Figures {
    legitimate: Vec<Scored>,
    attacks: BTreeMap<&'static str, Vec<f64>>,
    values: Vec<Features>,
}

/// All figures with their bands, and the audit, as text.
pub(super) fn report(society: &Society, records: &[Record]) -> String {
    let world = &society.world;
    // The public logins are those of consumers.
    let banded = society.kind() == Kind::Consumer;
    let mut figures = Figures::gather(world, records).figures();
    let mut text = String::from("what                        value  band\n");
    for (name, least, most) in BANDS {
        let value = figures.remove(name).unwrap_or(f64::NAN);
        let verdict = if !banded {
            "not for this kind"
        } else if value.is_nan() {
            "not measured"
        } else if (least..=most).contains(&value) {
            "inside"
        } else {
            "outside"
        };
        let _no_error_in_memory = writeln!(
            text,
            "{name:<26} {value:>6.3}  {least} to {most}  {verdict}"
        );
    }
    text.push('\n');
    text.push_str(&audit::report(records));
    text
}

impl Figures {
    /// Scores every login of people before it is learned; attacks are never learned.
    fn gather(world: &World, records: &[Record]) -> Self {
        let mut found = Self::default();
        let mut flat = Flat::default();
        for record in records
            .iter()
            .filter(|record| record.is_login() && record.success)
        {
            let features = features(record, world);
            let scored = flat.score(record.who, &features);
            if let Some(label) = record.attack {
                if scored.history > 0 {
                    found.attacks.entry(label).or_default().push(scored.score);
                }
                continue;
            }
            if scored.history > 0 {
                found.legitimate.push(scored);
            }
            found.values.push(features);
            flat.learn(record.who, &features);
        }
        found
    }

    fn figures(mut self) -> HashMap<String, f64> {
        let share = |test: fn(&Scored) -> bool| {
            let count = self.legitimate.iter().filter(|scored| test(scored)).count();
            count as f64 / self.legitimate.len() as f64
        };
        let mut figures = HashMap::from([
            ("same country".to_owned(), self.alike(2)),
            ("same provider".to_owned(), self.alike(1)),
            ("same user agent".to_owned(), self.alike(3)),
            (
                "new provider".to_owned(),
                share(|scored| scored.new_provider),
            ),
            (
                "new user agent".to_owned(),
                share(|scored| scored.new_agent),
            ),
        ]);
        let mut legitimate: Vec<f64> = self.legitimate.iter().map(|scored| scored.score).collect();
        legitimate.sort_by(|a, b| b.total_cmp(a));
        let threshold = legitimate
            .get((CHALLENGED * legitimate.len() as f64) as usize)
            .copied();
        for (label, scores) in &mut self.attacks {
            scores.sort_by(|a, b| b.total_cmp(a));
            figures.insert(format!("{label} AUC"), auc(&legitimate, scores));
            if let Some(threshold) = threshold {
                figures.insert(format!("{label} TPR@1%"), above(scores, threshold));
            }
        }
        figures
    }

    /// The chance that two logins share a feature.
    fn alike(&self, feature: usize) -> f64 {
        let mut counts: HashMap<u64, f64> = HashMap::new();
        for value in self.values.iter().filter_map(|values| values.get(feature)) {
            *counts.entry(*value).or_default() += 1.0;
        }
        let total = self.values.len() as f64;
        // Whole numbers: the order of a sum does not matter.
        let pairs: f64 = counts.values().map(|count| count * (count - 1.0)).sum();
        pairs / (total * (total - 1.0))
    }
}
