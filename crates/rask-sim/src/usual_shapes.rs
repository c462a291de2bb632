//! Graphs of the shapes that people run, for studies.

use crate::costs::Cost;
use crate::study::StudyLayer;

/// Each block of a layer after the first needs these of the layer before.
fn chain(
    cost: Cost,
    widths: &[u32],
    mut inputs: impl FnMut(u32, u32) -> Vec<u32>,
) -> Vec<StudyLayer> {
    let mut layers: Vec<StudyLayer> = Vec::new();
    for (number, &blocks) in (0..).zip(widths) {
        let before = match number {
            0 => Vec::new(),
            _ => {
                let lists = (0..blocks).map(|block| inputs(number, block));
                vec![(number - 1, lists.collect())]
            }
        };
        layers.push(StudyLayer {
            name: "step",
            cost,
            blocks,
            inputs: before,
        });
    }
    layers
}

/// Tasks that need nothing, each the input of one other.
pub fn map(cost: Cost, blocks: u32) -> Vec<StudyLayer> {
    chain(cost, &[blocks, blocks], |_, block| vec![block])
}

/// A tree in which each task needs two, down to one.
pub fn tree(cost: Cost, leaves: u32) -> Vec<StudyLayer> {
    let widths: Vec<u32> = std::iter::successors(Some(leaves), |&width| {
        (width > 1).then(|| width.div_ceil(2))
    })
    .collect();
    chain(cost, &widths, |number, block| {
        let before = widths[number as usize - 1];
        (2 * block..(2 * block + 2).min(before)).collect()
    })
}

/// Steps of a grid in one dimension: each block needs itself and its neighbours of the step before.
pub fn stencil(cost: Cost, blocks: u32, steps: u32) -> Vec<StudyLayer> {
    let widths = vec![blocks; steps as usize];
    chain(cost, &widths, |_, block| {
        (block.saturating_sub(1)..(block + 2).min(blocks)).collect()
    })
}

/// Every task of the second layer needs all of the first.
pub fn shuffle(cost: Cost, blocks: u32) -> Vec<StudyLayer> {
    chain(cost, &[blocks, blocks], |_, _| (0..blocks).collect())
}

/// Each task needs one to three of the layer before, anywhere.
pub fn random(cost: Cost, blocks: u32, steps: u32, seed: u32) -> Vec<StudyLayer> {
    let mut state = seed;
    let mut next = move |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    let widths = vec![blocks; steps as usize];
    chain(cost, &widths, |_, _| {
        let count = 1 + next(3);
        (0..count).map(|_| next(blocks)).collect()
    })
}
