//! The Envoys that are compared, and the requests each gets.
//! May use the test kit.
//! Must not measure.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir};
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::{Key, Token, claims, jwks, now};

/// What all is compared with.
pub(crate) const JWT_AUTHN: &str = "jwt_authn, RS256";
const NEW_TOKENS: &str = "stepgate, RS256, a new token each";
const ISSUER: &str = "https://idp.example/";
/// More tokens than the filter remembers, so that each is new when its turn comes again.
const TOKENS: usize = 8192;

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

/// A set-up under way.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    /// The set-up it adds to.
    pub(crate) over: usize,
    pub(crate) envoy: Envoy,
    requests: Vec<Vec<u8>>,
    sent: usize,
}

impl Running {
    /// The next `count` requests, in turn.
    pub(crate) fn next(&mut self, count: usize) -> Vec<Vec<u8>> {
        let turn = self
            .requests
            .iter()
            .cycle()
            .skip(self.sent % self.requests.len());
        self.sent += count;
        turn.take(count).cloned().collect()
    }

    /// Says if the set-up was not what its name says.
    pub(crate) fn doubt(&self) -> Option<String> {
        let verified = self.envoy.stat("wasmcustom.stepgate_tokens_verified_total") as usize;
        (self.name == NEW_TOKENS && verified * 100 < self.sent * 99).then(|| {
            format!(
                "of {} new tokens only {verified} were verified, the rest was known",
                self.sent
            )
        })
    }
}

/// The module `make wasm` builds.
pub(crate) fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stepgate.wasm")
}

/// Starts all of them.
pub(crate) fn start() -> Result<Vec<Running>, String> {
    let dir = TempDir::new();
    let no_op = wat::parse_str(NO_OP).map_err(|error| error.to_string())?;
    let no_op = dir.write("no-op.wasm", no_op);
    let key = Key::rsa("bench");
    let keys = jwks(&[&key]);
    let one = mint(&key, 1);
    let many = mint(&key, TOKENS);
    let native = jwt_authn(&keys);
    let verifying = json!({
        "mode": "enforce",
        "credentials": { "issuers": [{ "issuer": ISSUER, "algorithms": ["RS256"], "keys": keys }] },
    });
    let trusting = json!({ "mode": "enforce", "credentials": { "jwt_authn": ["payload"] } });
    let setups = [
        ("no filter", 0, vec![], &one),
        (
            "a wasm filter that does nothing",
            0,
            vec![wasm(&no_op, "")],
            &one,
        ),
        (JWT_AUTHN, 0, vec![native.clone()], &one),
        (
            "stepgate, RS256, a known token",
            0,
            vec![stepgate(&verifying)],
            &one,
        ),
        (NEW_TOKENS, 0, vec![stepgate(&verifying)], &many),
        (
            "stepgate on the claims of jwt_authn",
            2,
            vec![native, stepgate(&trusting)],
            &one,
        ),
    ];
    let mut running = Vec::with_capacity(setups.len());
    for (name, over, filters, requests) in setups {
        running.push(Running {
            name,
            over,
            envoy: Setup::new(&bootstrap(&filters)).wasm_log("error").start()?,
            requests: requests.clone(),
            sent: 0,
        });
    }
    Ok(running)
}

/// Requests of a browser, each with a token of its own, on two cores.
fn mint(key: &Key, count: usize) -> Vec<Vec<u8>> {
    let at = now();
    let request = |index: usize| {
        let token = Token::new(claims(ISSUER, "alice", at))
            .claim("exp", at + 3600)
            .claim("sid", "bench")
            .claim("jti", format!("bench-{index}"))
            .sign(key);
        Request::get("/api/orders?page=2")
            .header(
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
            )
            .header("accept", "application/json, text/plain, */*")
            .header("accept-language", "de,en-US;q=0.7,en;q=0.3")
            .header("accept-encoding", "gzip, deflate, br")
            .header("referer", "https://shop.example/orders")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-site", "same-origin")
            .header("cookie", "theme=dark; consent=1; session=b7f0c1f2a9d34e55")
            .header("x-forwarded-for", "198.51.100.23")
            .bearer(&token)
            .bytes()
    };
    std::thread::scope(|scope| {
        let half = count / 2;
        let first = scope.spawn(move || (0..half).map(request).collect::<Vec<_>>());
        let second: Vec<_> = (half..count).map(request).collect();
        let mut requests = first.join().unwrap_or_default();
        requests.extend(second);
        requests
    })
}

fn stepgate(policy: &Value) -> Value {
    wasm(&module(), &policy.to_string())
}

fn wasm(module: &Path, configuration: &str) -> Value {
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

fn jwt_authn(keys: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "idp": {
                "issuer": ISSUER,
                "local_jwks": { "inline_string": keys.to_string() },
                "forward": true,
                "payload_in_metadata": "payload",
            } },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "idp" } }],
        },
    })
}

fn bootstrap(filters: &[Value]) -> String {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let filters: Vec<&Value> = filters.iter().chain([&router]).collect();
    json!({
        "static_resources": { "listeners": [{
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
