//! A real Envoy as a child process: start, find its ports, read its logs and statistics, stop.
//! May use the standard library and the kit's client.
//! Must not leave anything behind: dropping it kills the process and removes its directory.

use crate::http::{Request, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Long, because a machine with much else to do takes a minute to compile a module; nobody waits this long for what works.
const PATIENCE: Duration = Duration::from_secs(120);

/// Merged over the bootstrap, so that a test never meets the fixed port of an example.
const ADMIN: &str = "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }";

/// A directory of its own, removed when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates a new one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "stepgate-kit-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it and says where.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Default for TempDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asks until there is an answer; panics with `what` after two minutes.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The Envoy to use: `$ENVOY`, else the one `make` puts under `.tools`. `None`, with a printed line: there is none.
pub fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ENVOY") {
        return Some(path.into());
    }
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/venv/lib");
    let entries = fs::read_dir(&lib).into_iter().flatten().flatten();
    let found = entries
        .map(|entry| entry.path().join("site-packages/envoy/_bin/envoy"))
        .find(|path| path.is_file());
    if found.is_none() {
        println!(
            "SKIPPED: no Envoy. Set $ENVOY or run `make test`, which puts one under {}",
            lib.display()
        );
    }
    found
}

/// How to start an Envoy.
#[derive(Clone, Debug)]
pub struct Setup {
    bootstrap: String,
    concurrency: u32,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    under: Vec<String>,
    wasm_log: String,
}

impl Setup {
    /// A bootstrap in YAML. Its admin address is replaced by a free port on loopback.
    pub fn new(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            concurrency: 1,
            arguments: Vec::new(),
            environment: Vec::new(),
            under: Vec::new(),
            wasm_log: "info".to_owned(),
        }
    }

    /// The number of workers; one unless said.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Adds arguments to the command line.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// Sets a variable in the environment of the process.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it under another program, which must keep the process: the words go before those of Envoy.
    pub fn under(mut self, words: &[String]) -> Self {
        self.under = words.to_vec();
        self
    }

    /// The level from which modules are logged; `info` unless said.
    pub fn wasm_log(mut self, level: &str) -> Self {
        level.clone_into(&mut self.wasm_log);
        self
    }

    fn command(&self, dir: &TempDir) -> Result<Command, String> {
        let binary = binary().ok_or("there is no Envoy")?;
        let binary = binary.into_os_string();
        let words = self.under.iter().map(OsString::from).chain([binary]);
        let words: Vec<OsString> = words.collect();
        let (program, rest) = words.split_first().ok_or("no program")?;
        let mut command = Command::new(program);
        command
            .args(rest)
            .arg("-c")
            .arg(dir.write("bootstrap.yaml", &self.bootstrap))
            .args(["--config-yaml", ADMIN, "--disable-hot-restart"])
            .args(["--concurrency", &self.concurrency.to_string()])
            .args(["-l", "warning", "--component-log-level"])
            .arg(format!("wasm:{}", self.wasm_log))
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Starts it and waits until it is live. An error holds the end of its log.
    pub fn start(&self) -> Result<Envoy, String> {
        let dir = TempDir::new();
        let (log, port) = (dir.path().join("envoy.log"), dir.path().join("admin"));
        let output = File::create(&log).map_err(|error| error.to_string())?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        let mut command = self.command(&dir)?;
        let child = command
            .args(["--file-flush-interval-msec", "20", "--admin-address-path"])
            .arg(&port)
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let mut envoy = Envoy {
            child,
            admin: ([127, 0, 0, 1], 0).into(),
            log,
            _dir: dir,
        };
        let end = Instant::now() + PATIENCE;
        loop {
            let address = fs::read_to_string(&port).unwrap_or_default();
            if let Ok(address) = address.trim().parse() {
                envoy.admin = address;
                let ready = Request::get("/ready").send(address);
                if ready.is_ok_and(|ready| ready.status == 200) {
                    return Ok(envoy);
                }
            }
            let exited = envoy.child.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = exited {
                return Err(format!("Envoy: {status}\n{}", envoy.logs()));
            }
            if Instant::now() > end {
                return Err(format!("Envoy is not ready\n{}", envoy.logs()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs `--mode validate`: whether it accepts the configuration, and all it said.
    pub fn validate(&self) -> Result<(bool, String), String> {
        let dir = TempDir::new();
        let mut command = self.command(&dir)?;
        let output = command
            .args(["--mode", "validate"])
            .output()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((output.status.success(), said))
    }
}

/// A running Envoy. Keep it in the test, not in a static: those are never dropped.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
    _dir: TempDir,
}

impl Envoy {
    /// Starts an Envoy with this bootstrap and so many workers.
    pub fn start(bootstrap: &str, concurrency: u32) -> Result<Self, String> {
        Setup::new(bootstrap).concurrency(concurrency).start()
    }

    /// The address of its only, or first, listener.
    pub fn address(&self) -> SocketAddr {
        let listeners = self.listeners();
        let first = listeners.first().map(|(_, address)| *address);
        first.expect("the bootstrap has a listener")
    }

    /// The address of a listener by name.
    pub fn listener(&self, name: &str) -> SocketAddr {
        let listeners = self.listeners();
        let found = listeners.iter().find(|(have, _)| have == name);
        found
            .map(|(_, address)| *address)
            .unwrap_or_else(|| panic!("no listener `{name}` in {listeners:?}"))
    }

    /// Names and addresses of the listeners that have an IP address.
    pub fn listeners(&self) -> Vec<(String, SocketAddr)> {
        let json = self.admin("GET", "/listeners?format=json").json();
        let listeners = json["listener_statuses"].as_array();
        let read = |listener: &Value| {
            let address = &listener["local_address"]["socket_address"];
            let ip = address["address"].as_str()?.parse().ok()?;
            let port = address["port_value"].as_u64()?.try_into().ok()?;
            let name = listener["name"].as_str().unwrap_or_default();
            Some((name.to_owned(), SocketAddr::new(ip, port)))
        };
        listeners
            .map(|all| all.iter().filter_map(read).collect())
            .unwrap_or_default()
    }

    /// Where its admin interface listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Asks the admin interface.
    pub fn admin(&self, method: &str, target: &str) -> Response {
        Request::new(method, target)
            .send(self.admin)
            .unwrap_or_else(|error| panic!("admin {target}: {error}\n{}", self.logs()))
    }

    /// The statistics: counters and gauges as numbers, histograms as Envoy prints them.
    pub fn stats(&self) -> BTreeMap<String, String> {
        let text = self.admin("GET", "/stats").text();
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// VMs made so far, and reloads of the plugin `stepgate` tried: neither changes while all VMs live.
    pub fn vms(&self) -> [u64; 4] {
        [
            "wasm.envoy.wasm.runtime.v8.created",
            "wasm.stepgate.vm_reload_success",
            "wasm.stepgate.vm_reload_failure",
            "wasm.stepgate.vm_reload_backoff",
        ]
        .map(|name| self.stat(name))
    }

    /// One counter or gauge; 0 if there is none.
    pub fn stat(&self, name: &str) -> u64 {
        let value = self.stats().remove(name);
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_default()
    }

    /// The statistics in Prometheus' text format.
    pub fn prometheus(&self) -> String {
        self.admin("GET", "/stats/prometheus").text()
    }

    /// The configuration it runs.
    pub fn config_dump(&self) -> Value {
        self.admin("GET", "/config_dump").json()
    }

    /// All it has written to standard output and standard error.
    pub fn logs(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits for a line of the log that contains `text`.
    pub fn wait_for_log(&self, text: &str) -> String {
        until(text, || {
            let logs = self.logs();
            let found = logs.lines().find(|line| line.contains(text));
            found.map(str::to_owned)
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it and waits until it is gone; returns its log.
    pub fn stop(mut self) -> String {
        self.admin("POST", "/quitquitquit");
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.logs()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
