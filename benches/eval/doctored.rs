//! Event files made from others: many more identities than fit, and attackers who come back.
//! May use: the file, replay, measures, the output directory. Must not: leave a file behind.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use stepgate::signals::ecs::Event;

use crate::data::{Data, lines};
use crate::measure::{Band, KNOWN, Scored, legitimate};
use crate::random::Random;
use crate::replay;
use crate::replay::Said;
use crate::studies::{Bounded, at_five, parted, side_by_side};

/// Identities in all that are ten times what 1 MiB holds, where each takes 340 bytes of all pages. The report says how many stayed.
const OVERLOAD: usize = 10 * (1 << 20) / 340;

/// Events of an identity that is only there to take room.
const FILL: usize = 3;

/// One MiB against no bound, when many more identities with a few events each come along; those with five events or more.
/// Answers also how many times more identities there were than stayed.
pub(crate) fn overload(data: &Data, directory: &Path) -> Result<(Bounded, f64), String> {
    let fillers = OVERLOAD.saturating_sub(data.users);
    let mut of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, row) in data.rows.iter().enumerate() {
        if legitimate(row) {
            of.entry(row.user).or_default().push(index);
        }
    }
    let owners: Vec<_> = of.values().collect();
    let mut random = Random::new(2);
    let mut extra: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for filler in 0..fillers {
        let Some(events) = owners.get(filler % owners.len().max(1)) else {
            break;
        };
        let from = random.below(events.len().saturating_sub(FILL - 1));
        for index in events.iter().skip(from).take(FILL) {
            extra.entry(*index).or_default().push(filler);
        }
    }
    let path = directory.join(format!("{}-overload.jsonl", data.name));
    let mut own = Vec::new();
    rewrite(data, &path, |index, event, out| {
        own.push(true);
        writeln!(out, "{}", event.to_line())?;
        for filler in extra.get(&index).into_iter().flatten() {
            own.push(false);
            let user = format!("filler-{filler}");
            let copy = Event {
                user: Some(user.into()),
                ..event.clone()
            };
            writeln!(out, "{}", copy.to_line())?;
        }
        Ok(())
    })?;
    let (mut sides, mut identities) = (Vec::new(), Vec::new());
    for memory in [&[][..], &["--memory", "1"]] {
        let arguments = [&["--learn", "unlabelled"], memory].concat();
        let (said, stayed) = replay::events_and_identities(&path, &arguments)?;
        identities.push(stayed as f64);
        let mut own = own.iter();
        let said: Vec<_> = said
            .into_iter()
            .filter(|_| own.next() == Some(&true))
            .collect();
        sides.push(said);
    }
    // Whoever was forgotten has no history now; who is measured must be the same on both sides.
    let histories: Vec<_> = sides[0].iter().map(|said| said.history).collect();
    for (said, history) in sides[1].iter_mut().zip(histories) {
        said.history = history;
    }
    let five = Band {
        name: "≥ 5",
        from: 5,
        to: u32::MAX,
    };
    let _left_behind = std::fs::remove_file(&path);
    let rows = side_by_side(
        at_five(data, &sides[0], five),
        at_five(data, &sides[1], five),
    );
    Ok((rows, identities[0] / identities[1].max(1.0)))
}

/// Victims of one type whose attacker comes back.
const POISONED: usize = 200;

/// What became of attackers who come back after a day.
#[derive(Debug)]
pub(crate) struct Poisoned {
    pub(crate) attack: String,
    pub(crate) visits: usize,
    /// Detection of the second visit when there was no first.
    pub(crate) alone: f64,
    /// When the first visit was taken for the owner's.
    pub(crate) believed: f64,
    /// When only what the filter would have allowed is learned, without and with the first visit.
    pub(crate) live: [f64; 2],
}

/// Every victim is attacked once; the attacker comes back 24 hours later from the same place with the same client.
pub(crate) fn poisoning(
    data: &Data,
    said: &[Said],
    directory: &Path,
) -> Result<Vec<Poisoned>, String> {
    let mut victims = BTreeSet::new();
    let mut chosen: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
    for (index, row) in data.rows.iter().enumerate() {
        let counts = row.login && row.success && !row.machine && said[index].history > 0;
        if let Some(attack) = row.attack.filter(|_| counts) {
            let of = chosen.entry(attack).or_default();
            if of.len() < POISONED && victims.insert(row.user) {
                of.insert(index);
            }
        }
    }
    let first: BTreeSet<usize> = chosen.values().flatten().copied().collect();
    let mut runs = Vec::new();
    for (poison, learn) in [
        (false, "unlabelled"),
        (true, "unlabelled"),
        (false, "allowed"),
        (true, "allowed"),
    ] {
        let path = directory.join(format!("{}-poisoned.jsonl", data.name));
        let accepted = second_visits(data, &first, poison, &path)?;
        let mut again = Data::read(&path).map_err(|error| error.to_string())?;
        // A first visit bears no label, but it is no owner's login that a threshold may be drawn from.
        for index in accepted {
            again.rows[index].success = false;
        }
        let said = replay::events(&path, &["--learn", learn])?;
        let (scores, history) = parted(&said);
        let scored = Scored {
            data: &again,
            scores: &scores,
            history: &history,
        };
        let found: BTreeMap<_, _> = scored
            .detections(KNOWN)
            .into_iter()
            .map(|(attack, found)| (again.attacks[attack as usize].clone(), found))
            .collect();
        runs.push(found);
        let _left_behind = std::fs::remove_file(&path);
    }
    let at = |run: usize, attack: &str| {
        runs[run]
            .get(attack)
            .map_or(f64::NAN, |found| found.detected[2].value)
    };
    Ok(chosen
        .keys()
        .map(|attack| data.attacks[*attack as usize].clone())
        .map(|attack| Poisoned {
            visits: runs[0].get(&attack).map_or(0, |found| found.events),
            alone: at(0, &attack),
            believed: at(1, &attack),
            live: [at(2, &attack), at(3, &attack)],
            attack,
        })
        .filter(|row| row.visits > 0)
        .collect())
}

/// Seconds until an attacker is back.
const DAY: f64 = 86_400.0;

/// Writes a file without attacks but the second visits, with or without the first ones, which bear no label. Answers the
/// lines of these.
fn second_visits(
    data: &Data,
    first: &BTreeSet<usize>,
    poison: bool,
    path: &Path,
) -> Result<Vec<usize>, String> {
    let (mut written, mut accepted) = (0, Vec::new());
    // Those who wait for their second visit, in order of time as the file is.
    let mut waiting: VecDeque<(f64, String)> = Default::default();
    rewrite(data, path, |index, event, out| {
        while waiting.front().is_some_and(|(time, _)| *time <= event.time) {
            if let Some((_, line)) = waiting.pop_front() {
                writeln!(out, "{line}")?;
                written += 1;
            }
        }
        if first.contains(&index) {
            let session = event
                .session
                .as_deref()
                .map(|session| format!("{session}-again").into());
            let token = event
                .token
                .as_deref()
                .map(|token| format!("{token}-again").into());
            let again = Event {
                time: event.time + DAY,
                session,
                token,
                token_auth_time: event.token_auth_time.map(|time| time + DAY),
                ..event.clone()
            };
            waiting.push_back((again.time, again.to_line()));
            let quiet = Event {
                attack: None,
                ..event.clone()
            };
            if poison {
                writeln!(out, "{}", quiet.to_line())?;
                accepted.push(written);
                written += 1;
            }
            return Ok(());
        }
        if event.attack.is_none() {
            writeln!(out, "{}", event.to_line())?;
            written += 1;
        }
        Ok(())
    })?;
    Ok(accepted)
}

/// Writes a file anew, event by event.
fn rewrite(
    data: &Data,
    path: &Path,
    mut write: impl FnMut(usize, &Event<'_>, &mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut out = BufWriter::with_capacity(1 << 18, File::create(path).map_err(failed)?);
    let mut index = 0;
    for line in lines(&data.path).map_err(failed)? {
        if let Ok(event) = Event::parse(line.as_bytes()) {
            write(index, &event, &mut out).map_err(failed)?;
            index += 1;
        }
    }
    out.flush().map_err(failed)
}
