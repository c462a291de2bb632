//! Messages under construction.

use std::collections::BTreeMap;
use std::mem::take;

use bytes::Bytes;
use rask_proto::{
    Assign, Blocks, Failure, Finished, InlineBuilder, Missing, Pages, PeerAddress, Peers,
    SharedLayer, ToClient, ToWorker, WorkerPage,
};

use crate::HashMap;
use crate::event::{ClientId, Command, WorkerId};
use crate::spare::Spare;

/// What is to be sent at the end of the event.
#[derive(Default)]
pub(crate) struct Outgoing {
    workers: PerWorker,
    clients: BTreeMap<ClientId, ForClient>,
    other: Vec<Command>,
    spare: Spare,
    /// Sent before everything else.
    journal: Vec<Command>,
}

/// What is for each worker. An event has something for one or two, or for many.
#[derive(Default)]
struct PerWorker {
    ids: Vec<WorkerId>,
    /// The first of these are those of `ids`; the rest are empty, to be used again.
    entries: Vec<ForWorker>,
    /// Where the one is that was asked for last.
    last: usize,
    /// Where everybody is, by number.
    listed: Vec<u32>,
    unlisted: HashMap<WorkerId, u32>,
}

/// So many empty entries are kept.
const KEPT_MAX: usize = 4096;
/// In the place of a position: there is nothing for this worker.
const NOWHERE: u32 = u32::MAX;
/// Numbers below this are indices of a list; workers are numbered as they come, so that higher ones
/// are rare.
const LISTED_MAX: u32 = 1 << 22;

impl PerWorker {
    #[inline]
    fn get(&mut self, id: WorkerId) -> &mut ForWorker {
        if self.ids.get(self.last) != Some(&id) {
            self.last = self.find_or_add(id);
        }
        &mut self.entries[self.last]
    }

    fn find_or_add(&mut self, id: WorkerId) -> usize {
        if id.0 >= LISTED_MAX {
            let next = self.ids.len() as u32;
            let at = *self.unlisted.entry(id).or_insert(next);
            if at == next {
                self.add(id);
            }
            return at as usize;
        }
        if self.listed.len() <= id.0 as usize {
            self.listed.resize(id.0 as usize + 1, NOWHERE);
        }
        let at = self.listed[id.0 as usize];
        if at != NOWHERE {
            return at as usize;
        }
        let at = self.add(id);
        self.listed[id.0 as usize] = at as u32;
        at
    }

    fn add(&mut self, id: WorkerId) -> usize {
        let at = self.ids.len();
        self.ids.push(id);
        if self.entries.len() == at {
            self.entries.push(ForWorker::default());
        }
        at
    }

    fn remove(&mut self, id: WorkerId) {
        if self.ids.contains(&id) {
            *self.get(id) = ForWorker::default();
        }
    }

    /// Everything, by worker, in the order in which there was something for them.
    fn flush(&mut self, commands: &mut Vec<Command>) {
        for (entry, id) in self.entries.iter_mut().zip(self.ids.drain(..)) {
            entry.flush(id, commands);
            if let Some(at) = self.listed.get_mut(id.0 as usize) {
                *at = NOWHERE;
            }
        }
        self.entries.truncate(KEPT_MAX);
        self.unlisted.clear();
    }
}

/// For one worker; sent in the order of the fields.
#[derive(Default)]
struct ForWorker {
    peers: Peers,
    unassign: Blocks,
    free: Blocks,
    forget: Vec<u32>,
    layers: Vec<SharedLayer>,
    pages: Vec<WorkerPage>,
    replicate: Vec<Missing>,
    assign: Assign,
}

/// The inputs of a task that is added to an assignment.
pub(crate) struct AssignedInputs<'a>(&'a mut Assign);

impl AssignedInputs<'_> {
    /// One of them: a block, who holds it and its bytes.
    #[inline]
    pub fn push(&mut self, block: (u32, u32), holder: WorkerId, nbytes: u64) {
        let blocks = self.0.inputs.get_or_insert_default();
        blocks.push(block.0, block.1);
        self.0.holders.push(holder.0);
        self.0.input_nbytes.push(nbytes);
    }
}

/// For one client; sent in the order of the fields.
#[derive(Default)]
struct ForClient {
    lost: Blocks,
    finished: Blocks,
    workers: Vec<u32>,
    inline: InlineBuilder,
    cancelled: Blocks,
    erred: Vec<(std::sync::Arc<Failure>, Blocks)>,
}

impl Outgoing {
    /// A message that needs no building.
    pub fn push(&mut self, command: Command) {
        self.other.push(command);
    }

    /// Something to be written down before anybody is told anything.
    pub fn journal(&mut self, client: Option<ClientId>, entry: crate::JournalEntry) {
        self.journal.push(Command::Journal { client, entry });
    }

    /// Where a peer listens.
    pub fn joined_peer(&mut self, worker: WorkerId, peer: PeerAddress) {
        let joined = &mut self.workers.get(worker).peers.joined;
        if joined.capacity() == 0 {
            *joined = self.spare.peers();
        }
        joined.push(peer);
    }

    /// A peer is gone.
    pub fn left_peer(&mut self, worker: WorkerId, peer: WorkerId) {
        self.worker(worker).peers.left.push(peer.0);
    }

    /// Values to hold as well.
    pub fn replicate(&mut self, worker: WorkerId, wish: Missing) {
        self.worker(worker).replicate.push(wish);
    }

    pub fn layer(&mut self, worker: WorkerId, layer: SharedLayer) {
        self.worker(worker).layers.push(layer);
    }

    pub fn page(&mut self, worker: WorkerId, page: WorkerPage) {
        self.worker(worker).pages.push(page);
    }

    pub fn free(&mut self, worker: WorkerId, layer: u32, block: u32) {
        let free = &mut self.workers.get(worker).free;
        if free.layers.capacity() == 0 {
            *free = self.spare.blocks();
        }
        free.push(layer, block);
    }

    /// A task is not the worker's any more, of which it may not have been told that it was.
    pub fn unassign(&mut self, worker: WorkerId, layer: u32, block: u32) {
        let entry = self.worker(worker);
        if !withdraw(&mut entry.assign, (layer, block)) {
            entry.unassign.push(layer, block);
        }
    }

    /// A layer is gone, of which the worker may not have been told.
    pub fn forget_layer(&mut self, worker: WorkerId, layer: u32) {
        let entry = self.worker(worker);
        entry.pages.retain(|page| page.layer != layer);
        match entry.layers.iter().position(|new| new.id == layer) {
            Some(at) => drop(entry.layers.remove(at)),
            None => entry.forget.push(layer),
        }
    }

    /// Adds a task to the assignment; so many inputs are to be added to what is returned.
    #[inline]
    pub fn assign(
        &mut self,
        worker: WorkerId,
        task: (u32, u32),
        (priority, wanted): (u64, bool),
        count: usize,
    ) -> AssignedInputs<'_> {
        let assign = &mut self.workers.get(worker).assign;
        if assign.tasks.is_none() {
            *assign = self.spare.assign();
        }
        assign.tasks.get_or_insert_default().push(task.0, task.1);
        assign.priorities.push(priority);
        assign.wanted.push(wanted);
        assign.input_counts.push(count as u32);
        if count > 0 && assign.inputs.is_none() {
            assign.inputs = Some(self.spare.blocks());
        }
        AssignedInputs(assign)
    }

    pub fn finished(
        &mut self,
        client: ClientId,
        block: (u32, u32),
        worker: WorkerId,
        inline: Option<&Bytes>,
    ) {
        let entry = self.client(client);
        entry.finished.push(block.0, block.1);
        entry.workers.push(worker.0);
        match inline {
            Some(flat) => entry.inline.push_flat(flat),
            None => entry.inline.push_none(),
        }
    }

    pub fn lost(&mut self, client: ClientId, block: (u32, u32)) {
        self.client(client).lost.push(block.0, block.1);
    }

    pub fn cancelled(&mut self, client: ClientId, block: (u32, u32)) {
        self.client(client).cancelled.push(block.0, block.1);
    }

    pub fn erred(
        &mut self,
        client: ClientId,
        block: (u32, u32),
        failure: &std::sync::Arc<Failure>,
    ) {
        let erred = &mut self.client(client).erred;
        match erred.last_mut() {
            Some((last, blocks)) if std::sync::Arc::ptr_eq(last, failure) => {
                blocks.push(block.0, block.1);
            }
            _ => erred.push((failure.clone(), Blocks::from_iter([block]))),
        }
    }

    /// Drops what was to be sent to a worker that is gone.
    pub fn forget_worker(&mut self, worker: WorkerId) {
        self.workers.remove(worker);
    }

    /// Drops what was to be sent to a client that is gone.
    pub fn forget_client(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    /// For how many workers there is something.
    pub fn worker_count(&self) -> usize {
        self.workers.ids.len()
    }

    /// Buffers to be used again.
    pub fn spare(&mut self) -> &mut Spare {
        &mut self.spare
    }

    /// Everything, as commands.
    pub fn flush(&mut self, commands: &mut Vec<Command>) {
        commands.append(&mut self.journal);
        commands.append(&mut self.other);
        self.workers.flush(commands);
        for (client, entry) in std::mem::take(&mut self.clients) {
            let messages = entry.into_messages().into_iter();
            commands.extend(messages.map(|message| Command::ToClient { client, message }));
        }
    }

    fn worker(&mut self, worker: WorkerId) -> &mut ForWorker {
        self.workers.get(worker)
    }

    fn client(&mut self, client: ClientId) -> &mut ForClient {
        self.clients.entry(client).or_default()
    }
}

/// Takes a task out of an assignment; `false` if it is not there.
fn withdraw(assign: &mut Assign, task: (u32, u32)) -> bool {
    let Some(tasks) = &mut assign.tasks else {
        return false;
    };
    let Some(at) = tasks.iter().position(|given| given == task) else {
        return false;
    };
    let first: u32 = assign.input_counts[..at].iter().sum();
    let first = first as usize;
    let inputs = first..first + assign.input_counts[at] as usize;
    tasks.layers.remove(at);
    tasks.blocks.remove(at);
    let is_empty = tasks.is_empty();
    assign.priorities.remove(at);
    assign.wanted.remove(at);
    assign.input_counts.remove(at);
    if let Some(blocks) = &mut assign.inputs {
        blocks.layers.drain(inputs.clone());
        blocks.blocks.drain(inputs.clone());
        assign.holders.drain(inputs.clone());
        assign.input_nbytes.drain(inputs);
    }
    if is_empty {
        *assign = Assign::default();
    }
    true
}

impl ForWorker {
    /// Says everything, and is empty afterwards.
    fn flush(&mut self, worker: WorkerId, commands: &mut Vec<Command>) {
        let mut tell = |message| commands.push(Command::ToWorker { worker, message });
        if !self.peers.joined.is_empty() || !self.peers.left.is_empty() {
            tell(ToWorker::Peers(take(&mut self.peers)));
        }
        if !self.unassign.is_empty() {
            tell(ToWorker::Unassign(take(&mut self.unassign)));
        }
        if !self.free.is_empty() {
            tell(ToWorker::Free(take(&mut self.free)));
        }
        if !self.forget.is_empty() {
            let blocks = self.forget.drain(..).map(|layer| (layer, 0)).collect();
            tell(ToWorker::ForgetLayers(blocks));
        }
        for layer in self.layers.drain(..) {
            tell(ToWorker::Layer(layer));
        }
        if !self.pages.is_empty() {
            let pages = take(&mut self.pages);
            tell(ToWorker::Pages(Pages { pages }));
        }
        for wish in self.replicate.drain(..) {
            tell(ToWorker::Replicate(wish));
        }
        if self.assign.tasks.is_some() {
            tell(ToWorker::Assign(take(&mut self.assign)));
        }
    }
}

impl ForClient {
    fn into_messages(self) -> Vec<ToClient> {
        let mut messages = Vec::new();
        if !self.lost.is_empty() {
            messages.push(ToClient::Lost(self.lost));
        }
        if !self.finished.is_empty() {
            messages.push(ToClient::Finished(Finished {
                blocks: Some(self.finished),
                workers: self.workers,
                inline: Some(self.inline.finish()),
            }));
        }
        if !self.cancelled.is_empty() {
            messages.push(ToClient::Cancelled(self.cancelled));
        }
        messages.extend(self.erred.into_iter().map(|(failure, blocks)| {
            ToClient::Erred(rask_proto::Erred {
                blocks: Some(blocks),
                failure: Some((*failure).clone()),
            })
        }));
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: WorkerId = WorkerId(7);

    fn assign(out: &mut Outgoing, block: u32) {
        let mut inputs = out.assign(WORKER, (2, block), (0, false), block as usize);
        (0..block).for_each(|input| inputs.push((1, input), WORKER, 8));
    }

    #[test]
    fn what_is_taken_back_before_it_was_sent_is_not_sent() {
        let mut out = Outgoing::default();
        (0..4).for_each(|block| assign(&mut out, block));
        out.unassign(WORKER, 2, 2);
        out.unassign(WORKER, 2, 9);
        out.layer(WORKER, SharedLayer::default());
        out.forget_layer(WORKER, 0);
        out.forget_layer(WORKER, 5);
        let mut commands = Vec::new();
        out.flush(&mut commands);
        let messages = commands.into_iter().map(|command| match command {
            Command::ToWorker { message, .. } => message,
            other => panic!("{other:?}"),
        });
        let messages: Vec<ToWorker> = messages.collect();
        let [
            ToWorker::Unassign(unassign),
            ToWorker::ForgetLayers(forget),
            ToWorker::Assign(sent),
        ] = &messages[..]
        else {
            panic!("{messages:?}");
        };
        assert_eq!(*unassign, Blocks::from_iter([(2, 9)]));
        assert_eq!(*forget, Blocks::from_iter([(5, 0)]));
        let tasks = sent.tasks.clone().unwrap_or_default();
        assert_eq!(tasks, Blocks::from_iter([(2, 0), (2, 1), (2, 3)]));
        assert_eq!(sent.input_counts, [0, 1, 3]);
        let inputs = sent.inputs.clone().unwrap_or_default();
        assert_eq!(inputs.blocks, [0, 0, 1, 2]);
        assert_eq!((sent.holders.len(), sent.input_nbytes.len()), (4, 4));
    }

    #[test]
    fn an_assignment_of_which_all_is_taken_back_is_not_sent() {
        let mut out = Outgoing::default();
        assign(&mut out, 3);
        out.unassign(WORKER, 2, 3);
        let mut commands = Vec::new();
        out.flush(&mut commands);
        assert_eq!(commands, []);
    }
}
