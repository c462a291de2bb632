//! Messages under construction.

use std::collections::BTreeMap;
use std::mem::take;

use bytes::Bytes;
use rask_proto::{
    Assign, Blocks, Failure, Finished, InlineBuilder, Missing, Pages, PeerAddress, Peers, ToClient,
    ToWorker, WorkerLayer, WorkerPage,
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
    /// Where everybody is, once there are many.
    positions: HashMap<WorkerId, usize>,
}

/// Up to so many are looked through.
const FEW: usize = 16;

impl PerWorker {
    #[inline]
    fn get(&mut self, id: WorkerId) -> &mut ForWorker {
        if self.ids.get(self.last) != Some(&id) {
            self.last = self.find_or_add(id);
        }
        &mut self.entries[self.last]
    }

    fn find_or_add(&mut self, id: WorkerId) -> usize {
        let found = match self.positions.is_empty() {
            true => self.ids.iter().position(|known| *known == id),
            false => self.positions.get(&id).copied(),
        };
        if let Some(at) = found {
            return at;
        }
        let at = self.ids.len();
        self.ids.push(id);
        if self.entries.len() == at {
            self.entries.push(ForWorker::default());
        }
        if at == FEW {
            let ids = self.ids.iter().enumerate();
            self.positions.extend(ids.map(|(at, id)| (*id, at)));
        } else if at > FEW {
            self.positions.insert(id, at);
        }
        at
    }

    fn remove(&mut self, id: WorkerId) {
        if self.ids.contains(&id) {
            *self.get(id) = ForWorker::default();
        }
    }

    /// Everything, in the order of the workers.
    fn flush(&mut self, commands: &mut Vec<Command>) {
        if let [worker] = self.ids[..] {
            self.entries[0].flush(worker, commands);
        } else {
            let mut order: Vec<usize> = (0..self.ids.len()).collect();
            order.sort_unstable_by_key(|&at| self.ids[at]);
            for at in order {
                self.entries[at].flush(self.ids[at], commands);
            }
        }
        self.ids.clear();
        self.entries.truncate(FEW);
        if !self.positions.is_empty() {
            self.positions = HashMap::default();
        }
    }
}

/// For one worker; sent in the order of the fields.
#[derive(Default)]
struct ForWorker {
    peers: Peers,
    unassign: Blocks,
    free: Blocks,
    forget: Vec<u32>,
    layers: Vec<WorkerLayer>,
    pages: Vec<WorkerPage>,
    replicate: Vec<Missing>,
    assign: Assign,
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
        self.worker(worker).peers.joined.push(peer);
    }

    /// A peer is gone.
    pub fn left_peer(&mut self, worker: WorkerId, peer: WorkerId) {
        self.worker(worker).peers.left.push(peer.0);
    }

    /// Values to hold as well.
    pub fn replicate(&mut self, worker: WorkerId, wish: Missing) {
        self.worker(worker).replicate.push(wish);
    }

    pub fn layer(&mut self, worker: WorkerId, layer: WorkerLayer) {
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

    pub fn unassign(&mut self, worker: WorkerId, layer: u32, block: u32) {
        self.worker(worker).unassign.push(layer, block);
    }

    pub fn forget_layer(&mut self, worker: WorkerId, layer: u32) {
        self.worker(worker).forget.push(layer);
    }

    /// Begins a task of the assignment; its inputs follow.
    pub fn assign(&mut self, worker: WorkerId, task: (u32, u32), priority: u64, wanted: bool) {
        let assign = &mut self.workers.get(worker).assign;
        if assign.tasks.is_none() {
            *assign = self.spare.assign();
        }
        assign.tasks.get_or_insert_default().push(task.0, task.1);
        assign.priorities.push(priority);
        assign.wanted.push(wanted);
        assign.input_counts.push(0);
    }

    /// One input of the task begun last.
    pub fn assign_input(
        &mut self,
        worker: WorkerId,
        input: (u32, u32),
        holder: WorkerId,
        nbytes: u64,
    ) {
        let assign = &mut self.workers.get(worker).assign;
        let spare = &mut self.spare;
        let inputs = assign.inputs.get_or_insert_with(|| spare.blocks());
        inputs.push(input.0, input.1);
        assign.holders.push(holder.0);
        assign.input_nbytes.push(nbytes);
        if let Some(count) = assign.input_counts.last_mut() {
            *count += 1;
        }
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
