//! Devices and the user agent strings they send, with versions that move on as time does.
//! May use: random numbers.
//! Must not: write a string no such client would send.

mod text;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::rng::Rng;
use text::TOOLS;

/// What a device is and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
enum Platform {
    #[default]
    Windows,
    Mac,
    Linux,
    Android,
    AndroidTablet,
    Iphone,
    Ipad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
enum Product {
    #[default]
    Chrome,
    Edge,
    Firefox,
    Safari,
    Samsung,
    /// A browser inside an app.
    Embedded,
}

/// A client as it says it is: two clients are equal where their strings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Client {
    sort: ClientSort,
    model: u16,
    browser: u16,
    /// Major version times 10 plus minor; 0 where the string hides it.
    system: u16,
    build: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ClientSort {
    Browser(Platform, Product),
    /// A library or a command, by its place in [`TOOLS`].
    Tool(u8),
}

impl Default for ClientSort {
    fn default() -> Self {
        Self::Browser(Platform::default(), Product::default())
    }
}

/// Models of Android phones, the commonest first; every other one is hidden by its browser.
const MODELS: usize = 700;
/// Models of iPhones an app's browser tells apart.
const IPHONES: u16 = 24;
/// Builds an app's browser tells apart.
const BUILDS: usize = 4000;
/// How often it tells one.
const TELLS_BUILD: f64 = 0.4;
const FROZEN: f64 = 0.4;
/// How often somebody's next device is of the platform and browser of the one before.
const LOYAL: f64 = 0.36;
/// Days between two versions of a browser, and of a system.
const BROWSER_DAYS: f64 = 45.0;
const SYSTEM_DAYS: f64 = 180.0;
/// How much later than others a device is updated, in days.
const LAGS: [f64; 5] = [0.0, 0.0, 0.0, 14.0, 28.0];
/// Newest versions on the first day.
const CHROME: f64 = 143.0;
const FIREFOX: f64 = 146.0;
const SAFARI: f64 = 26.0;
const ANDROID: f64 = 16.0;

/// A device somebody owns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Device {
    platform: Platform,
    product: Product,
    model: u16,
    build: u16,
    lag: f64,
    /// Day since which it was not updated.
    frozen: Option<f64>,
}

impl Device {
    /// A device bought on or before this day.
    pub(super) fn bought(day: f64, used: bool, rng: &mut Rng) -> Self {
        let platform = match rng.unit() {
            x if x < 0.26 => Platform::Windows,
            x if x < 0.345 => Platform::Mac,
            x if x < 0.36 => Platform::Linux,
            x if x < 0.68 => Platform::Android,
            x if x < 0.97 => Platform::Iphone,
            x if x < 0.98 => Platform::AndroidTablet,
            _ => Platform::Ipad,
        };
        let x = rng.unit();
        let product = match platform {
            Platform::Windows if x < 0.68 => Product::Chrome,
            Platform::Windows if x < 0.85 => Product::Edge,
            Platform::Mac if x < 0.5 => Product::Safari,
            Platform::Mac if x < 0.9 => Product::Chrome,
            Platform::Linux if x < 0.5 => Product::Chrome,
            Platform::Windows | Platform::Mac | Platform::Linux => Product::Firefox,
            Platform::Android if x < 0.62 => Product::Chrome,
            Platform::Android if x < 0.8 => Product::Samsung,
            Platform::Iphone if x < 0.7 => Product::Safari,
            Platform::Iphone if x < 0.8 => Product::Chrome,
            Platform::Android | Platform::Iphone => Product::Embedded,
            Platform::AndroidTablet => Product::Chrome,
            Platform::Ipad => Product::Safari,
        };
        let age = if used { rng.exponential(200.0) } else { 0.0 };
        Self {
            platform,
            product,
            model: rng.weighted((0..MODELS).map(|rank| 1.0 / (rank as f64 + 3.0))) as u16,
            build: rng.below(BUILDS) as u16,
            lag: rng.choose(&LAGS, 0.0),
            frozen: rng.chance(FROZEN).then_some(day - age),
        }
    }

    /// Another device of somebody who keeps to what is known, or of somebody close: often the same platform and browser.
    pub(super) fn bought_like(self, day: f64, used: bool, rng: &mut Rng) -> Self {
        let other = Self::bought(day, used, rng);
        if rng.chance(LOYAL) {
            Self {
                platform: self.platform,
                product: self.product,
                ..other
            }
        } else {
            other
        }
    }

    /// What the device sends on a day.
    pub(super) fn at(&self, day: f64, rng: &mut Rng) -> Client {
        let day = self.frozen.unwrap_or(day - self.lag);
        let step = |base: f64, days: f64| (base + libm::floor(day / days)).max(1.0) as u16;
        let newest = match self.product {
            Product::Firefox => FIREFOX,
            _ => CHROME,
        };
        let minor = (libm::floor(day / BROWSER_DAYS) as i32).rem_euclid(4) as u16;
        let apple = step(SAFARI, SYSTEM_DAYS) * 10 + minor;
        let (platform, product) = (self.platform, self.product);
        let mobile = matches!(platform, Platform::Android | Platform::AndroidTablet);
        // Chrome and Samsung Internet hide the model and the version of Android unless they are told to show them.
        let hidden = mobile && product != Product::Embedded && self.model % 2 == 1
            || product == Product::Samsung;
        let shows_build = product == Product::Embedded || (mobile && !hidden);
        Client {
            sort: ClientSort::Browser(platform, product),
            model: match (platform, product) {
                (Platform::Iphone, Product::Embedded) => self.model % IPHONES,
                _ if mobile && !hidden => self.model,
                _ => 0,
            },
            browser: match product {
                Product::Safari => apple,
                Product::Embedded if platform == Platform::Iphone => 0,
                _ => step(newest, BROWSER_DAYS),
            },
            system: match platform {
                Platform::Iphone | Platform::Ipad => apple,
                Platform::Android | Platform::AndroidTablet if !hidden => {
                    step(ANDROID, SYSTEM_DAYS) * 10
                }
                _ => 0,
            },
            build: match product {
                Product::Embedded if rng.chance(TELLS_BUILD) => rng.below(BUILDS) as u16,
                _ if shows_build => self.build % 20,
                _ => 0,
            },
        }
    }
}

impl Client {
    /// A library or a command.
    pub(super) fn tool(rng: &mut Rng) -> Self {
        Self {
            sort: ClientSort::Tool(rng.below(TOOLS.len()) as u8),
            ..Self::default()
        }
    }
}

impl Client {
    /// A number for the whole string.
    pub(super) fn agent(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// A number for the product with its version.
    pub(super) fn browser_number(&self) -> u64 {
        let product = match self.sort {
            ClientSort::Browser(_, product) => product as u64,
            ClientSort::Tool(tool) => 100 + u64::from(tool),
        };
        product << 16 | u64::from(self.browser)
    }

    /// A number for the system with its version.
    pub(super) fn system_number(&self) -> u64 {
        self.platform() << 16 | u64::from(self.system)
    }

    /// A number for the form of the device.
    pub(super) fn device_number(&self) -> u64 {
        match self.sort {
            ClientSort::Tool(_) => 3,
            ClientSort::Browser(platform, _) => match platform {
                Platform::Windows | Platform::Mac | Platform::Linux => 0,
                Platform::Android | Platform::Iphone => 1,
                Platform::AndroidTablet | Platform::Ipad => 2,
            },
        }
    }

    fn platform(&self) -> u64 {
        match self.sort {
            ClientSort::Browser(platform, _) => platform as u64,
            ClientSort::Tool(_) => 99,
        }
    }
}

#[cfg(test)]
mod tests {
    use stepgate::signals::user_agent;

    use super::*;

    #[test]
    fn the_parser_knows_every_client_it_is_shown() {
        let mut rng = Rng::new(3, 3);
        let mut mobile = 0;
        for day in 0..3000 {
            let day = f64::from(day) / 10.0;
            let device = Device::bought(day, true, &mut rng);
            let shown = device.at(day, &mut rng);
            let text = shown.to_string();
            let client = user_agent::parse(text.as_bytes());
            assert!(client.browser.name().is_some(), "{text}");
            assert!(client.os.name().is_some(), "{text}");
            assert!(!client.automated, "{text}");
            let form = [
                user_agent::Device::Desktop,
                user_agent::Device::Mobile,
                user_agent::Device::Tablet,
            ];
            let number = shown.device_number() as usize;
            assert_eq!(client.device, form[number], "{text}");
            mobile += usize::from(number == 1);
            let tool = Client::tool(&mut rng).to_string();
            assert!(user_agent::parse(tool.as_bytes()).automated, "{tool}");
        }
        assert!((1730..1930).contains(&mobile), "{mobile}");
    }

    #[test]
    fn equal_strings_are_equal_clients() {
        let mut rng = Rng::new(4, 4);
        let mut seen = std::collections::HashMap::new();
        for _ in 0..3000 {
            let day = rng.between(0.0, 300.0);
            let client = Device::bought(day, true, &mut rng).at(day, &mut rng);
            let earlier = *seen.entry(client.to_string()).or_insert(client);
            assert_eq!(earlier, client, "{client}");
        }
    }
}
