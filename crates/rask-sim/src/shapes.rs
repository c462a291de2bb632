//! Graphs that are known to take more memory than they need, for [`study`](crate::study).

use crate::{Cost, StudyLayer};

const MIB: u64 = 1 << 20;
/// Of a reduced value.
pub(crate) const SMALL: u64 = 1000;

/// A graph with its name.
#[derive(Clone, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub layers: Vec<StudyLayer>,
}

/// The graphs whose memory is studied: many sources into a slow reduction, arrays combined
/// elementwise, climatology, rechunking before a reduction, trees, and chains of these.
pub fn blow_up_shapes() -> Vec<Shape> {
    let shape = |name, layers| Shape { name, layers };
    vec![
        shape("slow reduction", slow_reduction(5000, 40_000)),
        shape("slow reduction, fast sources", slow_reduction(500, 20_000)),
        shape("elementwise", elementwise(5000, 5000)),
        shape("elementwise, one slow", elementwise(1000, 20_000)),
        shape("climatology", climatology()),
        shape("rechunk, reduce", rechunk_reduce()),
        shape("rechunk twice", rechunk_twice()),
        shape("tree reduction", tree(1024)),
        shape("anomaly", anomaly()),
    ]
}

pub(crate) fn layer(
    name: &'static str,
    (bytes, micros): (u64, u64),
    blocks: u32,
    inputs: Vec<(u32, Vec<Vec<u32>>)>,
) -> StudyLayer {
    StudyLayer {
        name,
        cost: Cost { bytes, micros },
        blocks,
        inputs,
    }
}

/// Block `i` needs blocks `i * size..(i + 1) * size`.
pub(crate) fn groups(count: u32, size: u32) -> Vec<Vec<u32>> {
    let group = |at: u32| (at * size..(at + 1) * size).collect();
    (0..count).map(group).collect()
}

/// Block `i` needs block `i`.
pub(crate) fn same(count: u32) -> Vec<Vec<u32>> {
    groups(count, 1)
}

/// Many sources into a slow reduction.
fn slow_reduction(source_micros: u64, reduce_micros: u64) -> Vec<StudyLayer> {
    let reduce = (MIB, reduce_micros);
    vec![
        layer("load", (16 * MIB, source_micros), 800, vec![]),
        layer("reduce", reduce, 100, vec![(0, groups(100, 8))]),
        layer("combine", reduce, 10, vec![(1, groups(10, 10))]),
        layer("total", reduce, 1, vec![(2, groups(1, 10))]),
    ]
}

/// Two arrays combined elementwise, and reduced.
fn elementwise(left_micros: u64, right_micros: u64) -> Vec<StudyLayer> {
    let both = vec![(0, same(400)), (1, same(400))];
    vec![
        layer("left", (16 * MIB, left_micros), 400, vec![]),
        layer("right", (16 * MIB, right_micros), 400, vec![]),
        layer("add", (16 * MIB, 5000), 400, both),
        layer("sum", (SMALL, 3000), 400, vec![(2, same(400))]),
        layer("combine", (SMALL, 1000), 40, vec![(3, groups(40, 10))]),
        layer("total", (SMALL, 1000), 1, vec![(4, groups(1, 40))]),
    ]
}

/// Means by day of the year: blocks of every year lie across those of the days.
fn climatology() -> Vec<StudyLayer> {
    const YEARS: u32 = 20;
    const BLOCKS: u32 = 24;
    const DAYS: u32 = 30;
    // Days of group `g` lie in these blocks of a year.
    let blocks_of = |group: u32| group * BLOCKS / DAYS..((group + 1) * BLOCKS - 1) / DAYS + 1;
    let picks = (0..DAYS * YEARS).map(|pick| {
        let (group, year) = (pick / YEARS, pick % YEARS);
        let blocks = blocks_of(group).map(|block| year * BLOCKS + block);
        blocks.collect()
    });
    let picks = vec![(0, picks.collect())];
    let means = vec![(1, groups(DAYS, YEARS))];
    vec![
        layer("load", (16 * MIB, 8000), YEARS * BLOCKS, vec![]),
        layer("pick", (12 * MIB, 2000), DAYS * YEARS, picks),
        layer("mean", (12 * MIB, 30_000), DAYS, means),
    ]
}

/// Every one of `side` blocks is cut for every one of `side` others; layers `first..first + 2`.
fn rechunk(source: u32, side: u32, names: (&'static str, &'static str)) -> [StudyLayer; 2] {
    let cuts = (0..side * side).map(|cut| vec![cut / side]).collect();
    let merge = |row| (0..side).map(|at| at * side + row).collect();
    let merges = (0..side).map(merge).collect();
    [
        layer(names.0, (MIB, 500), side * side, vec![(source, cuts)]),
        layer(
            names.1,
            (u64::from(side) * MIB, 10_000),
            side,
            vec![(source + 1, merges)],
        ),
    ]
}

/// From blocks along one axis to blocks along the other, each of which is reduced.
fn rechunk_reduce() -> Vec<StudyLayer> {
    const SIDE: u32 = 32;
    let mut layers = vec![layer("load", (32 * MIB, 20_000), SIDE, vec![])];
    layers.extend(rechunk(0, SIDE, ("cut", "merge")));
    layers.extend([
        layer("reduce", (SMALL, 10_000), SIDE, vec![(2, same(SIDE))]),
        layer("total", (SMALL, 1000), 1, vec![(3, groups(1, SIDE))]),
    ]);
    layers
}

/// There and back.
fn rechunk_twice() -> Vec<StudyLayer> {
    const SIDE: u32 = 24;
    let mut layers = vec![layer("load", (24 * MIB, 20_000), SIDE, vec![])];
    layers.extend(rechunk(0, SIDE, ("cut", "merge")));
    layers.push(layer(
        "work",
        (24 * MIB, 10_000),
        SIDE,
        vec![(2, same(SIDE))],
    ));
    layers.extend(rechunk(3, SIDE, ("cut back", "merge back")));
    layers.push(layer("sum", (SMALL, 10_000), SIDE, vec![(5, same(SIDE))]));
    layers
}

/// Large values, two into one of the same size, down to one.
fn tree(leaves: u32) -> Vec<StudyLayer> {
    const NAMES: [&str; 10] = ["2", "4", "8", "16", "32", "64", "128", "256", "512", "1024"];
    let mut layers = vec![layer("leaf", (8 * MIB, 4000), leaves, vec![])];
    let mut count = leaves;
    for (source, name) in (0..).zip(NAMES) {
        count /= 2;
        let pairs = vec![(source, groups(count, 2))];
        layers.push(layer(name, (8 * MIB, 4000), count, pairs));
    }
    layers
}

/// Blocks less the mean of their group, where every block is made anew for it.
fn anomaly() -> Vec<StudyLayer> {
    const GROUPS: u32 = 40;
    const SIZE: u32 = 12;
    let count = GROUPS * SIZE;
    let means = (0..count).map(|block| vec![block / SIZE]).collect();
    vec![
        layer("load", (16 * MIB, 5000), count, vec![]),
        layer(
            "mean",
            (16 * MIB, 10_000),
            GROUPS,
            vec![(0, groups(GROUPS, SIZE))],
        ),
        layer(
            "less",
            (16 * MIB, 5000),
            count,
            vec![(0, same(count)), (1, means)],
        ),
        layer("sum", (SMALL, 3000), count, vec![(2, same(count))]),
        layer("total", (SMALL, 1000), 1, vec![(3, groups(1, count))]),
    ]
}
