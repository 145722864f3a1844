//! What reasons have in common: the family they are correlated in, and what they can do to a decision.
//! May use: std.
//! Must not: know a single reason.

/// Evidence of one family is correlated: its strongest reason counts, families add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// From where.
    Network,
    /// With what.
    Client,
    /// When.
    Time,
    /// How fast, how often.
    Velocity,
    /// The credential itself.
    Token,
    /// What is done.
    Behaviour,
}

impl Family {
    /// All families, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Network,
        Self::Client,
        Self::Time,
        Self::Velocity,
        Self::Token,
        Self::Behaviour,
    ];

    /// The word used in metrics and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Client => "client",
            Self::Time => "time",
            Self::Velocity => "velocity",
            Self::Token => "token",
            Self::Behaviour => "behaviour",
        }
    }
}

/// What a reason can do to a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nature {
    /// Something the identity was not seen with before. Alone it never denies, and challenges only with a second family.
    Novelty,
    /// What is done, or what for, is unlike the identity. It challenges alone, and never denies.
    Deviation,
    /// Something that is suspicious whoever asks.
    Suspicion,
    /// A rule: bypasses the score.
    Rule,
    /// Says something about the decision and weighs nothing.
    Note,
}

impl Nature {
    /// The word used in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Novelty => "novelty",
            Self::Deviation => "deviation",
            Self::Suspicion => "suspicion",
            Self::Rule => "rule",
            Self::Note => "note",
        }
    }
}
