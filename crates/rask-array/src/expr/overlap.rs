//! Blocks with a margin of their neighbours, and without it again.

use rask_value::array::Scalar;

use super::ArrayExpr;
use crate::chunks::{Sizes, axis_length, is_known, offsets};
use crate::error::ArrayPlanError;
use crate::selection::{AxisSelection, Run};

type Result<T> = std::result::Result<T, ArrayPlanError>;

/// What lies beyond the edge of the array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Boundary {
    /// The elements before the edge, in reverse order, the edge's own first.
    Reflect,
    /// The elements from the other end.
    Periodic,
    /// The edge's element, repeated.
    Nearest,
    /// Nothing: blocks at the edge have no margin there.
    None,
    Constant(Scalar),
}

impl ArrayExpr {
    /// Every block with `depth` elements of its neighbours before and after it along each axis.
    ///
    /// # Errors
    /// A depth larger than the axis, unknown lengths, different constants.
    pub fn overlap(&self, depth: &[(usize, usize)], boundary: &[Boundary]) -> Result<Self> {
        self.check_depth(depth, boundary)?;
        let mut fill = None;
        for axis in boundary {
            if let Boundary::Constant(value) = axis {
                if fill.is_some_and(|known| known != *value) {
                    return Err(ArrayPlanError::Value(
                        "the constants of all axes must be equal".into(),
                    ));
                }
                fill = Some(*value);
            }
        }
        let axes = (0..self.ndim()).map(|axis| {
            let sizes = &self.chunks()[axis];
            (depth[axis] != (0, 0)).then(|| with_margin(sizes, depth[axis], boundary[axis]))
        });
        let axes = axes.collect();
        Ok(self.select("overlap", axes, fill.unwrap_or(Scalar::Int(0))))
    }

    /// Every block without the margins that [`overlap`](Self::overlap) gave it. With an open
    /// boundary, blocks must be no shorter than the depth.
    ///
    /// # Errors
    /// Blocks shorter than their margins, unknown lengths.
    pub fn trim(&self, depth: &[(usize, usize)], boundary: &[Boundary]) -> Result<Self> {
        self.check_depth(depth, boundary)?;
        let mut axes = Vec::with_capacity(self.ndim());
        for axis in 0..self.ndim() {
            axes.push(match depth[axis] {
                (0, 0) => None,
                depth => Some(without_margin(&self.chunks()[axis], depth, boundary[axis])?),
            });
        }
        Ok(self.select("trim", axes, Scalar::Int(0)))
    }

    fn check_depth(&self, depth: &[(usize, usize)], boundary: &[Boundary]) -> Result<()> {
        if depth.len() != self.ndim() || boundary.len() != self.ndim() {
            return Err(ArrayPlanError::Value(
                "one depth and one boundary an axis are needed".into(),
            ));
        }
        for (sizes, &(before, after)) in self.chunks().iter().zip(depth) {
            let length = axis_length(sizes);
            if (before, after) == (0, 0) {
                continue;
            }
            if length < 0 {
                return Err(ArrayPlanError::Value(
                    "overlap needs known chunk sizes; call compute_chunk_sizes() first".into(),
                ));
            }
            if before.max(after) as i64 > length {
                return Err(ArrayPlanError::Value(format!(
                    "The overlapping depth {} is larger than your array {length}.",
                    before.max(after)
                )));
            }
        }
        Ok(())
    }
}

fn with_margin(
    sizes: &Sizes,
    (before, after): (usize, usize),
    boundary: Boundary,
) -> AxisSelection {
    let borders = offsets(sizes);
    let length = *borders.last().unwrap_or(&0) as i64;
    let mut runs = Vec::new();
    let mut chunks = Vec::with_capacity(sizes.len());
    for pair in borders.windows(2) {
        let from = pair[0] as i64 - before as i64;
        let to = pair[1] as i64 + after as i64;
        let mut count = 0;
        let mut push = |run: Run| {
            count += run.count() as i64;
            if run.count() > 0 {
                runs.push(run);
            }
        };
        if from < 0 {
            beyond(boundary, length, from, 0, &mut push);
        }
        push(range(from.max(0), 1, to.min(length) - from.max(0)));
        if to > length {
            beyond(boundary, length, length, to, &mut push);
        }
        chunks.push(count);
    }
    AxisSelection {
        runs: runs.into(),
        chunks: chunks.into(),
    }
}

fn range(start: i64, step: i64, count: i64) -> Run {
    Run::Range {
        start: start as u64,
        step,
        count: count.max(0) as u64,
    }
}

/// What stands for the positions `from..to`, which are all before or all after the axis.
fn beyond(boundary: Boundary, length: i64, from: i64, to: i64, push: &mut impl FnMut(Run)) {
    let count = to - from;
    let before = from < 0;
    match boundary {
        Boundary::None => {}
        Boundary::Constant(_) => push(Run::Fill {
            count: count as u64,
        }),
        Boundary::Nearest => push(range(if before { 0 } else { length - 1 }, 0, count)),
        Boundary::Periodic => push(range(if before { from + length } else { 0 }, 1, count)),
        Boundary::Reflect if before => push(range(count - 1, -1, count)),
        Boundary::Reflect => push(range(length - 1, -1, count)),
    }
}

fn without_margin(
    sizes: &Sizes,
    (before, after): (usize, usize),
    boundary: Boundary,
) -> Result<AxisSelection> {
    if !is_known(sizes) {
        return Err(ArrayPlanError::Value("trim needs known chunk sizes".into()));
    }
    let borders = offsets(sizes);
    let last = sizes.len().saturating_sub(1);
    let open = boundary == Boundary::None;
    let mut runs = Vec::with_capacity(sizes.len());
    let mut chunks = Vec::with_capacity(sizes.len());
    for (block, pair) in borders.windows(2).enumerate() {
        let head = if open && block == 0 { 0 } else { before };
        let tail = if open && block == last { 0 } else { after };
        let count = (pair[1] - pair[0]) as i64 - (head + tail) as i64;
        if count < 0 {
            return Err(ArrayPlanError::Value(format!(
                "a block of length {} is shorter than the margins to trim",
                pair[1] - pair[0]
            )));
        }
        if count > 0 {
            runs.push(range((pair[0] + head) as i64, 1, count));
        }
        chunks.push(count);
    }
    Ok(AxisSelection {
        runs: runs.into(),
        chunks: chunks.into(),
    })
}
