//! Lowering of reductions: partial results and a tree that combines them; running sums.

use std::sync::Arc;

use rask_graph::{AxisMap, Grid};

use super::{BlockNode, Lowering, NodeEdge, NodeId};
use crate::block::{BlockShapes, ChunkOp, Phase, ReduceStep};
use crate::chunks::{Sizes, offsets};
use crate::expr::{ArrayExpr, Reduction, UserReduction};
use crate::kernels::reduce::CumulativeOp;
use crate::opaque::OpaqueRef;

/// A tree over the blocks of a node: the operation of its inner steps and of its root.
pub(super) struct Tree<'a> {
    pub array: &'a ArrayExpr,
    pub axes: &'a [usize],
    pub split: &'a [usize],
    pub keepdims: bool,
    pub inner: (ChunkOp, Option<OpaqueRef>),
    pub root: (ChunkOp, Option<OpaqueRef>),
}

impl Lowering {
    pub(super) fn lower_reduce(
        &mut self,
        array: &ArrayExpr,
        reduction: &Reduction,
        axes: &[usize],
        keepdims: bool,
        split: &[usize],
        input: NodeId,
    ) -> NodeId {
        let source = &array.inputs()[0];
        let positions = matches!(reduction, Reduction::Position { .. });
        let borders = |&axis: &usize| -> Arc<[usize]> { offsets(&source.chunks()[axis]).into() };
        let step = |phase: Phase| {
            let offsets = match phase {
                Phase::Partial if positions => axes.iter().map(borders).collect(),
                _ => Vec::new(),
            };
            ChunkOp::Reduce(ReduceStep {
                reduction: reduction.clone(),
                phase,
                axes: axes.to_vec(),
                offsets,
            })
        };
        let edge = NodeEdge::same(input, source.ndim());
        let mut partial = BlockNode::of(array, step(Phase::Partial), vec![edge]);
        partial.name = format!("{}-partial", array.name()).into();
        partial.grid = source.grid();
        partial.shapes = BlockShapes(reduced_sizes(source, axes));
        let partial = self.push(partial);
        self.push_tree(
            partial,
            &Tree {
                array,
                axes,
                split,
                keepdims,
                inner: (step(Phase::Combine), None),
                root: (step(Phase::Finish { keepdims }), None),
            },
        )
    }

    pub(super) fn lower_user_reduce(
        &mut self,
        array: &ArrayExpr,
        reduction: &UserReduction,
        axes: &[usize],
        keepdims: bool,
        split: &[usize],
        input: NodeId,
    ) -> NodeId {
        let source = &array.inputs()[0];
        let step = |combine: bool| ChunkOp::UserReduce {
            opaque: 0,
            axes: axes.to_vec(),
            concatenate: reduction.concatenate,
            combine,
        };
        let partial = match &reduction.chunk {
            None => input,
            Some(chunk) => {
                let edge = NodeEdge::same(input, source.ndim());
                let mut partial = BlockNode::of(array, step(false), vec![edge]);
                partial.name = format!("{}-partial", array.name()).into();
                partial.grid = source.grid();
                partial.shapes = BlockShapes(reduced_sizes(source, axes));
                self.push(partial.with_opaque(chunk.clone()))
            }
        };
        self.push_tree(
            partial,
            &Tree {
                array,
                axes,
                split,
                keepdims,
                inner: (step(true), Some(reduction.combine.clone())),
                root: (step(true), Some(reduction.aggregate.clone())),
            },
        )
    }

    pub(super) fn push_tree(&mut self, partial: NodeId, tree: &Tree<'_>) -> NodeId {
        let mut node = partial;
        let mut level = 0;
        loop {
            let counts = self.nodes[node].grid.0.clone();
            let wide = |(&axis, &split): (&usize, &usize)| counts[axis] as usize > split;
            if !tree.axes.iter().zip(tree.split).any(wide) {
                break;
            }
            node = self.push_level(node, tree, level);
            level += 1;
        }
        let counts = self.nodes[node].grid.0.clone();
        let mut place = 0;
        let maps = (0..counts.len()).map(|axis| {
            let reduced = tree.axes.contains(&axis);
            let own = place;
            if !reduced || tree.keepdims {
                place += 1;
            }
            match (reduced, counts[axis]) {
                (false, _) => AxisMap::Same(own),
                (true, 1) => AxisMap::Fixed(0),
                (true, _) => AxisMap::All,
            }
        });
        let edge = NodeEdge::axes(node, maps.collect::<Vec<_>>());
        let mut root = BlockNode::of(tree.array, tree.root.0.clone(), vec![edge]);
        root.opaque = tree.root.1.clone();
        self.push(root)
    }

    fn push_level(&mut self, node: NodeId, tree: &Tree<'_>, level: usize) -> NodeId {
        let counts = self.nodes[node].grid.0.clone();
        let mut grid = counts.clone();
        let mut maps: Vec<AxisMap> = (0..counts.len() as u32).map(AxisMap::Same).collect();
        for (&axis, &split) in tree.axes.iter().zip(tree.split) {
            let (count, split) = (counts[axis], split as u32);
            grid[axis] = count.div_ceil(split);
            let range = |at: u32| (at * split, ((at + 1) * split).min(count));
            maps[axis] = AxisMap::Ranges {
                axis: axis as u32,
                ranges: (0..grid[axis]).map(range).collect(),
            };
        }
        let edge = NodeEdge::axes(node, maps);
        let mut combined = BlockNode::of(tree.array, tree.inner.0.clone(), vec![edge]);
        combined.opaque = tree.inner.1.clone();
        combined.name = format!("{}-combine-{level}", tree.array.name()).into();
        let shapes = &self.nodes[node].shapes;
        let shapes =
            shapes
                .0
                .iter()
                .enumerate()
                .map(|(axis, sizes)| match tree.axes.contains(&axis) {
                    true => sizes[..grid[axis] as usize].into(),
                    false => sizes.clone(),
                });
        combined.shapes = BlockShapes(shapes.collect());
        combined.grid = Grid(grid);
        self.push(combined)
    }

    pub(super) fn lower_cumulate(
        &mut self,
        array: &ArrayExpr,
        op: CumulativeOp,
        axis: usize,
        input: NodeId,
    ) -> NodeId {
        let ndim = array.ndim();
        let count = array.chunks()[axis].len() as u32;
        let edge = NodeEdge::same(input, ndim);
        let mut inside = BlockNode::of(array, ChunkOp::Cumulate { op, axis }, vec![edge]);
        if count == 1 {
            return self.push(inside);
        }
        inside.name = format!("{}-inside", array.name()).into();
        let inside = self.push(inside);
        let edge = NodeEdge::same(inside, ndim);
        let mut last = BlockNode::of(array, ChunkOp::Last { axis }, vec![edge]);
        last.name = format!("{}-last", array.name()).into();
        last.shapes.0[axis] = vec![1; count as usize].into();
        let last = self.push(last);
        let maps = (0..ndim).map(|at| match at == axis {
            true => AxisMap::Ranges {
                axis: axis as u32,
                ranges: (0..count).map(|at| (0, at)).collect(),
            },
            false => AxisMap::Same(at as u32),
        });
        let edges = vec![NodeEdge::same(inside, ndim), NodeEdge::axes(last, maps)];
        self.push_op(array, ChunkOp::Carry { op }, edges)
    }
}

/// One element for each block along reduced axes.
fn reduced_sizes(source: &ArrayExpr, axes: &[usize]) -> Vec<Sizes> {
    let chunks = source.chunks().iter().enumerate();
    chunks
        .map(|(axis, sizes)| match axes.contains(&axis) {
            true => vec![1; sizes.len()].into(),
            false => sizes.clone(),
        })
        .collect()
}
