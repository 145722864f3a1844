//! What is more than usual about step-up in a whole policy.
//! May use: the checked policy.
//! Must not: look at a request.

use super::PolicyError;
use super::challenge::Incapable;
use super::compile::Policy;
use super::config::Mode;
use super::tiers::Route;

impl Policy {
    /// Refuses a page that is itself challenged: a browser would be sent from the page to the page.
    pub(super) fn pages_can_be_reached(&self) -> Result<(), PolicyError> {
        let tiers = self.tiers.iter().chain([&self.default_tier]);
        for page in tiers.filter_map(|tier| tier.page.as_ref()) {
            let Some(path) = &page.own_path else { continue };
            for origin in &page.origins {
                let host = origin.authority.split(':').next().unwrap_or_default();
                let tier = self.tier(&Route {
                    host: host.as_bytes(),
                    path: path.as_bytes(),
                    method: b"GET",
                    metadata: b"",
                });
                if tier.mode == Mode::Enforce {
                    return Err(PolicyError::new(
                        "challenge.page.url",
                        format!(
                            "`{path}` on `{host}` is in tier `{}`, which enforces: nobody could reach the page; give it a tier with `mode: off` before that one",
                            tier.name
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// What an operator should know of how this policy steps up, with the path it is about. `keyed`: there is a hash key that
    /// is not public.
    #[must_use]
    pub fn step_up_warnings(&self, keyed: bool) -> Vec<PolicyError> {
        let mut warnings = Vec::new();
        if self.challenge.newer_token {
            warnings.push(PolicyError::new(
                "challenge.newer_token",
                "accepts a newer token as an answer to a challenge: whoever holds a stolen refresh token can answer",
            ));
        }
        if self.challenge.receipt.is_some() && !keyed {
            warnings.push(PolicyError::new(
                "challenge.receipt",
                "is off: without STEPGATE_KEY or hash_key anybody could make a receipt",
            ));
        }
        let restricts = self.tiers.iter().any(|tier| !tier.step_up_capable)
            || self.challenge.incapable != Incapable::default();
        if restricts && self.challenge.help.is_none() {
            warnings.push(PolicyError::new(
                "challenge.help",
                "is absent: clients that cannot step up are refused without a link to where they get help",
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(policy: &str) -> String {
        Policy::parse(policy).unwrap_err().to_string()
    }

    #[test]
    fn a_page_that_is_challenged_itself_is_refused() {
        let page = r#""challenge":{"page":{"url":"/verify","origins":["https://app.test"]}}"#;
        let refused = refusal(&format!(r#"{{"mode":"enforce",{page}}}"#));
        assert!(
            refused.starts_with("challenge.page.url: `/verify` on `app.test`"),
            "{refused}"
        );
        for fine in [
            format!(r#"{{"mode":"shadow",{page}}}"#),
            format!(
                r#"{{"mode":"enforce","tiers":[{{"name":"verify","paths":["/verify"],"mode":"off"}}],{page}}}"#
            ),
        ] {
            assert!(Policy::parse(&fine).is_ok(), "{fine}");
        }
    }
}
