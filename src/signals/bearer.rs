//! Who shows a credential, and what it says, as numbers: the same for every request that brings it.
//! May use: signals and keyed hashes.
//! Must not: look at anything but the credential, so that whoever remembers it may remember its numbers.

use super::credential::{CredentialFeatures, Names};
use super::keyed::{Domain, HashKey, Locator};
use super::request::{SessionSignals, Subject};

/// Numbers of a credential. A 0 means absent.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Bearer {
    /// Its identity.
    pub(super) identity: Option<Locator>,
    /// Peer group.
    pub(super) group: u32,
    /// OAuth client.
    pub(super) client_id: u32,
    /// The canary cohort of the identity.
    pub(super) cohort: u16,
    /// Session, else token.
    pub(super) session: u32,
    /// It names no session.
    pub(super) sessionless: bool,
    /// The authentication it says it comes from.
    pub(super) authenticated: u32,
    /// What it shows besides.
    pub(super) credential: CredentialFeatures,
}

impl Bearer {
    /// Hashes what a credential says of its bearer and of the session.
    #[must_use]
    pub fn of(subject: Option<&Subject<'_>>, session: &SessionSignals<'_>, key: &HashKey) -> Self {
        let mut bearer = Self::unnamed(subject, session, key);
        if let Some(subject) = subject {
            bearer.credential.names = Names::shown(subject, session, key);
        }
        bearer
    }

    /// The same without the names a revocation may give: for whoever is told of none. They take a quarter of the time.
    #[must_use]
    pub fn unnamed(
        subject: Option<&Subject<'_>>,
        session: &SessionSignals<'_>,
        key: &HashKey,
    ) -> Self {
        let id = session.id.bytes();
        let hash = |domain, bytes: &[u8]| match bytes {
            [] => 0,
            bytes => key.hash32(domain, bytes),
        };
        Self {
            identity: subject.map(|subject| key.locate(Domain::Identity, &[subject.id.as_bytes()])),
            group: subject.map_or(0, |subject| hash(Domain::Group, subject.group.as_bytes())),
            client_id: subject.map_or(0, |subject| {
                hash(Domain::Client, subject.client_id.as_bytes())
            }),
            cohort: subject.map_or(0, |subject| key.cohort(subject.id.as_bytes())),
            session: id
                .or(session.token.bytes())
                .map_or(0, |id| hash(Domain::Session, id)),
            sessionless: id.is_none(),
            authenticated: match seconds(session.auth_time) {
                0 => 0,
                auth_time => key.hash32(Domain::Token, &auth_time.to_le_bytes()),
            },
            credential: CredentialFeatures::of(session, key),
        }
    }
}

/// Seconds since 1970 as records have them: 0 for none, and for what no credential of today says.
pub(super) fn seconds(time: Option<i64>) -> u32 {
    time.and_then(|time| u32::try_from(time).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::features::Features;
    use crate::signals::request::{Field, Kind, Signals, Standing};

    fn signals(now_ms: i64, path: &'static [u8]) -> Signals<'static> {
        let mut signals = Signals {
            now_ms,
            standing: Standing::Verified(Subject {
                id: "https://idp.example/|alice".into(),
                kind: Kind::Human,
                group: "human:web".into(),
                client_id: "web".into(),
            }),
            session: SessionSignals {
                id: Field::Present(b"s".as_slice().into()),
                token: Field::Present(b"t".as_slice().into()),
                auth_time: Some(1_790_000_000),
                issuer: Some("https://idp.example/".into()),
                shape: 7,
                ..SessionSignals::default()
            },
            ..Signals::default()
        };
        signals.request.method = b"GET";
        signals.request.path = path;
        signals
    }

    #[test]
    fn a_credential_that_is_remembered_makes_the_numbers_it_makes_anew() {
        let key = HashKey::from_secret("a");
        let first = signals(1_790_000_100_000, b"/a");
        let bearer = Bearer::of(first.standing.subject(), &first.session, &key);
        let later = signals(1_790_003_600_000, b"/b");
        let features = Features::of(&later, &key);
        assert_eq!(Features::shown_by(&bearer, &later, &key), features);
        assert!(features.identity.is_some() && features.event != 0 && features.session != 0);
    }

    #[test]
    fn every_part_of_a_credential_is_in_its_numbers() {
        let key = HashKey::from_secret("a");
        let of = |change: &dyn Fn(&mut Subject<'_>, &mut SessionSignals<'_>)| {
            let signals = signals(0, b"/");
            let mut subject = signals.standing.subject().cloned().unwrap();
            let mut session = signals.session;
            change(&mut subject, &mut session);
            Bearer::of(Some(&subject), &session, &key)
        };
        let usual = of(&|_, _| {});
        let others = [
            of(&|subject, _| subject.id = "bob".into()),
            of(&|subject, _| subject.group = "x".into()),
            of(&|subject, _| subject.client_id = "x".into()),
            of(&|_, session| session.id = Field::Present(b"x".as_slice().into())),
            of(&|_, session| session.id = Field::Absent),
            of(&|_, session| session.token = Field::Present(b"x".as_slice().into())),
            of(&|_, session| session.auth_time = Some(1)),
            of(&|_, session| session.issuer = None),
            of(&|_, session| session.shape = 8),
        ];
        assert!(others.iter().all(|other| *other != usual));
    }
}
