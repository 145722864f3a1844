//! Which client a user agent string, its client hints or an event's names describe.
//! May use: std only. Must not: allocate, look past the first 512 bytes, or fail on any bytes.
//! Own parser: woothee 0.13 alone builds to 1.2 MB of wasm (its regexes), and uaparser compiles a file of regexes at start.

mod named;
mod products;
mod systems;

pub use named::from_names;
pub use products::Browser;
pub use systems::{Device, Os};

use products::Kind;
use systems::{form_of, windows};

/// Bytes of a user agent that are looked at.
pub const MAX_LENGTH: usize = 512;

/// Words of a user agent that are looked at; real ones have up to 40.
const MAX_WORDS: u8 = 64;

/// What a client says it is. Nothing here is proven; it serves to see change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Client {
    /// Browser, app, library or bot.
    pub browser: Browser,
    /// Its major version; 0 if not said.
    pub major: u16,
    /// Operating system.
    pub os: Os,
    /// Its major version (`7`, `8`, `10` for Windows NT 6.1, 6.2–6.3, 10.0); 0 if not said.
    pub os_major: u16,
    /// Form of the device.
    pub device: Device,
    /// A web view inside an app rather than a browser.
    pub webview: bool,
    /// Driven by a program: headless browsers, libraries, command-line tools, bots.
    pub automated: bool,
}

/// Reads a `user-agent` header. Any bytes are fine; none at all give the default.
#[must_use]
pub fn parse(header: &[u8]) -> Client {
    let header = header.get(..MAX_LENGTH).unwrap_or(header);
    let mut reading = Reading::default();
    let mut start = 0;
    for (at, byte) in header.iter().enumerate() {
        if is_separator(*byte) {
            reading.token(header.get(start..at).unwrap_or_default());
            if matches!(byte, b'(' | b')' | b';' | b'[' | b']') {
                reading.pending = Pending::Nothing;
            }
            start = at + 1;
        }
    }
    reading.token(header.get(start..).unwrap_or_default());
    reading.finish()
}

fn is_separator(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b';' | b',' | b'(' | b')' | b'[' | b']' | b'"')
}

/// What the next number in the same comment is the version of.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Pending {
    #[default]
    Nothing,
    Product,
    Windows,
    WindowsNt,
    Os,
}

#[derive(Default)]
struct Reading {
    client: Client,
    rank: u8,
    words: u8,
    pending: Pending,
    /// `Version/x`: the version of Safari and of web views.
    version: u16,
    started: bool,
    mozilla: bool,
    webkit: bool,
    safari: bool,
    chrome: bool,
    mobile: bool,
    tablet: bool,
    tool: bool,
    headless: bool,
}

impl Reading {
    fn token(&mut self, token: &[u8]) {
        let Some(first) = token.first() else { return };
        if self.words >= MAX_WORDS {
            return;
        }
        self.words += 1;
        if first.is_ascii_digit() {
            return self.number(token);
        }
        let cut = token.iter().position(|b| *b == b'/');
        let (name, version) = match cut {
            Some(cut) => (token.get(..cut).unwrap_or_default(), token.get(cut + 1..)),
            None => (token, None),
        };
        let mut buffer = [0_u8; 32];
        let Some(name_lower) = lower(name, &mut buffer) else {
            return self.product(name, None, version, false);
        };
        if name_lower.starts_with(b"http") || name_lower.starts_with(b"+http") {
            return;
        }
        if version.is_none() && self.word(name_lower) {
            self.started = true;
            return;
        }
        let known = products::by_token(name_lower);
        let bot = known.is_none() && names_bot(name_lower);
        match name_lower {
            b"mozilla" if !self.started => self.mozilla = true,
            b"version" => self.version = major(version.unwrap_or_default()),
            b"applewebkit" => self.webkit = true,
            b"mobile" => self.mobile = true,
            b"trident" => {
                let engine = major(version.unwrap_or_default());
                self.take(
                    Browser::IE,
                    3,
                    if engine == 0 {
                        0
                    } else {
                        engine.saturating_add(4)
                    },
                );
            }
            b"ios" | b"android" | b"windows" | b"macos" | b"linux" | b"darwin" if self.started => {
                self.system(name_lower, version.unwrap_or_default());
            }
            _ => self.product(name, known, version, bot),
        }
        self.started = true;
    }

    fn product(
        &mut self,
        name: &[u8],
        known: Option<(Browser, u8)>,
        version: Option<&[u8]>,
        bot: bool,
    ) {
        let number = major(version.unwrap_or_default());
        let in_front = !self.started;
        self.started = true;
        match known {
            Some((browser, rank)) => {
                self.safari |= browser == Browser::SAFARI;
                self.chrome |= browser == Browser::CHROME;
                self.headless |= browser.kind() == Kind::Headless;
                self.headless |= name
                    .first_chunk()
                    .is_some_and(|head: &[u8; 8]| head.eq_ignore_ascii_case(b"headless"));
                self.tool |= browser.kind() == Kind::Tool;
                let bare = version.is_none() && !in_front && rank < 5;
                if !bare && (in_front || rank > 0) {
                    self.take(browser, if in_front { rank.max(2) } else { rank }, number);
                    if version.is_none() {
                        self.pending = Pending::Product;
                    }
                }
            }
            None if bot => self.take(Browser::hashed(name, true), 6, number),
            None if in_front => {
                self.take(Browser::hashed(name, false), 2, number);
                if version.is_none() {
                    self.pending = Pending::Product;
                }
            }
            None => {}
        }
    }

    fn take(&mut self, browser: Browser, rank: u8, major: u16) {
        let same = browser == self.client.browser;
        if rank > self.rank
            || (same && self.client.major == 0)
            || self.client.browser == Browser::NONE
        {
            self.client.browser = browser;
            self.client.major = major;
            self.rank = rank;
        }
    }

    /// Words that stand alone. True if the word meant something and is no product.
    fn word(&mut self, word: &[u8]) -> bool {
        match word {
            b"windows" => {
                self.os(Os::WINDOWS);
                self.pending = Pending::Windows;
            }
            b"nt" if self.pending == Pending::Windows => self.pending = Pending::WindowsNt,
            b"phone" if self.pending == Pending::Windows => {
                self.client.os = Os::WINDOWS_PHONE;
                self.pending = Pending::Os;
            }
            b"macintosh" => self.os(Os::MACOS),
            b"macos" | b"mac_powerpc" => self.await_version(Os::MACOS),
            b"mac" if !self.apple_mobile() => self.await_version(Os::MACOS),
            b"iphone" | b"ipod" => self.client.os = Os::IOS,
            b"ipad" | b"ipados" => {
                self.client.os = Os::IPADOS;
                self.pending = Pending::Os;
            }
            b"ios" => self.await_version(Os::IOS),
            b"os" if self.apple_mobile() => self.pending = Pending::Os,
            b"android" if self.client.os != Os::WINDOWS_PHONE => {
                self.client.os = Os::ANDROID;
                self.pending = Pending::Os;
            }
            b"cros" => {
                self.client.os = Os::CHROME_OS;
                self.pending = Pending::Os;
            }
            b"linux" | b"x11" | b"ubuntu" | b"fedora" => self.os(Os::LINUX),
            b"mobile" => self.mobile = true,
            b"tablet" => self.tablet = true,
            b"wv" => self.client.webview = true,
            b"msie" => {
                self.take(Browser::IE, 3, 0);
                self.pending = Pending::Product;
            }
            b"compatible" | b"like" | b"u" | b"x" | b"cpu" | b"intel" => return self.started,
            _ => return false,
        }
        true
    }

    /// `iOS/13.4`, `darwin/arm64`: a system written as a product.
    fn system(&mut self, name: &[u8], version: &[u8]) {
        let number = major(version);
        let os = match name {
            b"ios" => Os::IOS,
            b"android" => Os::ANDROID,
            b"windows" => Os::WINDOWS,
            b"macos" => Os::MACOS,
            b"linux" => return self.os(Os::LINUX),
            _ if number == 0 => Os::MACOS,
            _ => return self.os(Os::DARWIN),
        };
        self.os(os);
        if self.client.os == os && self.client.os_major == 0 {
            self.client.os_major = number;
        }
    }

    fn os(&mut self, os: Os) {
        if self.client.os == Os::NONE || (self.client.os == Os::LINUX && os == Os::ANDROID) {
            self.client.os = os;
        }
    }

    fn await_version(&mut self, os: Os) {
        self.os(os);
        if self.client.os == os || self.apple_mobile() {
            self.pending = Pending::Os;
        }
    }

    fn apple_mobile(&self) -> bool {
        matches!(self.client.os, Os::IOS | Os::IPADOS)
    }

    fn number(&mut self, token: &[u8]) {
        let number = major(token);
        match self.pending {
            Pending::Nothing => return,
            Pending::Product if self.client.major == 0 => self.client.major = number,
            Pending::WindowsNt => self.client.os_major = windows(number, token),
            Pending::Windows | Pending::Os if self.client.os_major == 0 => {
                self.client.os_major = number
            }
            _ => {}
        }
        self.pending = Pending::Nothing;
    }

    fn finish(mut self) -> Client {
        let android = self.client.os == Os::ANDROID;
        let apple = self.apple_mobile();
        let embedded = self.rank < 3 && self.mozilla;
        if embedded && android && self.chrome && (self.client.webview || self.version == 4) {
            self.client.browser = Browser::ANDROID_WEBVIEW;
        } else if embedded && android && !self.chrome && self.safari && self.version > 0 {
            (self.client.browser, self.client.major) = (Browser::ANDROID_BROWSER, self.version);
        } else if self.client.browser == Browser::SAFARI && self.version > 0 {
            self.client.major = self.version;
        } else if self.client.browser == Browser::NONE && self.webkit {
            self.client.browser = if apple {
                Browser::IOS_WEBVIEW
            } else {
                Browser::WEBKIT
            };
            self.client.major = self.client.os_major;
        } else if self.client.browser == Browser::NONE && self.mozilla {
            self.client.browser = Browser::hashed(b"mozilla", false);
        }
        let form = if self.tablet
            || self.client.os == Os::IPADOS
            || (android && !self.mobile && self.mozilla)
        {
            Device::Tablet
        } else {
            form_of(self.client.os)
        };
        let unknown_tool = self.tool && self.client.browser.kind() == Kind::Unknown;
        self.client.with_form(form, unknown_tool, self.headless)
    }
}

impl Client {
    /// Sets device, web view and automation from the product's kind and the device's form.
    fn with_form(mut self, form: Device, tool: bool, headless: bool) -> Self {
        let kind = self.browser.kind();
        let app = matches!(form, Device::Mobile | Device::Tablet);
        self.device = match kind {
            Kind::Bot => Device::Bot,
            Kind::Tool => Device::Tool,
            Kind::Unknown if tool && !app => Device::Tool,
            Kind::None => Device::Unknown,
            _ => form,
        };
        self.automated =
            headless || kind == Kind::Headless || matches!(self.device, Device::Bot | Device::Tool);
        self.webview |= kind == Kind::Embedded;
        self
    }
}

/// The lower-case name, or `None` if it is longer than any known one.
fn lower<'a>(name: &[u8], buffer: &'a mut [u8; 32]) -> Option<&'a [u8]> {
    let target = buffer.get_mut(..name.len())?;
    for (to, from) in target.iter_mut().zip(name) {
        *to = from.to_ascii_lowercase();
    }
    Some(target)
}

/// True for names of crawlers by convention; Cubot makes phones.
fn names_bot(name: &[u8]) -> bool {
    let mut rest = name;
    while let [_, tail @ ..] = rest {
        match rest {
            [b'b', b'o', b't', ..] => return !name.starts_with(b"cubot"),
            [b's', b'p', b'i', b'd', b'e', b'r', ..] | [b'c', b'r', b'a', b'w', b'l', ..] => {
                return true;
            }
            _ => rest = tail,
        }
    }
    false
}

/// The first number in a version such as `v1.28.2`, `10_15_7` or `116`; 0 if there is none.
fn major(version: &[u8]) -> u16 {
    let digits = match version {
        [b'v' | b'V', rest @ ..] => rest,
        other => other,
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0_u16, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u16::from(digit - b'0'))
    })
}

#[cfg(test)]
#[path = "user_agent_tests.rs"]
mod tests;
