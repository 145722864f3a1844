//! What a table of detection does not show: who is challenged, whether a threshold holds, what memory, poisoning and a
//! missing family do. May use: replay, measures, event files of its own making in the output directory.
//! Must not: choose anything on the data it reports.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use stepgate::signals::ecs::Event;

use crate::data::{Data, lines};
use crate::measure::{Band, KNOWN, RATES, Scored, above, legitimate, threshold};
use crate::random::Random;
use crate::replay::{self, Said};

/// The challenge rate of every study, unless it says otherwise.
const RATE: f64 = 0.01;

/// Share of each persona's logins above the threshold that challenges 1 % of all.
pub(crate) fn personas(scored: &Scored<'_>) -> Vec<(String, usize, f64)> {
    let bar = threshold(&scored.legitimate(false, KNOWN), RATE);
    let mut of: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (index, row) in scored.data.rows.iter().enumerate() {
        let counts = legitimate(row) && !row.machine && KNOWN.holds(scored.history[index]);
        if let Some(persona) = row.persona.filter(|_| counts) {
            of.entry(persona).or_default().push(scored.scores[index]);
        }
    }
    of.into_iter()
        .map(|(persona, scores)| {
            let name = scored.data.personas[persona as usize].clone();
            (name, scores.len(), above(scores.iter(), bar))
        })
        .collect()
}

/// Realised challenge rates of the later half of people's logins at thresholds of the earlier half.
pub(crate) fn carried(scored: &Scored<'_>) -> Option<[f64; RATES.len()]> {
    let people: Vec<_> = scored
        .data
        .rows
        .iter()
        .zip(scored.scores.iter().zip(scored.history))
        .filter(|(row, (_, history))| legitimate(row) && !row.machine && KNOWN.holds(**history))
        .map(|(_, (score, _))| *score)
        .collect();
    let (earlier, later) = people.split_at(people.len() / 2);
    let mut earlier = earlier.to_vec();
    earlier.sort_by(|a, b| b.total_cmp(a));
    (!earlier.is_empty()).then(|| RATES.map(|rate| above(later.iter(), threshold(&earlier, rate))))
}

/// Alerts of people at 1 %, and the share that falls to the threshold or below without its strongest family.
pub(crate) fn explained(scored: &Scored<'_>, said: &[Said]) -> (usize, f64) {
    let bar = threshold(&scored.legitimate(false, KNOWN), RATE);
    let alerts: Vec<_> = scored
        .data
        .rows
        .iter()
        .zip(said)
        .filter(|(row, said)| !row.machine && KNOWN.holds(said.history) && said.logit > bar)
        .map(|(_, said)| said.without)
        .collect();
    (alerts.len(), 1.0 - above(alerts.iter(), bar))
}

/// Failures of one source within a quarter of an hour that make a burst, after scoring.md.
const BURST: usize = 25;
const QUARTER: f64 = 900.0;

/// Attempts after the 25th failure of one source within a quarter of an hour, the share of them above the threshold of
/// 1 % or acted on, and the same of other people's successful logins from these sources.
pub(crate) fn bursts(scored: &Scored<'_>, said: &[Said]) -> Option<[(usize, f64); 2]> {
    let bar = threshold(&scored.legitimate(false, KNOWN), RATE);
    let mut failures: HashMap<u32, std::collections::VecDeque<f64>> = HashMap::new();
    let mut counts = [(0_usize, 0_usize); 2];
    for (row, said) in scored.data.rows.iter().zip(said) {
        if row.values[0] == 0 {
            continue;
        }
        let recent = failures.entry(row.values[0]).or_default();
        while recent
            .front()
            .is_some_and(|time| *time < row.time - QUARTER)
        {
            recent.pop_front();
        }
        if recent.len() >= BURST {
            let owner = usize::from(row.success && row.attack.is_none());
            counts[owner].0 += 1;
            counts[owner].1 += usize::from(said.acted || said.logit > bar);
        }
        if !row.success {
            recent.push_back(row.time);
        }
    }
    let share = |(all, flagged): (usize, usize)| (all, flagged as f64 / all.max(1) as f64);
    (counts[0].0 > 0).then(|| counts.map(share))
}

/// Detection of every type of attack on people at 5 %.
fn at_five(data: &Data, said: &[Said], band: Band) -> Vec<(String, f64)> {
    let (scores, history) = parted(said);
    let scored = Scored {
        data,
        scores: &scores,
        history: &history,
    };
    scored
        .detections(band)
        .into_iter()
        .map(|(attack, detection)| {
            (
                data.attacks[attack as usize].clone(),
                detection.detected[3].value,
            )
        })
        .collect()
}

/// Scores and histories apart.
pub(crate) fn parted(said: &[Said]) -> (Vec<f64>, Vec<u32>) {
    said.iter().map(|said| (said.logit, said.history)).unzip()
}

/// Detection at 5 % without a bound and with one, by type of attack.
pub(crate) type Bounded = Vec<(String, f64, f64)>;

fn side_by_side(without: Vec<(String, f64)>, with: Vec<(String, f64)>) -> Bounded {
    without
        .into_iter()
        .zip(with)
        .map(|((attack, without), (_, with))| (attack, without, with))
        .collect()
}

/// The default memory against none.
pub(crate) fn bounded(data: &Data, unbounded: &[Said]) -> Result<Bounded, String> {
    let bounded = replay::events(&data.path, &["--learn", "unlabelled", "--memory", "64"])?;
    Ok(side_by_side(
        at_five(data, unbounded, KNOWN),
        at_five(data, &bounded, KNOWN),
    ))
}

/// Identities in all that are ten times what 1 MiB holds, at 256 bytes each.
const OVERLOAD: usize = 10 * (1 << 20) / 256;

/// Events of an identity that is only there to take room.
const FILL: usize = 3;

/// One MiB against no bound, when many more identities with a few events each come along; those with five events or more.
pub(crate) fn overload(data: &Data, directory: &Path) -> Result<Bounded, String> {
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
    let mut sides = Vec::new();
    for memory in [&[][..], &["--memory", "1"]] {
        let said = replay::events(&path, &[&["--learn", "unlabelled"], memory].concat())?;
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
    Ok(side_by_side(
        at_five(data, &sides[0], five),
        at_five(data, &sides[1], five),
    ))
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
        second_visits(data, &first, poison, &path)?;
        let again = Data::read(&path).map_err(|error| error.to_string())?;
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
        .collect())
}

/// Seconds until an attacker is back.
const DAY: f64 = 86_400.0;

/// Writes a file without attacks but the second visits, with or without the first ones, which bear no label.
fn second_visits(
    data: &Data,
    first: &BTreeSet<usize>,
    poison: bool,
    path: &Path,
) -> Result<(), String> {
    // Those who wait for their second visit, in order of time as the file is.
    let mut waiting: std::collections::VecDeque<(f64, String)> = Default::default();
    rewrite(data, path, |index, event, out| {
        while waiting.front().is_some_and(|(time, _)| *time <= event.time) {
            if let Some((_, line)) = waiting.pop_front() {
                writeln!(out, "{line}")?;
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
            return if poison {
                writeln!(out, "{}", quiet.to_line())
            } else {
                Ok(())
            };
        }
        if event.attack.is_none() {
            writeln!(out, "{}", event.to_line())?;
        }
        Ok(())
    })
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
