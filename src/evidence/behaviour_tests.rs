//! Rows of the behaviour family on synthetic series.

use super::*;
use crate::baseline::ongoing::Step;
use crate::baseline::population::{Lesson, Population, RouteLesson};
use crate::baseline::profile::Closed;
use crate::baseline::session::Session;
use crate::evidence::{Evidence, Findings, Weights, of_request};
use crate::signals::request::Kind;

const NOW: u32 = 1_700_000_000;

/// A person or machine that used routes 1 to 5 in 20 windows, among others that use 1 to 50.
struct World {
    profile: Profile,
    ongoing: Ongoing,
    population: Population,
    features: Features,
}

impl World {
    fn new(kind: Kind) -> Self {
        let mut population = Population::default();
        population.learn(&Lesson::Routes(Box::new(RouteLesson {
            routes: (1..=50).map(|route| (route, 200)).collect(),
            privileged: false,
            now: NOW,
        })));
        let mut profile = Profile::default();
        for _ in 0..20 {
            profile.learn(&Closed {
                now: NOW,
                routes: (1..=5).map(|route| (route, 20)).collect(),
                requests: 100,
                ..Closed::default()
            });
        }
        Self {
            profile,
            ongoing: Ongoing::default(),
            population,
            features: Features {
                now: NOW,
                kind,
                route: 1,
                verified: true,
                ..Features::default()
            },
        }
    }

    fn look(&self) -> Findings {
        let known = Known::of(&self.population).with_behaviour(Some(Watched {
            profile: Some(&self.profile),
            ongoing: Some(&self.ongoing),
        }));
        of_request(
            &Session::default(),
            &self.features,
            &known,
            &Weights::default(),
        )
    }

    fn nats(&self, reason: Reason) -> f64 {
        strongest(&self.look().evidence, reason)
    }

    fn take(&mut self, change: impl Fn(&mut Step)) {
        let conduct = self.look().conduct.unwrap();
        let mut step = Step {
            now: self.features.now,
            session: self.features.session,
            route: self.features.route,
            ratio: conduct.ratio,
            judgement: conduct.judgement,
            loud: conduct.loud,
            strange: conduct.strange,
            learned: true,
            ..Step::default()
        };
        change(&mut step);
        if let Some(closed) = self.ongoing.take(&step) {
            self.profile.learn(&closed);
        }
    }
}

fn strongest(evidence: &[Evidence], reason: Reason) -> f64 {
    let named = evidence.iter().filter(|piece| piece.reason == reason);
    named
        .map(|piece| piece.nats)
        .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a })
}

#[test]
fn a_strangers_mix_of_routes_stands_out_and_the_owners_does_not() {
    let mut world = World::new(Kind::Human);
    for turn in 0..60 {
        world.features.route = 1 + turn % 5;
        world.take(|_| {});
    }
    assert!(world.nats(Reason::UnusualBehaviour) < 0.0);
    let mut world = World::new(Kind::Human);
    for turn in 0..99 {
        world.features.route = 6 + turn % 40;
        world.take(|_| {});
    }
    // Alone it lifts the prior of one in a hundred above one half.
    assert!(world.nats(Reason::UnusualBehaviour) > 4.6);
}

#[test]
fn the_owners_habit_does_not_outweigh_what_speaks_against() {
    let mut world = World::new(Kind::Human);
    for turn in 0..60 {
        world.features.route = 1 + turn % 5;
        world.take(|_| {});
    }
    world.features.class = Class::Privileged;
    let found = world.look().evidence;
    assert!(strongest(&found, Reason::NewPrivilege) >= 0.0);
    let weights = Weights::default();
    let mut gathered = Gathered::new(&weights);
    gathered.add(Reason::SessionMoved, 5.0);
    let known = Known::of(&world.population).with_behaviour(Some(Watched {
        profile: Some(&world.profile),
        ongoing: Some(&world.ongoing),
    }));
    gather(&world.features, &known, &mut gathered);
    assert_eq!(strongest(&gathered.list, Reason::UnusualBehaviour), 0.0);
}

#[test]
fn a_young_profile_judges_nothing() {
    let mut world = World::new(Kind::Human);
    world.profile.judgement.windows = 5.0;
    world.features.route = 40;
    for _ in 0..90 {
        world.take(|_| {});
    }
    assert_eq!(world.nats(Reason::UnusualBehaviour), 0.0);
}

#[test]
fn a_new_route_counts_for_machines() {
    let mut world = World::new(Kind::Service);
    assert_eq!(world.nats(Reason::NewRoute), 0.0);
    world.features.route = 77;
    assert!(world.nats(Reason::NewRoute) > 8.0);
    world.features.kind = Kind::Human;
    assert_eq!(world.nats(Reason::NewRoute), 0.0);
}

#[test]
fn privileged_routes_are_new_once_and_a_burst_of_them_is_unusual() {
    let mut world = World::new(Kind::Human);
    for _ in 0..200 {
        world
            .population
            .learn(&Lesson::Routes(Box::new(RouteLesson {
                routes: vec![(1, 100)],
                privileged: true,
                now: NOW,
            })));
    }
    world.features.class = Class::Privileged;
    assert!(world.nats(Reason::NewPrivilege) > 1.5);
    for _ in 0..20 {
        world.profile.learn(&Closed {
            now: NOW,
            routes: vec![(1, 100)],
            requests: 100,
            privileged: 2,
            ..Closed::default()
        });
    }
    assert!(world.nats(Reason::NewPrivilege) < 0.7);
    assert_eq!(world.nats(Reason::PrivilegeBurst), 0.0);
    for _ in 0..15 {
        world.take(|step| step.privileged = true);
    }
    assert_eq!(world.nats(Reason::PrivilegeBurst), 1.5);
}

#[test]
fn sensitive_actions_add_up_in_ten_minutes() {
    let mut world = World::new(Kind::Human);
    world.features.class = Class::Sensitive;
    let mut seen = Vec::new();
    for _ in 0..12 {
        seen.push(world.nats(Reason::SensitiveBurst));
        world.take(|step| step.sensitive = true);
    }
    assert_eq!(
        seen,
        [0.0, 0.0, 0.0, 0.8, 0.8, 1.5, 1.5, 1.5, 1.5, 1.5, 2.0, 2.0]
    );
    world.features.now += 600;
    assert_eq!(world.nats(Reason::SensitiveBurst), 0.0);
}

#[test]
fn email_password_and_second_factor_in_ten_minutes_are_a_takeover() {
    let chain = [Class::EmailChange, Class::PasswordChange, Class::MfaChange];
    let asked = |classes: &[Class], pause: u32| {
        let mut world = World::new(Kind::Human);
        let mut nats = 0.0;
        for class in classes {
            world.features.class = *class;
            nats = world.nats(Reason::TakeoverChain);
            world.take(|step| step.takeover = class.takeover_link());
            world.features.now += pause;
        }
        nats
    };
    assert_eq!(asked(&chain, 60), 3.0);
    let [email, password, factor] = chain;
    assert_eq!(asked(&[factor, email, password], 120), 3.0);
    assert_eq!(asked(&[email, password, email, password], 60), 0.0);
    assert_eq!(asked(&[email, password, Class::Sensitive], 60), 0.0);
    // Out of the ten minutes: the first is forgotten before the third.
    assert_eq!(asked(&chain, 600), 0.0);
}

#[test]
fn changes_of_an_account_are_sensitive_actions_too() {
    let mut world = World::new(Kind::Human);
    world.features.class = Class::PasswordChange;
    for _ in 0..3 {
        world.take(|step| step.sensitive = true);
    }
    assert_eq!(world.nats(Reason::SensitiveBurst), 0.8);
}

#[test]
fn refusals_and_many_objects_are_enumeration() {
    let mut world = World::new(Kind::ApiKey);
    for _ in 0..10 {
        assert_eq!(world.nats(Reason::Enumeration), 0.0);
        world.take(|step| step.refused = true);
    }
    assert_eq!(world.nats(Reason::Enumeration), 1.5);
    let mut world = World::new(Kind::ApiKey);
    for _ in 0..30 {
        world.profile.objects.learn(3.0, 256.0);
    }
    for object in 1..60u32 {
        world.take(|step| step.object = object.wrapping_mul(2_246_822_519));
    }
    assert_eq!(world.nats(Reason::Enumeration), 1.0);
}

#[test]
fn an_export_shows_on_the_next_request() {
    let mut world = World::new(Kind::ApiKey);
    for hour in 0..40 {
        world
            .profile
            .bytes
            .learn(f64::from(90_000 + hour * 500), 512.0);
    }
    world.take(|step| step.bytes = 100_000);
    assert_eq!(world.nats(Reason::BulkEgress), 0.0);
    world.take(|step| step.bytes = 50_000_000);
    assert_eq!(world.nats(Reason::BulkEgress), 1.0);
    world.profile.excess = 9.0;
    assert_eq!(world.nats(Reason::BulkEgress), 2.5);
}

#[test]
fn a_drip_is_seen_before_its_window_closes_and_never_says_more_than_six_nats() {
    let mut world = World::new(Kind::Human);
    for hour in 0..40 {
        world
            .profile
            .bytes
            .learn(f64::from(90_000 + hour * 500), 512.0);
    }
    for hour in 0..20 {
        world.features.now = NOW + hour * 3_600;
        world.take(|step| step.bytes = 200_000);
    }
    assert_eq!(world.profile.excess, 0.0, "no window has closed");
    assert_eq!(world.nats(Reason::BulkEgress), 6.0);
}

#[test]
fn a_machine_that_looked_around_stays_strange_until_the_window_closes() {
    let mut world = World::new(Kind::ApiKey);
    for route in [1, 60, 1, 61] {
        assert!(world.features.route != 1 || world.nats(Reason::NewRoute) == 0.0);
        world.features.route = route;
        world.take(|_| {});
    }
    world.features.route = 1;
    assert_eq!(world.nats(Reason::NewRoute), 2.0);
    world.ongoing.close();
    assert_eq!(world.nats(Reason::NewRoute), 0.0);
}

#[test]
fn three_loud_minutes_are_a_spike_and_teach_nothing() {
    let mut world = World::new(Kind::ApiKey);
    for minute in 0..100 {
        world.features.now = NOW + minute * 60;
        for _ in 0..(3 + minute % 4) {
            world.take(|_| {});
            assert_eq!(world.nats(Reason::VolumeSpike), 0.0);
        }
    }
    let usual = world.profile.requests.high();
    let mut first = None;
    for minute in 100..106 {
        world.features.now = NOW + minute * 60;
        for _ in 0..120 {
            world.take(|_| {});
            if world.nats(Reason::VolumeSpike) > 0.0 {
                first = first.or(Some(minute));
            }
        }
    }
    assert_eq!(first, Some(102));
    assert!(world.profile.requests.high() < 2.0 * usual);
    assert_eq!(
        Reason::VolumeSpike.nature(),
        crate::evidence::Nature::Novelty
    );
}

#[path = "context_tests.rs"]
mod context;
