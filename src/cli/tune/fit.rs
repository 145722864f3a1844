//! Weights of reasons from labelled evidence: logistic regression with a ridge towards what they are.
//! May use: numbers.
//! Must not: read a policy, or give another answer for the same evidence in the same order.

/// A reason's evidence in one event: its index among those that are fitted, and its nats as they are weighted now.
pub(super) type Piece = (usize, f64);

/// One labelled event.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) pieces: Vec<Piece>,
    /// Nats of what is not fitted.
    pub(super) rest: f64,
    pub(super) attack: bool,
    /// For how many events it counts.
    pub(super) weight: f64,
}

/// Newton steps; the ridge makes the problem convex, and it settles within a few.
const STEPS: usize = 12;

/// How many events the present weight of a reason is worth against those that speak for another.
const RIDGE: f64 = 20.0;

/// A fitted weight stays within these factors of the present one: more would be another reason.
const FACTORS: (f64, f64) = (0.25, 2.5);

/// On the way there it may stray farther.
const STRAY: (f64, f64) = (0.02, 20.0);

/// The factor by which each of `count` weights should change, so that attacks show as much evidence in all as before: what
/// is a nat to the rest of the policy stays one.
pub(super) fn factors(examples: &[Example], count: usize) -> Vec<f64> {
    // The last parameter is the base rate, which is nobody's prior.
    let mut parameters = vec![1.0; count];
    parameters.push(0.0);
    for _ in 0..STEPS {
        let (mut gradient, mut curvature) =
            (vec![0.0; count + 1], vec![vec![0.0; count + 1]; count + 1]);
        for example in examples {
            let sum: f64 = terms(example, count)
                .map(|(index, nats)| nats * parameters.get(index).copied().unwrap_or(0.0))
                .sum();
            let p = 1.0 / (1.0 + libm::exp(-(sum + example.rest)));
            let weight = example.weight;
            let miss = weight * (f64::from(u8::from(example.attack)) - p);
            let spread = weight * p * (1.0 - p);
            for (row, a) in terms(example, count) {
                add(gradient.get_mut(row), miss * a);
                for (column, b) in terms(example, count) {
                    let cell = curvature.get_mut(row).and_then(|row| row.get_mut(column));
                    add(cell, spread * a * b);
                }
            }
        }
        for (index, parameter) in parameters.iter().enumerate() {
            let ridge = if index < count { RIDGE } else { 1e-6 };
            let towards = if index < count { 1.0 } else { *parameter };
            add(gradient.get_mut(index), ridge * (towards - parameter));
            add(
                curvature.get_mut(index).and_then(|row| row.get_mut(index)),
                ridge,
            );
        }
        for (parameter, step) in parameters.iter_mut().zip(solve(curvature, gradient)) {
            // Evidence that parts the classes completely would send the base rate far off in one step.
            *parameter += step.clamp(-2.0, 2.0);
        }
        for parameter in parameters.iter_mut().take(count) {
            *parameter = parameter.clamp(STRAY.0, STRAY.1);
        }
    }
    parameters.truncate(count);
    let shown = |factor: &dyn Fn(usize) -> f64| -> f64 {
        let attacks = examples.iter().filter(|example| example.attack);
        let shown = |example: &Example| -> f64 {
            let pieces = example.pieces.iter();
            pieces
                .map(|(index, nats)| nats.max(0.0) * factor(*index))
                .sum()
        };
        attacks.map(|example| example.weight * shown(example)).sum()
    };
    let fitted = shown(&|index| parameters.get(index).copied().unwrap_or(1.0));
    let scale = if fitted > 0.0 {
        shown(&|_| 1.0) / fitted
    } else {
        1.0
    };
    parameters
        .into_iter()
        .map(|parameter| (parameter * scale).clamp(FACTORS.0, FACTORS.1))
        .collect()
}

/// The pieces and the base rate.
fn terms(example: &Example, count: usize) -> impl Iterator<Item = Piece> {
    example.pieces.iter().copied().chain([(count, 1.0)])
}

fn add(slot: Option<&mut f64>, more: f64) {
    if let Some(slot) = slot {
        *slot += more;
    }
}

/// Solves a symmetric positive definite system by elimination; the ridge keeps every pivot away from zero.
fn solve(mut rows: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for pivot in 0..size {
        let Some((head, below)) = rows.split_at_mut_checked(pivot + 1) else {
            continue;
        };
        let Some(row) = head.last() else { continue };
        let lead = row.get(pivot).copied().unwrap_or(1.0);
        let value = right.get(pivot).copied().unwrap_or(0.0);
        for (offset, other) in below.iter_mut().enumerate() {
            let factor = other.get(pivot).copied().unwrap_or(0.0) / lead;
            for (cell, above) in other.iter_mut().zip(row) {
                *cell -= factor * above;
            }
            add(right.get_mut(pivot + 1 + offset), -factor * value);
        }
    }
    let mut found = vec![0.0; size];
    for (index, row) in rows.iter().enumerate().rev() {
        let known: f64 = row
            .iter()
            .zip(&found)
            .skip(index + 1)
            .map(|(a, b)| a * b)
            .sum();
        let lead = row.get(index).copied().unwrap_or(1.0);
        let value = right.get(index).copied().unwrap_or(0.0);
        if let Some(slot) = found.get_mut(index) {
            *slot = (value - known) / lead;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(strong: usize) -> Vec<Example> {
        (0..400)
            .map(|index| {
                let attack = index % 2 == 0;
                // The first reason tells them apart, the second one says the same of everybody.
                let nats = if attack && index % 20 < strong {
                    2.0
                } else {
                    0.0
                };
                Example {
                    pieces: vec![(0, nats), (1, (index % 3) as f64)],
                    rest: 0.0,
                    attack,
                    weight: 1.0,
                }
            })
            .collect()
    }

    #[test]
    fn a_system_is_solved() {
        let found = solve(vec![vec![4.0, 1.0], vec![1.0, 3.0]], vec![1.0, 2.0]);
        assert!((found[0] - 1.0 / 11.0).abs() < 1e-12);
        assert!((found[1] - 7.0 / 11.0).abs() < 1e-12);
    }

    #[test]
    fn what_tells_apart_gains_and_what_does_not_loses() {
        let found = factors(&examples(16), 2);
        assert!(found[0] > 1.2 && found[1] < 0.6, "{found:?}");
        assert!(found.iter().all(|factor| (0.25..=2.5).contains(factor)));
    }

    #[test]
    fn without_evidence_nothing_changes() {
        assert_eq!(factors(&[], 2), [1.0, 1.0]);
    }
}
