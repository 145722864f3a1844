//! The bootstraps for geoip, TLS fingerprints and `jwt_authn`, in the real Envoy: each loads and decides on what the other filter
//! tells, never on what a client says in its place.
//! May use a database and a certificate made for tests.
//! Must not test what a decision is made of.

use std::process::Command;

use serde_json::{Value, json};
use stepgate::policy::Policy;
use stepgate_testkit::envoy::{Envoy, Setup, TempDir, until};
use stepgate_testkit::http::{Request, Upstream};
use stepgate_testkit::mmdb::Database;
use stepgate_testkit::tokens::{Key, Token, claims, jwks, now};

use crate::{ISSUER, filter, header, on_free_ports, put, ready, static_bootstrap};

const GEOIP: &str = "envoy/envoy-geoip.yaml";
const JA4: &str = "envoy/envoy-ja4.yaml";
const JWT: &str = "envoy/envoy-jwt.yaml";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

fn token(auth_time: u64) -> Token {
    Token::new(claims(ISSUER, "alice", now()))
        .claim("aud", "https://api.example/")
        .claim("auth_time", auth_time)
        .claim("jti", auth_time.to_string())
}

/// Databases in which one network is in Germany and another in Singapore.
fn with_places(bootstrap: &mut Value, dir: &TempDir) {
    let place = |country: &str, city: &str| json!({ "country": { "iso_code": country }, "city": { "names": { "en": city } } });
    let city = Database::new("GeoLite2-City")
        .with("198.51.100.0/24", &place("DE", "Berlin"))
        .with("203.0.113.0/24", &place("SG", "Singapore"));
    let provider = |number: u32| json!({ "autonomous_system_number": number });
    let asn = Database::new("GeoLite2-ASN")
        .with("198.51.100.0/24", &provider(64500))
        .with("203.0.113.0/24", &provider(64501));
    let geoip = filter(bootstrap, "envoy.filters.http.geoip");
    for (key, name, database) in [
        ("city_db_path", "city.mmdb", city),
        ("asn_db_path", "asn.mmdb", asn),
    ] {
        let path = dir.write(name, database.bytes());
        put(
            geoip,
            &format!("/typed_config/provider/typed_config/{key}"),
            path.display().to_string(),
        );
    }
}

fn with_certificate(bootstrap: &mut Value) {
    let chain = "/static_resources/listeners/0/filter_chains/0/transport_socket/typed_config/common_tls_context/tls_certificates/0";
    for (key, name) in [("certificate_chain", "cert"), ("private_key", "key")] {
        let path = format!(
            "{}/tests/fixtures/tls/{name}.pem",
            env!("CARGO_MANIFEST_DIR")
        );
        put(bootstrap, &format!("{chain}/{key}/filename"), path);
    }
}

/// Whether this Envoy is one that can name what its geoip filter finds: `geo_field_keys` came after 1.36.
fn has_geo_fields(said: &str) -> bool {
    let lacks = said.contains("'geo_field_keys'");
    if lacks {
        println!("SKIPPED: {GEOIP}: this Envoy has no geo_field_keys");
    }
    !lacks
}

#[test]
fn each_is_accepted_as_it_is() {
    if !ready() {
        return;
    }
    let (upstream, dir) = (Upstream::start().unwrap(), TempDir::new());
    for name in [GEOIP, JA4, JWT] {
        let mut bootstrap = on_free_ports(name, &upstream);
        match name {
            GEOIP => with_places(&mut bootstrap, &dir),
            JA4 => with_certificate(&mut bootstrap),
            _ => {}
        }
        let (accepted, said) = Setup::new(&bootstrap.to_string()).validate().unwrap();
        if name == GEOIP && !has_geo_fields(&said) {
            continue;
        }
        assert!(accepted, "{name}: {said}");
        assert!(
            said.contains("STEPGATE_KEY"),
            "the filter was asked: {said}"
        );
    }
}

#[test]
fn places_come_from_the_database_and_never_from_the_client() {
    if !ready() {
        return;
    }
    let (upstream, key, dir) = (Upstream::start().unwrap(), Key::rsa("geo"), TempDir::new());
    let mut bootstrap = static_bootstrap(GEOIP, &upstream, &key);
    with_places(&mut bootstrap, &dir);
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    put(
        &mut bootstrap,
        &format!("{manager}/xff_num_trusted_hops"),
        1,
    );
    let envoy = match Setup::new(&bootstrap.to_string()).start() {
        Err(said) if !has_geo_fields(&said) => return,
        started => started.unwrap(),
    };
    let get = |from: &str, auth_time: u64| {
        let request = Request::get("/api/orders")
            .bearer(&token(auth_time).sign(&key))
            .header("x-forwarded-for", from)
            .header("X-Geo-Country", "FR")
            .header("x-geo-asn", "1")
            .header("x-geo-anon-vpn", "true");
        request.send(envoy.address()).unwrap()
    };
    let home = get("198.51.100.23", now() - 60);
    assert_eq!(home.status, 200, "{}", home.text());
    let seen = home.echoed();
    assert_eq!(seen.all("x-geo-country"), [b"DE"]);
    assert_eq!(seen.all("x-geo-city"), [b"Berlin"]);
    assert_eq!(seen.all("x-geo-asn"), [b"64500"]);
    assert!(!seen.has("x-geo-anon-vpn"), "{seen:?}");

    let away = get("203.0.113.9", now());
    assert_eq!(header(&away, "x-geo-country"), "SG");
    let reasons = header(&away, "x-stepgate-reasons");
    assert!(reasons.contains("impossible-travel"), "{reasons}");

    // Of an address that is in no database nothing is known, whatever the client says.
    let nowhere = get("192.0.2.1", now());
    let seen = nowhere.echoed();
    for gone in ["x-geo-country", "x-geo-city", "x-geo-asn"] {
        assert!(!seen.has(gone), "{gone} in {seen:?}");
    }
}

/// An Envoy that speaks TLS to `port` for clients that do not.
fn tls_client(port: u16) -> Envoy {
    let address =
        |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let bootstrap = json!({ "static_resources": {
        "listeners": [{
            "name": "plain", "address": address(0),
            "filter_chains": [{ "filters": [{ "name": "tcp", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "tcp", "cluster": "tls",
            } }] }],
        }],
        "clusters": [{
            "name": "tls", "type": "STATIC",
            "load_assignment": { "cluster_name": "tls", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(port) } }] }] },
            "transport_socket": { "name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": "api.test",
            } },
        }],
    } });
    Setup::new(&bootstrap.to_string()).start().unwrap()
}

#[test]
fn fingerprints_are_what_the_proxy_measured() {
    if !ready() {
        return;
    }
    let (upstream, key) = (Upstream::start().unwrap(), Key::rsa("ja4"));
    let mut bootstrap = static_bootstrap(JA4, &upstream, &key);
    with_certificate(&mut bootstrap);
    let envoy = Setup::new(&bootstrap.to_string()).start().unwrap();
    let client = tls_client(envoy.address().port());
    let forged = "t13d1715h2_5b57614c22b0_5c2c66f702b0";
    let request = Request::get("/api/orders")
        .bearer(&token(now()).sign(&key))
        .header("user-agent", FIREFOX)
        .header("X-JA4", forged)
        .header("x-ja4", forged);
    let response = request.send(client.address()).unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = response.echoed();
    let measured = seen.all("x-ja4");
    assert_eq!(measured.len(), 1, "{seen:?}");
    let measured = header(&response, "x-ja4");
    assert_ne!(measured, forged);
    // JA4: protocol and version, whether there is a name, two counts, the first protocol offered; two hashes.
    let parts: Vec<&str> = measured.split('_').collect();
    assert_eq!(
        parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [10, 12, 12],
        "{measured}"
    );
    assert!(measured.starts_with("t1"), "{measured}");
    // It is what the policy reads.
    let config = filter(&mut bootstrap, "stepgate");
    let policy = &config["typed_config"]["config"]["configuration"]["value"];
    let policy = Policy::parse(policy.as_str().unwrap()).unwrap();
    assert_eq!(policy.names.tls.as_deref(), Some("x-ja4"));
}

/// The bootstrap for `jwt_authn`, whose issuer is the upstream, without TLS.
fn with_plain_issuer(upstream: &Upstream) -> Value {
    let mut bootstrap = on_free_ports(JWT, upstream);
    let clusters = &mut bootstrap["static_resources"]["clusters"];
    let idp = crate::named(clusters, "idp");
    idp.as_object_mut().unwrap().remove("transport_socket");
    let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    put(
        idp,
        endpoint,
        json!({ "address": "127.0.0.1", "port_value": upstream.port() }),
    );
    bootstrap
}

#[test]
fn claims_come_from_the_metadata_of_jwt_authn() {
    if !ready() {
        return;
    }
    let (upstream, key) = (Upstream::start().unwrap(), Key::rsa("jwt"));
    upstream.jwks(&jwks(&[&key]));
    let bootstrap = with_plain_issuer(&upstream);
    let envoy = Setup::new(&bootstrap.to_string()).start().unwrap();
    let get = |path: &str, token: Option<String>| {
        let request = Request::get(path)
            .header("x-jwt-payload", "e30")
            .header("payload", "{}");
        let request = token
            .iter()
            .fold(request, |request, token| request.bearer(token));
        request.send(envoy.address()).unwrap()
    };
    let alice = get("/admin/users", Some(token(now()).sign(&key)));
    assert_eq!(alice.status, 200, "{}", alice.text());
    let reasons = header(&alice, "x-stepgate-reasons");
    assert!(reasons.contains("young-baseline"), "{reasons}");
    assert!(
        !reasons.contains("unverified") && !reasons.contains("anonymous"),
        "{reasons}"
    );
    assert!(alice.echoed().has("authorization"), "forwarded");

    let nobody = get("/admin/users", None);
    assert_eq!(nobody.status, 200, "{}", nobody.text());
    assert_eq!(header(&nobody, "x-stepgate-would"), "deny");

    let forged = get("/", Some(token(now()).sign(&Key::rsa("another"))));
    assert_eq!((forged.status, forged.header("x-stepgate-id")), (401, None));
}

/// The access log that the operations guide shows.
fn log_shown() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let (_, section) = guide.split_once("\n## A log to replay\n").unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    serde_norway::from_str(block).unwrap()
}

#[test]
fn the_access_log_that_is_shown_can_be_replayed() {
    if !ready() {
        return;
    }
    let (upstream, key, dir) = (Upstream::start().unwrap(), Key::rsa("jwt"), TempDir::new());
    upstream.jwks(&jwks(&[&key]));
    let mut bootstrap = with_plain_issuer(&upstream);
    let log = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log/0/typed_config";
    let log = bootstrap.pointer_mut(log).unwrap();
    log["log_format"] = log_shown()["log_format"].clone();
    let envoy = Setup::new(&bootstrap.to_string()).start().unwrap();
    let get = |path: &str, token: Option<Token>| {
        let request = Request::get(path).header("user-agent", FIREFOX);
        let request = token
            .iter()
            .fold(request, |request, token| request.bearer(&token.sign(&key)));
        assert_eq!(request.send(envoy.address()).unwrap().status, 200);
    };
    let auth_time = now() - 60;
    get(
        "/orders?code=secret",
        Some(token(auth_time).claim("sid", "s1")),
    );
    get("/orders", Some(token(auth_time).claim("sid", "s1")));
    get("/", None);
    let logged = until("three lines of the access log", || {
        let logs = envoy.logs();
        let lines = logs
            .lines()
            .filter(|line| line.starts_with('{') && line.contains("\"user_agent.original\""));
        let lines: Vec<_> = lines.map(str::to_owned).collect();
        (lines.len() == 3).then(|| lines.join("\n"))
    });
    dir.write("access.log", &logged);
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_stepgate"))
            .args(arguments)
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let (events, said) = run(&["import", "--from", "envoy", "access.log"]);
    assert!(said.starts_with("3 events, 0 lines skipped"), "{said}");
    let lines: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let alice = lines
        .iter()
        .filter(|line| line["user.id"] == format!("{ISSUER}|alice"));
    assert_eq!(alice.count(), 2, "{events}");
    assert_eq!(
        lines[0]["token.auth_time"].as_f64(),
        Some(auth_time as f64),
        "{events}"
    );
    assert_eq!(lines[0]["session.id"], "s1");
    assert_eq!(lines[0]["url.path"], "/orders");
    assert_eq!(lines[0]["user_agent.original"], FIREFOX);
    assert!(
        lines[2].get("user.id").is_none() && lines[2].get("session.id").is_none(),
        "{events}"
    );
    dir.write("events.jsonl", &events);
    let (summary, said) = run(&["replay", "events.jsonl"]);
    assert_eq!(said, "");
    assert!(
        summary.contains("\n1 identities, 1 authentication events learned\n"),
        "{summary}"
    );
}
