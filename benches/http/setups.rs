//! The Envoys that are compared, what each adds to, and which requests each gets.
//! May use the filters, the requests and the test kit.
//! Must not measure.

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir};

use crate::client;
use crate::filters::{ISSUER, bootstrap, ext_authz, jwt_authn, lua, no_op, policy, stepgate, wasm};
use crate::requests::{KNOWN, Material};

pub(crate) const BARE: &str = "no filter";
pub(crate) const BARE_TWO_WORKERS: &str = "no filter, two workers";
pub(crate) const JWT_AUTHN: &str = "jwt_authn, RS256";
pub(crate) const LUA: &str = "lua, reads four headers and writes four";
/// Its own time: what the service behind it takes is not counted.
pub(crate) const EXT_AUTHZ: &str = "ext_authz, asks another Envoy";
pub(crate) const KNOWN_TOKEN: &str = "stepgate, RS256, a known token";
pub(crate) const NEW_TOKENS: &str = "stepgate, RS256, a new token each";
pub(crate) const DENIED: &str = "stepgate, RS256, all denied";
pub(crate) const ON_CLAIMS: &str = "stepgate on the claims of jwt_authn";
pub(crate) const TWO_WORKERS: &str = "stepgate, RS256, a known token, two workers";

/// What the filter's own counters must say of the requests of a set-up, as shares of them; else it is not what its name says.
#[derive(Clone, Copy, Debug)]
struct Expected {
    verified: f64,
    learned: f64,
}

const NOTHING: Expected = Expected {
    verified: 0.0,
    learned: 0.0,
};
const VERIFIED: Expected = Expected {
    verified: 1.0,
    learned: 0.0,
};
const LEARNED: Expected = Expected {
    verified: 1.0,
    learned: 1.0,
};

/// One row of the tables: its filters are in front of the router.
pub(crate) struct Plan<'a> {
    pub(crate) name: &'static str,
    /// The name of the row it adds to; its own: none.
    pub(crate) over: &'static str,
    filters: Vec<Value>,
    /// What it is asked once, before anything counts.
    before: &'a [Vec<u8>],
    requests: &'a [Vec<u8>],
    status: u16,
    pub(crate) workers: u32,
    expected: Option<Expected>,
}

impl<'a> Plan<'a> {
    /// Starts it, under another program if words are given, and asks what it is asked before.
    pub(crate) fn start(&self, authz: u16, under: &[String]) -> Result<Running<'a>, String> {
        let envoy = Setup::new(&bootstrap(&self.filters, Some(authz)))
            .concurrency(self.workers)
            .wasm_log("error")
            .under(under)
            .start()?;
        let mut clients = client::open(envoy.address()).map_err(|error| error.to_string())?;
        client::ask_all(&mut clients, self.before.iter(), self.status)?;
        let mut running = Running {
            name: self.name,
            clients,
            envoy,
            status: self.status,
            requests: self.requests,
            sent: 0,
            expected: self.expected,
            at_start: [0; 2],
        };
        running.at_start = running.counters();
        Ok(running)
    }
}

/// A set-up under way.
pub(crate) struct Running<'a> {
    pub(crate) name: &'static str,
    /// Kept over all runs.
    pub(crate) clients: Vec<client::Client>,
    pub(crate) envoy: Envoy,
    /// The status every request gets.
    pub(crate) status: u16,
    requests: &'a [Vec<u8>],
    sent: usize,
    expected: Option<Expected>,
    at_start: [u64; 2],
}

impl<'a> Running<'a> {
    /// The next `count` requests, in turn.
    pub(crate) fn next(&mut self, count: usize) -> impl Iterator<Item = &'a Vec<u8>> + use<'a> {
        let first = self.sent % self.requests.len();
        self.sent += count;
        self.requests.iter().cycle().skip(first).take(count)
    }

    /// Tokens verified and records that learned, as the filter counts them.
    fn counters(&self) -> [u64; 2] {
        let mut stats = self.envoy.stats();
        ["tokens_verified", "learned"].map(|name| {
            let value = stats.remove(&format!("wasmcustom.stepgate_{name}_total"));
            value.and_then(|value| value.parse().ok()).unwrap_or(0)
        })
    }

    /// Says if the set-up was not what its name says.
    pub(crate) fn doubt(&self) -> Option<String> {
        let expected = self.expected?;
        let (now, then) = (self.counters(), self.at_start);
        let share = |index: usize| now[index].abs_diff(then[index]) as f64 / self.sent as f64;
        let (verified, learned) = (share(0), share(1));
        let apart = (verified - expected.verified).abs() + (learned - expected.learned).abs();
        (apart > 0.02).then(|| {
            format!(
                "`{}`: of {} requests {:.1} % verified a token in place of {:.0} %, {:.1} % taught something in place of {:.0} %",
                self.name,
                self.sent,
                verified * 100.0,
                expected.verified * 100.0,
                learned * 100.0,
                expected.learned * 100.0,
            )
        })
    }
}

/// The service that `ext_authz` asks.
pub(crate) fn service() -> Result<Envoy, String> {
    Setup::new(&bootstrap(&[], None)).start()
}

/// All set-ups whose names hold one of the words (without words: all), and those they are compared with. Files go to `dir`.
pub(crate) fn plans<'a>(
    material: &'a Material,
    dir: &TempDir,
    words: &[String],
) -> Result<Vec<Plan<'a>>, String> {
    let no_op = dir.write("no-op.wasm", no_op()?);
    let native = jwt_authn(&material.rsa, false);
    let verifying = |mode, key| stepgate(&policy(mode, key, &json!({})));
    let fenced = json!({ "fence": { "allowed": ["NO"], "unknown": false } });
    let many = || {
        stepgate(&json!({
            "mode": "enforce",
            "credentials": { "issuers": [{
                "issuer": ISSUER, "algorithms": ["HS256"], "secret": Material::secret(),
            }] },
        }))
    };
    let trusting = json!({ "mode": "enforce", "credentials": { "jwt_authn": ["payload"] } });
    let plan = |name, filters, requests| Plan {
        name,
        over: BARE,
        filters,
        before: &[],
        requests,
        status: 200,
        workers: 1,
        expected: None,
    };
    let ours = |name, filter, requests, expected| Plan {
        expected: Some(expected),
        ..plan(name, vec![filter], requests)
    };
    let (one, everybody) = (&material.one[..], &material.everybody[..]);
    let mut plans = vec![
        plan(BARE, vec![], one),
        plan(
            "a wasm filter that does nothing",
            vec![wasm(&no_op, "")],
            one,
        ),
        plan(JWT_AUTHN, vec![native.clone()], one),
        plan(
            "jwt_authn, RS256, a new token each",
            vec![native.clone()],
            &material.many,
        ),
        plan(
            "jwt_authn, ES256, a new token each",
            vec![jwt_authn(&material.p256, false)],
            &material.many_p256,
        ),
        plan(
            "jwt_authn, RS256, cached",
            vec![jwt_authn(&material.rsa, true)],
            one,
        ),
        plan(LUA, vec![lua()], one),
        plan(EXT_AUTHZ, vec![ext_authz()], one),
        ours(
            KNOWN_TOKEN,
            verifying("enforce", &material.rsa),
            one,
            NOTHING,
        ),
        ours(
            "stepgate, RS256, a known token, shadow",
            verifying("shadow", &material.rsa),
            one,
            NOTHING,
        ),
        ours(
            NEW_TOKENS,
            verifying("enforce", &material.rsa),
            &material.many,
            VERIFIED,
        ),
        ours(
            "stepgate, ES256, a new token each",
            verifying("enforce", &material.p256),
            &material.many_p256,
            VERIFIED,
        ),
        ours(
            "stepgate, HS256, each identity for the first time",
            many(),
            everybody,
            LEARNED,
        ),
        Plan {
            before: everybody,
            ..ours(
                "stepgate, HS256, 100,000 identities come back",
                many(),
                everybody,
                VERIFIED,
            )
        },
        Plan {
            before: everybody,
            ..ours(
                "stepgate, HS256, 300 of 100,000 with known tokens",
                many(),
                &everybody[everybody.len() - KNOWN..],
                NOTHING,
            )
        },
        Plan {
            status: 403,
            ..ours(
                DENIED,
                stepgate(&policy("enforce", &material.rsa, &fenced)),
                one,
                NOTHING,
            )
        },
        Plan {
            over: JWT_AUTHN,
            ..plan(ON_CLAIMS, vec![native, stepgate(&trusting)], one)
        },
    ];
    let two = |name, filters| Plan {
        over: BARE_TWO_WORKERS,
        workers: 2,
        ..plan(name, filters, one)
    };
    plans.push(two(BARE_TWO_WORKERS, vec![]));
    plans.push(two(TWO_WORKERS, vec![verifying("enforce", &material.rsa)]));
    let compared = [BARE, JWT_AUTHN, EXT_AUTHZ, BARE_TWO_WORKERS];
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    plans.retain(|plan| chosen(plan.name) || compared.contains(&plan.name));
    Ok(plans)
}
