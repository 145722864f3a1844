//! What happens to the world around a VM: clocks, foreign writers, updates, properties, host functions that fail.
//! May use the grammar and the words of a sequence.
//! Must not send a request.

use std::rc::Rc;

use arbitrary::{Result, Unstructured};
use stepgate_testkit::host::path;

use super::grammar::NOW;
use super::words::FUNCTIONS;
use super::{Game, alive};

impl Game {
    /// The clock goes on, stands, jumps or goes back.
    pub(super) fn clock(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let state = self.hosts[at].state_mut();
        state.now = match input.int_in_range(0..=7u8)? {
            0 => 0,
            1 => u64::MAX,
            2 => input.arbitrary()?,
            3 => state.now.saturating_sub(3_600_000_000_000),
            4 => state.now.saturating_add(86_400_000_000_000 * 200),
            5 => NOW * 1_000_000_000,
            _ => state
                .now
                .saturating_add(1_000_000 * input.arbitrary::<u32>()? as u64),
        };
        Ok(())
    }

    /// A foreign plugin under the same `vm_id` writes to our keys, and to some of its own.
    pub(super) fn corrupt(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let process = Rc::clone(&self.hosts[0].state().process);
        let data = &mut process.borrow_mut().data;
        let keys: Vec<Vec<u8>> = data.entries.keys().cloned().collect();
        let several = input.int_in_range(1..=40usize)?;
        for _ in 0..several {
            let key = input.choose(&keys)?;
            let value = data.get(key).map(|(value, _)| value.to_vec());
            let value = self.setting.spoiled(value.unwrap_or_default(), input)?;
            self.oracle.foreign(value.len());
            // As a plugin does, or as a host that keeps the number.
            if input.arbitrary()? {
                data.set(key, value, 0);
            } else if let Some(entry) = data.entries.get_mut(key) {
                entry.0 = value;
            }
        }
        if input.ratio(1, 8)? {
            data.entries.clear();
            self.oracle.forgotten();
        }
        Ok(())
    }

    pub(super) fn configure(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let next = self.setting.changed(input)?;
        let host = &mut self.hosts[at];
        if alive(host.start(&next.text)) {
            // Several VMs differ for as long as an update takes.
            self.oracle.updated(&next);
            self.setting.take(next);
        } else {
            assert!(
                !next.is_fine || self.oracle.may_refuse(),
                "{:?}",
                host.state().logs.last()
            );
            self.played.policies_refused += 1;
        }
        Ok(())
    }

    pub(super) fn property(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let (elements, value) = self.setting.property(input)?;
        let properties = &mut self.hosts[at].state_mut().properties;
        match value {
            Some(value) => drop(properties.insert(path(&elements), value)),
            None => drop(properties.remove(&path(&elements))),
        }
        Ok(())
    }

    /// A host function answers a bad status from now on, or works again.
    pub(super) fn fault(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let host = &mut self.hosts[at];
        if input.ratio(1, 2)? {
            host.state_mut().fixed.clear();
            let times = input.int_in_range(0..=4)?;
            host.conflict(times);
            return Ok(());
        }
        let function = *input.choose(&FUNCTIONS)?;
        let status = *input.choose(&[1, 2, 3, 4, 6, 8, 10, 12, 99, u32::MAX])?;
        host.fix(function, status);
        self.oracle.degraded();
        Ok(())
    }
}
