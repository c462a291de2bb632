//! What must hold after every event. Checked in tests and in the simulator; each check is named
//! after the sentence at the field it is about.

use crate::HashMap;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{Task, TaskId, TaskState};

/// What a worker has, as far as that is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Books {
    placed: u32,
    assigned: u32,
    promised_bytes: u64,
    held: u64,
    held_bytes: u64,
    needed_bytes: u64,
}

impl Scheduler {
    /// Checks everything; the first thing that does not hold is the error.
    pub fn check_invariants(&self) -> Result<(), String> {
        for (id, task) in self.tasks.iter() {
            ensure(
                self.tasks.state(id) == task.state,
                id,
                task,
                "its state once more",
            )?;
            self.check_edges(id, task)?;
            self.check_state(id, task)?;
        }
        self.check_workers()?;
        self.check_attention()?;
        self.check_shares()?;
        self.check_copies()?;
        self.topics.check()?;
        self.check_spans()?;
        self.check_layers()
    }

    fn check_edges(&self, id: TaskId, task: &Task) -> Result<(), String> {
        let mut needed_by = 0;
        let mut count = 0;
        for &dependent in self.tasks.dependents(id) {
            if self.tasks.is_free(dependent) {
                continue;
            }
            count += 1;
            needed_by += u32::from(self.tasks.state(dependent).is_pending());
        }
        ensure(task.dependent_count == count, id, task, "dependent_count")?;
        ensure(task.needed_by == needed_by, id, task, "needed_by")?;
        let kept = task.is_needed() || task.dependent_count > 0;
        ensure(kept, id, task, "a task that nothing refers to is forgotten")
    }

    fn check_state(&self, id: TaskId, task: &Task) -> Result<(), String> {
        let in_memory = |dep: &TaskId| self.tasks.get(*dep).state == TaskState::Memory;
        let missing = self
            .tasks
            .deps(id)
            .iter()
            .filter(|dep| !in_memory(dep))
            .count() as u32;
        match task.state {
            TaskState::Released => ensure(
                !task.is_needed(),
                id,
                task,
                "what is needed is not Released",
            ),
            TaskState::Waiting => {
                ensure(task.missing() == missing, id, task, "missing")?;
                let waits = missing > 0 || self.delays.holds(id, task.serial);
                ensure(waits, id, task, "a Waiting task waits for something")
            }
            TaskState::Queued | TaskState::Placed => {
                ensure(missing == 0, id, task, "a queued task has all it needs")
            }
            TaskState::Assigned => {
                let there = self.workers.find(task.worker()).is_some();
                ensure(there, id, task, "the worker of an Assigned task is there")
            }
            TaskState::Memory => {
                let holders = self.tasks.holders(id);
                let held = holders
                    .iter()
                    .all(|holder| self.workers.find(*holder).is_some());
                ensure(held && !holders.is_empty(), id, task, "holders")
            }
            TaskState::Erred => {
                let failed = self.tasks.failure(id).is_some();
                ensure(failed, id, task, "failure")
            }
            TaskState::Forgotten => ensure(false, id, task, "what is forgotten is no task"),
        }?;
        let pending_is_needed = !task.state.is_pending() || task.is_needed();
        ensure(pending_is_needed, id, task, "what is pending is needed")
    }

    /// What the books of each worker have to say.
    fn count_by_worker(&self) -> HashMap<WorkerId, Books> {
        let mut all: HashMap<WorkerId, Books> = HashMap::default();
        for (id, task) in self.tasks.iter() {
            match task.state {
                TaskState::Placed => all.entry(task.worker()).or_default().placed += 1,
                TaskState::Assigned => {
                    let books = all.entry(task.worker()).or_default();
                    books.assigned += 1;
                    books.promised_bytes += task.charge().1.bytes();
                }
                _ => {}
            }
            for &holder in self.tasks.holders(id) {
                let books = all.entry(holder).or_default();
                books.held += 1;
                books.held_bytes += task.nbytes();
                books.needed_bytes += self.needed_bytes_of(task);
            }
        }
        all
    }

    fn check_workers(&self) -> Result<(), String> {
        let all = self.count_by_worker();
        for (&id, worker) in self.workers.by_id.iter() {
            let books = all.get(&id).copied().unwrap_or_default();
            let here = worker.tasks_here(&self.tasks, id).len() as u64;
            let expected = u64::from(worker.assigned_count + worker.placed_count);
            if here != expected + worker.held_count {
                return Err(format!(
                    "worker {} has {here} tasks noted: {worker:?}",
                    id.0
                ));
            }
            let own = Books {
                placed: worker.placed_count,
                assigned: worker.assigned_count,
                promised_bytes: worker.promised_bytes,
                held: worker.held_count,
                held_bytes: worker.held_bytes,
                needed_bytes: worker.needed_bytes,
            };
            let idle = worker.assigned_count > 0 || worker.incoming.is_empty();
            let fits = own == books && worker.incoming.check() && worker.freeing.check() && idle;
            if !fits {
                return Err(format!(
                    "the books of worker {} are wrong, there are {books:?}: {worker:?}",
                    id.0
                ));
            }
        }
        let workers = self.workers.by_id.values();
        let needed: u64 = workers.map(|worker| worker.needed_bytes).sum();
        if !self.workers.check_counts() {
            return Err("workers that are paused or take tasks are counted wrong".to_owned());
        }
        if needed != self.workers.needed_bytes() {
            return Err(format!("of all workers {needed} bytes are needed"));
        }
        self.check_congestion()?;
        self.check_needs()?;
        let mut tasks = self.tasks.iter();
        let any_assigned = tasks.any(|(_, task)| task.state == TaskState::Assigned);
        let mut workers = self.workers.by_id.values();
        if !any_assigned && workers.any(|worker| !worker.freeing.is_empty()) {
            return Err("values are to be freed by no task".to_owned());
        }
        let queued = self.tasks.iter();
        let queued = queued.filter(|(_, task)| task.state == TaskState::Queued);
        let pending = self
            .tasks
            .iter()
            .filter(|(_, task)| task.state.is_pending());
        if pending.count() != self.tasks.pending_count() {
            return Err(format!("pending_count is {}", self.tasks.pending_count()));
        }
        if queued.count() != self.queued_count {
            return Err(format!("queued_count is {}", self.queued_count));
        }
        Ok(())
    }

    fn check_shares(&self) -> Result<(), String> {
        for (id, share) in self.shares.iter() {
            let tasks = || self.tasks.iter().filter(|(_, task)| task.share == id);
            let count = |state| tasks().filter(|(_, task)| task.state == state).count() as u32;
            let held = tasks().map(|(id, task)| {
                let copies = self.tasks.holders(id).len() as u64;
                task.nbytes() * copies
            });
            let clients = self.clients.by_id.values();
            let clients = clients.filter(|client| client.share == id).count() as u32;
            let seceded = tasks().filter(|(_, task)| task.seceded).count() as u32;
            let fits = tasks().count() as u32 == share.task_count
                && count(TaskState::Queued) == share.queued_count
                && count(TaskState::Placed) == share.placed_count
                && count(TaskState::Assigned) == share.assigned_count
                && seceded == share.seceded_count
                && held.sum::<u64>() == share.held_bytes
                && clients == share.client_count;
            if !fits {
                return Err(format!(
                    "the books of share {:?} are wrong",
                    share.settings.name
                ));
            }
            if share.is_active() != self.shares.active().contains(&id) {
                return Err(format!(
                    "share {:?} is not where it belongs",
                    share.settings.name
                ));
            }
        }
        Ok(())
    }

    fn check_layers(&self) -> Result<(), String> {
        for number in self.layers.numbers() {
            let layer = self.layers.get(number);
            let tasks = (0..layer.slots.len() as u32).filter_map(|block| layer.find_task(block));
            if tasks.count() as u32 != layer.task_count {
                return Err(format!("task_count of layer {:?} is wrong", layer.name));
            }
            if layer.task_count == 0 && layer.client_count == 0 {
                return Err(format!("layer {:?} should be forgotten", layer.name));
            }
        }
        Ok(())
    }
}

fn ensure(holds: bool, id: TaskId, task: &Task, what: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{what} does not hold for task {id}: {task:?}"))
    }
}
