//! Holds one issuer as the policy describes it, checked: what it may sign with, for whom, and its keys.
//! May use the keys and std.
//! Must not see a token.

use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::key_set::KeySet;

/// The longest clock skew anyone should need.
const LEEWAY_MAX: u32 = 600;
/// The limits of the limit: below no token fits, above the proxy refuses the headers.
const MAX_BYTES_RANGE: std::ops::RangeInclusive<usize> = 256..=65_536;
/// The `typ` values of access tokens, where the issuer has none of its own; or none at all.
const USUAL_TYPES: [&str; 2] = ["jwt", "at+jwt"];
/// The default of `IssuerRules::max_bytes`.
pub(super) const MAX_BYTES: usize = 8 * 1024;

/// What is demanded of an issuer's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRules {
    /// The exact `iss`.
    pub issuer: String,
    /// The audiences that mean us; one of them must be in the token. Empty: not checked.
    pub audiences: Vec<String>,
    /// The algorithms the issuer signs with; all of them HMAC or none.
    pub algorithms: Vec<Algorithm>,
    /// The `typ` values of its access tokens, in any case, with or without `application/`. Empty: none, `JWT` or `at+jwt`.
    pub types: Vec<String>,
    /// How far the issuer's clock may be from ours, in seconds.
    pub leeway: u32,
    /// The longest token.
    pub max_bytes: usize,
    /// The claims that must be there.
    pub required: Vec<String>,
    /// The claim that holds the groups, by name or by path.
    pub groups_claim: Option<String>,
}

impl Default for IssuerRules {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audiences: Vec::new(),
            algorithms: Vec::new(),
            types: Vec::new(),
            leeway: 60,
            max_bytes: MAX_BYTES,
            required: vec!["exp".to_owned(), "sub".to_owned()],
            groups_claim: None,
        }
    }
}

/// One issuer, checked.
#[derive(Clone, Debug)]
pub struct Issuer {
    rules: IssuerRules,
    keys: KeySet,
}

impl Issuer {
    /// Checks rules and keys against each other. An issuer whose keys are still to be fetched begins with an empty set.
    ///
    /// # Errors
    /// In words, with the field and the value.
    pub fn new(mut rules: IssuerRules, keys: KeySet) -> Result<Self, String> {
        if rules.issuer.is_empty() {
            return Err("`issuer` is empty".to_owned());
        }
        if rules.audiences.iter().any(String::is_empty) {
            return Err("`audiences` holds an empty string".to_owned());
        }
        if rules.algorithms.is_empty() {
            return Err("`algorithms` is empty: name those the issuer signs with".to_owned());
        }
        let secret = hmac(&rules);
        if secret
            && !rules
                .algorithms
                .iter()
                .all(|algorithm| algorithm.family() == AlgorithmFamily::Hmac)
        {
            return Err(
                "`algorithms` mixes HMAC with public keys: anyone could sign with the public key"
                    .to_owned(),
            );
        }
        if secret && keys.is_empty() {
            return Err("`algorithms` is HMAC and there is no secret".to_owned());
        }
        if rules.leeway > LEEWAY_MAX {
            return Err(format!(
                "`leeway` is {}: at most {LEEWAY_MAX} seconds",
                rules.leeway
            ));
        }
        if !MAX_BYTES_RANGE.contains(&rules.max_bytes) {
            let (least, most) = (MAX_BYTES_RANGE.start(), MAX_BYTES_RANGE.end());
            return Err(format!(
                "`max_bytes` is {}: {least} to {most} are allowed",
                rules.max_bytes
            ));
        }
        rules.types = rules.types.iter().map(|typ| plain_type(typ)).collect();
        if !keys.is_empty() {
            fitting(&rules, &keys)?;
        }
        Ok(Self { rules, keys })
    }

    /// Takes newly fetched keys; bad ones leave the old in place.
    ///
    /// # Errors
    /// In words: none of the keys is for the issuer's algorithms.
    pub fn replace_keys(&mut self, keys: KeySet) -> Result<(), String> {
        fitting(&self.rules, &keys)?;
        self.keys = keys;
        Ok(())
    }

    /// The rules, as checked.
    #[must_use]
    pub fn rules(&self) -> &IssuerRules {
        &self.rules
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Whether a header's `typ` is that of an access token of this issuer.
    pub(super) fn allows_type(&self, typ: Option<&str>) -> bool {
        let types = &self.rules.types;
        match typ.map(plain_type) {
            None => types.is_empty(),
            Some(typ) if types.is_empty() => USUAL_TYPES.contains(&typ.as_str()),
            Some(typ) => types.contains(&typ),
        }
    }

    /// Whether the issuer signs with shared secrets.
    pub(super) fn is_hmac(&self) -> bool {
        hmac(&self.rules)
    }
}

fn hmac(rules: &IssuerRules) -> bool {
    rules
        .algorithms
        .iter()
        .any(|algorithm| algorithm.family() == AlgorithmFamily::Hmac)
}

fn fitting(rules: &IssuerRules, keys: &KeySet) -> Result<(), String> {
    let fits = |algorithm: &Algorithm| keys.keys().iter().any(|key| key.fits(*algorithm));
    if hmac(rules) {
        // RFC 7518 §3.2: the secret is at least as long as the hash.
        return match rules.algorithms.iter().find(|algorithm| !fits(algorithm)) {
            Some(algorithm) => Err(format!("no secret is long enough for `{algorithm:?}`")),
            None => Ok(()),
        };
    }
    if rules.algorithms.iter().any(fits) {
        return Ok(());
    }
    let names: Vec<_> = rules
        .algorithms
        .iter()
        .map(|algorithm| format!("`{algorithm:?}`"))
        .collect();
    Err(format!("no key is for {}", names.join(", ")))
}

/// A media type as `typ` compares it (RFC 7515 §4.1.9).
fn plain_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/")
        .map_or(typ.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Issuer, IssuerRules, KeySet};
    use jsonwebtoken::Algorithm::{self, EdDSA, HS256, HS512, RS256};

    fn rules(algorithms: &[Algorithm]) -> IssuerRules {
        IssuerRules {
            issuer: "https://a.example".to_owned(),
            algorithms: algorithms.to_vec(),
            ..IssuerRules::default()
        }
    }

    fn refused(rules: IssuerRules, keys: KeySet) -> String {
        Issuer::new(rules, keys).unwrap_err()
    }

    fn secret() -> KeySet {
        KeySet::from_secret(&[7; 32], None).unwrap()
    }

    fn none() -> KeySet {
        KeySet::default()
    }

    #[test]
    fn contradictions_are_refused_in_words() {
        assert_eq!(refused(IssuerRules::default(), none()), "`issuer` is empty");
        assert_eq!(
            refused(rules(&[]), none()),
            "`algorithms` is empty: name those the issuer signs with"
        );
        assert_eq!(
            refused(rules(&[RS256, HS256]), secret()),
            "`algorithms` mixes HMAC with public keys: anyone could sign with the public key"
        );
        assert_eq!(
            refused(rules(&[HS256]), none()),
            "`algorithms` is HMAC and there is no secret"
        );
        assert_eq!(
            refused(rules(&[HS512]), secret()),
            "no secret is long enough for `HS512`"
        );
        assert_eq!(
            refused(rules(&[RS256, EdDSA]), secret()),
            "no key is for `RS256`, `EdDSA`"
        );
        let late = IssuerRules {
            leeway: 601,
            ..rules(&[RS256])
        };
        assert_eq!(
            refused(late, none()),
            "`leeway` is 601: at most 600 seconds"
        );
        let small = IssuerRules {
            max_bytes: 10,
            ..rules(&[RS256])
        };
        assert_eq!(
            refused(small, none()),
            "`max_bytes` is 10: 256 to 65536 are allowed"
        );
        let audience = IssuerRules {
            audiences: vec![String::new()],
            ..rules(&[RS256])
        };
        assert_eq!(
            refused(audience, none()),
            "`audiences` holds an empty string"
        );
    }

    #[test]
    fn bad_keys_leave_the_old_in_place() {
        let mut issuer = Issuer::new(rules(&[HS256]), secret()).unwrap();
        assert!(issuer.replace_keys(none()).is_err());
        assert_eq!(issuer.keys().keys().len(), 1);
        assert!(Issuer::new(rules(&[RS256]), none()).is_ok());
    }

    #[test]
    fn types_compare_as_media_types() {
        let usual = Issuer::new(rules(&[RS256]), none()).unwrap();
        for typ in [
            None,
            Some("JWT"),
            Some("jwt"),
            Some("at+JWT"),
            Some("application/at+jwt"),
        ] {
            assert!(usual.allows_type(typ), "{typ:?}");
        }
        for typ in [
            Some(""),
            Some("logout+jwt"),
            Some("dpop+jwt"),
            Some("secevent+jwt"),
            Some("id+jwt"),
        ] {
            assert!(!usual.allows_type(typ), "{typ:?}");
        }
        let own = IssuerRules {
            types: vec!["application/AT+JWT".to_owned()],
            ..rules(&[RS256])
        };
        let own = Issuer::new(own, none()).unwrap();
        assert!(
            own.allows_type(Some("at+jwt"))
                && !own.allows_type(None)
                && !own.allows_type(Some("JWT"))
        );
    }
}
