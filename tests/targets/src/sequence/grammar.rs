//! What a sequence is made of: requests good and evil, bodies, answers of callouts, damage.
//! May use tokens of the test kit under a secret that never changes.
//! Must not draw anything but from the bytes of the sequence.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};
use stepgate_testkit::host::{Exchange, Host};
use stepgate_testkit::tokens::{self, Key, Token};

use super::documents::{JWKS, POLICIES, feed, policy};
use super::words::{BROWSER, HEADERS, NASTY, PATHS};
use crate::structs;

/// When a sequence begins, in seconds since 1970.
pub(super) const NOW: u64 = 1_750_000_000;
/// What every spoofed header says.
pub(super) const SPOOFED: &[u8] = b"spoofed";
pub(super) const ISSUER: &str = "https://issuer.test";
pub(super) const SECRET: &[u8; 32] = b"thirty-two bytes that are shared";

pub(super) static KEY: LazyLock<Key> = LazyLock::new(|| Key::hmac("one", SECRET));

pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Which policy is in force.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    policy: u8,
    host_verifies: bool,
}

/// A change of the policy.
pub(super) struct Update {
    pub(super) text: String,
    /// It must be accepted.
    pub(super) is_fine: bool,
    policy: u8,
}

impl Setting {
    pub(super) fn choose(input: &mut Unstructured<'_>) -> Self {
        Self {
            policy: input.int_in_range(0..=POLICIES - 1).unwrap_or(0),
            host_verifies: input.ratio(1, 4).unwrap_or(false),
        }
    }

    pub(super) fn prepare(&self, host: &mut Host) {
        host.set_time(NOW as f64);
        host.set_property(&["source", "address"], "198.51.100.7:4000");
        if self.host_verifies {
            let mut turn = 0usize;
            let verify = move |arguments: &[u8]| {
                turn += 1;
                match turn % 4 {
                    0 => Err(12),
                    1 => Ok(vec![0x08, 1]),
                    2 => Ok(arguments.to_vec()),
                    _ => Ok(Vec::new()),
                }
            };
            let foreign = &mut host.state_mut().foreign;
            foreign.insert("verify_signature".into(), Box::new(verify));
        }
    }

    pub(super) fn policy(&self) -> Value {
        policy(self.policy)
    }

    /// Preflights and routes that are off are passed as they are.
    pub(super) fn may_pass_undecided(&self, exchange: &Exchange) -> bool {
        let headers = &exchange.request.headers;
        let is = |name: &str, part: &[u8]| {
            let all = headers.all(name);
            all.iter()
                .any(|value| value.windows(part.len()).any(|w| w == part))
        };
        is(":method", b"OPTIONS") || is(":path", b"pen")
    }

    pub(super) fn take(&mut self, update: Update) {
        self.policy = update.policy;
    }

    pub(super) fn changed(&self, input: &mut Unstructured<'_>) -> Result<Update> {
        let policy = input.int_in_range(0..=POLICIES - 1)?;
        let mut next = super::documents::policy(policy);
        let (text, is_fine) = match input.int_in_range(0..=9u8)? {
            0 => ("{".to_owned(), false),
            1 => {
                next["baseline"]["memory_mib"] = json!(2);
                (next.to_string(), false)
            }
            2 => {
                next["score"]["denny"] = json!(0.5);
                (next.to_string(), false)
            }
            3 => (
                String::from_utf8_lossy(some(input, 200)?).into_owned(),
                false,
            ),
            4 => {
                let mut text = next.to_string();
                text.truncate(input.choose_index(text.len())?);
                (text, false)
            }
            _ => {
                next["score"]["step_up"] = json!(*input.choose(&[0.1, 0.5, 0.9])?);
                (next.to_string(), true)
            }
        };
        Ok(Update {
            text,
            is_fine,
            policy,
        })
    }

    /// A request: what every client sends, good or evil, and some more.
    pub(super) fn request(&self, input: &mut Unstructured<'_>, now: u64) -> Result<Pairs> {
        let method = *input.choose(&["GET", "POST", "OPTIONS", "PATCH", ""])?;
        let path = if input.ratio(1, 12)? {
            some(input, 40)?
        } else {
            input.choose(&PATHS)?
        };
        let mut headers: Pairs = [
            (":method", method.as_bytes()),
            (":path", path),
            (":authority", b"app.test"),
            (":scheme", b"https"),
            ("user-agent", BROWSER),
        ]
        .map(|(name, value)| (name.into(), value.to_vec()))
        .into();
        if input.ratio(1, 16)? {
            let gone = input.choose_index(headers.len())?;
            headers.remove(gone);
        }
        for _ in 0..*input.choose(&[1, 1, 1, 0, 2])? {
            headers.push(credential(input, now)?);
        }
        headers.extend(self.headers(input)?);
        Ok(headers)
    }

    pub(super) fn headers(&self, input: &mut Unstructured<'_>) -> Result<Pairs> {
        let mut headers = Pairs::new();
        for _ in 0..input.int_in_range(0..=6u8)? {
            let (name, good) = *input.choose(&HEADERS)?;
            let value = if good == SPOOFED {
                good.to_vec()
            } else {
                match input.int_in_range(0..=5u8)? {
                    0 => input.choose(&NASTY)?.to_vec(),
                    1 => some(input, 60)?.to_vec(),
                    2 => good.repeat(1 + usize::from(input.arbitrary::<u8>()?) * 4),
                    _ => good.to_vec(),
                }
            };
            headers.push((name.as_bytes().to_vec(), value));
        }
        Ok(headers)
    }

    pub(super) fn body(&self, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        Ok(match input.int_in_range(0..=6u8)? {
            0 => b"username=alice&password=x".to_vec(),
            1 => b"{\"username\":\"bob\",\"password\":\"x\"}".to_vec(),
            2 => b"grant_type=client_credentials&client_id=web".to_vec(),
            3 => vec![b'a'; usize::from(input.arbitrary::<u16>()?) / 2],
            4 => Vec::new(),
            5 => input.choose(&NASTY)?.to_vec(),
            _ => some(input, 100)?.to_vec(),
        })
    }

    pub(super) fn answer(
        &self,
        input: &mut Unstructured<'_>,
        cluster: &str,
    ) -> Result<(Pairs, Vec<u8>)> {
        let status = *input.choose(&["200", "200", "200", "304", "500", "302", "\u{fffd}", ""])?;
        let mut headers: Pairs = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        if input.arbitrary()? {
            headers.push((b"etag".to_vec(), some(input, 20)?.to_vec()));
        }
        if input.ratio(1, 8)? {
            headers.clear();
        }
        let good = self.good(input, cluster)?;
        let body = match input.int_in_range(0..=6u8)? {
            0 => some(input, 200)?.to_vec(),
            1 => vec![b' '; 300_000],
            2 => good[..input.choose_index(good.len())?].to_vec(),
            3 => input.choose(&NASTY)?.to_vec(),
            _ => good,
        };
        Ok((headers, body))
    }

    /// What a cluster answers that is as it should be.
    pub(super) fn good(&self, input: &mut Unstructured<'_>, cluster: &str) -> Result<Vec<u8>> {
        Ok(match cluster {
            "idp" => JWKS.as_bytes().to_vec(),
            _ => feed(input)?.into_bytes(),
        })
    }

    /// What somebody else makes of a value of ours.
    pub(super) fn spoiled(
        &self,
        mut value: Vec<u8>,
        input: &mut Unstructured<'_>,
    ) -> Result<Vec<u8>> {
        match input.int_in_range(0..=7u8)? {
            0 => value.clear(),
            1 => value.truncate(value.len() / 2),
            2 => value.fill(0xff),
            3 => value = some(input, 100)?.to_vec(),
            4 => value.extend_from_slice(&[0x41; 5000]),
            5 => value.reverse(),
            _ => {
                for _ in 0..input.int_in_range(1..=8u8)? {
                    if value.is_empty() {
                        break;
                    }
                    let at = input.choose_index(value.len().min(4096))?;
                    value[at] ^= 1 << input.int_in_range(0..=7u8)?;
                }
            }
        }
        Ok(value)
    }

    pub(super) fn property(
        &self,
        input: &mut Unstructured<'_>,
    ) -> Result<(Vec<&'static str>, Option<Vec<u8>>)> {
        let claims = json!({ "iss": ISSUER, "sub": "alice", "exp": NOW + 600, "nul": null });
        let fields = json!({ "payload": claims });
        let payload = structs::object(fields.as_object().unwrap());
        let metadata = structs::entry("envoy.filters.http.jwt_authn", &payload);
        let known: [(&[&'static str], Vec<u8>); 8] = [
            (&["source", "address"], b"203.0.113.9:1".to_vec()),
            (&["source", "address"], b"[2001:db8::1]:1".to_vec()),
            (&["metadata"], metadata),
            (
                &["connection", "uri_san_peer_certificate"],
                b"spiffe://test/ns/x".to_vec(),
            ),
            (
                &["connection", "sha256_peer_certificate_digest"],
                b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_vec(),
            ),
            (
                &[
                    "xds",
                    "route_metadata",
                    "filter_metadata",
                    "stepgate",
                    "tier",
                ],
                b"meta".to_vec(),
            ),
            (&["response", "code_details"], b"oauth_redirect".to_vec()),
            (&["filter_state", "ja4"], b"t13".to_vec()),
        ];
        let (elements, good) = input.choose(&known)?.clone();
        let value = match input.int_in_range(0..=4u8)? {
            0 => None,
            1 => Some(input.choose(&NASTY)?.to_vec()),
            2 => Some(some(input, 60)?.to_vec()),
            _ => Some(good),
        };
        Ok((elements.to_vec(), value))
    }
}

/// Some of the bytes that are left, as they are.
fn some<'a>(input: &mut Unstructured<'a>, most: usize) -> Result<&'a [u8]> {
    let length = input.int_in_range(0..=most)?.min(input.len());
    input.bytes(length)
}

fn credential(input: &mut Unstructured<'_>, now: u64) -> Result<(Vec<u8>, Vec<u8>)> {
    let subject = *input.choose(&["alice", "alice", "bob", "carol", "service", ""])?;
    let at = now.saturating_sub(u64::from(input.arbitrary::<u8>()?) * 8);
    let claims = tokens::claims(ISSUER, subject, at);
    let token = Token::new(claims);
    let token = match input.int_in_range(0..=11u8)? {
        0 => tokens::corrupted(&token.sign(&KEY)),
        1 => tokens::stripped(&token.sign(&KEY)),
        2 => token.unsigned(),
        3 => token.critical(&KEY),
        4 => tokens::tampered(&token.sign(&KEY), "sub", "mallory"),
        5 => token
            .claim("sub", String::from_utf8_lossy(some(input, 40)?).as_ref())
            .claim("sid", "a\r\nb")
            .sign(&KEY),
        6 => token.claim("exp", 5).sign(&KEY),
        7 => token.claim("cnf", json!({ "x5t#S256": "AAAA" })).sign(&KEY),
        8 => token
            .claim("amr", json!(["otp"]))
            .claim("acr", Value::Null)
            .sign(&KEY),
        _ => token.claim("sid", "s1").sign(&KEY),
    };
    Ok(match input.int_in_range(0..=5u8)? {
        0 => (b"cookie".to_vec(), format!("session={token}").into_bytes()),
        1 => (
            b"authorization".to_vec(),
            format!("DPoP {token}").into_bytes(),
        ),
        2 => (b"authorization".to_vec(), b"Basic YWxpY2U6eA==".to_vec()),
        _ => (
            b"authorization".to_vec(),
            format!("Bearer {token}").into_bytes(),
        ),
    })
}

/// A request nothing is wrong with.
pub(super) fn honest() -> Pairs {
    [
        (":method", &b"GET"[..]),
        (":path", b"/accounts"),
        (":authority", b"app.test"),
        ("user-agent", BROWSER),
    ]
    .map(|(name, value)| (name.into(), value.to_vec()))
    .into()
}
