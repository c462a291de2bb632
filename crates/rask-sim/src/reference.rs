//! What the order of a graph needs: one place with as many threads as the cluster has in all, and
//! nothing to move.

use std::collections::BTreeSet;

use rask_graph::{Block, Graph, TaskTable, order, ranks};

use crate::Cost;

/// What a graph takes in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    /// Most bytes of values at a time.
    pub(crate) bytes: u64,
    /// When the last task ends.
    pub(crate) micros: u64,
}

/// List scheduling: whenever a thread is free, it takes the first task in the graph's order that is
/// ready. A value takes its room from the beginning of its task to the end of the last one that needs
/// it, or to the very end if it is wanted.
pub(crate) fn needed(graph: &Graph, cost_of: impl Fn(Block) -> Cost, threads: u32) -> Needed {
    let table = TaskTable::expand(graph).expect("studied graphs are valid");
    let ranks = ranks(&order(&table));
    let cost = |task: u32| cost_of(table.block_of(task));
    let tasks = 0..table.len() as u32;
    let mut missing: Vec<usize> = tasks.clone().map(|task| table.deps(task).len()).collect();
    let users = tasks.clone().map(|task| table.dependents(task).len());
    let mut users: Vec<usize> = users.collect();
    for &task in table.wanted() {
        users[task as usize] += 1;
    }
    let ready = tasks.filter(|&task| missing[task as usize] == 0);
    let mut ready: BTreeSet<(u32, u32)> = ready.map(|task| (ranks[task as usize], task)).collect();
    let mut running: BTreeSet<(u64, u32)> = BTreeSet::new();
    let (mut needed, mut held) = (Needed::default(), 0u64);
    loop {
        while running.len() < threads as usize
            && let Some((_, task)) = ready.pop_first()
        {
            running.insert((needed.micros + cost(task).micros, task));
            held += cost(task).bytes;
        }
        needed.bytes = needed.bytes.max(held);
        let Some((micros, task)) = running.pop_first() else {
            return needed;
        };
        needed.micros = micros;
        for &dep in table.deps(task) {
            users[dep as usize] -= 1;
            if users[dep as usize] == 0 {
                held -= cost(dep).bytes;
            }
        }
        for &user in table.dependents(task) {
            missing[user as usize] -= 1;
            if missing[user as usize] == 0 {
                ready.insert((ranks[user as usize], user));
            }
        }
    }
}

/// The longest chain of tasks, or all work evenly spread if that is longer.
pub(crate) fn least_micros(graph: &Graph, cost_of: impl Fn(Block) -> Cost, threads: u32) -> u64 {
    let table = TaskTable::expand(graph).expect("studied graphs are valid");
    let mut ends = vec![0; table.len()];
    let (mut longest, mut work) = (0, 0);
    // In this order tasks come after what they need.
    for task in order(&table) {
        let deps = table.deps(task).iter();
        let ready = deps.map(|&dep| ends[dep as usize]).max().unwrap_or(0);
        let micros = cost_of(table.block_of(task)).micros;
        ends[task as usize] = ready + micros;
        longest = longest.max(ready + micros);
        work += micros;
    }
    longest.max(work.div_ceil(u64::from(threads.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{StudyLayer, graph_of};

    fn needed_of(layers: &[StudyLayer], threads: u32) -> Needed {
        let cost_of = |at: Block| layers[at.layer.0 as usize].cost;
        needed(&graph_of(layers), cost_of, threads)
    }

    /// Blocks of ten bytes that take five, summed by pairs to one byte.
    fn pairs() -> Vec<StudyLayer> {
        let layer = |name, (bytes, micros), blocks, inputs| StudyLayer {
            name,
            cost: Cost { bytes, micros },
            blocks,
            inputs,
        };
        let sums = (0..4).map(|at| vec![2 * at, 2 * at + 1]).collect();
        let total = vec![(1, vec![vec![0, 1, 2, 3]])];
        vec![
            layer("load", (10, 5), 8, vec![]),
            layer("sum", (1, 2), 4, vec![(0, sums)]),
            layer("total", (1, 1), 1, total),
        ]
    }

    #[test]
    fn one_thread_holds_one_pair_and_the_sums_so_far() {
        let needed = needed_of(&pairs(), 1);
        assert_eq!(needed.bytes, 2 * 10 + 3 + 1);
        assert_eq!(needed.micros, 8 * 5 + 4 * 2 + 1);
    }

    #[test]
    fn as_many_threads_as_blocks_hold_all_blocks() {
        let needed = needed_of(&pairs(), 8);
        assert_eq!(needed.bytes, 8 * 10 + 4);
        assert_eq!(needed.micros, 5 + 2 + 1);
    }

    #[test]
    fn nothing_is_faster_than_the_longest_chain_or_all_threads() {
        let layers = pairs();
        let cost_of = |at: Block| layers[at.layer.0 as usize].cost;
        let least = |threads| least_micros(&graph_of(&layers), cost_of, threads);
        assert_eq!(least(1), 8 * 5 + 4 * 2 + 1);
        assert_eq!(least(2), 25);
        assert_eq!(least(100), 5 + 2 + 1);
    }

    #[test]
    fn what_is_wanted_stays_to_the_end() {
        let layers = &pairs()[..2];
        assert_eq!(needed_of(layers, 1).bytes, 2 * 10 + 4);
    }
}
