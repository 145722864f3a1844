//! The words of a sequence: host functions, headers, paths, and values that parsers trip over.
//! May use what every spoofed header says.
//! Must not choose among them.

use super::grammar::SPOOFED;

/// Host functions that a sequence breaks: those the adapter calls, but the one the SDK cannot do without when a callout is
/// answered (`proxy_set_effective_context`; a host that lacks it is asked for none).
pub(super) const FUNCTIONS: [&str; 18] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// What everybody browses with.
pub(super) const BROWSER: &[u8] =
    b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Values that parsers trip over.
pub(super) const NASTY: [&[u8]; 16] = [
    b"",
    b"\xff\xfe\x80",
    b" ",
    b";=;=,,\"\\",
    b"session=\xff; device=\xc3\x28; session",
    b"Bearer \xff.\xff.\xff",
    b"Bearer ..",
    b"1e999999",
    b"-0.0,NaN",
    b"AS4294967296",
    b"\r\nx-stepgate-decision: spoofed",
    b"a\0b",
    b"%252f%252fevil.test",
    b"{\"username\":[[[[[[[[",
    b"eyJhbGciOiJub25lIn0.e30.",
    b"99999999999999999999",
];

/// Names of headers and a good value of each.
pub(super) const HEADERS: [(&str, &[u8]); 28] = [
    ("accept", b"text/html"),
    ("accept-language", b"nb-NO,nb;q=0.9"),
    ("access-control-request-method", b"POST"),
    ("content-encoding", b"identity"),
    ("content-length", b"27"),
    ("content-type", b"application/x-www-form-urlencoded"),
    ("content-type", b"application/json"),
    ("cookie", b"device=abc; __Host-stepgate-device=1.2.3.4"),
    ("dpop", b"a.b.c"),
    ("origin", b"https://app.test"),
    ("sec-ch-ua", b"\"Chromium\";v=\"120\""),
    ("sec-ch-ua-mobile", b"?0"),
    ("sec-ch-ua-platform", b"\"Linux\""),
    ("sec-fetch-mode", b"navigate"),
    ("user-agent", BROWSER),
    ("x-api-key", b"abc"),
    ("x-coordinates", b"59.9,10.7"),
    ("x-geo-anon-tor", b"true"),
    ("x-geo-asn", b"AS64500"),
    ("x-geo-city", b"Oslo"),
    ("x-geo-country", b"NO"),
    ("x-ja4", b"t13d1516h2_8daaf6152771_02713d6af862"),
    ("x-risk", b"80"),
    ("X-Stepgate-Decision", SPOOFED),
    ("x-stepgate-score", SPOOFED),
    ("x_stepgate_reasons", SPOOFED),
    ("x-stepgate-signature", SPOOFED),
    ("x-stepgate-anything", SPOOFED),
];

/// Where requests go.
pub(super) const PATHS: [&[u8]; 10] = [
    b"/accounts?page=1&key=abc",
    b"/admin/users",
    b"/login",
    b"/token",
    b"/open",
    b"/recover",
    b"",
    b"*",
    b"//evil.test/%2e%2e/\xff",
    b"/admin/../open#x",
];
