//! Adjudications: what people found out about decisions, by the id of the decision.
//! May use: input, csv.
//! Must not: guess what a verdict means.

use std::collections::HashMap;
use std::path::Path;

use crate::cli::{Failure, input};

/// Verdicts by decision id: whether it was an attack.
#[derive(Debug, Default)]
pub(super) struct Verdicts(HashMap<String, bool>);

impl Verdicts {
    /// Reads `id,verdict` lines; a first line `id,verdict` is a header.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let name = input::name(path);
        let text = input::text(path)?;
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut verdicts = HashMap::new();
        for (index, row) in rows.records().enumerate() {
            let row = row.map_err(|error| Failure::new(format!("{name}: {error}")))?;
            let (id, verdict) = (
                row.get(0).unwrap_or_default(),
                row.get(1).unwrap_or_default(),
            );
            let attack = match verdict {
                "verdict" if index == 0 => continue,
                "attack" => true,
                "owner" => false,
                _ => {
                    return Err(Failure::new(format!(
                        "{name}:{}: `{verdict}` is no verdict; allowed: attack or owner",
                        index + 1
                    )));
                }
            };
            if verdicts
                .insert(id.to_owned(), attack)
                .is_some_and(|earlier| earlier != attack)
            {
                return Err(Failure::new(format!(
                    "{name}:{}: decision `{id}` has two verdicts",
                    index + 1
                )));
            }
        }
        Ok(Self(verdicts))
    }

    /// Whether the decision was found to be about an attack.
    pub(super) fn of(&self, id: Option<&str>) -> Option<bool> {
        id.and_then(|id| self.0.get(id).copied())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
