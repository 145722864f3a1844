//! The requests: those of a browser, with tokens.
//! May use the test kit.
//! Must not send them.

use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::{Key, Token, base64url, claims, now};

use crate::filters::ISSUER;

/// The secret of the tokens that are cheap to make.
const SECRET: &[u8] = b"a secret that only the benchmark knows";
/// People in the set-ups that have many; and under callgrind, where as many would take minutes.
pub(crate) const IDENTITIES: usize = 100_000;
pub(crate) const FEWER_IDENTITIES: usize = 10_000;
/// More tokens than the filter remembers (2,048), so that each is new when its turn comes again.
const TOKENS: usize = 8192;
/// So few that hardly any has to make room for another: it remembers four in each of 512 places.
pub(crate) const KNOWN: usize = 300;

/// The keys and what is sent; each request as the bytes on the wire.
pub(crate) struct Material {
    pub(crate) rsa: Key,
    pub(crate) p256: Key,
    /// One token, sent again and again.
    pub(crate) one: Vec<Vec<u8>>,
    /// Tokens of one person.
    pub(crate) many: Vec<Vec<u8>>,
    /// The same with ES256.
    pub(crate) many_p256: Vec<Vec<u8>>,
    /// A token for each of many people.
    pub(crate) everybody: Vec<Vec<u8>>,
}

impl Material {
    pub(crate) fn mint(identities: usize) -> Self {
        let (rsa, p256) = (Key::rsa("bench"), Key::p256("bench"));
        let hmac = Key::hmac("bench", SECRET);
        Self {
            one: requests(&rsa, 1, 1),
            many: requests(&rsa, TOKENS, 1),
            many_p256: requests(&p256, TOKENS, 1),
            everybody: requests(&hmac, identities, identities),
            rsa,
            p256,
        }
    }

    /// The secret as a policy has it.
    pub(crate) fn secret() -> String {
        base64url(SECRET)
    }
}

/// So many requests, each with a token of its own, of so many people; made on two cores.
fn requests(key: &Key, count: usize, people: usize) -> Vec<Vec<u8>> {
    let at = now();
    let request = |index: usize| {
        let who = format!("alice-{}", index % people);
        let token = Token::new(claims(ISSUER, &who, at))
            .claim("exp", at + 3600)
            .claim("sid", "bench")
            .claim("jti", format!("bench-{index}"))
            .sign(key);
        Request::get("/api/orders?page=2")
            .header(
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
            )
            .header("accept", "application/json, text/plain, */*")
            .header("accept-language", "de,en-US;q=0.7,en;q=0.3")
            .header("accept-encoding", "gzip, deflate, br")
            .header("referer", "https://shop.example/orders")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-site", "same-origin")
            .header("cookie", "theme=dark; consent=1; session=b7f0c1f2a9d34e55")
            .header("x-forwarded-for", "198.51.100.23")
            .bearer(&token)
            .bytes()
    };
    std::thread::scope(|scope| {
        let half = count / 2;
        let first = scope.spawn(move || (0..half).map(request).collect::<Vec<_>>());
        let second: Vec<_> = (half..count).map(request).collect();
        let mut requests = first.join().unwrap_or_default();
        requests.extend(second);
        requests
    })
}
