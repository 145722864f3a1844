//! The user agent strings themselves, after what the browsers send.
//! May use: clients.
//! Must not: draw anything.

use std::fmt;

use super::{Client, ClientSort, Platform, Product};

/// What machines send.
pub(super) const TOOLS: [&str; 8] = [
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "curl/8.9.1",
    "okhttp/4.12.0",
    "axios/1.7.7",
    "HashiCorp Terraform/1.9.8 (+https://www.terraform.io)",
    "aws-cli/2.22.4 md/awscrt#0.23.1 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.6",
    "kubectl/v1.31.3 (linux/amd64) kubernetes/c83cbee",
];

/// The name a maker gives to the model of this rank.
fn model(rank: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match rank % 5 {
        0 => write!(f, "SM-A{}B", 105 + rank),
        1 => write!(f, "SM-S{}B", 901 + rank),
        2 => write!(f, "2{:03}1RN53Y", 100 + rank),
        3 => write!(f, "CPH2{:03}", 100 + rank),
        _ => write!(f, "XT2{:03}-1", 100 + rank),
    }
}

struct Model(u16);

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        model(self.0, f)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (platform, product) = match self.sort {
            ClientSort::Tool(tool) => {
                return f.write_str(TOOLS.get(usize::from(tool)).copied().unwrap_or_default());
            }
            ClientSort::Browser(platform, product) => (platform, product),
        };
        const BLINK: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        const WEBKIT: &str = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        let version = self.browser;
        let (major, minor) = (self.system / 10, self.system % 10);
        let named = Model(self.model);
        match platform {
            Platform::Iphone | Platform::Ipad => {
                let device = match platform {
                    Platform::Ipad => "iPad; CPU OS",
                    _ => "iPhone; CPU iPhone OS",
                };
                write!(
                    f,
                    "Mozilla/5.0 ({device} {major}_{minor} like Mac OS X) {WEBKIT} "
                )?;
                return match product {
                    Product::Embedded => write!(
                        f,
                        "Mobile/15E148 [FBAN/FBIOS;FBAV/{}.0.0;FBDV/iPhone{},{}]",
                        300 + self.build,
                        12 + self.model % 6,
                        1 + self.model / 6
                    ),
                    Product::Chrome => {
                        write!(f, "CriOS/{version}.0.0.0 Mobile/15E148 Safari/604.1")
                    }
                    _ => write!(f, "Version/{major}.{minor} Mobile/15E148 Safari/604.1"),
                };
            }
            Platform::Windows => f.write_str("Mozilla/5.0 (Windows NT 10.0; Win64; x64")?,
            Platform::Mac if product == Product::Firefox => {
                f.write_str("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15")?;
            }
            Platform::Mac => f.write_str("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7")?,
            Platform::Linux => f.write_str("Mozilla/5.0 (X11; Linux x86_64")?,
            Platform::Android | Platform::AndroidTablet if major == 0 => {
                f.write_str("Mozilla/5.0 (Linux; Android 10; K")?;
            }
            Platform::Android | Platform::AndroidTablet => {
                write!(f, "Mozilla/5.0 (Linux; Android {major}; {named}")?;
            }
        }
        let mobile = if platform == Platform::Android {
            " Mobile"
        } else {
            ""
        };
        let build = self.build;
        match product {
            Product::Firefox => write!(f, "; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
            Product::Safari => {
                let (major, minor) = (version / 10, version % 10);
                write!(f, ") {WEBKIT} Version/{major}.{minor} Safari/605.1.15")
            }
            Product::Chrome => write!(
                f,
                ") {BLINK} Chrome/{version}.0.0.{build}{mobile} Safari/537.36"
            ),
            Product::Edge => {
                write!(
                    f,
                    ") {BLINK} Chrome/{version}.0.0.0 Safari/537.36 Edg/{version}.0.0.0"
                )
            }
            Product::Samsung => {
                let own = version.saturating_sub(114);
                write!(
                    f,
                    ") {BLINK} SamsungBrowser/{own}.0 Chrome/{version}.0.0.0{mobile} Safari/537.36"
                )
            }
            Product::Embedded => write!(
                f,
                "; wv) {BLINK} Version/4.0 Chrome/{version}.0.0.0{mobile} Safari/537.36 [FB_IAB/FB4A;FBAV/{}.0.0;]",
                300 + build
            ),
        }
    }
}
