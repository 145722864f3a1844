//! User agents this VM has read before, so that a browser is not parsed anew on each of its requests.
//! May use: the engine's parser.
//! Must not: grow, or know a user agent by less than all the bytes the parser looks at.

use std::cell::RefCell;

use stepgate::signals::user_agent::{self, Client, MAX_LENGTH};

/// How many are kept: at most 160 KiB. Ten cover most of the traffic of browsers.
const PLACES: usize = 256;

#[derive(Clone, Debug, Default)]
struct Entry {
    header: Vec<u8>,
    client: Client,
}

/// Each has one place, by its bytes; the one read last holds it.
#[derive(Debug)]
pub(crate) struct Clients(RefCell<Vec<Entry>>);

impl Default for Clients {
    fn default() -> Self {
        // None at all is read as the default, as an empty place says.
        Self(RefCell::new(vec![Entry::default(); PLACES]))
    }
}

impl Clients {
    /// What the parser makes of a `user-agent` header.
    pub(crate) fn parse(&self, header: &[u8]) -> Client {
        let header = header.get(..MAX_LENGTH).unwrap_or(header);
        let mut entries = self.0.borrow_mut();
        let Some(entry) = entries.get_mut(place(header)) else {
            return user_agent::parse(header);
        };
        if entry.header != header {
            entry.client = user_agent::parse(header);
            entry.header.clear();
            entry.header.extend_from_slice(header);
        }
        entry.client
    }
}

/// Who chooses user agents for one place has them parsed, as all were without this.
fn place(header: &[u8]) -> usize {
    // The multiplier of FxHash, which spreads into the upper bits.
    const SPREAD: u64 = 0x517c_c1b7_2722_0a95;
    let (words, rest) = header.as_chunks::<8>();
    let tail = rest
        .iter()
        .fold(header.len() as u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mixed = words
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .chain([tail]);
    let hash = mixed.fold(0u64, |hash, word| {
        (hash.rotate_left(5) ^ word).wrapping_mul(SPREAD)
    });
    (hash >> 56) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::{Clients, PLACES};
    use stepgate::signals::user_agent;

    #[test]
    fn what_is_remembered_is_what_would_be_read() {
        let clients = Clients::default();
        let agent = |version: usize| {
            format!(
                "Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
            )
        };
        // More than there are places, each twice in a row and once more after all the others.
        for version in (0..PLACES * 4).flat_map(|n| [n, n]).chain(0..PLACES * 4) {
            let header = agent(version);
            assert_eq!(
                clients.parse(header.as_bytes()),
                user_agent::parse(header.as_bytes())
            );
        }
    }

    #[test]
    fn bytes_beyond_what_is_read_and_none_at_all_are_read_alike() {
        let clients = Clients::default();
        let mut long = vec![b' '; 2000];
        long.extend_from_slice(b"Firefox/151.0");
        for header in [&long[..], b"", &long[..600], &[0xff; 3000]] {
            assert_eq!(clients.parse(header), user_agent::parse(header));
        }
    }
}
