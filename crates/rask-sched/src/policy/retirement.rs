//! Workers that are to leave: they are given no more tasks, finish those they have begun, and what
//! only they hold is moved to others, the emptiest first. Then they are told to end. Where nobody is
//! left to take it, they end at once, and what is needed is made again when there are workers.

use std::collections::BTreeMap;

use rask_proto::{Blocks, GiveBack, Missing, Shutdown, ToWorker};

use crate::event::{Command, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};
use crate::topics::text;

/// A worker that is to leave.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// Values on their way to others, with the serials of their tasks; those before `next` are
    /// there, or needed no more.
    moving: Vec<(TaskId, u32)>,
    next: usize,
    told: bool,
}

impl Scheduler {
    /// Lets workers leave, by name or address.
    pub(crate) fn on_retire(&mut self, names: &[String]) {
        let workers = self.workers.by_id.iter();
        let named: Vec<WorkerId> = workers
            .filter(|(_, worker)| {
                let register = &worker.register;
                !worker.retiring
                    && (names.contains(&register.name) || names.contains(&register.address))
            })
            .map(|(id, _)| *id)
            .collect();
        for &id in &named {
            if let Some(worker) = self.workers.find_mut(id) {
                worker.asked_back = true;
            }
            self.workers.set_retiring(id);
            self.leaving.insert(id, Leaving::default());
            self.log_retirement(id);
            let message = ToWorker::GiveBack(GiveBack { count: u32::MAX });
            self.out.push(Command::ToWorker {
                worker: id,
                message,
            });
        }
        let placed: Vec<TaskId> = named
            .iter()
            .flat_map(|&worker| self.tasks_at(worker))
            .filter(|&id| {
                let task = self.tasks.get(id);
                task.state == TaskState::Placed && named.contains(&task.worker())
            })
            .collect();
        for id in placed {
            self.count_missing(id);
        }
    }

    fn log_retirement(&mut self, worker: WorkerId) {
        if let Some(address) = self.find_worker_address(worker).map(str::to_owned) {
            self.log_action(&[&address], "retired", Vec::new());
            self.log_action(&["all"], "retire-workers", vec![text("worker", address)]);
        }
    }

    /// Goes on with the workers that are to leave, after anything has happened.
    pub(crate) fn advance_retirements(&mut self) {
        if self.leaving.is_empty() || self.recovering {
            return;
        }
        let leaving: Vec<WorkerId> = self.leaving.keys().copied().collect();
        for id in leaving {
            self.advance_retirement(id);
        }
    }

    fn advance_retirement(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.find(id) else {
            self.leaving.remove(&id);
            return;
        };
        let is_busy = worker.assigned_count > 0;
        let Some(entry) = self.leaving.get(&id) else {
            return;
        };
        if entry.told {
            return;
        }
        let mut next = entry.next;
        while next < entry.moving.len() && self.is_settled(entry.moving[next]) {
            next += 1;
        }
        let is_moving = next < entry.moving.len();
        if let Some(entry) = self.leaving.get_mut(&id) {
            entry.next = next;
        }
        if is_moving || is_busy || self.move_out(id) {
            return;
        }
        if let Some(entry) = self.leaving.get_mut(&id) {
            entry.told = true;
        }
        let message = ToWorker::Shutdown(Shutdown {
            reason: "the worker was retired".to_owned(),
            restart: false,
        });
        self.out.push(Command::ToWorker {
            worker: id,
            message,
        });
    }

    /// Whether somebody who stays holds the value, or it is no longer there to be moved.
    fn is_settled(&self, (id, serial): (TaskId, u32)) -> bool {
        let Some(task) = self.tasks.find(id, serial) else {
            return true;
        };
        task.state != TaskState::Memory
            || self
                .tasks
                .holders(id)
                .iter()
                .any(|&holder| self.stays(holder))
    }

    fn stays(&self, worker: WorkerId) -> bool {
        let worker = self.workers.find(worker);
        worker.is_some_and(|worker| !worker.retiring)
    }

    /// Tells those who stay to hold what only those hold who leave. `false` if there is nothing, or
    /// nobody stays.
    fn move_out(&mut self, id: WorkerId) -> bool {
        let anybody_takes = self.workers.any_takes_tasks();
        let staying = self.workers.by_id.iter();
        let mut staying: BTreeMap<(u64, WorkerId), Missing> = staying
            .filter(|(_, worker)| match anybody_takes {
                true => worker.takes_tasks(),
                false => !worker.retiring,
            })
            .map(|(id, worker)| ((worker.held_bytes, *id), Missing::default()))
            .collect();
        let mut moving = Vec::new();
        let mut needed = Vec::new();
        for task_id in self.tasks_at(id) {
            let task = self.tasks.get(task_id);
            let holders = self.tasks.holders(task_id);
            let only_here = task.state == TaskState::Memory
                && holders.contains(&id)
                && !holders.iter().any(|&holder| self.stays(holder))
                && !self.is_actor(task_id);
            if !only_here {
                continue;
            }
            let Some(((held_bytes, target), mut wish)) = staying.pop_first() else {
                return false;
            };
            moving.push((task_id, task.serial));
            needed.push((target, task.layer));
            wish.inputs
                .get_or_insert_default()
                .push(task.layer, task.block);
            wish.holders.push(id.0);
            staying.insert((held_bytes + task.nbytes(), target), wish);
        }
        let wishes = staying.into_iter();
        for ((_, worker), wish) in wishes.filter(|(_, wish)| !wish.holders.is_empty()) {
            self.send_replicas(worker, wish);
        }
        for (worker, layer) in needed {
            // Clients ask for values by the names of layers.
            self.ship_op(worker, layer);
        }
        let is_moving = !moving.is_empty();
        if let Some(entry) = self.leaving.get_mut(&id) {
            entry.moving = moving;
            entry.next = 0;
        }
        is_moving
    }

    /// A worker has left: what was on its way to it is sent to others.
    pub(crate) fn resume_retirements(&mut self, left: WorkerId) {
        self.leaving.remove(&left);
        for entry in self.leaving.values_mut() {
            entry.moving.clear();
            entry.next = 0;
        }
    }

    /// A worker could not fetch what it was told to hold: others may.
    pub(crate) fn on_replication_failed(&mut self, inputs: Option<&Blocks>) {
        if inputs.is_some_and(|inputs| !inputs.is_empty()) {
            for entry in self.leaving.values_mut() {
                entry.moving.clear();
                entry.next = 0;
            }
        }
    }
}
