//! Values that peers of this host have made of parts, and lent whole: their parts are then here,
//! without being asked for one by one or copied.

use std::time::{Duration, Instant};

use foldhash::HashMap;
use parking_lot::Mutex;
use rask_exec::Fetch;
use rask_proto::PeerData;
use rask_value::{ValueRef, codec};

use super::Shared;
use crate::convert::unpack;

/// What nobody has taken a part of for so long is given back.
const UNUSED_MAX: Duration = Duration::from_secs(1);

/// By holder and key. What is taken of a value keeps its memory, not its entry here.
#[derive(Default)]
pub(super) struct Borrowed(Mutex<HashMap<(u32, u64), Entry>>);

struct Entry {
    whole: ValueRef,
    used: Instant,
}

impl Borrowed {
    /// A part of a value, if it is lent by the worker that it is to come from.
    pub fn find_part(&self, fetch: &Fetch) -> Option<ValueRef> {
        let number = fetch.part.checked_sub(1)?;
        let mut entries = self.0.lock();
        let entry = entries.get_mut(&(fetch.holder, fetch.key))?;
        entry.used = Instant::now();
        entry.whole.view_of_part(number)
    }

    fn put(&self, fetch: &Fetch, whole: ValueRef) {
        let used = Instant::now();
        let entry = Entry { whole, used };
        let before = self.0.lock().insert((fetch.holder, fetch.key), entry);
        drop(before);
    }

    /// Takes out what is of no use any more, to be dropped where nobody waits for it.
    pub fn take_unused(&self, all: bool) -> Vec<ValueRef> {
        let mut entries = self.0.lock();
        let is_unused = |entry: &mut Entry| all || entry.used.elapsed() > UNUSED_MAX;
        let taken = entries.extract_if(|_, entry| is_unused(entry));
        taken.map(|(_, entry)| entry.whole).collect()
    }
}

impl Shared {
    /// Takes in what was lent whole in an answer. Finding a value's pages takes a moment.
    pub(super) fn borrow_wholes(&self, data: &mut PeerData, fetches: &[Fetch]) {
        for at in std::mem::take(&mut data.wholes) {
            let place = data.found.iter().position(|&found| found == at);
            let (Some(place), Some(fetch)) = (place, fetches.get(at as usize)) else {
                continue;
            };
            data.found.remove(place);
            let packed = data.values.remove(place);
            match codec::decode_value(&unpack(packed)) {
                Ok(whole) => self.borrowed.put(fetch, whole),
                Err(error) => tracing::warn!(%error, "what a peer has lent cannot be read"),
            }
        }
    }

    /// Gives back what was lent here and is not used.
    pub(super) fn return_unused(&self) {
        let all = !self.core.lock().has_ample_memory();
        let unused = self.borrowed.take_unused(all);
        if !unused.is_empty() {
            tokio::task::spawn_blocking(move || drop(unused));
        }
    }
}
