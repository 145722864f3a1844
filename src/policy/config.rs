//! The policy as an operator writes it: every key, its meaning and its default.
//! May use: serde.
//! Must not: check more than types and names; `compile` does.

use serde::{Deserialize, Serialize};

#[macro_use]
mod section;
mod shown;

mod class;
mod exceptions;
mod external;
mod feeds;
mod login;
mod pins;
mod step_up;

pub use step_up::{ChallengeConfig, ClaimConfig, IncapableConfig, ReceiptConfig, StepUpPageConfig};

pub use class::ClassName;
pub use exceptions::{
    AllowConfig, CampaignConfig, DenyAction, DenyConfig, ExceptionsConfig, LegConfig, TravelConfig,
};
pub use external::{FenceAction, FenceConfig, IssuedFromConfig, NetworkListConfig, RiskConfig};
pub use feeds::FeedConfig;
pub use login::{LoginConfig, UnreadableLogin};
pub use pins::PinConfig;
pub use shown::{AddressDetail, PathDetail};

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing is blocked; headers, metrics and audit say what enforcing would have done.
    #[default]
    Shadow,
    /// Challenges and denials reach the client.
    Enforce,
    /// The filter does nothing here but remove spoofed decision headers.
    Off,
}

section! {
    /// A Stepgate policy. `{}` is valid: it watches in shadow mode and never blocks.
    PolicyConfig {
        /// `shadow`, `enforce` or `off`.
        mode: Mode,
        /// In `enforce` mode: of a thousand identities so many are enforced for, the rest is in shadow. Which they are depends on the
        /// hash key only, so that every replica has the same; requests without an identity count by their address. 0 to 1000.
        canary_permille: Option<u16>,
        /// Secret from which all hashes in the baseline are made; at least 16 characters, the same for the filter and for
        /// `stepgate train`. The environment variable `STEPGATE_KEY` of the VM goes first. Without either a public constant is
        /// used and a warning is logged.
        hash_key: Option<String>,
        /// The `hash_key` before this one: device receipts made with it are still accepted, and renewed with the new one. The
        /// environment variable `STEPGATE_PREVIOUS_KEY` of the VM goes first. The baseline starts anew with a new key.
        previous_hash_key: Option<String>,
        /// Who asks.
        credentials: Credentials,
        /// Where network and client signals are read.
        signals: SignalSources,
        /// What is remembered.
        baseline: BaselineConfig,
        /// Whose requests are followed, beyond their logins.
        behaviour: BehaviourConfig,
        /// How evidence becomes a decision.
        score: ScoreConfig,
        /// What a challenge asks for.
        challenge: ChallengeConfig,
        /// Refuse a session that was denied on its score until a newer `auth_time`, whatever it does next; without `sid` the token.
        containment: bool = true,
        /// Lists of networks that are known to be bad.
        networks: Vec<NetworkListConfig>,
        /// Documents fetched while the filter runs: revocations, lists of networks, orders for single identities, a kill switch.
        feeds: Vec<FeedConfig>,
        /// Countries requests may come from.
        fence: Option<FenceConfig>,
        /// Allowlists and denylists, journeys and campaigns.
        exceptions: ExceptionsConfig,
        /// Where and with what named identities may be used, and nowhere else.
        pins: Vec<PinConfig>,
        /// Login, recovery and token endpoints.
        login: LoginConfig,
        /// Groups of routes that are treated differently; the first that matches holds.
        tiers: Vec<TierConfig>,
        /// What is written to the log.
        audit: AuditConfig,
        /// Signs the decision headers for an upstream that does not trust its network.
        signature: Option<SignatureConfig>,
    }
}

section! {
    /// Where credentials are found and how they are believed.
    Credentials {
        /// Where a token may be; the first place that has one holds, and tokens of other identities in other places are refused, as is
        /// a JWT in one of these headers under a scheme that none of them has. Name every place in which the API takes one.
        tokens: Vec<TokenSource> = vec![
            TokenSource::default(),
            TokenSource { scheme: "DPoP".into(), ..TokenSource::default() },
        ],
        /// Issuers whose tokens are verified here.
        issuers: Vec<IssuerConfig>,
        /// Names under which Envoy's `jwt_authn` filter leaves verified claims (`payload_in_metadata`); Istio uses `payload`.
        /// Such claims are believed without verifying again, and go before a token. Absent: `payload` where no issuer is named
        /// here, else none, since looking for them costs every request a call of the host.
        jwt_authn: Option<Vec<String>>,
        /// API keys, by digest.
        api_keys: ApiKeysConfig,
        /// Take the URI SAN of a verified client certificate as identity where there is no token.
        mtls: bool = true,
        /// Claim that names the peer group of an identity; without one the client id does.
        group_claim: Option<String>,
        /// Identities that are machines although their token does not say so: `sub` or client ids, `*` at the end matches any rest.
        services: Vec<String>,
        /// Claims that say from where a token was asked for.
        issued_from: IssuedFromConfig,
        /// Age in seconds from which a token is suspicious, however long it holds; absent: none.
        max_token_age: Option<u32>,
        /// Scheme and authority under which clients reach the routes, such as `https://api.example.com`, for DPoP proofs (RFC 9449).
        /// Absent: as the request says, which is wrong where a proxy in front changes them.
        origin: Option<String>,
    }
}

section! {
    /// One place a token may be in: a header (with the scheme before it), or a cookie.
    TokenSource {
        /// Header name, lower case. Default `authorization`.
        header: Option<String> = Some("authorization".into()),
        /// Scheme that stands before the token, such as `Bearer`; empty for a bare token. Tokens bound to a DPoP key are taken under
        /// `DPoP` only, and no others there (RFC 9449 section 7).
        scheme: String = "Bearer".into(),
        /// Cookie name, instead of a header.
        cookie: Option<String>,
    }
}

section! {
    /// An issuer whose tokens are verified here. Keys come from one of `keys`, `pem`, `secret` or `jwks`.
    IssuerConfig {
        /// The `iss` claim, exactly.
        issuer: String,
        /// Accepted `aud` values; empty accepts any.
        audiences: Vec<String>,
        /// Accepted algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, or HS256, HS384, HS512 with `secret`.
        algorithms: Vec<String> = vec!["RS256".into(), "ES256".into()],
        /// Accepted `typ` header values, such as `at+jwt` (RFC 9068); empty accepts any.
        types: Vec<String>,
        /// Clock skew tolerated, in seconds.
        leeway_seconds: u32 = 60,
        /// Longest token accepted, in bytes.
        max_bytes: u32 = 8192,
        /// Claims that must be present.
        required_claims: Vec<String>,
        /// A JWK set (RFC 7517), inline.
        keys: Option<serde_json::Value>,
        /// Public keys in PEM (`BEGIN PUBLIC KEY`).
        pem: Vec<String>,
        /// Shared secret for HS algorithms, base64url, at least 32 bytes.
        secret: Option<String>,
        /// A JWK set behind an Envoy cluster.
        jwks: Option<JwksConfig>,
    }
}

section! {
    /// A JWK set fetched by the filter. The last good set is kept while the source is down.
    JwksConfig {
        /// Envoy cluster that reaches the issuer.
        cluster: String,
        /// `:authority` of the request.
        authority: String,
        /// Path of the set.
        path: String = "/.well-known/jwks.json".into(),
        /// Seconds between fetches.
        refresh_seconds: u32 = 300,
        /// Seconds after which a fetch has failed.
        timeout_seconds: u32 = 5,
    }
}

section! {
    /// API keys are identities too: the policy holds their SHA-256, never the key.
    ApiKeysConfig {
        /// Header that carries a key.
        header: Option<String>,
        /// Query parameter that carries a key.
        query: Option<String>,
        /// Known keys.
        keys: Vec<ApiKeyConfig>,
    }
}

section! {
    /// One API key.
    ApiKeyConfig {
        /// SHA-256 of the key, 64 hex digits (`printf %s "$KEY" | sha256sum`).
        sha256: String,
        /// Peer group the key belongs to.
        group: String,
    }
}

/// A known set of headers written by a proxy or CDN in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Envoy's geoip filter with header names `x-geo-country`, `x-geo-city`, `x-geo-asn`, `x-geo-anon-*`.
    EnvoyGeoip,
    /// Cloudflare: `cf-ipcountry`, `cf-ipcity`, `cf-iplatitude`, `cf-iplongitude`, `cf-ja3-hash`, `cf-ja4`.
    Cloudflare,
    /// Amazon CloudFront: `cloudfront-viewer-country`, `-city`, `-latitude`, `-longitude`, `-asn`, `-ja3-fingerprint`, `-ja4-fingerprint`.
    Cloudfront,
    /// Google Cloud load balancing, with custom headers `x-client-region`, `x-client-city`, `x-client-city-lat-long`, `x-tls-ja4`.
    GoogleLb,
    /// Fastly: `fastly-geo-country`, `fastly-geo-city`, `fastly-geo-lat`, `fastly-geo-lon`, `fastly-geo-asn`, `fastly-ja4`.
    Fastly,
}

section! {
    /// Headers that carry what is known of the client. **Nothing is read unless it is named here or by the preset**, since a
    /// client could send it as well: whatever writes these headers must also remove what the client sent.
    SignalSources {
        /// Header names of a known proxy; single names below go first.
        preset: Option<Preset>,
        /// Country, ISO 3166-1 alpha-2.
        country: Option<String>,
        /// City.
        city: Option<String>,
        /// Autonomous system number, with or without `AS` before it.
        asn: Option<String>,
        /// Latitude in degrees.
        latitude: Option<String>,
        /// Longitude in degrees.
        longitude: Option<String>,
        /// Latitude and longitude in one header, separated by a comma.
        coordinates: Option<String>,
        /// Headers that are `true` for anonymisers.
        anonymisers: AnonymiserSources,
        /// JA3 or JA4 fingerprint.
        tls_fingerprint: Option<String>,
        /// Filter state that holds the fingerprint, instead of a header.
        tls_fingerprint_filter_state: Option<String>,
        /// Cookie that names the device.
        device_cookie: Option<String>,
        /// A risk score from elsewhere.
        risk: Option<RiskConfig>,
    }
}

section! {
    /// Headers that are `true` or `1` when the address belongs to an anonymiser.
    AnonymiserSources {
        /// Tor exit.
        tor: Option<String>,
        /// VPN.
        vpn: Option<String>,
        /// Proxy.
        proxy: Option<String>,
        /// Hosting provider.
        hosting: Option<String>,
        /// A relay of the client's vendor, which is no evidence.
        relay: Option<String>,
        /// Any anonymiser.
        any: Option<String>,
    }
}

section! {
    /// What is remembered and how much memory it may take.
    BaselineConfig {
        /// Shared data for all pages, in MiB, 1 to 4096; holds for the life of the process.
        memory_mib: u32 = 64,
        /// A snapshot made by `stepgate train`, base64.
        snapshot: Option<String>,
    }
}

/// Whose requests are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Watch {
    /// Machines; people on routes of tiers with a class; event lines that name a command.
    #[default]
    Machines,
    /// Everybody.
    All,
    /// Nobody.
    Off,
}

section! {
    /// Whose requests are followed, beyond their logins: the mix of routes, and amounts. It costs one more page read per
    /// request, and a write per hundred.
    BehaviourConfig {
        /// `machines`, `all` or `off`.
        watch: Watch,
    }
}

section! {
    /// How evidence becomes a decision.
    ScoreConfig {
        /// Probability that a request is not the owner's before any evidence.
        prior: f64 = 0.01,
        /// Probability from which a step-up is asked for.
        step_up: f64 = 0.5,
        /// Probability from which a request is denied.
        deny: f64 = 0.97,
        /// Probability from which an allowed request is marked: reason `notify`, counted and written to the audit log, while
        /// nobody feels it. Absent: none. Not above `step_up`.
        notify: Option<f64>,
        /// Weights of single reasons, in place of the defaults of the reason table; 0 switches a reason off.
        weights: std::collections::BTreeMap<String, f64>,
    }
}

section! {
    /// A group of routes that is treated differently.
    TierConfig {
        /// Name, for metrics and audit.
        name: String,
        /// Hosts, or `*.example.com`, whatever their case and with or without a dot at the end; empty: any.
        hosts: Vec<String>,
        /// Path templates: `*` or `{name}` matches a segment, `**` the rest; empty: any. Case and escapes make no difference,
        /// and of the tiers a path could be in for different servers (`/a/..;/b`, `/a/..%2fb`) the strictest holds. With `mode: off`
        /// a path must be sent as it is written here: any other spelling is in another tier.
        paths: Vec<String>,
        /// Methods; empty: any.
        methods: Vec<String>,
        /// The tier holds where the metadata of the route names it (`stepgate`, key `tier`), instead of by hosts, paths and methods.
        route_metadata: bool,
        /// Overrides `mode`.
        mode: Option<Mode>,
        /// Overrides `canary_permille`.
        canary_permille: Option<u16>,
        /// Overrides `score.step_up`.
        step_up: Option<f64>,
        /// Overrides `score.deny`.
        deny: Option<f64>,
        /// Overrides `score.notify`.
        notify: Option<f64>,
        /// Overrides `challenge.page`.
        page: Option<StepUpPageConfig>,
        /// Whether whoever uses these routes can be challenged; if not, a challenge becomes a restriction, as for
        /// `challenge.incapable`.
        step_up_capable: bool = true,
        /// Overrides `challenge.acr_values`.
        acr_values: Option<Vec<String>>,
        /// Overrides `challenge.max_age`.
        max_age: Option<u32>,
        /// Refuse requests without an identity with 401.
        require_identity: bool,
        /// Overrides `fence`.
        fence: Option<FenceConfig>,
        /// Overrides `login`, as a whole; only with class `login` or `recovery`.
        login: Option<LoginConfig>,
        /// What the routes are for: `ordinary`, `login`, `recovery`, `privileged`, `sensitive`, `email-change`,
        /// `password-change`, `mfa-change` or `bulk`.
        class: ClassName,
    }
}

section! {
    /// What is written to the log.
    AuditConfig {
        /// Write a line for decisions that are not a repeated allow.
        enabled: bool = true,
        /// How much of an address a line shows: `prefix`, `full` or `none`.
        address: AddressDetail,
        /// How much of a path a line shows: `full`, `route` (where links with tokens or names in them are served) or `none`.
        path: PathDetail,
        /// Show `user.id` in clear instead of its hash.
        identity: bool,
        /// Of a thousand repeated allows so many have a line too, with `stepgate.sample_permille`. 0 to 1000.
        sample_permille: u16,
        /// At most one line per identity (per network where nobody is known), tier, decision and set of reasons in so many seconds, on
        /// each worker; when they are over a line with the same `event.id` says in `stepgate.suppressed` how many were held back.
        /// 0: every line is written. At most 86400.
        repeat_seconds: u32,
    }
}

section! {
    /// A MAC over the decision headers.
    SignatureConfig {
        /// Secret of at least 16 characters, shared with the upstream.
        secret: String,
        /// Name of the secret, so that it can be rotated: a structured-field token.
        kid: String = "k1".into(),
    }
}
