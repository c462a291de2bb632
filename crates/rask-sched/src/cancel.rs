//! What clients cancel.
//!
//! A client knows what it has cancelled itself and is not told: it may have submitted the same again
//! by then. The others are told, and told again when they come back after a while, until they say
//! something of the block themselves.

use rask_proto::{Blocks, Cancel, ToWorker};
use smallvec::SmallVec;

use crate::event::{ClientId, Command};
use crate::scheduler::{NOBODY, Scheduler};
use crate::state::{TaskId, TaskState};

impl Scheduler {
    pub(crate) fn on_cancel(&mut self, client: ClientId, cancel: &Cancel) {
        let Some(blocks) = &cancel.blocks else { return };
        if cancel.by_another {
            self.note_cancelled(client, blocks.iter());
        } else {
            self.forget_cancelled(client, blocks);
        }
        for id in self.tasks_of(client, blocks) {
            let mut others: SmallVec<[ClientId; 2]> = SmallVec::new();
            self.tasks.retain_wanted_by(id, |wanting| {
                let is_own = wanting == client || wanting == NOBODY;
                if cancel.force && !is_own {
                    others.push(wanting);
                }
                !(cancel.force || is_own)
            });
            let task = self.tasks.get(id);
            let (layer, block) = (task.layer, task.block);
            if cancel.force && task.state == TaskState::Assigned && !task.is_needed() {
                self.out.push(Command::ToWorker {
                    worker: task.worker(),
                    message: ToWorker::Kill(Blocks::from_iter([(layer, block)])),
                });
            }
            for other in others {
                self.tell_cancelled(other, id);
            }
            self.settle.push(id);
        }
    }

    /// Tells a client that somebody else has cancelled what it wanted.
    pub(crate) fn tell_cancelled(&mut self, client: ClientId, id: TaskId) {
        let task = self.tasks.get(id);
        if let Some(number) = self.clients.find_number(client, task.layer) {
            let key = (number, task.block);
            self.out.cancelled(client, key);
            self.note_cancelled(client, [key]);
        }
    }

    fn note_cancelled(&mut self, client: ClientId, keys: impl IntoIterator<Item = (u32, u32)>) {
        if let Some(client) = self.clients.by_id.get_mut(&client) {
            client.cancelled.extend(keys);
        }
    }

    /// The client speaks of these blocks: it need not be told of what was before.
    pub(crate) fn forget_cancelled(&mut self, client: ClientId, blocks: &Blocks) {
        if let Some(client) = self.clients.by_id.get_mut(&client)
            && !client.cancelled.is_empty()
        {
            for key in blocks.iter() {
                client.cancelled.remove(&key);
            }
        }
    }

    /// What others have cancelled, of which the client may not have heard.
    pub fn cancelled_by_others(&self, client: ClientId) -> Blocks {
        let client = self.clients.by_id.get(&client);
        let cancelled = client.map(|client| client.cancelled.iter().copied().collect());
        cancelled.unwrap_or_default()
    }

    /// Tells a client that is back what others have cancelled.
    pub(crate) fn repeat_cancelled(&mut self, client: ClientId) {
        for key in self.cancelled_by_others(client).iter() {
            self.out.cancelled(client, key);
        }
    }
}
