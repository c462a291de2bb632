//! Lowering of selections: which pieces of which blocks.

use rask_graph::AxisMap;
use rask_value::array::Scalar;

use super::{BlockNode, Lowering, NodeEdge, NodeId};
use crate::block::{BlockShapes, ChunkOp};
use crate::chunks::{Sizes, is_known, rechunk_stages};
use crate::expr::ArrayExpr;
use crate::selection::{AxisPieces, AxisSelection, Piece, Run, cut};

/// Elements that blocks on the way of a staged rechunk may have.
const STAGE_ELEMENTS_MAX: u64 = 32 << 20;

impl Lowering {
    pub(super) fn lower_select(
        &mut self,
        array: &ArrayExpr,
        axes: &[Option<AxisSelection>],
        fill: &Scalar,
        input: NodeId,
    ) -> NodeId {
        let old = array.inputs()[0].chunks();
        if !is_rechunk(axes, old) {
            return self.push_gather(array, old, axes, fill, input);
        }
        let stages = rechunk_stages(old, array.chunks(), STAGE_ELEMENTS_MAX);
        let (mut node, mut from) = (input, old.to_vec());
        for (number, stage) in stages.iter().enumerate() {
            let axes: Vec<Option<AxisSelection>> = from
                .iter()
                .zip(stage)
                .map(|(old, new)| (old != new).then(|| AxisSelection::whole(new.clone())))
                .collect();
            node = self.push_gather(array, &from, &axes, fill, node);
            if number + 1 < stages.len() {
                let place = &mut self.nodes[node];
                place.name = format!("{}-stage-{number}", array.name()).into();
                place.grid = rask_graph::Grid::new(stage.iter().map(|sizes| sizes.len() as u32));
                place.shapes = BlockShapes(stage.clone());
            }
            from = stage.clone();
        }
        node
    }

    pub(super) fn push_gather(
        &mut self,
        array: &ArrayExpr,
        old: &[Sizes],
        axes: &[Option<AxisSelection>],
        fill: &Scalar,
        input: NodeId,
    ) -> NodeId {
        let mut pieces = Vec::with_capacity(axes.len());
        let mut maps = Vec::with_capacity(axes.len());
        for (axis, (selection, sizes)) in axes.iter().zip(old).enumerate() {
            let Some(selection) = selection else {
                pieces.push(None);
                maps.push(AxisMap::Same(axis as u32));
                continue;
            };
            let (cut, map) = never_empty(cut(selection, sizes)).into_map(axis as u32);
            pieces.push(Some(cut));
            maps.push(map);
        }
        let op = ChunkOp::Gather {
            axes: pieces,
            fill: *fill,
            dtype: array.element().native(),
        };
        let edge = NodeEdge::axes(input, maps);
        self.push(BlockNode::of(array, op, vec![edge]))
    }
}

fn is_rechunk(axes: &[Option<AxisSelection>], old: &[Sizes]) -> bool {
    axes.iter().zip(old).all(|(axis, sizes)| match axis {
        None => is_known(sizes),
        Some(axis) => {
            let length = sizes.iter().sum::<i64>() as u64;
            axis.as_range() == Some((0, 1, length))
        }
    })
}

/// Blocks of nothing still read one block, which tells dtype and the other axes' lengths.
fn never_empty(mut pieces: AxisPieces) -> AxisPieces {
    for (blocks, pieces) in pieces.blocks.iter_mut().zip(&mut pieces.pieces) {
        if blocks.is_empty() {
            blocks.push(0);
        }
        if pieces.is_empty() {
            pieces.push(Piece {
                position: 0,
                run: Run::Range {
                    start: 0,
                    step: 1,
                    count: 0,
                },
            });
        }
    }
    pieces
}
