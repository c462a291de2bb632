//! The tasks that ended last, for people who want to see what the cluster does. Bounded: the oldest
//! are forgotten.

use std::collections::VecDeque;

use rask_proto::{TaskStream, TaskStreamQuery};

use crate::HashMap;
use crate::event::{Time, WorkerId};
use crate::state::LayerNames;

/// Tasks remembered.
const REMEMBERED_MAX: usize = 100_000;

#[derive(Debug)]
struct Ended {
    layer: u32,
    block: u32,
    worker: WorkerId,
    start_micros: u64,
    duration_micros: u32,
    nbytes: u64,
    working_bytes: u64,
}

/// The tasks that ended last.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    ended: VecDeque<Ended>,
    /// When the last of those that are forgotten ended.
    forgotten_until_micros: u64,
    forgotten: u64,
    /// Addresses, also of workers that have left, as long as they are not too many.
    addresses: HashMap<WorkerId, String>,
}

/// A task of a report.
pub(crate) struct Task {
    pub layer: u32,
    pub block: u32,
    pub duration_micros: u32,
    pub nbytes: u64,
    /// By how much its process grew; 0 if unknown.
    pub working_bytes: u64,
}

impl Stream {
    /// A worker is there.
    pub fn add_worker(&mut self, worker: WorkerId, address: &str) {
        self.addresses.insert(worker, address.to_owned());
        if self.addresses.len() > REMEMBERED_MAX {
            let used: crate::HashSet<WorkerId> = self.ended.iter().map(|e| e.worker).collect();
            self.addresses
                .retain(|id, _| *id == worker || used.contains(id));
        }
    }

    /// A task of a report; the report's tasks ran one after the other, and `after_micros` is how
    /// long those took that came after it.
    pub fn push(&mut self, now: Time, worker: WorkerId, task: Task, after_micros: u64) {
        if self.ended.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.ended.pop_front()
        {
            self.forgotten += 1;
            self.forgotten_until_micros = oldest.start_micros + u64::from(oldest.duration_micros);
        }
        let end_micros = now.micros.saturating_sub(after_micros);
        self.ended.push_back(Ended {
            layer: task.layer,
            block: task.block,
            worker,
            start_micros: end_micros.saturating_sub(u64::from(task.duration_micros)),
            duration_micros: task.duration_micros,
            nbytes: task.nbytes,
            working_bytes: task.working_bytes,
        });
    }

    /// Where a worker listened.
    pub fn address(&self, worker: WorkerId) -> &str {
        let address = self.addresses.get(&worker);
        address.map_or("a worker that left", String::as_str)
    }

    /// How many tasks were written down.
    pub fn written(&self) -> u64 {
        self.forgotten + self.ended.len() as u64
    }

    /// How many of them are forgotten.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The tasks asked for.
    pub fn answer(&self, now: Time, query: TaskStreamQuery, layers: &LayerNames<'_>) -> TaskStream {
        let mut answer = TaskStream {
            now_micros: now.micros,
            ..TaskStream::default()
        };
        if self.forgotten_until_micros >= query.since_micros {
            answer.forgotten = self.forgotten;
        }
        let mut names = Names::default();
        let mut known: HashMap<u32, (u32, u32)> = HashMap::default();
        let asked = self.ended.iter().filter(|ended| {
            ended.start_micros + u64::from(ended.duration_micros) >= query.since_micros
        });
        let skipped = match query.count {
            0 => 0,
            count => asked.clone().count().saturating_sub(count as usize),
        };
        for ended in asked.skip(skipped) {
            let (layer, operation) = *known.entry(ended.layer).or_insert_with(|| {
                let layer = layers.name(ended.layer);
                (
                    names.position(&layer.name),
                    names.position(&layer.operation),
                )
            });
            answer.layers.push(layer);
            answer.operations.push(operation);
            answer
                .workers
                .push(names.position(self.address(ended.worker)));
            answer.blocks.push(ended.block);
            answer.start_micros.push(ended.start_micros);
            answer.duration_micros.push(ended.duration_micros);
            answer.nbytes.push(ended.nbytes);
            answer.working_bytes.push(ended.working_bytes);
        }
        answer.names = names.names;
        answer
    }
}

/// Names once each.
#[derive(Default)]
pub(crate) struct Names {
    positions: HashMap<String, u32>,
    pub names: Vec<String>,
}

impl Names {
    pub fn position(&mut self, name: &str) -> u32 {
        if let Some(&position) = self.positions.get(name) {
            return position;
        }
        let position = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.positions.insert(name.to_owned(), position);
        position
    }
}
