//! The `login` section: how login, recovery and token endpoints tell who tries and whether it worked.
//! May use: serde.
//! Must not: check more than types and names; `policy::login` does.

use serde::{Deserialize, Serialize};

/// What is done with a login whose body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UnreadableLogin {
    /// It passes, and only its network is counted: guessing at one name from many networks is not limited.
    Pass,
    /// It is refused with 403.
    #[default]
    Refuse,
}

section! {
    /// Login, recovery and token endpoints: the routes of tiers with class `login` or `recovery`. Requests that
    /// change nothing are attempts only where they name somebody, in Basic credentials, the query or a body; their success teaches
    /// no place without Basic credentials. Failures are counted by network and by the name that is tried; places where a name has logged in
    /// before are never refused for failures elsewhere.
    LoginConfig {
        /// Wait for bodies of up to 16 KiB before deciding, so that the upstream is told of the name in them. **Set it only
        /// together with `allow_on_headers_stop_iteration: true` of Envoy's Wasm filter.** Without it headers are decided first,
        /// and the name in a body can only cut the request off before its body reaches the upstream. A body that has not come after five
        /// seconds is answered with 408; in shadow mode the headers go on without a decision.
        hold_body: bool,
        /// Take the name from Basic credentials (RFC 7617).
        basic: bool = true,
        /// Members of a form, a JSON object or the query that hold the name: those the endpoint reads, and no others, since two
        /// names are no name. Of an object only its own members are read;
        /// in forms, nested names are written as sent: `user[email]`.
        fields: Vec<String> = ["username", "email", "login"].map(String::from).to_vec(),
        /// Look for `fields` in the query as well, as servlets (`getParameter`) and PHP (`$_REQUEST`) do. Where it differs from the body
        /// there are two names. `false` only where the endpoint does not read the query.
        query: bool = true,
        /// The endpoint is an OAuth token endpoint: `grant_type` decides whose credential is tried, that of the person
        /// (`password`) or of the client (`client_credentials`, with Basic credentials or `client_id`). Other grants name nobody.
        token_endpoint: bool,
        /// Names that differ only in upper and lower case are the same.
        fold_case: bool = true,
        /// Statuses of the upstream that mean success: a number, or a class such as `2xx`.
        success: Vec<String> = ["2xx", "3xx"].map(String::from).to_vec(),
        /// Statuses that mean the credential was wrong; these go first. All others say nothing.
        failure: Vec<String> = ["400", "401", "403", "422"].map(String::from).to_vec(),
        /// Beginnings of the `location` (path and query) of redirects that mean failure, such as `/login?error`.
        failure_locations: Vec<String>,
        /// Failures of one name within 15 minutes, from places that are not its own, after which it is refused there; 3 to 100.
        /// Each of its own places has a hundred in a row, counted apart, and then one every 15 minutes divided by this number.
        failures: u32 = 10,
        /// Names that fail from one network within half an hour to an hour, after which strange names are refused there; 5 to 500.
        /// Where more have logged in within a day, three times as many.
        names: u32 = 15,
        /// Status of the refusal: 429 with `retry-after`, or 403.
        status: u16 = 429,
        /// What is done where the name cannot be read (a body that is too long or damaged or of another type or character set than forms and JSON have, or two
        /// names): `refuse` or `pass`. A body that is read and names nobody, as passkeys send, passes.
        unreadable: UnreadableLogin,
    }
}
