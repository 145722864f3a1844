//! What the VMs of one proxy share: shared data with its compare-and-swap, and metrics.
//! May use the standard library only.
//! Must not know VMs, streams or the layout of guest memory.

use std::collections::BTreeMap;

/// The status of a host function that succeeded.
pub const OK: u32 = 0;
/// The status for what is absent.
pub const NOT_FOUND: u32 = 1;
/// The status for an argument that does not fit.
pub const BAD_ARGUMENT: u32 = 2;
/// The status for a pointer outside the memory of the module.
pub const INVALID_MEMORY: u32 = 6;
/// The status of a write that lost a compare-and-swap.
pub const CAS_MISMATCH: u32 = 8;
/// The status of hosts that lack a function altogether.
pub const UNIMPLEMENTED: u32 = 12;

/// All that outlives one VM. Hosts made with [`super::Host::sibling`] share it as two workers do.
#[derive(Debug, Default)]
pub struct Process {
    /// The key-value store.
    pub data: SharedData,
    /// Counters, gauges and histograms by name.
    pub metrics: Metrics,
}

/// Shared data: keys can be set, never removed. The defaults are Envoy's.
#[derive(Debug, Default)]
pub struct SharedData {
    /// Value and compare-and-swap number of each key.
    pub entries: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Whether every number is compared, 0 being that of an absent key (ngx_wasm_module).
    pub exact: bool,
    /// How many keys there is room for; for one more, the one written longest ago is dropped.
    pub room: Option<usize>,
    written: Vec<Vec<u8>>, // the one written longest ago first
    last: u32,
}

impl SharedData {
    /// The value of a key and its number.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<(&[u8], u32)> {
        self.entries
            .get(key.as_ref())
            .map(|(value, cas)| (value.as_slice(), *cas))
    }

    /// Writes as the proxy does: 0 overwrites, an absent key takes any number, else the numbers must agree.
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, cas: u32) -> u32 {
        let key = key.as_ref();
        let held = self.get(key).map(|(_, held)| held);
        let agree = match held {
            _ if self.exact => cas == held.unwrap_or(0),
            Some(held) => cas == 0 || cas == held,
            None => true,
        };
        if !agree {
            return CAS_MISMATCH;
        }
        self.last = self.last.wrapping_add(1).max(1);
        let entry = (value.as_ref().to_vec(), self.last);
        self.entries.insert(key.to_vec(), entry);
        if let Some(room) = self.room {
            self.written.retain(|other| other != key);
            self.written.push(key.to_vec());
            while self.entries.len() > room && !self.written.is_empty() {
                let oldest = self.written.remove(0);
                self.entries.remove(&oldest);
            }
        }
        OK
    }
}

/// One metric of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// Every recorded value, in order.
    Histogram(Vec<u64>),
}

/// The metrics of the proxy, in the order of their definition.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Name and value of each.
    pub all: Vec<(String, Metric)>,
    ids: Vec<usize>, // each definition has its own id, also for the same metric
}

impl Metrics {
    /// The metric of this name.
    pub fn named(&self, name: &str) -> Option<&Metric> {
        self.all
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, metric)| metric)
    }

    /// The value of a counter or gauge; 0 if there is none.
    pub fn value(&self, name: &str) -> u64 {
        match self.named(name) {
            Some(Metric::Counter(value) | Metric::Gauge(value)) => *value,
            _ => 0,
        }
    }

    pub(super) fn define(&mut self, kind: u32, name: String) -> Result<u32, u32> {
        let metric = match kind {
            0 => Metric::Counter(0),
            1 => Metric::Gauge(0),
            2 => Metric::Histogram(Vec::new()),
            _ => return Err(BAD_ARGUMENT),
        };
        let same = |(have, other): &(String, Metric)| {
            *have == name && std::mem::discriminant(other) == std::mem::discriminant(&metric)
        };
        let place = self.all.iter().position(same).unwrap_or_else(|| {
            self.all.push((name.clone(), metric.clone()));
            self.all.len() - 1
        });
        self.ids.push(place);
        Ok(self.ids.len() as u32 - 1)
    }

    pub(super) fn read(&self, id: u32) -> Result<u64, u32> {
        match self
            .ids
            .get(id as usize)
            .and_then(|place| self.all.get(*place))
        {
            Some((_, Metric::Counter(value) | Metric::Gauge(value))) => Ok(*value),
            Some((_, Metric::Histogram(_))) => Err(BAD_ARGUMENT),
            None => Err(NOT_FOUND),
        }
    }

    fn at(&mut self, id: u32) -> Option<&mut (String, Metric)> {
        self.all.get_mut(*self.ids.get(id as usize)?)
    }

    pub(super) fn record(&mut self, id: u32, value: u64) -> u32 {
        match self.at(id) {
            Some((_, Metric::Counter(have))) => *have = have.wrapping_add(value),
            Some((_, Metric::Gauge(have))) => *have = value,
            Some((_, Metric::Histogram(values))) => values.push(value),
            None => return NOT_FOUND,
        }
        OK
    }

    pub(super) fn increment(&mut self, id: u32, offset: i64) -> u32 {
        match self.at(id) {
            Some((_, Metric::Counter(have))) if offset > 0 => {
                *have = have.wrapping_add(offset as u64);
            }
            Some((_, Metric::Gauge(have))) => *have = have.wrapping_add_signed(offset),
            Some(_) => return BAD_ARGUMENT,
            None => return NOT_FOUND,
        }
        OK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_and_swap_follows_the_proxy() {
        let mut data = SharedData::default();
        assert_eq!(data.set("k", "1", u32::MAX), OK); // absent: any number
        assert_eq!(data.set("k", "2", u32::MAX), CAS_MISMATCH);
        let (_, cas) = data.get("k").unwrap();
        assert_eq!(data.set("k", "3", cas), OK);
        assert_eq!(data.set("k", "4", cas), CAS_MISMATCH);
        assert_eq!(data.set("k", "5", 0), OK);
        assert_eq!(data.get("k").unwrap().0, b"5");
    }

    #[test]
    fn other_hosts_compare_every_number_and_drop_keys() {
        let mut data = SharedData {
            exact: true,
            room: Some(2),
            ..SharedData::default()
        };
        assert_eq!(data.set("a", "1", u32::MAX), CAS_MISMATCH);
        assert_eq!(data.set("a", "1", 0), OK);
        assert_eq!(data.set("a", "2", 0), CAS_MISMATCH);
        let (_, cas) = data.get("a").unwrap();
        assert_eq!(data.set("b", "1", 0), OK);
        assert_eq!(data.set("a", "2", cas), OK);
        assert_eq!(data.set("c", "1", 0), OK);
        assert!(data.get("b").is_none());
        assert_eq!(data.get("a").unwrap().0, b"2");
    }

    #[test]
    fn metrics_follow_the_proxy() {
        let mut metrics = Metrics::default();
        let counter = metrics.define(0, "c".into()).unwrap();
        let gauge = metrics.define(1, "g".into()).unwrap();
        let histogram = metrics.define(2, "h".into()).unwrap();
        let again = metrics.define(0, "c".into()).unwrap();
        assert_eq!(metrics.increment(again, 2), OK);
        assert_eq!(metrics.read(counter), Ok(2));
        assert_eq!(metrics.increment(counter, 0), BAD_ARGUMENT);
        assert_eq!(metrics.increment(gauge, -1), OK);
        assert_eq!(metrics.record(gauge, 7), OK);
        assert_eq!(metrics.record(histogram, 5), OK);
        assert_eq!(metrics.read(histogram), Err(BAD_ARGUMENT));
        assert_eq!(metrics.record(9, 1), NOT_FOUND);
        assert_eq!((metrics.value("c"), metrics.value("g")), (2, 7));
        assert_eq!(metrics.named("h"), Some(&Metric::Histogram(vec![5])));
    }
}
