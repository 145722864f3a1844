//! `stepgate hash`: who somebody is in records and audit lines, so that their lines can be found.
//! May use: the hash key, policies.
//! Must not: print the key.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use stepgate::policy::Policy;
use stepgate::signals::keyed::{Domain, HashKey};

use super::key::KeyArgument;
use super::{Failure, policy_file, print};

/// Print the hash by which audit lines name somebody: `user.hash`, or `user.target.hash` of a login name
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("who").required(true).args(["user", "subject", "login"])))]
pub(crate) struct Hash {
    /// The identity as `user.id` of events names it: issuer, `|` and subject of a token, `api-key:` and the SHA-256 of the key in
    /// hexadecimal digits, or the URI SAN of a certificate
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// `sub` of the identity's tokens
    #[arg(long, value_name = "SUB", requires = "issuer")]
    subject: Option<String>,
    /// `iss` of the identity's tokens, to the letter: a slash at the end counts
    #[arg(long, value_name = "ISS", requires = "subject")]
    issuer: Option<String>,
    /// A name that a login tried, written as the policy's `login.fold_case` takes it
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Policy of the filter, for its `hash_key` and `login`
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgument,
}

impl Hash {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let policy = policy_file::read(self.policy.as_deref())?;
        let key = self.key.or_public(&policy);
        print(&(self.of(&policy, &key) + "\n"))
    }

    fn of(&self, policy: &Policy, key: &HashKey) -> String {
        match (&self.user, &self.issuer, &self.subject, &self.login) {
            (_, Some(issuer), Some(subject), _) => of_user(&format!("{issuer}|{subject}"), key),
            (_, _, _, Some(name)) => {
                let name = name.trim();
                let name = match policy.config.login.fold_case {
                    true => name.to_lowercase(),
                    false => name.to_owned(),
                };
                hex(Domain::Name, &name, key)
            }
            (user, ..) => of_user(user.as_deref().unwrap_or_default(), key),
        }
    }
}

/// `user.hash` of an identity.
pub(crate) fn of_user(id: &str, key: &HashKey) -> String {
    hex(Domain::Identity, id, key)
}

fn hex(domain: Domain, text: &str, key: &HashKey) -> String {
    format!("{:016x}", key.locate(domain, &[text.as_bytes()]).tag)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use stepgate::signals::features::Features;
    use stepgate::signals::login::{BodyKind, LoginBody};
    use stepgate::signals::request::Field;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        hash: Hash,
    }

    #[test]
    fn a_name_is_hashed_as_the_filter_hashes_what_a_login_tries() {
        let key = HashKey::from_secret("k");
        for policy in ["{}", r#"{"login":{"fold_case":false}}"#] {
            let tiered = policy.strip_suffix('}').unwrap();
            let comma = if tiered == "{" { "" } else { "," };
            let tiered = format!(
                r#"{tiered}{comma}"tiers":[{{"name":"l","paths":["/login"],"class":"login"}}]}}"#
            );
            let policy = Policy::parse(&tiered).unwrap();
            let login = policy.tiers[0].login.as_ref().unwrap();
            let named = login.fields.named(Field::Absent, b"");
            let body = LoginBody::Whole(BodyKind::Form, b"username=+Alice+%C3%89+");
            let name = login.fields.name(named, body);
            let tried = Features::default().trying(&name, &key).tried.unwrap();
            let line = Line::parse_from(["hash", "--login", " Alice É "]);
            let said = line.hash.of(&policy, &key);
            assert_eq!(said, format!("{:016x}", tried.tag), "{tiered}");
        }
    }
}
