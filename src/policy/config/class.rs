//! What the routes of a tier are for, as an operator writes it.
//! May use: serde, the class it stands for.
//! Must not: check more than names.

use serde::{Deserialize, Serialize};

use crate::signals::features::Class;

/// What routes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ClassName {
    /// Nothing special.
    #[default]
    Ordinary,
    /// Where credentials are exchanged for a session.
    Login,
    /// Where a lost credential is replaced.
    Recovery,
    /// Administration.
    Privileged,
    /// What an owner would want to confirm.
    Sensitive,
    /// Change of the e-mail address of an account; sensitive too.
    EmailChange,
    /// Change of the password; sensitive too.
    PasswordChange,
    /// Change of the second factors; sensitive too.
    MfaChange,
    /// Export of many records.
    Bulk,
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Ordinary => Self::Ordinary,
            ClassName::Login => Self::Login,
            ClassName::Recovery => Self::Recovery,
            ClassName::Privileged => Self::Privileged,
            ClassName::Sensitive => Self::Sensitive,
            ClassName::EmailChange => Self::EmailChange,
            ClassName::PasswordChange => Self::PasswordChange,
            ClassName::MfaChange => Self::MfaChange,
            ClassName::Bulk => Self::Bulk,
        }
    }
}
