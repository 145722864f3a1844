//! User agents this VM has read before, so that a browser is not parsed anew on each of its requests.
//! May use: the engine's parser.
//! Must not: grow, or know a user agent by less than all the bytes the parser looks at.

use std::cell::RefCell;

use stepgate::signals::memo::Memo;
use stepgate::signals::user_agent::{self, Client, MAX_LENGTH};

/// How many are kept: at most 160 KiB. Ten cover most of the traffic of browsers.
const PLACES: usize = 256;

/// Clients by their header.
#[derive(Debug)]
pub(crate) struct Clients(RefCell<Memo<Client>>);

impl Default for Clients {
    fn default() -> Self {
        Self(RefCell::new(Memo::new(PLACES)))
    }
}

impl Clients {
    /// What the parser makes of a `user-agent` header.
    pub(crate) fn parse(&self, header: &[u8]) -> Client {
        let header = header.get(..MAX_LENGTH).unwrap_or(header);
        let mut read = self.0.borrow_mut();
        read.get(header, || user_agent::parse(header))
    }
}

#[cfg(test)]
mod tests {
    use super::Clients;
    use stepgate::signals::user_agent;

    #[test]
    fn bytes_beyond_what_is_read_and_none_at_all_are_read_alike() {
        let clients = Clients::default();
        let mut long = vec![b' '; 2000];
        long.extend_from_slice(b"Firefox/151.0");
        for header in [&long[..], b"", &long[..600], &[0xff; 3000]] {
            assert_eq!(clients.parse(header), user_agent::parse(header));
            assert_eq!(clients.parse(header), user_agent::parse(header));
        }
    }
}
