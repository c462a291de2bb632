//! Lowering of sums of products and of callables on blocks.

use rask_graph::{AxisMap, Grid};

use super::reductions::Tree;
use super::{BlockNode, Lowering, NodeEdge, NodeId, shapes_of};
use crate::block::{BlockShapes, ChunkOp, Phase, ReduceStep};
use crate::chunks::Sizes;
use crate::expr::{ArrayExpr, Blockwise, Reduction};
use crate::kernels::reduce::ReduceOp;

/// How many pairs of blocks one task multiplies and adds up.
const INNER_BLOCKS_MAX: usize = 16;
/// How many sums one task combines.
const SUMS_SPLIT: usize = 8;

impl Lowering {
    pub(super) fn lower_contract(
        &mut self,
        array: &ArrayExpr,
        [batch, rows, inner, columns]: [usize; 4],
        inputs: &[NodeId],
    ) -> NodeId {
        let (a, b) = (&array.inputs()[0], &array.inputs()[1]);
        let out = array.ndim();
        let blocks = a.chunks()[batch + rows..].iter().map(|sizes| sizes.len());
        let count: usize = blocks.product();
        let split = inner == 1 && count > INNER_BLOCKS_MAX;
        let groups = count.div_ceil(INNER_BLOCKS_MAX) as u32;
        let inner_map = || match split {
            true => AxisMap::Ranges {
                axis: out as u32,
                ranges: (0..groups)
                    .map(|at| {
                        let from = at * INNER_BLOCKS_MAX as u32;
                        (from, (from + INNER_BLOCKS_MAX as u32).min(count as u32))
                    })
                    .collect(),
            },
            false => AxisMap::All,
        };
        let stacked = |input: &ArrayExpr, axis: usize| match input.chunks()[axis].len()
            == array.chunks()[axis].len()
        {
            true => AxisMap::Same(axis as u32),
            false => AxisMap::Fixed(0),
        };
        let maps_a = (0..a.ndim()).map(|axis| match axis {
            axis if axis < batch => stacked(a, axis),
            axis if axis < batch + rows => AxisMap::Same(axis as u32),
            _ => inner_map(),
        });
        let maps_b = (0..b.ndim()).map(|axis| match axis {
            axis if axis < batch => stacked(b, axis),
            axis if axis < batch + inner => inner_map(),
            axis => AxisMap::Same((axis - inner + rows) as u32),
        });
        let edges = vec![
            NodeEdge::axes(inputs[0], maps_a.collect::<Vec<_>>()),
            NodeEdge::axes(inputs[1], maps_b.collect::<Vec<_>>()),
        ];
        let op = ChunkOp::Contract {
            batch,
            rows,
            inner,
            columns,
        };
        let mut products = BlockNode::of(array, op, edges);
        if !split {
            return self.push(products);
        }
        products.name = format!("{}-products", array.name()).into();
        products.grid.0.push(groups);
        let ones: Sizes = vec![1; groups as usize].into();
        products.shapes.0.push(ones.clone());
        let products = self.push(products);
        self.push_sums(array, products, ones)
    }

    /// Adds up blocks along a last axis of the grid that the blocks themselves lack.
    fn push_sums(&mut self, array: &ArrayExpr, products: NodeId, ones: Sizes) -> NodeId {
        let out = array.ndim();
        let mut view: Vec<Option<usize>> = (0..out).map(Some).collect();
        view.push(None);
        let edge = NodeEdge::same(products, out + 1);
        let mut sums = BlockNode::of(array, ChunkOp::View(view), vec![edge]);
        sums.name = format!("{}-sums", array.name()).into();
        sums.grid = Grid::new(
            array
                .chunks()
                .iter()
                .map(|sizes| sizes.len() as u32)
                .chain([ones.len() as u32]),
        );
        let mut shapes = array.chunks().to_vec();
        shapes.push(ones);
        sums.shapes = BlockShapes(shapes);
        let sums = self.push(sums);
        let step = |phase: Phase| {
            ChunkOp::Reduce(ReduceStep {
                reduction: Reduction::Simple(ReduceOp::Sum),
                phase,
                axes: vec![out],
                offsets: Vec::new(),
            })
        };
        self.push_tree(
            sums,
            &Tree {
                array,
                axes: &[out],
                split: &[SUMS_SPLIT],
                keepdims: false,
                inner: (step(Phase::Combine), None),
                root: (step(Phase::Finish { keepdims: false }), None),
            },
        )
    }

    pub(super) fn lower_blockwise(
        &mut self,
        array: &ArrayExpr,
        blockwise: &Blockwise,
        inputs: &[NodeId],
    ) -> NodeId {
        let mut edges = Vec::with_capacity(inputs.len());
        let mut contracted = Vec::with_capacity(inputs.len());
        for ((&node, input), index) in inputs.iter().zip(array.inputs()).zip(&blockwise.indices) {
            let mut summed = Vec::new();
            let maps = index.iter().enumerate().map(|(axis, letter)| {
                let place = blockwise.out_index.iter().position(|known| known == letter);
                let Some(place) = place else {
                    summed.push(axis);
                    return AxisMap::All;
                };
                match input.chunks()[axis].len() == array.chunks()[place].len() {
                    true => AxisMap::Same(place as u32),
                    false => AxisMap::Fixed(0),
                }
            });
            edges.push(NodeEdge::axes(node, maps.collect::<Vec<_>>()));
            contracted.push(summed);
        }
        let op = ChunkOp::Blockwise {
            opaque: 0,
            contracted,
            concatenate: blockwise.concatenate,
            shapes: shapes_of(array),
        };
        let node = BlockNode::of(array, op, edges);
        self.push(node.with_opaque(blockwise.function.clone()))
    }
}
