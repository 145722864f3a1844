//! Exponential forgetting: one half-life for everything an identity does and everybody does.
//! May use: libm.
//! Must not: read a clock.

/// Seconds in which an old count loses half its weight: 120 days.
pub const HALF_LIFE: f64 = 120.0 * 86_400.0;

/// Seconds of a day.
pub const DAY: u32 = 86_400;

/// The factor by which counts shrink between two times. Time running backwards shrinks nothing.
#[must_use]
pub fn factor(from: u32, to: u32) -> f64 {
    if to <= from {
        1.0
    } else {
        libm::exp2(-f64::from(to - from) / HALF_LIFE)
    }
}

/// Seconds of an hour.
pub const HOUR: u32 = 3_600;

/// How far ahead of the clock a time may be that the clock itself gave, in seconds: workers and the lines of a log differ by
/// less. What is further ahead was noted while the clock was wrong, and is not believed.
const AHEAD: u32 = HOUR;

/// Whether a time was noted while the clock was wrong.
#[must_use]
pub const fn is_ahead(time: u32, now: u32) -> bool {
    time > now.saturating_add(AHEAD)
}

/// Hour since 1970, modulo 2^16: it comes back after seven years.
#[must_use]
pub const fn hour(now: u32) -> u16 {
    (now / HOUR) as u16
}

/// When an [`hour`] that is past at `now` began, in seconds since 1970.
#[must_use]
pub const fn began(hour: u16, now: u32) -> u32 {
    let past = ((now / HOUR) as u16).wrapping_sub(hour);
    (now / HOUR).saturating_sub(past as u32) * HOUR
}

/// Day since 1970; it fits 16 bits until 2149.
#[must_use]
pub const fn day(now: u32) -> u16 {
    (now / DAY) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_in_its_half_life_and_never_grows() {
        assert_eq!(factor(10, 10), 1.0);
        assert_eq!(factor(10, 5), 1.0);
        assert!((factor(0, 120 * DAY) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn an_hour_is_told_as_a_time_however_often_the_count_of_hours_came_round() {
        for now in [0, 1_700_000_000, 65_536 * HOUR * 5 + 7, u32::MAX] {
            for earlier in [0, 1, 30 * HOUR, 300 * DAY] {
                let then = now.saturating_sub(earlier);
                assert_eq!(began(hour(then), now), then / HOUR * HOUR);
            }
        }
    }

    #[test]
    fn an_hour_ahead_is_believed_and_no_more() {
        assert!(!is_ahead(10 + HOUR, 10));
        assert!(is_ahead(11 + HOUR, 10));
        assert!(!is_ahead(u32::MAX, u32::MAX - 1));
    }
}
