//! Event files as the measurement needs them: who, from where, with what, and the truth.
//! May use: the engine's event parser, flate2.
//! Must not: score anything, or hold more of an event than its values as numbers.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use stepgate::signals::ecs::{Event, Kind, Outcome};

/// Address, provider and country, then user agent, browser, system and device, each coarser than the one before.
pub(crate) const VALUES: usize = 7;

/// One event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) time: f64,
    pub(crate) user: u32,
    pub(crate) machine: bool,
    pub(crate) login: bool,
    pub(crate) success: bool,
    /// Index into [`Data::attacks`].
    pub(crate) attack: Option<u32>,
    /// Index into [`Data::personas`].
    pub(crate) persona: Option<u32>,
    /// Numbers for values; equal where the values are.
    pub(crate) values: [u32; VALUES],
}

/// One event file.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) rows: Vec<Row>,
    pub(crate) users: usize,
    pub(crate) attacks: Vec<String>,
    pub(crate) personas: Vec<String>,
    /// Lines that are no events; the replay skips the same.
    pub(crate) bad: usize,
    /// Sessions of named commands without any address: what is measured is the session.
    pub(crate) by_session: bool,
}

/// Numbers for texts in the order they come; 0 stands for none.
#[derive(Default)]
struct Names(HashMap<String, u32>);

impl Names {
    fn number(&mut self, name: Option<&str>) -> u32 {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return 0;
        };
        let next = self.0.len() as u32 + 1;
        match self.0.get(name) {
            Some(number) => *number,
            None => *self.0.entry(name.to_owned()).or_insert(next),
        }
    }

    /// Like [`Names::number`], from zero, and absent for none.
    fn index(&mut self, name: Option<&str>) -> Option<u32> {
        self.number(name).checked_sub(1)
    }

    fn list(self) -> Vec<String> {
        let mut names: Vec<_> = self.0.into_iter().collect();
        names.sort_by_key(|(_, number)| *number);
        names.into_iter().map(|(name, _)| name).collect()
    }
}

/// The one label the engine has never heard of.
#[derive(Deserialize)]
struct Labels {
    #[serde(rename = "labels.persona", default)]
    persona: Option<String>,
}

/// The event files of a directory, by name.
pub(crate) fn find(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".ecs.jsonl") || name.ends_with(".ecs.jsonl.gz") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Lines of a file, gzipped or not.
pub(crate) fn lines(path: &Path) -> std::io::Result<impl Iterator<Item = String>> {
    let file = File::open(path)?;
    let input: Box<dyn Read> = if path.extension().is_some_and(|end| end == "gz") {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    };
    Ok(BufReader::with_capacity(1 << 18, input)
        .lines()
        .map_while(Result::ok))
}

impl Data {
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        let mut users = Names::default();
        let (mut attacks, mut personas) = (Names::default(), Names::default());
        let mut values: [Names; VALUES] = Default::default();
        let mut rows = Vec::new();
        let (mut bad, mut sessions, mut addresses) = (0, 0, 0);
        for line in lines(path)?.filter(|line| !line.trim().is_empty()) {
            let Ok(event) = Event::parse(line.as_bytes()) else {
                bad += 1;
                continue;
            };
            let persona = if line.contains("labels.persona") {
                serde_json::from_str(&line).map_or(None, |labels: Labels| labels.persona)
            } else {
                None
            };
            sessions += usize::from(event.session.is_some());
            addresses += usize::from(event.ip.is_some());
            let asn = event.asn.map(|asn| asn.to_string());
            let texts = [
                event.ip.as_deref(),
                asn.as_deref(),
                event.country.as_deref(),
                event.agent.as_deref(),
                event.agent_name.as_deref(),
                event.os_name.as_deref(),
                event.device.as_deref(),
            ];
            let mut numbers = [0; VALUES];
            for ((number, names), text) in numbers.iter_mut().zip(&mut values).zip(texts) {
                *number = names.number(text);
            }
            rows.push(Row {
                time: event.time,
                user: users.number(event.user.as_deref()),
                machine: event.kind.is_some_and(|kind| kind != Kind::Human),
                login: event.action.as_deref() == Some("login"),
                success: event.outcome != Some(Outcome::Failure),
                attack: attacks.index(event.attack.as_deref()),
                persona: personas.index(persona.as_deref()),
                values: numbers,
            });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            rows,
            users: users.0.len(),
            attacks: attacks.list(),
            personas: personas.list(),
            bad,
            by_session: addresses == 0 && sessions > 0,
        })
    }
}
