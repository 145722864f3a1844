//! What makes a request the first of an authentication event.
//! May use: features, signals, keyed hashes.
//! Must not: know which events are known.

use super::super::bearer::Bearer;
use super::super::keyed::{Domain, HashKey};
use super::super::request::Signals;
use super::{Class, Features};

impl Features {
    /// The authentication event: a new `auth_time`; without one a new session; without that a new token. Credentials that
    /// never change count one per clock hour, prefix and client.
    pub(super) fn authentication_event(
        &self,
        bearer: &Bearer,
        signals: &Signals<'_>,
        key: &HashKey,
    ) -> u32 {
        if self.identity.is_none() || self.class == Class::Recovery {
            return 0;
        }
        if bearer.authenticated != 0 {
            return bearer.authenticated;
        }
        if self.login {
            return key.hash32(Domain::Token, &signals.now_ms.to_le_bytes());
        }
        let session = signals.session.id.bytes();
        let token = signals.session.token.bytes();
        // Event lines name the token first, live requests the session, which outlives its tokens.
        let id = if signals.request.action.is_empty() {
            session.or(token)
        } else {
            token.or(session)
        };
        if let Some(id) = id {
            return key.hash32(Domain::Token, id);
        }
        let mut hourly = [0; 12];
        let parts = [self.now / 3600, self.prefix, self.user_agent];
        for (slot, part) in hourly.chunks_exact_mut(4).zip(parts) {
            slot.copy_from_slice(&part.to_le_bytes());
        }
        key.hash32(Domain::Token, &hourly)
    }
}
