//! Areas, detection at fixed challenge rates and their intervals. May use: scores, histories and labels.
//! Must not: know where a score comes from.
//!
//! A challenge rate is the share of legitimate events of the same kind above the threshold: of people their successful
//! logins, of machines all successful events. Attacks seen on machines are held against machines.

use std::collections::BTreeMap;

use crate::data::{Data, Row};
use crate::random::Random;

/// Challenge rates at which detection is measured.
pub(crate) const RATES: [f64; 5] = [0.001, 0.005, 0.01, 0.05, 0.1];

/// Detection rates at which the challenge rate is measured.
pub(crate) const DETECTED: [f64; 2] = [0.9, 0.98];

/// Draws of the bootstrap.
const DRAWS: usize = 200;

/// A figure with the bounds of its 95 % interval.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// How one type of attack stands out.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    pub(crate) events: usize,
    pub(crate) victims: usize,
    pub(crate) auc: Estimate,
    pub(crate) detected: [Estimate; RATES.len()],
    pub(crate) challenged: [f64; DETECTED.len()],
}

/// Histories that are measured together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    pub(crate) name: &'static str,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Everything with a history: what the main tables are about.
pub(crate) const KNOWN: Band = Band {
    name: "≥ 1",
    from: 1,
    to: u32::MAX,
};

/// What is reported apart.
pub(crate) const BANDS: [Band; 3] = [
    Band {
        name: "0",
        from: 0,
        to: 0,
    },
    Band {
        name: "1–4",
        from: 1,
        to: 4,
    },
    Band {
        name: "≥ 5",
        from: 5,
        to: u32::MAX,
    },
];

impl Band {
    pub(crate) fn holds(&self, history: u32) -> bool {
        (self.from..=self.to).contains(&history)
    }
}

/// Scores of a file, one for each event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored<'a> {
    pub(crate) data: &'a Data,
    pub(crate) scores: &'a [f64],
    pub(crate) history: &'a [u32],
}

/// Whether an event counts as legitimate of its kind.
pub(crate) fn legitimate(row: &Row) -> bool {
    row.attack.is_none() && row.success && (row.machine || row.login)
}

impl<'a> Scored<'a> {
    fn all(&self) -> impl Iterator<Item = (&'a Row, f64, u32)> {
        let rest = self.scores.iter().zip(self.history);
        let rows = self.data.rows.iter().zip(rest);
        rows.map(|(row, (score, history))| (row, *score, *history))
    }

    /// Legitimate scores of people or machines, highest first.
    pub(crate) fn legitimate(&self, machine: bool, band: Band) -> Vec<f64> {
        let mut scores: Vec<_> = self
            .all()
            .filter(|(row, _, history)| {
                legitimate(row) && row.machine == machine && band.holds(*history)
            })
            .map(|(_, score, _)| score)
            .collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores
    }

    /// Scores of a type of attack with their victims, and whether it is aimed at machines.
    pub(crate) fn attack(&self, attack: u32, band: Band) -> (Vec<(u32, f64)>, bool) {
        let of = |row: &Row| row.attack == Some(attack);
        let machine = self.data.rows.iter().find(|row| of(row));
        let scores = self
            .all()
            .filter(|(row, _, history)| of(row) && band.holds(*history))
            .map(|(row, score, _)| (row.user, score))
            .collect();
        (scores, machine.is_some_and(|row| row.machine))
    }

    /// Every type of attack that has events and something to be held against.
    pub(crate) fn detections(&self, band: Band) -> BTreeMap<u32, Detection> {
        let legitimate = [false, true].map(|machine| self.legitimate(machine, band));
        (0..self.data.attacks.len() as u32)
            .filter_map(|attack| {
                let (scores, machine) = self.attack(attack, band);
                let against = &legitimate[usize::from(machine)];
                (!scores.is_empty() && !against.is_empty())
                    .then(|| (attack, detection(&scores, against)))
            })
            .collect()
    }
}

/// The score above which a share of legitimate events lies.
pub(crate) fn threshold(legitimate: &[f64], rate: f64) -> f64 {
    let index = (rate * legitimate.len() as f64) as usize;
    legitimate.get(index).copied().unwrap_or(f64::INFINITY)
}

/// Share of scores above a threshold.
pub(crate) fn above<'a>(scores: impl Iterator<Item = &'a f64>, threshold: f64) -> f64 {
    let (mut all, mut over) = (0_usize, 0_usize);
    for score in scores {
        all += 1;
        over += usize::from(*score > threshold);
    }
    over as f64 / all.max(1) as f64
}

/// What one victim adds: events, the share of legitimate events each is above, how many are above each threshold.
#[derive(Clone, Copy, Default)]
struct Victim {
    events: f64,
    wins: f64,
    detected: [f64; RATES.len()],
}

fn detection(attacks: &[(u32, f64)], legitimate: &[f64]) -> Detection {
    let thresholds = RATES.map(|rate| threshold(legitimate, rate));
    let mut victims: BTreeMap<u32, Victim> = BTreeMap::new();
    for (user, score) in attacks {
        let victim = victims.entry(*user).or_default();
        let higher = legitimate.partition_point(|other| other > score);
        let level = legitimate[higher..].partition_point(|other| other == score);
        let lower = legitimate.len() - higher - level;
        victim.events += 1.0;
        victim.wins += (lower as f64 + level as f64 / 2.0) / legitimate.len() as f64;
        for (count, threshold) in victim.detected.iter_mut().zip(thresholds) {
            *count += f64::from(*score > threshold);
        }
    }
    let victims: Vec<_> = victims.into_values().collect();
    let mut random = Random::new(1);
    let draws: Vec<_> = (0..DRAWS)
        .map(|_| total((0..victims.len()).map(|_| &victims[random.below(victims.len())])))
        .collect();
    let all = total(victims.iter());
    let estimate = |of: &dyn Fn(&Victim) -> f64| {
        let mut drawn: Vec<_> = draws.iter().map(|draw| of(draw) / draw.events).collect();
        drawn.sort_by(f64::total_cmp);
        Estimate {
            value: of(&all) / all.events,
            low: drawn[DRAWS / 40],
            high: drawn[DRAWS - 1 - DRAWS / 40],
        }
    };
    let mut falling: Vec<_> = attacks.iter().map(|(_, score)| *score).collect();
    falling.sort_by(|a, b| b.total_cmp(a));
    Detection {
        events: attacks.len(),
        victims: victims.len(),
        auc: estimate(&|victim| victim.wins),
        detected: std::array::from_fn(|rate| estimate(&|victim| victim.detected[rate])),
        challenged: DETECTED.map(|share| {
            let needed = (share * falling.len() as f64).ceil() as usize;
            let lowest = falling[needed.saturating_sub(1)];
            legitimate.partition_point(|score| *score >= lowest) as f64 / legitimate.len() as f64
        }),
    }
}

fn total<'a>(victims: impl Iterator<Item = &'a Victim>) -> Victim {
    victims.fold(Victim::default(), |mut sum, victim| {
        sum.events += victim.events;
        sum.wins += victim.wins;
        for (sum, count) in sum.detected.iter_mut().zip(victim.detected) {
            *sum += count;
        }
        sum
    })
}
