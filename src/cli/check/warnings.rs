//! What a policy may say but an operator should know.
//! May use: the checked policy, the environment's key.
//! Must not: repeat what the policy's own check refuses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepgate::baseline::snapshot::{Snapshot, SnapshotError};
use stepgate::policy::config::{Credentials, TokenSource};
use stepgate::policy::{Mode, Policy, PolicyError};
use stepgate::signals::keyed::HashKey;

use crate::cli::key;

/// Adds what is worth saying. A snapshot that the filter would refuse is an error.
pub(super) fn of(
    policy: &Policy,
    has_key: bool,
    found: &mut Vec<PolicyError>,
) -> Result<(), PolicyError> {
    let mut warn = |path: &str, message: &str| {
        found.push(PolicyError {
            path: path.to_owned(),
            message: message.to_owned(),
        });
    };
    let secret = key::from_environment();
    let known_key = secret
        .as_deref()
        .map(HashKey::from_secret)
        .or(policy.hash_key);
    if !has_key && known_key.is_none() {
        warn(
            "hash_key",
            "is absent, and so is STEPGATE_KEY: hashes in the baseline are made with a public constant and can be guessed back",
        );
    }
    for warning in policy.step_up_warnings(has_key || known_key.is_some()) {
        warn(&warning.path, &warning.message);
    }
    for (index, issuer) in policy.config.credentials.issuers.iter().enumerate() {
        if issuer.audiences.is_empty() {
            warn(
                &format!("credentials.issuers[{index}].audiences"),
                "is empty: a token meant for any other service is accepted",
            );
        }
    }
    let now = now();
    for expired in policy.expired(now) {
        if let Some((path, message)) = expired.split_once(": ") {
            warn(path, message);
        }
    }
    let names = &policy.names;
    let fenced = policy.tiers.iter().chain([&policy.default_tier]);
    if names.country.is_none() && fenced.into_iter().any(|tier| tier.fence.is_some()) {
        warn(
            "fence",
            "sees no country: `signals` names no header for it, so every request counts as from nobody knows where",
        );
    }
    if names.country.is_none() && !policy.config.exceptions.travel.is_empty() {
        warn(
            "exceptions.travel",
            "sees no country: `signals` names no header for it, so no journey ever holds",
        );
    }
    let enforces = policy
        .tiers
        .iter()
        .chain([&policy.default_tier])
        .any(|tier| tier.mode == Mode::Enforce);
    if !enforces && policy.config.canary_permille.is_some() {
        warn(
            "canary_permille",
            "says for how many to enforce, and nothing is enforced",
        );
    }
    let credentials = &policy.config.credentials;
    if enforces && credentials.issuers.is_empty() && credentials.api_keys.keys.is_empty() {
        warn(
            "credentials.issuers",
            if policy.credentials.jwt_authn.is_empty() && !credentials.mtls {
                "is empty, and neither jwt_authn, API keys nor mtls bring an identity: nothing is ever challenged or denied"
            } else {
                "is empty: only identities that jwt_authn or a client certificate brings are challenged or denied"
            },
        );
    }
    let dpop = |tokens: &[TokenSource]| {
        tokens
            .iter()
            .any(|place| place.scheme.eq_ignore_ascii_case("dpop"))
    };
    if credentials.origin.is_none()
        && dpop(&credentials.tokens)
        && credentials.tokens != Credentials::default().tokens
    {
        warn(
            "credentials.origin",
            "is absent: proofs of possession are held against the host that a request names, which a client chooses",
        );
    }
    let signals = &policy.config.signals;
    if signals.preset.is_none() && signals.country.is_none() && signals.asn.is_none() {
        warn(
            "signals",
            "names neither a preset nor headers for country and asn: places are not compared, and impossible travel is never seen",
        );
    }
    for (index, pair) in policy.config.tiers.windows(2).enumerate() {
        let [tier, _next] = pair else { continue };
        if tier.hosts.is_empty()
            && tier.paths.is_empty()
            && tier.methods.is_empty()
            && !tier.route_metadata
        {
            warn(
                &format!("tiers[{index}]"),
                "holds for every route: the tiers after it never do",
            );
            break;
        }
    }
    match &policy.config.baseline.snapshot {
        Some(text) => snapshot(text, known_key, found),
        None => Ok(()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whether a list has expired is for whoever loads it to ask, and that is this command"
)]
fn now() -> u32 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
        })
}

fn snapshot(
    text: &str,
    key: Option<HashKey>,
    found: &mut Vec<PolicyError>,
) -> Result<(), PolicyError> {
    let at = |message: String| PolicyError {
        path: "baseline.snapshot".to_owned(),
        message,
    };
    let bytes = STANDARD
        .decode(text.trim_ascii())
        .map_err(|_| at("is not base64; `stepgate train --base64` writes it".to_owned()))?;
    match Snapshot::read(bytes, &key.unwrap_or(HashKey::PUBLIC)) {
        Ok(_) => Ok(()),
        // The filter may get its key where this command cannot see it.
        Err(SnapshotError::ForeignKey) if key.is_none() => {
            found.push(at(
                "was trained with a key that is not known here; give it in STEPGATE_KEY to check it".to_owned(),
            ));
            Ok(())
        }
        Err(error) => Err(at(error.to_string())),
    }
}
