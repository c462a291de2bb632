//! A scheduler that is started again, and peers whose connections ended and came back.
//!
//! What clients say that changes what is to be done goes to the journal ([`Command::Journal`]), and
//! so does what cannot be found out again: failures, and how often tasks have raised or workers died
//! while they ran. After a restart the shell has it said again ([`Scheduler::replay`]), before any worker is there; then workers come back and say what they
//! hold ([`Holdings`]), which is believed, and clients, who are told how everything is that they
//! want. Until the workers are back ([`Event::RecoveryEnded`](crate::Event::RecoveryEnded)) nothing
//! is handed out, so that nothing is made anew that somebody still holds.

use std::sync::Arc;

use rask_proto::{Blocks, Failure, FromClient, Hello, Holdings, TaskFailed, TaskTroubles};

use crate::event::{ClientId, Event, JournalEntry, Time, WorkerId};
use crate::scheduler::{NOBODY, Scheduler};
use crate::state::{Task, TaskId, TaskState};

impl Scheduler {
    /// Takes in again what a client said before a restart; `numbers` are those that the layers of
    /// a submission had.
    pub fn replay(&mut self, now: Time, client: ClientId, message: FromClient, numbers: &[u32]) {
        let journal = std::mem::take(&mut self.settings.journal);
        self.known_numbers = Some(numbers.to_vec());
        // Nobody is there to be told anything.
        self.on_event(now, Event::FromClient { client, message }, &mut Vec::new());
        self.known_numbers = None;
        self.settings.journal = journal;
    }

    /// A task had failed for good before a restart.
    pub fn replay_failure(&mut self, failed: TaskFailed) {
        let Some(id) = self.find_task(failed.layer, failed.block) else {
            return;
        };
        if self.tasks.get(id).state.is_pending() {
            let failure = Arc::new(failed.failure.unwrap_or_default());
            let journal = std::mem::take(&mut self.settings.journal);
            self.transition_pending_erred(id, &failure);
            self.settle();
            self.shares.settle();
            self.settings.journal = journal;
            self.out.flush(&mut Vec::new());
        }
    }

    /// A task was to be run again before a restart: what it had been through.
    pub fn replay_troubles(&mut self, troubles: &TaskTroubles) {
        if let Some(id) = self.find_task(troubles.layer, troubles.block) {
            let task = self.tasks.get_mut(id);
            let (retries, count) = (troubles.retries.try_into(), troubles.raised.try_into());
            // Never more than it was submitted with, whoever wrote it.
            task.retries = task.retries.min(retries.unwrap_or(u8::MAX));
            task.raised = count.unwrap_or(u8::MAX);
            task.deaths = troubles.deaths.try_into().unwrap_or(u8::MAX);
        }
    }

    /// Tasks that nobody waits for had ended before a restart.
    pub fn replay_forgotten(&mut self, blocks: &Blocks) {
        for (layer, block) in blocks.iter() {
            if let Some(id) = self.find_task(layer, block) {
                self.tasks.retain_wanted_by(id, |client| client != NOBODY);
                self.settle.push(id);
            }
        }
        self.settle();
        self.shares.settle();
        self.out.flush(&mut Vec::new());
    }

    /// Hands out nothing until [`Event::RecoveryEnded`](crate::Event::RecoveryEnded).
    pub fn begin_recovery(&mut self) {
        self.recovering = true;
    }

    /// Whether a layer of this name is known: what is not need not be remembered.
    pub fn knows_layer(&self, name: &str) -> bool {
        self.layers.find_number(name).is_some()
    }

    /// Those of these blocks, in this scheduler's numbering, that are known.
    pub fn keep_known(&self, blocks: &Blocks) -> Blocks {
        let known = blocks.iter();
        known
            .filter(|&(layer, block)| self.find_task(layer, block).is_some())
            .collect()
    }

    /// Whether the client wants a block, in its own numbering.
    pub fn is_wanted_by(&self, client: ClientId, number: u32, block: u32) -> bool {
        let layer = self.clients.find_layer(client, number);
        let task = layer.and_then(|layer| self.find_task(layer, block));
        task.is_some_and(|id| self.tasks.wanted_by(id).contains(&client))
    }

    /// Whether a number of the client's stands for a layer.
    pub fn knows_number(&self, client: ClientId, number: u32) -> bool {
        self.clients.find_layer(client, number).is_some()
    }

    /// Failed tasks that somebody wants, as they are remembered.
    pub fn failures(&self) -> Vec<TaskFailed> {
        let erred = self.tasks.iter().filter_map(|(id, task)| {
            Some(TaskFailed {
                layer: task.layer,
                block: task.block,
                failure: Some(Failure::clone(self.tasks.failure(id)?)),
            })
        });
        erred.collect()
    }

    /// What tasks that are run again have been through, as it is remembered.
    pub fn troubles(&self) -> Vec<TaskTroubles> {
        let tasks = self.tasks.iter();
        let troubled = tasks.filter(|(_, task)| {
            task.state != TaskState::Erred && (task.raised > 0 || task.deaths > 0)
        });
        troubled.map(|(_, task)| note_troubles(task)).collect()
    }

    /// Writes down what a task that is run again has been through.
    pub(crate) fn journal_troubles(&mut self, id: TaskId) {
        if self.settings.journal {
            let entry = JournalEntry::Troubled(note_troubles(self.tasks.get(id)));
            self.out.journal(None, entry);
        }
    }

    /// Writes down that a task failed for good.
    pub(crate) fn journal_failure(&mut self, id: TaskId, failure: &Failure) {
        if !self.settings.journal {
            return;
        }
        let task = self.tasks.get(id);
        let entry = JournalEntry::Failed(Box::new(TaskFailed {
            layer: task.layer,
            block: task.block,
            failure: Some(failure.clone()),
        }));
        self.out.journal(None, entry);
    }

    /// Writes down that a task that nobody waits for has ended.
    pub(crate) fn journal_forgotten(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        if self.settings.journal && self.tasks.wanted_by(id).contains(&NOBODY) {
            let blocks = Blocks::from_iter([(task.layer, task.block)]);
            self.out.journal(None, JournalEntry::Forgotten(blocks));
        }
    }

    pub(crate) fn on_hello(&mut self, client: ClientId, hello: Hello) {
        if !hello.share.is_empty() {
            self.join_share(client, &hello.share);
        }
        if let Some(client) = self.clients.by_id.get_mut(&client) {
            client.hello = hello;
        }
    }

    /// Tells a client that is back how everything is that it wants.
    pub(crate) fn on_client_resumed(&mut self, client: ClientId) {
        self.tell_all_peers(client);
        self.repeat_answers(client);
        self.repeat_cancelled(client);
        for id in self.wanted_tasks(client) {
            match self.tasks.get(id).state {
                TaskState::Memory => self.tell_again(client, id),
                TaskState::Erred => self.tell_erred(id),
                _ => {}
            }
        }
    }

    /// A worker that is back has these values, and runs these tasks.
    pub(crate) fn on_holdings(&mut self, worker: WorkerId, holdings: &Holdings) {
        for &number in &holdings.layers {
            match self.layers.find(number) {
                None => self.out.forget_layer(worker, number),
                Some(_) => {
                    self.note_shipped(worker, number);
                }
            }
        }
        let held = holdings.held.iter().flat_map(Blocks::iter);
        for ((layer, block), &nbytes) in held.zip(&holdings.nbytes) {
            match self.find_task(layer, block) {
                Some(id) => self.on_value(worker, id, nbytes, None),
                None => self.out.free(worker, layer, block),
            }
        }
        for (layer, block) in holdings.running.iter().flat_map(Blocks::iter) {
            match self.find_task(layer, block) {
                Some(id) => {
                    self.pardon(id);
                    self.adopt_running(id, worker);
                }
                None => self.out.unassign(worker, layer, block),
            }
        }
        if let Some(absent) = &holdings.absent {
            self.on_seceded(worker, absent);
        }
    }

    /// The worker of a task that was blamed for its death was taken for dead, and is not. After a restart
    /// none has been yet.
    fn pardon(&mut self, id: TaskId) {
        let task = self.tasks.get_mut(id);
        if task.deaths > 0 && !self.recovering {
            task.deaths -= 1;
            self.journal_troubles(id);
        }
    }

    /// A task that is to be run is running already.
    fn adopt_running(&mut self, id: TaskId, worker: WorkerId) {
        let task = self.tasks.get(id);
        match task.state {
            TaskState::Waiting | TaskState::Queued | TaskState::Placed => {
                self.leave_queues(id);
                self.take_over(id, worker);
            }
            TaskState::Assigned if task.worker() == worker => {}
            _ => self.out.unassign(worker, task.layer, task.block),
        }
    }
}

fn note_troubles(task: &Task) -> TaskTroubles {
    TaskTroubles {
        layer: task.layer,
        block: task.block,
        retries: task.retries.into(),
        raised: task.raised.into(),
        deaths: task.deaths.into(),
    }
}
