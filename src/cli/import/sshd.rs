//! OpenSSH server messages in syslog form: accepted, failed and unknown users.
//! May use: events.
//! Must not: guess a year.

use std::borrow::Cow;

use stepgate::signals::ecs::{Event, Kind, Outcome, TimeForm, parse_time};

use super::{Lines, Sink, address, untimed};
use crate::cli::Failure;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

pub(super) fn read(
    mut lines: Lines,
    year: Option<u16>,
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    let mut calendar = Calendar { year, month: 0 };
    while let Some((number, line)) = lines.next()? {
        let line = String::from_utf8_lossy(line);
        let Some((stamp, message)) = message(&line) else {
            sink.passed_over += 1;
            continue;
        };
        let (times, message) = repeated(message);
        let Some(login) = Login::of(message) else {
            sink.passed_over += 1;
            continue;
        };
        let time = match calendar.time(stamp) {
            Ok(time) => time,
            Err(why) => {
                sink.bad(number, why);
                continue;
            }
        };
        let event = Event {
            time,
            time_form: TimeForm::Rfc3339,
            action: Some(Cow::Borrowed("login")),
            outcome: Some(login.outcome),
            user: Some(Cow::Borrowed(login.user)),
            kind: Some(Kind::Human),
            ip: Some(address(login.from).map_or(Cow::Borrowed(login.from), Cow::Owned)),
            ..untimed()
        };
        for _ in 0..times {
            sink.event(&event)?;
        }
    }
    Ok(())
}

/// Time and message of a line that sshd wrote (OpenSSH 9.8 and later call the process of one connection `sshd-session`).
fn message(line: &str) -> Option<(&str, &str)> {
    let (head, message) = line.split_once("]: ")?;
    let (front, _pid) = head.rsplit_once('[')?;
    let (front, program) = front.rsplit_once(' ')?;
    let ours = matches!(program, "sshd" | "sshd-session" | "sshd-auth");
    ours.then_some((front, message))
}

/// `message repeated 3 times: [ … ]` is three of the same.
fn repeated(message: &str) -> (u32, &str) {
    let several = || {
        let rest = message.strip_prefix("message repeated ")?;
        let (times, rest) = rest.split_once(" times: [")?;
        let times = times.parse().ok().filter(|times| *times <= 1000)?;
        Some((times, rest.trim().strip_suffix(']')?.trim()))
    };
    several().unwrap_or((1, message))
}

struct Login<'a> {
    outcome: Outcome,
    user: &'a str,
    from: &'a str,
}

impl<'a> Login<'a> {
    fn of(message: &'a str) -> Option<Self> {
        let (outcome, rest) = if let Some(rest) = message.strip_prefix("Accepted ") {
            (Outcome::Success, rest.split_once(" for ")?.1)
        } else if let Some(rest) = message.strip_prefix("Invalid user ") {
            (Outcome::Failure, rest)
        } else {
            let rest = message.strip_prefix("Failed ")?.split_once(" for ")?.1;
            // The line `Invalid user` before it said the same.
            if rest.starts_with("invalid user ") {
                return None;
            }
            (Outcome::Failure, rest)
        };
        // A user name may hold anything, so the address is looked for from the end.
        let (user, place) = rest.rsplit_once("from ")?;
        Some(Self {
            outcome,
            user: user.trim_end(),
            from: place.split(' ').next()?,
        })
    }
}

/// Makes times of syslog stamps, which have no year but are in order.
struct Calendar {
    year: Option<u16>,
    month: usize,
}

impl Calendar {
    fn time(&mut self, front: &str) -> Result<f64, String> {
        let mut words = front.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if first.starts_with(|c: char| c.is_ascii_digit()) {
            return parse_time(first).ok_or_else(|| format!("`{first}` is no time after RFC 3339"));
        }
        let (day, clock) = (words.next(), words.next());
        let month = MONTHS.iter().position(|month| *month == first);
        let (Some(month), Some(day), Some(clock)) = (month, day, clock) else {
            return Err(format!("`{front}` begins with no time"));
        };
        let Some(year) = &mut self.year else {
            return Err("the time has no year; give it with --year".to_owned());
        };
        // A log that goes on into January goes on into the next year.
        if month == 0 && self.month == 11 {
            *year = year.saturating_add(1);
        }
        self.month = month;
        parse_time(&format!("{year:04}-{:02}-{day:0>2}T{clock}Z", month + 1))
            .ok_or_else(|| format!("`{first} {day} {clock}` is no time"))
    }
}
