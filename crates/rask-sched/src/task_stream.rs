//! The tasks that ended last, for people who want to see what the cluster does. Bounded: the oldest
//! are forgotten.

use std::collections::VecDeque;
use std::sync::Arc;

use rask_proto::{TaskStream, TaskStreamQuery};

use crate::HashMap;
use crate::event::{Time, WorkerId};

/// Tasks remembered.
const REMEMBERED_MAX: usize = 100_000;

#[derive(Debug)]
struct Ended {
    layer: Arc<str>,
    operation: Arc<str>,
    block: u32,
    worker: WorkerId,
    start_micros: u64,
    duration_micros: u32,
    nbytes: u64,
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
    pub layer: Arc<str>,
    pub operation: Arc<str>,
    pub block: u32,
    pub duration_micros: u32,
    pub nbytes: u64,
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
            operation: task.operation,
            block: task.block,
            worker,
            start_micros: end_micros.saturating_sub(u64::from(task.duration_micros)),
            duration_micros: task.duration_micros,
            nbytes: task.nbytes,
        });
    }

    /// The tasks asked for.
    pub fn answer(&self, now: Time, query: TaskStreamQuery) -> TaskStream {
        let mut answer = TaskStream {
            now_micros: now.micros,
            ..TaskStream::default()
        };
        if self.forgotten_until_micros >= query.since_micros {
            answer.forgotten = self.forgotten;
        }
        let mut names = Names::default();
        let asked = self.ended.iter().filter(|ended| {
            ended.start_micros + u64::from(ended.duration_micros) >= query.since_micros
        });
        let skipped = match query.count {
            0 => 0,
            count => asked.clone().count().saturating_sub(count as usize),
        };
        for ended in asked.skip(skipped) {
            let address = self.addresses.get(&ended.worker);
            answer.layers.push(names.position(&ended.layer));
            answer.operations.push(names.position(&ended.operation));
            let address = address.map_or("a worker that left", String::as_str);
            answer.workers.push(names.position(address));
            answer.blocks.push(ended.block);
            answer.start_micros.push(ended.start_micros);
            answer.duration_micros.push(ended.duration_micros);
            answer.nbytes.push(ended.nbytes);
        }
        answer.names = names.names;
        answer
    }
}

/// Names once each.
#[derive(Default)]
struct Names {
    positions: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn position(&mut self, name: &str) -> u32 {
        if let Some(&position) = self.positions.get(name) {
            return position;
        }
        let position = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.positions.insert(name.to_owned(), position);
        position
    }
}
