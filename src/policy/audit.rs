//! The `audit` section, checked.
//! May use: the raw policy.
//! Must not: write a line.

use super::PolicyError;
use super::config::AuditConfig;

pub(super) fn check(config: &AuditConfig) -> Result<(), PolicyError> {
    for (key, value, most) in [
        ("sample_permille", u32::from(config.sample_permille), 1000),
        ("repeat_seconds", config.repeat_seconds, 86_400),
    ] {
        if value > most {
            return Err(PolicyError::new(
                format!("audit.{key}"),
                format!("{value} is out of range; allowed: 0 to {most}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn values_out_of_range_are_refused_with_their_path() {
        for (audit, message) in [
            (
                r#"{ "sample_permille": 1001 }"#,
                "audit.sample_permille: 1001 is out of range; allowed: 0 to 1000",
            ),
            (
                r#"{ "repeat_seconds": 86401 }"#,
                "audit.repeat_seconds: 86401 is out of range; allowed: 0 to 86400",
            ),
        ] {
            let policy = format!(r#"{{ "audit": {audit} }}"#);
            assert_eq!(Policy::parse(&policy).unwrap_err().to_string(), message);
        }
    }
}
