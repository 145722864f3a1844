//! A client that writes HTTP/2 frames by hand (RFC 9113): what a well-behaved one would not send, and its end at any moment.
//! May use raw sockets; fields are literals without indexing (RFC 7541 §6.2.2), so neither side keeps a table.
//! Must not decode what it is answered: a test reads statuses from the access log, and headers where they arrive.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use stepgate_testkit::http::TIMEOUT;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// RFC 9113 §4.2: what every peer accepts.
const FRAME: usize = 16_384;

/// `SETTINGS_INITIAL_WINDOW_SIZE` (RFC 9113 §6.5.2), and the most a window may be: no answer waits for room.
const INITIAL_WINDOW: [u8; 6] = [0, 4, 0x7f, 0xff, 0xff, 0xff];
/// How much the window of a connection lacks to that (§6.9.2).
const MORE: u32 = 0x7fff_ffff - 65_535;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a whole answer. `ok`: its status is 200, which has one byte of its own (RFC 7541, appendix A).
    Answered { ok: bool },
    /// By a reset of the stream, or of the connection.
    Reset,
}

/// A field of a request, as it goes on the wire.
pub(crate) type Field<'a> = (&'a [u8], &'a [u8]);

/// One connection.
pub(crate) struct Http2 {
    stream: TcpStream,
    next: u32,
}

impl Http2 {
    pub(crate) fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&to, TIMEOUT).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, next: 1 };
        client
            .stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        client.frame(SETTINGS, 0, 0, &INITIAL_WINDOW);
        client.frame(WINDOW_UPDATE, 0, 0, &MORE.to_be_bytes());
        client
    }

    /// Sends a frame. That the other side has hung up is an answer, which reading finds.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        let _hung_up = self.stream.write_all(&[&head, payload].concat());
    }

    fn block(&mut self, stream: u32, fields: &[Field<'_>], end: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for part in [name, value] {
                integer(&mut block, part.len());
                block.extend_from_slice(part);
            }
        }
        let pieces = block.len().div_ceil(FRAME).max(1);
        for piece in 0..pieces {
            let bytes = &block[piece * FRAME..block.len().min((piece + 1) * FRAME)];
            let (kind, ends) = match piece {
                0 => (HEADERS, u8::from(end) * END_STREAM),
                _ => (CONTINUATION, 0),
            };
            let last = u8::from(piece + 1 == pieces) * END_HEADERS;
            self.frame(kind, ends | last, stream, bytes);
        }
    }

    /// Opens a stream with exactly these fields, pseudo headers among them. `end`: there is no body.
    pub(crate) fn request(&mut self, fields: &[Field<'_>], end: bool) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.block(stream, fields, end);
        stream
    }

    pub(crate) fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        self.frame(DATA, u8::from(end) * END_STREAM, stream, bytes);
    }

    pub(crate) fn trailers(&mut self, stream: u32, fields: &[Field<'_>]) {
        self.block(stream, fields, true);
    }

    /// Takes a stream back (RFC 9113 §6.4, `CANCEL`).
    pub(crate) fn reset(&mut self, stream: u32) {
        self.frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    }

    fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok((head[3], head[4], stream & 0x7fff_ffff, payload))
    }

    /// Waits for the head of the answer: whether it is 200. `None`: the stream was reset.
    pub(crate) fn head(&mut self, of: u32) -> Option<bool> {
        loop {
            match self.read() {
                Ok((HEADERS, _, stream, payload)) if stream == of => {
                    return Some(payload.first() == Some(&0x88));
                }
                Ok((RST_STREAM, _, stream, _)) if stream == of => return None,
                Ok((SETTINGS, 0, ..)) => self.frame(SETTINGS, 1, 0, b""),
                Ok((GOAWAY, ..)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Waits for the end of a stream.
    pub(crate) fn end(&mut self, of: u32) -> End {
        let mut ok = false;
        loop {
            let (kind, flags, stream, payload) = match self.read() {
                Ok((GOAWAY, ..)) | Err(_) => return End::Reset,
                Ok(frame) => frame,
            };
            match kind {
                SETTINGS if flags == 0 => self.frame(SETTINGS, 1, 0, b""),
                RST_STREAM if stream == of => return End::Reset,
                HEADERS if stream == of => ok |= payload.first() == Some(&0x88),
                _ => {}
            }
            if stream == of && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return End::Answered { ok };
            }
        }
    }
}

/// An integer in a prefix of seven bits (RFC 7541 §5.1).
fn integer(into: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        into.push(value as u8);
        return;
    }
    into.push(127);
    value -= 127;
    while value >= 128 {
        into.push((value % 128) as u8 | 128);
        value /= 128;
    }
    into.push(value as u8);
}
