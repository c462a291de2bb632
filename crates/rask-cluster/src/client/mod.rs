//! The client: submits layers, follows the blocks it wants, fetches results.
//!
//! Methods may be called from any thread. Those that wait take a time limit and return when it has
//! passed, so that a caller can look for signals in between.

mod entries;
mod events;
mod fetch;
mod link;
mod outgoing;
mod pickled;
mod queue;
mod remote;
mod session;
mod state;
mod submit;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rask_proto::{
    Answer, AnswerBody, Blocks, Cancel, Failure, FromClient, LayerSpec, Packed, QueryBody, Submit,
    ToClient,
};
use rask_value::OwnEncoded;
use rask_wire::{Address, Security};

use self::link::Link;
use self::outgoing::{Leaves, Pending};
use self::state::State;
use crate::ClusterError;
use crate::peer::PeerPool;
use crate::scheduler::SchedulerHandle;

pub use events::{Followed, Follower};
pub use pickled::{plan_from_bytes, plan_to_bytes};
pub use queue::CompletionQueue;
pub use session::Identity;
pub use state::{BlockKey, BlockStatus, Gathered};
pub(crate) use submit::HELD_KIND;
pub use submit::{SubmitOptions, held_op, register_codecs};

/// A connection to a scheduler; clones share it.
#[derive(Clone)]
pub struct ClusterClient {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    /// Something in `state` changed that a waiting caller may wait for.
    changed: Condvar,
    /// Held while references change and the scheduler is told, so that it is told in that order.
    pending: Mutex<Pending>,
    /// Held while messages leave, so that they leave in the order in which they were said. Empty
    /// otherwise.
    sending: Mutex<Vec<FromClient>>,
    link: Link,
    address: String,
    peers: PeerPool,
    runtime: tokio::runtime::Handle,
    stop: tokio::sync::Notify,
    /// Blocks to be released when messages leave.
    releases: Mutex<Vec<BlockKey>>,
    /// The network thread is to see to it that messages leave.
    soon: tokio::sync::Notify,
}

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Done,
    /// The time was up first.
    NotYet,
}

impl ClusterClient {
    /// Connects to a scheduler elsewhere.
    pub fn connect(address: &Address, security: &Security) -> Result<Self, ClusterError> {
        Self::connect_as(Identity::default(), address, security)
    }

    /// Connects to a scheduler elsewhere as somebody.
    pub fn connect_as(
        identity: Identity,
        address: &Address,
        security: &Security,
    ) -> Result<Self, ClusterError> {
        link::connect(identity, address, security)
    }

    /// A client in the scheduler's own process.
    pub fn attach(scheduler: &SchedulerHandle, security: &Security) -> Result<Self, ClusterError> {
        Self::attach_as(Identity::default(), scheduler, security)
    }

    /// A client in the scheduler's own process, as somebody.
    pub fn attach_as(
        identity: Identity,
        scheduler: &SchedulerHandle,
        security: &Security,
    ) -> Result<Self, ClusterError> {
        link::attach(identity, scheduler, security)
    }

    /// Whether both are one connection.
    pub fn is_same(&self, other: &ClusterClient) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The scheduler's address.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Submits layers; `submit.wanted` names positions in them. Returns the wanted blocks in the
    /// client's numbering; each is referred to once more, until it is [released](Self::release).
    pub fn submit(&self, mut submit: Submit) -> Vec<BlockKey> {
        let mut pending = self.shared.pending.lock();
        let keys = self.refer_to_wanted(&mut submit);
        let leaves = pending.push(FromClient::Submit(submit));
        drop(pending);
        self.shared.leave(leaves);
        keys
    }

    /// Refers to what a submission wants; numbers its layers.
    fn refer_to_wanted(&self, submit: &mut Submit) -> Vec<BlockKey> {
        let Submit { layers, wanted, .. } = submit;
        let Some(wanted) = wanted else {
            return Vec::new();
        };
        let mut keys = Vec::with_capacity(wanted.len());
        let mut state = self.shared.state.lock();
        let mut blocks = wanted.blocks.as_slice();
        for run in wanted.layers.chunk_by(|left, right| left == right) {
            let (of_layer, rest) = blocks.split_at(run.len().min(blocks.len()));
            blocks = rest;
            let Some(spec) = layers.get_mut(run[0] as usize) else {
                continue;
            };
            if spec.id == 0 {
                spec.id = state.number(&spec.name);
            }
            let of_layer = of_layer.iter().copied();
            keys.extend(of_layer.clone().map(|block| (spec.id, block)));
            state.refer_to_wanted(spec.id, of_layer);
        }
        keys
    }

    /// What has been submitted leaves now, for others to know of it.
    pub fn flush(&self) {
        self.shared.hurry();
    }

    /// The number of a layer that the client refers to.
    pub fn find_number(&self, name: &str) -> Option<u32> {
        self.shared.state.lock().find_number(name)
    }

    /// A layer of which the scheduler knows the name.
    pub fn remote_layer(name: &str) -> LayerSpec {
        LayerSpec {
            name: name.to_owned(),
            remote: true,
            ..LayerSpec::default()
        }
    }

    /// Refers to a block that the scheduler knows by the name of its layer, until it is
    /// [released](Self::release); its number here.
    pub fn known(&self, name: &str, block: u32) -> Option<BlockKey> {
        let submit = Submit {
            layers: vec![Self::remote_layer(name)],
            wanted: Some(Blocks::from_iter([(0, block)])),
            ..Submit::default()
        };
        self.submit(submit).first().copied()
    }

    /// Refers to a block once more.
    pub fn refer(&self, key: BlockKey) {
        self.shared.state.lock().refer(key.0, [key.1]);
    }

    /// Refers to blocks once less each; those not referred to any more are told to the scheduler.
    pub fn release(&self, keys: &[BlockKey]) {
        self.shared.releases.lock().extend(keys);
        self.shared.leave(Leaves::Now);
    }

    /// Refers to a block once less, some time soon: for destructors, which must be quick.
    pub fn release_later(&self, key: BlockKey) {
        let mut releases = self.shared.releases.lock();
        releases.push(key);
        if releases.len() == 1 {
            self.shared.leave(Leaves::Soon);
        }
    }

    /// Releases at once what [`release_later`](Self::release_later) was called for.
    pub fn release_now(&self) {
        self.shared.leave(Leaves::Now);
    }

    /// Whether something refers to the block.
    pub fn refers(&self, key: BlockKey) -> bool {
        self.shared.state.lock().find(key).is_some()
    }

    /// How a block is.
    pub fn status(&self, key: BlockKey) -> BlockStatus {
        self.shared.state.lock().status(key)
    }

    /// Why a block failed, if it did.
    pub fn failure(&self, key: BlockKey) -> Option<Arc<Failure>> {
        self.shared.state.lock().failure(key)
    }

    /// Waits until all of `keys` are done (finished, failed or cancelled).
    pub fn wait_all(&self, keys: &[BlockKey], limit: Duration) -> Result<Waited, ClusterError> {
        let mut next = 0;
        self.wait_until(limit, |state| {
            while next < keys.len() && state.status(keys[next]).is_done() {
                next += 1;
            }
            (next == keys.len()).then_some(())
        })
        .map(|done| done.map_or(Waited::NotYet, |()| Waited::Done))
    }

    /// Puts `token` into `queue` when the block is done, at once if it is.
    pub fn watch(&self, key: BlockKey, queue: &Arc<CompletionQueue>, token: u64) {
        self.shared.state.lock().watch(key, queue, token);
        self.shared.hurry();
    }

    /// The encoded values of blocks, waiting for those that are not done. `None` when the time is
    /// up. Failed and cancelled blocks are told as such.
    pub fn gather(
        &self,
        keys: &[BlockKey],
        limit: Duration,
    ) -> Result<Option<Vec<Gathered>>, ClusterError> {
        fetch::gather(&self.shared, keys, limit)
    }

    /// Cancels blocks; with `force` also for other clients. They stay cancelled: the same submitted
    /// again has other keys, unless other blocks of its layer are still wanted.
    pub fn cancel(&self, keys: &[BlockKey], force: bool) {
        let mut pending = self.shared.pending.lock();
        let blocks = self.shared.state.lock().cancel(keys);
        pending.add(FromClient::Cancel(Cancel {
            blocks: Some(blocks),
            force,
            by_another: false,
        }));
        drop(pending);
        self.shared.changed.notify_all();
        self.shared.leave(Leaves::Now);
    }

    /// Runs failed blocks again.
    pub fn retry(&self, keys: &[BlockKey]) {
        let keys = self.shared.state.lock().retry(keys);
        self.shared.say(FromClient::Retry(keys));
    }

    /// Asks the scheduler something.
    pub fn ask(&self, body: QueryBody, limit: Duration) -> Result<AnswerBody, ClusterError> {
        let id = self.begin_question(body);
        let answer = self.wait_answer(id, limit);
        self.shared.state.lock().end_query(id);
        answer?.ok_or(ClusterError::Timeout(limit.as_secs_f64()))
    }

    /// Asks the scheduler something that it may answer much later; the question's number.
    pub fn begin_question(&self, body: QueryBody) -> u64 {
        let query = self.shared.state.lock().begin_query(body);
        let id = query.id;
        self.shared.say(FromClient::Query(query));
        id
    }

    /// Waits for the answer to a question; `None` if it has not come yet.
    pub fn wait_answer(
        &self,
        id: u64,
        limit: Duration,
    ) -> Result<Option<AnswerBody>, ClusterError> {
        let answer = self.wait_until(limit, |state| state.take_answer(id))?;
        let Some(Answer { body, .. }) = answer else {
            return Ok(None);
        };
        self.shared.state.lock().end_query(id);
        let body = body.ok_or(ClusterError::Unexpected("an empty answer"))?;
        Ok(Some(body))
    }

    /// Runs an op once on the worker at `address`, outside the graph.
    pub fn run_on(
        &self,
        address: &str,
        op: Packed,
    ) -> Result<Result<OwnEncoded, Box<Failure>>, ClusterError> {
        fetch::run_on(&self.shared, address, op)
    }

    /// Why the connection ended, if it has.
    pub fn closed(&self) -> Option<String> {
        self.shared.state.lock().closed.clone()
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.shared.leave(Leaves::Now);
        self.shared.on_closed("the client was closed");
        self.shared.link.close();
        self.shared.stop.notify_one();
    }

    /// Waits until `find` finds something; `None` when the time is up.
    fn wait_until<T>(
        &self,
        limit: Duration,
        find: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<Option<T>, ClusterError> {
        self.shared.wait_until(limit, find)
    }
}

impl Shared {
    fn wait_until<T>(
        &self,
        limit: Duration,
        mut find: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<Option<T>, ClusterError> {
        self.hurry();
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        loop {
            if let Some(found) = find(&mut state) {
                return Ok(Some(found));
            }
            if let Some(reason) = &state.closed {
                return Err(ClusterError::Disconnected {
                    address: self.address.clone(),
                    reason: reason.clone(),
                });
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return Ok(find(&mut state));
            }
        }
    }

    /// Takes in what the scheduler says.
    fn on_message(&self, message: ToClient) {
        let left = match &message {
            ToClient::Peers(peers) => peers.left.clone(),
            _ => Vec::new(),
        };
        let mut state = self.state.lock();
        let gone = left.iter().filter_map(|worker| state.peers.get(worker));
        let gone: Vec<String> = gone.cloned().collect();
        state.on_message(message);
        drop(state);
        // Who waits for values from there is not to wait until the connection ends by itself.
        for address in gone {
            self.peers.forget(&address);
        }
        self.changed.notify_all();
    }

    fn on_closed(&self, reason: &str) {
        self.state.lock().on_closed(reason);
        self.changed.notify_all();
    }
}
