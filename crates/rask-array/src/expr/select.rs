//! Slices, lists of positions, rechunking: elements chosen axis by axis.

use std::sync::Arc;

use rask_value::array::Scalar;

use super::{ArrayExpr, Kind, Operands};
use crate::chunks::{Chunks, Sizes, axis_length, is_known};
use crate::error::{ArrayPlanError, shape_text};
use crate::selection::{AxisSelection, Run};

type Result<T> = std::result::Result<T, ArrayPlanError>;

/// One item of a basic index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexItem {
    /// One position, which drops the axis.
    At(i64),
    /// Python's slice.
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: Option<i64>,
    },
    NewAxis,
}

impl ArrayExpr {
    /// Elements chosen axis by axis; `None` leaves an axis as it is.
    pub(crate) fn select(
        &self,
        name: &str,
        axes: Vec<Option<AxisSelection>>,
        fill: Scalar,
    ) -> ArrayExpr {
        let axes: Vec<Option<AxisSelection>> = axes
            .into_iter()
            .zip(self.chunks())
            .map(|(axis, sizes)| axis.filter(|axis| !is_known(sizes) || !axis.is_identity(sizes)))
            .collect();
        if axes.iter().all(Option::is_none) {
            return self.clone();
        }
        let chunks = axes
            .iter()
            .zip(self.chunks())
            .map(|(axis, sizes)| match axis {
                Some(axis) => axis.chunks.clone(),
                None => sizes.clone(),
            });
        let chunks: Chunks = chunks.collect();
        let parameters = (axes.clone(), fill);
        let kind = Kind::Select { axes, fill };
        let inputs = Operands::from_iter([self.clone()]);
        ArrayExpr::new(
            name,
            &parameters,
            kind,
            inputs,
            chunks,
            self.element().clone(),
        )
    }

    /// A basic index, full length (no ellipsis).
    ///
    /// # Errors
    /// Too many indices, positions out of bounds, a step of zero, unknown lengths.
    pub fn getitem(&self, index: &[IndexItem]) -> Result<Self> {
        let used = index
            .iter()
            .filter(|item| **item != IndexItem::NewAxis)
            .count();
        if used > self.ndim() {
            return Err(ArrayPlanError::Index(format!(
                "too many indices for array: array is {}-dimensional, but {used} were indexed",
                self.ndim()
            )));
        }
        let mut axes = Vec::with_capacity(self.ndim());
        let mut view: Vec<Option<usize>> = Vec::with_capacity(index.len());
        for item in index {
            let axis = axes.len();
            match item {
                IndexItem::NewAxis => view.push(None),
                IndexItem::At(at) => axes.push(Some(self.position(axis, *at)?)),
                IndexItem::Slice { start, stop, step } => {
                    axes.push(self.slice(axis, (*start, *stop, *step))?);
                    view.push(Some(axis));
                }
            }
        }
        while axes.len() < self.ndim() {
            view.push(Some(axes.len()));
            axes.push(None);
        }
        let selected = self.select("getitem", axes, Scalar::Int(0));
        Ok(selected.view_axes("getitem", view))
    }

    fn position(&self, axis: usize, at: i64) -> Result<AxisSelection> {
        let sizes = &self.chunks()[axis];
        let length = self.known_length(axis)?;
        if at < -length || at >= length {
            return Err(ArrayPlanError::Index(format!(
                "index {at} is out of bounds for axis {axis} with size {length}"
            )));
        }
        let at = if at < 0 { at + length } else { at };
        Ok(AxisSelection::range(sizes, at as u64, 1, 1))
    }

    fn known_length(&self, axis: usize) -> Result<i64> {
        let length = axis_length(&self.chunks()[axis]);
        if length < 0 {
            return Err(ArrayPlanError::Value(format!(
                "Array chunk size or shape is unknown. shape: {}. Possible solution: call \
                 compute_chunk_sizes() first",
                shape_text(&self.shape())
            )));
        }
        Ok(length)
    }

    fn slice(
        &self,
        axis: usize,
        (start, stop, step): (Option<i64>, Option<i64>, Option<i64>),
    ) -> Result<Option<AxisSelection>> {
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(ArrayPlanError::Value("slice step cannot be zero".into()));
        }
        if start.unwrap_or(0) == 0 && stop.is_none() && step == 1 {
            return Ok(None);
        }
        let length = self.known_length(axis)?;
        let clip = |at: i64, low: i64, high: i64| {
            let at = if at < 0 {
                at.saturating_add(length)
            } else {
                at
            };
            at.clamp(low, high)
        };
        let (start, count) = if step > 0 {
            let start = clip(start.unwrap_or(0), 0, length);
            let stop = stop.map_or(length, |stop| clip(stop, 0, length));
            (
                start,
                (stop - start).max(0).div_euclid(step)
                    + i64::from((stop - start).max(0) % step != 0),
            )
        } else {
            let start = start.map_or(length - 1, |start| clip(start, -1, length - 1));
            let stop = stop.map_or(-1, |stop| clip(stop, -1, length - 1));
            let span = (start - stop).max(0);
            let by = step.unsigned_abs() as i64;
            (start, span / by + i64::from(span % by != 0))
        };
        let sizes = &self.chunks()[axis];
        let start = start.max(0) as u64;
        Ok(Some(AxisSelection::range(sizes, start, step, count as u64)))
    }

    /// The elements at these positions along an axis; negative ones count from the end.
    ///
    /// # Errors
    /// Positions out of bounds, an unknown length.
    pub fn take(&self, indices: &[i64], axis: usize) -> Result<Self> {
        self.check_axis(axis)?;
        let length = self.known_length(axis)?;
        let mut positions = Vec::with_capacity(indices.len());
        for &at in indices {
            if at < -length || at >= length {
                return Err(ArrayPlanError::Index(format!(
                    "index {at} is out of bounds for axis {axis} with size {length}"
                )));
            }
            positions.push(if at < 0 { at + length } else { at } as u64);
        }
        let chunks = take_chunks(&self.chunks()[axis], &positions);
        let runs = compress(&positions);
        let mut axes = vec![None; self.ndim()];
        axes[axis] = Some(AxisSelection {
            runs: runs.into(),
            chunks,
        });
        Ok(self.select("take", axes, Scalar::Int(0)))
    }

    /// The same elements in other chunks.
    ///
    /// # Errors
    /// Chunks that do not add up to the shape, a change along an axis of unknown lengths.
    pub fn rechunk(&self, chunks: Chunks) -> Result<Self> {
        if chunks.len() != self.ndim() {
            return Err(ArrayPlanError::Value(format!(
                "Provided chunks are for {} axes, the array has shape {}",
                chunks.len(),
                shape_text(&self.shape())
            )));
        }
        if chunks == self.chunks() {
            return Ok(self.clone());
        }
        let mut axes = Vec::with_capacity(chunks.len());
        for (axis, sizes) in chunks.into_iter().enumerate() {
            let own = &self.chunks()[axis];
            if *own == sizes {
                axes.push(None);
                continue;
            }
            if !is_known(own) || !is_known(&sizes) {
                let alike = own.len() == sizes.len();
                if alike {
                    axes.push(None);
                    continue;
                }
                return Err(ArrayPlanError::Value(
                    "Arrays chunk sizes are unknown: cannot change chunks along such an axis; \
                     call compute_chunk_sizes() first"
                        .into(),
                ));
            }
            if axis_length(own) != axis_length(&sizes) {
                return Err(ArrayPlanError::Value(
                    "Provided chunks are not consistent with shape".into(),
                ));
            }
            axes.push(Some(AxisSelection::whole(sizes)));
        }
        Ok(self.select("rechunk", axes, Scalar::Int(0)))
    }

    /// Whole blocks, chosen axis by axis.
    ///
    /// # Errors
    /// Blocks that are not there.
    pub fn blocks(&self, chosen: &[Vec<u32>]) -> Result<Self> {
        if chosen.len() != self.ndim() {
            return Err(ArrayPlanError::Value(
                "one list of blocks an axis is needed".into(),
            ));
        }
        let mut chunks: Chunks = Vec::with_capacity(self.ndim());
        for (axis, (blocks, sizes)) in chosen.iter().zip(self.chunks()).enumerate() {
            let size = |&block: &u32| {
                sizes.get(block as usize).copied().ok_or_else(|| {
                    ArrayPlanError::Index(format!(
                        "block {block} is out of bounds for axis {axis} with {} blocks",
                        sizes.len()
                    ))
                })
            };
            let sizes: Result<Vec<i64>> = blocks.iter().map(size).collect();
            chunks.push(sizes?.into());
        }
        let kind = Kind::Blocks {
            axes: chosen.to_vec(),
        };
        let inputs = Operands::from_iter([self.clone()]);
        let element = self.element().clone();
        Ok(Self::new("blocks", &chosen, kind, inputs, chunks, element))
    }

    pub(crate) fn check_axis(&self, axis: usize) -> Result<()> {
        let ndim = self.ndim();
        if axis >= ndim {
            return Err(ArrayPlanError::Axis {
                axis: axis as i64,
                ndim,
            });
        }
        Ok(())
    }
}

/// Blocks of a list of positions: sorted ones keep the blocks they come from, others are cut into
/// blocks as long as the longest of the input.
fn take_chunks(sizes: &Sizes, positions: &[u64]) -> Sizes {
    if positions.is_empty() {
        return Arc::from([0_i64]);
    }
    let sorted = positions.windows(2).all(|pair| pair[0] <= pair[1]);
    if !sorted {
        let longest = sizes.iter().copied().max().unwrap_or(1).max(1);
        return crate::chunks::regular(positions.len() as i64, longest);
    }
    let mut out: Vec<i64> = Vec::new();
    let mut last = None;
    let borders = crate::chunks::offsets(sizes);
    for &position in positions {
        let block = borders.partition_point(|&border| border <= position as usize) - 1;
        if last == Some(block)
            && let Some(count) = out.last_mut()
        {
            *count += 1;
        } else {
            out.push(1);
            last = Some(block);
        }
    }
    out.into()
}

/// Positions as runs: a range where they are evenly spaced.
fn compress(positions: &[u64]) -> Vec<Run> {
    let step = match positions {
        [first, second, ..] => *second as i64 - *first as i64,
        _ => 1,
    };
    let even = positions
        .windows(2)
        .all(|pair| pair[1] as i64 - pair[0] as i64 == step);
    match positions.first() {
        None => vec![Run::Range {
            start: 0,
            step: 1,
            count: 0,
        }],
        Some(&start) if even => vec![Run::Range {
            start,
            step,
            count: positions.len() as u64,
        }],
        Some(_) => vec![Run::List(positions.into())],
    }
}
