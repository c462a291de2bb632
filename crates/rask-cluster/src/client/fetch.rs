//! Results from where they are: with the message that they are there, or from a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use rask_proto::{
    Failure, FetchFailed, FromClient, FromPeer, GetData, Inline, Packed, RunRequest, ToPeer,
};
use rask_value::OwnEncoded;

use super::Shared;
use super::state::{BlockKey, BlockStatus, Gathered, State};
use crate::ClusterError;
use crate::convert::unpack;

/// Before asking again for a value that a worker did not hand over.
const RETRY: Duration = Duration::from_millis(20);
/// Most values asked for in one request.
const REQUEST_COUNT_MAX: usize = 4096;

/// What is left to do for a gather.
struct Pending {
    outcomes: Vec<Option<Gathered>>,
    next: usize,
}

pub(super) fn gather(
    shared: &Arc<Shared>,
    keys: &[BlockKey],
    limit: Duration,
) -> Result<Option<Vec<Gathered>>, ClusterError> {
    let deadline = Instant::now() + limit;
    let mut pending = Pending {
        outcomes: (0..keys.len()).map(|_| None).collect(),
        next: 0,
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        pending.next = 0;
        let remote = shared.wait_until(left, |state| {
            all_done(state, keys, &mut pending).then(|| collect(state, keys, &mut pending))
        })?;
        let Some(remote) = remote else {
            return Ok(None);
        };
        if remote.is_empty() {
            return Ok(Some(pending.outcomes.into_iter().flatten().collect()));
        }
        if !fetch_all(shared, keys, remote, &mut pending) {
            std::thread::sleep(RETRY.min(deadline.saturating_duration_since(Instant::now())));
        }
    }
}

fn all_done(state: &State, keys: &[BlockKey], pending: &mut Pending) -> bool {
    while pending.next < keys.len()
        && (pending.outcomes[pending.next].is_some() || state.status(keys[pending.next]).is_done())
    {
        pending.next += 1;
    }
    pending.next == keys.len()
}

/// Takes what is here; returns positions of what is not, by holder.
fn collect(state: &State, keys: &[BlockKey], pending: &mut Pending) -> HashMap<u32, Vec<usize>> {
    let mut remote: HashMap<u32, Vec<usize>> = HashMap::default();
    for (at, &key) in keys.iter().enumerate() {
        if pending.outcomes[at].is_some() {
            continue;
        }
        let entry = state.find(key);
        let inline = entry.and_then(|entry| entry.inline().cloned());
        pending.outcomes[at] = match (state.status(key), inline) {
            (BlockStatus::Finished, Some(flat)) => {
                let packed = Inline::read(flat).ok();
                // Small, and here for whoever asks next.
                packed.map(|packed| Gathered::Value(OwnEncoded::copy_of(unpack(packed))))
            }
            (BlockStatus::Finished, None) => None,
            (BlockStatus::Erred, _) => state.failure(key).map(Gathered::Failed),
            _ => Some(Gathered::Cancelled),
        };
        if pending.outcomes[at].is_none() {
            let holder = entry.map_or(0, |entry| entry.holder);
            remote.entry(holder).or_default().push(at);
        }
    }
    remote
}

/// Fetches from all holders at once; whether everything came.
fn fetch_all(
    shared: &Arc<Shared>,
    keys: &[BlockKey],
    remote: HashMap<u32, Vec<usize>>,
    pending: &mut Pending,
) -> bool {
    let (done, results) = std::sync::mpsc::channel();
    let mut request_count = 0;
    for (holder, positions) in remote {
        for positions in positions.chunks(REQUEST_COUNT_MAX) {
            request_count += 1;
            let positions = positions.to_vec();
            let names = layer_names(shared, keys, &positions);
            let (shared, done) = (shared.clone(), done.clone());
            shared.runtime.clone().spawn(async move {
                let answer = ask(&shared, holder, names).await;
                // The gathering thread waits for every request.
                let _ = done.send((holder, positions, answer));
            });
        }
    }
    let mut complete = true;
    for (holder, positions, answer) in results.iter().take(request_count) {
        complete &= take_in(shared, keys, (holder, &positions), answer, pending);
    }
    complete
}

/// Blocks by layer name, since the worker does not know the client's numbers.
fn layer_names(
    shared: &Shared,
    keys: &[BlockKey],
    positions: &[usize],
) -> (Vec<String>, rask_proto::Blocks) {
    let state = shared.state.lock();
    let mut names = Vec::new();
    let mut numbers: HashMap<u32, u32> = HashMap::default();
    let blocks = positions.iter().map(|&at| {
        let (layer, block) = keys[at];
        let position = *numbers.entry(layer).or_insert_with(|| {
            names.push(state.layer_name(layer).unwrap_or_default());
            names.len() as u32 - 1
        });
        (position, block)
    });
    let blocks = blocks.collect();
    (names, blocks)
}

async fn ask(
    shared: &Shared,
    holder: u32,
    (layer_names, blocks): (Vec<String>, rask_proto::Blocks),
) -> Option<rask_proto::PeerData> {
    let address = shared.state.lock().peers.get(&holder).cloned()?;
    let wanted = GetData {
        blocks: Some(blocks),
        layer_names,
        ..GetData::default()
    };
    shared.peers.get_data(&address, wanted).await
}

/// Takes an answer; what is missing in it becomes pending again, and the scheduler is told.
fn take_in(
    shared: &Shared,
    keys: &[BlockKey],
    (holder, positions): (u32, &[usize]),
    answer: Option<rask_proto::PeerData>,
    pending: &mut Pending,
) -> bool {
    let data = answer.unwrap_or_default();
    for (found, value) in data.found.iter().zip(data.values) {
        if let Some(&at) = positions.get(*found as usize) {
            pending.outcomes[at] = Some(Gathered::Value(received(value)));
        }
    }
    for (failed, reason) in data.failed.iter().zip(data.reasons) {
        if let Some(&at) = positions.get(*failed as usize) {
            let failure = Failure {
                message: reason,
                ..Failure::default()
            };
            pending.outcomes[at] = Some(Gathered::Failed(Arc::new(failure)));
        }
    }
    let missing: rask_proto::Blocks = positions
        .iter()
        .filter(|&&at| pending.outcomes[at].is_none())
        .map(|&at| keys[at])
        .collect();
    if missing.is_empty() {
        return true;
    }
    {
        let mut state = shared.state.lock();
        for key in missing.iter() {
            state.on_fetch_failed(key);
        }
    }
    shared.say(FromClient::FetchFailed(FetchFailed {
        blocks: Some(missing),
        worker: holder,
    }));
    false
}

/// What a peer has sent to this client.
fn received(packed: Packed) -> OwnEncoded {
    // SAFETY: a reader takes memory for each frame that comes, of which each buffer is a part of its
    // own; what is lent instead is seen privately by this client (`View::Private`), and apart from
    // other buffers. The answer went to whoever asked, and nobody keeps it.
    unsafe { OwnEncoded::new(unpack(packed)) }
}

/// Runs an op once on a worker.
pub(super) fn run_on(
    shared: &Arc<Shared>,
    address: &str,
    op: Packed,
) -> Result<Result<OwnEncoded, Box<Failure>>, ClusterError> {
    let (done, result) = std::sync::mpsc::channel();
    let (worker, address) = (shared.clone(), address.to_owned());
    shared.runtime.spawn(async move {
        let request = |id| FromPeer::Run(RunRequest { id, op: Some(op) });
        let answer = worker.peers.ask(&address, request).await;
        // The calling thread waits for it.
        let _ = done.send(answer);
    });
    let answer = result
        .recv()
        .map_err(|_| ClusterError::Unexpected("no answer"))??;
    let ToPeer::Ran(reply) = answer else {
        return Err(ClusterError::Unexpected("data"));
    };
    match (reply.value, reply.failure) {
        (Some(value), _) => Ok(Ok(received(value))),
        (None, Some(failure)) => Ok(Err(Box::new(failure))),
        (None, None) => Err(ClusterError::Unexpected("an empty reply")),
    }
}
