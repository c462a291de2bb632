//! Graphs that people run whose values are large: what is stored, rolled, accumulated, multiplied, fanned
//! out, or worked on by groups.

use crate::shapes::{SMALL, groups, layer, same};
use crate::{Shape, StudyLayer};

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 16 * MIB;

/// These graphs, for [`study`](crate::study).
pub fn more_shapes() -> Vec<Shape> {
    let shape = |name, layers| Shape { name, layers };
    vec![
        shape("stored", stored()),
        shape("rolled", rolled()),
        shape("accumulated", accumulated()),
        shape("product with itself", product()),
        shape("fan-out", fan_out()),
        shape("groups, mapped", mapped_groups()),
        shape("less the mean of all", less_mean()),
    ]
}

/// Blocks that are worked on twice and written: only the writes are wanted.
fn stored() -> Vec<StudyLayer> {
    const COUNT: u32 = 400;
    vec![
        layer("load", (BLOCK, 5000), COUNT, vec![]),
        layer("scale", (BLOCK, 3000), COUNT, vec![(0, same(COUNT))]),
        layer("round", (BLOCK, 3000), COUNT, vec![(1, same(COUNT))]),
        layer("write", (SMALL, 10_000), COUNT, vec![(2, same(COUNT))]),
    ]
}

/// Blocks with the edges of their neighbours.
fn rolled() -> Vec<StudyLayer> {
    const COUNT: u32 = 400;
    let near = |at: u32| (at.saturating_sub(1)..(at + 2).min(COUNT)).collect();
    let near = (0..COUNT).map(near).collect();
    vec![
        layer("load", (BLOCK, 5000), COUNT, vec![]),
        layer("mean", (BLOCK, 6000), COUNT, vec![(0, near)]),
        layer("sum", (SMALL, 2000), COUNT, vec![(1, same(COUNT))]),
        layer("total", (SMALL, 1000), 1, vec![(2, groups(1, COUNT))]),
    ]
}

/// Sums from the first block on: what a block adds goes to the next.
fn accumulated() -> Vec<StudyLayer> {
    const COUNT: u32 = 400;
    // A carry needs the block's own sum, and the carry before it lies in a layer of its own.
    let mut layers = vec![
        layer("load", (BLOCK, 5000), COUNT, vec![]),
        layer("sums", (BLOCK, 3000), COUNT, vec![(0, same(COUNT))]),
        layer("last", (SMALL, 1000), COUNT, vec![(1, same(COUNT))]),
    ];
    const STEPS: u32 = 20;
    let size = COUNT / STEPS;
    // Carries over runs of blocks, one run after the other.
    let mut carry = None;
    let mut carries = Vec::new();
    for step in 0..STEPS {
        let run: Vec<u32> = (step * size..(step + 1) * size).collect();
        let mut inputs = vec![(2, vec![run])];
        inputs.extend(carry.map(|carry| (carry, vec![vec![0]])));
        carry = Some(layers.len() as u32);
        carries.extend(carry);
        layers.push(layer("carry", (SMALL, 500), 1, inputs));
    }
    let mut outs = Vec::new();
    for step in 1..STEPS {
        let run = (step * size..(step + 1) * size)
            .map(|at| vec![at])
            .collect();
        let before = (0..size).map(|_| vec![0]).collect();
        let inputs = vec![(1, run), (carries[step as usize - 1], before)];
        outs.push(layers.len() as u32);
        layers.push(layer("add", (BLOCK, 3000), size, inputs));
        let written = vec![(layers.len() as u32 - 1, same(size))];
        layers.push(layer("sum", (SMALL, 2000), size, written));
    }
    let sums = outs.iter().map(|add| (add + 1, groups(1, size)));
    let sums = sums.collect();
    layers.push(layer("total", (SMALL, 1000), 1, sums));
    layers
}

/// Every row of blocks with every other.
fn product() -> Vec<StudyLayer> {
    const ROWS: u32 = 24;
    let left = (0..ROWS * ROWS).map(|at| vec![at / ROWS]).collect();
    let right = (0..ROWS * ROWS).map(|at| vec![at % ROWS]).collect();
    let both = vec![(0, left), (0, right)];
    vec![
        layer("load", (BLOCK, 5000), ROWS, vec![]),
        layer("times", (MIB, 8000), ROWS * ROWS, both),
        layer("sum", (SMALL, 3000), ROWS, vec![(1, groups(ROWS, ROWS))]),
        layer("total", (SMALL, 1000), 1, vec![(2, groups(1, ROWS))]),
    ]
}

/// Of every block many others are made.
fn fan_out() -> Vec<StudyLayer> {
    const BLOCKS: u32 = 40;
    const PARTS: u32 = 24;
    let count = BLOCKS * PARTS;
    let parts = (0..count).map(|part| vec![part / PARTS]).collect();
    vec![
        layer("load", (2 * BLOCK, 10_000), BLOCKS, vec![]),
        layer("part", (4 * MIB, 2000), count, vec![(0, parts)]),
        layer("work", (4 * MIB, 3000), count, vec![(1, same(count))]),
        layer("sum", (SMALL, 1000), count, vec![(2, same(count))]),
        layer("total", (SMALL, 1000), 1, vec![(3, groups(1, count))]),
    ]
}

/// Blocks of a group put together, worked on, and reduced.
fn mapped_groups() -> Vec<StudyLayer> {
    const GROUPS: u32 = 48;
    const SIZE: u32 = 6;
    let whole = u64::from(SIZE) * BLOCK;
    vec![
        layer("load", (BLOCK, 5000), GROUPS * SIZE, vec![]),
        layer(
            "concat",
            (whole, 8000),
            GROUPS,
            vec![(0, groups(GROUPS, SIZE))],
        ),
        layer("map", (whole, 30_000), GROUPS, vec![(1, same(GROUPS))]),
        layer("mean", (SMALL, 5000), GROUPS, vec![(2, same(GROUPS))]),
        layer("total", (SMALL, 1000), 1, vec![(3, groups(1, GROUPS))]),
    ]
}

/// Blocks less the mean of all of them, which have to stay until that is known.
fn less_mean() -> Vec<StudyLayer> {
    const COUNT: u32 = 200;
    let mean = (0..COUNT).map(|_| vec![0]).collect();
    vec![
        layer("load", (BLOCK, 5000), COUNT, vec![]),
        layer("part", (SMALL, 2000), COUNT, vec![(0, same(COUNT))]),
        layer("mean", (SMALL, 1000), 1, vec![(1, groups(1, COUNT))]),
        layer(
            "less",
            (BLOCK, 5000),
            COUNT,
            vec![(0, same(COUNT)), (2, mean)],
        ),
        layer("sum", (SMALL, 2000), COUNT, vec![(3, same(COUNT))]),
        layer("total", (SMALL, 1000), 1, vec![(4, groups(1, COUNT))]),
    ]
}
