//! An Envoy with the module in front of an echoing upstream, put together as each test needs it.
//! May use the test kit.
//! Must not send or expect anything.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, binary};
use stepgate_testkit::http::{Request, Response, Upstream};

const TYPE: &str = "type.googleapis.com/envoy.extensions.filters";

/// The built module, if Envoy and it are there; else says what is missing.
pub(crate) fn module() -> Option<PathBuf> {
    binary()?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stepgate.wasm");
    let path = std::env::var_os("STEPGATE_WASM").map_or(built, PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    println!(
        "SKIPPED: no module at {}; `make wasm` builds it",
        path.display()
    );
    None
}

/// The filter with a policy, as an operator would configure it.
pub(crate) fn stepgate(root: &str, policy: &str) -> Value {
    let module = module().unwrap_or_default();
    json!({
        "name": "stepgate",
        "typed_config": {
            "@type": format!("{TYPE}.http.wasm.v3.Wasm"),
            "config": {
                "name": "stepgate",
                "root_id": root,
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "stepgate",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                },
                "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy },
            },
        },
    })
}

/// A listener with a chain of filters before the router.
pub(crate) fn listener(name: &str, filters: Vec<Value>) -> Value {
    let mut filters = filters;
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": format!("{TYPE}.http.router.v3.Router") },
    }));
    json!({
        "name": name,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": format!("{TYPE}.network.http_connection_manager.v3.HttpConnectionManager"),
                "stat_prefix": name,
                "use_remote_address": false,
                "http_protocol_options": { "accept_http_10": true, "default_host_for_http_10": "api.test" },
                "common_http_protocol_options": { "max_headers_count": 10_000 },
                "max_request_headers_kb": 4096,
                "upgrade_configs": [{ "upgrade_type": "websocket" }],
                "access_log": [{
                    "name": "envoy.access_loggers.stdout",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                        "log_format": { "text_format_source": { "inline_string":
                            "ACCESS %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %FILTER_STATE(wasm.stepgate.decision:PLAIN)% %FILTER_STATE(wasm.stepgate.id:PLAIN)%\n" } },
                    },
                }],
                "route_config": { "virtual_hosts": [{
                    "name": "all", "domains": ["*"],
                    "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "api" } }],
                }] },
                "http_filters": filters,
            },
        }] }],
    })
}

fn cluster(name: &str, port: u16) -> Value {
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

/// A bootstrap of these listeners and clusters.
pub(crate) fn bootstrap(listeners: &[Value], clusters: &[(&str, u16)]) -> Value {
    let clusters: Vec<_> = clusters
        .iter()
        .map(|(name, port)| cluster(name, *port))
        .collect();
    json!({
        "static_resources": { "listeners": listeners, "clusters": clusters },
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } },
    })
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
}

impl Gateway {
    /// One listener with this policy.
    pub(crate) fn start(policy: &Value) -> Option<Self> {
        module()?;
        Self::with(vec![stepgate("stepgate", &policy.to_string())], &[])
    }

    /// One listener with these filters, and more clusters beside the upstream `api`.
    pub(crate) fn with(filters: Vec<Value>, clusters: &[(&str, u16)]) -> Option<Self> {
        module()?;
        Some(Self::of(&[listener("main", filters)], clusters))
    }

    /// These listeners.
    pub(crate) fn of(listeners: &[Value], clusters: &[(&str, u16)]) -> Self {
        Self::on(2, listeners, clusters)
    }

    /// These listeners on so many workers. With one, whoever answers is the VM that saw all requests before.
    pub(crate) fn on(workers: u32, listeners: &[Value], clusters: &[(&str, u16)]) -> Self {
        let upstream = Upstream::start().unwrap();
        let clusters = [&[("api", upstream.port())], clusters].concat();
        let bootstrap = bootstrap(listeners, &clusters);
        let setup = Setup::new(&bootstrap.to_string()).concurrency(workers);
        let envoy = setup.start().unwrap_or_else(|error| panic!("{error}"));
        Self { envoy, upstream }
    }

    /// Sends on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Response {
        let answer = request.send(self.envoy.address());
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.envoy.logs()))
    }

    /// VMs made so far, and reloads tried: neither changes while all VMs live.
    pub(crate) fn vms(&self) -> [u64; 4] {
        self.envoy.vms()
    }
}
