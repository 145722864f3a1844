//! Connections that are kept, and one thread that keeps them busy.
//! May use the standard library only: parsing costs the core beside Envoy's, so no more is parsed than where an answer ends.
//! Must not know what is measured.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Connections to one Envoy, each with at most one request under way.
pub(crate) const CONNECTIONS: usize = 8;
/// Longer than anything takes, under an instrument as well.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// Opens all connections to one Envoy.
pub(crate) fn open(address: SocketAddr) -> std::io::Result<Vec<Client>> {
    let one = |_| {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            buffer: vec![0; 16 * 1024],
            filled: 0,
        })
    };
    (0..CONNECTIONS).map(one).collect()
}

/// Sends requests, one on each connection and then the next on each; all must be answered with this status.
pub(crate) fn ask_all<'r>(
    clients: &mut [Client],
    mut requests: impl Iterator<Item = &'r Vec<u8>>,
    status: u16,
) -> Result<(), String> {
    loop {
        let mut asked = 0;
        for (client, request) in clients.iter_mut().zip(requests.by_ref()) {
            client.write(request)?;
            asked += 1;
        }
        if asked == 0 {
            return Ok(());
        }
        for client in clients.iter_mut().take(asked) {
            client.answer(status)?;
        }
    }
}

impl Client {
    /// Whether reading waits for an answer.
    pub(crate) fn set_blocking(&mut self, blocking: bool) -> Result<(), String> {
        let set = self.stream.set_nonblocking(!blocking);
        set.map_err(|error| error.to_string())
    }

    pub(crate) fn write(&mut self, request: &[u8]) -> Result<(), String> {
        let written = self.stream.write_all(request);
        written.map_err(|error| error.to_string())
    }

    /// Waits for an answer, which must have this status.
    fn answer(&mut self, status: u16) -> Result<(), String> {
        while self.read()? {
            if let Some(found) = self.take() {
                return check(found, status);
            }
        }
        Err("no answer came".to_owned())
    }

    /// An answer that came, with this status; `None` where it has not come. Without blocking only.
    pub(crate) fn answered(&mut self, status: u16) -> Result<Option<()>, String> {
        let found = self.read()?.then(|| self.take()).flatten();
        found.map(|found| check(found, status)).transpose()
    }

    /// Reads what there is; whether bytes came.
    fn read(&mut self) -> Result<bool, String> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room) {
            Ok(0) => Err("the connection was closed, or an answer is too long".to_owned()),
            Ok(count) => {
                self.filled += count;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The status of the answer in the buffer, if all of it is there; the buffer is empty then. All answers here have a length.
    fn take(&mut self) -> Option<u16> {
        let text = str::from_utf8(self.buffer.get(..self.filled)?).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (_, length) = head.split_once("\r\ncontent-length: ")?;
        let length: usize = length.split("\r\n").next()?.parse().ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        (body.len() >= length).then(|| {
            self.filled = 0;
            status
        })
    }
}

fn check(found: u16, status: u16) -> Result<(), String> {
    match found == status {
        true => Ok(()),
        false => Err(format!("status {found} in place of {status}")),
    }
}
