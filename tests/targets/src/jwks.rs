//! Key sets as issuers publish them, and keys as operators write them.
//! May use the engine's key sets.
//! Must not believe a key: only what is done with one.

use stepgate::token::{Algorithm, Issuer, IssuerRules, Key, KeySet, Origin, algorithm};

const SECRETS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Keys of one set.
const MOST: usize = 64;

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    match mode % 4 {
        0 | 1 => set(data),
        2 => {
            if let Ok(text) = std::str::from_utf8(data)
                && let Ok(keys) = KeySet::from_pem(text, Some("k".to_owned()))
            {
                sound(&keys);
            }
        }
        _ => {
            if let Ok(keys) = KeySet::from_secret(data, None) {
                assert!(data.len() >= 32, "a short secret is none");
                sound(&keys);
            }
            let _known = std::str::from_utf8(data).ok().and_then(algorithm);
        }
    }
}

fn set(data: &[u8]) {
    let remote = KeySet::from_jwks(data, Origin::Remote);
    let inline = KeySet::from_jwks(data, Origin::Inline);
    if let Ok(inline) = &inline {
        // A secret that is published is none; all else that may stand in a policy may be fetched.
        let is_public = |key: &&Key| !SECRETS.iter().any(|algorithm| key.fits(*algorithm));
        let public = inline.keys().iter().filter(is_public).count();
        assert_eq!(
            remote.as_ref().map_or(0, |remote| remote.keys().len()),
            public
        );
    }
    for keys in [&remote, &inline].into_iter().flatten() {
        sound(keys);
    }
    if let Err(why) = remote {
        assert!(!why.is_empty() && !why.ends_with('.'), "{why}");
    }
}

fn sound(keys: &KeySet) {
    assert!(!keys.is_empty() && keys.keys().len() <= MOST);
    for key in keys.keys() {
        let fits: Vec<Algorithm> = ["RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256"]
            .into_iter()
            .filter_map(algorithm)
            .filter(|algorithm| key.fits(*algorithm))
            .collect();
        for algorithm in fits {
            let rules = IssuerRules {
                issuer: "i".to_owned(),
                algorithms: vec![algorithm],
                ..IssuerRules::default()
            };
            // It fits, so an issuer can use it; tokens that nobody signed do not verify.
            let issuer = Issuer::new(rules, keys.clone()).expect("a key that fits");
            let header = format!("{{\"alg\":\"{algorithm:?}\"}}");
            let token = unsigned(&header);
            assert!(stepgate::token::verify(token.as_bytes(), &[issuer], 1).is_err());
        }
    }
}

fn unsigned(header: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let encode = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let payload = encode(br#"{"iss":"i","sub":"s","exp":100}"#);
    format!(
        "{}.{payload}.{}",
        encode(header.as_bytes()),
        encode(&[1; 64])
    )
}
