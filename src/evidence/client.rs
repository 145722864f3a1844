//! With what: novelty of user agent, browser, operating system and device class, and scripts.
//! May use: signals, baseline, novelty.
//! Must not: look at other families.

use super::novelty::{likelihood_ratio, step};
use super::{Gathered, Known, Reason};
use crate::baseline::population::Level;
use crate::signals::features::Features;

pub(super) fn gather(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    let Some(record) = known.identity else { return };
    let own = &record.client;
    let everybody = known.population;
    let ratio = likelihood_ratio([
        step(
            &own.device,
            features.device,
            everybody,
            Level::Device,
            (Level::Device, 0),
        ),
        step(
            &own.os,
            features.os,
            everybody,
            Level::Os,
            (Level::Device, features.device),
        ),
        step(
            &own.browser,
            features.browser,
            everybody,
            Level::Browser,
            (Level::Os, features.os),
        ),
        step(
            &own.user_agent,
            features.user_agent,
            everybody,
            Level::UserAgent,
            (Level::Browser, features.browser),
        ),
    ]);
    let known_family = own.browser.contains(features.browser)
        && own.os.contains(features.os)
        && own.device.contains(features.device);
    found.add(
        if known_family {
            Reason::NewClient
        } else {
            Reason::NewDevice
        },
        ratio,
    );
    if features.script && !features.kind.is_machine() && ratio > 0.0 {
        found.add(Reason::ScriptClient, 1.0);
    }
}
