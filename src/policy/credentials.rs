//! Credentials of the policy, checked: issuers with their keys, API keys, names of machines.
//! May use: the raw policy and the token room.
//! Must not: fetch keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::PolicyError;
use super::config::{self, IssuerConfig};
use super::names::header_name;
use crate::token::{ApiKeys, IssuedFromClaims, Issuer, IssuerRules, KeySet, Origin, algorithm};

/// A place a token may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// A header, lower case, and the scheme before the token (empty: none).
    Header {
        /// Header name.
        name: String,
        /// Scheme, compared without case.
        scheme: String,
    },
    /// A cookie.
    Cookie(String),
}

/// Where credentials are, and how they are believed.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Where a token may be; the first place that has one holds.
    pub places: Vec<TokenPlace>,
    /// Issuers verified here, in the order of the policy.
    pub issuers: Vec<Issuer>,
    /// Names of verified claims in the metadata of `jwt_authn`.
    pub jwt_authn: Vec<String>,
    /// Known API keys.
    pub api_keys: ApiKeys,
    /// Peer group of each key.
    pub api_key_groups: Vec<String>,
    /// Header that carries an API key, lower case.
    pub api_key_header: Option<String>,
    /// Query parameter that carries an API key.
    pub api_key_query: Option<String>,
    /// Whether the URI SAN of a client certificate is an identity.
    pub mtls: bool,
    /// Claim that names the peer group.
    pub group_claim: Option<String>,
    /// Subjects and clients that are machines.
    pub services: Vec<String>,
    /// Claims that say where a token was issued.
    pub issued_from: IssuedFromClaims,
    /// Where clients reach the routes.
    pub origin: Option<String>,
}

pub(super) fn compile(written: &config::Credentials) -> Result<Credentials, PolicyError> {
    let mut places = Vec::with_capacity(written.tokens.len());
    for (index, source) in written.tokens.iter().enumerate() {
        places.push(place(source, &format!("credentials.tokens[{index}]"))?);
    }
    let mut issuers: Vec<Issuer> = Vec::with_capacity(written.issuers.len());
    for (index, issuer_written) in written.issuers.iter().enumerate() {
        let path = format!("credentials.issuers[{index}]");
        if issuers
            .iter()
            .any(|known| known.rules().issuer == issuer_written.issuer)
        {
            return Err(PolicyError::new(
                format!("{path}.issuer"),
                format!(
                    "`{}` stands twice; give it all its keys in one entry",
                    issuer_written.issuer
                ),
            ));
        }
        issuers.push(issuer(issuer_written, written.group_claim.as_ref(), &path)?);
    }
    let api_keys = &written.api_keys;
    let digests: Vec<&str> = api_keys
        .keys
        .iter()
        .map(|key| key.sha256.as_str())
        .collect();
    let known = ApiKeys::from_hex(&digests)
        .map_err(|why| PolicyError::new("credentials.api_keys.keys", why))?;
    let api_key_header = match &api_keys.header {
        Some(name) => Some(header_name("credentials.api_keys.header", name)?),
        None => None,
    };
    if !digests.is_empty() && api_keys.header.is_none() && api_keys.query.is_none() {
        return Err(PolicyError::new(
            "credentials.api_keys",
            "has keys but neither `header` nor `query` says where a request carries them",
        ));
    }
    Ok(Credentials {
        places,
        issuers,
        jwt_authn: match &written.jwt_authn {
            Some(names) => names.clone(),
            None if written.issuers.is_empty() => vec!["payload".to_owned()],
            None => Vec::new(),
        },
        api_keys: known,
        api_key_groups: api_keys.keys.iter().map(|key| key.group.clone()).collect(),
        api_key_header,
        api_key_query: api_keys.query.clone(),
        mtls: written.mtls,
        group_claim: written.group_claim.clone(),
        services: written.services.clone(),
        issued_from: IssuedFromClaims {
            ip: written.issued_from.ip.clone(),
            country: written.issued_from.country.clone(),
            asn: written.issued_from.asn.clone(),
        },
        origin: written.origin.as_deref().map(origin).transpose()?,
    })
}

fn origin(text: &str) -> Result<String, PolicyError> {
    let authority = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let holds = authority.is_some_and(|authority| {
        !authority.is_empty()
            && authority
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"/?#@".contains(&b))
    });
    if holds {
        Ok(text.to_owned())
    } else {
        Err(PolicyError::new(
            "credentials.origin",
            format!(
                "`{}` is not an origin; allowed: http:// or https:// with host and perhaps port, and no path",
                text.escape_debug()
            ),
        ))
    }
}

fn place(written: &config::TokenSource, path: &str) -> Result<TokenPlace, PolicyError> {
    if let Some(cookie) = &written.cookie {
        let plain = !cookie.is_empty()
            && cookie
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b));
        return if plain {
            Ok(TokenPlace::Cookie(cookie.clone()))
        } else {
            Err(PolicyError::new(
                format!("{path}.cookie"),
                format!("`{}` is not a cookie name", cookie.escape_debug()),
            ))
        };
    }
    let name = written.header.as_deref().unwrap_or("authorization");
    Ok(TokenPlace::Header {
        name: header_name(&format!("{path}.header"), name)?,
        scheme: written.scheme.clone(),
    })
}

fn issuer(
    written: &IssuerConfig,
    group_claim: Option<&String>,
    path: &str,
) -> Result<Issuer, PolicyError> {
    let at = |key: &str| format!("{path}.{key}");
    let sources = [
        written.keys.is_some(),
        !written.pem.is_empty(),
        written.secret.is_some(),
        written.jwks.is_some(),
    ];
    if sources.iter().filter(|given| **given).count() != 1 {
        return Err(PolicyError::new(
            path,
            "needs exactly one of `keys`, `pem`, `secret` and `jwks`",
        ));
    }
    let mut algorithms = Vec::with_capacity(written.algorithms.len());
    for (index, name) in written.algorithms.iter().enumerate() {
        algorithms.push(algorithm(name).ok_or_else(|| {
            PolicyError::new(
                at(&format!("algorithms[{index}]")),
                format!("`{name}` is not an algorithm; allowed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512"),
            )
        })?);
    }
    let keys = if let Some(keys) = &written.keys {
        KeySet::from_jwks(keys.to_string().as_bytes(), Origin::Inline)
            .map_err(|why| PolicyError::new(at("keys"), why))?
    } else if let Some(secret) = &written.secret {
        let secret = URL_SAFE_NO_PAD
            .decode(secret.trim_end_matches('='))
            .map_err(|_| PolicyError::new(at("secret"), "is not base64url"))?;
        KeySet::from_secret(&secret, None).map_err(|why| PolicyError::new(at("secret"), why))?
    } else {
        let mut keys = KeySet::default();
        for (index, pem) in written.pem.iter().enumerate() {
            keys = KeySet::from_pem(pem, None)
                .and_then(|key| keys.joined(key))
                .map_err(|why| PolicyError::new(at(&format!("pem[{index}]")), why))?;
        }
        keys
    };
    if let Some(jwks) = &written.jwks {
        check_jwks(jwks, &at("jwks"))?;
    }
    let mut required = IssuerRules::default().required;
    required.extend(written.required_claims.iter().cloned());
    let rules = IssuerRules {
        issuer: written.issuer.clone(),
        audiences: written.audiences.clone(),
        algorithms,
        types: written.types.clone(),
        leeway: written.leeway_seconds,
        max_bytes: written.max_bytes as usize,
        required,
        groups_claim: group_claim.cloned(),
    };
    Issuer::new(rules, keys).map_err(|why| PolicyError::new(path, why))
}

fn check_jwks(jwks: &config::JwksConfig, path: &str) -> Result<(), PolicyError> {
    let at = |key: &str| format!("{path}.{key}");
    if jwks.cluster.is_empty() {
        return Err(PolicyError::new(
            at("cluster"),
            "is empty; name an Envoy cluster",
        ));
    }
    if jwks.authority.is_empty() || !jwks.authority.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(PolicyError::new(
            at("authority"),
            format!(
                "`{}` is not an authority; allowed: host or host:port",
                jwks.authority.escape_debug()
            ),
        ));
    }
    if !jwks.path.starts_with('/') || !jwks.path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(PolicyError::new(
            at("path"),
            format!(
                "`{}` is not a path; allowed: visible ASCII beginning with /",
                jwks.path.escape_debug()
            ),
        ));
    }
    if !(10..=86_400).contains(&jwks.refresh_seconds) {
        return Err(PolicyError::new(
            at("refresh_seconds"),
            format!(
                "{} is out of range; allowed: 10 to 86400",
                jwks.refresh_seconds
            ),
        ));
    }
    if !(1..=60).contains(&jwks.timeout_seconds) {
        return Err(PolicyError::new(
            at("timeout_seconds"),
            format!("{} is out of range; allowed: 1 to 60", jwks.timeout_seconds),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn the_host_is_asked_for_claims_where_nobody_is_verified_here_or_where_the_policy_says_so() {
        let names = |credentials: &str| {
            let policy = Policy::parse(&format!(r#"{{"credentials": {{{credentials}}}}}"#));
            policy.unwrap().credentials.jwt_authn
        };
        let issuer = r#""issuers": [{"issuer": "https://idp.example/", "jwks": {"cluster": "idp", "authority": "idp.test", "path": "/keys"}}]"#;
        assert_eq!(names(""), ["payload"]);
        assert!(names(issuer).is_empty());
        assert_eq!(names(&format!(r#""jwt_authn": ["a"], {issuer}"#)), ["a"]);
        assert!(names(r#""jwt_authn": []"#).is_empty());
    }
}
