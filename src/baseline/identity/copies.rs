//! Copies of a record into one that is there already.
//! May use: the record.
//! Must not: leave anything of what was there before.
//!
//! A record is more than two thousand bytes, most of them room: what takes one after the other copies what is in use, and nothing else.

use arrayvec::ArrayVec;

use super::{ClientValues, IdentityRecord, NetworkValues};

fn refill<T: Copy, const N: usize>(list: &mut ArrayVec<T, N>, other: &ArrayVec<T, N>) {
    list.clear();
    // It holds as many.
    let _room = list.try_extend_from_slice(other);
}

impl IdentityRecord {
    /// Makes this record the same as another.
    pub fn copy_from(&mut self, other: &Self) {
        // Every field is named, so that none is forgotten.
        let Self {
            created,
            updated,
            history,
            events,
            last_event,
            auth_time,
            recovered,
            recent,
            network,
            client,
            hours,
            places,
            sessions,
            moves,
            lately,
            oauth,
            multi_factor,
            contained,
            language,
            city,
            hosting,
            grant,
        } = other;
        self.created = *created;
        self.updated = *updated;
        self.history = *history;
        self.events = *events;
        self.last_event = *last_event;
        self.auth_time = *auth_time;
        self.recovered = *recovered;
        refill(&mut self.recent, recent);
        self.network.copy_from(network);
        self.client.copy_from(client);
        self.hours.clone_from(hours);
        refill(&mut self.places, places);
        refill(&mut self.sessions, sessions);
        self.moves.clone_from(moves);
        self.lately.clone_from(lately);
        self.oauth.clone_from(oauth);
        self.multi_factor = *multi_factor;
        self.contained.clone_from(contained);
        self.language.clone_from(language);
        self.city.clone_from(city);
        self.hosting.clone_from(hosting);
        self.grant.clone_from(grant);
    }
}

impl NetworkValues {
    fn copy_from(&mut self, other: &Self) {
        let Self {
            address,
            prefix,
            block,
            asn,
            country,
        } = other;
        self.address.clone_from(address);
        self.prefix.clone_from(prefix);
        self.block.clone_from(block);
        self.asn.clone_from(asn);
        self.country.clone_from(country);
    }
}

impl ClientValues {
    fn copy_from(&mut self, other: &Self) {
        let Self {
            user_agent,
            browser,
            os,
            device,
        } = other;
        self.user_agent.clone_from(user_agent);
        self.browser.clone_from(browser);
        self.os.clone_from(os);
        self.device.clone_from(device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::values::Sighting;

    /// A record with something in every table of values, and in the lists.
    fn full(seed: u32) -> IdentityRecord {
        let mut record = IdentityRecord::new(1_700_000_000 + seed);
        record.history = seed;
        for key in seed..seed + 2 {
            let seen = Sighting {
                key,
                ..Sighting::default()
            };
            let (network, client) = (&mut record.network, &mut record.client);
            network.address.learn(seen);
            network.prefix.learn(seen);
            network.block.learn(seen);
            network.asn.learn(seen);
            network.country.learn(seen);
            client.user_agent.learn(seen);
            client.browser.learn(seen);
            client.os.learn(seen);
            client.device.learn(seen);
            record.oauth.learn(seen);
            record.language.learn(seen);
            record.city.learn(seen);
            record.hosting.learn(seen);
            record.grant.learn(seen);
            record.remember_event(key);
            record.lately.used(key, key, record.updated);
            record.moves.add(key, 1.0, 4);
            record.contained.close(key, record.updated);
        }
        record
    }

    #[test]
    fn a_copy_is_the_same_whatever_was_there() {
        let records = [full(1), IdentityRecord::default(), full(77)];
        for other in &records {
            for before in &records {
                let mut copy = before.clone();
                copy.copy_from(other);
                assert_eq!(copy, *other);
            }
        }
    }
}
