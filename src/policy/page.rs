//! The pages of the policy, checked: where browsers go to step up, where they may be sent back to, where there is help.
//! May use: the raw policy.
//! Must not: accept an address that a browser could read as another host.

use super::PolicyError;
use super::config::{PolicyConfig, StepUpPageConfig, TierConfig};

/// Longest link for help.
const LONGEST_LINK: usize = 2048;

/// Where a browser authenticates again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUpPage {
    /// The page up to and including `parameter=`.
    pub(crate) address: String,
    /// Origins a browser may be sent back to; at least one.
    pub(crate) origins: Vec<Origin>,
    /// Path it is sent back to where the one it asked for is not safe.
    pub(crate) default: String,
    /// The page's own path, where it is on one of the origins or on the host that was asked for: it must not be challenged.
    pub(super) own_path: Option<String>,
}

/// Scheme and authority (RFC 6454), as written in a return address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `https://app.example.com`, lower case.
    pub(crate) text: String,
    /// Host, with the port where it is not the default.
    pub(crate) authority: String,
}

impl Origin {
    /// Reads `https://host[:port]`; `http` is for a machine that talks to itself only.
    fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://")?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let named = !host.is_empty()
            && !host.starts_with(['.', '-'])
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let local = matches!(host, "localhost" | "127.0.0.1");
        if !named || !(scheme == "https" || (scheme == "http" && local)) {
            return None;
        }
        let default = if scheme == "https" { 443 } else { 80 };
        let port = match port {
            Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port != 0)?),
            None => None,
        };
        let authority = match port.filter(|port| *port != default) {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Some(Self {
            text: format!("{scheme}://{authority}"),
            authority,
        })
    }

    /// Whether a request for `authority` is one for this origin. The scheme is not compared: TLS may end in front.
    pub(crate) fn is_of(&self, authority: &[u8]) -> bool {
        let port: &[u8] = if self.text.starts_with("https") {
            b":443"
        } else {
            b":80"
        };
        let bare = authority.strip_suffix(port).unwrap_or(authority);
        self.authority.as_bytes().eq_ignore_ascii_case(bare)
    }
}

/// Visible ASCII that stands in a URL without being escaped (RFC 3986 §2), no backslash and no fragment.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&b))
}

/// A path with an optional query that no browser reads as another host.
fn is_local(text: &str) -> bool {
    let path = text.split('?').next().unwrap_or(text);
    text.starts_with('/') && !path.contains("//") && is_plain(text)
}

/// A link that applications may show as it is: one that runs as a script must not come from us.
pub(super) fn help(link: &str) -> Result<String, PolicyError> {
    let known = ["https://", "http://", "mailto:", "tel:", "/"];
    let plain = link.len() <= LONGEST_LINK
        && link
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    if plain && known.iter().any(|scheme| link.starts_with(scheme)) {
        return Ok(link.to_owned());
    }
    Err(PolicyError::new(
        "challenge.help",
        format!(
            "`{}` is not a link; allowed: https://, http://, mailto:, tel: or a path, {LONGEST_LINK} characters at most",
            link.escape_debug()
        ),
    ))
}

/// The page of a tier, at `path` of the policy.
pub(super) fn of_tier(
    config: &PolicyConfig,
    tier: &TierConfig,
    path: &str,
) -> Result<Option<StepUpPage>, PolicyError> {
    let (written, path) = match (&tier.page, &config.challenge.page) {
        (Some(own), _) => (own, format!("{path}.page")),
        (None, Some(general)) => (general, "challenge.page".to_owned()),
        (None, None) => return Ok(None),
    };
    compile(written, config.credentials.origin.as_deref(), &path).map(Some)
}

fn compile(
    written: &StepUpPageConfig,
    origin: Option<&str>,
    path: &str,
) -> Result<StepUpPage, PolicyError> {
    let at = |key: &str| format!("{path}.{key}");
    let refused = |key: &str, value: &str, allowed: &str| {
        let value = value.escape_debug();
        PolicyError::new(at(key), format!("`{value}` {allowed}"))
    };
    let named = !written.parameter.is_empty()
        && written.parameter.len() <= 64
        && written
            .parameter
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !named {
        return Err(refused(
            "parameter",
            &written.parameter,
            "is not a parameter; allowed: 1 to 64 letters, digits, -, _ and .",
        ));
    }
    if !is_local(&written.default) {
        return Err(refused(
            "default",
            &written.default,
            "is not a path; allowed: / and visible ASCII without //, backslash and #",
        ));
    }
    let mut origins = Vec::with_capacity(written.origins.len().max(1));
    for (index, text) in written.origins.iter().enumerate() {
        origins.push(Origin::parse(text).ok_or_else(|| {
            refused(
                &format!("origins[{index}]"),
                text,
                "is not an origin; allowed: https://, a host and an optional port",
            )
        })?);
    }
    if origins.is_empty() {
        let general = origin.and_then(Origin::parse).ok_or_else(|| {
            PolicyError::new(
                at("origins"),
                "is empty, and credentials.origin names no https origin; nobody could be sent back",
            )
        })?;
        origins.push(general);
    }
    let own_path = own_path(&written.url, &origins).ok_or_else(|| {
        refused(
            "url",
            &written.url,
            "is not a page; allowed: https:// and a host, or a path, without //, backslash and #",
        )
    })?;
    let joint = if written.url.contains('?') { '&' } else { '?' };
    Ok(StepUpPage {
        address: format!("{}{joint}{}=", written.url, written.parameter),
        origins,
        default: written.default.clone(),
        own_path,
    })
}

/// The path of a page that this filter may stand in front of; `None` for what is no page.
fn own_path(url: &str, origins: &[Origin]) -> Option<Option<String>> {
    let of = |target: &str| target.split('?').next().unwrap_or(target).to_owned();
    if url.starts_with('/') {
        return is_local(url).then(|| Some(of(url)));
    }
    let rest = url.strip_prefix("https://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end)?;
    let origin = Origin::parse(&format!("https://{authority}"))?;
    let fits = target.is_empty() || (target.starts_with('/') && is_local(target));
    fits.then(|| origins.contains(&origin).then(|| of(target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: &str, origins: &[&str]) -> Result<StepUpPage, String> {
        let written = StepUpPageConfig {
            url: url.into(),
            origins: origins.iter().map(|text| (*text).to_owned()).collect(),
            ..StepUpPageConfig::default()
        };
        compile(&written, None, "page").map_err(|error| error.to_string())
    }

    #[test]
    fn help_is_a_link_that_runs_nothing() {
        let parsed = |link: &str| {
            let policy = serde_json::json!({ "challenge": { "help": link } });
            crate::policy::Policy::parse(&policy.to_string()).map_err(|error| error.to_string())
        };
        for link in [
            "https://help.test/mfa#phone",
            "/help",
            "mailto:help@desk.test",
        ] {
            assert!(parsed(link).is_ok(), "{link}");
        }
        for link in [
            "javascript:alert(1)",
            "data:text/html,x",
            "help",
            "",
            "https://a\nb",
        ] {
            let said = parsed(link).unwrap_err();
            assert!(said.starts_with("challenge.help: `"), "{said}");
            assert!(said.contains("is not a link; allowed: https://"), "{said}");
        }
    }

    #[test]
    fn a_page_is_an_https_url_or_a_path() {
        let origins = ["https://App.example.com:443"];
        for (url, address, own) in [
            ("/verify", "/verify?return_to=", Some("/verify")),
            ("/verify?a=b", "/verify?a=b&return_to=", Some("/verify")),
            (
                "https://id.example.com/mfa",
                "https://id.example.com/mfa?return_to=",
                None,
            ),
            (
                "https://app.example.com/mfa",
                "https://app.example.com/mfa?return_to=",
                Some("/mfa"),
            ),
        ] {
            let page = page(url, &origins).unwrap();
            assert_eq!(page.address, address);
            assert_eq!(page.own_path.as_deref(), own, "{url}");
            assert_eq!(page.origins[0].text, "https://app.example.com");
        }
        for url in [
            "",
            "verify",
            "//evil.test",
            "/\\evil.test",
            "http://id.example.com/",
            "https://user@id.example.com/",
            "https:///x",
            "https://id.example.com/#x",
            "javascript:alert(1)",
            "/x\r\ny",
        ] {
            assert!(page(url, &origins).is_err(), "{url}");
        }
    }

    #[test]
    fn somebody_must_be_sent_back_somewhere() {
        assert!(
            page("/verify", &[])
                .unwrap_err()
                .starts_with("page.origins: is empty")
        );
        for origin in [
            "app.example.com",
            "http://app.example.com",
            "https://",
            "https://a/b",
            "https://u@a",
            "https://a:0",
            "https://a:b",
        ] {
            let refused = page("/verify", &[origin]).unwrap_err();
            assert!(refused.starts_with("page.origins[0]: `"), "{refused}");
        }
        assert!(page("/verify", &["http://localhost:10000"]).is_ok());
    }

    #[test]
    fn an_origin_is_told_by_its_host_and_port() {
        let origin = Origin::parse("https://app.example.com").unwrap();
        assert!(origin.is_of(b"APP.example.com"));
        assert!(origin.is_of(b"app.example.com:443"));
        for other in [
            "app.example.com:8443",
            "app.example.com.evil.test",
            "xapp.example.com",
            "",
        ] {
            assert!(!origin.is_of(other.as_bytes()), "{other}");
        }
    }
}
