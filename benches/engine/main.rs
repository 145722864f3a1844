//! `cargo bench --bench engine`: what each step of one decision costs natively, on one core, with everything in cache.
//! May use: the engine's public face.
//! Must not: assert a time; noisy machines would fail it.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement stops at whatever goes wrong"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier};
use jsonwebtoken::signature::{self, Verifier};
use stepgate::assess::{Assessment, assess};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Page, PageKind};
use stepgate::baseline::population::Population;
use stepgate::evidence::Known;
use stepgate::headers;
use stepgate::observe::{Outcome, observe};
use stepgate::policy::{Policy, Route, Tier};
use stepgate::signals::ecs::Event;
use stepgate::signals::features::Features;
use stepgate::signals::from_event;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::Signals;
use stepgate::signals::user_agent;
use stepgate::token::{Algorithm, digest, verify, verifying};
use stepgate_testkit::tokens::{Token, claims, jwks};

const KEY: HashKey = HashKey::PUBLIC;
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0";
const LOGINS: u32 = 60;

/// A line of a person who logs in once a day from one of two places.
fn line(day: u32, session: &str, action: &str) -> String {
    let (ip, asn, city) = match day % 5 {
        0 => ("198.51.100.23", 3320, "Berlin"),
        _ => ("203.0.113.77", 3209, "Potsdam"),
    };
    format!(
        r#"{{"@timestamp":{},"event.action":"{action}","user.id":"alice","source.ip":"{ip}","source.as.number":{asn},"source.geo.country_iso_code":"DE","source.geo.city_name":"{city}","source.geo.location":{{"lat":52.5,"lon":13.4}},"user_agent.original":"{BROWSER}","session.id":"{session}","http.request.method":"GET","url.path":"/api/orders/17"}}"#,
        1_772_618_400 + day * 86_400 + (day * 977) % 7200
    )
}

struct Bench {
    policy: Policy,
    population: Population,
    record: IdentityRecord,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            policy: Policy::parse(r#"{"mode":"enforce"}"#).unwrap(),
            population: Population::default(),
            record: IdentityRecord::default(),
        };
        for day in 0..LOGINS {
            let line = line(day, &format!("s{day}"), "login");
            let event = Event::parse(line.as_bytes()).unwrap();
            let signals = from_event::signals(&event, &[]);
            let features = Features::of(&signals, &KEY);
            let assessment = bench.assess(&signals, &features, day > 0);
            let known =
                Known::of(&bench.population).with_identity((day > 0).then_some(&bench.record));
            let seen = observe(&features, &assessment, Outcome { succeeded: true }, &known);
            for lesson in &seen.lessons {
                bench.population.learn(lesson);
            }
            bench.record = *seen.record.unwrap();
        }
        bench
    }

    fn tier(&self) -> &Tier {
        self.policy.tier(&Route::default())
    }

    fn assess(&self, signals: &Signals<'_>, features: &Features, known: bool) -> Assessment {
        let record = known.then_some(&self.record);
        let known = Known::of(&self.population).with_identity(record);
        assess(&self.policy, self.tier(), signals, features, &known)
    }
}

fn steps(criterion: &mut Criterion) {
    let bench = Bench::new();
    let last = LOGINS - 1;
    let request = line(last, &format!("s{last}"), "");
    let login = line(LOGINS, "new", "login");
    let (request, login) = (
        Event::parse(request.as_bytes()).unwrap(),
        Event::parse(login.as_bytes()).unwrap(),
    );
    let (request, login) = (
        from_event::signals(&request, &[]),
        from_event::signals(&login, &[]),
    );
    let (of_request, of_login) = (Features::of(&request, &KEY), Features::of(&login, &KEY));
    let mut body = Vec::new();
    bench.record.encode(&mut body);
    let locator = of_login.identity.unwrap();
    let mut page = Page::empty(PageKind::Identity, &KEY);
    page.put(locator.tag, &body, bench.record.activity(), &KEY);
    let bytes = page.as_bytes().to_vec();
    let assessment = bench.assess(&login, &of_login, true);
    println!("the record: {} bytes after {LOGINS} logins", body.len());

    let mut group = criterion.benchmark_group("decision");
    group.bench_function("user agent", |b| {
        b.iter(|| user_agent::parse(black_box(BROWSER.as_bytes())));
    });
    group.bench_function("features", |b| {
        b.iter(|| Features::of(black_box(&request), &KEY));
    });
    group.bench_function("page", |b| {
        b.iter(|| {
            let (page, _) = Page::read(black_box(bytes.clone()), PageKind::Identity, &KEY);
            page.find(locator.tag, &KEY).ok().flatten().map(<[u8]>::len)
        });
    });
    group.bench_function("record", |b| {
        b.iter(|| IdentityRecord::decode(black_box(&body)));
    });
    group.bench_function("assess, known session", |b| {
        b.iter(|| bench.assess(&request, black_box(&of_request), true));
    });
    group.bench_function("assess, login", |b| {
        b.iter(|| bench.assess(&login, black_box(&of_login), true));
    });
    group.bench_function("observe, login", |b| {
        let known = Known::of(&bench.population).with_identity(Some(&bench.record));
        let outcome = Outcome { succeeded: true };
        b.iter(|| observe(&of_login, black_box(&assessment), outcome, &known));
    });
    group.bench_function("headers", |b| {
        b.iter(|| headers::upstream(black_box(&assessment), "d0123456789abcdef"));
    });
    group.finish();
}

/// A signature that holds whatever it says: in the filter the host checks it.
struct Holds(Algorithm);

impl Verifier<Vec<u8>> for Holds {
    fn verify(&self, _: &[u8], _: &Vec<u8>) -> Result<(), signature::Error> {
        Ok(())
    }
}

impl JwtVerifier for Holds {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

static HOST: CryptoProvider = verifying(|algorithm, _| Ok(Box::new(Holds(*algorithm))));

/// A new token, but for its signature.
fn token(criterion: &mut Criterion) {
    let _first = HOST.install_default();
    let key = stepgate_testkit::tokens::Key::rsa("bench");
    let now = 1_772_618_400;
    let text = Token::new(claims("https://idp.example/", "alice", now))
        .claim("exp", now + 3600)
        .claim("sid", "bench")
        .claim("jti", "bench-17")
        .sign(&key);
    let policy = Policy::parse(
        &serde_json::json!({ "credentials": { "issuers": [{
            "issuer": "https://idp.example/", "algorithms": ["RS256"], "keys": jwks(&[&key]),
        }] } })
        .to_string(),
    )
    .unwrap();
    let issuers = &policy.credentials.issuers;
    criterion.bench_function("token/verify without the signature", |b| {
        b.iter(|| verify(black_box(text.as_bytes()), issuers, now as i64).unwrap());
    });
    criterion.bench_function("token/digest", |b| {
        b.iter(|| digest(black_box(text.as_bytes()), &KEY.secret()));
    });
}

criterion_group!(engine, steps, token);
criterion_main!(engine);
