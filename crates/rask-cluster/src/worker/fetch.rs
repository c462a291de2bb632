//! Values from peers: one request a holder for all that is wanted of it. Parts of values that are
//! here come the same way, without the request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use foldhash::HashMap;
use rask_exec::Fetch;
use rask_proto::{FromWorker, GetData, PeerData};
use rask_value::ValueRef;

use super::Shared;
use super::core::key_of;
use super::job::{Effects, Fetched, Found};
use super::parts::{Wanted, try_take};

/// Most values asked for in one request.
const REQUEST_COUNT_MAX: usize = 256;

/// Fetches what the books name, whenever it is told that there is something.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.fetch_wanted.notified().await;
        let mut effects = Effects::default();
        let wanted = shared.core.lock().take_fetches(&mut effects);
        shared.settle(effects);
        for (holder, mut fetches) in wanted {
            let is_here = holder == shared.core.lock().own_number;
            if is_here {
                take_from_here(&shared, holder, &fetches);
                continue;
            }
            take_borrowed(&shared, holder, &mut fetches);
            for fetches in fetches.chunks(REQUEST_COUNT_MAX) {
                tokio::spawn(fetch(shared.clone(), holder, fetches.to_vec()));
            }
        }
    }
}

/// Takes the parts whose values are lent here. The others are left.
fn take_borrowed(shared: &Shared, holder: u32, fetches: &mut Vec<Fetch>) {
    let mut taken = Vec::new();
    let mut found = HashMap::default();
    fetches.retain(|fetch| {
        let Some(part) = shared.borrowed.find_part(fetch) else {
            return true;
        };
        found.insert(taken.len() as u32, part);
        taken.push(*fetch);
        false
    });
    if !taken.is_empty() {
        shared.count_incoming(taken.iter().map(|fetch| fetch.nbytes).sum());
        take_in(shared, holder, &taken, found);
    }
}

async fn fetch(shared: Arc<Shared>, holder: u32, fetches: Vec<Fetch>) {
    let address = shared.core.lock().peers.get(&holder).cloned();
    let answer = match address {
        None => None,
        Some(address) => ask(&shared, holder, &address, &fetches).await,
    };
    let found = match answer {
        Some(data) if data.wholes.is_empty() => shared.read_answer(data, &fetches),
        Some(data) => {
            let (own, asked) = (shared.clone(), fetches.clone());
            let read = move || own.read_answer(data, &asked);
            let read = tokio::task::spawn_blocking(read).await;
            read.unwrap_or_default()
        }
        None => HashMap::default(),
    };
    take_in(&shared, holder, &fetches, found);
}

async fn ask(shared: &Shared, holder: u32, address: &str, fetches: &[Fetch]) -> Option<PeerData> {
    let keys = fetches.iter().map(|fetch| key_of(fetch.key));
    let takes_parts = fetches.iter().any(|fetch| fetch.part > 0);
    let wanted = GetData {
        blocks: Some(keys.collect()),
        parts: match takes_parts {
            true => fetches.iter().map(|fetch| fetch.part).collect(),
            false => Vec::new(),
        },
        takes_wholes: takes_parts && shared.has_ample_memory(),
        ..GetData::default()
    };
    let asked = Instant::now();
    let data = shared.peers.get_data(address, wanted).await?;
    let nbytes = data.values.iter().map(|packed| packed.nbytes()).sum();
    shared.measured.add(holder, nbytes, asked.elapsed());
    Some(data)
}

impl Shared {
    fn count_incoming(&self, nbytes: u64) {
        let incoming = &self.transferred.incoming;
        incoming.fetch_add(nbytes, Ordering::Relaxed);
    }

    /// The values of an answer by position, parts of what was lent whole among them. Finding the pages
    /// of what was lent takes a moment.
    fn read_answer(&self, mut data: PeerData, fetches: &[Fetch]) -> HashMap<u32, ValueRef> {
        let has_lent = !data.wholes.is_empty();
        self.borrow_wholes(&mut data, fetches);
        let mut nbytes: u64 = data.values.iter().map(|packed| packed.nbytes()).sum();
        let values = data.values.into_iter();
        let values = values.map(|packed| Arc::new(Fetched(packed)) as ValueRef);
        let mut found: HashMap<u32, ValueRef> = data.found.into_iter().zip(values).collect();
        if has_lent {
            for (at, fetch) in (0u32..).zip(fetches) {
                if !found.contains_key(&at)
                    && let Some(part) = self.borrowed.find_part(fetch)
                {
                    nbytes += fetch.nbytes;
                    found.insert(at, part);
                }
            }
        }
        self.count_incoming(nbytes);
        found
    }
}

/// Parts of values that are held here. The network does not wait for the disk.
fn take_from_here(shared: &Arc<Shared>, holder: u32, fetches: &[Fetch]) {
    let is_on_disk = |fetch: &&Fetch| {
        let place = shared.core.lock().find_value(key_of(fetch.key));
        matches!(place, Some(Found::Disk(_)))
    };
    let (on_disk, here): (Vec<&Fetch>, Vec<&Fetch>) = fetches.iter().partition(is_on_disk);
    take(
        shared,
        holder,
        &here.into_iter().copied().collect::<Vec<_>>(),
    );
    // Few threads: each of them would have a stack and free lists of its own.
    let on_disk: Vec<Fetch> = on_disk.into_iter().copied().collect();
    for fetches in on_disk.chunks(REQUEST_COUNT_MAX) {
        let (shared, fetches) = (shared.clone(), fetches.to_vec());
        tokio::task::spawn_blocking(move || take(&shared, holder, &fetches));
    }
}

fn take(shared: &Shared, holder: u32, fetches: &[Fetch]) {
    let may_view = shared.core.lock().has_ample_memory();
    let values = fetches.iter().enumerate().filter_map(|(at, fetch)| {
        let place = shared.core.lock().find_value(key_of(fetch.key))?;
        let wanted = Wanted::from_number(fetch.part);
        let taken = try_take(&shared.disk, &place, wanted, may_view);
        Some((at as u32, taken.ok()?))
    });
    take_in(shared, holder, fetches, values.collect());
}

/// Notes what came, by position among the fetches, and what did not.
fn take_in(shared: &Shared, holder: u32, fetches: &[Fetch], mut found: HashMap<u32, ValueRef>) {
    let mut effects = Effects::default();
    let mut core = shared.core.lock();
    let mut missing = Vec::new();
    for (at, fetch) in fetches.iter().enumerate() {
        match found.remove(&(at as u32)) {
            Some(value) => core.on_fetched(fetch, value, &mut effects),
            None => missing.push(*fetch),
        }
    }
    let arrived = std::mem::take(&mut effects.arrived);
    let failed = core.on_fetch_failed(holder, &missing, &mut effects);
    let is_for_many = core.ready_count() > 1;
    drop(core);
    shared.follow(effects);
    if is_for_many {
        shared.work.notify_all();
    }
    if !arrived.is_empty() {
        let blocks = arrived.into_iter().map(|(key, _)| key).collect();
        shared.tell(FromWorker::Fetched(blocks));
    }
    if !missing.is_empty() {
        shared.tell(FromWorker::Missing(failed));
    }
}
