//! The fingerprint audit: whether device class, hour or length of history alone tell attacks from legitimate events.
//! May use: records.
//! Must not: look at network or client.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use super::record::{DAY, Record, Who};
use crate::cli::replay::measure::auc;

/// Attacks on fewer days say nothing: what comes in one burst comes at one hour, and the error of an area under the curve
/// is .29 / sqrt(n) of n independent ones, by which the band is widened (1.96 of it).
const FEW: usize = 30;
/// What goes on day and night, or chooses the hours in which nobody looks, shows in its hours.
const KEEP_NO_HOURS: [&str; 2] = ["privileged_abuse", "slow_exfil"];
const BAND: (f64, f64) = (0.45, 0.55);

/// Device class, hour, and logarithm of the number of logins before.
type Traits = [usize; 3];

/// Events of one sort, and attacks of each type that pass for them.
#[derive(Debug, Default)]
struct Compared {
    legitimate: Vec<Traits>,
    attacks: BTreeMap<&'static str, Vec<Traits>>,
    days: BTreeMap<&'static str, BTreeSet<usize>>,
}

/// Area under the curve of each trait and of all three, per type of attack.
pub(super) fn report(records: &[Record]) -> String {
    let mut text = format!(
        "told apart by             events device   hour history     all  band {} to {}\n",
        BAND.0, BAND.1
    );
    for compared in gather(records).into_values() {
        for (label, attacks) in &compared.attacks {
            let by = |traits: &[usize]| separation(&compared.legitimate, attacks, traits);
            let [device, hour, history, all] = [by(&[0]), by(&[1]), by(&[2]), by(&[0, 1, 2])];
            let days = compared.days.get(label).map_or(0, BTreeSet::len);
            let error = 1.96 * 0.29 / libm::sqrt(days as f64);
            let verdict = if KEEP_NO_HOURS.contains(label) {
                "by nature"
            } else if days < FEW {
                "too few"
            } else if (BAND.0 - error..=BAND.1 + error).contains(&all) {
                "inside"
            } else {
                "outside"
            };
            let count = attacks.len();
            let _no_error_in_memory = writeln!(
                text,
                "{label:<24} {count:>7} {device:>6.3} {hour:>6.3} {history:>7.3} {all:>7.3}  {verdict}"
            );
        }
    }
    text
}

/// Requests and logins of people, of programs with keys, of other machines; by the same history as attacks need.
fn gather(records: &[Record]) -> BTreeMap<(u8, bool), Compared> {
    let mut found: BTreeMap<(u8, bool), Compared> = BTreeMap::new();
    let mut history: HashMap<Who, usize> = HashMap::new();
    for record in records {
        let before = history.get(&record.who).copied().unwrap_or(0);
        if record.is_own_login() {
            *history.entry(record.who).or_default() += 1;
        }
        // Programs with keys keep other hours than services do.
        let sort = match record.who {
            Who::Person(_) | Who::Nobody(_) => 0,
            Who::Key(_) => 1,
            Who::Service(_) | Who::Runner(_) => 2,
        };
        let compared = found.entry((sort, record.is_login())).or_default();
        let known = before >= 2 || sort != 0;
        let traits = [
            record.client.device_number() as usize,
            (record.time % DAY / 3600.0) as usize,
            before.checked_ilog2().map_or(0, |log| log as usize + 1),
        ];
        match record.attack {
            // Names nobody has cannot have a history.
            Some(_) if matches!(record.who, Who::Nobody(_)) => {}
            Some("ato_no_history") => {}
            Some(label) if known => {
                compared.attacks.entry(label).or_default().push(traits);
                let day = (record.time / DAY) as usize;
                compared.days.entry(label).or_default().insert(day);
            }
            None if known && record.success => compared.legitimate.push(traits),
            _ => {}
        }
    }
    found
}

/// Area under the curve of a naive Bayes classifier on some traits, learned on one half and held against the other.
fn separation(legitimate: &[Traits], attacks: &[Traits], traits: &[usize]) -> f64 {
    let mut sum = 0.0;
    for half in 0..2 {
        // Halves of the time, so that no burst is in both.
        let part = |of: &[Traits], later: usize| -> Vec<Traits> {
            let (first, second) = of.split_at(of.len() / 2);
            if later == 0 { first } else { second }.to_vec()
        };
        let score = classifier(&part(legitimate, half), &part(attacks, half), traits);
        let mut scored = [legitimate, attacks].map(|of| {
            let scores = part(of, 1 - half);
            scores.iter().map(&score).collect::<Vec<f64>>()
        });
        for scores in &mut scored {
            scores.sort_by(|a, b| b.total_cmp(a));
        }
        let [legitimate, attacks] = scored;
        sum += auc(&legitimate, &attacks);
    }
    sum / 2.0
}

fn classifier(
    legitimate: &[Traits],
    attacks: &[Traits],
    traits: &[usize],
) -> impl Fn(&Traits) -> f64 + use<> {
    let share = |of: &[Traits], which: usize| {
        let mut counts = [1.0; 24];
        for value in of.iter().filter_map(|values| values.get(which)) {
            if let Some(count) = counts.get_mut(*value) {
                *count += 1.0;
            }
        }
        counts.map(|count: f64| libm::log(count / (of.len() as f64 + 24.0)))
    };
    let tables: Vec<(usize, [f64; 24], [f64; 24])> = traits
        .iter()
        .map(|which| (*which, share(attacks, *which), share(legitimate, *which)))
        .collect();
    move |values| {
        let one = |(which, attack, own): &(usize, [f64; 24], [f64; 24])| {
            let value = *values.get(*which)?;
            Some(attack.get(value)? - own.get(value)?)
        };
        tables.iter().filter_map(one).sum()
    }
}
