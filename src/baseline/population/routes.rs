//! Which routes everybody uses, and how many windows of requests touch privileged ones.
//! May use: tallies, the byte codec.
//! Must not: hold more than a fixed number of routes.

use super::lesson::RouteLesson;
use crate::baseline::bytes::{Reader, Writer};
use crate::baseline::tally::Tallies;

/// Routes kept; the least used makes room.
const ROUTES: usize = 4096;

/// Everybody's routes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    requests: Tallies,
    /// Distinct routes, kept beside the table since every request asks for it.
    distinct: f64,
    /// Windows of any length.
    turns: f32,
    /// Of these the ones with requests on privileged routes.
    privileged: f32,
}

impl Routes {
    /// Share of a route among the requests of everybody but one identity, whose requests on it are `own` of `of`.
    #[must_use]
    pub fn share_without(&self, route: u32, own: f64, of: f64) -> f64 {
        let others = (self.requests.total() - of).max(0.0);
        let used = (self.requests.count(route) - own).max(0.0);
        (used + 1.0) / (others + self.distinct.max(1.0))
    }

    /// Share of windows with requests on privileged routes.
    #[must_use]
    pub fn privileged_share(&self) -> f64 {
        (f64::from(self.privileged) + 0.5) / (f64::from(self.turns) + 1.0)
    }

    pub(super) fn learn(&mut self, lesson: &RouteLesson) {
        for (route, count) in &lesson.routes {
            self.requests.add(*route, f32::from(*count), ROUTES);
        }
        self.turns += 1.0;
        self.privileged += f32::from(u8::from(lesson.privileged));
        self.distinct = self.requests.distinct();
    }

    pub(super) fn decay(&mut self, factor: f64) {
        self.requests.decay(factor);
        self.distinct = self.requests.distinct();
        self.turns = (f64::from(self.turns) * factor) as f32;
        self.privileged = (f64::from(self.privileged) * factor) as f32;
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.count(self.turns);
        out.count(self.privileged);
        self.requests.encode(out);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let turns = input.count()?;
        let privileged = input.count()?;
        let requests = Tallies::decode(input, ROUTES)?;
        Some(Self {
            distinct: requests.distinct(),
            requests,
            turns,
            privileged,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_requests_do_not_make_a_route_common() {
        let mut routes = Routes::default();
        for route in [1, 2] {
            routes.learn(&RouteLesson {
                routes: vec![(route, 50)],
                ..RouteLesson::default()
            });
        }
        assert!(routes.share_without(1, 50.0, 50.0) < 0.05);
        assert!(routes.share_without(2, 0.0, 50.0) > 0.9);
    }

    #[test]
    fn survives_encoding() {
        let mut routes = Routes::default();
        routes.learn(&RouteLesson {
            routes: (0..100).map(|route| (route, 3)).collect(),
            privileged: true,
            now: 0,
        });
        let mut bytes = Vec::new();
        routes.encode(&mut Writer(&mut bytes));
        assert_eq!(Routes::decode(&mut Reader::new(&bytes)), Some(routes));
    }
}
