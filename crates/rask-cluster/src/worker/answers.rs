//! What peers and clients ask of a worker: values, and calls outside of the graph.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rask_proto::{FromPeer, GetData, PeerData, RunReply, RunRequest, ToPeer, Wire};
use rask_value::{Inputs, TaskContext, TaskError, codec};
use rask_wire::{Incoming, Listener};
use tokio::sync::Semaphore;

use super::Shared;
use super::core::Key;
use super::job::Found;
use super::lending::{self, Lendings, Wholes};
use super::parts::{Wanted, try_pack};
use crate::calls::{IncomingCall, ServiceEvent};
use crate::convert::{failure_from_task, pack, unpack};
use crate::segments;

/// A peer that has not read this much of its answers waits before it gets others.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Most requests of a peer that are answered at a time.
const ENCODER_COUNT_MAX: usize = 16;
/// Most values of an answer that is given by the network thread itself.
const AT_ONCE_COUNT_MAX: usize = 8;
/// The asker of what was lent goes on first.
const SETTLE_DELAY: Duration = Duration::from_millis(2);
/// Most bytes of such an answer that go through the connection.
const AT_ONCE_BYTES_MAX: u64 = 64 << 10;

/// Answers whoever connects.
pub(super) async fn take_peers(shared: Arc<Shared>, listener: Listener) {
    loop {
        match listener.next().await {
            Ok(incoming) => {
                tokio::spawn(serve_peer(shared.clone(), incoming));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(super::serve::CONNECT_RETRY).await;
            }
        }
    }
}

async fn serve_peer(shared: Arc<Shared>, incoming: Incoming) {
    let Ok(mut connection) = incoming.accept().await else {
        return;
    };
    let lent = Lendings::default();
    let encoders = Arc::new(Semaphore::new(ENCODER_COUNT_MAX));
    while let Ok(frame) = connection.reader.read().await {
        let Ok(message) = FromPeer::try_from_frame(frame) else {
            break;
        };
        let shared = shared.clone();
        let lent = lent.clone();
        let sender = connection.sender.clone();
        let message = match message {
            FromPeer::Call(call) => {
                let call = IncomingCall::new(call, sender);
                shared.calls.push(ServiceEvent::Call(call));
                continue;
            }
            FromPeer::Mapped(id) => {
                let lent = lent.end(id);
                if !lent.is_empty() {
                    tokio::spawn(async move {
                        tokio::time::sleep(SETTLE_DELAY).await;
                        tokio::task::spawn_blocking(move || lending::settle(lent));
                    });
                }
                continue;
            }
            message => message,
        };
        // A peer that asks for more than it reads waits.
        sender.wait_for_room(ANSWER_BYTES_MAX).await;
        if let FromPeer::GetData(get) = &message
            && let Some(data) = try_answer_at_once(&shared, get, &lent)
        {
            sender.send(ToPeer::Data(data).into_frame());
            continue;
        }
        let place = match &message {
            FromPeer::GetData(_) => encoders.clone().acquire_owned().await.ok(),
            _ => None,
        };
        // Encoding may need the interpreter, which the network never waits for.
        tokio::task::spawn_blocking(move || {
            let answer = match message {
                FromPeer::GetData(get) => ToPeer::Data(answer(&shared, &get, &lent)),
                FromPeer::Run(request) => ToPeer::Ran(run_once(request)),
                FromPeer::Call(_) | FromPeer::Mapped(_) => return,
            };
            sender.send(answer.into_frame());
            drop(place);
        });
    }
    connection.sender.close();
}

/// The answer, if giving it takes no time: whole values in memory that are bytes already, and that
/// are small or lie where they can be lent.
fn try_answer_at_once(shared: &Shared, get: &GetData, lendings: &Lendings) -> Option<PeerData> {
    let count = get
        .blocks
        .as_ref()
        .map_or(0, |blocks| blocks.iter().count());
    if count > AT_ONCE_COUNT_MAX || get.parts.iter().any(|&part| part > 0) {
        return None;
    }
    let is_same_host = is_same_host(get);
    let mut data = PeerData {
        id: get.id,
        ..PeerData::default()
    };
    let mut copied_bytes = 0;
    for (at, found) in find_wanted(shared, get).into_iter().enumerate() {
        let (_, found) = found?;
        let Found::Memory(value) = found else {
            return None;
        };
        let packed = pack(value.encode_at_once()?);
        if !(is_same_host && lending::is_lendable(&packed)) {
            copied_bytes += packed.nbytes();
        }
        data.found.push(at as u32);
        data.values.push(packed);
    }
    (copied_bytes <= AT_ONCE_BYTES_MAX).then(|| {
        finish_answer(shared, &mut data, is_same_host, lendings);
        data
    })
}

/// The answer; encoding may need the interpreter, and values may have to be copied or read from disk.
fn answer(shared: &Shared, get: &GetData, lendings: &Lendings) -> PeerData {
    let is_same_host = is_same_host(get);
    let mut data = PeerData {
        id: get.id,
        ..PeerData::default()
    };
    let mut wholes = Wholes::new(get.takes_wholes && is_same_host && shared.has_ample_memory());
    for (at, found) in find_wanted(shared, get).into_iter().enumerate() {
        let Some((key, found)) = found else {
            continue;
        };
        let wanted = Wanted::from_number(get.parts.get(at).copied().unwrap_or(0));
        if wholes.try_lend(key, &found, wanted, at as u32, &mut data) {
            continue;
        }
        match try_pack(&shared.disk, &found, wanted) {
            Ok(packed) => {
                data.found.push(at as u32);
                data.values.push(match (found, wanted) {
                    (Found::Memory(value), Wanted::Whole) if is_same_host => {
                        shared.put_into_segment(key, value, packed)
                    }
                    _ => packed,
                });
            }
            Err(error) => {
                data.failed.push(at as u32);
                data.reasons.push(error.to_string());
            }
        }
    }
    finish_answer(shared, &mut data, is_same_host, lendings);
    data
}

fn finish_answer(shared: &Shared, data: &mut PeerData, is_same_host: bool, lendings: &Lendings) {
    let values = data.found.iter().zip(&data.values);
    let parts = values.filter(|(at, _)| !data.wholes.contains(at));
    let nbytes = parts.map(|(_, packed)| packed.nbytes()).sum();
    let outgoing = &shared.transferred.outgoing;
    outgoing.fetch_add(nbytes, Ordering::Relaxed);
    if is_same_host {
        lendings.lend(data);
    }
}

fn is_same_host(get: &GetData) -> bool {
    !get.host.is_empty() && get.host == segments::host()
}

/// What is asked for, as far as it is here.
fn find_wanted(shared: &Shared, get: &GetData) -> Vec<Option<(Key, Found)>> {
    let core = shared.core.lock();
    let numbers = match get.layer_names.is_empty() {
        true => None,
        false => Some(core.numbers_of(&get.layer_names)),
    };
    let keys = get.blocks.iter().flat_map(|blocks| blocks.iter());
    let find = |(layer, block): Key| {
        let number = match &numbers {
            None => Some(layer),
            Some(numbers) => numbers.get(layer as usize).copied().flatten(),
        };
        let key = (number?, block);
        Some((key, core.find_value(key)?))
    };
    keys.map(find).collect()
}

/// Runs an op outside the graph.
fn run_once(request: RunRequest) -> RunReply {
    let outcome = (|| {
        let packed = request.op.unwrap_or_default();
        let op = codec::decode_op(&unpack(packed))?;
        let context = TaskContext {
            layer: "run",
            grid: &rask_graph::Grid::scalar(),
            block: 0,
        };
        let value = op.run(context, Inputs::new())?;
        Ok::<_, TaskError>(pack(value.encode()?))
    })();
    let (value, failure) = match outcome {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(failure_from_task(&error, "run", 0))),
    };
    RunReply {
        id: request.id,
        value,
        failure,
    }
}
