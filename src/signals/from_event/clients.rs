//! The clients of event lines; those that were read before are not read again.
//! May use: the parsers of user agents.
//! Must not: know a client by less than all that is read.

use arrayvec::ArrayVec;

use crate::signals::ecs::Event;
use crate::signals::memo::Memo;
use crate::signals::user_agent::{self, Client, MAX_LENGTH};

/// How many are kept of either sort.
const PLACES: usize = 1024;
/// Bytes of all names together; what is longer is read anew.
const NAMES: usize = 256;
/// What stands in no text: the end of a name, and one that is absent.
const END: u8 = 0xff;
const ABSENT: u8 = 0xfe;

/// Clients that were read before.
#[derive(Clone, Debug)]
pub struct Clients {
    named: Memo<Client>,
    told: Memo<Client>,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            named: Memo::new(PLACES),
            told: Memo::new(PLACES),
        }
    }
}

impl Clients {
    pub(super) fn of(&mut self, event: &Event<'_>) -> Client {
        if !is_named(event) {
            let Some(agent) = event.agent.as_deref().map(str::as_bytes) else {
                return of(event);
            };
            let read = agent.get(..MAX_LENGTH).unwrap_or(agent);
            return self.told.get(read, || of(event));
        }
        let mut key = ArrayVec::<u8, NAMES>::new();
        for name in names(event) {
            let (text, end) = name.map_or((&b""[..], ABSENT), |name| (name.as_bytes(), END));
            if key.try_extend_from_slice(text).is_err() || key.try_push(end).is_err() {
                return of(event);
            }
        }
        self.named.get(&key, || of(event))
    }
}

fn names<'e>(event: &'e Event<'_>) -> [Option<&'e str>; 5] {
    [
        event.agent_name.as_deref(),
        event.agent_version.as_deref(),
        event.os_name.as_deref(),
        event.os_version.as_deref(),
        event.device.as_deref(),
    ]
}

fn is_named(event: &Event<'_>) -> bool {
    event.agent_name.is_some() || event.os_name.is_some() || event.device.is_some()
}

/// The client an event names, else the one its user agent tells.
pub(super) fn of(event: &Event<'_>) -> Client {
    if is_named(event) {
        let [name, version, os_name, os_version, device] = names(event);
        return user_agent::from_names(name, version, os_name, os_version, device);
    }
    let agent = event.agent.as_deref();
    agent.map_or_else(Client::default, |agent| user_agent::parse(agent.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_was_read_before_is_the_same() {
        let mut clients = Clients::default();
        let long = "x".repeat(600);
        let texts = [
            None,
            Some(""),
            Some("a"),
            Some("ab"),
            Some("iOS 12"),
            Some(&long),
        ];
        let mut lines = Vec::new();
        for name in texts {
            for version in texts {
                for os_name in texts {
                    for device in texts {
                        lines.push(Event {
                            agent_name: name.map(Into::into),
                            agent_version: version.map(Into::into),
                            os_name: os_name.map(Into::into),
                            device: device.map(Into::into),
                            agent: Some("Mozilla/5.0 Firefox/151.0".into()),
                            ..Event::default()
                        });
                    }
                }
            }
        }
        for event in lines.iter().chain(lines.iter().rev()) {
            assert_eq!(clients.of(event), of(event), "{event:?}");
        }
    }
}
