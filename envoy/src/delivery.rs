//! The baseline snapshot a feed names: fetched by the VM that has the lease, and loaded by it piece by piece.
//! May use: fetch, snapshot, metrics.
//! Must not: keep the bytes for others: they are megabytes, and whoever takes over fetches them again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use stepgate::signals::keyed::{Domain, HashKey};

use crate::crowd::Crowd;
use crate::fetch::{Target, body_of_answer, status_of_answer};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::snapshot::Loading;
use crate::store::Store;

/// Between two tries to fetch a snapshot, in milliseconds.
const RETRY: i64 = 60_000;
/// How long a lease outlives the timeout of its fetch, in milliseconds.
const GRACE: i64 = 5_000;

/// The snapshot of one feed.
#[derive(Debug)]
pub(crate) struct Delivery {
    memory: Rc<Memory>,
    key: HashKey,
    most: usize,
    path: RefCell<String>,
    loading: RefCell<Option<Loading>>,
    flight: Cell<Option<u32>>,
}

impl Delivery {
    pub(crate) fn new(memory: &Rc<Memory>, key: HashKey, most: u32) -> Self {
        Self {
            memory: Rc::clone(memory),
            key,
            most: most as usize,
            path: RefCell::default(),
            loading: RefCell::default(),
            flight: Cell::new(None),
        }
    }

    /// Does the next piece of work on the snapshot at `path`: a fetch, or a part of it loaded.
    pub(crate) fn tick(
        &self,
        target: &Target,
        path: &str,
        can_call_out: bool,
        (store, crowd, metrics): (&Store, &Crowd, &Metrics),
        now: i64,
    ) {
        if self.most == 0 {
            return;
        }
        if *self.path.borrow() != path {
            // Another path is another snapshot: what is half loaded of the last one stays loaded.
            path.clone_into(&mut self.path.borrow_mut());
            let parts = [&target.cluster, &target.authority, path].map(str::as_bytes);
            let id = HashKey::PUBLIC.locate(Domain::Checksum, &parts).tag;
            let loading = Loading::of_delivery(id, Rc::clone(&self.memory));
            self.loading.replace(Some(loading));
            self.flight.set(None);
        }
        let loading = self.loading.borrow();
        let Some(loading) = loading.as_ref() else {
            return;
        };
        if loading.is_here() {
            loading.tick(store, crowd, metrics, now);
            return;
        }
        let lease = now + i64::from(target.timeout_seconds) * 1000 + GRACE;
        if !can_call_out || !loading.lease(now, lease) {
            return;
        }
        match target.dispatch(path, "application/octet-stream", None) {
            Ok(token) => self.flight.set(Some(token)),
            Err(why) => self.failed(loading, metrics, &why, now),
        }
    }

    /// Takes the answer to the call `token`, if it is the snapshot. Whether it was.
    pub(crate) fn answered(&self, token: u32, size: usize, metrics: &Metrics, now: i64) -> bool {
        if self.flight.get() != Some(token) {
            return false;
        }
        self.flight.set(None);
        let body = match status_of_answer() {
            Ok(200) => body_of_answer(size, self.most),
            Ok(status) => Err(format!("status {status}")),
            Err(why) => Err(why),
        };
        if let Some(loading) = &*self.loading.borrow()
            && let Err(why) = body.and_then(|body| loading.supply(body, &self.key))
        {
            self.failed(loading, metrics, &why, now);
        }
        true
    }

    fn failed(&self, loading: &Loading, metrics: &Metrics, why: &str, now: i64) {
        loading.postpone(now.saturating_add(RETRY));
        loading.refused(metrics, &self.path.borrow(), why);
    }
}
