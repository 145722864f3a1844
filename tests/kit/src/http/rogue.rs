//! A server that misbehaves as it is told: bytes as they are, no answer, one byte at a time, no end.
//! May use the standard library; one thread per connection.
//! Must not outlive its value: dropping it closes every connection and joins the listener.

use super::wire::read_head;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How it answers a request, whatever it asks for.
#[derive(Clone, Debug)]
pub enum Manner {
    /// With these bytes, after which it hangs up.
    Raw(Vec<u8>),
    /// Not at all: it only listens.
    Hang,
    /// With these bytes, one in a while.
    Drip(Vec<u8>),
    /// With a head, and a body until the other side hangs up.
    Endless,
}

impl Manner {
    /// A complete answer with this status line, these header lines and this body.
    pub fn complete(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        Self::Raw([head.as_bytes(), body].concat())
    }
}

struct Shared {
    manner: Manner,
    connections: Vec<TcpStream>,
    /// Requests it is at.
    held: usize,
    closed: bool,
}

/// The server.
pub struct Rogue {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    listener: Option<JoinHandle<()>>,
}

impl Rogue {
    /// Starts on a free port.
    pub fn start(manner: Manner) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = socket.local_addr()?.port();
        let shared = Arc::new(Mutex::new(Shared {
            manner,
            connections: Vec::new(),
            held: 0,
            closed: false,
        }));
        let accepted = Arc::clone(&shared);
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
                let served = Arc::clone(&accepted);
                std::thread::spawn(move || {
                    // An error is the other side hanging up.
                    let _ = serve(&stream, &served);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Self {
            port,
            shared,
            listener: Some(listener),
        })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How it answers from now on.
    pub fn behave(&self, manner: Manner) {
        lock(&self.shared).manner = manner;
    }

    /// How many requests it has not finished answering.
    pub fn held(&self) -> usize {
        lock(&self.shared).held
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.shared);
            state.closed = true;
            for connection in state.connections.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        let address = (Ipv4Addr::LOCALHOST, self.port).into();
        // Wakes the listener, which then sees that it is closed.
        let woken = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        if let (Ok(_), Some(listener)) = (woken, self.listener.take()) {
            let _ = listener.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    let mut reading = BufReader::new(stream.try_clone()?);
    if read_head(&mut reading)?.is_none() {
        return Ok(());
    }
    let manner = {
        let mut state = lock(shared);
        state.held += 1;
        state.manner.clone()
    };
    let done = answer(stream, &mut reading, &manner);
    lock(shared).held -= 1;
    done
}

fn answer(
    mut stream: &TcpStream,
    reading: &mut BufReader<TcpStream>,
    manner: &Manner,
) -> io::Result<()> {
    match manner {
        Manner::Raw(bytes) => stream.write_all(bytes),
        Manner::Hang => {
            // Until the other side has enough.
            io::copy(reading, &mut io::sink()).map(drop)
        }
        Manner::Drip(bytes) => {
            for byte in bytes {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let piece = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            // Not as fast as it can: whoever keeps all of it shall not take the machine along.
            loop {
                stream.write_all(&piece)?;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
