//! The stage: an API that echoes, an issuer with a fresh key, and an Envoy started from `envoy/envoy.yaml`.
//! May use the test kit and the files a user starts from.
//! Must not change more than a user would: addresses, the module, the policy's mode, and who is in front.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, until};
use stepgate_testkit::http::{Request, Upstream};
use stepgate_testkit::tokens::{Key, jwks, now};

use crate::{Failure, cast, history};

/// The issuer of `examples/policy.json`.
pub(crate) const ISSUER: &str = "https://idp.example/";
/// The audience of `examples/policy.json`.
pub(crate) const AUDIENCE: &str = "https://api.example/";

/// The key of all hashes, for the filter and for `stepgate train`.
pub(crate) const SECRET: &str = "a secret of the demonstration";

/// Everything that runs. Dropping it stops all of it.
pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) key: Key,
    /// What `stepgate train` said of the baseline.
    pub(crate) trained: String,
}

impl Stage {
    /// Starts everything; Envoy listens on `port`, or on a free one for 0.
    pub(crate) fn set(port: u16) -> Result<Self, Failure> {
        let upstream = Upstream::start()?;
        let key = Key::rsa("demo-1");
        upstream.jwks(&jwks(&[&key]));
        let (snapshot, trained) = history::train(SECRET)?;
        let bootstrap = bootstrap(port, &upstream, &policy(snapshot)?)?;
        let envoy = Setup::new(&bootstrap)
            .concurrency(2)
            .env("STEPGATE_KEY", SECRET)
            .start()?;
        let stage = Self {
            envoy,
            upstream,
            key,
            trained,
        };
        stage.envoy.wait_for_log("snapshot loaded");
        stage.wait_for_keys();
        Ok(stage)
    }

    /// Until every worker has the issuer's keys: what reaches the API was verified. It fails there, so nothing is learned.
    fn wait_for_keys(&self) {
        let token = cast::token("nobody", "probe", now()).sign(&self.key);
        let probe = Request::get("/api/probe").bearer(&token);
        let probe = probe.header("x-test-status", "503");
        let passes = |_| matches!(probe.send(self.address()), Ok(answer) if answer.status == 503);
        until("the keys of the issuer", || {
            (0..16).all(passes).then_some(())
        });
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.envoy.address()
    }
}

/// A file of this repository.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> Result<String, Failure> {
    let path = file(name);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// `examples/policy.json`, enforced, with a baseline.
fn policy(snapshot: String) -> Result<Value, Failure> {
    let mut policy: Value = serde_json::from_str(&read("examples/policy.json")?)?;
    policy["mode"] = "enforce".into();
    policy["baseline"] = json!({ "snapshot": snapshot });
    Ok(policy)
}

/// `envoy/envoy.yaml` with the ports, the module and the policy of this run, behind one proxy: the demo plays a CDN that
/// appends to X-Forwarded-For and writes the geo headers itself.
fn bootstrap(port: u16, upstream: &Upstream, policy: &Value) -> Result<String, Failure> {
    // JSON is YAML, so Envoy reads it all the same.
    let mut bootstrap: Value = serde_norway::from_str(&read("envoy/envoy.yaml")?)?;
    let listener = at(&mut bootstrap, "/static_resources/listeners/0")?;
    *at(listener, "/address/socket_address/port_value")? = port.into();
    let manager = at(listener, "/filter_chains/0/filters/0/typed_config")?;
    *at(manager, "/xff_num_trusted_hops")? = 1.into();
    list(manager, "/http_filters")?.retain(|filter| filter["name"] != "strip-geo-headers");
    let config = named(manager, "/http_filters", "stepgate")?;
    let config = at(config, "/typed_config/config")?;
    let module = file("target/stepgate.wasm").display().to_string();
    *at(config, "/vm_config/code/local/filename")? = module.into();
    *at(config, "/configuration/value")? = policy.to_string().into();
    // One server plays both the API and the issuer that publishes its keys.
    for name in ["api", "idp"] {
        let cluster = named(&mut bootstrap, "/static_resources/clusters", name)?;
        cluster["type"] = "STATIC".into();
        cluster["transport_socket"] = Value::Null;
        let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint";
        let address = json!({ "address": "127.0.0.1", "port_value": upstream.port() });
        *at(cluster, &format!("{endpoint}/address/socket_address"))? = address;
    }
    Ok(bootstrap.to_string())
}

fn at<'a>(value: &'a mut Value, path: &str) -> Result<&'a mut Value, Failure> {
    value
        .pointer_mut(path)
        .ok_or_else(|| format!("envoy/envoy.yaml has no `{path}`").into())
}

fn list<'a>(value: &'a mut Value, path: &str) -> Result<&'a mut Vec<Value>, Failure> {
    at(value, path)?
        .as_array_mut()
        .ok_or_else(|| format!("envoy/envoy.yaml: `{path}` is not a list").into())
}

fn named<'a>(value: &'a mut Value, path: &str, name: &str) -> Result<&'a mut Value, Failure> {
    list(value, path)?
        .iter_mut()
        .find(|item| item["name"] == name)
        .ok_or_else(|| format!("envoy/envoy.yaml: no `{name}` in `{path}`").into())
}
