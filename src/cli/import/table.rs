//! CSV by a mapping of columns to fields.
//! May use: csv, events.
//! Must not: know any particular table.

use stepgate::signals::ecs::Event;

use super::adapt::adapted;
use super::{Lines, Sink, untimed};
use crate::cli::Failure;

/// Reads a table. Columns that are not mapped count if they have the name of a field. `finish` sees every row with its
/// columns, for what one column alone does not tell.
pub(super) fn read<A: AsRef<str>, B: AsRef<str>>(
    lines: Lines,
    map: &[(A, B)],
    finish: &dyn Fn(&mut Event<'_>, &Row<'_>),
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    let mut table = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(lines.into_input());
    let file = sink.file.clone();
    let broken = |error: csv::Error| Failure::new(format!("{file}: {error}"));
    let header = table.headers().map_err(broken)?.clone();
    let fields: Vec<&str> = header
        .iter()
        .map(|column| {
            map.iter()
                .find(|(from, _)| from.as_ref() == column)
                .map_or(column, |(_, to)| to.as_ref())
        })
        .collect();
    for (from, _) in map {
        if !header.iter().any(|column| column == from.as_ref()) {
            // A column of a table that is none may be all of it, line ends included.
            let columns: Vec<_> = header
                .iter()
                .map(|column| column.escape_debug().to_string())
                .collect();
            return Err(Failure::new(format!(
                "{file}: no column `{}`; there are: {}",
                from.as_ref(),
                columns.join(", ")
            )));
        }
    }
    if !fields.contains(&"@timestamp") {
        return Err(Failure::new(format!(
            "{file}: no column gives @timestamp; name it with --map COLUMN=@timestamp"
        )));
    }
    let mut cells = csv::StringRecord::new();
    loop {
        let line = table.position().line();
        match table.read_record(&mut cells) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                sink.bad(line, "not UTF-8");
                continue;
            }
            Err(error) => return Err(broken(error)),
        }
        let mut event = untimed();
        let adapted: Vec<_> = fields
            .iter()
            .zip(&cells)
            .map(|(field, cell)| adapted(field, cell))
            .collect();
        let texts = cells
            .iter()
            .zip(&adapted)
            .map(|(cell, adapted)| adapted.as_deref().unwrap_or(cell));
        let wrong = fields
            .iter()
            .zip(texts)
            .find_map(|(field, text)| event.set(field, text).err());
        finish(
            &mut event,
            &Row {
                header: &header,
                cells: &cells,
            },
        );
        match wrong {
            Some(error) => sink.bad(line, error),
            None if event.time.is_nan() => sink.bad(line, "`@timestamp` is empty"),
            None => sink.event(&event)?,
        }
    }
}

/// One row by the names of its columns.
pub(super) struct Row<'a> {
    header: &'a csv::StringRecord,
    cells: &'a csv::StringRecord,
}

impl Row<'_> {
    /// Whether a cell says `True`.
    pub(super) fn is_true(&self, column: &str) -> bool {
        self.header
            .iter()
            .position(|name| name == column)
            .and_then(|index| self.cells.get(index))
            .is_some_and(|cell| cell.eq_ignore_ascii_case("true"))
    }
}
