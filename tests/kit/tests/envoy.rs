//! The real Envoy, the client and the upstream together.
//! May use the kit only.
//! Must not need the module: it is not built when this runs.

use stepgate_testkit::envoy::{Envoy, Setup, binary};
use stepgate_testkit::http::{Canned, Connection, Request, Upstream};

fn bootstrap(port: u16) -> String {
    format!(
        r#"
static_resources:
  listeners:
  - name: main
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ path: /direct }}
                direct_response: {{ status: 200, body: {{ inline_string: "hello" }} }}
              - match: {{ prefix: / }}
                route: {{ cluster: api }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: api
    type: STATIC
    load_assignment:
      cluster_name: api
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 9901 }} }} }}
"#
    )
}

#[test]
fn requests_pass_through_envoy() {
    if binary().is_none() {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let envoy = Envoy::start(&bootstrap(upstream.port()), 2).unwrap();
    let address = envoy.address();
    assert_eq!(envoy.listener("main"), address);

    let direct = Request::get("/direct").send(address).unwrap();
    assert_eq!((direct.status, direct.text().as_str()), (200, "hello"));

    // bytes and duplicates arrive as sent, on one connection
    let mut connection = Connection::open(address).unwrap();
    let request = Request::get("/a?b=1")
        .header("x-two", "1")
        .header("x-two", "2")
        .header("x-bytes", b"\xff\xfe");
    for _ in 0..3 {
        let response = connection.send(&request).unwrap();
        assert_eq!(response.echoed().all("x-two"), [b"1", b"2"]);
    }
    let last = upstream.received().pop().unwrap();
    assert_eq!(last.headers.get("x-bytes"), Some(&b"\xff\xfe"[..]));
    assert_eq!(upstream.hits("/a"), 3);

    let teapot = Request::get("/").header("x-test-status", "418");
    assert_eq!(connection.send(&teapot).unwrap().status, 418);
    upstream.serve("/gone", Canned::status(404));
    let gone = connection.send(&Request::get("/gone")).unwrap();
    assert_eq!(gone.status, 404);
    let post = Request::new("POST", "/p").body("text");
    assert_eq!(connection.send(&post).unwrap().json()["body"], "text");
    let head = Request::new("HEAD", "/");
    assert_eq!(connection.send(&head).unwrap().body, b"");

    assert_eq!(envoy.stat("http.main.downstream_rq_total"), 8);
    assert!(
        envoy
            .prometheus()
            .contains("envoy_http_downstream_rq_total")
    );
    assert!(envoy.config_dump()["configs"].is_array());
    assert_eq!(envoy.stat("server.concurrency"), 2);
    let pid = envoy.pid();
    envoy.stop();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_bad_configuration_is_an_error_with_the_log() {
    if binary().is_none() {
        return;
    }
    let good = Setup::new(&bootstrap(1));
    let bad = Setup::new(&bootstrap(1).replace("cluster: api", "cluster: other"));
    let (accepted, said) = good.validate().unwrap();
    assert!(accepted, "{said}");
    let (accepted, said) = bad.validate().unwrap();
    assert!(
        !accepted && said.contains("unknown cluster 'other'"),
        "{said}"
    );
    let error = bad.start().unwrap_err();
    assert!(error.contains("unknown cluster 'other'"), "{error}");
}
