//! Times as text: RFC 3339 to seconds since 1970-01-01 UTC and back.
//! May use: std only. Must not: read a clock or know time zones beyond written offsets.
//! Fractions count to the microsecond, so that a time survives being an f64 and text again.

/// Latest time taken: the end of the year 9999, in seconds.
pub(super) const LATEST: f64 = 253_402_300_800.0;

/// Reads an RFC 3339 time, such as `2026-03-01T12:00:00.5+01:00`, as seconds since 1970-01-01 UTC.
/// A space instead of the `T` is taken too, and no offset at all counts as UTC. Years 1970 to 9999.
#[must_use]
pub fn parse_time(text: &str) -> Option<f64> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    let month = after(&mut rest, b"-").and_then(|()| digits(&mut rest, 2))?;
    let day = after(&mut rest, b"-").and_then(|()| digits(&mut rest, 2))?;
    after(&mut rest, b"Tt ")?;
    let hour = digits(&mut rest, 2)?;
    let minute = after(&mut rest, b":").and_then(|()| digits(&mut rest, 2))?;
    let second = after(&mut rest, b":").and_then(|()| digits(&mut rest, 2))?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    // A leap second counts as the one before it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let micros = if after(&mut rest, b".").is_some() {
        fraction(&mut rest)?
    } else {
        0
    };
    let offset = offset(rest)?;
    let seconds =
        days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59) - offset;
    let time = seconds as f64 + micros as f64 / 1e6;
    (0.0..LATEST).contains(&time).then_some(time)
}

/// Writes a time in UTC, with a fraction only if there is one: `2026-03-01T12:00:00Z`.
/// Times before 1970 or after 9999 are written as the nearest one within.
#[must_use]
pub fn rfc3339(time: f64) -> String {
    let micros = (time.clamp(0.0, LATEST - 1.0) * 1e6).round() as i64;
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if micros > 0 {
        let fraction = format!(".{micros:06}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    head.iter().try_fold(0, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0'))
    })
}

fn after(rest: &mut &[u8], any: &[u8]) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    any.contains(first).then(|| *rest = tail)
}

/// Microseconds of the digits after the point; at least one digit, those beyond six are dropped.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    let all = head.iter().copied().chain(std::iter::repeat(b'0'));
    (count > 0).then(|| all.take(6).fold(0, |sum, b| sum * 10 + i64::from(b - b'0')))
}

/// Seconds east of UTC.
fn offset(mut rest: &[u8]) -> Option<i64> {
    let sign = match rest {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    after(&mut rest, b"+-")?;
    let hours = digits(&mut rest, 2)?;
    after(&mut rest, b":")?;
    let minutes = digits(&mut rest, 2)?;
    (rest.is_empty() && hours < 24 && minutes < 60).then(|| sign * (hours * 3_600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date: counted in years that begin in March, as Howard Hinnant's public-domain
/// `days_from_civil` does, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + in_year
        - 719_468
}

/// Year, month and day of the days since 1970-01-01; the inverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, in_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted = (5 * in_year + 2) / 153;
    let day = in_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + of_era + i64::from(month <= 2), month, day)
}
