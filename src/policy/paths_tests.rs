//! Paths as attackers spell them.

use super::*;

/// Whether any upstream could take `path` for a route of `template`.
fn path(template: &str, path: &str) -> bool {
    let template = PathTemplate::parse(template).unwrap();
    Sent::new(path.as_bytes())
        .unwrap()
        .readings()
        .any(|reading| template.matches(&reading, false))
}

#[test]
fn templates_match_by_segment() {
    assert!(path("/admin/**", "/admin/users/7"));
    assert!(path("/admin/**", "/admin"));
    assert!(!path("/admin/**", "/administrator"));
    assert!(path("/users/{id}/orders", "/users/7/orders"));
    assert!(!path("/users/{id}/orders", "/users/7/orders/8"));
    assert!(path("/", "/"));
    assert!(path("/**", "/anything"));
}

#[test]
fn no_spelling_of_a_path_escapes_its_tier() {
    for spelling in [
        "//admin/x",
        "/./admin/x",
        "/a/../admin/x",
        "/%61dmin/x",
        "/a/%2e%2E/admin/x",
        "/admin//x",
        "/admin\\x",
        "/admin%2Fx",
        "/a%5c..%2fadmin/x",
        "/admin;v=1/x",
        "/a/..;/admin/x",
        "/ADMIN/x",
        "/aDmIn",
        "/%41dmin/x",
        "/admin/../x",
        "/admin/..;/x",
        "/admin/..%2fx",
        "/admin//../x",
        "/admin/%2e%2e/x",
        "/admin;x/../y",
    ] {
        assert!(path("/admin/**", spelling), "{spelling}");
    }
}

#[test]
fn no_depth_of_a_path_escapes_its_tier() {
    for depth in [1, 61, 62, 63, 64, 65, 400] {
        let deep = format!("/admin/x{}{}", "/a".repeat(depth), "/..".repeat(depth));
        let sent = Sent::new(deep.as_bytes()).unwrap();
        let first = sent.readings().next().unwrap();
        let template = |text| PathTemplate::parse(text).unwrap();
        assert!(template("/admin/x").matches(&first, false), "{depth}");
        assert!(path("/admin/**", &deep), "{depth}");
        let deeper = format!("/admin{}", "/a".repeat(depth));
        assert!(path("/admin/**", &deeper), "{depth}");
        assert!(
            !path(
                &format!("/admin{}", "/a".repeat(62)),
                &format!("{deeper}/b")
            ),
            "{depth}"
        );
    }
    assert!(PathTemplate::parse(&"/a".repeat(64)).is_some());
    assert!(PathTemplate::parse(&"/a".repeat(65)).is_none());
}

#[test]
fn what_is_read_alike_everywhere_is_plain() {
    let plain = |path: &str| Sent::new(path.as_bytes()).unwrap().is_plain();
    for path in [
        "/",
        "/healthz",
        "/a/b/",
        "/a%20b/c.txt",
        "/caf%C3%A9",
        "/...",
        "/a..b/.well-known",
        "/ADMIN",
        "*",
    ] {
        assert!(plain(path), "{path}");
    }
    for path in [
        "//a",
        "/a//b",
        "/a/.",
        "/a/..",
        "/a/../b",
        "/a;b",
        "/a\\b",
        "/a%2fb",
        "/a%5Cb",
        "/%2e%2e/a",
        "/a/%2E",
        "/a%252e",
        "/a%",
        "/a%zz",
        "/a%u002e",
        "/a%00",
        "/a%c0%ae",
        "/..;/a",
        "/a%3bb",
        "/a%2eb",
    ] {
        assert!(!plain(path), "{path}");
    }
}

#[test]
fn templates_that_cannot_work_are_refused() {
    for bad in ["admin", "/a/**/b", "/a*", "/a?x=1", "/%41"] {
        assert!(PathTemplate::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn what_is_too_long_to_be_read_in_every_way_is_not_read() {
    let sent = |path: String| Sent::new(path.as_bytes()).is_some();
    let word = |length| format!("/{}", "a".repeat(length));
    assert!(sent(word(LONGEST)) && !sent(word(LONGEST + 1)));
    for odd in [";", "/..", "//a", "\\", "%2f", "%2e"] {
        let of = |length: usize| format!("{}{odd}", word(length - odd.len()));
        assert!(sent(of(LONGEST_ODD)), "{odd}");
        assert!(!sent(of(LONGEST_ODD + 1)), "{odd}");
    }
}
