//! A raw HTTP/1.1 client that sends what it is told, however wrong, and the upstream behind the proxy.
//! May use the standard library and serde_json.
//! Must not correct, fold or reject what a test wants on the wire.

mod rogue;
mod upstream;
mod wire;

pub use rogue::{Manner, Rogue};
pub use upstream::{Canned, Received, Upstream};

use crate::headers::Headers;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the client waits for a connection, a write or the next bytes.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A request; `host` and `content-length` are added unless given.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target as it goes on the wire.
    pub target: Vec<u8>,
    /// The header fields in order.
    pub headers: Headers,
    /// The body; none is sent if empty.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.as_ref().to_vec(),
            headers: Headers::default(),
            body: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// Adds a header field, in the case and bytes given, beside others of the same name.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let field = (name.as_ref().to_vec(), value.as_ref().to_vec());
        self.headers.0.push(field);
        self
    }

    /// Adds `authorization: Bearer …`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends on a connection of its own and closes it.
    pub fn send(&self, to: SocketAddr) -> io::Result<Response> {
        Connection::open(to)?.send(self)
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        let mut field = |name: &[u8], value: &[u8]| {
            bytes.extend([name, b": ", value, b"\r\n"].concat());
        };
        if !self.headers.has("host") {
            field(b"host", b"api.test");
        }
        for (name, value) in &self.headers.0 {
            field(name, value);
        }
        let framed = self.headers.has("content-length") || self.headers.has("transfer-encoding");
        if !self.body.is_empty() && !framed {
            field(b"content-length", self.body.len().to_string().as_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields in order.
    pub headers: Headers,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.text(name)
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in `{}`", self.text()))
    }

    /// What the echoing upstream saw as request headers.
    pub fn echoed(&self) -> Headers {
        let json = self.json();
        let pairs = json["headers"].as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let fields: Vec<_> = pairs
            .iter()
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect();
        Headers::of(&fields)
    }
}

/// A connection that is kept alive while it lives.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads its response.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.bytes())?;
        self.read(request.method == "HEAD")
    }

    /// Sends exactly these bytes and reads one response.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<Response> {
        self.write(bytes)?;
        self.read(false)
    }

    /// Sends exactly these bytes and waits for nothing.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one response, after any interim ones; `headless` for the answer to HEAD, which has no body.
    pub fn read(&mut self, headless: bool) -> io::Result<Response> {
        loop {
            let head = wire::read_head(&mut self.stream)?;
            let (start, headers) = head.ok_or(io::ErrorKind::UnexpectedEof)?;
            let start = String::from_utf8_lossy(&start);
            let status = start.split(' ').nth(1).and_then(|code| code.parse().ok());
            let status = status.ok_or(io::ErrorKind::InvalidData)?;
            let body = match status {
                100..=199 => continue,
                204 | 304 => Vec::new(),
                _ if headless => Vec::new(),
                _ => wire::read_body(&mut self.stream, &headers, true)?,
            };
            return Ok(Response {
                status,
                headers,
                body,
            });
        }
    }
}
