//! What a line is that is no event: the logs people have, and the command that reads each.
//! May use: the bytes of a line.
//! Must not: parse one, or take a line for an event.

/// A log of another maker, or of the filter itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    Audit,
    CloudTrail,
    AccessLog,
    AccessText,
    Sshd,
    Rba,
    Table,
}

impl Foreign {
    /// What a line that is no event looks like.
    pub(crate) fn of(line: &[u8]) -> Option<Self> {
        let has = |words: &[&str]| {
            words
                .iter()
                .all(|word| memchr::memmem::find(line, word.as_bytes()).is_some())
        };
        let line = line.trim_ascii();
        if has(&["\"stepgate.reasons\""]) {
            Some(Self::Audit)
        } else if has(&["\"Records\""]) || has(&["\"eventSource\"", "\"eventName\""]) {
            Some(Self::CloudTrail)
        } else if line.starts_with(b"{\"") && line.ends_with(b"}") {
            Some(Self::AccessLog)
        } else if has(&["sshd[", "]: "]) || has(&["sshd-session[", "]: "]) {
            Some(Self::Sshd)
        } else if has(&["\"", " HTTP/"]) {
            Some(Self::AccessText)
        } else if has(&["Login Timestamp,", "Is Attack IP"]) {
            Some(Self::Rba)
        } else if has(&[","]) && !has(&["{"]) {
            Some(Self::Table)
        } else {
            None
        }
    }

    /// What reads it.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::Audit => {
                "there are audit lines of the filter: `stepgate explain` tells them, and `stepgate replay --policy A --against B` decides them again"
            }
            Self::CloudTrail => {
                "this looks like CloudTrail: `stepgate import --from cloudtrail` makes events of it"
            }
            Self::AccessLog => {
                "this looks like an access log in JSON: `stepgate import --from envoy --map KEY=user.id` makes events of it, where KEY says who asked"
            }
            Self::AccessText => {
                "this looks like an access log in text, which names nobody: have it written in JSON, with who asked, and read it by `stepgate import --from envoy`"
            }
            Self::Sshd => {
                "this looks like a log of sshd: `stepgate import --from sshd --year YEAR` makes events of it"
            }
            Self::Rba => {
                "this looks like the data set of risk-based authentication: `stepgate import --from rba` makes events of it"
            }
            Self::Table => {
                "this looks like a table without a column `@timestamp`: `stepgate import --from csv --map COLUMN=@timestamp,COLUMN=user.id` makes events of it"
            }
        }
    }
}
