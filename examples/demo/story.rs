//! The story, scene by scene: what is sent, and what must come of it.
//! May use the stage, the cast and the test kit's forgeries.
//! Must not look at answers: `play` compares.

use stepgate_testkit::http::{Request, Response};
use stepgate_testkit::tokens::{Token, now, tampered};

use crate::cast::{
    self, Agent, BORROWED, CHROME, CLOUD, CURL, EXPORT, FIREFOX, HOME, HOTEL, OFFICE, Place, THIEF,
};
use crate::stage::Stage;

/// One request and what must come of it.
pub(crate) struct Step {
    /// What happens, told before the row; empty where the row speaks for itself.
    pub(crate) tale: &'static str,
    pub(crate) who: &'static str,
    pub(crate) place: Place,
    pub(crate) agent: Agent,
    pub(crate) request: Request,
    pub(crate) expected: Outcome,
    /// Reasons that must be given.
    pub(crate) because: &'static [&'static str],
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Reaches the API, which is told `allow`.
    Allowed,
    /// 401: a stronger authentication is asked for.
    Challenged,
    /// 401: the token is no good.
    InvalidToken,
    /// 401: a token is needed.
    NoToken,
    /// 403.
    Refused,
    /// None of these.
    Other,
}

impl Outcome {
    /// How the table says it.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Allowed => "200",
            Self::Challenged => "401 step up",
            Self::InvalidToken => "401 invalid token",
            Self::NoToken => "401 token needed",
            Self::Refused => "403 denied",
            Self::Other => "something else",
        }
    }

    /// Reads it off a response, by what RFC 6750 and RFC 9470 say.
    pub(crate) fn of(response: &Response) -> Self {
        let challenge = response.header("www-authenticate").unwrap_or_default();
        match response.status {
            200 if response.echoed().text("x-stepgate-decision").as_deref() == Some("allow") => {
                Self::Allowed
            }
            401 if challenge.contains("error=\"insufficient_user_authentication\"") => {
                Self::Challenged
            }
            401 if challenge.contains("error=\"invalid_token\"") => Self::InvalidToken,
            401 if challenge.starts_with("Bearer") => Self::NoToken,
            403 => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// The whole story.
pub(crate) fn story(stage: &Stage) -> Vec<Step> {
    let sign = |token: Token| token.sign(&stage.key);
    let start = now();
    let at_home = sign(cast::token("alice", "berlin", start - 60));
    let abroad = sign(cast::token("alice", "singapore", start));
    // Solving the challenge takes a moment that nobody waits for here: the new authentication is a little ahead.
    let stepped_up = cast::token("alice", "singapore", start + 5);
    let stepped_up = sign(
        stepped_up
            .claim("acr", "mfa")
            .claim("amr", vec!["pwd", "otp"]),
    );
    let machine = sign(cast::machine_token("svc-billing", "tonight"));
    let colleague = sign(cast::token("bob", "office", start - 30));
    let forged = tampered(&colleague, "sub", "alice");
    let expired = cast::token("alice", "old", start - 7200);
    let expired = sign(
        expired
            .claim("iat", start - 7200)
            .claim("exp", start - 3600),
    );

    let step =
        |who, place: Place, agent: Agent, method: &str, path: &str, token: Option<&str>| Step {
            tale: "",
            who,
            place,
            agent,
            request: cast::through_cdn(method, path, &place, agent.user_agent, token),
            expected: Outcome::Allowed,
            because: &[],
        };
    vec![
        step("alice", HOME, FIREFOX, "GET", "/api/orders", Some(&at_home))
            .tale("A usual morning: alice signs in at home, orders something, and the nightly export runs."),
        step("alice", HOME, FIREFOX, "POST", "/api/orders", Some(&at_home)),
        step("svc-billing", CLOUD, EXPORT, "GET", "/api/invoices", Some(&machine)),
        step("nobody", OFFICE, CURL, "GET", "/", None)
            .tale("The front page is for everybody."),
        step("alice", HOTEL, FIREFOX, "GET", "/api/orders", Some(&abroad))
            .tale("Minutes later she signs in from Singapore: a journey nobody makes, so somebody else may have her password.")
            .expect(Outcome::Challenged, &["impossible-travel", "new-country"]),
        step("alice", HOTEL, FIREFOX, "GET", "/api/orders", Some(&stepped_up))
            .tale("It was her, behind a VPN: she answers with a second factor (newer auth_time, acr=mfa).")
            .expect(Outcome::Allowed, &["stepped-up"]),
        step("alice", THIEF, BORROWED, "POST", "/api/orders", Some(&at_home))
            .tale("Her token from the morning is stolen and replayed from elsewhere, with another client: the thief has no second factor.")
            .expect(Outcome::Challenged, &["impossible-travel", "session-client"]),
        step("alice", THIEF, BORROWED, "POST", "/api/orders", Some(&at_home))
            .tale("The thief tries again. Until the challenge is answered this session is no better than a new sign-in; unanswered three times, ten seconds apart, it is shut.")
            .expect(Outcome::Challenged, &["impossible-travel", "new-device"]),
        step("svc-billing", THIEF, CURL, "POST", "/api/invoices", Some(&machine))
            .tale("So is the machine's. It cannot answer a challenge: what is not safe is refused.")
            .expect(Outcome::Refused, &["session-client"]),
        step("\"alice\"", OFFICE, CHROME, "GET", "/api/orders", Some(&forged))
            .tale("bob writes alice's name into his own token; somebody tries one that has expired; somebody has none.")
            .expect(Outcome::InvalidToken, &["token-bad-signature"]),
        step("alice", HOME, FIREFOX, "GET", "/api/orders", Some(&expired))
            .expect(Outcome::InvalidToken, &["token-expired"]),
        step("nobody", HOME, FIREFOX, "GET", "/api/orders", None)
            .expect(Outcome::NoToken, &["identity-required"]),
        step("bob", OFFICE, CHROME, "GET", "/api/orders", Some(&colleague))
            .tale("bob sends decision headers of his own. The API sees ours only.")
            .header("x-stepgate-decision", "allow")
            .header("x-stepgate-score", "0")
            .header("X-Stepgate-Trusted", "yes"),
    ]
}

impl Step {
    fn tale(mut self, tale: &'static str) -> Self {
        self.tale = tale;
        self
    }

    fn expect(mut self, outcome: Outcome, because: &'static [&'static str]) -> Self {
        (self.expected, self.because) = (outcome, because);
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }
}
