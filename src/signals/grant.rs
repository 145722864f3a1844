//! How a token was granted, as far as that is risky in itself.
//! May use: std.
//! Must not: know where the name of a grant was read.

/// A way to get a token that shows the identity provider neither the device nor the place of whoever will use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Grant {
    /// The device authorization grant (RFC 8628): approved on one device, used on another.
    DeviceCode = 1,
    /// The resource owner password credentials grant (RFC 6749 §4.3).
    Password = 2,
}

impl Grant {
    /// The grant a name stands for: its `grant_type`, or a short form of issuers that put it into a claim. `None` for all others.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "urn:ietf:params:oauth:grant-type:device_code" | "device_code" | "device-code" => {
                Some(Self::DeviceCode)
            }
            "password" | "http://auth0.com/oauth/grant-type/password-realm" => Some(Self::Password),
            _ => None,
        }
    }
}
