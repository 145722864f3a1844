//! Names in forms, objects and Basic credentials, as clients and attackers write them.

use base64::engine::general_purpose::STANDARD;

use super::*;

fn fields() -> LoginFields {
    LoginFields {
        basic: true,
        names: vec!["username".into(), "email".into()],
        query: true,
        token_endpoint: false,
        fold_case: true,
    }
}

fn endpoint() -> LoginFields {
    LoginFields {
        token_endpoint: true,
        ..fields()
    }
}

fn present(name: &str) -> Field<String> {
    Field::Present(name.to_owned())
}

fn form(body: impl AsRef<[u8]>) -> Field<String> {
    let body = LoginBody::Whole(BodyKind::Form, body.as_ref());
    fields().name(Named::default(), body)
}

fn json(body: impl AsRef<[u8]>) -> Field<String> {
    let body = LoginBody::Whole(BodyKind::Json, body.as_ref());
    fields().name(Named::default(), body)
}

fn basic(credentials: impl AsRef<[u8]>) -> Field<String> {
    let header = format!("bAsIc {}", STANDARD.encode(credentials));
    fields().user(Field::Present(header.as_bytes()))
}

#[test]
fn forms() {
    for body in [
        "username=alice&password=x",
        "password=x&username=+Alice+",
        "%75sername=%41lice",
        "username=alice&email=alice",
        "+UserName=alice&",
        "username=alice&username=ALICE",
        "email=&username=alice",
    ] {
        assert_eq!(form(body), present("alice"), "{body}");
    }
    assert_eq!(form("username=a%40b.c%2Bd%zz"), present("a@b.c+d%zz"));
    for body in ["", "password=alice", "=alice", "&&=&=", "usernames=alice"] {
        assert_eq!(form(body), Field::Absent, "{body}");
    }
    assert_eq!(form("username=alice&username=bob"), Field::Malformed);
    assert_eq!(form("username=alice&email=bob"), Field::Malformed);
    // What PHP would take for the same member, and what a reader that ends pairs at `;` would.
    assert_eq!(form("username%00x=alice"), present("alice"));
    for two in [
        "username=alice;x=1",
        "password=x;username=alice",
        "a;username=bob&username=alice",
    ] {
        assert_eq!(form(two), Field::Malformed, "{two}");
    }
    assert_eq!(form("password=a;b&username=alice"), present("alice"));
    assert_eq!(form("username=%ff"), Field::Malformed);
    assert_eq!(
        form(format!("username={}", "a".repeat(257))),
        Field::Malformed
    );
    assert_eq!(form(vec![b'&'; MAX_BODY]), Field::Absent);
}

#[test]
fn objects() {
    for body in [
        r#"{"username":"Alice","password":"x"}"#,
        r#"{"password":"\ud800\uXX","email":" alice "}"#.replace("\\ud800\\uXX", "\\n").as_str(),
        r#" {"p":{"username":["bob"]},"user\u006eame":"\u0061lice"} "#,
        r#"{"username":null,"email":"alice"}"#,
    ] {
        assert_eq!(json(body), present("alice"), "{body}");
    }
    assert_eq!(json(r#"{"username":4912345}"#), present("4912345"));
    for body in ["{}", r#"{"user":{"email":"alice"}}"#] {
        assert_eq!(json(body), Field::Absent, "{body}");
    }
    assert_eq!(json(""), Field::Absent, "an empty body names nobody");
    for body in [
        " ",
        "[]",
        "null",
        r#"{"username":"alice""#,
        r#"{"username":"alice"} x"#,
        r#"{"username":"alice","username":"bob"}"#,
        r#"{"username":"alice","email":"bob"}"#,
        r#"{"username":["alice"]}"#,
        r#"{"username":true}"#,
    ] {
        assert_eq!(json(body), Field::Malformed, "{body}");
    }
    assert_eq!(json(b"{\"username\":\"\xff\"}"), Field::Malformed);
    assert_eq!(json("{\"a\":".repeat(4000)), Field::Malformed);
}

#[test]
fn a_name_in_another_form_is_the_same_name() {
    for body in [
        // Whatever the type says, this is an object to many.
        r#" {"username":"alice","password":"x"}"#,
        "\u{feff}{\"username\":\"alice\"}",
        "\u{feff}username=alice",
        "username[]=alice",
        "username%5B0%5D=alice",
        "username[][ 1 ]=alice",
        "u%C5%BFername=alice",
    ] {
        assert_eq!(form(body), present("alice"), "{body}");
    }
    let two = r#"{"x":"&username=bob&y=","username":"alice"}"#;
    assert_eq!(form(two), Field::Malformed);
    assert_eq!(form(r#"{"username":"alice""#), Field::Malformed);
    for nobody in ["username2=alice", "username]=alice", "username[a]=alice"] {
        assert_eq!(form(nobody), Field::Absent, "{nobody}");
    }
    assert_eq!(json("{\"u\u{17f}ername\":\"alice\"}"), present("alice"));
    let of = |name: &str, key: &str| is_same(key.bytes(), name);
    assert!(of("kid_id", "\u{212a}\u{131}d[\u{130}D"));
    for other in ["\u{212b}id_id", "kid\u{17f}id", "k"] {
        assert!(!of("kid_id", other), "{other}");
    }
}

#[test]
fn character_sets_in_which_a_name_is_spelled_otherwise_are_not_read() {
    let of = |media: &str| BodyKind::of(Field::Present(media.as_bytes()), Field::Absent);
    for read in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"iso-8859-1\" ; x=charset",
    ] {
        assert_eq!(of(read), Some(BodyKind::Form), "{read}");
    }
    for unread in [
        "application/x-www-form-urlencoded; charset=ibm037",
        "application/json; Charset = 'utf-7'",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset",
    ] {
        assert_eq!(of(unread), None, "{unread}");
    }
}

#[test]
fn basic_credentials() {
    assert_eq!(basic("Alice:secret"), present("alice"));
    assert_eq!(basic("alice:"), present("alice"));
    assert_eq!(basic("al:ice:x"), present("al"));
    assert_eq!(basic(":secret"), Field::Absent);
    assert_eq!(basic("alice"), Field::Malformed);
    assert_eq!(basic(b"\xff\xfe:x"), Field::Malformed);
    assert_eq!(basic("a".repeat(300) + ":x"), Field::Malformed);
    let other = fields().user(Field::Present(b"Bearer eyJ"));
    assert_eq!(other, Field::Absent);
    let broken = fields().user(Field::Present(b"Basic !!!!"));
    assert_eq!(broken, Field::Malformed);
    let twice = fields().user(Field::Malformed);
    assert_eq!(twice, Field::Malformed);
    // Nothing after the colon is looked at.
    let user = basic_user(b"YWxpY2U6!!!!!!");
    assert_eq!(user.as_deref(), Some(&b"alice"[..]));
}

#[test]
fn a_query_names_as_a_form_does_and_must_agree_with_the_body() {
    let both = |query: &str, body: &str| {
        let named = fields().named(Field::Absent, query.as_bytes());
        fields().name(named, LoginBody::Whole(BodyKind::Form, body.as_bytes()))
    };
    assert_eq!(both("username=alice&password=x", ""), present("alice"));
    assert_eq!(
        both("next=/&%75sername=Alice", "password=x"),
        present("alice")
    );
    assert_eq!(both("next=/", "username=alice"), present("alice"));
    assert_eq!(both("username=alice", "username=alice"), present("alice"));
    assert_eq!(both("username=alice", "username=bob"), Field::Malformed);
    assert_eq!(both("username=alice&email=bob", ""), Field::Malformed);
    let unread = LoginFields {
        query: false,
        ..fields()
    };
    let named = unread.named(Field::Absent, b"username=bob");
    let body = LoginBody::Whole(BodyKind::Form, b"username=alice");
    assert_eq!(unread.name(named, body), present("alice"));
    let grant = b"grant_type=password&username=alice";
    let named = endpoint().named(Field::Absent, grant);
    assert_eq!(endpoint().name(named, LoginBody::None), present("alice"));
    let underscored = LoginFields {
        names: vec!["user_name".into()],
        ..fields()
    };
    for query in ["user_name=alice", "user.name=alice", "user+name=alice"] {
        let named = underscored.named(Field::Absent, query.as_bytes());
        assert_eq!(underscored.name(named, LoginBody::None), present("alice"));
    }
}

#[test]
fn a_header_and_a_body_must_agree() {
    let header = format!("Basic {}", STANDARD.encode("alice:x"));
    let both = |body: &str| {
        let body = LoginBody::Whole(BodyKind::Form, body.as_bytes());
        fields().name(fields().named(Field::Present(header.as_bytes()), b""), body)
    };
    assert_eq!(both("username=alice"), present("alice"));
    assert_eq!(both("x=y"), present("alice"));
    assert_eq!(both("username=bob"), Field::Malformed);
}

#[test]
fn the_grant_decides_whose_secret_is_tried() {
    let client = format!("Basic {}", STANDARD.encode("web:x"));
    let tried = |header: &str, body: &str| {
        let header = match header {
            "" => Field::Absent,
            header => Field::Present(header.as_bytes()),
        };
        endpoint().name(
            endpoint().named(header, b""),
            LoginBody::Whole(BodyKind::Form, body.as_bytes()),
        )
    };
    let person = "grant_type=password&username=alice&password=x&client_id=web";
    assert_eq!(tried(&client, person), present("alice"));
    let machine = "grant_type=client_credentials";
    assert_eq!(tried(&client, machine), present("client web"));
    let by_body = "grant_type=client_credentials&client_id=web&client_secret=x";
    assert_eq!(tried("", by_body), present("client web"));
    let two = "grant_type=client_credentials&client_id=other";
    assert_eq!(tried(&client, two), Field::Malformed);
    for body in ["grant_type=refresh_token&refresh_token=x", "username=alice"] {
        assert_eq!(tried(&client, body), Field::Absent, "{body}");
    }
    let twice = "grant_type=password&grant_type=refresh_token&username=alice";
    assert_eq!(tried("", twice), Field::Malformed);
}

#[test]
fn what_is_no_text_of_a_known_type_is_not_read() {
    let of = |media: &str, coding: &str| {
        let field = |text: &'static str| match text {
            "" => Field::Absent,
            text => Field::Present(text.as_bytes()),
        };
        let (media, coding) = (media.to_owned().leak(), coding.to_owned().leak());
        BodyKind::of(field(media), field(coding))
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(of(form, ""), Some(BodyKind::Form));
    assert_eq!(
        of("Application/JSON; charset=utf-8", "identity"),
        Some(BodyKind::Json)
    );
    assert_eq!(of("application/vnd.api+json", ""), Some(BodyKind::Json));
    for (media, coding) in [
        (form, "gzip"),
        ("multipart/form-data", ""),
        ("", ""),
        ("text/json", ""),
    ] {
        assert_eq!(of(media, coding), None, "{media} {coding}");
    }
    let unreadable = fields().name(Named::default(), LoginBody::Unreadable);
    assert_eq!(unreadable, Field::Malformed);
}
