//! The stage: an API that echoes, an issuer with a fresh key, and an Envoy started from `envoy/envoy.yaml`.
//! May use the test kit and the files a user starts from.
//! Must not change what a user would not change: ports, the issuer's keys, `mode`, and who is in front.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use serde_norway::Value as Yaml;
use stepgate_testkit::envoy::{Envoy, Setup};
use stepgate_testkit::http::Upstream;
use stepgate_testkit::tokens::{Key, jwks};

use crate::Failure;

/// The issuer of `examples/policy.json`.
pub(crate) const ISSUER: &str = "https://idp.example/";
/// The audience of `examples/policy.json`.
pub(crate) const AUDIENCE: &str = "https://api.example/";

/// Everything that runs. Dropping it stops all of it.
pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) key: Key,
}

impl Stage {
    /// Starts everything; Envoy listens on `port`, or on a free one for 0.
    pub(crate) fn set(port: u16) -> Result<Self, Failure> {
        let upstream = Upstream::start()?;
        let key = Key::rsa("demo-1");
        let bootstrap = bootstrap(port, upstream.address(), &policy(&key)?)?;
        let envoy = Setup::new(&bootstrap)
            .concurrency(2)
            .env("STEPGATE_KEY", "a secret of the demonstration")
            .start()?;
        Ok(Self {
            envoy,
            upstream,
            key,
        })
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

/// `examples/policy.json`, with two words changed: the mode, and where the issuer's keys come from.
fn policy(key: &Key) -> Result<Value, Failure> {
    let mut policy: Value = serde_json::from_str(&read("examples/policy.json")?)?;
    let issuer = policy
        .pointer_mut("/credentials/issuers/0")
        .and_then(Value::as_object_mut)
        .ok_or("examples/policy.json has no issuer")?;
    issuer.remove("jwks");
    issuer.insert("keys".into(), jwks(&[key]));
    policy["mode"] = json!("enforce");
    Ok(policy)
}

/// `envoy/envoy.yaml` with the ports, the module and the policy of this run, behind one proxy: the demo plays a CDN that
/// appends to X-Forwarded-For and writes the geo headers itself.
fn bootstrap(port: u16, api: SocketAddr, policy: &Value) -> Result<String, Failure> {
    let mut yaml: Yaml = serde_norway::from_str(&read("envoy/envoy.yaml")?)?;
    let listener = at(&mut yaml, &["static_resources", "listeners", "0"])?;
    *at(listener, &["address", "socket_address", "port_value"])? = port.into();
    let manager = at(
        listener,
        &["filter_chains", "0", "filters", "0", "typed_config"],
    )?;
    *at(manager, &["xff_num_trusted_hops"])? = 1.into();
    let filters = at(manager, &["http_filters"])?
        .as_sequence_mut()
        .ok_or("http_filters is not a list")?;
    filters.retain(|filter| filter["name"] != "strip-geo-headers");
    let stepgate = filters
        .iter_mut()
        .find(|filter| filter["name"] == "stepgate")
        .ok_or("envoy/envoy.yaml has no filter `stepgate`")?;
    let config = at(stepgate, &["typed_config", "config"])?;
    let module = file("target/stepgate.wasm");
    *at(config, &["vm_config", "code", "local", "filename"])? = module.display().to_string().into();
    *at(config, &["configuration", "value"])? = policy.to_string().into();
    let clusters = at(&mut yaml, &["static_resources", "clusters"])?
        .as_sequence_mut()
        .ok_or("clusters is not a list")?;
    clusters.retain(|cluster| cluster["name"] == "api");
    let api_cluster = clusters.first_mut().ok_or("no cluster `api`")?;
    let endpoint = &["load_assignment", "endpoints", "0", "lb_endpoints", "0"];
    let endpoint = at(at(api_cluster, endpoint)?, &["endpoint", "address"])?;
    *at(endpoint, &["socket_address", "port_value"])? = api.port().into();
    Ok(serde_norway::to_string(&yaml)?)
}

/// The value at a path of keys and indices, all of which must be there.
fn at<'a>(mut value: &'a mut Yaml, path: &[&str]) -> Result<&'a mut Yaml, Failure> {
    for step in path {
        let next = match step.parse::<usize>() {
            Ok(index) => value.get_mut(index),
            Err(_) => value.get_mut(*step),
        };
        value = next.ok_or_else(|| format!("envoy/envoy.yaml: no `{step}` of {path:?}"))?;
    }
    Ok(value)
}
