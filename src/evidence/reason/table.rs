//! How the table of reasons becomes an enum with its rows.
//! May use: std.
//! Must not: know a single reason.

macro_rules! reasons {
    ($($variant:ident $code:literal $family:ident $nature:ident $weight:literal $meaning:literal $formula:literal;)*) => {
        /// Why a decision came out as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        /// Every reason, in the order of the enum.
        pub static REASONS: &[Row] = &[
            $(Row {
                reason: Reason::$variant,
                code: $code,
                family: Family::$family,
                nature: Nature::$nature,
                weight: $weight,
                #[cfg(feature = "cli")]
                meaning: $meaning,
                #[cfg(feature = "cli")]
                formula: $formula,
            },)*
        ];

        impl Reason {
            /// The row of the table.
            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        reason: Self::$variant,
                        code: $code,
                        family: Family::$family,
                        nature: Nature::$nature,
                        weight: $weight,
                        #[cfg(feature = "cli")]
                        meaning: $meaning,
                        #[cfg(feature = "cli")]
                        formula: $formula,
                    },)*
                }
            }

            /// The word in headers, metrics and audit lines.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// To which family it belongs.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            /// What it can do to a decision.
            #[must_use]
            pub const fn nature(self) -> Nature {
                match self { $(Self::$variant => Nature::$nature,)* }
            }

            /// The reason with this code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
