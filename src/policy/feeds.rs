//! The feeds of a policy, checked.
//! May use: the raw policy.
//! Must not: fetch one, or read the environment: whether a token is there is for whoever fetches to ask.

use super::PolicyError;
use super::config::{FeedConfig, PolicyConfig};

/// Most feeds of one policy: each has a gauge and a place in memory.
const MOST: usize = 16;

pub(super) fn check(config: &PolicyConfig) -> Result<(), PolicyError> {
    if config.feeds.len() > MOST {
        return Err(PolicyError::new(
            "feeds",
            format!("{} are too many; allowed: {MOST}", config.feeds.len()),
        ));
    }
    let mut names = Vec::with_capacity(config.feeds.len());
    for (index, feed) in config.feeds.iter().enumerate() {
        one(feed)
            .map_err(|(key, message)| PolicyError::new(format!("feeds[{index}].{key}"), message))?;
        if names.contains(&&feed.name) {
            return Err(PolicyError::new(
                format!("feeds[{index}].name"),
                format!(
                    "`{}` is taken; every feed needs a name of its own",
                    feed.name
                ),
            ));
        }
        names.push(&feed.name);
    }
    Ok(())
}

fn one(feed: &FeedConfig) -> Result<(), (&'static str, String)> {
    let word = (1..=64).contains(&feed.name.len())
        && feed
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !word {
        return Err((
            "name",
            format!(
                "`{}` is not a name; allowed: 1 to 64 of a-z, 0-9 and -",
                feed.name.escape_debug()
            ),
        ));
    }
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    for (key, value) in [("cluster", &feed.cluster), ("authority", &feed.authority)] {
        if !visible(value) {
            return Err((
                key,
                format!(
                    "`{}` is not a name; allowed: visible ASCII, at least one character",
                    value.escape_debug()
                ),
            ));
        }
    }
    if !(visible(&feed.path) && feed.path.starts_with('/')) {
        return Err((
            "path",
            format!(
                "`{}` is not a path; allowed: / and visible ASCII",
                feed.path.escape_debug()
            ),
        ));
    }
    for (key, value, allowed) in [
        ("refresh_seconds", feed.refresh_seconds, 1..=86_400),
        ("timeout_seconds", feed.timeout_seconds, 1..=60),
        ("max_bytes", feed.max_bytes, 1024..=16 << 20),
        ("max_snapshot_bytes", feed.max_snapshot_bytes, 0..=256 << 20),
    ] {
        if !allowed.contains(&value) {
            return Err((
                key,
                format!(
                    "{value} is out of range; allowed: {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            ));
        }
    }
    match feed.token_env.as_deref() {
        Some("STEPGATE_KEY") => Err((
            "token_env",
            "`STEPGATE_KEY` is the hash key and never leaves the filter".into(),
        )),
        Some(name) if !visible(name) || name.contains('=') => Err((
            "token_env",
            format!(
                "`{}` is not the name of an environment variable",
                name.escape_debug()
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn a_feed_has_a_name_a_place_and_bounds() {
        let good = r#"{"feeds":[{"name":"soc","cluster":"feeds","authority":"feeds.test","path":"/v1","token_env":"FEED_TOKEN"}]}"#;
        assert!(Policy::parse(good).is_ok());
        for (part, instead, message) in [
            (
                "\"soc\"",
                "\"The SOC\"",
                "feeds[0].name: `The SOC` is not a name; allowed: 1 to 64 of a-z, 0-9 and -",
            ),
            (
                "\"feeds\",\"auth",
                "\"\",\"auth",
                "feeds[0].cluster: `` is not a name; allowed: visible ASCII, at least one character",
            ),
            (
                "feeds.test",
                "a b",
                "feeds[0].authority: `a b` is not a name; allowed: visible ASCII, at least one character",
            ),
            (
                "/v1",
                "v1",
                "feeds[0].path: `v1` is not a path; allowed: / and visible ASCII",
            ),
            (
                "\"token_env\"",
                "\"refresh_seconds\":0,\"token_env\"",
                "feeds[0].refresh_seconds: 0 is out of range; allowed: 1 to 86400",
            ),
            (
                "\"token_env\"",
                "\"max_bytes\":99999999,\"token_env\"",
                "feeds[0].max_bytes: 99999999 is out of range; allowed: 1024 to 16777216",
            ),
            (
                "FEED_TOKEN",
                "STEPGATE_KEY",
                "feeds[0].token_env: `STEPGATE_KEY` is the hash key and never leaves the filter",
            ),
            (
                "}]}",
                "},{\"name\":\"soc\",\"cluster\":\"c\",\"authority\":\"a\",\"path\":\"/\"}]}",
                "feeds[1].name: `soc` is taken; every feed needs a name of its own",
            ),
        ] {
            assert!(good.contains(part), "{part}");
            let error = Policy::parse(&good.replacen(part, instead, 1)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let many = vec![r#"{"name":"a"}"#; 17].join(",");
        let error = Policy::parse(&format!(r#"{{"feeds":[{many}]}}"#)).unwrap_err();
        assert_eq!(error.to_string(), "feeds: 17 are too many; allowed: 16");
    }
}
