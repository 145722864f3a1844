//! Who plays, from where and with what. Addresses and provider numbers are those set aside for documentation.
//! May use the test kit.
//! Must not know what the filter makes of them.

use serde_json::json;
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::{Token, now};

use crate::stage::{AUDIENCE, ISSUER};

/// A network as the CDN in front of Envoy knows it.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) city: &'static str,
    pub(crate) country: &'static str,
    pub(crate) asn: u32,
    pub(crate) address: &'static str,
}

pub(crate) const HOME: Place = Place {
    city: "Berlin",
    country: "DE",
    asn: 64_497,
    address: "2001:db8:a11c::41",
};
pub(crate) const OFFICE: Place = Place {
    city: "Berlin",
    country: "DE",
    asn: 64_496,
    address: "198.51.100.23",
};
pub(crate) const CLOUD: Place = Place {
    city: "Dublin",
    country: "IE",
    asn: 64_500,
    address: "203.0.113.200",
};
pub(crate) const HOTEL: Place = Place {
    city: "Singapore",
    country: "SG",
    asn: 64_509,
    address: "192.0.2.77",
};
pub(crate) const THIEF: Place = Place {
    city: "Recife",
    country: "BR",
    asn: 64_511,
    address: "2001:db8:bad::66",
};

/// A client: how the table calls it, and what it calls itself.
#[derive(Clone, Copy)]
pub(crate) struct Agent {
    pub(crate) name: &'static str,
    pub(crate) user_agent: &'static str,
}

pub(crate) const FIREFOX: Agent = Agent {
    name: "Firefox, Linux",
    user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
};
pub(crate) const CHROME: Agent = Agent {
    name: "Chrome, Windows",
    user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36",
};
pub(crate) const BORROWED: Agent = Agent {
    name: "Chrome, Android",
    user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537.36",
};
pub(crate) const EXPORT: Agent = Agent {
    name: "billing-export",
    user_agent: "billing-export/4.2 python-requests/2.34.0",
};
pub(crate) const CURL: Agent = Agent {
    name: "curl",
    user_agent: "curl/8.20.0",
};

/// An access token of `subject` for a session that began with an authentication at `auth_time`.
pub(crate) fn token(subject: &str, session: &str, auth_time: u64) -> Token {
    let issued = now();
    Token::new(json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "azp": "shop-web",
        "sid": session,
        "jti": format!("{session}-{auth_time}"),
        "auth_time": auth_time,
        "acr": "pwd",
        "amr": ["pwd"],
        "iat": issued,
        "exp": issued + 600,
    }))
}

/// An access token a machine got for itself: no session, no authentication of a person.
pub(crate) fn machine_token(client: &str, id: &str) -> Token {
    let issued = now();
    Token::new(json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": client,
        "azp": client,
        "jti": id,
        "iat": issued,
        "exp": issued + 600,
    }))
}

/// A request as the CDN passes it on: it appends the client's address and writes where that is.
pub(crate) fn through_cdn(
    method: &str,
    path: &str,
    place: &Place,
    user_agent: &str,
    token: Option<&str>,
) -> Request {
    let request = Request::new(method, path)
        .header("host", "api.example")
        .header("user-agent", user_agent)
        .header("x-forwarded-for", place.address)
        .header("x-geo-country", place.country)
        .header("x-geo-city", place.city)
        .header("x-geo-asn", place.asn.to_string());
    match token {
        Some(token) => request.bearer(token),
        None => request,
    }
}
