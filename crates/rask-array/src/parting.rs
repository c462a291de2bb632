//! Selections seen from the input: which parts of one of its blocks which blocks of the output need.
//!
//! A block of the output that needs a little of many blocks shall not be given them whole. So each
//! block of the input is *cut* into a part for each block of the output, and those are *assembled*
//! from their parts. Both follow from the pieces along each axis, and cost their sum, not their
//! product.

use serde::{Deserialize, Serialize};

use crate::chunks::Sizes;
use crate::selection::{AxisPieces, Piece, Run};

/// For each block of the input along an axis, the output's blocks that need some of it, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisParts {
    offsets: Vec<u32>,
    /// Coordinate of the output's block, increasing for each block of the input.
    parts: Vec<(u32, Run)>,
}

impl AxisParts {
    /// Turns pieces around. `blocks` is the number of the input's blocks.
    pub fn of(pieces: &AxisPieces, blocks: usize) -> Self {
        let mut by_block: Vec<Vec<(u32, Run)>> = vec![Vec::new(); blocks];
        for (at, (read, pieces)) in pieces.blocks.iter().zip(&pieces.pieces).enumerate() {
            for (position, &block) in read.iter().enumerate() {
                let own = pieces.iter().filter(|p| p.position as usize == position);
                let run = joined(own.map(|piece| &piece.run));
                if let Some(parts) = by_block.get_mut(block as usize) {
                    parts.push((at as u32, run));
                }
            }
        }
        let mut offsets = vec![0];
        let mut parts = Vec::new();
        for own in by_block {
            parts.extend(own);
            offsets.push(parts.len() as u32);
        }
        AxisParts { offsets, parts }
    }

    /// What is needed of the block at this coordinate.
    pub fn at(&self, coordinate: u32) -> &[(u32, Run)] {
        let place = |at: usize| self.offsets.get(at).copied().unwrap_or(0) as usize;
        let (from, to) = (place(coordinate as usize), place(coordinate as usize + 1));
        self.parts.get(from..to).unwrap_or_default()
    }
}

/// Runs of the same block, one after the other, as one.
fn joined<'a>(runs: impl Iterator<Item = &'a Run>) -> Run {
    let mut whole: Option<Run> = None;
    for run in runs {
        whole = Some(match whole {
            None => run.clone(),
            Some(before) => {
                follow(&before, run).unwrap_or_else(|| Run::List(items(&before, run).into()))
            }
        });
    }
    whole.unwrap_or(Run::Range {
        start: 0,
        step: 1,
        count: 0,
    })
}

/// Both as a range, if the second goes on where the first ends.
fn follow(before: &Run, run: &Run) -> Option<Run> {
    let (
        &Run::Range { start, step, count },
        &Run::Range {
            start: next,
            step: by,
            count: more,
        },
    ) = (before, run)
    else {
        return None;
    };
    let goes_on = step == by && next == start.wrapping_add_signed(step * count as i64);
    goes_on.then_some(Run::Range {
        start,
        step,
        count: count + more,
    })
}

fn items(before: &Run, run: &Run) -> Vec<u64> {
    let mut items = Vec::with_capacity((before.count() + run.count()) as usize);
    for run in [before, run] {
        match run {
            Run::List(list) => items.extend_from_slice(list),
            Run::Range { start, step, count } => {
                items.extend((0..*count as i64).map(|i| start.wrapping_add_signed(step * i)));
            }
            Run::Fill { .. } => {}
        }
    }
    items
}

/// A block's pieces as pieces of the parts that were cut for it.
pub fn pieces_of_parts(pieces: &[Piece]) -> Vec<Piece> {
    let mut used: Vec<u64> = Vec::new();
    let mut moved = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if piece.position == u32::MAX {
            moved.push(piece.clone());
            continue;
        }
        let position = piece.position as usize;
        used.resize(used.len().max(position + 1), 0);
        let count = piece.run.count();
        moved.push(Piece {
            position: piece.position,
            run: Run::Range {
                start: used[position],
                step: 1,
                count,
            },
        });
        used[position] += count;
    }
    moved
}

/// Into how many parts a block of the input is cut on average, if the output's blocks need less than
/// the whole blocks that they read, and reading them means to move some.
pub fn find_parts(axes: &[Option<AxisPieces>], old: &[Sizes]) -> Option<u32> {
    let (mut whole, mut needed) = (1.0, 1.0);
    let (mut edges, mut sources, mut targets) = (1.0, 1.0, 1.0);
    for (pieces, sizes) in axes.iter().zip(old) {
        let Some(pieces) = pieces else {
            let blocks = sizes.len() as f64;
            (edges, sources, targets) = (edges * blocks, sources * blocks, targets * blocks);
            continue;
        };
        let length = |&block: &u32| sizes[block as usize].max(0) as f64;
        let read = || pieces.blocks.iter().flatten();
        whole *= read().map(length).sum::<f64>();
        let taken = pieces.pieces.iter().flatten();
        let taken = taken.filter(|piece| piece.position != u32::MAX);
        needed *= taken.map(|piece| piece.run.count() as f64).sum::<f64>();
        let mut blocks: Vec<u32> = read().copied().collect();
        edges *= blocks.len() as f64;
        blocks.sort_unstable();
        blocks.dedup();
        sources *= blocks.len() as f64;
        targets *= pieces.blocks.len() as f64;
    }
    let one_to_one = edges <= sources && edges <= targets;
    let parts = || (edges / sources).ceil().max(1.0) as u32;
    (needed < whole && !one_to_one).then(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::{AxisSelection, cut};

    fn pieces(old: &[i64], new: &[i64]) -> AxisPieces {
        let selection = AxisSelection::whole(new.into());
        cut(&selection, old).into_map(0).0
    }

    fn range(start: u64, count: u64) -> Run {
        Run::Range {
            start,
            step: 1,
            count,
        }
    }

    #[test]
    fn a_block_knows_who_needs_what_of_it() {
        let parts = AxisParts::of(&pieces(&[4, 4], &[3, 3, 2]), 2);
        assert_eq!(parts.at(0), [(0, range(0, 3)), (1, range(3, 1))]);
        assert_eq!(parts.at(1), [(1, range(0, 2)), (2, range(2, 2))]);
        assert_eq!(parts.at(2), []);
    }

    #[test]
    fn runs_of_one_block_are_one_part() {
        let selection = AxisSelection {
            runs: vec![range(0, 1), range(5, 1), range(1, 2), range(3, 1)].into(),
            chunks: [5].into(),
        };
        let pieces = cut(&selection, &[4, 4]).into_map(0).0;
        let parts = AxisParts::of(&pieces, 2);
        assert_eq!(parts.at(0), [(0, range(0, 4))]);
        assert_eq!(parts.at(1), [(0, range(1, 1))]);
        let moved = pieces_of_parts(&pieces.pieces[0]);
        let starts: Vec<(u32, Run)> = moved.into_iter().map(|p| (p.position, p.run)).collect();
        let expected = [
            (0, range(0, 1)),
            (1, range(0, 1)),
            (0, range(1, 2)),
            (0, range(3, 1)),
        ];
        assert_eq!(starts, expected);
    }

    #[test]
    fn merges_and_copies_need_no_parts() {
        let sizes = |sizes: &[i64]| Sizes::from(sizes);
        let merge = [Some(pieces(&[2, 2, 2, 2], &[4, 4]))];
        assert_eq!(find_parts(&merge, &[sizes(&[2, 2, 2, 2])]), None);
        let turn = [
            Some(pieces(&[2, 2], &[4])),
            Some(pieces(&[4], &[1, 1, 1, 1])),
        ];
        assert_eq!(find_parts(&turn, &[sizes(&[2, 2]), sizes(&[4])]), Some(4));
        let untouched = [None, Some(pieces(&[2, 2], &[3, 1]))];
        let old = [sizes(&[5, 5]), sizes(&[2, 2])];
        assert_eq!(find_parts(&untouched, &old), Some(2));
    }
}
