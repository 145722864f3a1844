//! DPoP proofs: the examples of RFC 9449, signed ones of every algorithm, and everything that must not hold.
//! May use p256 to sign.
//! Must not: depend on a clock.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;

use super::*;

/// RFC 9449 §7.1, figure 12: the access token is in figure 12 too, the thumbprint in figure 9.
const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
/// RFC 9449 §4.1, figure 2: for the token endpoint, so without `ath`.
const TOKEN_ENDPOINT: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA";

const REQUEST: Expected<'static> = Expected {
    method: b"GET",
    origin: "https://resource.example.org",
    path: b"/protectedresource",
    access_token: b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
    now: 1_562_262_618,
};

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signing_key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn jwk(key: &SigningKey) -> String {
    let point = key.verifying_key().to_sec1_point(false);
    format!(
        r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#,
        encode(point.x().unwrap()),
        encode(point.y().unwrap())
    )
}

fn signed_with(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature: Signature = signing_key().sign(message.as_bytes());
    format!("{message}.{}", encode(signature.to_bytes()))
}

fn header(jwk: &str) -> String {
    format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#)
}

fn payload(jti: &str) -> String {
    format!(
        r#"{{"jti":"{jti}","htm":"GET","htu":"https://resource.example.org/protectedresource","iat":1562262618,"ath":"{}"}}"#,
        encode(Sha256::digest(REQUEST.access_token))
    )
}

fn proof(jti: &str) -> String {
    signed_with(&header(&jwk(&signing_key())), &payload(jti))
}

fn verify(proof: &str) -> Result<Proof, BadProof> {
    Proof::verify(proof.as_bytes(), &REQUEST)
}

#[test]
fn the_example_of_the_rfc_holds() {
    let proof = verify(PROOF).unwrap();
    assert_eq!(encode(proof.thumbprint), THUMBPRINT);
    // The same key signed the one for the token endpoint, which is no proof for a resource.
    let parts = Parts::split(TOKEN_ENDPOINT.as_bytes()).unwrap();
    let text = json(parts.header).unwrap();
    let members = Members::read(&text).unwrap();
    let (key, thumbprint) = public_key(members.get("jwk").unwrap()).unwrap();
    assert_eq!(encode(thumbprint), THUMBPRINT);
    assert!(signed(&key, Algorithm::ES256, &parts));
    assert_eq!(verify(TOKEN_ENDPOINT), Err(BadProof));
}

#[test]
fn a_proof_is_for_one_request_at_one_time() {
    for other in [
        Expected {
            method: b"POST",
            ..REQUEST
        },
        Expected {
            method: b"get",
            ..REQUEST
        },
        Expected {
            origin: "http://resource.example.org",
            ..REQUEST
        },
        Expected {
            origin: "https://resource.example.org:444",
            ..REQUEST
        },
        Expected {
            path: b"/protectedresource/x",
            ..REQUEST
        },
        Expected {
            access_token: b"another",
            ..REQUEST
        },
        Expected {
            now: REQUEST.now + 301,
            ..REQUEST
        },
        Expected {
            now: REQUEST.now - 301,
            ..REQUEST
        },
        Expected {
            now: i64::MIN,
            ..REQUEST
        },
        Expected {
            now: REQUEST.now - 61,
            ..REQUEST
        },
    ] {
        let outcome = Proof::verify(PROOF.as_bytes(), &other);
        assert_eq!(outcome, Err(BadProof), "{other:?}");
    }
    for same in [
        Expected {
            path: b"/protectedresource?q=1",
            ..REQUEST
        },
        Expected {
            origin: "https://RESOURCE.example.org:443",
            ..REQUEST
        },
        Expected {
            now: REQUEST.now + 300,
            ..REQUEST
        },
        Expected {
            now: REQUEST.now - 60,
            ..REQUEST
        },
    ] {
        assert!(Proof::verify(PROOF.as_bytes(), &same).is_ok(), "{same:?}");
    }
}

#[test]
fn what_is_no_proof_does_not_hold() {
    assert!(verify(&proof("a")).is_ok());
    let own = jwk(&signing_key());
    let other = jwk(&SigningKey::from_slice(&[8; 32]).unwrap());
    let more = |member: &str| own.replacen('{', &format!("{{{member},"), 1);
    for (header, why) in [
        (header(&other), "another key"),
        (header(&more(r#""d":"AAAA""#)), "a private key"),
        (header(&more(r#""k":"AAAA""#)), "a secret"),
        (header(&more(r#""use":"enc""#)), "a key for encryption"),
        (header(&more(r#""x":"AAAA""#)), "a member twice"),
        (header(&format!(r#"{{"keys":[{own}]}}"#)), "a set"),
        (header("{}"), "no key"),
        (r#"{"typ":"dpop+jwt","alg":"ES256"}"#.to_owned(), "no jwk"),
        (header(&own).replace("dpop+jwt", "JWT"), "another type"),
        (header(&own).replace("ES256", "HS256"), "a shared secret"),
        (header(&own).replace("ES256", "none"), "no signature"),
        (header(&own).replace("ES256", "ES384"), "another algorithm"),
        (
            header(&own).replacen('{', r#"{"crit":["x"],"#, 1),
            "an extension",
        ),
    ] {
        let signed = signed_with(&header, &payload("a"));
        assert_eq!(verify(&signed), Err(BadProof), "{why}");
    }
    let full = payload("a");
    for (payload, why) in [
        (full.replace(r#""jti":"a","#, ""), "no jti"),
        (full.replace(r#""jti":"a""#, r#""jti":"""#), "an empty jti"),
        (
            full.replace(r#""jti":"a""#, r#""jti":1"#),
            "a jti of another type",
        ),
        (full.replace("1562262618", "-1"), "an iat that is none"),
        (full.replacen('{', r#"{"htm":"GET","#, 1), "a member twice"),
        (full.replace("ath", "ash"), "no ath"),
    ] {
        let signed = signed_with(&header(&own), &payload);
        assert_eq!(verify(&signed), Err(BadProof), "{why}");
    }
    let long = proof(&"a".repeat(LONGEST_PROOF));
    assert_eq!(verify(&long), Err(BadProof));
}

#[test]
fn a_mark_is_of_the_key_and_the_id_and_not_of_the_bytes() {
    let key = [3; 16];
    let (first, second) = (verify(&proof("a")).unwrap(), verify(&proof("b")).unwrap());
    assert_eq!(first.mark(&key), verify(&proof("a")).unwrap().mark(&key));
    assert_ne!(first.mark(&key), second.mark(&key));
    assert_ne!(first.mark(&key).hash, first.mark(&[4; 16]).hash);
    assert_eq!(i64::from(first.mark(&key).until), REQUEST.now + WINDOW);
    assert_eq!(first.mark(&key).key, second.mark(&key).key);
    // The other spelling of the same signature: s and n - s.
    let text = proof("a");
    let (message, signature) = text.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (r, s) = signature.split_scalars();
    let turned = Signature::from_scalars(*r, -*s).unwrap();
    assert_ne!(turned, signature);
    let again = verify(&format!("{message}.{}", encode(turned.to_bytes()))).unwrap();
    assert_eq!(again.mark(&key), first.mark(&key));
}

#[test]
fn every_asymmetric_kind_of_key_has_a_thumbprint() {
    // RFC 7638 §3.1 and RFC 8037 appendix A.3.
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    for (jwk, expected) in [
        (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (okp, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ] {
        let (_, thumbprint) = public_key(jwk).unwrap();
        assert_eq!(encode(thumbprint), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_stop_it(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Proof::verify(&bytes, &REQUEST).is_err());
    }

    #[test]
    fn a_changed_proof_does_not_hold(at in 0..PROOF.len(), byte in any::<u8>()) {
        let mut changed = PROOF.as_bytes().to_vec();
        changed[at] = byte;
        if changed != PROOF.as_bytes() {
            prop_assert_eq!(Proof::verify(&changed, &REQUEST), Err(BadProof));
        }
    }

    #[test]
    fn no_json_stops_it(header in "\\{(\"(typ|alg|jwk|kid)\":(\"[a-zA-Z0-9+]{0,9}\"|\\{\\}|1|null),?){0,4}\\}", payload in "\\PC{0,80}") {
        prop_assert!(verify(&signed_with(&header, &payload)).is_err());
    }

    #[test]
    fn no_target_stops_it(htu in "\\PC{0,60}", path in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _any_answer = same_target(&htu, "https://h", &path);
    }
}
