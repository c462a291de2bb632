//! Copies of values, while work goes on: as many as are wanted of some, and one each in the place
//! where there is most room.
//!
//! Every holder sends to one other at a time, so that the copies of a broadcast double with each
//! round. A value that is moved is let go of by its old holder only when the new one has it.

use std::collections::{BTreeMap, BTreeSet};

use rask_proto::{Answer, AnswerBody, Blocks, Missing, Rebalance, Replicate, ToClient};

use crate::event::{ClientId, Command, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState, Worker};

/// Differences in load below this part of the mean are left alone, in percent.
const BALANCED_PERCENT: u64 = 10;

/// What was asked for at one time; a client is answered when it is done.
#[derive(Debug)]
pub(crate) struct Copying {
    ticket: Option<(ClientId, u64)>,
    copies: Vec<Copy>,
}

/// A value that is to be on more workers.
#[derive(Debug)]
pub(super) struct Copy {
    task: (TaskId, u32),
    /// Where it is still to go.
    targets: Vec<WorkerId>,
    /// Where it is on its way to, from whom.
    sending: Vec<(WorkerId, WorkerId)>,
    /// Who lets go of it when it has arrived.
    leaves: Option<WorkerId>,
}

impl Copy {
    /// One more copy.
    pub fn new(task: (TaskId, u32), target: WorkerId) -> Self {
        Copy {
            task,
            targets: vec![target],
            sending: Vec::new(),
            leaves: None,
        }
    }
}

impl Scheduler {
    /// Copies that nobody waits for.
    pub(super) fn add_copies(&mut self, copies: Vec<Copy>) {
        if !copies.is_empty() {
            let ticket = None;
            self.copying.push(Copying { ticket, copies });
        }
    }

    /// Whether a value is on its way to a worker already, or will be.
    pub(super) fn is_to_be_copied(&self, id: TaskId, target: WorkerId) -> bool {
        let mut copies = self.copying.iter().flat_map(|copying| &copying.copies);
        copies.any(|copy| copy.task.0 == id && copy.targets.contains(&target))
    }

    /// Tasks whose values are on their way to where clients want them.
    pub(crate) fn tasks_being_copied(&self) -> impl Iterator<Item = TaskId> {
        let copies = self.copying.iter().flat_map(|copying| &copying.copies);
        copies.map(|copy| copy.task.0)
    }

    pub(crate) fn on_replicate(&mut self, ticket: (ClientId, u64), wish: &Replicate) {
        let named = self.named_workers(&wish.workers);
        let count = match wish.count {
            0 => named.len(),
            count => (count as usize).min(named.len()),
        };
        let blocks = wish.blocks.clone().unwrap_or_default();
        let tasks: BTreeSet<TaskId> = self.tasks_of(ticket.0, &blocks).into_iter().collect();
        for &id in &tasks {
            self.note_copies_asked(id, count);
        }
        let copies = tasks.into_iter().filter_map(|id| {
            let task = self.tasks.get(id);
            let held = self.tasks.holders(id);
            let holders = held.iter().filter(|holder| named.contains(holder));
            let lacking = count.saturating_sub(holders.count());
            let others = named.iter().filter(|worker| {
                let takes = self.workers.find(**worker).is_some_and(Worker::takes_tasks);
                takes && !held.contains(worker)
            });
            let targets: Vec<WorkerId> = others.copied().take(lacking).collect();
            let is_there =
                task.state == TaskState::Memory && !targets.is_empty() && !self.is_actor(id);
            is_there.then(|| Copy {
                task: (id, task.serial),
                targets,
                sending: Vec::new(),
                leaves: None,
            })
        });
        let copies = copies.collect();
        let ticket = Some(ticket);
        self.copying.push(Copying { ticket, copies });
    }

    pub(crate) fn on_rebalance(&mut self, ticket: (ClientId, u64), wish: &Rebalance) {
        let blocks = wish.blocks.clone().unwrap_or_default();
        let tasks = match blocks.is_empty() {
            true => self.tasks.iter().map(|(id, _)| id).collect(),
            false => self.tasks_of(ticket.0, &blocks),
        };
        let named = self.named_workers(&wish.workers);
        let copies = self.decide_moves(tasks, &named);
        let ticket = Some(ticket);
        self.copying.push(Copying { ticket, copies });
    }

    /// Moves that bring every worker close to the mean: the largest values first, each from a
    /// worker that has too much to the one that has least.
    fn decide_moves(&self, tasks: Vec<TaskId>, named: &[WorkerId]) -> Vec<Copy> {
        let mut loads: BTreeMap<WorkerId, u64> = BTreeMap::new();
        for &id in named {
            let held_bytes = self.workers.find(id).map_or(0, |worker| worker.held_bytes);
            loads.insert(id, held_bytes);
        }
        let mean = loads.values().sum::<u64>() / (loads.len() as u64).max(1);
        let slack = mean / 100 * BALANCED_PERCENT;
        let mut values: Vec<(u64, TaskId, WorkerId)> = tasks
            .into_iter()
            .filter_map(|id| {
                let task = self.tasks.get(id);
                let only = match self.tasks.holders(id) {
                    [only] => *only,
                    _ => return None,
                };
                let is_there = task.state == TaskState::Memory
                    && loads.contains_key(&only)
                    && !self.is_actor(id);
                is_there.then_some((task.nbytes(), id, only))
            })
            .collect();
        values.sort_unstable_by(|left, right| right.cmp(left));
        let mut moves = Vec::new();
        for (nbytes, id, from) in values {
            let takes = |id: &WorkerId| self.workers.find(*id).is_some_and(Worker::takes_tasks);
            let open = loads.iter().filter(|(id, _)| takes(id));
            let emptiest = open.min_by_key(|(_, load)| **load);
            let Some((&to, &least)) = emptiest else { break };
            let load = loads[&from];
            let helps = load > mean + slack && least + nbytes <= mean + slack && to != from;
            if !helps || nbytes == 0 {
                continue;
            }
            loads.insert(from, load - nbytes);
            loads.insert(to, least + nbytes);
            moves.push(Copy {
                leaves: Some(from),
                ..Copy::new((id, self.tasks.get(id).serial), to)
            });
        }
        moves
    }

    /// Workers that stay, of these names or addresses if there are any, the emptiest first.
    fn named_workers(&self, names: &[String]) -> Vec<WorkerId> {
        let is_named = |worker: &Worker| {
            let register = &worker.register;
            names.is_empty() || names.contains(&register.name) || names.contains(&register.address)
        };
        let workers = self.workers.by_id.iter();
        let mut named: Vec<(u64, WorkerId)> = workers
            .filter(|(_, worker)| !worker.retiring && is_named(worker))
            .map(|(id, worker)| (worker.held_bytes, *id))
            .collect();
        named.sort_unstable();
        named.into_iter().map(|(_, id)| id).collect()
    }

    /// Goes on with copies, after anything has happened.
    pub(crate) fn advance_copies(&mut self) {
        if self.copying.is_empty() || self.recovering {
            return;
        }
        let mut wishes: BTreeMap<WorkerId, Missing> = BTreeMap::new();
        for mut copying in std::mem::take(&mut self.copying) {
            copying
                .copies
                .retain_mut(|copy| self.advance_copy(copy, &mut wishes));
            if copying.copies.is_empty() {
                copying
                    .ticket
                    .into_iter()
                    .for_each(|ticket| self.answer_done(ticket));
            } else {
                self.copying.push(copying);
            }
        }
        for (worker, wish) in wishes {
            let layers: BTreeSet<u32> = wish.inputs.iter().flat_map(|b| b.layers.clone()).collect();
            for layer in layers {
                // Clients ask for values by the names of layers.
                self.ship_op(worker, layer);
            }
            self.send_replicas(worker, wish);
        }
    }

    /// Begins what can be begun of one copy. `false` when it is done, or cannot be.
    fn advance_copy(&mut self, copy: &mut Copy, wishes: &mut BTreeMap<WorkerId, Missing>) -> bool {
        let (id, serial) = copy.task;
        let Some(task) = self.tasks.find(id, serial) else {
            return false;
        };
        if task.state != TaskState::Memory {
            return false;
        }
        let holders = self.tasks.holders(id).to_vec();
        let stays = |worker: &WorkerId| self.workers.find(*worker).is_some_and(|w| !w.retiring);
        copy.sending.retain(|(target, from)| {
            !holders.contains(target) && holders.contains(from) && stays(target)
        });
        copy.targets
            .retain(|target| !holders.contains(target) && stays(target));
        let (layer, block) = (task.layer, task.block);
        for holder in &holders {
            if copy.sending.iter().any(|(_, from)| from == holder) {
                continue;
            }
            let under_way = |target: &WorkerId| copy.sending.iter().any(|(to, _)| to == target);
            let Some(target) = copy.targets.iter().copied().find(|to| !under_way(to)) else {
                break;
            };
            copy.sending.push((target, *holder));
            let wish = wishes.entry(target).or_default();
            wish.inputs.get_or_insert_default().push(layer, block);
            wish.holders.push(holder.0);
        }
        if !copy.targets.is_empty() {
            return true;
        }
        if let Some(from) = copy.leaves
            && holders.len() > 1
            && holders.contains(&from)
        {
            self.remove_holder(id, from);
            self.out.free(from, layer, block);
        }
        false
    }

    /// A worker could not fetch what it was told to hold: it is told again.
    pub(crate) fn repeat_copies(&mut self, worker: WorkerId, inputs: Option<&Blocks>) {
        if inputs.is_none_or(Blocks::is_empty) {
            return;
        }
        let copies = self
            .copying
            .iter_mut()
            .flat_map(|copying| &mut copying.copies);
        for copy in copies {
            copy.sending.retain(|(target, _)| *target != worker);
        }
    }

    /// A client has left: nobody waits for its copies.
    pub(crate) fn end_copies_of(&mut self, client: ClientId) {
        let is_asker = |copying: &Copying| copying.ticket.is_some_and(|(asker, _)| asker == client);
        self.copying.retain(|copying| !is_asker(copying));
    }

    fn answer_done(&mut self, (client, id): (ClientId, u64)) {
        let answer = Answer {
            id,
            body: Some(AnswerBody::Done(())),
        };
        self.out.push(Command::ToClient {
            client,
            message: ToClient::Answer(answer),
        });
    }
}
