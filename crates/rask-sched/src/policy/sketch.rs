//! The first tasks of a submission, run on paper.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rask_graph::TaskTable;

use crate::{HashMap, HashSet};

/// So many tasks of a submission are in its sketch, and fewer than this need none.
const SKETCHED_MAX: usize = 4096;
pub(crate) const SKETCHED_MIN: usize = 16;
/// With fewer tasks of a cut sketch for each thread it tells nothing.
const TASKS_FOR_EACH_MIN: u64 = 4;
/// What is held at the end of a sketch, of the most, in percent, from which on the graph may need more
/// later.
const GROWING_PERCENT: u64 = 90;

/// The first tasks of a submission, in their order.
#[derive(Debug)]
pub(crate) struct Sketch {
    tasks: Vec<Sketched>,
    deps: Vec<u32>,
    /// The layers of the tasks, and those of them that need nothing.
    layers: Vec<u32>,
    sources: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Sketched {
    /// Its place among the layers.
    layer: u32,
    /// Entries of all tasks' inputs that name it, and one if it is wanted.
    users: u32,
    /// Where its inputs end among those of all.
    deps_end: u32,
}

/// What is known of the tasks of a layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// Some have ended.
    pub is_learned: bool,
    /// How long they take, or the first of them has run already.
    pub micros: Option<u64>,
    pub bytes: Option<u64>,
}

impl Sketch {
    /// Of these tasks of a table, which are in layers of these numbers.
    pub fn new(
        table: &TaskTable,
        ranks: &[u32],
        numbers: &[u32],
        fresh: impl Iterator<Item = u32> + Clone,
    ) -> Self {
        let first = first_of(ranks, fresh);
        let last_rank = first.last().map_or(0, |(rank, _)| *rank);
        let wanted = table.wanted().iter().copied();
        let wanted = wanted.filter(|&index| ranks[index as usize] <= last_rank);
        let wanted: HashSet<u32> = wanted.collect();
        let mut sketch = Sketch {
            tasks: Vec::with_capacity(first.len()),
            deps: Vec::new(),
            layers: Vec::new(),
            sources: Vec::new(),
        };
        let mut places: HashMap<u32, u32> = HashMap::default();
        let mut places_of_layers: HashMap<u32, u32> = HashMap::default();
        for (place, &(_, index)) in (0..).zip(&first) {
            places.insert(index, place);
            let deps = table.deps(index);
            sketch
                .deps
                .extend(deps.iter().filter_map(|dep| places.get(dep)));
            let number = numbers[table.block_of(index).layer.0 as usize];
            let layer = *places_of_layers.entry(number).or_insert_with(|| {
                sketch.layers.push(number);
                if deps.is_empty() {
                    sketch.sources.push(number);
                }
                sketch.layers.len() as u32 - 1
            });
            let is_wanted = wanted.contains(&index);
            sketch.tasks.push(Sketched {
                layer,
                users: table.dependents(index).len() as u32 + u32::from(is_wanted),
                deps_end: sketch.deps.len() as u32,
            });
        }
        sketch
    }

    /// The layer of the last task.
    pub fn last_layer(&self) -> Option<u32> {
        let last = self.tasks.last()?;
        self.layers.get(last.layer as usize).copied()
    }

    /// All layers.
    pub fn layers(&self) -> impl Iterator<Item = u32> {
        self.layers.iter().copied()
    }

    /// Those whose tasks need nothing.
    pub fn sources(&self) -> impl Iterator<Item = u32> {
        self.sources.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// The place of a task's layer among the layers.
    pub fn layer_at(&self, task: u32) -> usize {
        self.tasks[task as usize].layer as usize
    }

    /// Entries of all tasks' inputs that name a task, and one if it is wanted.
    pub fn users_of(&self, task: u32) -> u32 {
        self.tasks[task as usize].users
    }

    /// How long tasks of each layer take, and what they make.
    pub fn costs(
        &self,
        (guess_micros, guess_bytes): (u64, u64),
        known_of: impl Fn(u32, bool) -> Known,
    ) -> Vec<(u64, u64)> {
        let cost = |&number: &u32| {
            let is_source = self.sources.contains(&number);
            let known = known_of(number, is_source);
            let bytes = if is_source { guess_bytes } else { 0 };
            let micros = known.micros.unwrap_or(guess_micros);
            (micros, known.bytes.unwrap_or(bytes))
        };
        self.layers.iter().map(cost).collect()
    }

    pub fn deps_of(&self, task: usize) -> &[u32] {
        let begin = match task {
            0 => 0,
            _ => self.tasks[task - 1].deps_end as usize,
        };
        &self.deps[begin..self.tasks[task].deps_end as usize]
    }

    /// The most bytes held at a time, if it is run in one place by list scheduling; `u64::MAX` if more
    /// may be needed after what is in it. Of what nothing is known, a task takes these microseconds,
    /// and makes these bytes if it needs nothing, else none.
    pub fn run(
        &self,
        threads: u64,
        (guess_micros, guess_bytes): (u64, u64),
        known_of: impl Fn(u32, bool) -> Known,
    ) -> u64 {
        let is_cut = self.tasks.len() == SKETCHED_MAX;
        if is_cut && threads * TASKS_FOR_EACH_MIN > SKETCHED_MAX as u64 {
            return u64::MAX;
        }
        let costs = self.costs((guess_micros, guess_bytes), known_of);
        let cost = |task: usize| costs[self.tasks[task].layer as usize];
        let count = self.tasks.len();
        let mut missing = self.input_counts();
        let sources = (0..count as u32).filter(|&task| missing[task as usize] == 0);
        let mut ready: BinaryHeap<Reverse<u32>> = sources.map(Reverse).collect();
        let (starts, dependents) = self.dependents();
        let mut users: Vec<u32> = self.tasks.iter().map(|task| task.users).collect();
        let mut running: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        let (mut now, mut held, mut most) = (0u64, 0u64, 0u64);
        loop {
            while (running.len() as u64) < threads
                && let Some(Reverse(task)) = ready.pop()
            {
                let (micros, bytes) = cost(task as usize);
                running.push(Reverse((now + micros, task)));
                held += bytes;
            }
            most = most.max(held);
            let Some(Reverse((end, task))) = running.pop() else {
                break;
            };
            now = end;
            for &dep in self.deps_of(task as usize) {
                users[dep as usize] -= 1;
                if users[dep as usize] == 0 {
                    held -= cost(dep as usize).1;
                }
            }
            let (begin, end) = (starts[task as usize], starts[task as usize + 1]);
            for &user in &dependents[begin as usize..end as usize] {
                missing[user as usize] -= 1;
                if missing[user as usize] == 0 {
                    ready.push(Reverse(user));
                }
            }
        }
        let is_growing = held > most / 100 * GROWING_PERCENT;
        match is_growing && is_cut {
            true => u64::MAX,
            false => most,
        }
    }

    /// How many inputs each task has.
    pub fn input_counts(&self) -> Vec<u32> {
        let tasks = 0..self.tasks.len();
        tasks.map(|task| self.deps_of(task).len() as u32).collect()
    }

    /// For each task those that need it, one after the other, and where those of each begin.
    pub fn dependents(&self) -> (Vec<u32>, Vec<u32>) {
        let count = self.tasks.len();
        let mut starts = vec![0u32; count + 1];
        for &dep in &self.deps {
            starts[dep as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut dependents = vec![0u32; self.deps.len()];
        for task in 0..count {
            for &dep in self.deps_of(task) {
                dependents[next[dep as usize] as usize] = task as u32;
                next[dep as usize] += 1;
            }
        }
        (starts, dependents)
    }
}

/// The first tasks by their ranks, which come with them.
fn first_of(ranks: &[u32], fresh: impl Iterator<Item = u32> + Clone) -> Vec<(u32, u32)> {
    let ranked = fresh.map(|index| (ranks[index as usize], index));
    // Mostly all are new, and these are the first.
    let below = ranked
        .clone()
        .filter(|(rank, _)| (*rank as usize) < SKETCHED_MAX);
    let mut first: Vec<(u32, u32)> = below.collect();
    if first.len() < SKETCHED_MAX.min(ranks.len()) {
        first = ranked.collect();
        if first.len() > SKETCHED_MAX {
            first.select_nth_unstable(SKETCHED_MAX);
            first.truncate(SKETCHED_MAX);
        }
    }
    first.sort_unstable();
    first
}
