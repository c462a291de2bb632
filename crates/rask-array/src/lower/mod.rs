//! From expressions to layers: every node becomes one or a few *block nodes*, each with a rule for
//! its inputs; neighbours are fused; what is left are the layers of a plan.

mod node;
mod products;
mod reductions;
mod select;

use std::collections::HashMap;
use std::sync::Arc;

use rask_graph::{AxisMap, Grid, InputMap};
use rask_value::array::NdArray;
use rask_value::{Plan, ValueRef};

use crate::block::{BlockShapes, ChunkOp, GeneratorAxis};
use crate::chunks::{Sizes, offsets};
use crate::error::ArrayPlanError;
use crate::expr::{ArrayExpr, Kind};
use crate::fuse::fuse;
use crate::optimize::optimize as optimize_all;
use crate::selection::AxisSelection;

pub(crate) use node::{BlockNode, NodeEdge, NodeId, Work};

/// The plan of several arrays together: its wanted blocks are all blocks of the first one, then of
/// the second, and so on; how many each has is returned beside it.
///
/// # Errors
/// A value in memory that cannot be cut into its blocks.
pub fn lower_many(
    arrays: &[ArrayExpr],
    optimize: bool,
) -> Result<(Plan, Vec<usize>), ArrayPlanError> {
    let rewritten = match optimize {
        true => optimize_all(arrays),
        false => arrays.to_vec(),
    };
    let mut lowering = Lowering::default();
    let mut roots = Vec::with_capacity(rewritten.len());
    for array in &rewritten {
        roots.push(lowering.lower(array)?);
    }
    let counts = roots
        .iter()
        .map(|&root| lowering.nodes[root].grid.block_count() as usize)
        .collect();
    Ok((fuse(lowering.nodes, &roots), counts))
}

/// Block nodes under construction, each after its inputs.
#[derive(Default)]
pub(crate) struct Lowering {
    nodes: Vec<BlockNode>,
    known: HashMap<u128, NodeId>,
}

impl Lowering {
    fn lower(&mut self, root: &ArrayExpr) -> Result<NodeId, ArrayPlanError> {
        let mut open = vec![root.clone()];
        while let Some(array) = open.last().cloned() {
            if self.known.contains_key(&array.token()) {
                open.pop();
                continue;
            }
            let before = open.len();
            let missing = array.inputs().iter();
            let missing = missing.filter(|input| !self.known.contains_key(&input.token()));
            open.extend(missing.cloned());
            if open.len() == before {
                open.pop();
                let inputs: Vec<NodeId> = array
                    .inputs()
                    .iter()
                    .map(|input| self.known[&input.token()])
                    .collect();
                let id = self.lower_node(&array, &inputs)?;
                self.known.insert(array.token(), id);
            }
        }
        Ok(self.known[&root.token()])
    }

    fn push(&mut self, node: BlockNode) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A node of this array's blocks.
    fn push_op(&mut self, array: &ArrayExpr, op: ChunkOp, edges: Vec<NodeEdge>) -> NodeId {
        self.push(BlockNode::of(array, op, edges))
    }

    fn lower_node(
        &mut self,
        array: &ArrayExpr,
        inputs: &[NodeId],
    ) -> Result<NodeId, ArrayPlanError> {
        Ok(match array.kind() {
            Kind::Held { value } => self.lower_held(array, value)?,
            Kind::External { plan } => {
                let mut node = BlockNode::of(array, ChunkOp::Same, Vec::new());
                node.work = Work::External(plan.clone());
                self.push(node)
            }
            Kind::Generate { kind, whole, view } => {
                let op = ChunkOp::Generate {
                    kind: kind.clone(),
                    dtype: native_of(array)?,
                    whole: whole.clone(),
                    axes: generator_axes(array, view),
                };
                let random = matches!(
                    kind,
                    crate::kernels::elementwise::GeneratorKind::Random { .. }
                );
                let mut node = BlockNode::of(array, op, Vec::new());
                node.cheap = !random;
                self.push(node)
            }
            Kind::Eye { k, view } => {
                let op = ChunkOp::Eye {
                    k: *k,
                    dtype: native_of(array)?,
                    axes: generator_axes(array, view),
                };
                let mut node = BlockNode::of(array, op, Vec::new());
                node.cheap = true;
                self.push(node)
            }
            Kind::Read { source, view } => {
                let op = ChunkOp::Read {
                    opaque: 0,
                    view: view.clone(),
                    shapes: shapes_of(array),
                };
                let node = BlockNode::of(array, op, Vec::new());
                self.push(node.with_opaque(source.clone()))
            }
            Kind::Make { function } => {
                let shapes = shapes_of(array);
                let node = BlockNode::of(array, ChunkOp::Make { opaque: 0, shapes }, Vec::new());
                self.push(node.with_opaque(function.clone()))
            }
            Kind::Elementwise { program } => {
                let edges = inputs
                    .iter()
                    .zip(array.inputs())
                    .map(|(&node, input)| broadcast_edge(node, input, array))
                    .collect();
                self.push_op(array, ChunkOp::Program(program.clone()), edges)
            }
            Kind::Blockwise(blockwise) => self.lower_blockwise(array, blockwise, inputs),
            Kind::Select { axes, fill } => self.lower_select(array, axes, fill, inputs[0]),
            Kind::Blocks { axes } => {
                let maps = axes
                    .iter()
                    .enumerate()
                    .map(|(axis, blocks)| AxisMap::Lists {
                        axis: axis as u32,
                        offsets: (0..=blocks.len() as u32).collect(),
                        items: blocks[..].into(),
                    });
                let edge = NodeEdge::axes(inputs[0], maps);
                self.push_op(array, ChunkOp::Same, vec![edge])
            }
            Kind::View { axes } => {
                let maps = (0..array.inputs()[0].ndim()).map(|axis| {
                    let place = axes.iter().position(|from| *from == Some(axis));
                    place.map_or(AxisMap::Fixed(0), |place| AxisMap::Same(place as u32))
                });
                let edge = NodeEdge::axes(inputs[0], maps);
                let id = self.push_op(array, ChunkOp::View(axes.clone()), vec![edge]);
                self.nodes[id].cheap = self.nodes[inputs[0]].cheap;
                id
            }
            Kind::Broadcast => {
                let edge = broadcast_edge(inputs[0], &array.inputs()[0], array);
                let id = self.push_op(array, ChunkOp::Broadcast(shapes_of(array)), vec![edge]);
                self.nodes[id].cheap = self.nodes[inputs[0]].cheap;
                id
            }
            Kind::Reshape { follows } => {
                let maps = (0..array.inputs()[0].ndim()).map(|axis| {
                    let place = follows.iter().position(|from| *from == Some(axis));
                    place.map_or(AxisMap::Fixed(0), |place| AxisMap::Same(place as u32))
                });
                let edge = NodeEdge::axes(inputs[0], maps);
                self.push_op(array, ChunkOp::Reshape(shapes_of(array)), vec![edge])
            }
            Kind::Concatenate { axis } => self.lower_concatenate(array, *axis, inputs),
            Kind::Relabel => {
                let edge = NodeEdge::same(inputs[0], array.ndim());
                self.push_op(array, ChunkOp::Same, vec![edge])
            }
            Kind::Reduce {
                reduction,
                axes,
                keepdims,
                split,
            } => self.lower_reduce(array, reduction, axes, *keepdims, split, inputs[0]),
            Kind::UserReduce {
                reduction,
                axes,
                keepdims,
                split,
            } => self.lower_user_reduce(array, reduction, axes, *keepdims, split, inputs[0]),
            Kind::Cumulate { op, axis } => self.lower_cumulate(array, *op, *axis, inputs[0]),
            Kind::Contract {
                batch,
                rows,
                inner,
                columns,
            } => self.lower_contract(array, [*batch, *rows, *inner, *columns], inputs),
        })
    }

    fn lower_held(
        &mut self,
        array: &ArrayExpr,
        value: &ValueRef,
    ) -> Result<NodeId, ArrayPlanError> {
        let grid = array.grid();
        let mut node = BlockNode::of(array, ChunkOp::Same, Vec::new());
        if grid.block_count() == 1 {
            node.work = Work::Held(vec![value.clone()]);
            return Ok(self.push(node));
        }
        let Some(whole) = value.downcast_ref::<NdArray>() else {
            let axes: Vec<Option<AxisSelection>> = array
                .chunks()
                .iter()
                .map(|sizes| Some(AxisSelection::whole(sizes.clone())))
                .collect();
            node.name = format!("{}-whole", array.name()).into();
            node.grid = Grid::new(vec![1; array.ndim()]);
            node.shapes = BlockShapes(whole_sizes(array));
            node.work = Work::Held(vec![value.clone()]);
            let source = self.push(node);
            let old = whole_sizes(array);
            return Ok(self.push_gather(
                array,
                &old,
                &axes,
                &rask_value::array::Scalar::Int(0),
                source,
            ));
        };
        let borders: Vec<Vec<usize>> = array.chunks().iter().map(|s| offsets(s)).collect();
        let count = grid.block_count() as u32;
        let mut values: Vec<ValueRef> = Vec::with_capacity(count as usize);
        for block in 0..count {
            let coords = grid.coords_of(block);
            let ranges: Vec<std::ops::Range<usize>> = borders
                .iter()
                .zip(&coords)
                .map(|(borders, &at)| borders[at as usize]..borders[at as usize + 1])
                .collect();
            let part = whole.window(&ranges);
            let part = part.map_err(|error| ArrayPlanError::Value(error.to_string()))?;
            values.push(Arc::new(part));
        }
        node.work = Work::Held(values);
        Ok(self.push(node))
    }

    fn lower_concatenate(&mut self, array: &ArrayExpr, axis: usize, inputs: &[NodeId]) -> NodeId {
        let mut offset = 0;
        let mut edges = Vec::with_capacity(inputs.len());
        for (&node, input) in inputs.iter().zip(array.inputs()) {
            let maps = (0..array.ndim()).map(|at| match at == axis {
                true => AxisMap::Shift {
                    axis: axis as u32,
                    offset,
                },
                false => AxisMap::Same(at as u32),
            });
            edges.push(NodeEdge::axes(node, maps));
            offset += input.chunks()[axis].len() as u32;
        }
        self.push_op(array, ChunkOp::Same, edges)
    }
}

fn whole_sizes(array: &ArrayExpr) -> Vec<Sizes> {
    array.shape().iter().map(|&n| Sizes::from([n])).collect()
}

fn native_of(array: &ArrayExpr) -> Result<rask_value::array::DType, ArrayPlanError> {
    let dtype = array.element().native();
    dtype.ok_or_else(|| ArrayPlanError::Type("a generated array has a native dtype".into()))
}

fn generator_axes(array: &ArrayExpr, view: &[(usize, isize)]) -> Vec<GeneratorAxis> {
    let axes = view.iter().zip(array.chunks());
    axes.map(|(&(start, step), sizes)| GeneratorAxis {
        start,
        step,
        offsets: offsets(sizes).into(),
    })
    .collect()
}

fn shapes_of(array: &ArrayExpr) -> BlockShapes {
    BlockShapes(array.chunks().to_vec())
}

/// The input's block that is broadcast to the output's.
fn broadcast_edge(node: NodeId, input: &ArrayExpr, output: &ArrayExpr) -> NodeEdge {
    let skip = output.ndim() - input.ndim();
    let maps = (0..input.ndim()).map(|axis| {
        let (own, out) = (
            input.chunks()[axis].len(),
            output.chunks()[skip + axis].len(),
        );
        match own == out {
            true => AxisMap::Same((skip + axis) as u32),
            false => AxisMap::Fixed(0),
        }
    });
    NodeEdge::axes(node, maps)
}

/// The map of an input that has the same grid.
pub(crate) fn same_map(axes: usize) -> InputMap {
    InputMap::Axes((0..axes as u32).map(AxisMap::Same).collect())
}
