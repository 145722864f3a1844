//! What the policy says of step-up: the challenge, the page for browsers, who cannot answer, the device receipt.
//! May use: serde.
//! Must not: check more than types and names; `page` and `step_up` of the policy do.

section! {
    /// What a challenge asks for and what solves it.
    ChallengeConfig {
        /// `acr_values` of the challenge (RFC 9470); any of them solves it. Empty: `amr` alone is asked for.
        acr_values: Vec<String>,
        /// `amr` values that solve a challenge (RFC 8176).
        amr: Vec<String> = ["mfa", "otp", "hwk", "swk", "fpt", "face", "sms"].map(String::from).to_vec(),
        /// How long a stronger authentication is good for, in seconds.
        max_age: u32 = 900,
        /// Page to which a client that cannot answer a challenge is sent for help.
        help: Option<String>,
        /// Page to which browsers are redirected instead of getting the 401, on all routes whose tier names none of its own.
        page: Option<StepUpPageConfig>,
        /// Clients that cannot be challenged.
        incapable: IncapableConfig,
        /// The receipt a device gets for a solved challenge.
        receipt: Option<ReceiptConfig>,
        /// Where the issuer sends no `auth_time`: accept a token issued (`iat`) after the challenge, with a sufficient `acr` or
        /// `amr`, as an answer. Whoever holds a stolen refresh token can get one: it proves no device, and what it shows for
        /// the first time stays on probation.
        newer_token: bool,
    }
}

section! {
    /// Where a browser is sent to authenticate again. Only a navigation is redirected (GET or HEAD with
    /// `Sec-Fetch-Mode: navigate`, or without that header one that accepts `text/html`); everything else gets the 401. The
    /// return address is made of the path and query that were asked for, on one of `origins`.
    StepUpPageConfig {
        /// An absolute `https` URL, or a path on the host that was asked for. A page behind this filter needs a tier that does
        /// not enforce, or nobody would ever reach it.
        url: String,
        /// Query parameter of the page that takes the return address.
        parameter: String = "return_to".into(),
        /// Origins a browser may be sent back to, such as `https://app.example.com`: the one whose host was asked for, else the
        /// first. Empty: `credentials.origin`.
        origins: Vec<String>,
        /// Path a browser is sent back to where the address that was asked for is not safe: another host than those of
        /// `origins`, `//`, a backslash or a control character in its path in any spelling, or more than 2048 bytes.
        default: String = "/".into(),
    }
}

section! {
    /// Clients that cannot authenticate again. What would be a challenge is a restriction for them: safe methods pass on
    /// ordinary routes, all else gets a 403 with the link of `help`.
    IncapableConfig {
        /// Client ids (`azp`, `client_id`); `*` at the end matches any rest.
        clients: Vec<String>,
        /// Claims that say so; one is enough.
        claims: Vec<ClaimConfig>,
    }
}

section! {
    /// A claim with a value.
    ClaimConfig {
        /// Name of the claim; dots go into objects where no claim has the whole name.
        name: String,
        /// Its value: a text, a number or a truth value as written; of a list, one of its members.
        value: String,
    }
}

section! {
    /// A cookie that proves, on every replica with the hash key, that the device solved a challenge of this identity: set after
    /// a solved challenge, good for 30 days, renewed daily while in use. It is off unless this section is there (`{}` is
    /// enough): it puts a cookie on responses of the upstream, which is for whoever runs the service to decide (caches,
    /// consent). Without STEPGATE_KEY or `hash_key` it stays off, with a warning: anybody could make a receipt with the public key.
    ReceiptConfig {
        /// Name of the cookie. It must begin with `__Host-`, so that no other host and no plain connection can set it.
        cookie: String = "__Host-stepgate-device".into(),
    }
}
