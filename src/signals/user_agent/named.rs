//! Clients described by names: the fields of an event, and client hints of a request.
//! May use: std and the tables of products. Must not: allocate or fail.
//! Both ways give the client that the whole user agent string would have given, where the names allow.

use super::products::{self, Browser, Kind};
use super::systems::{self, Device, Os, device_named, form_of, starts};
use super::{Client, major};

/// The client of an event's `user_agent.{name,version}`, `user_agent.os.{name,version}` and
/// `user_agent.device.name`. A version may stand inside its name (`iOS 12`, `Chrome Mobile 46.0.2490`).
#[must_use]
pub fn from_names(
    name: Option<&str>,
    version: Option<&str>,
    os_name: Option<&str>,
    os_version: Option<&str>,
    device_name: Option<&str>,
) -> Client {
    let (browser, implied, major) = browser_of(said(name), said(version));
    let (os, os_major) = os_of(said(os_name), said(os_version));
    let mut client = Client {
        browser,
        major,
        os,
        os_major,
        ..Client::default()
    };
    let device = said(device_name);
    let told = device.and_then(device_named);
    if device.is_some_and(|d| starts(d, "ipad"))
        || (client.os == Os::IOS && told == Some(Device::Tablet))
    {
        client.os = Os::IPADOS;
    }
    let automatic = matches!(told, Some(Device::Bot | Device::Tool));
    let form = match told {
        Some(told) => told,
        None if form_of(client.os) == Device::Desktop => Device::Desktop,
        None => implied.unwrap_or(form_of(client.os)),
    };
    let headless = automatic || name.is_some_and(|n| starts(n, "headless"));
    client = client.with_form(form, automatic, headless);
    if client.device == Device::Unknown {
        client.device = form;
    }
    client
}

impl Client {
    /// Corrects the client by its `sec-ch-ua`, `sec-ch-ua-platform` and `sec-ch-ua-mobile` headers, which
    /// browsers fill truly where the user agent string is frozen. Tools, bots and apps keep what they said.
    #[must_use]
    pub fn with_hints(
        mut self,
        brands: Option<&[u8]>,
        platform: Option<&[u8]>,
        mobile: Option<&[u8]>,
    ) -> Self {
        let kind = self.browser.kind();
        if matches!(kind, Kind::Tool | Kind::Bot | Kind::Headless) {
            return self;
        }
        let mut headless = self.automated;
        if let Some((browser, major)) = brands.and_then(brand_of) {
            let brands = brands.unwrap_or_default();
            headless |= brands.windows(8).any(|w| w == b"Headless");
            if !matches!(kind, Kind::Embedded | Kind::App) {
                (self.browser, self.major) = (browser, major);
            }
        }
        let platform = platform
            .and_then(|p| std::str::from_utf8(p).ok())
            .map(|p| p.trim_matches(['"', ' ']));
        if let Some(platform) = said(platform) {
            let (os, _) = os_of(Some(platform), None);
            let same = os == self.os || (os == Os::IOS && self.os == Os::IPADOS);
            if os != Os::NONE && !same {
                (self.os, self.os_major) = (os, 0);
                self.device = form_of(os);
            }
        }
        let form = match mobile {
            Some(b"?1") => Device::Mobile,
            Some(b"?0") if self.device == Device::Mobile && self.os == Os::ANDROID => {
                Device::Tablet
            }
            Some(b"?0") if self.device == Device::Mobile => Device::Desktop,
            _ => self.device,
        };
        self.with_form(form, false, headless)
    }
}

/// The most telling brand of a `sec-ch-ua` list; invented brands and plain Chromium yield to any other.
fn brand_of(list: &[u8]) -> Option<(Browser, u16)> {
    let list = list.get(..512).unwrap_or(list);
    let mut quoted = list.split(|b| *b == b'"').skip(1).step_by(2);
    let mut best = None;
    while let (Some(brand), Some(version)) = (quoted.next(), quoted.next()) {
        let Some((browser, _)) = std::str::from_utf8(brand).ok().and_then(known) else {
            continue;
        };
        if best.is_none() || browser != Browser::CHROMIUM {
            best = Some((browser, major(version)));
        }
    }
    best
}

/// Text that says something.
fn said(text: Option<&str>) -> Option<&str> {
    let text = text?.trim();
    let empty = ["", "-", "unknown", "other", "none", "null"];
    (!empty.iter().any(|word| text.eq_ignore_ascii_case(word))).then_some(text)
}

fn browser_of(name: Option<&str>, version: Option<&str>) -> (Browser, Option<Device>, u16) {
    let Some(name) = name else {
        return (Browser::NONE, None, 0);
    };
    let (name, inside) = split_version(name);
    let number = major(version.or(inside).unwrap_or_default().as_bytes());
    match known(name) {
        Some((browser, device)) => (browser, device, number),
        None if super::names_bot(name.to_ascii_lowercase_bytes(&mut [0; 64])) => {
            (Browser::hashed(name.as_bytes(), true), None, number)
        }
        None => (Browser::hashed(name.as_bytes(), false), None, number),
    }
}

fn known(name: &str) -> Option<(Browser, Option<Device>)> {
    let mut buffer = [0; 64];
    let name = name.to_ascii_lowercase_bytes(&mut buffer);
    products::by_name(name).or_else(|| products::by_token(name).map(|(browser, _)| (browser, None)))
}

trait Lowered {
    /// The first 64 bytes in lower case.
    fn to_ascii_lowercase_bytes<'a>(&self, buffer: &'a mut [u8; 64]) -> &'a [u8];
}

impl Lowered for str {
    fn to_ascii_lowercase_bytes<'a>(&self, buffer: &'a mut [u8; 64]) -> &'a [u8] {
        let mut length = 0;
        for (to, from) in buffer.iter_mut().zip(self.bytes()) {
            *to = from.to_ascii_lowercase();
            length += 1;
        }
        buffer.get(..length).unwrap_or_default()
    }
}

/// `iOS 12.1` → `iOS` and `12.1`.
fn split_version(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once([' ', '/']) {
        Some((front, last)) if last.starts_with(|c: char| c.is_ascii_digit()) => {
            (front.trim_end(), Some(last))
        }
        _ => (name, None),
    }
}

fn os_of(name: Option<&str>, version: Option<&str>) -> (Os, u16) {
    let Some(name) = name else {
        return (Os::NONE, 0);
    };
    let (name, inside) = split_version(name);
    let number = major(version.or(inside).unwrap_or_default().as_bytes());
    (systems::os_named(name), number)
}
