//! Values from peers: one request a holder for all that is wanted of it.

use std::sync::Arc;

use rask_proto::{FromPeer, FromWorker, GetData, Packed, ToPeer};

use super::Shared;
use super::core::Key;

/// Most values asked for in one request.
const REQUEST_COUNT_MAX: usize = 256;

/// Fetches what `Core::to_fetch` names, whenever it is told that there is something.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.fetch_wanted.notified().await;
        let wanted = std::mem::take(&mut shared.core.lock().to_fetch);
        for (holder, keys) in wanted {
            for keys in keys.chunks(REQUEST_COUNT_MAX) {
                tokio::spawn(fetch(shared.clone(), holder, keys.to_vec()));
            }
        }
    }
}

async fn fetch(shared: Arc<Shared>, holder: u32, keys: Vec<Key>) {
    let address = shared.core.lock().peers.get(&holder).cloned();
    let answer = match address {
        None => None,
        Some(address) => {
            let request = |id| {
                FromPeer::GetData(GetData {
                    id,
                    blocks: Some(keys.iter().copied().collect()),
                    layer_names: Vec::new(),
                })
            };
            shared.peers.ask(&address, request).await.ok()
        }
    };
    let found: Vec<(Key, Packed)> = match answer {
        Some(ToPeer::Data(data)) => {
            let positions = data.found.iter().map(|&at| keys.get(at as usize).copied());
            let pairs = positions.zip(data.values);
            pairs
                .filter_map(|(key, value)| Some((key?, value)))
                .collect()
        }
        _ => Vec::new(),
    };
    take_in(&shared, holder, &keys, found);
}

fn take_in(shared: &Shared, holder: u32, keys: &[Key], found: Vec<(Key, Packed)>) {
    let mut core = shared.core.lock();
    let missing: Vec<Key> = keys
        .iter()
        .copied()
        .filter(|key| !found.iter().any(|(there, _)| there == key))
        .collect();
    let (kept, ready) = core.on_fetched(found);
    let failed = core.on_fetch_failed(holder, &missing);
    drop(core);
    if ready > 0 {
        shared.work.notify_all();
    }
    if !kept.is_empty() {
        shared.tell(FromWorker::Fetched(kept));
    }
    if !failed.holders.is_empty() {
        shared.tell(FromWorker::Missing(failed));
    }
}
