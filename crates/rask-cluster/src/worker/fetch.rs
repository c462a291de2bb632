//! Values from peers: one request a holder for all that is wanted of it.

use std::sync::Arc;

use foldhash::HashMap;
use rask_exec::Fetch;
use rask_proto::{FromPeer, FromWorker, GetData, Packed, ToPeer};

use super::Shared;
use super::job::Effects;

/// Most values asked for in one request.
const REQUEST_COUNT_MAX: usize = 256;

/// Fetches what the books name, whenever it is told that there is something.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.fetch_wanted.notified().await;
        let mut effects = Effects::default();
        let wanted = shared.core.lock().take_fetches(&mut effects);
        shared.follow(effects);
        for (holder, fetches) in wanted {
            for fetches in fetches.chunks(REQUEST_COUNT_MAX) {
                tokio::spawn(fetch(shared.clone(), holder, fetches.to_vec()));
            }
        }
    }
}

async fn fetch(shared: Arc<Shared>, holder: u32, fetches: Vec<Fetch>) {
    let address = shared.core.lock().peers.get(&holder).cloned();
    let answer = match address {
        None => None,
        Some(address) => {
            let keys = fetches.iter();
            let keys = keys.map(|fetch| ((fetch.key >> 32) as u32, fetch.key as u32));
            let request = |id| {
                FromPeer::GetData(GetData {
                    id,
                    blocks: Some(keys.clone().collect()),
                    layer_names: Vec::new(),
                })
            };
            shared.peers.ask(&address, request).await.ok()
        }
    };
    let found: HashMap<u32, Packed> = match answer {
        Some(ToPeer::Data(data)) => data.found.into_iter().zip(data.values).collect(),
        _ => HashMap::default(),
    };
    take_in(&shared, holder, &fetches, found);
}

/// Notes what came, by position among the fetches, and what did not.
fn take_in(shared: &Shared, holder: u32, fetches: &[Fetch], mut found: HashMap<u32, Packed>) {
    let mut effects = Effects::default();
    let mut core = shared.core.lock();
    let mut missing = Vec::new();
    for (at, fetch) in fetches.iter().enumerate() {
        match found.remove(&(at as u32)) {
            Some(packed) => core.on_fetched(fetch, packed, &mut effects),
            None => missing.push(*fetch),
        }
    }
    let arrived = std::mem::take(&mut effects.arrived);
    let failed = core.on_fetch_failed(holder, &missing, &mut effects);
    drop(core);
    shared.follow(effects);
    shared.work.notify_all();
    if !arrived.is_empty() {
        let blocks = arrived.into_iter().map(|(key, _)| key).collect();
        shared.tell(FromWorker::Fetched(blocks));
    }
    if !missing.is_empty() {
        shared.tell(FromWorker::Missing(failed));
    }
}
