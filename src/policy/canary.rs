//! The canary: a part of all identities a tier is enforced for before it is enforced for all.
//! May use: the raw policy, tiers.
//! Must not: choose who belongs to it; a keyed hash does.

use super::PolicyError;
use super::config::{Mode, PolicyConfig, TierConfig};

/// Parts of all identities.
const WHOLE: u16 = 1000;

/// So many of a thousand identities the tier is enforced for; absent: all.
pub(super) fn of(
    config: &PolicyConfig,
    written: &TierConfig,
    mode: Mode,
    path: &str,
) -> Result<Option<u16>, PolicyError> {
    let general = ("canary_permille", config.canary_permille);
    for (path, permille) in [general, (path, written.canary_permille)] {
        if let Some(permille) = permille.filter(|permille| *permille > WHOLE) {
            return Err(PolicyError::new(
                path,
                format!("{permille} is out of range; allowed: 0 to {WHOLE}"),
            ));
        }
    }
    let enforces = mode == Mode::Enforce;
    if let Some(permille) = written.canary_permille.filter(|_| !enforces) {
        return Err(PolicyError::new(
            path,
            format!(
                "{permille} says for how many to enforce, and the tier does not; allowed: with `mode: enforce`"
            ),
        ));
    }
    let permille = written.canary_permille.or(config.canary_permille);
    Ok(permille.filter(|_| enforces))
}

#[cfg(test)]
mod tests {
    use crate::policy::{Mode, Policy};

    fn refused(json: &str) -> String {
        Policy::parse(json).unwrap_err().to_string()
    }

    #[test]
    fn a_canary_is_a_share_of_an_enforcing_tier() {
        assert_eq!(
            refused(r#"{"mode":"enforce","canary_permille":1001}"#),
            "canary_permille: 1001 is out of range; allowed: 0 to 1000"
        );
        assert_eq!(
            refused(r#"{"tiers":[{"name":"a","canary_permille":10}]}"#),
            "tiers[0].canary_permille: 10 says for how many to enforce, and the tier does not; allowed: with `mode: enforce`"
        );
    }

    #[test]
    fn a_tier_is_enforced_for_its_share_and_in_shadow_for_the_rest() {
        let policy = Policy::parse(
            r#"{"mode":"enforce","canary_permille":10,"tiers":[
                {"name":"all","canary_permille":1000},{"name":"none","canary_permille":0},
                {"name":"watched","mode":"shadow"},{"name":"inherits"}]}"#,
        )
        .unwrap();
        let enforced = |tier: &crate::policy::Tier| {
            (0..1000)
                .filter(|cohort| tier.of_cohort(*cohort).mode == Mode::Enforce)
                .count()
        };
        let counts: Vec<usize> = policy.tiers.iter().map(enforced).collect();
        assert_eq!(counts, [1000, 0, 0, 10]);
        assert_eq!(enforced(&policy.default_tier), 10);
        assert_eq!(policy.default_tier.of_cohort(9).mode, Mode::Enforce);
    }
}
