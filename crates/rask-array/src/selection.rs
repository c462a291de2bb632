//! Selections along one axis: which element of the input each element of the output is.
//!
//! Slices, fancy indexing along an axis, rechunking, rolling, padding and overlap are all of this
//! form, so they are one kind of expression, compose with each other, and run as one op.

use std::sync::Arc;

use rask_graph::AxisMap;
use serde::{Deserialize, Serialize};

use crate::chunks::{Sizes, offsets};

/// A stretch of the output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Run {
    /// Elements `start, start + step, …` of the input; a step of zero repeats one.
    Range { start: u64, step: i64, count: u64 },
    /// These elements of the input.
    List(Arc<[u64]>),
    /// The fill value.
    Fill { count: u64 },
}

impl Run {
    /// Elements of the output.
    pub fn count(&self) -> u64 {
        match self {
            Run::Range { count, .. } | Run::Fill { count } => *count,
            Run::List(items) => items.len() as u64,
        }
    }

    /// The part of the run that begins after `skip` elements and has `count`.
    fn part(&self, skip: u64, count: u64) -> Run {
        match self {
            Run::Range { start, step, .. } => Run::Range {
                start: start.wrapping_add_signed(step * skip as i64),
                step: *step,
                count,
            },
            Run::List(items) => Run::List(items[skip as usize..(skip + count) as usize].into()),
            Run::Fill { .. } => Run::Fill { count },
        }
    }
}

/// What one axis of the output is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AxisSelection {
    pub runs: Arc<[Run]>,
    /// Block sizes of the output.
    pub chunks: Sizes,
}

impl AxisSelection {
    /// The whole axis, in the given blocks.
    pub fn whole(chunks: Sizes) -> Self {
        let length = chunks.iter().sum::<i64>() as u64;
        let run = Run::Range {
            start: 0,
            step: 1,
            count: length,
        };
        AxisSelection {
            runs: Arc::from([run]),
            chunks,
        }
    }

    /// Elements `start, start + step, …`, in the blocks that the input's blocks leave.
    pub fn range(input: &[i64], start: u64, step: i64, count: u64) -> Self {
        let run = Run::Range { start, step, count };
        AxisSelection {
            runs: Arc::from([run]),
            chunks: sliced_chunks(input, start, step, count),
        }
    }

    /// The only range, if that is all.
    pub fn as_range(&self) -> Option<(u64, i64, u64)> {
        match &*self.runs {
            [Run::Range { start, step, count }] => Some((*start, *step, *count)),
            _ => None,
        }
    }

    /// Whether the output is the input in the same blocks.
    pub fn is_identity(&self, input: &[i64]) -> bool {
        let length = input.iter().sum::<i64>() as u64;
        *self.chunks == *input
            && self.as_range().is_some_and(|(start, step, count)| {
                start == 0 && count == length && (step == 1 || count <= 1)
            })
    }

    /// The selection of this selection's output: first `self`, then `outer`.
    pub fn then(&self, outer: &AxisSelection) -> AxisSelection {
        let counts: Vec<i64> = self.runs.iter().map(|run| run.count() as i64).collect();
        let starts: Vec<u64> = offsets(&counts).into_iter().map(|at| at as u64).collect();
        let mut runs = Vec::new();
        for run in outer.runs.iter() {
            match run {
                Run::Fill { count } => runs.push(Run::Fill { count: *count }),
                Run::Range { start, step, count } => {
                    self.compose_range(&starts, *start, *step, *count, &mut runs);
                }
                Run::List(items) => {
                    for &item in items.iter() {
                        self.compose_range(&starts, item, 1, 1, &mut runs);
                    }
                }
            }
        }
        AxisSelection {
            runs: merged(runs).into(),
            chunks: outer.chunks.clone(),
        }
    }

    /// Splits `start, start + step, …` of this output at the borders of the runs.
    fn compose_range(&self, starts: &[u64], start: u64, step: i64, count: u64, out: &mut Vec<Run>) {
        let (mut at, mut left) = (start, count);
        while left > 0 {
            let number = starts.partition_point(|&border| border <= at) - 1;
            let (low, high) = (starts[number], starts[number + 1]);
            let inside = match step {
                0 => left,
                step if step > 0 => (high - at).div_ceil(step as u64),
                step => (at - low) / step.unsigned_abs() + 1,
            };
            let taken = inside.min(left);
            out.push(match &self.runs[number] {
                Run::Fill { .. } => Run::Fill { count: taken },
                Run::Range {
                    start: base,
                    step: by,
                    ..
                } => Run::Range {
                    start: base.wrapping_add_signed(by * (at - low) as i64),
                    step: by * step,
                    count: taken,
                },
                Run::List(items) => {
                    let position =
                        |i: u64| (at - low).wrapping_add_signed(step * i as i64) as usize;
                    Run::List((0..taken).map(|i| items[position(i)]).collect())
                }
            });
            at = at.wrapping_add_signed(step * taken as i64);
            left -= taken;
        }
    }
}

/// Joins neighbouring lists and single elements.
fn merged(runs: Vec<Run>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::with_capacity(runs.len());
    let mut list: Vec<u64> = Vec::new();
    let flush = |list: &mut Vec<u64>, out: &mut Vec<Run>| match list.len() {
        0 => {}
        1 => out.push(Run::Range {
            start: list[0],
            step: 1,
            count: 1,
        }),
        _ => out.push(Run::List(list.as_slice().into())),
    };
    for run in runs {
        match run {
            Run::List(items) => list.extend_from_slice(&items),
            Run::Range {
                start, count: 1, ..
            } => list.push(start),
            other => {
                flush(&mut list, &mut out);
                list.clear();
                out.push(other);
            }
        }
    }
    flush(&mut list, &mut out);
    out
}

/// Block sizes that are left of an axis by `start, start + step, …`: of each of the input's blocks
/// the elements that are taken from it, in the order in which they are taken.
pub fn sliced_chunks(input: &[i64], start: u64, step: i64, count: u64) -> Sizes {
    if count == 0 {
        return Arc::from([0]);
    }
    let borders = borders(input);
    let (mut at, mut left) = (start, count);
    let mut sizes = Vec::new();
    while left > 0 {
        let block = borders.partition_point(|&border| border <= at) - 1;
        let inside = match step {
            0 => left,
            step if step > 0 => (borders[block + 1] - at).div_ceil(step as u64),
            step => (at - borders[block]) / step.unsigned_abs() + 1,
        };
        let taken = inside.min(left);
        sizes.push(taken as i64);
        at = at.wrapping_add_signed(step * taken as i64);
        left -= taken;
    }
    sizes.into()
}

/// A part of one output block along one axis: `run` is in elements of the input's block number
/// `position` among the blocks that this output block reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    pub position: u32,
    pub run: Run,
}

/// For each output block along an axis: the input's blocks it reads, and its pieces in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisPieces {
    pub blocks: Vec<Vec<u32>>,
    pub pieces: Vec<Vec<Piece>>,
}

/// Cuts a selection at the borders of the input's and the output's blocks.
pub fn cut(selection: &AxisSelection, input: &[i64]) -> AxisPieces {
    let borders = borders(input);
    let mut cutter = Cutter {
        borders: &borders,
        blocks: Vec::new(),
        pieces: Vec::new(),
    };
    let mut runs = selection.runs.iter();
    let mut current: Option<(&Run, u64)> = None;
    for &size in selection.chunks.iter() {
        cutter.begin();
        let mut left = size.max(0) as u64;
        while left > 0 {
            let (run, used) = match current.take() {
                Some(pending) => pending,
                None => match runs.next() {
                    Some(run) => (run, 0),
                    None => break,
                },
            };
            let taken = (run.count() - used).min(left);
            if taken > 0 {
                cutter.add(run.part(used, taken));
            }
            left -= taken;
            if used + taken < run.count() {
                current = Some((run, used + taken));
            }
        }
    }
    AxisPieces {
        blocks: cutter.blocks,
        pieces: cutter.pieces,
    }
}

struct Cutter<'a> {
    borders: &'a [u64],
    blocks: Vec<Vec<u32>>,
    pieces: Vec<Vec<Piece>>,
}

impl Cutter<'_> {
    fn begin(&mut self) {
        self.blocks.push(Vec::new());
        self.pieces.push(Vec::new());
    }

    fn block_of(&self, element: u64) -> usize {
        self.borders.partition_point(|&border| border <= element) - 1
    }

    fn push(&mut self, block: usize, run: Run) {
        let (Some(blocks), Some(pieces)) = (self.blocks.last_mut(), self.pieces.last_mut()) else {
            return;
        };
        let found = blocks.iter().rposition(|&known| known == block as u32);
        let position = found.unwrap_or_else(|| {
            blocks.push(block as u32);
            blocks.len() - 1
        });
        pieces.push(Piece {
            position: position as u32,
            run,
        });
    }

    fn add(&mut self, run: Run) {
        match run {
            Run::Fill { count } => {
                if let Some(pieces) = self.pieces.last_mut() {
                    pieces.push(Piece {
                        position: u32::MAX,
                        run: Run::Fill { count },
                    });
                }
            }
            Run::Range { start, step, count } => self.add_range(start, step, count),
            Run::List(items) => {
                let mut from = 0;
                while from < items.len() {
                    let block = self.block_of(items[from]);
                    let same = |&item: &u64| self.block_of(item) == block;
                    let length = items[from..].iter().take_while(|item| same(item)).count();
                    let base = self.borders[block];
                    let local = items[from..from + length]
                        .iter()
                        .map(|item| item - base)
                        .collect();
                    self.push(block, Run::List(local));
                    from += length;
                }
            }
        }
    }

    fn add_range(&mut self, start: u64, step: i64, count: u64) {
        let (mut at, mut left) = (start, count);
        while left > 0 {
            let block = self.block_of(at);
            let (low, high) = (self.borders[block], self.borders[block + 1]);
            let inside = match step {
                0 => left,
                step if step > 0 => (high - at).div_ceil(step as u64),
                step => (at - low) / step.unsigned_abs() + 1,
            };
            let taken = inside.min(left);
            self.push(
                block,
                Run::Range {
                    start: at - low,
                    step,
                    count: taken,
                },
            );
            at = at.wrapping_add_signed(step * taken as i64);
            left -= taken;
        }
    }
}

fn borders(sizes: &[i64]) -> Vec<u64> {
    offsets(sizes).into_iter().map(|at| at as u64).collect()
}

impl AxisPieces {
    /// Every output block reads input blocks in increasing order, and the map that names them.
    pub fn into_map(mut self, axis: u32) -> (AxisPieces, AxisMap) {
        for (blocks, pieces) in self.blocks.iter_mut().zip(&mut self.pieces) {
            let mut sorted = blocks.clone();
            sorted.sort_unstable();
            for piece in pieces.iter_mut().filter(|piece| piece.position != u32::MAX) {
                let block = blocks[piece.position as usize];
                piece.position = sorted.partition_point(|&known| known < block) as u32;
            }
            *blocks = sorted;
        }
        let map = find_same(axis, &self.blocks)
            .or_else(|| find_ranges(axis, &self.blocks))
            .unwrap_or_else(|| lists(axis, &self.blocks));
        (self, map)
    }
}

fn find_same(axis: u32, blocks: &[Vec<u32>]) -> Option<AxisMap> {
    let same = |(at, list): (usize, &Vec<u32>)| list[..] == [at as u32];
    blocks
        .iter()
        .enumerate()
        .all(same)
        .then_some(AxisMap::Same(axis))
}

fn find_ranges(axis: u32, blocks: &[Vec<u32>]) -> Option<AxisMap> {
    let range = |list: &Vec<u32>| match (list.first(), list.last()) {
        (Some(&first), Some(&last)) => {
            (last - first + 1 == list.len() as u32).then_some((first, last + 1))
        }
        _ => Some((0, 0)),
    };
    let ranges: Option<Vec<(u32, u32)>> = blocks.iter().map(range).collect();
    ranges.map(|ranges| AxisMap::Ranges {
        axis,
        ranges: ranges.into(),
    })
}

fn lists(axis: u32, blocks: &[Vec<u32>]) -> AxisMap {
    let mut offsets = vec![0];
    let mut items = Vec::new();
    for list in blocks {
        items.extend_from_slice(list);
        offsets.push(items.len() as u32);
    }
    AxisMap::Lists {
        axis,
        offsets: offsets.into(),
        items: items.into(),
    }
}
