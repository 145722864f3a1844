//! Which routes of one tier another one takes: containment of hosts, path templates and methods.
//! May use: tiers and path templates.
//! Must not: claim to contain what it cannot be sure of.

use super::paths::{PathTemplate, Segment};
use super::tiers::{HostPattern, Matcher, Tier};

/// One host, path and method of a matcher; absent: any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atom<'a> {
    host: Option<&'a HostPattern>,
    path: Option<&'a PathTemplate>,
    method: Option<&'a str>,
    by_metadata: bool,
}

/// The entries of a list, or `None` once for an empty one.
fn each<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> + Clone {
    list.iter().map(Some).chain(list.is_empty().then_some(None))
}

impl Matcher {
    /// Every combination of a host, a path and a method.
    pub(super) fn atoms(&self) -> impl Iterator<Item = Atom<'_>> {
        each(&self.hosts).flat_map(move |host| {
            each(&self.paths).flat_map(move |path| {
                each(&self.methods).map(move |method| Atom {
                    host,
                    path,
                    method: method.map(String::as_str),
                    by_metadata: self.by_metadata,
                })
            })
        })
    }

    /// Whether every route of `atom` is one of this matcher.
    pub(super) fn covers(&self, atom: &Atom<'_>) -> bool {
        let host = self.hosts.is_empty()
            || atom
                .host
                .is_some_and(|host| self.hosts.iter().any(|own| own.contains(host)));
        let path = self.paths.is_empty()
            || atom.path.is_some_and(|path| {
                self.paths
                    .iter()
                    .any(|own| own.contains(path, self.exactly))
            });
        let method = self.methods.is_empty()
            || atom
                .method
                .is_some_and(|method| self.methods.iter().any(|own| own == method));
        // Which routes the metadata names only the proxy knows.
        !self.by_metadata && !atom.by_metadata && host && path && method
    }
}

impl Tier {
    /// Whether it makes no difference to a request which of the two holds.
    pub(super) fn treats_like(&self, other: &Self) -> bool {
        let same_routes = Self {
            name: self.name.clone(),
            matcher: self.matcher.clone(),
            ..other.clone()
        };
        *self == same_routes
    }
}

impl HostPattern {
    fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(_), Self::Exact(name)) => self.matches(name.as_bytes()),
            (Self::Below(wide), Self::Below(name)) => wide == name || self.matches(name.as_bytes()),
            (Self::Exact(own), Self::Exact(name)) => own == name,
            (Self::Exact(_), Self::Below(_)) => false,
        }
    }
}

impl PathTemplate {
    fn contains(&self, other: &Self, exactly: bool) -> bool {
        let (mut wide, mut narrow) = (self.significant(), other.significant());
        loop {
            match (wide.next(), narrow.next()) {
                (Some(Segment::Rest), _) | (None, None) => return true,
                (Some(Segment::One), Some(Segment::One | Segment::Literal(_))) => {}
                (Some(Segment::Literal(own)), Some(Segment::Literal(name)))
                    if own == name || (!exactly && own.eq_ignore_ascii_case(name)) => {}
                _ => return false,
            }
        }
    }

    /// Segments without the empty one that a slash at the end makes: it is the same route.
    fn significant(&self) -> impl Iterator<Item = &Segment> {
        let end = match self.segments.as_slice() {
            [rest @ .., Segment::Literal(last)] if last.is_empty() => rest,
            all => all,
        };
        end.iter()
    }
}
