//! What the Envoys that are compared run: the filters, and the listener around them that answers by itself.
//! May use the test kit's keys.
//! Must not know which of them is compared with which.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepgate_testkit::tokens::{Key, jwks};

pub(crate) const ISSUER: &str = "https://idp.example/";

/// The smallest module a host accepts: it looks at no header.
const NO_OP: &str = r#"(module
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 1024))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get 0))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;

/// What the Lua filter does with a request.
const LUA: &str = r#"function envoy_on_request(handle)
  local headers = handle:headers()
  local a, b = headers:get("authorization"), headers:get("user-agent")
  local c, d = headers:get("accept-language"), headers:get("cookie")
  headers:replace("x-a", tostring(#a))
  headers:replace("x-b", tostring(#b))
  headers:replace("x-c", tostring(#c))
  headers:replace("x-d", tostring(#d))
end"#;

/// The bytes of a module that does nothing.
pub(crate) fn no_op() -> Result<Vec<u8>, String> {
    wat::parse_str(NO_OP).map_err(|error| error.to_string())
}

/// The module `make wasm` builds.
pub(crate) fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stepgate.wasm")
}

/// A policy that verifies tokens of this key itself, and what else it says.
pub(crate) fn policy(mode: &str, key: &Key, more: &Value) -> Value {
    let mut policy = json!({
        "mode": mode,
        "credentials": { "issuers": [{
            "issuer": ISSUER, "algorithms": [key.alg().name()], "keys": jwks(&[key]),
        }] },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        policy[name] = value.clone();
    }
    policy
}

/// Our filter with a policy.
pub(crate) fn stepgate(policy: &Value) -> Value {
    wasm(&module(), &policy.to_string())
}

/// A wasm filter.
pub(crate) fn wasm(module: &Path, configuration: &str) -> Value {
    json!({
        "name": "wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "bench",
                "root_id": "bench",
                "vm_config": {
                    "vm_id": "bench",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            },
        },
    })
}

/// Envoy's own verification of tokens, with or without its cache.
pub(crate) fn jwt_authn(key: &Key, cached: bool) -> Value {
    let mut filter = json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "idp": {
                "issuer": ISSUER,
                "local_jwks": { "inline_string": jwks(&[key]).to_string() },
                "forward": true,
                "payload_in_metadata": "payload",
            } },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "idp" } }],
        },
    });
    if cached {
        filter["typed_config"]["providers"]["idp"]["jwt_cache_config"] =
            json!({ "jwt_cache_size": 1000 });
    }
    filter
}

/// A script that reads four headers and writes four.
pub(crate) fn lua() -> Value {
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": LUA },
        },
    })
}

/// Asks the cluster `authz` about every request.
pub(crate) fn ext_authz() -> Value {
    json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "http_service": {
                "server_uri": { "uri": "http://127.0.0.1", "cluster": "authz", "timeout": "5s" },
            },
        },
    })
}

fn cluster(port: u16) -> Value {
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    json!({
        "name": "authz",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "authz",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

/// An Envoy that answers by itself behind these filters, and the port of the cluster `authz`.
pub(crate) fn bootstrap(filters: &[Value], authz: Option<u16>) -> String {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let filters: Vec<&Value> = filters.iter().chain([&router]).collect();
    json!({
        "static_resources": { "clusters": authz.map(cluster).into_iter().collect::<Vec<_>>(), "listeners": [{
            "name": "main",
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "main",
                    "use_remote_address": true,
                    "xff_num_trusted_hops": 1,
                    "route_config": { "virtual_hosts": [{
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{
                            "match": { "prefix": "/" },
                            "direct_response": { "status": 200, "body": { "inline_string": "{}" } },
                        }],
                    }] },
                    "http_filters": filters,
                },
            }] }],
        }] },
    })
    .to_string()
}
