//! Feeds, as an operator writes them: where a document is and how often it is asked for.
//! May use: serde, the macro of the module above.
//! Must not: check more than types and names; `compile` does.

section! {
    /// A document of revocations, lists and orders behind an Envoy cluster; `docs/feeds.md` has its format. What it said last
    /// holds while it cannot be had, and until it was had the filter goes on without it.
    FeedConfig {
        /// Name, for metrics and log: 1 to 64 of a-z, 0-9 and -; required.
        name: String,
        /// Envoy cluster that reaches it; required.
        cluster: String,
        /// `:authority` of the request; required.
        authority: String,
        /// Path of the document; required.
        path: String,
        /// Seconds between fetches, 1 to 86400. A change is in force on every worker a second after it was fetched.
        refresh_seconds: u32 = 30,
        /// Seconds after which a fetch has failed, 1 to 60.
        timeout_seconds: u32 = 5,
        /// Largest document that is read, in bytes, 1024 to 16777216.
        max_bytes: u32 = 1_048_576,
        /// Largest baseline snapshot that is read where the document names one, in bytes; 0: none is loaded.
        max_snapshot_bytes: u32 = 67_108_864,
        /// Environment variable of the VM that holds a bearer token for the requests.
        token_env: Option<String>,
    }
}
