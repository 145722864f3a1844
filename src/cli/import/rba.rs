//! The public data set of Wiefling et al. 2022 on risk-based authentication: its columns, and its two labels.
//! May use: the table reader.
//! Must not: use the columns its authors call synthetic beyond what an event has a field for.

use std::borrow::Cow;

use stepgate::signals::ecs::{Event, Kind, Outcome};

use super::table::Row;

/// Columns that are fields as they stand.
pub(super) const COLUMNS: [(&str, &str); 10] = [
    ("Login Timestamp", "@timestamp"),
    ("User ID", "user.id"),
    ("IP Address", "source.ip"),
    ("Country", "source.geo.country_iso_code"),
    ("City", "source.geo.city_name"),
    ("ASN", "source.as.number"),
    ("User Agent String", "user_agent.original"),
    ("Browser Name and Version", "user_agent.name"),
    ("OS Name and Version", "user_agent.os.name"),
    ("Device Type", "user_agent.device.name"),
];

/// Fills in what several columns tell together.
pub(super) fn finish(event: &mut Event<'_>, row: &Row<'_>) {
    event.action = Some(Cow::Borrowed("login"));
    event.kind = Some(Kind::Human);
    event.outcome = Some(if row.is_true("Login Successful") {
        Outcome::Success
    } else {
        Outcome::Failure
    });
    // Logins from attackers' addresses are no example of legitimate ones, so they carry a label of their own.
    event.attack = if row.is_true("Is Account Takeover") {
        Some(Cow::Borrowed("takeover"))
    } else if row.is_true("Is Attack IP") {
        Some(Cow::Borrowed("attack-address"))
    } else {
        None
    };
    for absent in [&mut event.city, &mut event.country] {
        if absent.as_deref() == Some("-") {
            *absent = None;
        }
    }
    split(&mut event.agent_name, &mut event.agent_version);
    split(&mut event.os_name, &mut event.os_version);
}

/// `Chrome Mobile 46.0.2490` is a name and a version.
fn split<'a>(name: &mut Option<Cow<'a, str>>, version: &mut Option<Cow<'a, str>>) {
    let parts = name.as_deref().and_then(|both| {
        let (name, version) = both.rsplit_once(' ')?;
        let number = version.starts_with(|c: char| c.is_ascii_digit());
        number.then(|| (name.to_owned(), version.to_owned()))
    });
    if let Some((front, back)) = parts {
        *name = Some(Cow::Owned(front));
        *version = Some(Cow::Owned(back));
    }
}
