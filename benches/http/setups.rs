//! The Envoys that are compared, and the requests each gets.
//! May use the test kit.
//! Must not measure.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir};
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::{Key, Token, base64url, claims, jwks, now};

/// What all is compared with.
pub(crate) const JWT_AUTHN: &str = "jwt_authn, RS256";
pub(crate) const EXT_AUTHZ: &str = "ext_authz to another Envoy (its own time not counted)";
pub(crate) const KNOWN: &str = "stepgate, RS256, a known token";
pub(crate) const TWO_WORKERS: &str = "stepgate, RS256, a known token, two workers";
const BARE: &str = "no filter";
const BARE_TWO_WORKERS: &str = "no filter, two workers";
const NEW_TOKENS: &str = "stepgate, RS256, a new token each";
const ON_CLAIMS: &str = "stepgate on the claims of jwt_authn";
const SECRET: &[u8] = b"a secret that only the benchmark knows";
const IDENTITIES: usize = 100_000;
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
    /// The status every request gets.
    pub(crate) status: u16,
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

/// One row of the table: its filters are added in front of the router.
struct Plan<'a> {
    name: &'static str,
    /// The name of the row it adds to.
    over: &'static str,
    filters: Vec<Value>,
    requests: &'a Requests,
    status: u16,
    workers: u32,
}

type Requests = Vec<Vec<u8>>;

/// Starts those whose names hold one of the words (without words: all) and what they are compared with, and the service that
/// `ext_authz` asks.
pub(crate) fn start(words: &[String]) -> Result<(Vec<Running>, Envoy), String> {
    let dir = TempDir::new();
    let no_op = wat::parse_str(NO_OP).map_err(|error| error.to_string())?;
    let no_op = dir.write("no-op.wasm", no_op);
    let (rsa, p256) = (Key::rsa("bench"), Key::p256("bench"));
    let hmac = Key::hmac("bench", SECRET);
    let (one, many) = (mint(&rsa, 1, 1), mint(&rsa, TOKENS, 1));
    let many_p256 = mint(&p256, TOKENS, 1);
    let everybody = mint(&hmac, IDENTITIES, IDENTITIES);
    let native = jwt_authn(&jwks(&[&rsa]), false);
    let verifying = |mode: &str, key: &Key| policy(mode, key, json!({}));
    let denying = policy(
        "enforce",
        &rsa,
        json!({ "fence": { "allowed": ["NO"], "unknown": false } }),
    );
    let shared = json!({
        "mode": "enforce",
        "credentials": { "issuers": [{
            "issuer": ISSUER, "algorithms": ["HS256"], "secret": base64url(SECRET),
        }] },
    });
    let trusting = json!({ "mode": "enforce", "credentials": { "jwt_authn": ["payload"] } });
    let service = Setup::new(&bootstrap(&[], None)).start()?;
    let plan = |name, filters, requests| Plan {
        name,
        over: BARE,
        filters,
        requests,
        status: 200,
        workers: 1,
    };
    let plans = [
        plan(BARE, vec![], &one),
        plan(
            "a wasm filter that does nothing",
            vec![wasm(&no_op, "")],
            &one,
        ),
        plan(JWT_AUTHN, vec![native.clone()], &one),
        plan(
            "jwt_authn, RS256, cached",
            vec![jwt_authn(&jwks(&[&rsa]), true)],
            &one,
        ),
        plan("lua, reads four headers and writes four", vec![lua()], &one),
        plan(EXT_AUTHZ, vec![ext_authz()], &one),
        plan(KNOWN, vec![stepgate(&verifying("enforce", &rsa))], &one),
        plan(
            "stepgate, RS256, a known token, shadow",
            vec![stepgate(&verifying("shadow", &rsa))],
            &one,
        ),
        plan(
            NEW_TOKENS,
            vec![stepgate(&verifying("enforce", &rsa))],
            &many,
        ),
        plan(
            "stepgate, ES256, a new token each",
            vec![stepgate(&verifying("enforce", &p256))],
            &many_p256,
        ),
        plan(
            "stepgate, HS256, 100,000 identities",
            vec![stepgate(&shared)],
            &everybody,
        ),
        Plan {
            status: 403,
            ..plan(
                "stepgate, RS256, all denied",
                vec![stepgate(&denying)],
                &one,
            )
        },
        Plan {
            over: JWT_AUTHN,
            ..plan(ON_CLAIMS, vec![native, stepgate(&trusting)], &one)
        },
        Plan {
            over: BARE_TWO_WORKERS,
            workers: 2,
            ..plan(BARE_TWO_WORKERS, vec![], &one)
        },
        Plan {
            over: BARE_TWO_WORKERS,
            workers: 2,
            ..plan(
                TWO_WORKERS,
                vec![stepgate(&verifying("enforce", &rsa))],
                &one,
            )
        },
    ];
    let compared = [BARE, JWT_AUTHN, EXT_AUTHZ, BARE_TWO_WORKERS];
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let mut running: Vec<Running> = Vec::with_capacity(plans.len());
    for plan in plans {
        if !chosen(plan.name) && !compared.contains(&plan.name) {
            continue;
        }
        let bootstrap = bootstrap(&plan.filters, Some(service.address().port()));
        let before = running.iter().position(|setup| setup.name == plan.over);
        running.push(Running {
            name: plan.name,
            over: before.unwrap_or(running.len()),
            envoy: Setup::new(&bootstrap)
                .concurrency(plan.workers)
                .wasm_log("error")
                .start()?,
            status: plan.status,
            requests: plan.requests.clone(),
            sent: 0,
        });
    }
    Ok((running, service))
}

fn policy(mode: &str, key: &Key, more: Value) -> Value {
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

/// Requests of a browser, each with a token of its own, of so many people, on two cores.
fn mint(key: &Key, count: usize, people: usize) -> Requests {
    let at = now();
    let request = |index: usize| {
        let who = format!("alice-{}", index % people);
        let token = Token::new(claims(ISSUER, &who, at))
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

fn jwt_authn(keys: &Value, cached: bool) -> Value {
    let mut filter = json!({
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
    });
    if cached {
        filter["typed_config"]["providers"]["idp"]["jwt_cache_config"] =
            json!({ "jwt_cache_size": 1000 });
    }
    filter
}

fn lua() -> Value {
    const CODE: &str = r#"function envoy_on_request(handle)
  local headers = handle:headers()
  local a, b = headers:get("authorization"), headers:get("user-agent")
  local c, d = headers:get("accept-language"), headers:get("cookie")
  headers:replace("x-a", tostring(#a))
  headers:replace("x-b", tostring(#b))
  headers:replace("x-c", tostring(#c))
  headers:replace("x-d", tostring(#d))
end"#;
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": CODE },
        },
    })
}

fn ext_authz() -> Value {
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

fn bootstrap(filters: &[Value], authz: Option<u16>) -> String {
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
