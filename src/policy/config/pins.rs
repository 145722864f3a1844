//! Pins, as an operator writes them: where and with what an identity may be used.
//! May use: serde, the macro of the module above.
//! Must not: check more than types and names; `compile` does.

section! {
    /// Where and with what named identities may be used: a CI runner on its networks, a kubeconfig on its node, a serverless caller
    /// in its provider. It names identities as an exception does: where each of the given of `identities`, `groups` and `clients` has
    /// the request's value; at least one must be given, and only verified identities are named. Whoever is named must meet each of the
    /// given limits, and every pin that names it; a value that is not known meets none. Otherwise the request is refused with 403
    /// before any score, reason `pinned-context`, and the audit line names the pin. Pins are rules: no exception, no order of a feed
    /// and no stronger authentication opens them; in shadow mode they refuse nobody, as everything else. An entry of the denylist
    /// goes first.
    PinConfig {
        /// Name, for the audit line: 1 to 64 of a-z, 0-9 and -.
        name: String,
        /// Verified identities, as `user.id` of events has them: `iss|sub`, `api-key:…`, or the URI SAN of a certificate.
        identities: Vec<String>,
        /// Peer groups of verified identities.
        groups: Vec<String>,
        /// OAuth client ids of verified identities.
        clients: Vec<String>,
        /// Only from these address blocks, such as `198.51.100.0/24`.
        networks: Vec<String>,
        /// Only from these countries, ISO 3166-1 alpha-2; needs the country in `signals`.
        countries: Vec<String>,
        /// Only from these providers, by autonomous system number; needs the number in `signals`.
        asns: Vec<u32>,
        /// Only with one of these client certificates: SHA-256, 64 hex digits.
        certificates: Vec<String>,
        /// Only from one of these workloads: URI SANs of verified client certificates, such as SPIFFE ids, which outlive their
        /// certificates.
        workloads: Vec<String>,
        /// Only with user agents of these products: what stands before the first `/` or space, such as `terraform`, in any case.
        agents: Vec<String>,
    }
}
