//! The products a client can be: their stable numbers, their names, the tokens they write.
//! May use: std only. Must not: reuse or renumber an id, for baselines keep them.
//! All tables are sorted, for binary search; the tokens by length first, which is compared faster.

use super::Device;

/// A product: a browser, an app, a library, a bot. Its number is stable across versions; products
/// that are not in the table get one from a hash of their name, so that they still differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Browser(u16);

/// What sort of client a product is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    None,
    Browser,
    Embedded,
    App,
    Headless,
    Tool,
    Bot,
    Unknown,
}

impl Browser {
    /// No product was named at all.
    pub const NONE: Self = Self(0);

    /// The stable number: up to 999 from the table, from 0x4000 a bot by hash, from 0x8000 any other by hash.
    #[must_use]
    pub fn id(self) -> u16 {
        self.0
    }

    /// The product of a number stored earlier.
    #[must_use]
    pub fn from_id(id: u16) -> Self {
        Self(id)
    }

    /// Its name, or `None` for products known by hash only.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let at = PRODUCTS.binary_search_by_key(&self.0, |row| row.0).ok()?;
        PRODUCTS.get(at).map(|row| row.1)
    }

    pub(super) fn kind(self) -> Kind {
        match self.0 {
            0 => Kind::None,
            1..=99 => Kind::Browser,
            100..=199 => Kind::Embedded,
            200..=249 => Kind::App,
            250..=299 => Kind::Headless,
            300..=599 => Kind::Tool,
            600..=999 | 0x4000..=0x7fff => Kind::Bot,
            _ => Kind::Unknown,
        }
    }

    /// A product by hash of its name: FNV-1a over the letters, so that versions do not matter.
    pub(super) fn hashed(name: &[u8], bot: bool) -> Self {
        let letters = name
            .iter()
            .filter(|b| b.is_ascii_alphabetic() || **b >= 0x80);
        let hash = letters.fold(0x811c_9dc5_u32, |hash, b| {
            (hash ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
        });
        let [a, b, c, d] = hash.to_be_bytes();
        let short = u16::from_be_bytes([a ^ c, b ^ d]);
        Self(if bot {
            0x4000 | (short & 0x3fff)
        } else {
            0x8000 | (short & 0x7fff)
        })
    }
}

/// The product a lower-case token names, with its rank: the highest in a string wins; 0 counts only in front.
pub(super) fn by_token(token: &[u8]) -> Option<(Browser, u8)> {
    let order = |row: &[u8]| row.len().cmp(&token.len()).then_with(|| row.cmp(token));
    let at = TOKENS
        .binary_search_by(|row| order(row.0.as_bytes()))
        .ok()?;
    TOKENS.get(at).map(|row| (row.1, row.2))
}

/// The product a lower-case display name stands for, with the device it implies.
pub(super) fn by_name(name: &[u8]) -> Option<(Browser, Option<Device>)> {
    let at = NAMES
        .binary_search_by(|row| row.0.as_bytes().cmp(name))
        .ok()?;
    NAMES.get(at).map(|row| (row.1, row.2))
}

macro_rules! products {
    ($($id:literal $constant:ident $name:literal;)*) => {
        #[allow(missing_docs, reason = "each constant is named after its product")]
        impl Browser {
            $(pub const $constant: Self = Self($id);)*
        }
        static PRODUCTS: &[(u16, &str)] = &[$(($id, $name)),*];
    };
}

#[rustfmt::skip]
products! {
    1 CHROME "Chrome"; 2 FIREFOX "Firefox"; 3 SAFARI "Safari"; 4 EDGE "Edge"; 5 OPERA "Opera";
    6 SAMSUNG "Samsung Internet"; 7 CHROME_IOS "Chrome iOS"; 8 FIREFOX_IOS "Firefox iOS"; 9 IE "IE";
    10 BRAVE "Brave"; 11 VIVALDI "Vivaldi"; 12 CHROMIUM "Chromium"; 13 ANDROID_BROWSER "Android Browser";
    14 YANDEX "Yandex Browser"; 15 UC "UC Browser"; 16 DUCKDUCKGO "DuckDuckGo"; 17 SILK "Amazon Silk";
    18 MIUI "MIUI Browser"; 19 HUAWEI "Huawei Browser"; 20 OPERA_MINI "Opera Mini"; 21 EDGE_IOS "Edge iOS";
    22 WHALE "Whale"; 23 QQ "QQ Browser"; 24 SEAMONKEY "SeaMonkey"; 25 KONQUEROR "Konqueror"; 26 EPIPHANY "Epiphany";
    27 ELECTRON "Electron"; 28 FOCUS "Firefox Focus"; 29 OPERA_IOS "Opera iOS";
    100 ANDROID_WEBVIEW "Android WebView"; 101 IOS_WEBVIEW "iOS WebView"; 102 FACEBOOK "Facebook";
    103 INSTAGRAM "Instagram"; 104 LINE "LINE"; 105 WECHAT "WeChat"; 106 GOOGLE_APP "Google App";
    107 SNAPCHAT "Snapchat"; 108 TIKTOK "TikTok"; 109 LINKEDIN "LinkedIn"; 110 PINTEREST "Pinterest";
    111 TWITTER "Twitter"; 112 KAKAOTALK "KakaoTalk"; 113 WEBKIT "WebKit"; 200 THUNDERBIRD "Thunderbird";
    201 OUTLOOK "Outlook"; 202 APPLE_MAIL "Apple Mail"; 203 EVOLUTION "Evolution"; 204 LOTUS_NOTES "Lotus Notes";
    205 SLACK "Slack"; 206 TEAMS "Teams"; 207 DALVIK "Dalvik"; 208 CFNETWORK "CFNetwork"; 209 ALAMOFIRE "Alamofire";
    250 PHANTOMJS "PhantomJS"; 251 SELENIUM "Selenium"; 252 PUPPETEER "Puppeteer"; 253 PLAYWRIGHT "Playwright";
    254 CYPRESS "Cypress"; 255 JSDOM "jsdom"; 300 CURL "curl"; 301 WGET "Wget";
    302 PYTHON_REQUESTS "python-requests"; 303 GO "Go-http-client"; 304 OKHTTP "okhttp"; 305 AXIOS "axios";
    306 NODE_FETCH "node-fetch"; 307 JAVA "Java"; 308 APACHE_HTTPCLIENT "Apache-HttpClient";
    309 POSTMAN "PostmanRuntime"; 310 KUBECTL "kubectl"; 311 TERRAFORM "Terraform"; 312 AWS_CLI "aws-cli";
    313 BOTO "Boto3"; 314 GIT "git"; 315 DART "Dart"; 316 RUBY "Ruby"; 317 LIBWWW_PERL "libwww-perl";
    318 GRPC "gRPC"; 319 PYTHON_URLLIB "Python-urllib"; 320 PYTHON_URLLIB3 "python-urllib3"; 321 AIOHTTP "aiohttp";
    322 HTTPX "python-httpx"; 323 HTTPIE "HTTPie"; 324 INSOMNIA "insomnia"; 325 POWERSHELL "PowerShell";
    326 GUZZLE "GuzzleHttp"; 327 FARADAY "Faraday"; 328 REQWEST "reqwest"; 329 HYPER "hyper"; 330 UNDICI "undici";
    331 NODE "node"; 332 AWS_SDK "AWS SDK"; 333 AZURE_SDK "Azure SDK"; 334 AZURE_CLI "Azure CLI";
    335 GOOGLE_SDK "Google API client"; 336 GCLOUD "gcloud"; 337 HELM "Helm"; 338 DOCKER "Docker";
    339 ANSIBLE "Ansible"; 340 PULUMI "Pulumi"; 343 PHP "PHP"; 344 DOTNET ".NET"; 345 SCRAPY "Scrapy";
    346 LIBCURL "libcurl"; 347 K6 "k6"; 348 JMETER "JMeter"; 349 DENO "Deno"; 350 BUN "Bun"; 351 GOT "got";
    352 SUPERAGENT "superagent"; 353 REST_CLIENT "rest-client"; 354 HTTP_RB "http.rb"; 355 PERL "LWP";
    357 SPRING "Spring"; 358 VAULT "Vault"; 359 KUBERNETES "Kubernetes"; 360 ENVOY "Envoy"; 361 SQLMAP "sqlmap";
    362 NMAP "Nmap"; 363 NIKTO "Nikto"; 364 ZGRAB "zgrab"; 365 MASSCAN "masscan"; 366 GITHUB_CLI "GitHub CLI";
    367 NPM "npm"; 368 PIP "pip"; 369 CARGO "cargo"; 600 GOOGLEBOT "Googlebot"; 601 BINGBOT "bingbot";
    602 FACEBOOK_BOT "facebookexternalhit"; 603 HEALTH_CHECK "Health check"; 604 PROMETHEUS "Prometheus";
    605 YANDEXBOT "YandexBot"; 606 BAIDUSPIDER "Baiduspider"; 607 APPLEBOT "Applebot"; 608 SLACKBOT "Slackbot";
    609 GPTBOT "GPTBot"; 610 DUCKDUCKBOT "DuckDuckBot";
}

#[rustfmt::skip]
static TOKENS: &[(&str, Browser, u8)] = &[
    ("k6", Browser::K6, 0), ("bun", Browser::BUN, 0), ("ddg", Browser::DUCKDUCKGO, 3), ("edg", Browser::EDGE, 3),
    ("git", Browser::GIT, 0), ("got", Browser::GOT, 0), ("gsa", Browser::GOOGLE_APP, 4),
    ("lwp", Browser::LIBWWW_PERL, 0), ("npm", Browser::NPM, 0), ("opr", Browser::OPERA, 3),
    ("opt", Browser::OPERA_IOS, 3), ("opx", Browser::OPERA, 3), ("php", Browser::PHP, 0), ("pip", Browser::PIP, 0),
    ("boto", Browser::BOTO, 0), ("crmo", Browser::CHROME, 2), ("curl", Browser::CURL, 0), ("dart", Browser::DART, 0),
    ("deno", Browser::DENO, 0), ("edga", Browser::EDGE, 3), ("edge", Browser::EDGE, 3),
    ("fban", Browser::FACEBOOK, 4), ("fbav", Browser::FACEBOOK, 4), ("helm", Browser::HELM, 0),
    ("java", Browser::JAVA, 0), ("klar", Browser::FOCUS, 3), ("line", Browser::LINE, 4),
    ("mini", Browser::OPERA_MINI, 4), ("msie", Browser::IE, 3), ("nmap", Browser::NMAP, 6),
    ("node", Browser::NODE, 0), ("perl", Browser::PERL, 0), ("ruby", Browser::RUBY, 0), ("silk", Browser::SILK, 3),
    ("wget", Browser::WGET, 0), ("axios", Browser::AXIOS, 0), ("boto3", Browser::BOTO, 0),
    ("brave", Browser::BRAVE, 3), ("cargo", Browser::CARGO, 0), ("crios", Browser::CHROME_IOS, 3),
    ("envoy", Browser::ENVOY, 0), ("focus", Browser::FOCUS, 3), ("fxios", Browser::FIREFOX_IOS, 3),
    ("hyper", Browser::HYPER, 0), ("jsdom", Browser::JSDOM, 6), ("nikto", Browser::NIKTO, 6),
    ("opera", Browser::OPERA, 3), ("opios", Browser::OPERA_IOS, 3), ("slack", Browser::SLACK, 4),
    ("teams", Browser::TEAMS, 4), ("tonic", Browser::GRPC, 0), ("vault", Browser::VAULT, 0),
    ("whale", Browser::WHALE, 3), ("zgrab", Browser::ZGRAB, 6), ("chrome", Browser::CHROME, 2),
    ("dalvik", Browser::DALVIK, 0), ("docker", Browser::DOCKER, 0), ("dotnet", Browser::DOTNET, 0),
    ("edgios", Browser::EDGE_IOS, 3), ("fb_iab", Browser::FACEBOOK, 4), ("gcloud", Browser::GCLOUD, 0),
    ("gptbot", Browser::GPTBOT, 7), ("grpc-c", Browser::GRPC, 0), ("httpie", Browser::HTTPIE, 0),
    ("jmeter", Browser::JMETER, 0), ("nodejs", Browser::NODE, 0), ("okhttp", Browser::OKHTTP, 0),
    ("pulumi", Browser::PULUMI, 3), ("safari", Browser::SAFARI, 1), ("scrapy", Browser::SCRAPY, 0),
    ("spring", Browser::SPRING, 0), ("sqlmap", Browser::SQLMAP, 6), ("tiktok", Browser::TIKTOK, 4),
    ("undici", Browser::UNDICI, 0), ("aiohttp", Browser::AIOHTTP, 0), ("ansible", Browser::ANSIBLE, 0),
    ("aws-cli", Browser::AWS_CLI, 0), ("bingbot", Browser::BINGBOT, 7), ("cypress", Browser::CYPRESS, 6),
    ("faraday", Browser::FARADAY, 0), ("firefox", Browser::FIREFOX, 2), ("git-lfs", Browser::GIT, 0),
    ("go-http", Browser::GO, 0), ("grpc-go", Browser::GRPC, 0), ("grpcurl", Browser::GRPC, 0),
    ("http.rb", Browser::HTTP_RB, 0), ("kubectl", Browser::KUBECTL, 0), ("kubelet", Browser::KUBERNETES, 0),
    ("libcurl", Browser::LIBCURL, 0), ("masscan", Browser::MASSCAN, 6), ("node.js", Browser::NODE, 0),
    ("outlook", Browser::OUTLOOK, 5), ("reqwest", Browser::REQWEST, 0), ("twitter", Browser::TWITTER, 4),
    ("vivaldi", Browser::VIVALDI, 3), ("applebot", Browser::APPLEBOT, 7), ("azurecli", Browser::AZURE_CLI, 0),
    ("botocore", Browser::BOTO, 0), ("chromium", Browser::CHROMIUM, 3), ("electron", Browser::ELECTRON, 3),
    ("epiphany", Browser::EPIPHANY, 3), ("googlehc", Browser::HEALTH_CHECK, 7), ("grpc-c++", Browser::GRPC, 0),
    ("insomnia", Browser::INSOMNIA, 0), ("selenium", Browser::SELENIUM, 6), ("slackbot", Browser::SLACKBOT, 7),
    ("snapchat", Browser::SNAPCHAT, 4), ("alamofire", Browser::ALAMOFIRE, 0), ("cfnetwork", Browser::CFNETWORK, 0),
    ("evolution", Browser::EVOLUTION, 4), ("googlebot", Browser::GOOGLEBOT, 7), ("grpc-node", Browser::GRPC, 0),
    ("grpc-ruby", Browser::GRPC, 0), ("instagram", Browser::INSTAGRAM, 5), ("kakaotalk", Browser::KAKAOTALK, 4),
    ("konqueror", Browser::KONQUEROR, 3), ("phantomjs", Browser::PHANTOMJS, 6), ("pinterest", Browser::PINTEREST, 4),
    ("puppeteer", Browser::PUPPETEER, 6), ("qqbrowser", Browser::QQ, 3), ("seamonkey", Browser::SEAMONKEY, 3),
    ("slack_ssb", Browser::SLACK, 4), ("terraform", Browser::TERRAFORM, 3), ("ucbrowser", Browser::UC, 3),
    ("yabrowser", Browser::YANDEX, 3), ("yandexbot", Browser::YANDEXBOT, 7), ("aws-sdk-go", Browser::AWS_SDK, 0),
    ("aws-sdk-js", Browser::AWS_SDK, 0), ("containerd", Browser::DOCKER, 0), ("duckduckgo", Browser::DUCKDUCKGO, 3),
    ("github-cli", Browser::GITHUB_CLI, 0), ("grpc-swift", Browser::GRPC, 0), ("guzzlehttp", Browser::GUZZLE, 0),
    ("kube-probe", Browser::HEALTH_CHECK, 7), ("mqqbrowser", Browser::QQ, 3), ("musical_ly", Browser::TIKTOK, 4),
    ("node-fetch", Browser::NODE_FETCH, 0), ("playwright", Browser::PLAYWRIGHT, 6),
    ("powershell", Browser::POWERSHELL, 3), ("prometheus", Browser::PROMETHEUS, 7),
    ("superagent", Browser::SUPERAGENT, 0), ("aws-sdk-php", Browser::AWS_SDK, 0),
    ("baiduspider", Browser::BAIDUSPIDER, 7), ("bingpreview", Browser::BINGBOT, 7),
    ("duckduckbot", Browser::DUCKDUCKBOT, 7), ("googleother", Browser::GOOGLEBOT, 7),
    ("grpc-csharp", Browser::GRPC, 0), ("grpc-dotnet", Browser::GRPC, 0), ("grpc-python", Browser::GRPC, 0),
    ("libwww-perl", Browser::LIBWWW_PERL, 0), ("linkedinapp", Browser::LINKEDIN, 4),
    ("lotus-notes", Browser::LOTUS_NOTES, 4), ("miuibrowser", Browser::MIUI, 3),
    ("rest-client", Browser::REST_CLIENT, 0), ("thunderbird", Browser::THUNDERBIRD, 4),
    ("aws-internal", Browser::AWS_SDK, 0), ("aws-sdk-java", Browser::AWS_SDK, 0),
    ("aws-sdk-rust", Browser::AWS_SDK, 0), ("azpowershell", Browser::AZURE_CLI, 0),
    ("grpc-node-js", Browser::GRPC, 0), ("python-httpx", Browser::HTTPX, 0), ("reactornetty", Browser::SPRING, 0),
    ("adsbot-google", Browser::GOOGLEBOT, 7), ("apache-jmeter", Browser::JMETER, 0),
    ("aws-sdk-go-v2", Browser::AWS_SDK, 0), ("aws-sdk-ruby3", Browser::AWS_SDK, 0),
    ("docker-client", Browser::DOCKER, 0), ("huaweibrowser", Browser::HUAWEI, 3),
    ("libcurl-agent", Browser::LIBCURL, 0), ("python-urllib", Browser::PYTHON_URLLIB, 0),
    ("aws-sdk-nodejs", Browser::AWS_SDK, 0), ("go-http-client", Browser::GO, 0),
    ("headlesschrome", Browser::CHROME, 2), ("kube-apiserver", Browser::KUBERNETES, 0),
    ("kube-scheduler", Browser::KUBERNETES, 0), ("micromessenger", Browser::WECHAT, 4),
    ("postmanruntime", Browser::POSTMAN, 0), ("python-urllib3", Browser::PYTHON_URLLIB3, 0),
    ("samsungbrowser", Browser::SAMSUNG, 3), ("ansible-httpget", Browser::ANSIBLE, 0),
    ("googlebot-image", Browser::GOOGLEBOT, 7), ("grpc-java-netty", Browser::GRPC, 0),
    ("node-superagent", Browser::SUPERAGENT, 0), ("python-requests", Browser::PYTHON_REQUESTS, 0),
    ("bytedancewebview", Browser::TIKTOK, 4), ("google-cloud-sdk", Browser::GCLOUD, 0),
    ("grpc-java-cronet", Browser::GRPC, 0), ("grpc-java-okhttp", Browser::GRPC, 0),
    ("java-http-client", Browser::JAVA, 0), ("apache-httpclient", Browser::APACHE_HTTPCLIENT, 0),
    ("elb-healthchecker", Browser::HEALTH_CHECK, 7), ("windowspowershell", Browser::POWERSHELL, 3),
    ("aws-sdk-dotnet-core", Browser::AWS_SDK, 0), ("facebookexternalhit", Browser::FACEBOOK_BOT, 7),
    ("grpc-python-asyncio", Browser::GRPC, 0), ("adsbot-google-mobile", Browser::GOOGLEBOT, 7),
    ("google-api-go-client", Browser::GOOGLE_SDK, 0), ("mediapartners-google", Browser::GOOGLEBOT, 7),
    ("google-inspectiontool", Browser::GOOGLEBOT, 7), ("apache-httpasyncclient", Browser::APACHE_HTTPCLIENT, 0),
    ("google-api-java-client", Browser::GOOGLE_SDK, 0), ("slackbot-linkexpanding", Browser::SLACKBOT, 7),
    ("kube-controller-manager", Browser::KUBERNETES, 0), ("google-api-python-client", Browser::GOOGLE_SDK, 0),
];

#[rustfmt::skip]
static NAMES: &[(&str, Browser, Option<Device>)] = &[
    ("amazon silk", Browser::SILK, Some(Device::Tablet)),
    ("android", Browser::ANDROID_BROWSER, Some(Device::Mobile)),
    ("android browser", Browser::ANDROID_BROWSER, Some(Device::Mobile)),
    ("android webview", Browser::ANDROID_WEBVIEW, Some(Device::Mobile)), ("apple mail", Browser::APPLE_MAIL, None),
    ("chrome ios", Browser::CHROME_IOS, Some(Device::Mobile)),
    ("chrome mobile", Browser::CHROME, Some(Device::Mobile)),
    ("chrome mobile ios", Browser::CHROME_IOS, Some(Device::Mobile)),
    ("chrome mobile webview", Browser::ANDROID_WEBVIEW, Some(Device::Mobile)),
    ("chrome webview", Browser::ANDROID_WEBVIEW, Some(Device::Mobile)),
    ("duckduckgo mobile", Browser::DUCKDUCKGO, Some(Device::Mobile)),
    ("edge ios", Browser::EDGE_IOS, Some(Device::Mobile)), ("edge mobile", Browser::EDGE, Some(Device::Mobile)),
    ("facebook", Browser::FACEBOOK, Some(Device::Mobile)), ("firefox focus", Browser::FOCUS, Some(Device::Mobile)),
    ("firefox ios", Browser::FIREFOX_IOS, Some(Device::Mobile)),
    ("firefox mobile", Browser::FIREFOX, Some(Device::Mobile)),
    ("google", Browser::GOOGLE_APP, Some(Device::Mobile)), ("google chrome", Browser::CHROME, None),
    ("headlesschrome", Browser::CHROME, None), ("huawei browser", Browser::HUAWEI, Some(Device::Mobile)),
    ("ie", Browser::IE, None), ("ie mobile", Browser::IE, Some(Device::Mobile)),
    ("internet explorer", Browser::IE, None), ("ios webview", Browser::IOS_WEBVIEW, Some(Device::Mobile)),
    ("microsoft edge", Browser::EDGE, None), ("microsoft outlook", Browser::OUTLOOK, None),
    ("miui browser", Browser::MIUI, Some(Device::Mobile)), ("mobile safari", Browser::SAFARI, Some(Device::Mobile)),
    ("mobile safari ui/wkwebview", Browser::IOS_WEBVIEW, Some(Device::Mobile)),
    ("opera mini", Browser::OPERA_MINI, Some(Device::Mobile)),
    ("opera mobile", Browser::OPERA, Some(Device::Mobile)),
    ("opera touch", Browser::OPERA_IOS, Some(Device::Mobile)), ("outlook", Browser::OUTLOOK, None),
    ("python requests", Browser::PYTHON_REQUESTS, None), ("python urllib", Browser::PYTHON_URLLIB, None),
    ("samsung internet", Browser::SAMSUNG, Some(Device::Mobile)), ("uc browser", Browser::UC, None),
    ("yandex browser", Browser::YANDEX, None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_unique() {
        assert!(PRODUCTS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(TOKENS.is_sorted_by(|a, b| (a.0.len(), a.0) < (b.0.len(), b.0)));
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn unknown_products_differ_and_versions_do_not() {
        let of = |name: &str| Browser::hashed(name.as_bytes(), false);
        assert_eq!(of("MyApp2.1"), of("myapp/3"));
        assert_ne!(of("MyApp"), of("OtherApp"));
        assert_eq!(of("MyApp").name(), None);
        assert_eq!(of("MyApp").kind(), Kind::Unknown);
        assert_eq!(Browser::hashed(b"FooBot", true).kind(), Kind::Bot);
        assert_eq!(Browser::from_id(Browser::EDGE.id()).name(), Some("Edge"));
    }
}
