//! Bodies of login routes: the name that is tried, in any spelling, and never the password.
//! May use the engine's reader of logins.
//! Must not know how a name is hashed.

use arbitrary::Unstructured;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepgate::signals::login::{BodyKind, LoginBody, LoginFields, Named};
use stepgate::signals::request::Field;

/// Longest name, in bytes.
const LONGEST: usize = 256;
const PASSWORD: &str = "&hunter2:%41+\u{e9}";

fn fields(mode: u8) -> LoginFields {
    LoginFields {
        basic: mode & 1 == 0,
        names: ["username", "user[email]"].map(str::to_owned).to_vec(),
        query: true,
        token_endpoint: mode & 2 == 2,
        fold_case: mode & 4 == 4,
    }
}

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    let fields = fields(mode);
    match mode >> 3 & 3 {
        0 => raw(&fields, BodyKind::Form, data),
        1 => raw(&fields, BodyKind::Json, data),
        2 => typed(&fields, data),
        _ => {
            let _short = meant(&fields, &mut Unstructured::new(data));
        }
    }
}

fn bounded(name: &Field<String>) {
    if let Field::Present(name) = name {
        // A folded letter takes three bytes at most for two.
        assert!(
            name.len() <= 2 * LONGEST + "client ".len(),
            "{}",
            name.len()
        );
        assert!(!name.is_empty());
    }
}

fn raw(fields: &LoginFields, kind: BodyKind, data: &[u8]) {
    let read = || fields.name(Named::default(), LoginBody::Whole(kind, data));
    let name = read();
    bounded(&name);
    assert_eq!(name, read());
    let user = fields.user(Field::Present(data));
    bounded(&user);
    let named = fields.named(Field::Present(data), data);
    bounded(&fields.name(named, LoginBody::Whole(kind, data)));
}

/// Content type and coding as the client sends them.
fn typed(fields: &LoginFields, data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let kind = Field::from(lines.next());
    let encoding = Field::from(lines.next().filter(|line| !line.is_empty()));
    let body = lines.next().unwrap_or_default();
    match BodyKind::of(kind, encoding) {
        Some(kind) => raw(fields, kind, body),
        None => {
            let name = fields.name(Named::default(), LoginBody::Unreadable);
            assert!(fields.token_endpoint || name == Field::Malformed);
        }
    }
}

/// A body made as a browser makes it: the name in it is the one that is read, whatever it is.
fn meant(fields: &LoginFields, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let fields = &LoginFields {
        token_endpoint: false,
        basic: true,
        ..fields.clone()
    };
    let other: String = input.arbitrary()?;
    let name: &str = input.arbitrary()?;
    let trimmed = name.trim();
    let expected = match trimmed {
        _ if name.len() > LONGEST => Field::Malformed,
        "" => Field::Absent,
        name if fields.fold_case => Field::Present(name.to_lowercase()),
        name => Field::Present(name.to_owned()),
    };
    let form = format!(
        "{}=x&username={}&password={}",
        escaped(&format!("o{other}")),
        escaped(name),
        escaped(PASSWORD)
    );
    let read = |kind, body: &[u8]| fields.name(Named::default(), LoginBody::Whole(kind, body));
    assert_eq!(read(BodyKind::Form, form.as_bytes()), expected, "{form}");
    let asked = fields.named(Field::Absent, form.as_bytes());
    assert_eq!(
        fields.name(asked.clone(), LoginBody::None),
        expected,
        "{form}"
    );
    let same = LoginBody::Whole(BodyKind::Form, form.as_bytes());
    assert_eq!(fields.name(asked, same), expected, "{form}");
    let object = serde_json::json!({ "password": PASSWORD, "username": name, "other": other });
    assert_eq!(
        read(BodyKind::Json, object.to_string().as_bytes()),
        expected,
        "{object}"
    );
    if !name.contains(':') {
        let credentials = STANDARD.encode(format!("{name}:{PASSWORD}"));
        let value = format!("basic {credentials}");
        assert_eq!(
            fields.user(Field::Present(value.as_bytes())),
            expected,
            "{name:?}"
        );
    }
    // Another name beside it is no name.
    if let Field::Present(_) = expected {
        let two = format!("{form}&username={}", escaped(&format!("x{trimmed}")));
        assert_eq!(read(BodyKind::Form, two.as_bytes()), Field::Malformed);
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02x}"),
        })
        .collect()
}
