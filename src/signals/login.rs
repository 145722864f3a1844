//! Whose credential a login tries: the name in Basic credentials (RFC 7617), in the query, in a form or in a JSON object.
//! May use: base64, serde_json.
//! Must not: copy or decode a password, read past its bounds, or take one of two names for the right one.

mod alike;
mod spelling;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::request::Field;
pub use alike::alike;
use spelling::{Decoded, MARK, is_like_ascii, is_same};

/// Longest body that is read, in bytes.
pub const MAX_BODY: usize = 16 * 1024;
/// Longest name, in bytes: an e-mail address has 254 at most (RFC 5321 §4.5.3.1).
const MAX_NAME: usize = 256;

/// Where routes carry the name that a login tries.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LoginFields {
    /// In Basic credentials.
    pub basic: bool,
    /// Members of the query, a form or a JSON object.
    pub names: Vec<String>,
    /// They are looked for in the query too, where many frameworks read them beside the body.
    pub query: bool,
    /// The grant decides whose credential is tried (RFC 6749).
    pub token_endpoint: bool,
    /// Names that differ in case only are the same.
    pub fold_case: bool,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`, or another type that ends in `+json`.
    Json,
}

impl BodyKind {
    /// The kind of a body that can be read; none for other types, compressed bodies and headers that stand twice.
    #[must_use]
    pub fn of(content_type: Field<&[u8]>, encoding: Field<&[u8]>) -> Option<Self> {
        match encoding {
            Field::Absent => {}
            Field::Present(coding) if coding.eq_ignore_ascii_case(b"identity") => {}
            Field::Present(_) | Field::Malformed => return None,
        }
        let mut parts = content_type.present()?.split(|b| *b == b';');
        let media = parts.next()?.trim_ascii().to_ascii_lowercase();
        if !parts.all(is_like_ascii) {
            return None;
        }
        match media.as_slice() {
            b"application/x-www-form-urlencoded" => Some(Self::Form),
            b"application/json" => Some(Self::Json),
            other if other.starts_with(b"application/") && other.ends_with(b"+json") => {
                Some(Self::Json)
            }
            _ => None,
        }
    }
}

/// What is known of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LoginBody<'a> {
    /// There is none, or it is not here yet.
    #[default]
    None,
    /// It is too long, or of a type that is not read.
    Unreadable,
    /// All of it.
    Whole(BodyKind, &'a [u8]),
}

impl LoginFields {
    /// Whether a body can hold a name.
    #[must_use]
    pub const fn reads_bodies(&self) -> bool {
        self.token_endpoint || !self.names.is_empty()
    }

    /// The user of Basic credentials, normalised.
    #[must_use]
    pub fn user(&self, authorization: Field<&[u8]>) -> Field<String> {
        match authorization {
            Field::Present(value) if self.basic => match after_basic(value).map(basic_user) {
                Some(Some(user)) => self.normal(&user),
                Some(None) => Field::Malformed,
                None => Field::Absent,
            },
            Field::Malformed if self.basic => Field::Malformed,
            _ => Field::Absent,
        }
    }

    /// What the headers of a request name.
    #[must_use]
    pub fn named(&self, authorization: Field<&[u8]>, query: &[u8]) -> Named {
        let mut found = Named {
            user: self.user(authorization),
            ..Named::default()
        };
        if self.query {
            self.form(query, &mut found);
        }
        found
    }

    /// The name a request tries, normalised, by its headers and its body. Two different names are malformed: the upstream may read the other one.
    #[must_use]
    pub fn name(&self, named: Named, body: LoginBody<'_>) -> Field<String> {
        let mut found = named;
        match body {
            _ if !self.reads_bodies() => {}
            // An empty body names nobody, whatever its type.
            LoginBody::None | LoginBody::Whole(_, []) => {}
            LoginBody::Unreadable => found.member = Field::Malformed,
            LoginBody::Whole(kind, bytes) => {
                let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
                if kind == BodyKind::Form {
                    self.form(bytes, &mut found);
                }
                // Many endpoints take an object for one whatever its type says, and clients send it as a form.
                if kind == BodyKind::Json || bytes.trim_ascii_start().starts_with(b"{") {
                    self.json(bytes, &mut found);
                }
            }
        }
        if self.token_endpoint {
            return found.of_grant();
        }
        agreed(found.user, found.member)
    }

    fn form(&self, bytes: &[u8], found: &mut Named) {
        for pair in bytes.split(|b| *b == b'&') {
            let mut parts = pair.splitn(2, |b| *b == b'=');
            let key = Decoded(parts.next().unwrap_or_default());
            if let Some(slot) = self.slot(key, found) {
                let value: Vec<u8> = Decoded(parts.next().unwrap_or_default())
                    .take(MAX_NAME + 1)
                    .collect();
                self.take(slot, &value);
            }
            // Some readers end a pair at `;` too (HTML 4.01 B.2.2). Browsers escape it, so it is there for two to read two names.
            for part in pair.split(|b| *b == b';').filter(|_| pair.contains(&b';')) {
                let key = part.split(|b| *b == b'=').next().unwrap_or_default();
                if let Some(slot) = self.slot(Decoded(key), found) {
                    *slot = Field::Malformed;
                }
            }
        }
    }

    fn json(&self, bytes: &[u8], found: &mut Named) {
        let mut input = serde_json::Deserializer::from_slice(bytes);
        let object = Object {
            fields: self,
            found,
        };
        let read = object.deserialize(&mut input).and_then(|()| input.end());
        if read.is_err() {
            found.member = Field::Malformed;
        }
    }

    /// What a member is read for.
    fn slot<'a>(
        &self,
        key: impl Iterator<Item = u8> + Clone,
        found: &'a mut Named,
    ) -> Option<&'a mut Field<String>> {
        if self.token_endpoint {
            if is_same(key.clone(), "grant_type") {
                return Some(&mut found.grant);
            }
            if is_same(key.clone(), "client_id") {
                return Some(&mut found.client);
            }
        }
        let ours = self.names.iter().any(|name| is_same(key.clone(), name));
        ours.then_some(&mut found.member)
    }

    fn take(&self, slot: &mut Field<String>, value: &[u8]) {
        let name = self.normal(value);
        *slot = agreed(std::mem::take(slot), name);
    }

    fn normal(&self, value: &[u8]) -> Field<String> {
        if value.len() > MAX_NAME {
            return Field::Malformed;
        }
        let Ok(text) = std::str::from_utf8(value) else {
            return Field::Malformed;
        };
        match text.trim() {
            "" => Field::Absent,
            text if self.fold_case => Field::Present(text.to_lowercase()),
            text => Field::Present(text.to_owned()),
        }
    }
}

/// Names by where they stand, and no password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Of Basic credentials.
    user: Field<String>,
    /// Of query and body.
    member: Field<String>,
    grant: Field<String>,
    client: Field<String>,
}

impl Named {
    /// Whether Basic credentials are there, which an upstream looks at whatever the method.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.user != Field::Absent
    }

    /// Whose secret a token request tries: the person's (RFC 6749 §4.3), or the client's (§4.4). Other grants try a code
    /// or a token, which name nobody.
    fn of_grant(self) -> Field<String> {
        match self.grant {
            Field::Malformed => Field::Malformed,
            Field::Absent => Field::Absent,
            Field::Present(grant) => match grant.as_str() {
                "password" => self.member,
                "client_credentials" => match agreed(self.user, self.client) {
                    // Clients and people are different names.
                    Field::Present(client) => Field::Present(format!("client {client}")),
                    other => other,
                },
                _ => Field::Absent,
            },
        }
    }
}

fn agreed(a: Field<String>, b: Field<String>) -> Field<String> {
    match (a, b) {
        (Field::Absent, other) | (other, Field::Absent) => other,
        (Field::Present(a), Field::Present(b)) if a == b => Field::Present(a),
        _ => Field::Malformed,
    }
}

/// The credentials after the scheme, which is compared without case (RFC 9110 §11.1).
fn after_basic(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii_start().split_at_checked(5)?;
    let apart = rest.first().is_some_and(u8::is_ascii_whitespace);
    (apart && scheme.eq_ignore_ascii_case(b"basic")).then(|| rest.trim_ascii())
}

/// The user of Basic credentials, decoded up to the colon and no further: what follows is the password.
fn basic_user(credentials: &[u8]) -> Option<Vec<u8>> {
    let mut user = Vec::new();
    for quantum in credentials.chunks(4) {
        let end = quantum.iter().position(|b| *b == b'=');
        let quantum = end.map_or(Some(quantum), |end| quantum.get(..end))?;
        let mut bytes = [0; 3];
        let size = STANDARD_NO_PAD.decode_slice(quantum, &mut bytes).ok()?;
        for byte in bytes.iter().take(size) {
            if *byte == b':' {
                return Some(user);
            }
            user.push(*byte);
        }
        if user.len() > MAX_NAME || end.is_some() {
            return None;
        }
    }
    None
}

/// Reads the members that are named and skips all others unread.
struct Object<'a> {
    fields: &'a LoginFields,
    found: &'a mut Named,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let Some(slot) = self.fields.slot(key.bytes(), self.found) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            match map.next_value::<serde_json::Value>()? {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => self.fields.take(slot, text.as_bytes()),
                serde_json::Value::Number(number) => {
                    self.fields.take(slot, number.to_string().as_bytes());
                }
                _ => *slot = Field::Malformed,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
