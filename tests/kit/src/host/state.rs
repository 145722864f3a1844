//! What one VM sees and leaves behind: configuration, streams, log lines, callouts.
//! May use the shared parts of the process.
//! Must not know guest memory or wasmi: a test reads and sets these fields as they are.

use super::process::{BAD_ARGUMENT, OK, Process, SharedData};
use crate::headers::Headers;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

/// The path of a property as the ABI writes it: elements joined by NUL.
pub fn path(elements: &[&str]) -> Vec<u8> {
    elements.join("\0").into_bytes()
}

/// A foreign function: arguments in, result or status out.
pub type Foreign = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, u32>>;

/// What another worker does between a read and the write that follows: gets the store and the key.
pub type Meddle = Box<dyn FnMut(&mut SharedData, &[u8])>;

/// A log line with its level (0 trace to 5 critical).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 critical. Standard output is 2, standard error 4.
    pub level: u32,
    /// The text, what is not UTF-8 replaced.
    pub text: String,
}

/// One direction of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The header fields as they are now.
    pub headers: Headers,
    /// The body that has passed the filter.
    pub body: Vec<u8>,
    /// The body the filter holds back.
    pub held: Vec<u8>,
    /// The trailers as they are now.
    pub trailers: Headers,
    /// Whether the filter stopped this direction and has not resumed it.
    pub paused: bool,
}

/// The reply a filter sent instead of going on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u32,
    /// The response code details.
    pub details: Vec<u8>,
    /// The header fields, without `:status`.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status; −1 if none was given.
    pub grpc_status: i32,
}

/// One HTTP stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// From the client to the upstream.
    pub request: Message,
    /// From the upstream to the client.
    pub response: Message,
    /// The first local reply, if any; later ones are ignored as the proxy ignores them.
    pub reply: Option<LocalReply>,
    /// Properties the filter wrote, by their NUL-joined path.
    pub written: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Directions the filter closed: 0 request, 1 response.
    pub closed: Vec<u32>,
    /// Whether the stream was logged and deleted.
    pub ended: bool,
    pub(super) readable: u32, // one bit per header map
}

/// A callout the filter dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// The number the answer is delivered under.
    pub token: u32,
    /// The context that was active.
    pub context: u32,
    /// The cluster.
    pub upstream: String,
    /// The header fields with pseudo headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Headers,
    /// The timeout.
    pub timeout_ms: u32,
    /// Whether the test has delivered an answer.
    pub answered: bool,
}

/// A root context: one accepted or refused configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The context id.
    pub id: u32,
    /// The tick period last asked for; 0 is none.
    pub tick_ms: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Other,
    Configure,
    Stream,
    Log,
}

/// Everything about one VM that a test sets before a call or reads after it.
#[derive(Default)]
pub struct State {
    /// What is shared with the siblings of this VM.
    pub process: Rc<RefCell<Process>>,
    /// The time in nanoseconds since the epoch, for the ABI and for WASI alike.
    pub now: u64,
    /// The environment of the VM.
    pub environment: Vec<(String, String)>,
    /// The configuration of the VM.
    pub vm_configuration: Vec<u8>,
    /// The configuration of the plugin; readable only while it is being configured.
    pub plugin_configuration: Vec<u8>,
    /// Properties by NUL-joined path (see [`path`]); they win over those derived from headers.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The clusters callouts may name; `None` accepts any.
    pub clusters: Option<BTreeSet<String>>,
    /// Foreign functions by name; others are not found.
    pub foreign: BTreeMap<String, Foreign>,
    /// Host functions that only return this status.
    pub fixed: BTreeMap<String, u32>,
    /// What happens before each of the next so many conditional writes of shared data.
    pub meddle: Option<(u32, Meddle)>,
    /// What `proxy_get_log_level` says.
    pub log_level: u32,
    /// The log lines so far.
    pub logs: Vec<LogLine>,
    /// The root contexts, oldest first.
    pub roots: Vec<Root>,
    /// The streams by context id; ended ones stay.
    pub streams: BTreeMap<u32, Stream>,
    /// The callouts so far.
    pub calls: Vec<HttpCall>,
    /// How often each host function was called.
    pub used: BTreeMap<String, u32>,
    /// Whether the filter called `proxy_done`.
    pub done: bool,
    /// The state of the random numbers; the same seed gives the same numbers.
    pub seed: u64,
    pub(super) active: u32,
    pub(super) phase: Phase,
    pub(super) answer: Option<Message>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("process", &self.process)
            .field("logs", &self.logs)
            .field("streams", &self.streams)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

/// The header maps of a stream and of an answer, by their number in the ABI.
pub(super) const REQUEST: u32 = 0;
pub(super) const REQUEST_TRAILERS: u32 = 1;
pub(super) const RESPONSE: u32 = 2;
pub(super) const RESPONSE_TRAILERS: u32 = 3;
const ANSWER: u32 = 6;
const ANSWER_TRAILERS: u32 = 7;

impl State {
    /// A header map if this phase may read it.
    pub(super) fn map(&self, kind: u32) -> Option<&Headers> {
        match kind {
            ANSWER => return self.answer.as_ref().map(|answer| &answer.headers),
            ANSWER_TRAILERS => return self.answer.as_ref().map(|answer| &answer.trailers),
            _ => {}
        }
        let stream = self.streams.get(&self.active)?;
        let logged = self.phase == Phase::Log && kind != REQUEST_TRAILERS;
        if !logged && stream.readable & bit(kind) == 0 {
            return None;
        }
        match kind {
            REQUEST => Some(&stream.request.headers),
            REQUEST_TRAILERS => Some(&stream.request.trailers),
            RESPONSE => Some(&stream.response.headers),
            RESPONSE_TRAILERS => Some(&stream.response.trailers),
            _ => None,
        }
    }

    /// A header map if this phase may write it.
    pub(super) fn map_mut(&mut self, kind: u32) -> Option<&mut Headers> {
        let stream = self.streams.get_mut(&self.active)?;
        if stream.readable & bit(kind) == 0 {
            return None;
        }
        match kind {
            REQUEST => Some(&mut stream.request.headers),
            REQUEST_TRAILERS => Some(&mut stream.request.trailers),
            RESPONSE => Some(&mut stream.response.headers),
            RESPONSE_TRAILERS => Some(&mut stream.response.trailers),
            _ => None,
        }
    }

    /// A buffer by its number in the ABI, if this phase has it.
    pub(super) fn buffer(&mut self, kind: u32) -> Option<&mut Vec<u8>> {
        match kind {
            0 => self
                .streams
                .get_mut(&self.active)
                .map(|stream| &mut stream.request.held),
            1 => self
                .streams
                .get_mut(&self.active)
                .map(|stream| &mut stream.response.held),
            4 => self.answer.as_mut().map(|answer| &mut answer.body),
            6 => Some(&mut self.vm_configuration),
            7 if self.phase == Phase::Configure => Some(&mut self.plugin_configuration),
            _ => None,
        }
    }

    /// A property: what the test set, what the filter wrote, else what the headers say.
    pub(super) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        let stream = self.streams.get(&self.active);
        let written = stream.and_then(|stream| stream.written.get(path));
        if let Some(value) = self.properties.get(path).or(written) {
            return Some(value.clone());
        }
        let path = std::str::from_utf8(path).ok()?;
        if path == "response\0code" {
            let status = self.map(RESPONSE)?.text(":status")?.parse::<i64>().ok()?;
            return Some(status.to_le_bytes().to_vec());
        }
        let request = self.map(REQUEST)?;
        let target = || request.get(":path").unwrap_or_default();
        let mark = || target().iter().position(|byte| *byte == b'?');
        let name = match path.strip_prefix("request\0")? {
            "path" => ":path",
            "host" => ":authority",
            "method" => ":method",
            "scheme" => ":scheme",
            "useragent" => "user-agent",
            "id" => "x-request-id",
            "url_path" => return Some(target()[..mark().unwrap_or(target().len())].to_vec()),
            "query" => {
                return Some(target()[mark().map_or(target().len(), |at| at + 1)..].to_vec());
            }
            other => {
                let values = request.all(other.strip_prefix("headers\0")?);
                return (!values.is_empty()).then(|| values.join(&b','));
            }
        };
        request.get(name).map(<[u8]>::to_vec)
    }

    /// Resumes one direction of the active stream.
    pub(super) fn resume(&mut self, direction: u32) -> u32 {
        let Some(stream) = self.streams.get_mut(&self.active) else {
            return OK; // a root context has nothing to resume
        };
        match direction {
            0 => {
                stream.request.resume();
                stream.readable &= !(bit(REQUEST) | bit(REQUEST_TRAILERS));
            }
            1 => {
                stream.response.resume();
                stream.readable &= !(bit(RESPONSE) | bit(RESPONSE_TRAILERS));
            }
            _ => return BAD_ARGUMENT,
        }
        OK
    }
}

impl Message {
    pub(super) fn resume(&mut self) {
        self.paused = false;
        self.body.append(&mut self.held);
    }
}

pub(super) fn bit(kind: u32) -> u32 {
    1 << kind.min(31)
}
