//! A proxy-wasm 0.2.1 host for the built module: runs callbacks, keeps all else as plain state.
//! May use wasmi and its own submodules.
//! Must not check the order of host calls, and never panics on what the module does: a trap is an `Err`.

mod abi;
mod guest;
mod process;
mod run;
mod state;
mod wasi;

pub use process::{
    BAD_ARGUMENT, CAS_MISMATCH, INVALID_MEMORY, Metric, Metrics, NOT_FOUND, OK, Process,
    SharedData, UNIMPLEMENTED,
};
pub use run::{exports, imports};
pub use state::{
    Foreign, HttpCall, LocalReply, LogLine, Meddle, Message, Root, State, Stream, path,
};

use crate::headers::Headers;
use guest::{Call, Stop};
use state::{Phase, REQUEST, REQUEST_TRAILERS, RESPONSE, RESPONSE_TRAILERS, bit};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use wasmi::{Config, Engine, Error, ExternType, Instance, Linker, Module, Store, Val};

/// What the filter answered to a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Stop here.
    Pause,
}

/// A stream after a callback: what the filter said, and what the next filter, or the client, gets.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The context id of the stream.
    pub id: u32,
    /// What the callback returned.
    pub action: Action,
    /// The request as the upstream gets it.
    pub request: Message,
    /// The response as the client gets it.
    pub response: Message,
    /// What the filter replied itself.
    pub reply: Option<LocalReply>,
}

impl Exchange {
    /// The first request header of this name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.request.headers.text(name)
    }
}

/// Why a VM is dead. It stays inspectable; every further callback returns this again.
#[derive(Clone, Debug)]
pub struct Trap {
    /// The callback that was running.
    pub during: String,
    /// What wasmi or the host said.
    pub cause: String,
    /// What the module logged in this callback at level error and above: the panic message is here.
    pub logged: Vec<String>,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.during, self.cause)?;
        self.logged
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Trap {}

/// One VM.
pub struct Host {
    module: Module,
    store: Store<State>,
    instance: Option<Instance>,
    dead: Option<Trap>,
    next: u32,
    root: u32,
    stream: u32,
}

impl Host {
    /// Reads and validates a module. Nothing runs before [`Host::start`], so state can be set first.
    pub fn new(wasm: &[u8]) -> Result<Self, Trap> {
        Self::configured(wasm, Config::default())
    }

    /// The same, which counts the instructions it runs: see [`Host::spent`].
    pub fn metered(wasm: &[u8]) -> Result<Self, Trap> {
        let mut config = Config::default();
        config.consume_fuel(true);
        let mut host = Self::configured(wasm, config)?;
        host.spent();
        Ok(host)
    }

    fn configured(wasm: &[u8], mut config: Config) -> Result<Self, Trap> {
        config.set_max_recursion_depth(20_000);
        config.set_max_stack_height(8 << 20);
        let module = Module::new(&Engine::new(&config), wasm).map_err(|error| Trap {
            during: "load".into(),
            cause: error.to_string(),
            logged: Vec::new(),
        })?;
        Ok(Self::of(module, Rc::default()))
    }

    /// A second VM of the same module in the same process: another worker.
    pub fn sibling(&self) -> Self {
        Self::of(self.module.clone(), self.state().process.clone())
    }

    /// A VM with other code in the same process: what follows an update.
    pub fn successor(&self, wasm: &[u8]) -> Result<Self, Trap> {
        let host = Self::new(wasm)?;
        Ok(Self::of(host.module, self.state().process.clone()))
    }

    fn of(module: Module, process: Rc<RefCell<Process>>) -> Self {
        let known = ["plugin_name", "plugin_root_id", "plugin_vm_id"];
        let state = State {
            process,
            now: 1_750_000_000_000_000_000,
            properties: known.map(|name| (name.into(), b"stepgate".to_vec())).into(),
            ..State::default()
        };
        Self {
            store: Store::new(module.engine(), state),
            module,
            instance: None,
            dead: None,
            next: 1,
            root: 0,
            stream: 0,
        }
    }

    /// What the VM sees and left behind.
    pub fn state(&self) -> &State {
        self.store.data()
    }

    /// As [`Host::state`], to change it.
    pub fn state_mut(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// Why the VM is dead, if it is.
    pub fn dead(&self) -> Option<&Trap> {
        self.dead.as_ref()
    }

    /// Sets the time, in seconds since the epoch.
    pub fn set_time(&mut self, seconds: f64) {
        self.state_mut().now = (seconds * 1e9) as u64;
    }

    /// Sets a property.
    pub fn set_property(&mut self, elements: &[&str], value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        self.state_mut().properties.insert(path(elements), value);
    }

    /// Makes a host function return only this status.
    pub fn fix(&mut self, function: &str, status: u32) {
        self.state_mut().fixed.insert(function.into(), status);
    }

    /// Another worker writes before each of the next `times` conditional writes, which thus conflict.
    /// The value stays the same; an absent key appears empty.
    pub fn conflict(&mut self, times: u32) {
        let rewrite = |data: &mut SharedData, key: &[u8]| {
            let held = data.get(key).map(|(value, cas)| (value.to_vec(), cas));
            let (value, cas) = held.unwrap_or_default();
            data.set(key, value, cas);
        };
        self.state_mut().meddle = Some((times, Box::new(rewrite)));
    }

    /// The log lines that contain `text`.
    pub fn logged(&self, text: &str) -> Vec<&LogLine> {
        let lines = self.state().logs.iter();
        lines.filter(|line| line.text.contains(text)).collect()
    }

    /// The value of a counter or gauge; 0 if there is none.
    pub fn metric(&self, name: &str) -> u64 {
        self.state().process.borrow().metrics.value(name)
    }

    /// Starts the VM if it is not running and configures a new root context. `false`: the module refused.
    /// Called again it is a configuration update: the same VM, and on refusal the old root stays in charge.
    pub fn start(&mut self, config: &str) -> Result<bool, Trap> {
        if self.instance.is_none() && self.dead.is_none() {
            self.instantiate()?;
        }
        let id = self.context(0)?;
        let vm_size = self.state().vm_configuration.len() as i32;
        self.state_mut().plugin_configuration = config.as_bytes().to_vec();
        let started = self.call_in(Phase::Other, id, "proxy_on_vm_start", &[vm_size])?;
        if started == Some(0) {
            return Ok(false);
        }
        let size = config.len() as i32;
        let accepted =
            self.call_in(Phase::Configure, id, "proxy_on_configure", &[size])? != Some(0);
        if accepted {
            self.root = id;
        }
        Ok(accepted)
    }

    /// Ticks the root context in charge.
    pub fn tick(&mut self) -> Result<(), Trap> {
        self.tick_on(self.root)
    }

    /// Ticks one root context: old ones tick until they are drained.
    pub fn tick_on(&mut self, root: u32) -> Result<(), Trap> {
        self.call_in(Phase::Other, root, "proxy_on_tick", &[])
            .map(drop)
    }

    /// A request without a body, on a new stream.
    pub fn request<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
    ) -> Result<Exchange, Trap> {
        self.open(headers, true)
    }

    /// The headers of a request on a new stream, which is then the one the following calls are about.
    pub fn open<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
        end_of_stream: bool,
    ) -> Result<Exchange, Trap> {
        self.stream = self.context(self.root)?;
        self.current().request.headers = Headers::lower(headers);
        let arguments = [headers.len() as i32, end_of_stream.into()];
        self.step(REQUEST, "proxy_on_request_headers", &arguments)
    }

    /// Makes an earlier stream the current one.
    pub fn select(&mut self, id: u32) {
        assert!(
            self.state().streams.contains_key(&id),
            "there is no stream {id}"
        );
        self.stream = id;
    }

    /// A piece of the request body. Envoy often sends the end as an empty piece of its own.
    pub fn body(&mut self, piece: impl AsRef<[u8]>, end: bool) -> Result<Exchange, Trap> {
        self.current().request.held.extend(piece.as_ref());
        let arguments = [self.current().request.held.len() as i32, end.into()];
        self.step(4, "proxy_on_request_body", &arguments)
    }

    /// The trailers of the request.
    pub fn trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        trailers: &[(N, V)],
    ) -> Result<Exchange, Trap> {
        self.current().request.trailers = Headers::lower(trailers);
        let arguments = [trailers.len() as i32];
        self.step(REQUEST_TRAILERS, "proxy_on_request_trailers", &arguments)
    }

    /// The headers of the response.
    pub fn response<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        headers: &[(N, V)],
    ) -> Result<Exchange, Trap> {
        self.current().response.headers = Headers::lower(headers);
        let arguments = [headers.len() as i32, 0];
        self.step(RESPONSE, "proxy_on_response_headers", &arguments)
    }

    /// A piece of the response body.
    pub fn response_body(&mut self, piece: impl AsRef<[u8]>, end: bool) -> Result<Exchange, Trap> {
        self.current().response.held.extend(piece.as_ref());
        let arguments = [self.current().response.held.len() as i32, end.into()];
        self.step(5, "proxy_on_response_body", &arguments)
    }

    /// The trailers of the response.
    pub fn response_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        trailers: &[(N, V)],
    ) -> Result<Exchange, Trap> {
        self.current().response.trailers = Headers::lower(trailers);
        let arguments = [trailers.len() as i32];
        self.step(RESPONSE_TRAILERS, "proxy_on_response_trailers", &arguments)
    }
}
