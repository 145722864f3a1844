//! Who takes part: the Envoy with the filter, another as the API, and the place keys and feeds come from.
//! May use the test kit.
//! Must not send a request of the load.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, until};
use stepgate_testkit::http::{Canned, Request, Upstream};
use stepgate_testkit::tokens::{Key, Token, base64url, claims, jwks, now};

pub(crate) const ISSUER: &str = "https://idp.example/";
pub(crate) const FETCHED: &str = "https://fetched.example/";
/// What the API adds to its answers: an error without it is the proxy's own.
pub(crate) const MARK: &str = "x-api";
const SECRET: &[u8] = b"a secret that only the soak test knows";
const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters";

/// All that runs. Dropping it ends all of it.
pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    pub(crate) address: SocketAddr,
    /// The key of [`ISSUER`], whose tokens are made as they are needed.
    pub(crate) shared: Key,
    /// The key of [`FETCHED`], which is behind a cluster.
    pub(crate) fetched: Key,
    /// Revoked by the feed, all the time.
    pub(crate) revoked: String,
    _api: Envoy,
    publisher: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

/// The module `make wasm` builds.
pub(crate) fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stepgate.wasm")
}

impl Stage {
    pub(crate) fn start() -> Result<Self, String> {
        let shared = Key::hmac("soak", SECRET);
        let fetched = Key::p256("soak");
        let revoked = Token::new(claims(ISSUER, "revoked", now()))
            .claim("exp", now() + 100_000)
            .claim("jti", "revoked")
            .sign(&shared);
        let sources = Upstream::start().map_err(|error| error.to_string())?;
        sources.jwks(&jwks(&[&fetched]));
        sources.serve("/feed", feed(0));
        let api = Setup::new(&api().to_string()).start()?;
        let bootstrap = gateway(api.address().port(), sources.port());
        // Audit lines would fill the disk, and are not what is measured.
        let envoy = Setup::new(&bootstrap.to_string())
            .concurrency(2)
            .wasm_log("error")
            .start()?;
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        // A feed that says something new every second, and a source that remembers nothing.
        let publisher = std::thread::spawn(move || {
            for version in 1.. {
                std::thread::park_timeout(Duration::from_secs(1));
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                sources.serve("/feed", feed(version));
                sources.forget();
            }
        });
        let stage = Self {
            address: envoy.address(),
            envoy,
            shared,
            fetched,
            revoked,
            _api: api,
            publisher: Some(publisher),
            over,
        };
        stage.settle();
        Ok(stage)
    }

    /// Waits until keys and feed are known to both workers: connections of their own reach both.
    fn settle(&self) {
        let known = Token::new(claims(FETCHED, "early", now())).sign(&self.fetched);
        let status = |token: &str| {
            let answer = Request::get("/").bearer(token).send(self.address);
            answer.map(|answer| answer.status).unwrap_or_default()
        };
        until("keys and feed", || {
            (0..16)
                .all(|_| status(&known) == 200 && status(&self.revoked) == 401)
                .then_some(())
        });
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("wasmcustom.{name}"))
    }

    /// Requests the filter has decided.
    pub(crate) fn seen(&self) -> u64 {
        let stats = self.envoy.stats();
        let decided = stats
            .iter()
            .filter(|(name, _)| name.starts_with("wasmcustom.stepgate_requests_total"));
        decided
            .filter_map(|(_, value)| value.parse::<u64>().ok())
            .sum()
    }

    /// VMs made, and reloads tried: neither changes while all VMs live.
    pub(crate) fn vms(&self) -> [u64; 4] {
        self.envoy.vms()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(publisher) = self.publisher.take() {
            publisher.thread().unpark();
            let _ended = publisher.join();
        }
    }
}

fn feed(version: u32) -> Canned {
    let others = (0..50).map(|n| json!({ "iss": ISSUER, "jti": format!("gone-{version}-{n}") }));
    let tokens: Vec<Value> = others
        .chain([json!({ "iss": ISSUER, "jti": "revoked" })])
        .collect();
    Canned::json(&json!({ "version": 1, "tokens": tokens }))
}

fn policy() -> Value {
    let jwks = json!({ "cluster": "sources", "authority": "sources.test", "refresh_seconds": 10, "timeout_seconds": 5 });
    json!({
        "mode": "enforce",
        "hash_key": "a secret of the soak test",
        "credentials": { "issuers": [
            { "issuer": ISSUER, "algorithms": ["HS256"], "secret": base64url(SECRET) },
            { "issuer": FETCHED, "algorithms": ["ES256"], "jwks": jwks },
        ] },
        "signals": { "preset": "envoy-geoip" },
        "challenge": { "acr_values": ["mfa"], "max_age": 600 },
        "login": { "failures": 3 },
        "tiers": [{ "name": "login", "paths": ["/login"], "class": "login" }],
        "feeds": [{ "name": "soc", "cluster": "sources", "authority": "sources.test", "path": "/feed",
            "refresh_seconds": 1, "timeout_seconds": 5 }],
    })
}

fn gateway(api: u16, sources: u16) -> Value {
    let filter = json!({
        "name": "stepgate",
        "typed_config": {
            "@type": format!("{FILTERS}.http.wasm.v3.Wasm"),
            "config": {
                "name": "stepgate",
                "root_id": "stepgate",
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "stepgate",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module() } },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": policy().to_string(),
                },
            },
        },
    });
    let routes = json!([{ "match": { "prefix": "/" }, "route": { "cluster": "api" } }]);
    bootstrap(
        vec![filter],
        routes,
        json!([cluster("api", api), cluster("sources", sources)]),
    )
}

fn api() -> Value {
    let answer = |prefix: &str, status: u16| {
        json!({
            "match": { "prefix": prefix },
            "direct_response": { "status": status, "body": { "inline_string": "{}" } },
            "response_headers_to_add": [{ "header": { "key": MARK, "value": "1" } }],
        })
    };
    let routes = json!([
        answer("/broken", 500),
        answer("/login", 401),
        answer("/", 200)
    ]);
    bootstrap(vec![], routes, json!([]))
}

fn cluster(name: &str, port: u16) -> Value {
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

fn bootstrap(mut filters: Vec<Value>, routes: Value, clusters: Value) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": format!("{FILTERS}.http.router.v3.Router") },
    }));
    json!({ "static_resources": { "clusters": clusters, "listeners": [{
        "name": "main",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        // Two clients would do for one worker alone if the kernel had its way.
        "connection_balance_config": { "exact_balance": {} },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": format!("{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"),
                "stat_prefix": "main",
                "use_remote_address": false,
                "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
                "http_filters": filters,
            },
        }] }],
    }] } })
}
