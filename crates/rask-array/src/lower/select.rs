//! Lowering of selections: which pieces of which blocks.

use rask_graph::{AxisMap, Grid};
use rask_value::array::Scalar;

use super::{BlockNode, Lowering, NodeEdge, NodeId};
use crate::block::{BlockShapes, ChunkOp};
use crate::chunks::{Chunks, Sizes, is_known, rechunk_stages};
use crate::expr::ArrayExpr;
use crate::parting::{AxisParts, find_parts};
use crate::selection::{AxisPieces, AxisSelection, Piece, Run, cut};

/// Bytes that blocks on the way of a staged rechunk may have.
const STAGE_BYTES_MAX: u64 = 128 << 20;

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
        let elements_max = STAGE_BYTES_MAX / (array.element().itemsize() as u64).max(1);
        let stages = rechunk_stages(old, array.chunks(), elements_max);
        let (mut node, mut from) = (input, old.to_vec());
        for (number, stage) in stages.iter().enumerate() {
            let axes: Vec<Option<AxisSelection>> = from
                .iter()
                .zip(stage)
                .map(|(old, new)| (old != new).then(|| AxisSelection::whole(new.clone())))
                .collect();
            let selection = Selection {
                name: match number + 1 < stages.len() {
                    true => format!("{}-stage-{number}", array.name()),
                    false => array.name().to_string(),
                },
                old: &from,
                axes: &axes,
                fill,
            };
            node = self.push_selection(array, &selection, node);
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
        let selection = Selection {
            name: array.name().to_string(),
            old,
            axes,
            fill,
        };
        self.push_selection(array, &selection, input)
    }

    /// Blocks that need a little of many blocks are assembled of parts, others of whole blocks.
    fn push_selection(
        &mut self,
        array: &ArrayExpr,
        selection: &Selection<'_>,
        input: NodeId,
    ) -> NodeId {
        let (pieces, maps) = selection.cut();
        let (fill, dtype) = (*selection.fill, array.element().native());
        let Some(count) = find_parts(&pieces, selection.old) else {
            let op = ChunkOp::Gather {
                axes: pieces,
                fill,
                dtype,
            };
            return self.push_part(array, selection, op, NodeEdge::axes(input, maps));
        };
        let grid = grid_of(&selection.chunks());
        let parts = pieces.iter().zip(selection.old);
        let parts = parts.map(|(pieces, old)| Some(AxisParts::of(pieces.as_ref()?, old.len())));
        let op = ChunkOp::Cut {
            axes: parts.collect(),
            grid: grid.clone(),
        };
        let edge = NodeEdge::same(input, selection.old.len());
        let mut node = BlockNode::of(array, op, vec![edge]);
        node.name = format!("{}-cut", selection.name).into();
        node.grid = grid_of(selection.old);
        node.shapes = BlockShapes(selection.old.to_vec());
        let cut = self.push(node);
        let op = ChunkOp::Assemble {
            axes: pieces,
            fill,
            dtype,
            grid,
            count,
        };
        self.push_part(array, selection, op, NodeEdge::axes(cut, maps))
    }

    fn push_part(
        &mut self,
        array: &ArrayExpr,
        selection: &Selection<'_>,
        op: ChunkOp,
        edge: NodeEdge,
    ) -> NodeId {
        let mut node = BlockNode::of(array, op, vec![edge]);
        let chunks = selection.chunks();
        node.name = selection.name.as_str().into();
        node.grid = grid_of(&chunks);
        node.shapes = BlockShapes(chunks);
        self.push(node)
    }
}

/// A selection from blocks of these sizes.
struct Selection<'a> {
    /// Of the layer that makes its blocks.
    name: String,
    old: &'a [Sizes],
    axes: &'a [Option<AxisSelection>],
    fill: &'a Scalar,
}

impl Selection<'_> {
    fn chunks(&self) -> Chunks {
        let axes = self.axes.iter().zip(self.old);
        axes.map(|(axis, old)| axis.as_ref().map_or(old, |axis| &axis.chunks).clone())
            .collect()
    }

    /// The pieces along each axis, and the blocks they are of.
    fn cut(&self) -> (Vec<Option<AxisPieces>>, Vec<AxisMap>) {
        let axes = self.axes.iter().zip(self.old).enumerate();
        axes.map(|(axis, (selection, sizes))| match selection {
            None => (None, AxisMap::Same(axis as u32)),
            Some(selection) => {
                let (pieces, map) = never_empty(cut(selection, sizes)).into_map(axis as u32);
                (Some(pieces), map)
            }
        })
        .unzip()
    }
}

fn grid_of(chunks: &[Sizes]) -> Grid {
    Grid::new(chunks.iter().map(|sizes| sizes.len() as u32))
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
