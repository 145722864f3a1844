//! What honest people do, and those who pass for them: logins that are accepted, bodies that come whole, a stranger with a good
//! token, guesses. Chance alone puts such requests together too seldom to reach what follows from them.
//! May use the grammar, and what the oracle says of every event.
//! Must not be played otherwise than any other stream: the same faults hold.

use arbitrary::{Result, Unstructured};
use serde_json::json;
use stepgate_testkit::host::Exchange;
use stepgate_testkit::tokens::{self, Token};

use super::grammar::{ISSUER, KEY, Pairs, honest};
use super::{Game, alive};

const SUBJECTS: [&str; 3] = ["alice", "bob", "carol"];
const HOME: &str = "198.51.100.7:4000";
const ABROAD: &str = "1.128.3.4:4000";
const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");

fn with(mut headers: Pairs, more: &[(&str, &[u8])]) -> Pairs {
    for (name, value) in more {
        headers.retain(|(known, _)| known != name.as_bytes());
        headers.push((name.as_bytes().to_vec(), value.to_vec()));
    }
    headers
}

impl Game {
    pub(super) fn story(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = input.choose_index(self.hosts.len())?;
        let subject = *input.choose(&SUBJECTS)?;
        match input.int_in_range(0..=7u8)? {
            0..=2 => {
                for _ in 0..input.int_in_range(1..=4u8)? {
                    self.visit(at, subject, HOME, &[]);
                }
            }
            3 | 4 => self.login(at, input)?,
            5 => self.visit(
                at,
                subject,
                ABROAD,
                &[
                    ("user-agent", b"Mozilla/5.0 (Windows NT 10.0) Chrome/120.0"),
                    ("x-geo-country", b"AU"),
                    ("x-geo-asn", b"AS1221"),
                ],
            ),
            6 => {
                for _ in 0..input.int_in_range(3..=6u8)? {
                    let form = b"username=alice&password=guess";
                    self.whole(
                        at,
                        &with(
                            honest(),
                            &[(":method", b"POST"), (":path", b"/login"), FORM],
                        ),
                        &[form],
                        "401",
                    );
                }
            }
            _ => self.fetch(at, input)?,
        }
        Ok(())
    }

    /// A request with a good token that was issued a moment ago, which the upstream accepts.
    fn visit(&mut self, at: usize, subject: &str, from: &str, more: &[(&str, &[u8])]) {
        let host = &mut self.hosts[at];
        host.state_mut().now = host.state().now.saturating_add(61_000_000_000);
        let now = host.state().now / 1_000_000_000;
        host.set_property(&["source", "address"], from);
        let token = Token::new(tokens::claims(ISSUER, subject, now))
            .claim("sid", json!(format!("{subject}-{now}")))
            .sign(&KEY);
        let token = format!("Bearer {token}");
        let home: [(&str, &[u8]); 3] = [
            ("authorization", token.as_bytes()),
            ("x-geo-country", b"NO"),
            ("x-geo-asn", b"AS64500"),
        ];
        self.whole(at, &with(with(honest(), &home), more), &[], "200");
        self.hosts[at].set_property(&["source", "address"], HOME);
    }

    /// A login whose body comes in one piece or in many.
    fn login(&mut self, at: usize, input: &mut Unstructured<'_>) -> Result<()> {
        let path = *input.choose(&[&b"/login"[..], b"/token", b"/recover"])?;
        let form = *input.choose(&[
            &b"username=alice&password=x"[..],
            b"grant_type=password&username=bob&password=x",
            b"password=x&email=carol%40example.com&username=carol",
        ])?;
        let length = input.int_in_range(1..=form.len())?;
        let pieces: Vec<&[u8]> = form.chunks(length).collect();
        let status = *input.choose(&["200", "302", "401"])?;
        let headers = with(honest(), &[(":method", b"POST"), (":path", path), FORM]);
        self.whole(at, &headers, &pieces, status);
        Ok(())
    }

    /// A tick, and all it asks for answered.
    fn fetch(&mut self, at: usize, input: &mut Unstructured<'_>) -> Result<()> {
        let host = &mut self.hosts[at];
        host.state_mut().now = host.state().now.saturating_add(20_000_000_000);
        alive(host.tick());
        self.played.ticks += 1;
        let calls = host.state().calls.iter();
        let waiting: Vec<(u32, String)> = calls
            .filter(|call| !call.answered)
            .map(|call| (call.token, call.upstream.clone()))
            .collect();
        for (token, cluster) in waiting {
            let (headers, body) = if input.ratio(1, 4)? {
                self.setting.answer(input, &cluster)?
            } else {
                let status = (b":status".to_vec(), b"200".to_vec());
                (vec![status], self.setting.good(input, &cluster)?)
            };
            alive(self.hosts[at].answer(token, &headers, body));
            self.played.answered += 1;
        }
        Ok(())
    }

    /// One stream from its headers to its end; the upstream answers with this status if it is reached.
    fn whole(&mut self, at: usize, headers: &Pairs, pieces: &[&[u8]], status: &str) {
        let host = &mut self.hosts[at];
        let ended = pieces.is_empty();
        let before = self.oracle.decisions(host);
        let mut exchange = alive(host.open(headers, ended));
        let decided = self.oracle.decisions(host).wrapping_sub(before);
        self.oracle
            .after_headers(&exchange, ended, decided, &self.setting);
        self.count(&exchange);
        let waited = waits(&exchange);
        for (number, piece) in pieces.iter().enumerate() {
            if exchange.reply.is_some() {
                break;
            }
            let end = number + 1 == pieces.len();
            exchange = alive(self.hosts[at].body(piece, end));
            self.oracle.after_body(&exchange, end);
        }
        if waited {
            if exchange.reply.is_some() {
                self.count(&exchange);
            } else if !exchange.request.paused {
                assert_eq!(
                    exchange.request.body,
                    pieces.concat(),
                    "a body goes on whole"
                );
                self.played.continued += 1;
            }
        }
        let host = &mut self.hosts[at];
        if exchange.reply.is_none() && !exchange.request.paused {
            alive(host.response(&[(":status", status)]));
        }
        alive(host.finish());
    }
}

fn waits(exchange: &Exchange) -> bool {
    exchange.reply.is_none() && exchange.request.paused
}
