//! At which hours an identity is active: 24 hours of a weekday and 24 of a weekend day, UTC.
//! May use: the byte codec.
//! Must not: know time zones (an identity's own habit needs none).

use super::bytes::{Reader, Writer};

/// Number of bins.
pub const BINS: usize = 48;

/// Decayed counts per hour of day; 0–23 weekdays, 24–47 weekends.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours([f32; BINS]);

impl Default for Hours {
    fn default() -> Self {
        Self([0.0; BINS])
    }
}

/// The bin of a time in seconds since 1970.
#[must_use]
pub const fn bin(now: u32) -> usize {
    let day = now / 86_400;
    let hour = (now / 3600) % 24;
    // 1970-01-01 was a Thursday; Saturday and Sunday are days 2 and 3 from there.
    let weekend = matches!(day % 7, 2 | 3);
    hour as usize + if weekend { 24 } else { 0 }
}

impl Hours {
    /// Counts one event.
    pub fn add(&mut self, now: u32, count: f32) {
        if let Some(slot) = self.0.get_mut(bin(now)) {
            *slot += count;
        }
    }

    /// Count at `bin` smoothed over the hours before and after (kernel ¼, ½, ¼), in the same half of the week.
    #[must_use]
    pub fn smoothed(&self, bin: usize) -> f64 {
        let (base, hour) = if bin >= 24 { (24, bin - 24) } else { (0, bin) };
        let at = |hour: usize| f64::from(self.0.get(base + hour % 24).copied().unwrap_or(0.0));
        0.25 * at(hour + 23) + 0.5 * at(hour) + 0.25 * at(hour + 1)
    }

    /// Decayed number of events.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().map(|count| f64::from(*count)).sum()
    }

    /// Multiplies every count by `factor`.
    pub fn decay(&mut self, factor: f64) {
        for count in &mut self.0 {
            *count = (f64::from(*count) * factor) as f32;
        }
    }

    /// Adds the counts of another histogram decayed to the same time.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Appends the bins in use: a bitmap and a count for each bit.
    pub fn encode(&self, out: &mut Writer<'_>) {
        let mut used = 0u64;
        for (bin, count) in self.0.iter().enumerate() {
            if *count > 0.0 {
                used |= 1 << bin;
            }
        }
        out.u32(used as u32);
        out.u16((used >> 32) as u16);
        for count in self.0.iter().filter(|count| **count > 0.0) {
            out.count(*count);
        }
    }

    /// Reads a histogram back; `None` when the bytes are not one.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let used = u64::from(input.u32()?) | u64::from(input.u16()?) << 32;
        let mut hours = Self::default();
        for (bin, slot) in hours.0.iter_mut().enumerate() {
            if used & (1 << bin) != 0 {
                *slot = input.count()?;
            }
        }
        Some(hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_tell_hour_and_weekend() {
        assert_eq!(bin(0), 0);
        assert_eq!(bin(3600 * 23), 23);
        assert_eq!(bin(2 * 86_400 + 3600 * 5), 29, "1970-01-03 was a Saturday");
        assert_eq!(bin(4 * 86_400), 0, "1970-01-05 was a Monday");
    }

    #[test]
    fn smoothing_wraps_at_midnight_within_the_half_week() {
        let mut hours = Hours::default();
        hours.add(0, 4.0);
        assert_eq!(hours.smoothed(0), 2.0);
        assert_eq!(hours.smoothed(23), 1.0);
        assert_eq!(hours.smoothed(1), 1.0);
        assert_eq!(hours.smoothed(24), 0.0);
        assert_eq!(hours.total(), 4.0);
    }
}
