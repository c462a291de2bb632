//! Rechunking in stages.
//!
//! A rechunk needs an edge for every pair of an old and a new block that overlap: the product over
//! the axes. Cutting along every axis at once makes that quadratic. Going through intermediate
//! chunks, in which some axes are already merged and others not yet cut, keeps it near linear; the
//! same idea as Rocklin et al.'s `plan_rechunk`.

use super::{Chunks, Sizes, offsets};

/// Edges below which a rechunk is done in one step.
const EDGES_FREE: u64 = 200_000;
/// How many edges for each block of the larger side are fine in one step.
const EDGES_A_BLOCK: u64 = 64;

/// The number of pairs of an old and a new block that overlap.
pub fn edge_count(old: &[Sizes], new: &[Sizes]) -> u64 {
    old.iter()
        .zip(new)
        .map(|(old, new)| overlaps(old, new))
        .fold(1, u64::saturating_mul)
}

fn overlaps(old: &[i64], new: &[i64]) -> u64 {
    let (old, new) = (offsets(old), offsets(new));
    let inner = |all: &[usize]| all[1..all.len() - 1].to_vec();
    let mut cuts = inner(&old);
    cuts.extend(inner(&new));
    cuts.sort_unstable();
    cuts.dedup();
    cuts.len() as u64 + 1
}

fn block_count(chunks: &[Sizes]) -> u64 {
    chunks.iter().map(|sizes| sizes.len() as u64).product()
}

/// The chunks to go through, the last of which are `new`. Blocks on the way have at most
/// `block_elements_max` elements, or as many as the larger of the old and new blocks.
pub fn rechunk_stages(old: &[Sizes], new: &[Sizes], block_elements_max: u64) -> Vec<Chunks> {
    let mut stages = Vec::new();
    let mut from: Chunks = old.to_vec();
    let largest = |chunks: &[Sizes]| -> u64 {
        let largest = |sizes: &Sizes| sizes.iter().copied().max().unwrap_or(1).max(1) as u64;
        chunks.iter().map(largest).product()
    };
    let limit = block_elements_max.max(largest(old)).max(largest(new));
    while is_dear(&from, new) {
        let Some(next) = merge_axes(&from, new, limit, largest) else {
            break;
        };
        stages.push(next.clone());
        from = next;
    }
    stages.push(new.to_vec());
    stages
}

fn is_dear(old: &[Sizes], new: &[Sizes]) -> bool {
    let edges = edge_count(old, new);
    let blocks = block_count(old).max(block_count(new));
    edges > EDGES_FREE && edges > blocks.saturating_mul(EDGES_A_BLOCK)
}

/// `from` with those axes merged towards `new` that become coarser, as many as the limit allows.
fn merge_axes(
    from: &[Sizes],
    new: &[Sizes],
    limit: u64,
    largest: impl Fn(&[Sizes]) -> u64,
) -> Option<Chunks> {
    let mut next = from.to_vec();
    let mut axes: Vec<usize> = (0..from.len())
        .filter(|&axis| new[axis].len() < from[axis].len())
        .collect();
    axes.sort_by_key(|&axis| std::cmp::Reverse(from[axis].len() / new[axis].len().max(1)));
    for axis in axes {
        let before = std::mem::replace(&mut next[axis], new[axis].clone());
        if largest(&next) <= limit {
            continue;
        }
        next[axis] = before.clone();
        let room = limit / largest(&next).max(1);
        if room >= 2 {
            next[axis] = merge_runs(&before, room as usize);
        }
    }
    (next != from).then_some(next)
}

fn merge_runs(sizes: &Sizes, run: usize) -> Sizes {
    sizes.chunks(run).map(|run| run.iter().sum()).collect()
}
