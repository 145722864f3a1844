//! Values as other makers write them, in the form that fields of an event take.
//! May use: std.
//! Must not: guess between two meanings.

/// Seconds since 1970 are no more in the year 9999, and milliseconds since 1978 no less.
const LATEST: f64 = 253_402_300_800.0;
/// The same in the year 5138: below it, a time in a smaller unit is taken to be right.
const FAR: f64 = 1e11;

/// The value as the field takes it, where that is another text: times in milli-, micro- or nanoseconds, outcomes in capitals or as truth
/// values.
pub(super) fn adapted(field: &str, text: &str) -> Option<String> {
    match field {
        "@timestamp" => {
            let time = text.parse::<f64>().ok().filter(|time| *time >= LATEST)?;
            let units = [1e3, 1e6, 1e9].into_iter();
            let seconds = units.map(|unit| time / unit).find(|time| *time < FAR)?;
            Some(seconds.to_string())
        }
        "event.outcome" => {
            let lower = text.to_ascii_lowercase();
            match lower.as_str() {
                "true" | "succeeded" => Some("success".to_owned()),
                "false" | "failed" => Some("failure".to_owned()),
                _ => (lower != text).then_some(lower),
            }
        }
        _ => None,
    }
}
