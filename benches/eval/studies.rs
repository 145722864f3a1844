//! What a table of detection does not show: who is challenged, whether a threshold holds, what an alert rests on and what
//! detection is owed to. May use: replay and measures.
//! Must not: choose anything on the data it reports.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use crate::data::Data;
use crate::measure::{Band, Detection, KNOWN, RATES, Scored, above, legitimate, threshold};
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

/// Alerts of people at 1 %, and the share that would not be without its strongest family: by the threshold alone, and among
/// those that challenge, by what a challenge needs beside it.
pub(crate) fn explained(scored: &Scored<'_>, said: &[Said]) -> [(usize, f64); 2] {
    let bar = threshold(&scored.legitimate(false, KNOWN), RATE);
    let rows = scored.data.rows.iter().zip(said);
    let alerts: Vec<_> = rows
        .filter(|(row, said)| !row.machine && KNOWN.holds(said.history) && said.logit > bar)
        .map(|(_, said)| said)
        .collect();
    let share = |alerts: &[&Said], falls: fn(&Said, f64) -> bool| {
        let fallen = alerts.iter().filter(|said| falls(said, bar)).count();
        (alerts.len(), fallen as f64 / alerts.len().max(1) as f64)
    };
    let challenges: Vec<_> = alerts
        .iter()
        .copied()
        .filter(|said| said.holds[0])
        .collect();
    [
        share(&alerts, |said, bar| said.without <= bar),
        share(&challenges, |said, bar| {
            said.without <= bar || !said.holds[1]
        }),
    ]
}

/// Attacks by what is done rather than from where, and the policy of an operator who wants to see them.
const INSIDERS: [&str; 2] = ["slow_exfil", "privileged_abuse"];
const FOLLOWING: &str = r#"{"behaviour":{"watch":"all"},"tiers":[{"name":"admin","paths":["/admin/**"],"class":"privileged"}]}"#;

/// Detection of every type of attack at 1 and 5 % as shipped and with everybody followed, and the shares of people's
/// requests above the threshold of 1 %; nothing where no attack is one of behaviour.
pub(crate) struct Followed {
    pub(crate) attacks: Vec<(String, [[f64; 2]; 2])>,
    pub(crate) requests: [f64; 2],
}

/// What following everybody is worth.
pub(crate) fn followed(
    data: &Data,
    shipped: &Scored<'_>,
    directory: &Path,
) -> Result<Option<Followed>, String> {
    if !data
        .attacks
        .iter()
        .any(|name| INSIDERS.contains(&name.as_str()))
    {
        return Ok(None);
    }
    let policy = directory.join("following.json");
    std::fs::write(&policy, FOLLOWING).map_err(|error| format!("{}: {error}", policy.display()))?;
    let name = policy.to_string_lossy();
    let said = replay::events(&data.path, &["--learn", "unlabelled", "--policy", &name])?;
    let _left_behind = std::fs::remove_file(&policy);
    let (scores, history) = parted(&said);
    let sides = [
        *shipped,
        Scored {
            data,
            scores: &scores,
            history: &history,
        },
    ];
    let found = sides.map(|scored| scored.detections(KNOWN));
    let requests = sides.map(|scored| {
        let bar = threshold(&scored.legitimate(false, KNOWN), RATE);
        let rows = scored
            .data
            .rows
            .iter()
            .zip(scored.scores.iter().zip(scored.history));
        let requests: Vec<_> = rows
            .filter(|(row, (_, history))| {
                row.attack.is_none()
                    && row.success
                    && !row.machine
                    && !row.login
                    && KNOWN.holds(**history)
            })
            .map(|(_, (score, _))| *score)
            .collect();
        above(requests.iter(), bar)
    });
    let attacks = found[0].keys().map(|attack| {
        let at = |side: usize| {
            found[side].get(attack).map_or([f64::NAN; 2], |found| {
                [found.detected[2].value, found.detected[3].value]
            })
        };
        (data.attacks[*attack as usize].clone(), [at(0), at(1)])
    });
    Ok(Some(Followed {
        attacks: attacks.collect(),
        requests,
    }))
}

/// Failures of one source within a quarter of an hour that make a burst, after scoring.md.
const BURST: usize = 25;
const QUARTER: f64 = 900.0;

/// Attempts after the 25th failure of one source within a quarter of an hour, the share of them above the threshold of
/// 1 % or acted on, and the same of other people's successful logins from these sources.
pub(crate) fn bursts(scored: &Scored<'_>, said: &[Said]) -> Option<[(usize, f64); 2]> {
    let bar = threshold(&scored.legitimate(false, KNOWN), RATE);
    let mut failures: HashMap<u32, VecDeque<f64>> = HashMap::new();
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

/// Detection at 1 and 5 % of one type of attack: as published, without labels, without hours.
pub(crate) struct Audited {
    pub(crate) attack: String,
    pub(crate) at: [[f64; 2]; 3],
}

/// What of the detection is owed to the truth being kept out of the memory, and what to the hours of made-up attacks:
/// generators draw them from a clock of their own, real attackers keep hours nobody here knows.
pub(crate) fn audit(
    data: &Data,
    published: &Scored<'_>,
    directory: &Path,
) -> Result<Vec<Audited>, String> {
    let policy = directory.join("without-hours.json");
    std::fs::write(&policy, r#"{"score":{"weights":{"unusual-hour":0}}}"#)
        .map_err(|error| format!("{}: {error}", policy.display()))?;
    let name = policy.to_string_lossy();
    let live = replay::events(&data.path, &["--learn", "allowed"])?;
    let timeless = replay::events(&data.path, &["--learn", "unlabelled", "--policy", &name])?;
    let _left_behind = std::fs::remove_file(&policy);
    let others = [&live, &timeless].map(|said| {
        let (scores, history) = parted(said);
        Scored {
            data,
            scores: &scores,
            history: &history,
        }
        .detections(KNOWN)
    });
    Ok(published
        .detections(KNOWN)
        .into_iter()
        .map(|(attack, found)| {
            let at = |found: Option<&Detection>| {
                found.map_or([f64::NAN; 2], |found| {
                    [found.detected[2].value, found.detected[3].value]
                })
            };
            Audited {
                attack: data.attacks[attack as usize].clone(),
                at: [
                    at(Some(&found)),
                    at(others[0].get(&attack)),
                    at(others[1].get(&attack)),
                ],
            }
        })
        .collect())
}

/// Detection of every type of attack at 5 %.
pub(crate) fn at_five(data: &Data, said: &[Said], band: Band) -> Vec<(String, f64)> {
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

pub(crate) fn side_by_side(without: Vec<(String, f64)>, with: Vec<(String, f64)>) -> Bounded {
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
