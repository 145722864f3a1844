//! How full the pages are: some of each table, looked at in turns.
//! May use: store, metrics, the engine's pages.
//! Must not: look at more pages on a tick than a request would miss, or change one.

use std::cell::Cell;

use stepgate::baseline::page::PageKind;

use crate::metrics::{Count, Metrics};
use crate::store::Store;

/// Pages of a table that are looked at. Records are spread by a hash, so that the part tells the whole within some percent.
const SAMPLE: u64 = 1024;
/// Pages looked at on one tick: about fifty microseconds.
const PIECE: usize = 64;

/// How far this VM is.
#[derive(Debug, Default)]
pub(crate) struct Census(Cell<Tally>);

/// What was found in one table so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    table: usize,
    looked: u64,
    used: u64,
    bytes: u64,
    records: u64,
}

impl Census {
    /// Looks at the next pages; after the last of a table its gauges are set.
    pub(crate) fn tick(&self, store: &Store, metrics: &Metrics) {
        let mut found = self.0.get();
        for _ in 0..PIECE {
            let Some(kind) = PageKind::ALL.get(found.table) else {
                found = Tally::default();
                break;
            };
            let there = store.pages_of(*kind);
            let sample = there.min(SAMPLE);
            if found.looked >= sample {
                found.record(there, sample, metrics);
                found = Tally {
                    table: found.table + 1,
                    ..Tally::default()
                };
                continue;
            }
            // Spread over the whole table.
            let index = found.looked.saturating_mul(there) / sample.max(1);
            if let Some(page) = store.look(*kind, index) {
                let records = page.len() as u64;
                found.used += u64::from(records > 0);
                found.bytes += page.used() as u64;
                found.records += records;
            }
            found.looked += 1;
        }
        self.0.set(found);
    }
}

impl Tally {
    fn record(&self, there: u64, sample: u64, metrics: &Metrics) {
        let all = |part: u64| part.saturating_mul(there) / sample.max(1);
        metrics.record(Count::Pages, self.table, there);
        metrics.record(Count::PagesUsed, self.table, all(self.used));
        metrics.record(Count::PageBytesUsed, self.table, all(self.bytes));
        metrics.record(Count::Records, self.table, all(self.records));
    }
}
