//! What a policy costs owners and attackers on the identities nothing was chosen on.
//! May use: samples.
//! Must not: choose anything.

use std::fmt;

use stepgate::decision::Action;
use stepgate::score::log_odds;

use super::choose::{Thresholds, counted};
use super::sample::{Sample, Samples};

/// A part of so many events.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    of: usize,
    share: f64,
}

impl Part {
    fn over<'a>(
        samples: impl Iterator<Item = &'a Sample>,
        counts: impl Fn(&Sample) -> bool,
    ) -> Self {
        let (mut of, mut hit) = (0_usize, 0_usize);
        for sample in samples {
            of += 1;
            hit += usize::from(counts(sample));
        }
        Self {
            of,
            share: hit as f64 / of.max(1) as f64,
        }
    }
}

/// What became of the held-out half.
#[derive(Debug)]
pub(super) struct Cost {
    logins: Part,
    denied: Part,
    machines: Part,
    attacks: Vec<(String, Part)>,
}

fn acted(sample: &Sample) -> bool {
    sample.would != Action::Allow
}

impl Cost {
    pub(super) fn of(samples: &Samples) -> Self {
        let held_out = || samples.list.iter().filter(|sample| sample.held_out);
        let owners = |machine: bool| {
            held_out().filter(move |sample| sample.attack.is_none() && sample.machine == machine)
        };
        let mut attacks: Vec<_> = samples
            .attacks
            .iter()
            .enumerate()
            .map(|(number, name)| {
                let of = held_out().filter(|sample| sample.attack == Some(number));
                (name.clone(), Part::over(of, acted))
            })
            .collect();
        attacks.sort_by(|a, b| a.0.cmp(&b.0));
        Self {
            logins: Part::over(owners(false), acted),
            denied: Part::over(owners(false), |sample| sample.would == Action::Deny),
            machines: Part::over(owners(true), acted),
            attacks,
        }
    }
}

/// Share of owners' events of the other half that a policy challenges now.
pub(super) fn present_rate(samples: &Samples) -> f64 {
    Part::over(counted(samples, false).into_iter(), acted).share
}

/// Attacks and detection of each type at thresholds that were not in force, on the half that is chosen on.
pub(super) fn detection(samples: &Samples, thresholds: Thresholds) -> Vec<(usize, f64)> {
    let bar = log_odds(thresholds.step_up);
    (0..samples.attacks.len())
        .map(|number| {
            let of = samples
                .list
                .iter()
                .filter(|sample| !sample.held_out && sample.attack == Some(number));
            Part::over(of, |sample| {
                sample.could != Action::Allow && sample.logit >= bar
            })
        })
        .filter(|part| part.of > 0)
        .map(|part| (part.of, part.share))
        .collect()
}

/// Two policies side by side.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) before: Cost,
    pub(super) after: Cost,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after } = self;
        writeln!(
            f,
            "on the identities that are held out         events   before    after"
        )?;
        let mut line = |name: &str, before: Part, after: Part| {
            if before.of == 0 {
                return Ok(());
            }
            let [before_share, after_share] = [before, after].map(|part| part.share * 100.0);
            writeln!(
                f,
                "  {name:<38} {:>9} {before_share:>7.2}% {after_share:>7.2}%",
                before.of
            )
        };
        line("logins of people challenged", before.logins, after.logins)?;
        line("  of these refused for good", before.denied, after.denied)?;
        line(
            "events of machines restricted",
            before.machines,
            after.machines,
        )?;
        for ((name, before), (_, after)) in before.attacks.iter().zip(&after.attacks) {
            line(&format!("detected: {name}"), *before, *after)?;
        }
        Ok(())
    }
}
