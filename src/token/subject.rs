//! Holds the step from verified claims to an identity: who it is, person or machine, and in which group.
//! May use claims and signals.
//! Must not look at the baseline or believe an unverified claim more than the caller says.

use std::borrow::Cow;

use super::Claims;
use crate::signals::address::Address;
use crate::signals::request::{Field, Grant, IssuedFrom, Kind, SessionSignals, Subject};

/// The identity that claims name: `iss|sub`. `None` without a subject.
#[must_use]
pub fn subject(claims: &Claims, services: &[String]) -> Option<Subject<'static>> {
    let sub = claims.sub.as_deref().filter(|sub| !sub.is_empty())?;
    let client_id = claims.client_id.clone().unwrap_or_default();
    let kind = Kind::of(sub, &client_id, services);
    let group = claims
        .groups
        .first()
        .cloned()
        .unwrap_or_else(|| [kind.prefix(), &client_id].concat());
    Some(Subject {
        id: Cow::Owned(format!("{}|{sub}", claims.iss)),
        kind,
        group: Cow::Owned(group),
        client_id: Cow::Owned(client_id),
    })
}

/// The identity of a client certificate: its URI SAN.
#[must_use]
pub fn certificate_subject<'a>(uri_san: &'a str, services: &[String]) -> Subject<'a> {
    let kind = match Kind::of(uri_san, "", services) {
        Kind::Human if uri_san.starts_with("urn:") || uri_san.contains("://") => Kind::Service,
        kind => kind,
    };
    Subject {
        id: Cow::Borrowed(uri_san),
        kind,
        group: Cow::Borrowed(kind.prefix()),
        client_id: Cow::Borrowed(""),
    }
}

/// What claims say of the session.
#[must_use]
pub fn session(claims: &Claims, digest: u128) -> SessionSignals<'static> {
    let owned = |text: &String| Cow::Owned(text.clone().into_bytes());
    SessionSignals {
        id: Field::from(claims.sid.as_ref().map(owned)),
        token: Field::Present(match &claims.jti {
            Some(jti) => owned(jti),
            None => Cow::Owned(digest.to_le_bytes().to_vec()),
        }),
        auth_time: claims.auth_time,
        issued_at: claims.iat,
        expires_at: claims.exp,
        acr: claims.acr.clone().map(Cow::Owned),
        amr: (!claims.amr.is_empty()).then(|| Cow::Owned(claims.amr.join(" "))),
        issuer: Some(Cow::Owned(claims.iss.clone())),
        grant: claims.grants.iter().find_map(|name| Grant::of(name)),
        ..SessionSignals::default()
    }
}

/// Claims that say from where a token was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IssuedFromClaims {
    /// Claim with the address.
    pub ip: Option<String>,
    /// Claim with the country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Claim with the autonomous system number.
    pub asn: Option<String>,
}

/// From where a token was asked for. What is absent or unreadable says nothing.
#[must_use]
pub fn issued_from(claims: &Claims, names: &IssuedFromClaims) -> IssuedFrom {
    let text = |name: &Option<String>| {
        let value = claims.claim(name.as_deref()?)?;
        match value {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    };
    IssuedFrom {
        address: text(&names.ip).and_then(|ip| Address::parse(&ip)),
        country: text(&names.country).and_then(|code| match code.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some([a.to_ascii_uppercase(), b.to_ascii_uppercase()])
            }
            _ => None,
        }),
        asn: text(&names.asn).and_then(|asn| {
            asn.trim_start_matches(['A', 'a', 'S', 's'])
                .parse()
                .ok()
                .filter(|asn| *asn != 0)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_by_their_names() {
        let services = vec!["ci-*".to_owned(), "batch".to_owned()];
        for (sub, client, expected) in [
            ("alice", "web", Kind::Human),
            ("spiffe://cluster/ns/a/sa/b", "", Kind::Service),
            ("system:serviceaccount:ns:name", "", Kind::Service),
            ("m2m", "m2m", Kind::Service),
            ("m2m@clients", "m2m", Kind::Service),
            ("ci-runner-7", "", Kind::Service),
            ("batch", "", Kind::Service),
            ("batches", "", Kind::Human),
            ("alice", "", Kind::Human),
        ] {
            assert_eq!(Kind::of(sub, client, &services), expected, "{sub} {client}");
        }
    }

    #[test]
    fn where_a_token_was_issued_is_read_by_the_names_given() {
        let claims = Claims::read(
            r#"{"iss":"i","net":{"ip":"198.51.100.7","asn":"AS64500"},"geo":"no"}"#.to_owned(),
            None,
        )
        .unwrap();
        let name = |name: &str| Some(name.to_owned());
        let names = IssuedFromClaims {
            ip: name("net.ip"),
            country: name("geo"),
            asn: name("net.asn"),
        };
        let expected = IssuedFrom {
            address: Address::parse("198.51.100.7"),
            country: Some(*b"NO"),
            asn: Some(64_500),
        };
        assert_eq!(issued_from(&claims, &names), expected);
        let crossed = IssuedFromClaims {
            ip: name("geo"),
            country: name("net.ip"),
            asn: name("none"),
        };
        assert_eq!(issued_from(&claims, &crossed), IssuedFrom::default());
    }

    #[test]
    fn a_risky_grant_is_read_from_the_claims_that_name_it() {
        for (claims, grant) in [
            (r#"{"iss":"i","gty":"password"}"#, Some(Grant::Password)),
            (
                r#"{"iss":"i","gty":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"]}"#,
                Some(Grant::DeviceCode),
            ),
            (
                r#"{"iss":"i","grant_type":"device_code"}"#,
                Some(Grant::DeviceCode),
            ),
            (r#"{"iss":"i","gty":"authorization_code"}"#, None),
            (r#"{"iss":"i","gty":7}"#, None),
            (r#"{"iss":"i"}"#, None),
        ] {
            let claims = Claims::read(claims.to_owned(), None).unwrap();
            assert_eq!(session(&claims, 1).grant, grant);
        }
    }
}
