//! What clients send: owners at home, strangers, thieves, and whatever else arrives at a login.
//! May use the test kit's requests and tokens.
//! Must not keep more than a bounded number of tokens.

use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::{Token, claims, corrupted, now};

use crate::stage::{FETCHED, ISSUER, Stage};

/// Owners of one client; each has a home, and one token for some requests.
const OWNERS: usize = 400;
/// Requests an owner makes with one token, in the mean.
const PER_TOKEN: u64 = 10;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// A kind of request, and how often it is sent in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Owner,
    Fetched,
    Anonymous,
    Stranger,
    Traveller,
    Forged,
    Expired,
    Revoked,
    Spoofed,
    Bytes,
    Large,
    Guess,
    Broken,
    Aborted,
}

/// Name, share in a hundred, and the only answers that are right; none are waited for where there are none.
pub(crate) const KINDS: [(Kind, &str, u64, &[u16]); 14] = [
    (Kind::Owner, "owners, at home", 50, &[200]),
    (Kind::Fetched, "machines, fetched keys", 8, &[200]),
    (Kind::Anonymous, "nobody", 5, &[200]),
    (Kind::Stranger, "strangers, each once", 8, &[200]),
    (Kind::Traveller, "thieves far away", 3, &[401]),
    (Kind::Forged, "forged tokens", 5, &[401]),
    (Kind::Expired, "expired tokens", 3, &[401]),
    (Kind::Revoked, "a revoked token", 2, &[401]),
    (Kind::Spoofed, "spoofed decisions", 3, &[200]),
    (Kind::Bytes, "bytes that are no text", 4, &[200]),
    (Kind::Large, "40 KB of cookies", 1, &[200]),
    (Kind::Guess, "guesses at a login", 4, &[401, 429]),
    (Kind::Broken, "an API that fails", 2, &[500]),
    (Kind::Aborted, "clients that leave", 2, &[]),
];

/// Traffic of one client: the same for the same seed, but for the time in the tokens.
pub(crate) struct Traffic<'a> {
    stage: &'a Stage,
    client: usize,
    random: Random,
    owners: Vec<Option<String>>,
    machine: String,
    cookies: String,
    number: u64,
}

impl<'a> Traffic<'a> {
    pub(crate) fn new(stage: &'a Stage, client: usize, seed: u64) -> Self {
        let machine = Token::new(claims(FETCHED, &format!("service-{client}"), now()))
            .claim("exp", now() + 100_000)
            .claim("client_id", "batch")
            .sign(&stage.fetched);
        let cookies = (0..40).map(|n| format!("c{n}={}; ", "x".repeat(1000)));
        Self {
            stage,
            client,
            random: Random::new(seed ^ (client as u64 + 1).wrapping_mul(0x9e37_79b9)),
            owners: vec![None; OWNERS],
            machine,
            cookies: cookies.collect(),
            number: seed,
        }
    }

    /// The kind of the next request.
    pub(crate) fn kind(&mut self) -> usize {
        let mut draw = self.random.below(100);
        for (index, (_, _, share, _)) in KINDS.iter().enumerate() {
            match draw.checked_sub(*share) {
                Some(rest) => draw = rest,
                None => return index,
            }
        }
        0
    }

    /// The request of a thief needs an owner at home: what comes before it, if anything.
    pub(crate) fn before(&mut self, kind: Kind) -> Option<Vec<u8>> {
        (kind == Kind::Traveller).then(|| {
            self.number += 1;
            let name = format!("victim-{}-{}", self.client, self.number);
            let token = self.token(&name, 20);
            home(&token, self.client, 1).bytes()
        })
    }

    /// The next request of a kind.
    pub(crate) fn request(&mut self, kind: Kind) -> Vec<u8> {
        self.number += 1;
        let unique = format!("{}-{}", self.client, self.number);
        let draw = self.random.below(1 << 32);
        match kind {
            Kind::Owner => self.owner(),
            Kind::Fetched => Request::get("/batch")
                .bearer(&self.machine)
                .header("user-agent", "batch/1.0")
                .header("x-forwarded-for", "192.0.2.9"),
            Kind::Anonymous => Request::get("/").header("user-agent", FIREFOX),
            Kind::Stranger => {
                let token = self.token(&format!("stranger-{unique}"), 0);
                Request::get(format!("/page/{draw}"))
                    .bearer(&token)
                    .header("user-agent", format!("client-{draw}/1.{unique}"))
                    .header("x-forwarded-for", address(draw))
            }
            Kind::Traveller => {
                let name = format!("victim-{}-{}", self.client, self.number - 1);
                away(&self.token(&name, 10))
            }
            Kind::Forged => away(&corrupted(&self.token(&format!("forged-{unique}"), 0))),
            Kind::Expired => {
                let token = Token::new(claims(ISSUER, "late", now() - 5000)).claim("jti", unique);
                away(&token.sign(&self.stage.shared))
            }
            Kind::Revoked => away(&self.stage.revoked),
            Kind::Spoofed => Request::get("/orders")
                .header("x-stepgate-decision", "allow")
                .header("X-Stepgate-Score", "0")
                .header("x_stepgate_id", &unique)
                .header("user-agent", FIREFOX),
            Kind::Bytes => {
                let mut bytes = draw.to_be_bytes().map(|byte| byte | 0x80).to_vec();
                bytes.extend(b"\xff\xfe\xc3(");
                Request::get("/orders?x=%ff%00")
                    .header("user-agent", &bytes)
                    .header("x-geo-country", &bytes)
                    .header("x-geo-asn", &bytes)
                    .header("accept-language", &bytes)
            }
            Kind::Large => Request::get("/orders")
                .header("cookie", &self.cookies)
                .header("user-agent", FIREFOX),
            Kind::Guess => Request::new("POST", "/login")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("x-forwarded-for", address(draw))
                .header("user-agent", FIREFOX)
                .body(format!("username=name-{}&password=secret", draw % 5000)),
            Kind::Broken => home(
                &self.token(&format!("unlucky-{}", draw % 100), 0),
                self.client,
                2,
            )
            .to("/broken"),
            Kind::Aborted => self.owner(),
        }
        .bytes()
    }

    /// Somebody at home, with the token of last time or a new one.
    fn owner(&mut self) -> Request {
        let owner = self.random.below(OWNERS as u64) as usize;
        if self.random.below(PER_TOKEN) == 0 {
            self.owners[owner] = None;
        }
        let token = match self.owners[owner].take() {
            Some(token) => token,
            None => self.token(&format!("owner-{}-{owner}", self.client), 0),
        };
        let request = home(&token, self.client, owner);
        self.owners[owner] = Some(token);
        request
    }

    /// A login of `who`, so many seconds ago, that holds as long as the longest run.
    fn token(&mut self, who: &str, ago: u64) -> String {
        self.number += 1;
        let at = now() - ago;
        Token::new(claims(ISSUER, who, at))
            .claim("exp", at + 100_000)
            .claim("jti", format!("{}-{}", self.client, self.number))
            .sign(&self.stage.shared)
    }
}

/// A request to another path.
trait To {
    fn to(self, path: &str) -> Self;
}

impl To for Request {
    fn to(mut self, path: &str) -> Self {
        self.target = path.into();
        self
    }
}

fn home(token: &str, client: usize, owner: usize) -> Request {
    Request::get("/orders")
        .bearer(token)
        .header(
            "x-forwarded-for",
            format!("81.{client}.{}.{}", owner / 250, owner % 250 + 1),
        )
        .header("x-geo-country", "GB")
        .header("x-geo-asn", "AS12576")
        .header("user-agent", CHROME)
}

fn away(token: &str) -> Request {
    Request::get("/orders")
        .bearer(token)
        .header("x-forwarded-for", "1.128.3.4")
        .header("x-geo-country", "AU")
        .header("x-geo-asn", "AS1221")
        .header("user-agent", FIREFOX)
}

/// Any public address.
fn address(draw: u64) -> String {
    let [.., a, b, c] = (draw as u32).to_be_bytes();
    format!("{}.{a}.{b}.{c}", 20 + draw % 50)
}

/// Xorshift: all that is asked of it is to be the same again.
struct Random(u64);

impl Random {
    const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    const fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % limit
    }
}
