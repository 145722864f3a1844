//! The one table of reasons: code, family, default weight and meaning. Code, documents and schema all read it from here.
//! May use: std.
//! Must not: compute evidence.

#[macro_use]
mod table;

use super::family::{Family, Nature};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The reason.
    pub reason: Reason,
    /// The word in headers, metrics and audit lines.
    pub code: &'static str,
    /// To which family it belongs.
    pub family: Family,
    /// What it can do.
    pub nature: Nature,
    /// Default weight in nats; for novelty the factor of the likelihood ratio. 0 for rules and notes, and for what is off
    /// unless the policy gives it a weight.
    pub weight: f64,
    /// What it means, in a sentence for an operator.
    #[cfg(feature = "cli")]
    pub meaning: &'static str,
    /// How it is computed, with its source.
    #[cfg(feature = "cli")]
    pub formula: &'static str,
}

reasons! {
    NewAddress "new-address" Network Novelty 1.0
        "an address this identity was not seen with, in a network it uses"
        "hierarchical Witten-Bell back-off over address, prefix, provider and country, less how often the provider changes addresses";
    NewNetwork "new-network" Network Novelty 1.0
        "a network (/24 or /48) this identity was not seen with, of a provider it uses"
        "as new-address";
    NewAsn "new-asn" Network Novelty 1.0
        "a provider (autonomous system) this identity was not seen with"
        "as new-address";
    NewCountry "new-country" Network Novelty 0.8
        "a country this identity was not seen in"
        "as new-address; 0.8, since owners travel far more often than they change providers at home";
    NewCity "new-city" Network Novelty 1.0
        "a city this identity was not seen in, in a network that is new to it"
        "ln((n + T) / T), n events with a city, T cities; at most 0.5, people only, and only where the network alone speaks against the owner";
    HostingSwitch "hosting-switch" Network Novelty 1.0
        "an identity always on networks of people comes from a hosting provider, or the reverse, and the network is new to it"
        "ln((n + T) / T) where the bit was never seen, n events that said which, T = 1; twice that for machines";
    RareNetwork "rare-network" Network Novelty 1.0
        "the first login of an identity comes from a provider hardly anybody here uses"
        "ln(1/2 + 1/2 / (K p)), K providers known, p the provider's share";
    Anonymiser "anonymiser" Network Suspicion 1.0
        "the address belongs to Tor, a VPN, a proxy or a hosting provider this identity does not usually use"
        "Tor 3, proxy 2, hosting 1.5, VPN 1; people only, none where it is habitual";
    NewClient "new-client" Client Novelty 1.0
        "a client this identity was not seen with, of a browser it uses"
        "hierarchical Witten-Bell back-off over user agent, browser, system and device class, less how often new networks and new clients go together here";
    NewDevice "new-device" Client Novelty 1.0
        "a browser, operating system or device class this identity was not seen with"
        "as new-client";
    ScriptClient "script-client" Client Suspicion 1.5
        "a script, a headless browser or no user agent where a person is expected"
        "1.5 for people whose own clients are not scripts";
    TlsMismatch "tls-mismatch" Client Suspicion 2.0
        "the TLS handshake is none the browser was ever seen with: something else claims to be that browser"
        "2 for people where JA3 or JA4 was never seen with the browser in at least 200 events that had one";
    NewLanguage "new-language" Client Novelty 0.0
        "a language (first of Accept-Language) this identity was not seen with"
        "Witten-Bell over the identity's languages, 0 to 0.7; people only; off: nothing it could be measured on, and a familiar client would count no more";
    UnusualHour "unusual-hour" Time Novelty 1.0
        "an hour at which this identity is rarely active"
        "ln((1/48 + p/2) / own), own habit over 24 hours of weekday and weekend, kernel of an hour, backing off to everybody's p";
    DormantReturn "dormant-return" Time Novelty 0.0
        "the first authentication after a long silence"
        "0.5 after 30 days, 1 after 90; off: most who return are owners; silence stretches the novelty of network and client up to twice instead";
    ImpossibleTravel "impossible-travel" Velocity Suspicion 4.6
        "farther from a last place than anybody travels in the time between"
        "great-circle distance less both uncertainties >= 500 km at >= 900 km/h within 24 h: 4.6 + min(1, ln(v / 900 km/h))";
    AtypicalTravel "atypical-travel" Velocity Novelty 0.8
        "within a day far from a last place, in a country this identity was not seen in, though a flight could do it"
        "0.8 where the distance less both uncertainties is >= 500 km within 24 h below 900 km/h and the country alone is worth more than 1 nat";
    NetworkBurst "network-burst" Velocity Suspicion 1.5
        "many other identities arrived within a day on this provider, which is new to this one"
        "1.5 ln((k + 1) / (e + 1)), k others within 12 to 24 h, e the daily mean";
    BruteForce "brute-force" Velocity Suspicion 1.0
        "too many failures from this network, or of this identity from here"
        "n >= 25 failures of the /24 or /48 in 15 min: ln(100 n / 25), until a day after the last (4 h where shared); 4, 8, 20 failures of the identity from here (half-life 10 min): 0.5, 1, 2";
    CredentialStuffing "credential-stuffing" Velocity Suspicion 1.0
        "too many failures from this network, with many names"
        "as brute-force, with >= 15 names in 30 to 60 min";
    PasswordSpray "password-spray" Velocity Suspicion 1.0
        "many names fail from here, each a few times, out of proportion to the successes"
        "k >= 5 names in 30 to 60 min, at most 8 failures each, failures >= 3 (1 + f / (1 - f) successes), f the usual share that fails: 2 + ln(k / 5)";
    DistributedAttack "distributed-attack" Velocity Suspicion 1.0
        "failures out of proportion spread over the networks of a provider or over one client, or over one identity"
        "the provider or the client string: brute-force or password-spray, in proportion; 1 on a new network where >= 5 networks and >= 10 failures tried this identity within the hour";
    SuccessAfterFailures "success-after-failures" Velocity Suspicion 1.0
        "a success after at least four failures of the same identity from the same network"
        "1.5 more than the failures alone";
    ManyIdentities "many-identities" Velocity Suspicion 1.0
        "one client at one address is used with many identities"
        "5 names in 30 to 60 min: 1, 20: 2.5; not where many identities share the network";
    AccountSharing "account-sharing" Velocity Suspicion 1.0
        "one person's identity is in use from many networks or with many devices at once"
        "networks in 30 to 60 min: 4: 0.4, 5: 0.8, 7: 1.5, 10: 2; more than 4 clients: 0.8";
    SessionMoved "session-moved" Network Novelty 1.0
        "a session used from a network that sessions are not handed over to"
        "ln p(provider) - ln(rate of moves * p(moves go there)), own moves backing off to everybody's";
    SessionClient "session-client" Client Suspicion 1.0
        "a session used with another client than before"
        "ln((sessions + 100) / (changes + 1)); a change of version alone is counted apart";
    SessionAlternation "session-alternation" Token Suspicion 1.0
        "a session used from two networks in turn within five minutes"
        "1 per return, at most 3";
    ListedNetwork "listed-network" Network Suspicion 2.5
        "the address is in a list of networks of the policy"
        "the highest score of the lists that hold it and have not expired; a score is scaled by weight / 2.5";
    CountryUnexpected "country-unexpected" Network Suspicion 2.0
        "the country is outside the fence of the tier, which counts as evidence"
        "2 where a fence with `action: evidence` is broken";
    CountryForbidden "country-forbidden" Network Rule 0.0
        "the country is outside the fence of the tier"
        "rule: 403";
    ExternalRisk "external-risk" Behaviour Suspicion 1.0
        "something else gave the request a high risk score"
        "(score - from) / (to - from) between 0 and 1, times the nats of `signals.risk`";
    NewOauthClient "new-oauth-client" Token Novelty 0.5
        "an OAuth client this identity was not seen with"
        "Witten-Bell over the identity's clients, at least 0; twice that for machines";
    NewGrant "new-grant" Token Novelty 1.0
        "the token was granted in a way this identity was not seen with, which shows the provider neither device nor place"
        "1 at the first sight of the device code (RFC 8628) or the password grant (RFC 6749 section 4.3), by the claim `gty` or `grant_type`";
    AmrDowngrade "amr-downgrade" Token Suspicion 1.5
        "an identity that uses more than a password logs in with less"
        "1.5 where over 80 % of at least 10 events had a second factor (RFC 8176) and this one has none";
    TokenLifetime "token-lifetime" Token Suspicion 1.5
        "the token lives much longer than its issuer's others"
        "1.5 where exp - iat (without exp: now - iat) is over twice the issuer's mean, in a class (power of two) under 1 % of its tokens reach; 50 events first";
    TokenAge "token-age" Token Suspicion 1.5
        "the token was issued longer ago than the policy expects"
        "1.5 where now - iat is over `credentials.max_token_age`";
    TokenShape "token-shape" Token Suspicion 1.5
        "the issuer never made a token with these header members and claims"
        "1.5 min(1, ln((n + T) / T) / ln 500), n tokens of T shapes seen; 500 events first";
    IssuedElsewhere "issued-elsewhere" Token Suspicion 1.0
        "the token is used from elsewhere than where it was issued"
        "country 1.5, provider 0.5, prefix alone 0.3, by the claims of `credentials.issued_from`";
    KeyBindingBroken "key-binding-broken" Token Rule 0.0
        "the token is bound to a key that whoever sends it does not show"
        "rule: 401 with error=invalid_token (RFC 8705 section 3, RFC 9449 section 7)";
    DpopProofMissing "dpop-proof-missing" Token Rule 0.0
        "the token is bound to a DPoP key and comes without a proof"
        "rule: 401 with error=invalid_dpop_proof (RFC 9449)";
    DpopProofInvalid "dpop-proof-invalid" Token Rule 0.0
        "the DPoP proof is not for this request, not of this time, or not signed by the key it shows"
        "rule: 401 with error=invalid_dpop_proof (RFC 9449 section 4.3)";
    DpopReplayed "dpop-replayed" Token Rule 0.0
        "the DPoP proof was used before"
        "rule: 401 with error=invalid_dpop_proof (RFC 9449 section 11.1); known to every worker of the proxy";
    Revoked "revoked" Token Rule 0.0
        "the credential, its session, its subject or its client was revoked after it was issued"
        "rule: 401 with error=invalid_token (RFC 6750)";
    UnusualBehaviour "unusual-behaviour" Behaviour Deviation 1.0
        "a valid session whose mix of routes or commands is not this identity's"
        "L + 4.6, L the log-odds of a two-state chain over windows of 100 requests: ln(b / (1 - b)) + 4.6 (mean ln p - ln q), q own by Witten-Bell over 128 routes, p everybody else's; speaks for the owner only where nothing else speaks against";
    NewRoute "new-route" Behaviour Novelty 2.0
        "a route this machine never used"
        "ln p - ln q of the route, twice; 2 in a window of requests with two such routes; machines with 100 requests learned";
    NewPrivilege "new-privilege" Behaviour Novelty 1.0
        "a privileged route, which this identity hardly ever uses"
        "ln p - ln((c + T p) / (n + T)), c of n windows with privileged requests, p everybody's share; at more than 1 nat a familiar network and client speak for nobody";
    PrivilegeBurst "privilege-burst" Behaviour Deviation 1.5
        "far more privileged requests in one window than this identity usually makes"
        "1.5 at 5 and more, z > 3 on ln(1 + n) after 10 windows with any";
    SensitiveBurst "sensitive-burst" Behaviour Deviation 1.0
        "many sensitive actions within ten minutes"
        "above 3: .8, above 5: 1.5, above 10: 2, in five to ten minutes";
    TakeoverChain "takeover-chain" Behaviour Deviation 3.0
        "e-mail address, password and second factor are changed within ten minutes"
        "3 where routes of classes `email-change`, `password-change` and `mfa-change` were all asked for in five to ten minutes";
    CriticalFromAnonymiser "critical-from-anonymiser" Behaviour Deviation 1.0
        "a privileged or sensitive action through an anonymiser this identity does not usually use"
        "1";
    CriticalFromListed "critical-from-listed" Behaviour Deviation 1.0
        "a privileged or sensitive action from a network that a list names"
        "1";
    Enumeration "enumeration" Behaviour Suspicion 1.0
        "many requests the service refused, or far more distinct objects than usual"
        "1.5: 10 and more refusals (401, 403, 404) that are over 30 % of five to ten minutes; 1: objects >= 20 and > 5 times the usual high";
    BulkEgress "bulk-egress" Behaviour Deviation 1.0
        "far more response bytes than usual, in one hour or adding up over many"
        "1: z > 4 on ln(1 + bytes) of the hour; S - 6.5 up to 6: CUSUM S of hourly z (slack .5, at most 16) > 8; after 20 hours, bytes as announced by content-length, acts on the next request";
    VolumeSpike "volume-spike" Behaviour Novelty 1.0
        "the third minute in a row with far more requests than usual"
        "1: z > 4 on ln(1 + n), >= 20 and >= 3 times the usual high; after 20 minutes; never denies";
    OffPurpose "off-purpose" Behaviour Deviation 2.0
        "a machine with a history in a new provider, country or client"
        "2 after 50 authentication events";
    HumanUse "human-use" Behaviour Deviation 2.0
        "a browser uses a machine's credential"
        "2 where the machine was not seen with that browser";
    RecoveryAbuse "recovery-abuse" Behaviour Deviation 2.0
        "a login from a new network or device within an hour of an account recovery"
        "2";
    Returning "returning-context" Behaviour Note 1.0
        "the context was seen before and is on probation"
        "1 off";
    YoungBaseline "young-baseline" Behaviour Note 0.0
        "fewer than 10 authentication events and less than 14 days are known: never denied on its score"
        "note";
    Unverified "unverified" Token Note 0.0
        "nobody verified the credential: no issuer is configured and the host passed no verified claims"
        "note";
    Anonymous "anonymous" Token Note 0.0
        "the request carries no credential"
        "note";
    IdentityRequired "identity-required" Token Rule 0.0
        "the tier requires an identity and the request carries none"
        "rule: 401";
    TokenGarbage "token-garbage" Token Rule 0.0
        "the token is not a JSON Web Token"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenOversized "token-oversized" Token Rule 0.0
        "the token is longer than allowed"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenEncrypted "token-encrypted" Token Rule 0.0
        "the token is encrypted, not signed"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenAlgNone "token-alg-none" Token Rule 0.0
        "the token says it needs no signature"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenAlgNotAllowed "token-alg-not-allowed" Token Rule 0.0
        "the issuer does not sign with this algorithm"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenAlgMismatch "token-alg-mismatch" Token Rule 0.0
        "the algorithm contradicts the type of the key"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenCriticalHeader "token-critical-header" Token Rule 0.0
        "the token demands an extension that is not understood"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenDuplicateMember "token-duplicate-member" Token Rule 0.0
        "the token says the same thing twice"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenUnknownIssuer "token-unknown-issuer" Token Rule 0.0
        "the issuer is not configured"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenNoKeys "token-no-keys" Token Rule 0.0
        "the issuer's keys are not known yet"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenUnknownKey "token-unknown-key" Token Rule 0.0
        "the issuer has no such key"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenBadSignature "token-bad-signature" Token Rule 0.0
        "the signature is not the issuer's"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenExpired "token-expired" Token Rule 0.0
        "the token has expired"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenNotYetValid "token-not-yet-valid" Token Rule 0.0
        "the token is not valid yet"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenIssuedInFuture "token-issued-in-future" Token Rule 0.0
        "the token was issued in the future"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenWrongAudience "token-wrong-audience" Token Rule 0.0
        "the token is meant for someone else"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenWrongType "token-wrong-type" Token Rule 0.0
        "the token is of another kind"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenMissingClaim "token-missing-claim" Token Rule 0.0
        "a required claim is absent"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenMalformedClaim "token-malformed-claim" Token Rule 0.0
        "a claim cannot be read"
        "rule: 401 with error=invalid_token (RFC 6750)";
    TokenUnlistedScheme "token-unlisted-scheme" Token Rule 0.0
        "a token stands in a header for tokens, but under no scheme of the policy"
        "rule: 401 with error=invalid_token (RFC 6750); where the policy names issuers";
    DuplicateCredential "duplicate-credential" Token Rule 0.0
        "two credentials stand where one may stand"
        "rule: 401 with error=invalid_token (RFC 6750)";
    UnknownApiKey "unknown-api-key" Token Rule 0.0
        "no known key has this digest"
        "rule: 401 with error=invalid_token (RFC 6750)";
    Unsolved "challenge-unsolved" Token Rule 0.0
        "three challenges of this session were not solved"
        "rule: 403 until a newer auth_time";
    SteppedUp "stepped-up" Token Note 0.0
        "a recent and sufficient authentication: novelty is discounted"
        "sufficient acr or amr and auth_time within max_age, or one that answered a challenge from here within 26 hours";
    ChallengeSolved "challenge-solved" Token Note 0.0
        "a challenge of this session or client was answered: the owner was asked, and confirmed it"
        "sufficient acr or amr, auth_time within max_age and at most an hour after the challenge; once per auth_time";
    NewerToken "newer-token" Token Note 0.0
        "a token issued after the challenge was accepted as its answer, which proves neither owner nor device"
        "`challenge.newer_token`; no auth_time, sufficient acr or amr, iat within max_age and at most an hour after the challenge";
    DeviceProven "device-proven" Client Note 1.0
        "the device solved a challenge of this identity before: its client is not new"
        "1 off, in place of the novelty of the client; a valid receipt, newer than the last recovery of the account";
    ReceiptRefused "receipt-refused" Client Note 0.0
        "the device receipt is of another identity, forged, older than 30 days or than the last recovery of the account: it proves nothing"
        "note";
    Notify "notify" Behaviour Note 0.0
        "the request is allowed, and its score is one that somebody wants to see"
        "P at or above `notify` of the tier or of `score`";
    SessionContained "session-contained" Token Rule 0.0
        "this session was denied before"
        "rule: 403 until a newer auth_time; without a session id the token (`containment`)";
    OrderedAllow "ordered-allow" Token Note 0.0
        "a feed orders that this identity passes"
        "note: goes before the score, never before a revocation, a key binding or a fence";
    OrderedStepUp "ordered-step-up" Token Rule 0.0
        "a feed orders that this identity steps up"
        "rule: as a challenge on every request without a recent and sufficient authentication";
    OrderedDeny "ordered-deny" Token Rule 0.0
        "a feed orders that this identity is refused"
        "rule: 403";
    Denylisted "denylisted" Token Rule 0.0
        "an entry of the denylist names who asks, or from where or with what"
        "rule: 403 (401 where a challenge is asked of who shows no credential)";
    DenylistChallenge "denylist-challenge" Token Rule 0.0
        "an entry of the denylist asks for a stronger authentication"
        "rule: step-up, or restrict for machines, unless stepped up";
    PinnedContext "pinned-context" Behaviour Rule 0.0
        "an identity is used from elsewhere or with something else than the policy pins it to"
        "rule: 403";
    Excepted "excepted" Behaviour Note 0.0
        "an exception of the policy took something off; the audit line names it"
        "note";
    TooManyFailures "too-many-failures" Velocity Rule 0.0
        "the name that is tried failed too often from places that are not its own, or too many names failed from this network"
        "rule: 429 or 403 until the failures of the last 15 minutes (of a name), or the names of the last hour (of a network), are fewer than `login` allows; places where the name has logged in before are exempt";
    OwnPlace "own-place" Network Note 0.0
        "the name that is tried has logged in from this network with this browser, or with this device, within 90 days"
        "failures elsewhere are not held against it";
    UnreadableLogin "unreadable-login" Behaviour Rule 0.0
        "the name that is tried cannot be read: the body is too long, compressed, damaged or in an unusual character set, or there are two names"
        "rule: 403, or passes where `login.unreadable` says so";
    UnreadablePath "unreadable-path" Behaviour Rule 0.0
        "the path is longer than 8 KiB, or longer than 2 KiB and such that servers read it differently: it may be in any tier"
        "rule: 403; where the policy has tiers";
    Unreadable "record-unreadable" Behaviour Note 0.0
        "the stored baseline could not be read: decided without it"
        "note";
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_structured_field_tokens_and_map_back() {
        for row in REASONS {
            assert_eq!(Reason::from_code(row.code), Some(row.reason));
            assert_eq!(row.reason.code(), row.code);
            assert!(row.code.starts_with(|c: char| c.is_ascii_lowercase()));
            assert!(
                row.code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-')
            );
            assert_eq!(REASONS.iter().filter(|r| r.code == row.code).count(), 1);
            assert!(!row.meaning.is_empty() && !row.meaning.ends_with('.'));
        }
    }

    #[test]
    fn every_rejection_of_a_token_has_a_row() {
        for (code, meaning) in crate::token::Rejection::all() {
            let reason = Reason::from_code(code).expect(code);
            assert_eq!(reason.row().meaning, meaning);
            assert_eq!(reason.nature(), Nature::Rule);
        }
    }
}
