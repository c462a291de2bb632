//! A sketch, run on paper by several workers.
//!
//! Sources that are needed together go to one worker, and what is made from values runs where most of
//! them are. More is begun only within a limit. What is made from groups that were begun within it may
//! take more than that in the end: a run tells how much there is at most.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::sketch::{Known, Sketch};

/// Where a sketch is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub workers: u32,
    /// Of each.
    pub threads: u32,
    /// Beyond so many bytes, held and begun, no group is begun.
    pub limit_bytes: u64,
    /// Groups that make more are not made in one place.
    pub group_bytes_max: u64,
}

/// One run.
struct Rehearsal<'a> {
    sketch: &'a Sketch,
    stage: Stage,
    /// How long each task takes, and what it makes.
    micros: &'a dyn Fn(u32) -> u64,
    bytes: &'a dyn Fn(u32) -> u64,
    starts: Vec<u32>,
    dependents: Vec<u32>,
    missing: Vec<u32>,
    users: Vec<u32>,
    /// Where each task ran or is to run.
    places: Vec<u32>,
    /// Sources that nobody has begun.
    queue: BinaryHeap<Reverse<u32>>,
    /// What waits at each worker, and how many threads are free there.
    placed: Vec<BinaryHeap<Reverse<u32>>>,
    free: Vec<u32>,
    /// Workers with free threads.
    idle: BTreeSet<u32>,
    running: BinaryHeap<Reverse<(u64, u32)>>,
    now: u64,
    held: u64,
    most: u64,
    /// Bytes of sources that wait at workers.
    begun: u64,
}

const NOWHERE: u32 = u32::MAX;

impl Sketch {
    /// The most bytes held at a time on such a stage. Of what nothing is known, a task takes these
    /// microseconds, and makes these bytes if it needs nothing, else none.
    pub fn rehearse(
        &self,
        stage: Stage,
        guess: (u64, u64),
        known_of: impl Fn(u32, bool) -> Known,
    ) -> u64 {
        let costs = self.costs(guess, known_of);
        let cost = |task: u32| costs[self.layer_at(task)];
        let micros = |task: u32| cost(task).0;
        let bytes = |task: u32| cost(task).1;
        let (starts, dependents) = self.dependents();
        let count = self.len() as u32;
        let missing = self.input_counts();
        let sources = (0..count).filter(|&task| missing[task as usize] == 0);
        let workers = stage.workers.max(1);
        Rehearsal {
            sketch: self,
            stage,
            micros: &micros,
            bytes: &bytes,
            starts,
            dependents,
            queue: sources.map(Reverse).collect(),
            users: (0..count).map(|task| self.users_of(task)).collect(),
            missing,
            places: vec![NOWHERE; count as usize],
            placed: vec![BinaryHeap::new(); workers as usize],
            free: vec![stage.threads.max(1); workers as usize],
            idle: (0..workers).collect(),
            running: BinaryHeap::new(),
            now: 0,
            held: 0,
            most: 0,
            begun: 0,
        }
        .run()
    }
}

impl Rehearsal<'_> {
    fn run(mut self) -> u64 {
        loop {
            self.hand_out();
            self.most = self.most.max(self.held);
            let Some(Reverse((end, task))) = self.running.pop() else {
                return self.most;
            };
            self.now = end;
            self.end(task);
        }
    }

    /// Every worker with free threads takes the first of what waits there and of what nobody has begun.
    fn hand_out(&mut self) {
        let mut is_full = false;
        let mut at = 0;
        while let Some(&worker) = self.idle.range(at..).next() {
            at = worker + 1;
            self.begin_placed(worker);
            while !is_full && self.free[worker as usize] > 0 {
                is_full = !self.begin_source(worker);
                self.begin_placed(worker);
            }
        }
    }

    fn begin_placed(&mut self, worker: u32) {
        while self.free[worker as usize] > 0
            && let Some(Reverse(task)) = self.placed[worker as usize].pop()
        {
            if self.sketch.deps_of(task as usize).is_empty() {
                self.begun -= (self.bytes)(task);
            }
            self.begin(task, worker);
        }
    }

    fn begin(&mut self, task: u32, worker: u32) {
        self.places[task as usize] = worker;
        self.held += (self.bytes)(task);
        self.running
            .push(Reverse((self.now + (self.micros)(task).max(1), task)));
        let free = &mut self.free[worker as usize];
        *free -= 1;
        if *free == 0 {
            self.idle.remove(&worker);
        }
    }

    /// Places the next group of sources at a worker, if it may be begun.
    fn begin_source(&mut self, worker: u32) -> bool {
        while let Some(&Reverse(first)) = self.queue.peek() {
            if self.places[first as usize] == NOWHERE {
                break;
            }
            self.queue.pop();
        }
        let Some(&Reverse(first)) = self.queue.peek() else {
            return false;
        };
        let (group, is_begun) = self.group_of(first);
        let bytes: u64 = group.iter().map(|&task| (self.bytes)(task)).sum();
        let all = self.held + self.begun + bytes;
        if !is_begun && all > self.stage.limit_bytes && !self.running.is_empty() {
            return false;
        }
        let goes_together = bytes <= self.stage.group_bytes_max;
        let count = if goes_together { group.len() } else { 1 };
        for &task in &group[..count] {
            self.places[task as usize] = worker;
            self.begun += (self.bytes)(task);
            self.placed[worker as usize].push(Reverse(task));
        }
        true
    }

    /// The sources that are needed together with one and wait, in their order, and whether others do
    /// not wait any more.
    fn group_of(&self, source: u32) -> (Vec<u32>, bool) {
        let mut group = vec![source];
        let mut is_begun = false;
        let users = self.users_in(source);
        let first = users
            .first()
            .map(|&user| self.sketch.deps_of(user as usize));
        for &dep in first.unwrap_or_default() {
            let is_source = self.sketch.deps_of(dep as usize).is_empty();
            match self.places[dep as usize] {
                NOWHERE if is_source => group.push(dep),
                NOWHERE => {}
                _ => is_begun = true,
            }
        }
        group.sort_unstable();
        group.dedup();
        (group, is_begun)
    }

    /// Those that need a task.
    fn users_in(&self, task: u32) -> &[u32] {
        let (begin, end) = (self.starts[task as usize], self.starts[task as usize + 1]);
        &self.dependents[begin as usize..end as usize]
    }

    fn end(&mut self, task: u32) {
        let worker = self.places[task as usize];
        self.free[worker as usize] += 1;
        self.idle.insert(worker);
        for &dep in self.sketch.deps_of(task as usize) {
            self.users[dep as usize] -= 1;
            if self.users[dep as usize] == 0 {
                self.held -= (self.bytes)(dep);
            }
        }
        for at in self.starts[task as usize]..self.starts[task as usize + 1] {
            let user = self.dependents[at as usize];
            self.missing[user as usize] -= 1;
            if self.missing[user as usize] == 0 {
                let place = self.decide_place(user);
                self.placed[place as usize].push(Reverse(user));
            }
        }
    }

    /// Where most of what a task needs is.
    fn decide_place(&self, task: u32) -> u32 {
        let deps = self.sketch.deps_of(task as usize);
        let place = |dep: &u32| self.places[*dep as usize];
        let mut there: Vec<(u32, u64)> = Vec::new();
        for dep in deps {
            let (place, bytes) = (place(dep), (self.bytes)(*dep));
            match there.iter_mut().find(|(at, _)| *at == place) {
                Some((_, sum)) => *sum += bytes,
                None => there.push((place, bytes)),
            }
        }
        let most = there
            .into_iter()
            .max_by_key(|&(at, sum)| (sum, Reverse(at)));
        most.map_or(0, |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use rask_graph::{Block, Graph, Grid, Input, InputMap, Layer, LayerId, TaskTable};

    use super::*;

    /// Groups of `size` values, each with a mean, and each value less the mean of its group.
    fn departures(groups: u32, size: u32) -> Sketch {
        let count = groups * size;
        let explicit = |layer, lists: Vec<Vec<u32>>| {
            let ends = lists.iter().scan(0, |end, list| {
                *end += list.len() as u32;
                Some(*end)
            });
            let offsets: Vec<u32> = std::iter::once(0).chain(ends).collect();
            let map = InputMap::Explicit {
                offsets: offsets.into(),
                blocks: lists.concat().into(),
            };
            Input {
                layer: LayerId(layer),
                map,
            }
        };
        let layer = |name: &str, blocks, inputs: Vec<Input>| Layer {
            name: name.into(),
            grid: Grid::new([blocks]),
            inputs: inputs.into(),
        };
        let members = |at: u32| (at * size..(at + 1) * size).collect();
        let same = (0..count).map(|at| vec![at]).collect();
        let means = (0..count).map(|at| vec![at / size]).collect();
        let mut graph = Graph::default();
        graph.add(layer("value", count, vec![]));
        let of_group = explicit(0, (0..groups).map(members).collect());
        graph.add(layer("mean", groups, vec![of_group]));
        let both = vec![explicit(0, same), explicit(1, means)];
        graph.add(layer("less", count, both));
        let same = (0..count).map(|at| vec![at]).collect();
        graph.add(layer("sum", count, vec![explicit(2, same)]));
        let last = LayerId(3);
        graph
            .wanted
            .extend((0..count).map(|block| Block { layer: last, block }));
        let table = TaskTable::expand(&graph).expect("a valid graph");
        let ranks = rask_graph::ranks(&rask_graph::order(&table));
        Sketch::new(&table, &ranks, &[0, 1, 2, 3], 0..table.len() as u32)
    }

    /// Of ten bytes each but for the sums, which take none.
    fn known(number: u32, _is_source: bool) -> Known {
        Known {
            is_learned: true,
            micros: Some(5),
            bytes: Some(if number == 3 { 0 } else { 10 }),
        }
    }

    fn stage(workers: u32, limit_bytes: u64) -> Stage {
        Stage {
            workers,
            threads: 1,
            limit_bytes,
            group_bytes_max: u64::MAX,
        }
    }

    #[test]
    fn every_worker_has_a_group_where_there_is_no_limit() {
        let sketch = departures(8, 6);
        // Six values, their mean, and one of them less that.
        let most = sketch.rehearse(stage(4, u64::MAX), (1, 1), known);
        assert_eq!(most, 4 * (6 + 1 + 1) * 10);
    }

    #[test]
    fn groups_that_are_begun_take_more_than_they_are_begun_with() {
        let sketch = departures(8, 6);
        let most = sketch.rehearse(stage(4, 2 * 60), (1, 1), known);
        assert_eq!(most, 2 * (6 + 1 + 1) * 10);
    }

    #[test]
    fn a_group_larger_than_the_limit_is_begun_alone() {
        let sketch = departures(8, 6);
        let most = sketch.rehearse(stage(4, 10), (1, 1), known);
        assert_eq!(most, (6 + 1 + 1) * 10);
    }
}
