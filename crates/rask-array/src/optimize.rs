//! Selections move towards the sources: what is not asked for is not made.

use std::collections::HashMap;
use std::sync::Arc;

use rask_value::array::{AxisIndex, NdArray, Scalar};

use crate::chunks::axis_length;
use crate::expr::{ArrayExpr, Kind, Operands};
use crate::kernels::elementwise::GeneratorKind;
use crate::opaque::Region;
use crate::selection::AxisSelection;

/// The arrays with selections moved towards their sources.
pub(crate) fn optimize(arrays: &[ArrayExpr]) -> Vec<ArrayExpr> {
    let mut rewriting = Rewriting::default();
    arrays.iter().for_each(|array| rewriting.count(array));
    arrays
        .iter()
        .map(|array| {
            let done = rewriting.rewrite(array);
            match done.token() == array.token() {
                true => done,
                false => done.named_like(array),
            }
        })
        .collect()
}

#[derive(Default)]
struct Rewriting {
    /// How many readers a node has.
    readers: HashMap<u128, usize>,
    done: HashMap<u128, ArrayExpr>,
}

impl Rewriting {
    fn count(&mut self, root: &ArrayExpr) {
        let mut open = vec![root.clone()];
        while let Some(array) = open.pop() {
            let readers = self.readers.entry(array.token()).or_insert(0);
            *readers += 1;
            if *readers == 1 {
                open.extend(array.inputs().iter().cloned());
            }
        }
    }

    /// Inputs first, without recursion: chains of operations can be long.
    fn rewrite(&mut self, root: &ArrayExpr) -> ArrayExpr {
        let mut open = vec![root.clone()];
        while let Some(array) = open.last().cloned() {
            if self.done.contains_key(&array.token()) {
                open.pop();
                continue;
            }
            let before = open.len();
            for input in array.inputs() {
                if !self.done.contains_key(&input.token()) {
                    open.push(input.clone());
                }
            }
            if open.len() == before {
                open.pop();
                let result = self.rewrite_node(&array);
                self.done.insert(array.token(), result);
            }
        }
        self.done[&root.token()].clone()
    }

    fn rewrite_node(&mut self, array: &ArrayExpr) -> ArrayExpr {
        let inputs: Operands = array
            .inputs()
            .iter()
            .map(|input| self.done[&input.token()].clone())
            .collect();
        let changed = inputs.iter().zip(array.inputs()).any(|(new, old)| {
            new.token() != old.token() || new.inputs().len() != old.inputs().len()
        });
        let rebuilt = match changed || !inputs.is_empty() {
            true => array.with_inputs(inputs),
            false => array.clone(),
        };
        let Kind::Select { axes, fill } = rebuilt.kind() else {
            return rebuilt;
        };
        let input = &rebuilt.inputs()[0];
        let readers = self.readers.get(&array.inputs()[0].token()).copied();
        let alone = readers.unwrap_or(1) <= 1;
        match self.push(axes, fill, input, alone) {
            Some(pushed) if pushed.chunks() == rebuilt.chunks() => pushed.named_like(array),
            _ => rebuilt,
        }
    }

    /// The selection of `input`, taken nearer to the sources; `None` where it stays.
    fn push(
        &self,
        axes: &[Option<AxisSelection>],
        fill: &Scalar,
        input: &ArrayExpr,
        alone: bool,
    ) -> Option<ArrayExpr> {
        match input.kind() {
            Kind::Held { value } => held(axes, value.downcast_ref::<NdArray>()?, input),
            Kind::Generate { kind, whole, view } => {
                let random = matches!(kind, GeneratorKind::Random { .. });
                if random && !alone {
                    return None;
                }
                let view = ranges(axes, view)?;
                let kind = Kind::Generate {
                    kind: kind.clone(),
                    whole: whole.clone(),
                    view: view.clone(),
                };
                Some(source(axes, input, kind, &view))
            }
            Kind::Eye { k, view } => {
                let view = ranges(axes, view)?;
                let kind = Kind::Eye {
                    k: *k,
                    view: view.clone(),
                };
                Some(source(axes, input, kind, &view))
            }
            _ if !alone => None,
            Kind::Read {
                source: reader,
                view,
            } if shrinks(axes, input) => {
                let view = regions(axes, view)?;
                let kind = Kind::Read {
                    source: reader.clone(),
                    view: view.clone(),
                };
                Some(source(axes, input, kind, &view))
            }
            Kind::Select {
                axes: inner,
                fill: inner_fill,
            } => compose(axes, fill, inner, inner_fill, input)
                .map(|(axes, fill, below)| self.settle(axes, fill, &below)),
            _ if !shrinks(axes, input) => None,
            Kind::Elementwise { .. } => {
                let inputs = input.inputs().iter().map(|operand| {
                    let own = broadcast_axes(axes, operand, input);
                    self.settle(own, *fill, operand)
                });
                Some(with_operands(input, inputs.collect(), axes))
            }
            Kind::View { axes: view } => {
                let mut own: Vec<Option<AxisSelection>> = vec![None; input.inputs()[0].ndim()];
                for (axis, from) in axes.iter().zip(view) {
                    match from {
                        Some(from) => own[*from] = axis.clone(),
                        None if axis.is_some() => return None,
                        None => {}
                    }
                }
                let below = self.settle(own, *fill, &input.inputs()[0]);
                Some(with_operands(input, Operands::from_iter([below]), axes))
            }
            Kind::Broadcast => {
                let operand = &input.inputs()[0];
                let own = broadcast_axes(axes, operand, input);
                let below = self.settle(own, *fill, operand);
                Some(with_operands(input, Operands::from_iter([below]), axes))
            }
            _ => None,
        }
    }

    /// A selection of `input`, moved further if possible.
    fn settle(
        &self,
        axes: Vec<Option<AxisSelection>>,
        fill: Scalar,
        input: &ArrayExpr,
    ) -> ArrayExpr {
        let selected = input.select("getitem", axes, fill);
        let Kind::Select { axes, fill } = selected.kind() else {
            return selected;
        };
        let readers = self.readers.get(&input.token()).copied().unwrap_or(1);
        match self.push(axes, fill, input, readers <= 1) {
            Some(pushed) if pushed.chunks() == selected.chunks() => pushed,
            _ => selected,
        }
    }
}

/// Whether fewer elements are asked for than there are.
fn shrinks(axes: &[Option<AxisSelection>], input: &ArrayExpr) -> bool {
    axes.iter().zip(input.chunks()).any(|(axis, sizes)| {
        axis.as_ref()
            .is_some_and(|axis| axis_length(&axis.chunks) < axis_length(sizes))
    })
}

/// The start and step along each axis after the selection; `None` where it is no range.
fn ranges(axes: &[Option<AxisSelection>], view: &[(usize, isize)]) -> Option<Vec<(usize, isize)>> {
    axes.iter()
        .zip(view)
        .map(|(axis, &(start, step))| match axis {
            None => Some((start, step)),
            Some(axis) => {
                let (from, by, _) = axis.as_range()?;
                let start = start as isize + step * from as isize;
                Some((start as usize, step * by as isize))
            }
        })
        .collect()
}

fn regions(axes: &[Option<AxisSelection>], view: &[Region]) -> Option<Vec<Region>> {
    axes.iter()
        .zip(view)
        .map(|(axis, region)| match axis {
            None => Some(*region),
            Some(axis) => {
                let (from, by, count) = axis.as_range().filter(|(_, by, _)| *by > 0)?;
                let start = region.start + region.step * from as i64;
                let step = region.step * by;
                let stop = start + step * count as i64;
                Some(Region { start, stop, step })
            }
        })
        .collect()
}

fn chunks_of(axes: &[Option<AxisSelection>], input: &ArrayExpr) -> crate::chunks::Chunks {
    let axes = axes.iter().zip(input.chunks());
    axes.map(|(axis, sizes)| match axis {
        Some(axis) => axis.chunks.clone(),
        None => sizes.clone(),
    })
    .collect()
}

fn source(
    axes: &[Option<AxisSelection>],
    input: &ArrayExpr,
    kind: Kind,
    view: &impl serde::Serialize,
) -> ArrayExpr {
    let parameters = (input.token(), view);
    let chunks = chunks_of(axes, input);
    let element = input.element().clone();
    let made = ArrayExpr::new("part", &parameters, kind, Operands::new(), chunks, element);
    made.with_meta(input.meta().cloned())
        .with_origin(input.origin().cloned())
}

fn held(axes: &[Option<AxisSelection>], value: &NdArray, input: &ArrayExpr) -> Option<ArrayExpr> {
    let index: Option<Vec<AxisIndex>> = axes
        .iter()
        .zip(value.shape())
        .map(|(axis, &length)| {
            let (start, step, count) = match axis {
                None => (0, 1, length as u64),
                Some(axis) => axis.as_range()?,
            };
            Some(AxisIndex::Range {
                start: start as usize,
                step: step as isize,
                length: count as usize,
            })
        })
        .collect();
    let part = value.index(&index?).ok()?;
    let kind = Kind::Held {
        value: Arc::new(part),
    };
    Some(source(axes, input, kind, &axes))
}

type Composed = (Vec<Option<AxisSelection>>, Scalar, ArrayExpr);

/// Two selections as one. Two rechunks stay two: the user asked for the one in between.
fn compose(
    outer: &[Option<AxisSelection>],
    fill: &Scalar,
    inner: &[Option<AxisSelection>],
    inner_fill: &Scalar,
    input: &ArrayExpr,
) -> Option<Composed> {
    let below = &input.inputs()[0];
    let has_fill = |axes: &[Option<AxisSelection>]| {
        let mut runs = axes.iter().flatten().flat_map(|axis| axis.runs.iter());
        runs.any(|run| matches!(run, crate::selection::Run::Fill { .. }))
    };
    let (outer_fills, inner_fills) = (has_fill(outer), has_fill(inner));
    if outer_fills && inner_fills && fill != inner_fill {
        return None;
    }
    if !shrinks(outer, input) && !shrinks(inner, below) {
        return None;
    }
    let axes = outer
        .iter()
        .zip(inner)
        .map(|(outer, inner)| match (outer, inner) {
            (None, inner) => inner.clone(),
            (outer, None) => outer.clone(),
            (Some(outer), Some(inner)) => Some(inner.then(outer)),
        });
    let fill = if inner_fills { *inner_fill } else { *fill };
    Some((axes.collect(), fill, below.clone()))
}

/// The selection of an operand that is broadcast to `output`: axes that are stretched stay.
fn broadcast_axes(
    axes: &[Option<AxisSelection>],
    operand: &ArrayExpr,
    output: &ArrayExpr,
) -> Vec<Option<AxisSelection>> {
    let skip = output.ndim() - operand.ndim();
    (0..operand.ndim())
        .map(|axis| {
            let own = axis_length(&operand.chunks()[axis]);
            let stretched = own == 1 && axis_length(&output.chunks()[skip + axis]) != 1;
            if stretched {
                None
            } else {
                axes[skip + axis].clone()
            }
        })
        .collect()
}

/// The node on selected operands.
fn with_operands(
    input: &ArrayExpr,
    operands: Operands,
    axes: &[Option<AxisSelection>],
) -> ArrayExpr {
    let chunks = chunks_of(axes, input);
    let kind = input.kind().clone();
    let element = input.element().clone();
    let parameters = (input.token(), axes);
    let made = ArrayExpr::new("part", &parameters, kind, operands, chunks, element);
    made.with_origin(input.origin().cloned())
}
