//! An Envoy under callgrind, a tool of valgrind that counts instructions; and where they were, read from what it writes.
//! May use the programs `valgrind` and `vgdb`.
//! Must not know what is compared.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Envoy's program lies below this address, and what V8 compiled far above.
const ABOVE_THE_PROGRAM: u64 = 1 << 32;

/// Instructions by where they are. What the kernel does for a process is not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// In what V8 compiled out of modules, and in Lua's JIT code.
    pub(crate) compiled: u64,
    /// In Envoy, with V8 and BoringSSL.
    pub(crate) envoy: u64,
    /// In libc and other libraries.
    pub(crate) libraries: u64,
}

impl Count {
    pub(crate) fn all(&self) -> u64 {
        self.compiled + self.envoy + self.libraries
    }
}

/// How to run a program under callgrind, and to tell it when to count.
#[derive(Debug)]
pub(crate) struct Callgrind {
    out: PathBuf,
    pipes: PathBuf,
}

impl Callgrind {
    /// Its files go to `dir`, under this name.
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        Self {
            out: dir.join(name),
            pipes: dir.join("vgdb"),
        }
    }

    /// Whether it is installed.
    pub(crate) fn is_here() -> bool {
        ["valgrind", "vgdb"].iter().all(|program| {
            let mut command = Command::new(program);
            command.arg("--help").stdin(Stdio::null());
            let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            ran.is_ok()
        })
    }

    /// The words before those of the program. V8 writes code as it goes, hence `smc-check`.
    pub(crate) fn words(&self) -> Vec<String> {
        [
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            "--smc-check=all-non-file".to_owned(),
            "--instr-atstart=no".to_owned(),
            format!("--callgrind-out-file={}", self.out.display()),
            format!("--vgdb-prefix={}", self.pipes.display()),
        ]
        .to_vec()
    }

    /// Counts from now on.
    pub(crate) fn begin(&self, pid: u32) -> Result<(), String> {
        self.tell(pid, &["instrumentation", "on"])
    }

    /// Forgets what was counted.
    pub(crate) fn zero(&self, pid: u32) -> Result<(), String> {
        self.tell(pid, &["zero"])
    }

    /// What was counted since; `number` counts these calls from 1.
    pub(crate) fn counted(&self, pid: u32, number: usize) -> Result<Count, String> {
        self.tell(pid, &["dump"])?;
        let path = format!("{}.{number}", self.out.display());
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let _ = fs::remove_file(&path);
        let count = read(&text);
        // What callgrind itself says it is: else the format is not what is read here.
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: Option<u64> = total.and_then(|total| total.trim().parse().ok());
        match total {
            Some(total) if total > 0 && count.all() == total => Ok(count),
            _ => Err(format!(
                "{path}: {} instructions found, {total:?} announced",
                count.all()
            )),
        }
    }

    fn tell(&self, pid: u32, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new("vgdb");
        command
            .arg(format!("--vgdb-prefix={}", self.pipes.display()))
            .arg(format!("--pid={pid}"))
            .args(words)
            .stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("vgdb: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("vgdb: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }
}

/// Sums a profile in callgrind's format: `ob=` and `fn=` say whose the costs are that follow, each name once and then by its
/// number. The costs after `calls=` are those of the called and stand there already.
fn read(text: &str) -> Count {
    let mut count = Count::default();
    let mut objects: HashMap<&str, &str> = HashMap::new();
    let mut functions: HashMap<&str, &str> = HashMap::new();
    let (mut object, mut function, mut of_called) = ("", "", false);
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "ob" => object = named(&mut objects, value),
                "fn" => function = named(&mut functions, value),
                "cob" => {
                    named(&mut objects, value);
                }
                "cfn" => {
                    named(&mut functions, value);
                }
                "calls" => of_called = true,
                _ => {}
            }
            continue;
        }
        let position =
            line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first));
        let cost = line.split_once(' ').filter(|_| position);
        let Some(cost) = cost.and_then(|(_, cost)| cost.parse::<u64>().ok()) else {
            continue;
        };
        if std::mem::take(&mut of_called) {
            continue;
        }
        *place(&mut count, object, function) += cost;
    }
    count
}

fn place<'a>(count: &'a mut Count, object: &str, function: &str) -> &'a mut u64 {
    let address = function.strip_prefix("0x").unwrap_or_default();
    let address: String = address
        .chars()
        .take_while(char::is_ascii_hexdigit)
        .collect();
    let address = u64::from_str_radix(&address, 16).unwrap_or(0);
    match object {
        "???" if address >= ABOVE_THE_PROGRAM => &mut count.compiled,
        _ if object.contains(".so") => &mut count.libraries,
        _ => &mut count.envoy,
    }
}

/// The name in `(7) name`, or that of `(7)` before.
fn named<'a>(names: &mut HashMap<&'a str, &'a str>, value: &'a str) -> &'a str {
    match value.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(value).copied().unwrap_or_default(),
    }
}
