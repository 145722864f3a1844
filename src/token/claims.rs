//! Holds the claims of a token as values, each either read, absent or named as malformed.
//! May use the raw members of the payload.
//! Must not decide about time or audience, nor sanitise: what leaves as a header is cleaned where it leaves.

use std::borrow::Cow;

use serde_json::Value;

use super::members::{Members, Unreadable};
use super::rejection::Rejection;
use super::values::{audience, date, owned_text, text_or_number, words};

/// What a token says about its bearer.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// `iss`.
    pub iss: String,
    /// `sub`.
    pub sub: Option<String>,
    /// `aud`, a single one as a list of one.
    pub aud: Vec<String>,
    /// The client: `azp`, else `client_id`, else `appid`, else `cid`.
    pub client_id: Option<String>,
    /// `sid`.
    pub sid: Option<String>,
    /// `jti`.
    pub jti: Option<String>,
    /// `iat`, seconds since the epoch.
    pub iat: Option<i64>,
    /// `nbf`, seconds since the epoch.
    pub nbf: Option<i64>,
    /// `exp`, seconds since the epoch.
    pub exp: Option<i64>,
    /// `auth_time`, seconds since the epoch.
    pub auth_time: Option<i64>,
    /// `acr`; a number as its text.
    pub acr: Option<String>,
    /// `amr`.
    pub amr: Vec<String>,
    /// How the token was granted: `gty`, else `grant_type`.
    pub grants: Vec<String>,
    /// `scope`, else `scp`.
    pub scope: Vec<String>,
    /// `cnf`: the key the token is bound to.
    pub cnf: Option<Confirmation>,
    /// Whether someone acts for the subject: `act` or `obo`.
    pub delegated: bool,
    /// The groups claim, if one is configured.
    pub groups: Vec<String>,
    /// The claims above that are present but unreadable, and so left out.
    pub malformed: Vec<&'static str>,
    payload: String,
}

/// The key a token is bound to (RFC 7800).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirmation {
    /// `x5t#S256`: the client certificate's SHA-256, base64url (RFC 8705).
    pub x5t_s256: Option<String>,
    /// `jkt`: the DPoP key's thumbprint, base64url (RFC 9449).
    pub jkt: Option<String>,
}

impl Claims {
    /// Reads a payload that somebody verified: by `verify`, or by the proxy in front of us. Members may occur once only. Dates,
    /// `iss`, `sub`, `aud` and `cnf` decide, so they must be readable; the others are left out and named in `malformed`.
    ///
    /// # Errors
    /// `Garbage`, `DuplicateMember`, `MissingClaim` (`iss`), `MalformedClaim`.
    pub fn read(payload: String, groups_claim: Option<&str>) -> Result<Self, Rejection> {
        let claims = {
            let members = Members::read(&payload).ok_or(Rejection::Garbage)?;
            if members.has_duplicate() {
                return Err(Rejection::DuplicateMember);
            }
            Self::from_members(&members, groups_claim)?
        };
        Ok(claims.of(payload))
    }

    /// With the payload they were read from.
    pub(super) fn of(self, payload: String) -> Self {
        Self { payload, ..self }
    }

    /// A claim by name; where no claim has the whole name, by a path of names with dots between (`realm_access.roles`).
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Value> {
        serde_json::from_slice(Members::read(&self.payload)?.at(name)?.as_bytes()).ok()
    }

    /// The whole payload, JSON as it was signed.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.payload
    }

    pub(super) fn from_members(
        members: &Members<'_>,
        groups_claim: Option<&str>,
    ) -> Result<Self, Rejection> {
        let mut malformed = Vec::new();
        let mut claims = Self {
            iss: decisive(members, "iss", owned_text)?.ok_or_else(|| Rejection::MissingClaim {
                claim: "iss".to_owned(),
            })?,
            sub: decisive(members, "sub", owned_text)?,
            aud: decisive(members, "aud", audience)?.unwrap_or_default(),
            client_id: ["azp", "client_id", "appid", "cid"]
                .into_iter()
                .find_map(|name| lenient(members, name, owned_text, &mut malformed)),
            sid: lenient(members, "sid", owned_text, &mut malformed),
            jti: lenient(members, "jti", owned_text, &mut malformed),
            iat: date(members, "iat").map_err(|_| Rejection::MalformedClaim { claim: "iat" })?,
            nbf: date(members, "nbf").map_err(|_| Rejection::MalformedClaim { claim: "nbf" })?,
            exp: date(members, "exp").map_err(|_| Rejection::MalformedClaim { claim: "exp" })?,
            auth_time: date(members, "auth_time").unwrap_or_else(|_| {
                malformed.push("auth_time");
                None
            }),
            acr: lenient(members, "acr", text_or_number, &mut malformed),
            amr: lenient(members, "amr", words, &mut malformed).unwrap_or_default(),
            grants: ["gty", "grant_type"]
                .into_iter()
                .find_map(|name| lenient(members, name, words, &mut malformed))
                .unwrap_or_default(),
            scope: ["scope", "scp"]
                .into_iter()
                .find_map(|name| lenient(members, name, words, &mut malformed))
                .unwrap_or_default(),
            cnf: confirmation(members)?,
            delegated: members.get("act").is_some() || members.get("obo").is_some(),
            groups: Vec::new(),
            malformed: Vec::new(),
            payload: String::new(),
        };
        if claims.sub.as_deref() == Some("") {
            return Err(Rejection::MalformedClaim { claim: "sub" });
        }
        let groups = groups_claim.and_then(|name| members.at(name));
        match groups.map(words) {
            Some(Ok(groups)) => claims.groups = groups,
            Some(Err(_)) => malformed.push("groups"),
            None => {}
        }
        claims.malformed = malformed;
        Ok(claims)
    }
}

/// How the raw text of a claim is read.
type Read<T> = fn(&str) -> Result<T, Unreadable>;

fn decisive<T>(
    members: &Members<'_>,
    claim: &'static str,
    read: Read<T>,
) -> Result<Option<T>, Rejection> {
    let read = members.get(claim).map(read).transpose();
    read.map_err(|Unreadable| Rejection::MalformedClaim { claim })
}

fn lenient<T>(
    members: &Members<'_>,
    claim: &'static str,
    read: Read<T>,
    malformed: &mut Vec<&'static str>,
) -> Option<T> {
    match members.get(claim).map(read)? {
        Ok(value) => Some(value),
        Err(Unreadable) => {
            malformed.push(claim);
            None
        }
    }
}

fn confirmation(members: &Members<'_>) -> Result<Option<Confirmation>, Rejection> {
    let malformed = Rejection::MalformedClaim { claim: "cnf" };
    let Some(text) = members.get("cnf") else {
        return Ok(None);
    };
    let Some(cnf) = Members::read(text) else {
        return Err(malformed);
    };
    if cnf.has_duplicate() {
        return Err(Rejection::DuplicateMember);
    }
    match (cnf.text("x5t#S256"), cnf.text("jkt")) {
        (Ok(x5t_s256), Ok(jkt)) => Ok(Some(Confirmation {
            x5t_s256: x5t_s256.map(Cow::into_owned),
            jkt: jkt.map(Cow::into_owned),
        })),
        _ => Err(malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, Rejection};

    fn read(json: &str) -> Result<Claims, Rejection> {
        Claims::read(json.to_owned(), Some("realm_access.roles"))
    }

    fn malformed(claim: &'static str) -> Rejection {
        Rejection::MalformedClaim { claim }
    }

    #[test]
    fn every_claim_is_read() {
        let claims = read(
            r#"{"iss":"i","sub":"s","aud":"a","azp":"c","sid":"sess","jti":"j","iat":1.9,"nbf":2,"exp":3e2,"auth_time":4,
            "acr":1,"amr":["pwd","otp"],"scope":"read write","cnf":{"x5t#S256":"x","jkt":"k"},"act":{"sub":"b"},
            "realm_access":{"roles":["admin"]}}"#,
        )
        .unwrap();
        assert_eq!(
            (claims.iss.as_str(), claims.sub.as_deref()),
            ("i", Some("s"))
        );
        assert_eq!(
            (claims.iat, claims.nbf, claims.exp, claims.auth_time),
            (Some(1), Some(2), Some(300), Some(4))
        );
        assert_eq!(
            (claims.aud.as_slice(), claims.acr.as_deref()),
            (["a".to_owned()].as_slice(), Some("1"))
        );
        assert_eq!(claims.amr, ["pwd", "otp"]);
        assert_eq!(claims.scope, ["read", "write"]);
        assert_eq!(claims.groups, ["admin"]);
        assert!(claims.delegated && claims.malformed.is_empty());
        let cnf = claims.cnf.clone().unwrap();
        assert_eq!(
            (cnf.x5t_s256.as_deref(), cnf.jkt.as_deref()),
            (Some("x"), Some("k"))
        );
        assert!(claims.claim("act").is_some() && claims.claim("obo").is_none());
    }

    #[test]
    fn dates_stay_between_the_epoch_and_the_year_9999() {
        for bad in [
            "-1",
            "1e300",
            "9223372036854775808",
            "253402300800",
            "\"5\"",
            "true",
            "-0.5",
            "[1]",
            "1e12",
        ] {
            assert_eq!(
                read(&format!(r#"{{"iss":"i","exp":{bad}}}"#)),
                Err(malformed("exp")),
                "{bad}"
            );
        }
        assert_eq!(
            read(r#"{"iss":"i","exp":1e400}"#)
                .map(|c| c.exp)
                .ok()
                .flatten(),
            None
        );
        assert_eq!(
            read(r#"{"iss":"i","exp":253402300799}"#).unwrap().exp,
            Some(253_402_300_799)
        );
        assert_eq!(read(r#"{"iss":"i","exp":null}"#).unwrap().exp, None);
    }

    #[test]
    fn claims_that_decide_must_be_readable() {
        assert_eq!(read(r#"{"iss":1}"#), Err(malformed("iss")));
        assert_eq!(read(r#"{"iss":"i","sub":""}"#), Err(malformed("sub")));
        assert_eq!(read(r#"{"iss":"i","sub":["a"]}"#), Err(malformed("sub")));
        assert_eq!(read(r#"{"iss":"i","aud":[1]}"#), Err(malformed("aud")));
        assert_eq!(read(r#"{"iss":"i","cnf":"x"}"#), Err(malformed("cnf")));
        assert_eq!(
            read(r#"{"iss":"i","cnf":{"jkt":1}}"#),
            Err(malformed("cnf"))
        );
        assert_eq!(
            read(r#"{"iss":"i","cnf":{"jkt":"a","jkt":"b"}}"#),
            Err(Rejection::DuplicateMember)
        );
        assert_eq!(
            read(r#"{"iss":"i","iss":"i"}"#),
            Err(Rejection::DuplicateMember)
        );
        assert_eq!(
            read("{}"),
            Err(Rejection::MissingClaim {
                claim: "iss".to_owned()
            })
        );
        assert_eq!(read("[]"), Err(Rejection::Garbage));
    }

    #[test]
    fn claims_that_only_inform_are_left_out_by_name() {
        let claims = read(r#"{"iss":"i","auth_time":"2024-01-01","amr":{"a":1},"acr":[],"sid":7,"realm_access":{"roles":1}}"#).unwrap();
        assert_eq!(
            claims.malformed,
            ["sid", "auth_time", "acr", "amr", "groups"]
        );
        assert_eq!(
            (claims.auth_time, claims.acr, claims.sid),
            (None, None, None)
        );
    }

    #[test]
    fn a_name_with_dots_is_a_name_first() {
        let claims =
            read(r#"{"iss":"i","https://a.example/roles":["x"],"a":{"b":{"c":2}}}"#).unwrap();
        assert_eq!(
            claims.claim("https://a.example/roles"),
            Some(serde_json::json!(["x"]))
        );
        assert_eq!(claims.claim("a.b.c"), Some(serde_json::json!(2)));
        assert_eq!(claims.claim("a.b.d"), None);
        assert_eq!(claims.claim("a.z.d"), None);
    }
}
