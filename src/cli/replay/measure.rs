//! Detection at fixed challenge rates, and the area under the curve, per type of attack.
//! May use: scores and labels.
//! Must not: look at anything else of an event.
//!
//! A challenge rate is the share of successful events without a label, of the same kind of identity, that score above the
//! threshold: for people their logins, for machines all their events. Attack types seen on machines are held against
//! machines, the others against people. `requests` is the share of people's legitimate requests above the threshold of 1 %.

use std::collections::BTreeMap;

use serde::Serialize;

/// Challenge rates at which detection is measured.
pub(super) const RATES: [f64; 5] = [0.001, 0.005, 0.01, 0.05, 0.1];

/// The rate at which requests inside sessions are measured.
const REQUEST_RATE: f64 = 0.01;

/// One scored event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scored<'a> {
    pub(super) logit: f64,
    pub(super) challenged: bool,
    pub(super) history: u32,
    pub(super) human: bool,
    pub(super) login: bool,
    pub(super) success: bool,
    pub(super) attack: Option<&'a str>,
}

/// Scores as they come.
#[derive(Debug, Default)]
pub(super) struct Measure {
    min_history: u32,
    people: Vec<f64>,
    machines: Vec<f64>,
    requests: Vec<f64>,
    attacks: BTreeMap<String, Attack>,
    challenged: [u64; 3],
}

#[derive(Debug, Default)]
struct Attack {
    human: bool,
    scores: Vec<f64>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    /// Share of people's logins that the policy challenges, and how many there were.
    pub(super) logins: Share,
    /// The same of people's other requests.
    pub(super) requests: Share,
    /// The same of machines' events.
    pub(super) machines: Share,
    /// Every type of attack.
    pub(super) attacks: Vec<Detection>,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Share {
    pub(super) of: usize,
    pub(super) challenged: f64,
}

/// How one type of attack stands out.
#[derive(Debug, Serialize)]
pub(super) struct Detection {
    pub(super) attack: String,
    pub(super) events: usize,
    pub(super) auc: f64,
    /// Detection at each of [`RATES`].
    pub(super) detected: [f64; RATES.len()],
    /// Legitimate requests of people above the threshold of 1 %.
    pub(super) requests: f64,
}

impl Measure {
    pub(super) fn new(min_history: u32) -> Self {
        Self {
            min_history,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, event: &Scored<'_>) {
        if event.history < self.min_history {
            return;
        }
        let [logins, requests, machines] = &mut self.challenged;
        let (scores, challenged) = match event.attack.filter(|attack| !attack.is_empty()) {
            Some(attack) => {
                if !self.attacks.contains_key(attack) {
                    self.attacks.insert(attack.to_owned(), Attack::default());
                }
                if let Some(known) = self.attacks.get_mut(attack) {
                    known.human = event.human;
                    known.scores.push(event.logit);
                }
                return;
            }
            None if !event.success => return,
            None if !event.human => (&mut self.machines, machines),
            None if event.login => (&mut self.people, logins),
            None => (&mut self.requests, requests),
        };
        scores.push(event.logit);
        *challenged += u64::from(event.challenged);
    }

    pub(super) fn finish(mut self) -> Measured {
        for scores in [&mut self.people, &mut self.machines] {
            scores.sort_by(|a, b| b.total_cmp(a));
        }
        let [logins, requests, machines] = self.challenged;
        let attacks = std::mem::take(&mut self.attacks)
            .into_iter()
            .filter_map(|(name, attack)| self.detection(name, attack))
            .collect();
        Measured {
            logins: share(&self.people, logins),
            requests: share(&self.requests, requests),
            machines: share(&self.machines, machines),
            attacks,
        }
    }

    fn detection(&self, attack: String, mut found: Attack) -> Option<Detection> {
        let legitimate = if found.human {
            &self.people
        } else {
            &self.machines
        };
        let threshold = |rate: f64| {
            let index = (rate * legitimate.len() as f64) as usize;
            legitimate.get(index).copied()
        };
        let mut detected = [0.0; RATES.len()];
        for (slot, rate) in detected.iter_mut().zip(RATES) {
            *slot = above(&found.scores, threshold(rate)?);
        }
        let requests = above(&self.requests, threshold(REQUEST_RATE)?);
        found.scores.sort_by(|a, b| b.total_cmp(a));
        Some(Detection {
            attack,
            events: found.scores.len(),
            auc: auc(legitimate, &found.scores),
            detected,
            requests,
        })
    }
}

fn share(scores: &[f64], challenged: u64) -> Share {
    Share {
        of: scores.len(),
        challenged: challenged as f64 / scores.len().max(1) as f64,
    }
}

/// Share of scores above a threshold.
pub(in crate::cli) fn above(scores: &[f64], threshold: f64) -> f64 {
    let count = scores.iter().filter(|score| **score > threshold).count();
    count as f64 / scores.len().max(1) as f64
}

/// Area under the curve of two descending lists: the chance that an attack scores above a legitimate event, half for a tie.
pub(in crate::cli) fn auc(legitimate: &[f64], attacks: &[f64]) -> f64 {
    let (mut below, mut wins) = (legitimate.len(), 0.0);
    let mut index = 0;
    for attack in attacks {
        // Both lists fall, so the legitimate events above this attack are above all later ones.
        while legitimate.get(index).is_some_and(|score| score > attack) {
            index += 1;
            below -= 1;
        }
        let ties = legitimate
            .get(index..)
            .unwrap_or_default()
            .partition_point(|score| score == attack);
        wins += (below - ties) as f64 + ties as f64 / 2.0;
    }
    wins / (legitimate.len() as f64 * attacks.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(logit: f64, attack: Option<&str>) -> Scored<'_> {
        Scored {
            logit,
            challenged: false,
            history: 1,
            human: true,
            login: true,
            success: true,
            attack,
        }
    }

    #[test]
    fn detection_counts_what_is_strictly_above_the_threshold() {
        let mut measure = Measure::new(1);
        for score in 0..1000 {
            measure.add(&scored(f64::from(score), None));
        }
        for score in [998.0, 998.5, 949.5, 10.0] {
            measure.add(&scored(score, Some("replay")));
        }
        let measured = measure.finish();
        let found = &measured.attacks[0];
        // Thresholds are 998, 994, 989, 949 and 899: the 2nd, 6th, 11th, 51st and 101st highest.
        assert_eq!(found.detected, [0.25, 0.5, 0.5, 0.75, 0.75]);
        assert_eq!(found.events, 4);
        let wins = 998.5 + 999.0 + 950.0 + 10.5;
        assert!((found.auc - wins / 4000.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_login_of_a_known_person_is_no_challenge() {
        let mut measure = Measure::new(1);
        let login = scored(0.0, None);
        measure.add(&login);
        measure.add(&Scored {
            history: 0,
            ..login
        });
        measure.add(&Scored {
            success: false,
            ..login
        });
        measure.add(&Scored {
            login: false,
            challenged: true,
            ..login
        });
        measure.add(&Scored {
            human: false,
            login: false,
            ..login
        });
        let measured = measure.finish();
        assert_eq!(
            (
                measured.logins.of,
                measured.requests.of,
                measured.machines.of
            ),
            (1, 1, 1)
        );
        assert_eq!(measured.requests.challenged, 1.0);
    }

    #[test]
    fn an_attack_without_anything_to_compare_with_is_left_out() {
        let mut measure = Measure::new(1);
        measure.add(&scored(1.0, Some("naive")));
        assert!(measure.finish().attacks.is_empty());
    }
}
