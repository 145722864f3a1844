//! Requests of this VM that are held until their body is here, and whether bodies of held requests come at all.
//! May use: host calls.
//! Must not: hold anything for long, or take one client that sends nothing for the host.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::host;
use crate::metrics::Count;
use crate::pairs;

/// How long a request may be held, in milliseconds.
const PATIENCE: i64 = 5_000;
/// Requests of which nothing came until it is the host that is taken to deliver nothing: one, or two, may be clients that sent
/// nothing.
const SILENT: u8 = 3;
/// After how long it is tried again, in milliseconds: all of them may have been such clients.
const AGAIN: i64 = 600_000;

/// Whether held bodies arrive. A host that was not told to deliver them would never end the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// One request at a time finds out. Of so many nothing came.
    Unknown { silent: u8 },
    /// A piece of a held body came.
    Works,
    /// Nothing came. One request finds out again at that time, in milliseconds since 1970.
    Fails { until: i64 },
}

impl Default for Delivery {
    fn default() -> Self {
        Self::Unknown { silent: 0 }
    }
}

impl Delivery {
    /// After another request of which nothing came.
    const fn missed(self, now: i64) -> Self {
        let until = now.saturating_add(AGAIN);
        match self {
            Self::Works => Self::Works,
            Self::Unknown { silent } if silent.saturating_add(1) < SILENT => Self::Unknown {
                silent: silent.saturating_add(1),
            },
            Self::Unknown { .. } | Self::Fails { .. } => Self::Fails { until },
        }
    }
}

/// The requests of this VM that are held, by context.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    delivery: Cell<Delivery>,
    held: RefCell<BTreeMap<u32, Held>>,
}

/// Since when one is held, and whether its tier is only watched.
#[derive(Clone, Copy, Debug)]
struct Held {
    since: i64,
    watched: bool,
}

impl Holding {
    pub(crate) fn may_hold(&self, now: i64) -> bool {
        match self.delivery.get() {
            Delivery::Unknown { .. } => self.held.borrow().is_empty(),
            Delivery::Works => true,
            Delivery::Fails { until } => now >= until && self.held.borrow().is_empty(),
        }
    }

    /// Nothing is held where nothing could end the wait.
    pub(crate) fn has_no_ticks(&self) {
        self.delivery.set(Delivery::Fails { until: i64::MAX });
    }

    /// Holds one; it is never refused where its tier is only watched.
    pub(crate) fn hold(&self, context: u32, since: i64, watched: bool) {
        let held = Held { since, watched };
        self.held.borrow_mut().insert(context, held);
    }

    /// A piece of a held body came, however slow its client is.
    pub(crate) fn delivers(&self) {
        self.delivery.set(Delivery::Works);
    }

    pub(crate) fn release(&self, context: u32) {
        self.held.borrow_mut().remove(&context);
    }

    /// Answers requests whose body does not come, and lets those go on that are only watched: they are decided when it comes. Where
    /// nothing comes of several, none is held for a while.
    pub(crate) fn sweep(&self, root: u32, now: i64, count: impl Fn(Count)) {
        let mut late = Vec::new();
        self.held.borrow_mut().retain(|context, held| {
            let waits = now.saturating_sub(held.since) < PATIENCE;
            if !waits {
                late.push((*context, held.watched));
            }
            waits
        });
        for (context, watched) in late {
            // Streams that have ended meanwhile do not answer to their number.
            if host::activate(context).is_ok() {
                let known = self.delivery.get();
                let next = known.missed(now);
                self.delivery.set(next);
                if let (Delivery::Unknown { .. }, Delivery::Fails { .. }) = (known, next) {
                    log::error!(
                        "stepgate: no body came of {SILENT} held requests: set `allow_on_headers_stop_iteration: true` on the Wasm filter, or `hold_body: false`; headers are decided first, and holding is tried again every 10 minutes"
                    );
                }
                count(Count::BodyTimeout);
                if watched {
                    let _gone = host::resume_request();
                } else {
                    give_up();
                }
            }
        }
        let _is_root = host::activate(root);
    }
}

/// 408 (RFC 9110 §15.5.9): the body was not complete in time.
fn give_up() {
    let headers = [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
    ];
    let body = "{\"type\":\"urn:stepgate:request-timeout\",\"title\":\"The request was not complete in time\",\"status\":408}";
    let _gone = host::reply(
        408,
        "stepgate_request_timeout",
        &pairs::serialize(&headers),
        body,
        4,
    );
}
