//! Axes moved, made and stretched; arrays put together.

use std::sync::Arc;

use rask_value::array::{DType, promote};

use super::{ArrayExpr, ElementType, Kind, Operands};
use crate::chunks::{Chunks, Sizes, axis_length, is_known, unify_axis};
use crate::error::{ArrayPlanError, shape_text};

type Result<T> = std::result::Result<T, ArrayPlanError>;

impl ArrayExpr {
    /// Axes in another order, dropped (of length one), new (`None`).
    pub(crate) fn view_axes(&self, name: &str, axes: Vec<Option<usize>>) -> ArrayExpr {
        let same = axes.iter().enumerate().all(|(at, axis)| *axis == Some(at));
        if same && axes.len() == self.ndim() {
            return self.clone();
        }
        let chunks = axes.iter().map(|axis| match axis {
            Some(axis) => self.chunks()[*axis].clone(),
            None => Sizes::from([1_i64]),
        });
        let chunks: Chunks = chunks.collect();
        let parameters = axes.clone();
        let inputs = Operands::from_iter([self.clone()]);
        let element = self.element().clone();
        Self::new(
            name,
            &parameters,
            Kind::View { axes },
            inputs,
            chunks,
            element,
        )
    }

    /// The axes in this order.
    ///
    /// # Errors
    /// `axes` that are no permutation.
    pub fn transpose(&self, axes: &[usize]) -> Result<Self> {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.ndim()) {
            return Err(ArrayPlanError::Value("axes don't match array".into()));
        }
        Ok(self.view_axes("transpose", axes.iter().copied().map(Some).collect()))
    }

    /// Stretched to `shape`; new axes come first. `chunks` are those of the result, where given.
    ///
    /// # Errors
    /// A shape that the array does not broadcast to.
    pub fn broadcast_to(&self, shape: &[i64], chunks: Option<Chunks>) -> Result<Self> {
        let own = self.shape();
        let refuse = || {
            ArrayPlanError::Value(format!(
                "operands could not be broadcast together with remapped shapes: cannot broadcast {} to {}",
                shape_text(&own),
                shape_text(shape)
            ))
        };
        if own == shape && chunks.is_none() {
            return Ok(self.clone());
        }
        let skip = shape.len().checked_sub(own.len()).ok_or_else(refuse)?;
        let fits = own
            .iter()
            .zip(&shape[skip..])
            .all(|(&a, &b)| a == b || a == 1);
        if !fits {
            return Err(refuse());
        }
        let chunks = match chunks {
            Some(chunks) => chunks,
            None => shape
                .iter()
                .enumerate()
                .map(|(axis, &length)| match axis.checked_sub(skip) {
                    Some(at) if own[at] == length => self.chunks()[at].clone(),
                    _ => Arc::from([length]),
                })
                .collect(),
        };
        let lengths: Vec<i64> = chunks.iter().map(|sizes| axis_length(sizes)).collect();
        if lengths != shape {
            return Err(refuse());
        }
        let inner = chunks[skip..].iter().zip(self.chunks()).map(|(new, old)| {
            let stretched = axis_length(old) == 1 && axis_length(new) != 1;
            if stretched { old.clone() } else { new.clone() }
        });
        let input = self.rechunk(inner.collect())?;
        let element = self.element().clone();
        let inputs = Operands::from_iter([input]);
        Ok(Self::new(
            "broadcast_to",
            &shape,
            Kind::Broadcast,
            inputs,
            chunks,
            element,
        ))
    }

    /// The same blocks with other declared lengths or dtype.
    ///
    /// # Errors
    /// Another number of blocks.
    pub fn with_chunks(&self, chunks: Chunks, element: Option<ElementType>) -> Result<Self> {
        let counts = |chunks: &[Sizes]| chunks.iter().map(|s| s.len()).collect::<Vec<_>>();
        if counts(&chunks) != counts(self.chunks()) {
            return Err(ArrayPlanError::Value(format!(
                "the array has {:?} blocks, the new chunks {:?}",
                counts(self.chunks()),
                counts(&chunks)
            )));
        }
        let element = element.unwrap_or_else(|| self.element().clone());
        let inputs = Operands::from_iter([self.clone()]);
        Ok(Self::new(
            "relabel",
            &(),
            Kind::Relabel,
            inputs,
            chunks,
            element,
        ))
    }

    /// Arrays one after the other along an axis, in the dtype they promote to.
    ///
    /// # Errors
    /// No arrays, shapes that differ elsewhere.
    pub fn concatenate(parts: &[ArrayExpr], axis: usize) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Err(ArrayPlanError::Value(
                "need at least one array to concatenate".into(),
            ));
        };
        first.check_axis(axis)?;
        for part in parts {
            check_alike(first, part, axis)?;
        }
        if let [only] = parts {
            return Ok(only.clone());
        }
        let parts = promoted(parts)?;
        let mut chunks: Chunks = Vec::with_capacity(first.ndim());
        for at in 0..first.ndim() {
            let along: Vec<&Sizes> = parts.iter().map(|part| &part.chunks()[at]).collect();
            chunks.push(match at == axis {
                true => along
                    .iter()
                    .flat_map(|sizes| sizes.iter().copied())
                    .collect(),
                false => unify_axis(&along)?,
            });
        }
        let unified = parts.iter().map(|part| {
            let mut own = chunks.clone();
            own[axis] = part.chunks()[axis].clone();
            part.rechunk(own)
        });
        let inputs: Result<Operands> = unified.collect();
        let element = parts[0].element().clone();
        let kind = Kind::Concatenate { axis };
        Ok(Self::new(
            "concatenate",
            &axis,
            kind,
            inputs?,
            chunks,
            element,
        ))
    }

    /// Arrays of one shape along a new axis.
    ///
    /// # Errors
    /// No arrays, shapes that differ.
    pub fn stack(parts: &[ArrayExpr], axis: usize) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Err(ArrayPlanError::Value(
                "need at least one array to stack".into(),
            ));
        };
        if axis > first.ndim() {
            return Err(ArrayPlanError::Axis {
                axis: axis as i64,
                ndim: first.ndim() + 1,
            });
        }
        if parts
            .iter()
            .any(|part| part.shape() != first.shape() && is_all_known(part))
        {
            return Err(ArrayPlanError::Value(
                "all input arrays must have the same shape".into(),
            ));
        }
        let mut view: Vec<Option<usize>> = (0..first.ndim()).map(Some).collect();
        view.insert(axis, None);
        let parts: Vec<ArrayExpr> = parts
            .iter()
            .map(|part| part.view_axes("expand", view.clone()))
            .collect();
        Self::concatenate(&parts, axis)
    }
}

fn is_all_known(array: &ArrayExpr) -> bool {
    array.chunks().iter().all(|sizes| is_known(sizes))
}

fn check_alike(first: &ArrayExpr, part: &ArrayExpr, axis: usize) -> Result<()> {
    if part.ndim() != first.ndim() {
        return Err(ArrayPlanError::Value(format!(
            "all the input arrays must have same number of dimensions, but one has {} and another has {}",
            first.ndim(),
            part.ndim()
        )));
    }
    let differ = |(at, (&a, &b)): (usize, (&i64, &i64))| at != axis && a >= 0 && b >= 0 && a != b;
    if first
        .shape()
        .iter()
        .zip(&part.shape())
        .enumerate()
        .any(differ)
    {
        return Err(ArrayPlanError::Value(format!(
            "all the input array dimensions except for the concatenation axis must match exactly, but shapes are {} and {}",
            shape_text(&first.shape()),
            shape_text(&part.shape())
        )));
    }
    Ok(())
}

/// The arrays in their common dtype; foreign ones are left as they are.
fn promoted(parts: &[ArrayExpr]) -> Result<Vec<ArrayExpr>> {
    let dtypes: Option<Vec<DType>> = parts.iter().map(ArrayExpr::native).collect();
    let joint = dtypes.and_then(|dtypes| {
        let mut dtypes = dtypes.into_iter();
        let first = dtypes.next()?;
        dtypes.try_fold(first, promote)
    });
    let Some(joint) = joint else {
        return Ok(parts.to_vec());
    };
    parts
        .iter()
        .map(|part| {
            let cast = part.astype(joint)?;
            cast.ok_or_else(|| ArrayPlanError::Type(format!("cannot cast to {}", joint.name())))
        })
        .collect()
}
