//! What a client knows of the blocks it refers to.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use foldhash::HashMap;
use rask_proto::{
    Answer, Blocks, Capabilities, Failure, Finished, FromClient, Query, QueryBody, Rejected,
    ToClient,
};
use rask_value::OwnEncoded;

use super::CompletionQueue;
use super::entries::{BlockEntry, LayerEntry};
use super::events::Routes;

/// A block: the client's number of its layer, and the block's number.
pub type BlockKey = (u32, u32);

/// How a block is, as far as the client has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatus {
    Pending,
    Finished,
    Erred,
    Cancelled,
    /// The connection ended before it was done.
    Lost,
}

impl BlockStatus {
    /// Whether nothing more is to come.
    pub fn is_done(self) -> bool {
        self != BlockStatus::Pending
    }

    /// Dask's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            BlockStatus::Pending => "pending",
            BlockStatus::Finished => "finished",
            BlockStatus::Erred => "error",
            BlockStatus::Cancelled => "cancelled",
            BlockStatus::Lost => "lost",
        }
    }
}

/// What `gather` got for a block.
#[derive(Debug)]
pub enum Gathered {
    Value(OwnEncoded),
    Failed(Arc<Failure>),
    Cancelled,
}

/// All of it.
#[derive(Default)]
pub(crate) struct State {
    layers: HashMap<u32, LayerEntry>,
    numbers: HashMap<Arc<str>, u32>,
    last_number: u32,
    last_query: u64,
    answers: HashMap<u64, Answer>,
    /// Not answered yet.
    queries: HashMap<u64, Query>,
    /// Where the answers to some of them go.
    routes: Routes,
    /// What the scheduler and the client are both capable of.
    pub capabilities: Capabilities,
    /// Addresses of the workers.
    pub peers: HashMap<u32, String>,
    pub closed: Option<String>,
}

/// Memory for so many layers is ready before there are any.
const PREPARED: u32 = 448;

impl State {
    /// Has memory ready before it is needed: what is new to the process is slow the first time.
    pub fn prepare(&mut self) {
        let name: Arc<str> = Arc::default();
        for number in 0..PREPARED {
            self.layers.insert(number, LayerEntry::new(name.clone()));
        }
        self.layers.clear();
        self.numbers.reserve(PREPARED as usize);
    }

    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        self.last_number += 1;
        let name: Arc<str> = name.into();
        self.numbers.insert(name.clone(), self.last_number);
        self.layers.insert(self.last_number, LayerEntry::new(name));
        self.last_number
    }

    pub fn find_number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub fn layer_name(&self, number: u32) -> Option<String> {
        Some(self.layers.get(&number)?.name.to_string())
    }

    pub fn begin_query(&mut self, body: QueryBody) -> Query {
        self.last_query += 1;
        let query = Query {
            id: self.last_query,
            body: Some(body),
        };
        self.queries.insert(query.id, query.clone());
        query
    }

    /// As `begin_query`; the answer goes to `sender`.
    pub fn begin_routed(&mut self, body: QueryBody, sender: Sender<Answer>) -> Query {
        let query = self.begin_query(body);
        if self.closed.is_none() {
            self.routes.insert(query.id, sender);
        } else {
            // Without a body: there will be none.
            let id = query.id;
            let _ = sender.send(Answer { id, body: None });
        }
        query
    }

    pub fn end_query(&mut self, id: u64) {
        self.queries.remove(&id);
    }

    pub fn take_answer(&mut self, id: u64) -> Option<Answer> {
        self.answers.remove(&id)
    }

    /// Refers to blocks of a layer once more each.
    pub fn refer(&mut self, layer: u32, blocks: impl IntoIterator<Item = u32>) {
        if let Some(layer) = self.layers.get_mut(&layer) {
            blocks.into_iter().for_each(|block| layer.refer(block));
        }
    }

    /// As `refer`, since they are submitted: what was cancelled is wanted again.
    pub fn refer_to_wanted(&mut self, layer: u32, blocks: impl IntoIterator<Item = u32>) {
        if let Some(layer) = self.layers.get_mut(&layer) {
            for block in blocks {
                layer.refer(block);
                layer.revive(block);
            }
        }
    }

    /// Blocks that are not referred to any more, and layers none of whose blocks are.
    pub fn release(&mut self, keys: &[BlockKey]) -> (Blocks, Blocks) {
        let mut blocks = Blocks::default();
        let mut layers = Blocks::default();
        for &(number, block) in keys {
            let Some(layer) = self.layers.get_mut(&number) else {
                continue;
            };
            if !layer.release(block) {
                continue;
            }
            let has_name = self.numbers.get(&layer.name) == Some(&number);
            // Without its name the layer is cancelled, and may be wanted under another number.
            if has_name {
                blocks.push(number, block);
            }
            if has_name && layer.is_cancelled() {
                self.numbers.remove(&layer.name);
            }
            if layer.is_unused() {
                self.layers.remove(&number);
                layers.push(number, 0);
            }
        }
        (blocks, layers)
    }

    pub fn find(&self, (layer, block): BlockKey) -> Option<&BlockEntry> {
        self.layers.get(&layer)?.find(block)
    }

    fn find_mut(&mut self, (layer, block): BlockKey) -> Option<&mut BlockEntry> {
        self.layers.get_mut(&layer)?.find_mut(block)
    }

    pub fn status(&self, key: BlockKey) -> BlockStatus {
        let known = self.find(key).map(|entry| entry.status);
        known.unwrap_or(BlockStatus::Cancelled)
    }

    pub fn failure(&self, key: BlockKey) -> Option<Arc<Failure>> {
        self.find(key)?.failure()
    }

    pub fn watch(&mut self, key: BlockKey, queue: &Arc<CompletionQueue>, token: u64) {
        match self.find_mut(key) {
            Some(entry) if !entry.status.is_done() => {
                entry.detail().watchers.push((queue.clone(), token));
            }
            _ => queue.push(token),
        }
    }

    /// Blocks are cancelled, and stay so; those of which the scheduler has to be told.
    pub fn cancel(&mut self, keys: &[BlockKey]) -> Blocks {
        let mut told = Blocks::default();
        for &(number, block) in keys {
            self.become_cancelled((number, block));
            let name = self.layers.get(&number).map(|layer| &layer.name);
            let current = name.and_then(|name| self.numbers.get(name));
            // What has been submitted anew under another number is not meant.
            if current.is_none_or(|&current| current == number) {
                told.push(number, block);
            }
        }
        self.unname_cancelled(keys);
        told
    }

    /// Layers of which everything is cancelled lose their names: submitted again, they get other
    /// numbers. So what is cancelled stays so, and nothing that is still said of it is taken for
    /// something about the new ones.
    fn unname_cancelled(&mut self, keys: &[BlockKey]) {
        for run in keys.chunk_by(|left, right| left.0 == right.0) {
            let number = run[0].0;
            let Some(layer) = self.layers.get(&number) else {
                continue;
            };
            if layer.is_cancelled() && self.numbers.get(&layer.name) == Some(&number) {
                self.numbers.remove(&layer.name);
            }
        }
    }

    /// Blocks that failed are to run again; those that did.
    pub fn retry(&mut self, keys: &[BlockKey]) -> Blocks {
        let mut failed = Blocks::default();
        for &key in keys {
            if let Some(entry) = self.find_mut(key)
                && entry.status == BlockStatus::Erred
            {
                entry.status = BlockStatus::Pending;
                entry.detail = None;
                failed.push(key.0, key.1);
            }
        }
        failed
    }

    /// A value that was said to be there could not be fetched.
    pub fn on_fetch_failed(&mut self, key: BlockKey) {
        if let Some(entry) = self.find_mut(key)
            && entry.status != BlockStatus::Cancelled
        {
            entry.status = BlockStatus::Pending;
            entry.set_inline(None);
        }
    }

    pub fn on_closed(&mut self, reason: &str) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(reason.to_owned());
        for (id, sender) in std::mem::take(&mut self.routes) {
            let _ = sender.send(Answer { id, body: None });
        }
        let pending: Vec<BlockKey> = self
            .layers
            .iter()
            .flat_map(|(&layer, entry)| entry.blocks().map(move |block| (layer, block)))
            .filter(|&key| self.status(key) == BlockStatus::Pending)
            .collect();
        for key in pending {
            self.become_done(key, BlockStatus::Lost);
        }
    }

    /// There is a new connection: values are where the scheduler says anew, and questions that
    /// were not answered are to be asked again.
    pub fn on_resumed(&mut self) -> Vec<Query> {
        self.peers.clear();
        let entries = self.layers.values_mut();
        for entry in entries.flat_map(LayerEntry::entries_mut) {
            let is_here = entry.inline().is_some();
            if matches!(entry.status, BlockStatus::Finished) && !is_here {
                entry.status = BlockStatus::Pending;
            }
        }
        let queries = self.queries.values().cloned();
        queries
            .filter(|query| !FromClient::Query(query.clone()).is_kept())
            .collect()
    }

    pub fn on_message(&mut self, message: ToClient) {
        match message {
            ToClient::Peers(peers) => {
                for peer in peers.joined {
                    self.peers.insert(peer.worker, peer.to_text());
                }
                for worker in peers.left {
                    self.peers.remove(&worker);
                }
            }
            ToClient::Finished(finished) => self.on_finished(&finished),
            ToClient::Erred(erred) => {
                let failure = Arc::new(erred.failure.unwrap_or_default());
                self.on_erred(&erred.blocks.unwrap_or_default(), &failure);
            }
            ToClient::Rejected(rejected) => self.on_rejected(rejected),
            ToClient::Lost(blocks) => {
                for key in blocks.iter() {
                    self.on_fetch_failed(key);
                }
            }
            ToClient::Cancelled(blocks) => {
                let keys: Vec<BlockKey> = blocks.iter().collect();
                for &key in &keys {
                    self.become_cancelled(key);
                }
                self.unname_cancelled(&keys);
            }
            ToClient::Welcome(_) | ToClient::Received(_) => {}
            ToClient::Answer(answer) => {
                // One that is not waited for any more, or that comes twice, is of no use.
                if let Some(sender) = self.routes.remove(&answer.id) {
                    self.queries.remove(&answer.id);
                    // Nobody may wait for it any more.
                    let _ = sender.send(answer);
                } else if self.queries.contains_key(&answer.id) {
                    self.answers.insert(answer.id, answer);
                }
            }
        }
    }

    fn on_finished(&mut self, finished: &Finished) {
        let Ok(entries) = finished.try_entries() else {
            tracing::error!("the scheduler sent columns that do not fit each other");
            return;
        };
        for (key, holder, inline) in entries {
            if let Some(entry) = self.find_mut(key)
                && entry.status != BlockStatus::Cancelled
            {
                entry.holder = holder;
                if inline.is_some() {
                    entry.set_inline(inline);
                }
            }
            self.become_done(key, BlockStatus::Finished);
        }
    }

    fn on_erred(&mut self, blocks: &Blocks, failure: &Arc<Failure>) {
        for key in blocks.iter() {
            if let Some(entry) = self.find_mut(key)
                && entry.status != BlockStatus::Cancelled
            {
                entry.detail().failure = Some(failure.clone());
            }
            self.become_done(key, BlockStatus::Erred);
        }
    }

    fn on_rejected(&mut self, rejected: Rejected) {
        let failure = Failure {
            message: rejected.reason,
            ..Failure::default()
        };
        let blocks = rejected.blocks.unwrap_or_default();
        self.on_erred(&blocks, &Arc::new(failure));
    }

    fn become_cancelled(&mut self, (layer, block): BlockKey) {
        let layer = self.layers.get_mut(&layer);
        for (queue, token) in layer.map_or_else(Vec::new, |layer| layer.cancel(block)) {
            queue.push(token);
        }
    }

    fn become_done(&mut self, key: BlockKey, status: BlockStatus) {
        if let Some(entry) = self.find_mut(key)
            && entry.status != BlockStatus::Cancelled
        {
            entry.status = status;
            for (queue, token) in entry.take_watchers() {
                queue.push(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(state: &mut State, name: &str, blocks: &[u32]) -> Vec<BlockKey> {
        let number = state.number(name);
        state.refer_to_wanted(number, blocks.iter().copied());
        blocks.iter().map(|&block| (number, block)).collect()
    }

    fn finish(state: &mut State, keys: &[BlockKey]) {
        state.on_message(ToClient::Finished(Finished {
            blocks: Some(keys.iter().copied().collect()),
            workers: vec![1; keys.len()],
            inline: None,
        }));
    }

    #[test]
    fn what_is_cancelled_stays_so_and_is_another_when_it_is_submitted_again() {
        let mut state = State::default();
        let first = submit(&mut state, "x", &[0]);
        assert_eq!(state.cancel(&first), first.iter().copied().collect());
        let second = submit(&mut state, "x", &[0]);
        assert_ne!(first, second);
        // On its way since before it was cancelled.
        finish(&mut state, &first);
        assert_eq!(state.status(first[0]), BlockStatus::Cancelled);
        assert_eq!(state.status(second[0]), BlockStatus::Pending);
        finish(&mut state, &second);
        assert_eq!(state.status(second[0]), BlockStatus::Finished);
        // Once more, or given up: the new one is not meant.
        assert!(state.cancel(&first).is_empty());
        let layers = Blocks::from_iter([(first[0].0, 0)]);
        assert_eq!(state.release(&first), (Blocks::default(), layers));
        assert_eq!(state.status(second[0]), BlockStatus::Finished);
        assert_eq!(state.find_number("x"), Some(second[0].0));
    }

    #[test]
    fn one_of_several_that_is_cancelled_and_submitted_again_is_the_same_again() {
        let mut state = State::default();
        let keys = submit(&mut state, "x", &[0, 1]);
        state.cancel(&keys[..1]);
        state.refer(keys[0].0, [0]);
        finish(&mut state, &keys);
        assert_eq!(state.status(keys[0]), BlockStatus::Cancelled);
        assert_eq!(submit(&mut state, "x", &[0]), keys[..1]);
        assert_eq!(state.status(keys[0]), BlockStatus::Pending);
        finish(&mut state, &keys[..1]);
        assert_eq!(state.status(keys[0]), BlockStatus::Finished);
    }

    #[test]
    fn what_others_cancel_is_another_when_it_is_submitted_again() {
        let mut state = State::default();
        let keys = submit(&mut state, "x", &[0, 1]);
        let cancelled = keys.iter().copied().collect();
        state.on_message(ToClient::Cancelled(cancelled));
        assert_ne!(submit(&mut state, "x", &[0]), keys[..1]);
        assert!(state.retry(&keys).is_empty());
        assert_eq!(state.status(keys[1]), BlockStatus::Cancelled);
    }
}
