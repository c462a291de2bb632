//! What clients say.

use rask_proto::{Blocks, FetchFailed, FromClient};

use crate::event::{ClientId, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{Client, NO_TASK, TaskId, TaskState};
use crate::topics::text;

impl Scheduler {
    pub(crate) fn on_client_joined(&mut self, client: ClientId) {
        let own = Client {
            share: self.shares.join_common(),
            ..Client::default()
        };
        self.clients.by_id.insert(client, own);
        self.join_share(client, "");
        self.tell_all_peers(client);
        self.log_action(
            &["all"],
            "add-client",
            vec![text("client", client.0.to_string())],
        );
    }

    /// Whatever the client wanted is wanted no more.
    pub(crate) fn on_client_left(&mut self, client: ClientId) {
        for id in self.wanted_tasks(client) {
            self.unwant(client, id);
        }
        self.end_coordination_of(client);
        self.end_copies_of(client);
        self.end_following(client, None);
        self.log_action(
            &["all"],
            "remove-client",
            vec![text("client", client.0.to_string())],
        );
        self.out.forget_client(client);
        if let Some(left) = self.clients.by_id.remove(&client) {
            self.shares.leave(left.share);
            let mut layers: Vec<u32> = left.layers.into_values().collect();
            layers.sort_unstable();
            for layer in layers {
                self.drop_client_number(layer);
            }
        }
    }

    pub(crate) fn on_client_message(&mut self, client: ClientId, message: FromClient) {
        let is_kept = self.settings.journal && message.is_kept();
        match message {
            FromClient::Submit(submit) => self.on_submit(client, submit),
            FromClient::Release(blocks) => self.on_release(client, &blocks),
            FromClient::Cancel(cancel) => self.on_cancel(client, &cancel),
            FromClient::Retry(blocks) => self.on_retry(client, &blocks),
            FromClient::FetchFailed(failed) => self.on_client_fetch_failed(client, &failed),
            FromClient::Query(query) => self.on_query(client, query),
            FromClient::ForgetLayers(blocks) => self.on_forget_layers(client, &blocks),
            FromClient::Hello(hello) => self.on_hello(client, hello),
            FromClient::Bye(()) => {}
        }
        if is_kept {
            let numbers = std::mem::take(&mut self.given_numbers);
            self.out
                .journal(Some(client), crate::JournalEntry::Said { numbers });
        }
    }

    fn on_release(&mut self, client: ClientId, blocks: &Blocks) {
        for id in self.tasks_of(client, blocks) {
            self.unwant(client, id);
        }
        self.forget_cancelled(client, blocks);
        self.reconsider_quotas();
    }

    pub(crate) fn unwant(&mut self, client: ClientId, id: TaskId) {
        self.tasks.retain_wanted_by(id, |wanting| wanting != client);
        self.settle.push(id);
    }

    /// Failed tasks, and the failed ones they need, start again.
    fn on_retry(&mut self, client: ClientId, blocks: &Blocks) {
        for id in self.tasks_of(client, blocks) {
            let mut stack = vec![id];
            while let Some(id) = stack.pop() {
                let task = self.tasks.get_mut(id);
                if task.state == TaskState::Erred {
                    task.deaths = 0;
                    task.raised = 0;
                    self.tasks.set_state(id, TaskState::Released);
                    self.tasks.set_failure(id, None);
                    stack.extend_from_slice(self.tasks.deps(id));
                }
            }
            if self.tasks.get(id).is_needed() {
                self.transition_released_waiting(id);
            }
        }
    }

    /// The client could not fetch from `worker`. If the worker is said to hold the value all the
    /// same, the client is told so again and asks again; a lost worker is noticed by itself.
    fn on_client_fetch_failed(&mut self, client: ClientId, failed: &FetchFailed) {
        let Some(blocks) = &failed.blocks else { return };
        let mut lost = Vec::new();
        for id in self.tasks_of(client, blocks) {
            let worker = WorkerId(failed.worker);
            let holds = self.tasks.holders(id).contains(&worker);
            if holds && self.remove_holder(id, worker) {
                lost.push(id);
            } else if self.tasks.get(id).state == TaskState::Memory {
                self.tell_again(client, id);
            }
            let task = self.tasks.get(id);
            if holds && self.workers.find(worker).is_some() {
                self.out.free(worker, task.layer, task.block);
            }
        }
        self.fail_unfetched_actors(&mut lost, &[failed.worker]);
        self.transition_memory_lost(&lost);
    }

    fn on_forget_layers(&mut self, client: ClientId, blocks: &Blocks) {
        for (number, _) in blocks.iter() {
            let Some(known) = self.clients.by_id.get_mut(&client) else {
                return;
            };
            known
                .cancelled
                .retain(|&(cancelled, _)| cancelled != number);
            let Some(layer) = known.layers.remove(&number) else {
                continue;
            };
            // It may have been given another number meanwhile, under which it is wanted.
            if known.numbers.get(&layer) == Some(&number) {
                for id in self.tasks_wanted_of(client, layer) {
                    self.unwant(client, id);
                }
                if let Some(known) = self.clients.by_id.get_mut(&client) {
                    known.numbers.remove(&layer);
                }
            }
            self.drop_client_number(layer);
        }
    }

    pub(crate) fn drop_client_number(&mut self, layer: u32) {
        if self.layers.find(layer).is_some() {
            self.layers.get_mut(layer).client_count -= 1;
            self.forget_layer_if_unused(layer);
        }
    }

    /// The tasks that a client wants.
    pub(crate) fn wanted_tasks(&self, client: ClientId) -> Vec<TaskId> {
        let Some(record) = self.clients.by_id.get(&client) else {
            return Vec::new();
        };
        let mut layers: Vec<u32> = record.numbers.keys().copied().collect();
        layers.sort_unstable();
        let unnumbered = record.unnumbered.iter().filter(|(id, serial)| {
            let exists = self.tasks.find(*id, *serial).is_some();
            exists && self.tasks.wanted_by(*id).contains(&client)
        });
        let tasks = layers.into_iter();
        let numbered = tasks.flat_map(|layer| self.tasks_wanted_of(client, layer));
        numbered.chain(unnumbered.map(|(id, _)| *id)).collect()
    }

    fn tasks_wanted_of(&self, client: ClientId, layer: u32) -> Vec<TaskId> {
        let Some(layer) = self.layers.find(layer) else {
            return Vec::new();
        };
        let tasks = layer.slots.iter().copied().filter(|id| *id != NO_TASK);
        tasks
            .filter(|&id| self.tasks.wanted_by(id).contains(&client))
            .collect()
    }

    /// The tasks of a client's blocks; blocks that have none are left out.
    pub(crate) fn tasks_of(&self, client: ClientId, blocks: &Blocks) -> Vec<TaskId> {
        let tasks = blocks.iter().filter_map(|(number, block)| {
            let layer = self.clients.find_layer(client, number)?;
            self.layers.find(layer)?.find_task(block)
        });
        tasks.collect()
    }
}
