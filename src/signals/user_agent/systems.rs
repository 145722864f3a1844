//! Operating systems and forms of devices: their stable numbers and the names they go by.
//! May use: std only. Must not: reuse or renumber an id, for baselines keep them.
//! The version of a system is kept apart, beside its family.

use super::Browser;

/// The form of a device. The numbers are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Device {
    /// Not told.
    #[default]
    Unknown = 0,
    /// Desktop or laptop.
    Desktop = 1,
    /// Phone.
    Mobile = 2,
    /// Tablet.
    Tablet = 3,
    /// Crawler, monitor or health check.
    Bot = 4,
    /// Library or command-line tool.
    Tool = 5,
}

/// An operating system family, by a stable number; families not in the table get one from a hash of their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Os(u16);

#[allow(missing_docs, reason = "each constant is named after its system")]
impl Os {
    pub const NONE: Self = Self(0);
    pub const WINDOWS: Self = Self(1);
    pub const MACOS: Self = Self(2);
    pub const IOS: Self = Self(3);
    pub const IPADOS: Self = Self(4);
    pub const ANDROID: Self = Self(5);
    pub const LINUX: Self = Self(6);
    pub const CHROME_OS: Self = Self(7);
    /// An Apple system seen through CFNetwork: macOS or iOS.
    pub const DARWIN: Self = Self(8);
    pub const WINDOWS_PHONE: Self = Self(9);
}

impl Os {
    /// The stable number: below 0x8000 from the table, else by hash.
    #[must_use]
    pub fn id(self) -> u16 {
        self.0
    }

    /// The system of a number stored earlier.
    #[must_use]
    pub fn from_id(id: u16) -> Self {
        Self(id)
    }

    /// Its name, or `None` for systems known by hash only.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::WINDOWS => "Windows",
            Self::MACOS => "macOS",
            Self::IOS => "iOS",
            Self::IPADOS => "iPadOS",
            Self::ANDROID => "Android",
            Self::LINUX => "Linux",
            Self::CHROME_OS => "Chrome OS",
            Self::DARWIN => "Darwin",
            Self::WINDOWS_PHONE => "Windows Phone",
            _ => return None,
        })
    }
}

/// The usual form of a device with this system.
pub(super) fn form_of(os: Os) -> Device {
    match os {
        Os::WINDOWS | Os::MACOS | Os::LINUX | Os::CHROME_OS => Device::Desktop,
        Os::IOS | Os::ANDROID | Os::WINDOWS_PHONE => Device::Mobile,
        Os::IPADOS => Device::Tablet,
        _ => Device::Unknown,
    }
}

/// The name Windows NT of this version was sold under.
pub(super) fn windows(number: u16, token: &[u8]) -> u16 {
    match (number, token) {
        (6, [b'6', b'.', b'1', ..]) => 7,
        (6, [b'6', b'.', b'2' | b'3', ..]) => 8,
        _ => number,
    }
}

/// The system of a display name such as `Mac OS X` or `Ubuntu`.
pub(super) fn os_named(name: &str) -> Os {
    let table = [
        ("windows phone", Os::WINDOWS_PHONE),
        ("windows", Os::WINDOWS),
        ("mac", Os::MACOS),
        ("os x", Os::MACOS),
        ("darwin", Os::DARWIN),
        ("ios", Os::IOS),
        ("iphone", Os::IOS),
        ("ipad", Os::IPADOS),
        ("android", Os::ANDROID),
        ("linux", Os::LINUX),
        ("ubuntu", Os::LINUX),
        ("debian", Os::LINUX),
        ("fedora", Os::LINUX),
        ("chrome os", Os::CHROME_OS),
        ("chromeos", Os::CHROME_OS),
        ("chromium os", Os::CHROME_OS),
    ];
    match table.iter().find(|(prefix, _)| starts(name, prefix)) {
        Some((_, os)) => *os,
        None => Os(0x8000 | Browser::hashed(name.as_bytes(), false).id()),
    }
}

/// The form of device a name such as `mobile`, `iPad` or `Spider` stands for.
pub(super) fn device_named(name: &str) -> Option<Device> {
    let table = [
        ("desktop", Device::Desktop),
        ("mac", Device::Desktop),
        ("pc", Device::Desktop),
        ("mobile", Device::Mobile),
        ("smartphone", Device::Mobile),
        ("phone", Device::Mobile),
        ("iphone", Device::Mobile),
        ("tablet", Device::Tablet),
        ("ipad", Device::Tablet),
        ("bot", Device::Bot),
        ("spider", Device::Bot),
    ];
    table
        .iter()
        .find(|(prefix, _)| starts(name, prefix))
        .map(|(_, device)| *device)
}

/// True if the text begins with the lower-case prefix, in any case.
pub(super) fn starts(text: &str, prefix: &str) -> bool {
    text.as_bytes()
        .get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
}
