//! Which headers carry which signal: the presets spelled out, single names on top.
//! May use: the raw policy.
//! Must not: read a header nobody named.

use super::PolicyError;
use super::config::{Preset, SignalSources};

/// Header names to read, lower case. `None`: the signal is not read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SignalNames {
    /// Country.
    pub country: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Autonomous system number.
    pub asn: Option<String>,
    /// Latitude.
    pub latitude: Option<String>,
    /// Longitude.
    pub longitude: Option<String>,
    /// Latitude and longitude together.
    pub coordinates: Option<String>,
    /// Tor exit.
    pub tor: Option<String>,
    /// VPN.
    pub vpn: Option<String>,
    /// Proxy.
    pub proxy: Option<String>,
    /// Hosting provider.
    pub hosting: Option<String>,
    /// Relay of the client's vendor.
    pub relay: Option<String>,
    /// Any anonymiser.
    pub anonymiser: Option<String>,
    /// JA3 or JA4.
    pub tls: Option<String>,
    /// Filter state with JA3 or JA4.
    pub tls_filter_state: Option<String>,
    /// Device cookie.
    pub device_cookie: Option<String>,
    /// Risk score from elsewhere.
    pub risk: Option<String>,
    /// Claim with a risk score.
    pub risk_claim: Option<String>,
}

impl SignalNames {
    fn preset(preset: Preset) -> Self {
        let name = |name: &str| Some(name.to_owned());
        match preset {
            Preset::EnvoyGeoip => Self {
                country: name("x-geo-country"),
                city: name("x-geo-city"),
                asn: name("x-geo-asn"),
                tor: name("x-geo-anon-tor"),
                vpn: name("x-geo-anon-vpn"),
                proxy: name("x-geo-anon-proxy"),
                hosting: name("x-geo-anon-hosting"),
                relay: name("x-geo-relay"),
                anonymiser: name("x-geo-anon"),
                ..Self::default()
            },
            Preset::Cloudflare => Self {
                country: name("cf-ipcountry"),
                city: name("cf-ipcity"),
                latitude: name("cf-iplatitude"),
                longitude: name("cf-iplongitude"),
                tls: name("cf-ja4"),
                ..Self::default()
            },
            Preset::Cloudfront => Self {
                country: name("cloudfront-viewer-country"),
                city: name("cloudfront-viewer-city"),
                asn: name("cloudfront-viewer-asn"),
                latitude: name("cloudfront-viewer-latitude"),
                longitude: name("cloudfront-viewer-longitude"),
                tls: name("cloudfront-viewer-ja4-fingerprint"),
                ..Self::default()
            },
            Preset::GoogleLb => Self {
                country: name("x-client-region"),
                city: name("x-client-city"),
                coordinates: name("x-client-city-lat-long"),
                tls: name("x-tls-ja4"),
                ..Self::default()
            },
            Preset::Fastly => Self {
                country: name("fastly-geo-country"),
                city: name("fastly-geo-city"),
                asn: name("fastly-geo-asn"),
                latitude: name("fastly-geo-lat"),
                longitude: name("fastly-geo-lon"),
                tls: name("fastly-ja4"),
                ..Self::default()
            },
        }
    }

    pub(super) fn resolve(sources: &SignalSources) -> Result<Self, PolicyError> {
        let mut names = sources.preset.map(Self::preset).unwrap_or_default();
        let anonymisers = &sources.anonymisers;
        let overrides = [
            ("country", &sources.country, &mut names.country),
            ("city", &sources.city, &mut names.city),
            ("asn", &sources.asn, &mut names.asn),
            ("latitude", &sources.latitude, &mut names.latitude),
            ("longitude", &sources.longitude, &mut names.longitude),
            ("coordinates", &sources.coordinates, &mut names.coordinates),
            ("anonymisers.tor", &anonymisers.tor, &mut names.tor),
            ("anonymisers.vpn", &anonymisers.vpn, &mut names.vpn),
            ("anonymisers.proxy", &anonymisers.proxy, &mut names.proxy),
            (
                "anonymisers.hosting",
                &anonymisers.hosting,
                &mut names.hosting,
            ),
            ("anonymisers.relay", &anonymisers.relay, &mut names.relay),
            ("anonymisers.any", &anonymisers.any, &mut names.anonymiser),
            ("tls_fingerprint", &sources.tls_fingerprint, &mut names.tls),
        ];
        for (key, written, name) in overrides {
            if let Some(written) = written {
                *name = Some(header_name(&format!("signals.{key}"), written)?);
            }
        }
        names
            .tls_filter_state
            .clone_from(&sources.tls_fingerprint_filter_state);
        names.device_cookie.clone_from(&sources.device_cookie);
        if let Some(risk) = &sources.risk {
            if let Some(header) = &risk.header {
                names.risk = Some(header_name("signals.risk.header", header)?);
            }
            names.risk_claim.clone_from(&risk.claim);
        }
        Ok(names)
    }
}

/// A header name in lower case: a token of RFC 9110 §5.6.2 that is not one of ours.
pub(super) fn header_name(path: &str, name: &str) -> Result<String, PolicyError> {
    let lower = name.to_ascii_lowercase();
    let token = !lower.is_empty()
        && lower.len() <= 128
        && lower
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if !token {
        return Err(PolicyError::new(
            path,
            format!("`{name}` is not a header name"),
        ));
    }
    if lower.starts_with("x-stepgate-") {
        return Err(PolicyError::new(
            path,
            format!(
                "`{name}` is removed from every request; use a name that does not begin with x-stepgate-"
            ),
        ));
    }
    Ok(lower)
}
