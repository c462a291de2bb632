//! Workers come and go.

use std::sync::Arc;

use bytes::Bytes;
use rask_proto::{Blocks, Failure, PeerAddress, Peers, Register, ToClient, ToWorker, Welcome};

use crate::event::{ClientId, Command, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState, Worker};
use crate::topics::{count, text};

impl Scheduler {
    pub(crate) fn on_worker_joined(&mut self, worker: WorkerId, register: Register) {
        let welcome = Welcome {
            worker: worker.0,
            scheduler: self.settings.scheduler_id.clone(),
            reconnect_millis: self.settings.reconnect_millis,
            plugins: self.plugins.of_kind(rask_proto::PluginKind::Worker),
        };
        self.out.push(Command::ToWorker {
            worker,
            message: ToWorker::Welcome(welcome),
        });
        let joined = PeerAddress {
            worker: worker.0,
            address: Bytes::copy_from_slice(register.address.as_bytes()),
        };
        let address = &register.address;
        self.stream.add_worker(worker, address);
        self.note_versions(worker, &register);
        self.log_action(&[address], "add-worker", Vec::new());
        self.log_action(&["all"], "add-worker", vec![text("worker", address)]);
        let joined_at = self.now;
        let mut record = Worker::new(register);
        record.heard = joined_at;
        let thread_count = record.thread_count();
        self.spans.add_threads(self.now, i64::from(thread_count));
        self.workers.insert(worker, record);
        self.attention.touch(worker);
        self.shares.thread_count += u64::from(thread_count);
        let news = Peers {
            joined: vec![joined],
            left: Vec::new(),
        };
        self.tell_clients(&news);
        self.place_stranded();
        self.relieve_paused();
    }

    /// What the worker held is lost, what it was given goes elsewhere; tasks that it was running
    /// when it died are blamed.
    pub(crate) fn on_worker_left(&mut self, worker: WorkerId, reason: &str) {
        let Some(slot) = self.workers.by_id.find_slot(worker) else {
            return;
        };
        self.make_introductions();
        self.attention.forget(slot);
        let Some(left) = self.workers.remove(worker) else {
            return;
        };
        let thread_count = i64::from(left.thread_count());
        self.spans.add_threads(self.now, -thread_count);
        self.out.forget_worker(worker);
        self.versions.remove(worker);
        self.shares.thread_count -= u64::from(left.thread_count());
        self.resume_retirements(worker);
        let news = Peers {
            joined: Vec::new(),
            left: vec![worker.0],
        };
        self.tell_clients(&news);
        self.tell_left(worker, &left);
        self.forget_places();
        let copied = self.lose_copies_at(worker);
        let (mut lost, called_back) = self.collect_lost(worker, &left);
        let mut blamed = self.decide_blamed(&left, &called_back);
        blamed.extend(copied);
        let why = match left.describe_memory() {
            Some(memory) => format!("{reason}; {memory}"),
            None => reason.to_owned(),
        };
        self.log_departure(&left, &why, lost.len(), called_back.len());
        self.fail_lost_actors(&mut lost, &left.register.name, &why);
        self.transition_memory_lost(&lost);
        for id in blamed {
            let task = self.tasks.get(id);
            let why = match left.find_growth(task.layer, task.block) {
                Some(grown) if grown >> 20 > 0 => format!(
                    "{why}; since this task began, the process had grown by {} MiB",
                    grown >> 20
                ),
                _ => why.clone(),
            };
            self.blame(id, &left, &why);
        }
        for id in called_back {
            if !self.try_promote_copy(id) {
                self.count_missing(id);
            }
        }
        self.forget_shipped(worker, slot, &left.shipped);
    }

    fn log_departure(&mut self, left: &Worker, why: &str, lost: usize, called_back: usize) {
        let address = &left.register.address;
        let mut fields = vec![
            text("reason", why),
            count("lost-computed-tasks", lost as u64),
            count("processing-tasks", called_back as u64),
        ];
        self.log_action(&[address], "remove-worker", fields.clone());
        fields.push(text("worker", address));
        self.log_action(&["all"], "remove-worker", fields);
    }

    /// Removes the worker as a holder; returns what nobody holds now, and what was Placed on or
    /// Assigned to it.
    fn collect_lost(&mut self, worker: WorkerId, left: &Worker) -> (Vec<TaskId>, Vec<TaskId>) {
        let mut held = Vec::new();
        let mut called_back = Vec::new();
        for id in left.tasks_here(&self.tasks, worker) {
            if self.tasks.holders(id).contains(&worker) {
                held.push(id);
            }
            let task = self.tasks.get(id);
            if task.worker() == worker
                && matches!(task.state, TaskState::Placed | TaskState::Assigned)
            {
                called_back.push(id);
            }
        }
        held.retain(|&id| self.remove_holder(id, worker));
        (held, called_back)
    }

    /// The tasks that were running when the worker died: those it said it was running, and of the
    /// rest the most urgent, as many as it has threads.
    fn decide_blamed(&self, left: &Worker, called_back: &[TaskId]) -> Vec<TaskId> {
        let mut assigned: Vec<TaskId> = called_back
            .iter()
            .copied()
            .filter(|&id| self.tasks.get(id).state == TaskState::Assigned)
            .collect();
        let running = left.running.iter().flat_map(Blocks::iter);
        let mut blamed: Vec<TaskId> = running
            .filter_map(|(layer, block)| self.find_task(layer, block))
            .filter(|id| assigned.contains(id))
            .collect();
        assigned.sort_unstable_by_key(|&id| self.tasks.get(id).priority);
        for id in assigned {
            if blamed.len() >= left.thread_count() as usize {
                break;
            }
            if !blamed.contains(&id) {
                blamed.push(id);
            }
        }
        blamed
    }

    fn blame(&mut self, id: TaskId, left: &Worker, why: &str) {
        if self.fail_if_declared_unfitting(id, left, why) {
            return;
        }
        let worker = &left.register.name;
        let task = self.tasks.get_mut(id);
        task.deaths = task.deaths.saturating_add(1);
        if task.deaths <= self.settings.allowed_failures {
            self.journal_troubles(id);
            return;
        }
        let layer = self.layers.get(task.layer);
        let failure = Failure {
            message: format!(
                "block {} of {:?} was running on {} workers when they died; the last was {worker}: {why}",
                task.block, layer.name, task.deaths,
            ),
            origin: layer.origin.clone(),
            layer: layer.name.to_string(),
            block: task.block,
            killed_workers: vec![worker.clone()],
            ..Failure::default()
        };
        self.journal_failure(id, &failure);
        self.transition_pending_erred(id, &Arc::new(failure));
    }

    fn forget_shipped(&mut self, worker: WorkerId, slot: u32, shipped: &[u32]) {
        for &number in shipped {
            if self.layers.find(number).is_none() {
                continue;
            }
            let layer = self.layers.get_mut(number);
            layer.shipped.remove(slot);
            for holders in &mut layer.pages_shipped {
                holders.retain(|holder| *holder != worker);
            }
        }
    }

    /// Tasks that no worker could run get another chance.
    fn place_stranded(&mut self) {
        for (id, serial) in std::mem::take(&mut self.stranded) {
            let found = self.tasks.find(id, serial);
            if found.is_some_and(|task| task.state == TaskState::Queued) {
                self.count_missing(id);
            }
        }
    }

    fn all_peers(&self) -> Peers {
        let workers = self.workers.by_id.iter();
        Peers {
            joined: workers
                .map(|(id, worker)| PeerAddress {
                    worker: id.0,
                    address: worker.address.clone(),
                })
                .collect(),
            left: Vec::new(),
        }
    }

    /// Writes down that a task is Placed on, Assigned to or held by a worker.
    pub(crate) fn note_task(&mut self, worker: WorkerId, id: TaskId) {
        if let Some(record) = self.workers.find_mut(worker) {
            record.note(&self.tasks, worker, id);
        }
    }

    /// The tasks that are Placed on, Assigned to or held by a worker.
    pub(crate) fn tasks_at(&self, worker: WorkerId) -> Vec<TaskId> {
        let record = self.workers.find(worker);
        record.map_or_else(Vec::new, |record| record.tasks_here(&self.tasks, worker))
    }

    /// Tells a client who just joined where results are to be had.
    pub(crate) fn tell_all_peers(&mut self, client: ClientId) {
        let message = ToClient::Peers(self.all_peers());
        self.out.push(Command::ToClient { client, message });
    }

    fn tell_clients(&mut self, news: &Peers) {
        for &client in self.clients.by_id.keys() {
            let message = ToClient::Peers(news.clone());
            self.out.push(Command::ToClient { client, message });
        }
    }
}
