//! The API behind the proxy: echoes what reached it as JSON, or serves what the test put on a path.
//! May use the standard library and serde_json; one thread per connection.
//! Must not outlive its value: dropping it closes every connection and joins the listener.

use super::wire::{read_body, read_head};
use crate::headers::Headers;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a path answers instead of the echo.
#[derive(Clone, Debug)]
pub struct Canned {
    /// The status code.
    pub status: u16,
    /// The header fields besides `content-length`.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// How long the answer takes.
    pub delay: Duration,
}

impl Canned {
    /// JSON with status 200, at once.
    pub fn json(value: &Value) -> Self {
        Self {
            status: 200,
            headers: Headers::of(&[("content-type", "application/json")]),
            body: value.to_string().into_bytes(),
            delay: Duration::ZERO,
        }
    }

    /// An empty answer with this status.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Headers::default(),
            body: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    /// The same, later.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The target with its query.
    pub target: String,
    /// The header fields in order.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    routes: BTreeMap<String, Canned>,
    received: Vec<Received>,
    connections: Vec<TcpStream>,
    closed: bool,
}

/// A server on loopback. Answers 200 with `{"method", "path", "headers": [[name, value], …], "body"}`,
/// or with the status in the request's `x-test-status`, or with what is [canned](Canned) for the path.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    listener: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Starts on a free port.
    pub fn start() -> io::Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts on a given address.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        let address = socket.local_addr()?;
        let shared = Arc::<Mutex<Shared>>::default();
        let accepted = shared.clone();
        let listener = std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let Ok(copy) = stream.try_clone() else {
                    continue;
                };
                {
                    let mut state = lock(&accepted);
                    if state.closed {
                        return;
                    }
                    state.connections.push(copy);
                }
                let served = accepted.clone();
                std::thread::spawn(move || serve(stream, &served));
            }
        });
        Ok(Self {
            address,
            shared,
            listener: Some(listener),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sets what a path (without query) answers from now on.
    pub fn serve(&self, path: &str, canned: Canned) {
        lock(&self.shared).routes.insert(path.to_owned(), canned);
    }

    /// Lets a path echo again.
    pub fn echo(&self, path: &str) {
        lock(&self.shared).routes.remove(path);
    }

    /// Serves a key set under `/.well-known/jwks.json`.
    pub fn jwks(&self, keys: &Value) {
        self.serve("/.well-known/jwks.json", Canned::json(keys));
    }

    /// How many requests a path (without query) has had.
    pub fn hits(&self, path: &str) -> usize {
        let state = lock(&self.shared);
        let paths = state.received.iter().map(|request| bare(&request.target));
        paths.filter(|have| *have == path).count()
    }

    /// Every request so far, in order.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared).received.clone()
    }

    /// Forgets the requests so far: they are all kept in memory.
    pub fn forget(&self) {
        lock(&self.shared).received.clear();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.shared);
            state.closed = true;
            for connection in state.connections.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        // wakes the listener, which then sees that it is closed
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let (Ok(_), Some(listener)) = (woken, self.listener.take()) {
            let _ = listener.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bare(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

fn serve(stream: TcpStream, shared: &Mutex<Shared>) {
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    let _ = stream.set_nodelay(true);
    let mut reading = BufReader::new(reading);
    // an error is the end of the connection: the other side sees it
    while let Ok(Some((start, headers))) = read_head(&mut reading) {
        let Ok(body) = read_body(&mut reading, &headers, false) else {
            break;
        };
        let start = String::from_utf8_lossy(&start).into_owned();
        let mut words = start.split(' ').map(str::to_owned);
        let request = Received {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            headers,
            body,
        };
        let close = request.headers.text("connection").as_deref() == Some("close");
        let head = request.method == "HEAD";
        let canned = {
            let mut state = lock(shared);
            state.received.push(request.clone());
            state.routes.get(bare(&request.target)).cloned()
        };
        let answer = canned.unwrap_or_else(|| echo(&request));
        std::thread::sleep(answer.delay);
        if write(&stream, &answer, head).is_err() || close {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn echo(request: &Received) -> Canned {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = request.headers.0.iter();
    let headers: Vec<_> = fields
        .map(|(name, value)| [text(name), text(value)])
        .collect();
    let mut canned = Canned::json(&json!({
        "method": request.method,
        "path": request.target,
        "headers": headers,
        "body": text(&request.body),
    }));
    let wanted = request.headers.text("x-test-status");
    if let Some(status) = wanted.and_then(|status| status.parse().ok()) {
        canned.status = status;
    }
    canned
}

fn write(mut stream: &TcpStream, answer: &Canned, head: bool) -> io::Result<()> {
    let mut bytes = format!("HTTP/1.1 {} -\r\n", answer.status).into_bytes();
    for (name, value) in &answer.headers.0 {
        bytes.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    let bodiless = answer.status == 204 || answer.status == 304;
    if !bodiless {
        bytes.extend(format!("content-length: {}\r\n", answer.body.len()).into_bytes());
    }
    bytes.extend(b"\r\n");
    if !bodiless && !head {
        bytes.extend(&answer.body);
    }
    stream.write_all(&bytes)
}
