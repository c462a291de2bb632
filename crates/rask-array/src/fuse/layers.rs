//! Groups and other plans as layers of the plan.

use std::sync::Arc;

use rask_graph::{Block, Grid, Input, InputMap, Layer, LayerId};
use rask_value::{LayerNames, LayerOp, Plan};
use smallvec::SmallVec;

use crate::block::{Argument, BlockOp, ChunkOp, Coordinate, Edge, FusedStep};
use crate::lower::BlockNode;

pub(super) fn add_layer(
    plan: &mut Plan,
    known: &mut LayerNames,
    node: &BlockNode,
    inputs: SmallVec<[Input; 2]>,
    op: LayerOp,
) -> LayerId {
    if let Some(&id) = known.get(&node.name) {
        return id;
    }
    let layer = Layer {
        name: node.name.clone(),
        grid: node.grid.clone(),
        inputs,
    };
    let id = plan.add(layer, op, node.origin.clone());
    known.insert(node.name.clone(), id);
    id
}

/// The layers of another plan; its wanted blocks as one layer of the node's grid.
pub(super) fn add_external(
    plan: &mut Plan,
    known: &mut LayerNames,
    node: &BlockNode,
    external: &Plan,
) -> LayerId {
    let wanted = plan.graft(known, external);
    if let Some(id) = find_whole(plan, &wanted, &node.grid) {
        return id;
    }
    alias(plan, known, node, &wanted)
}

fn find_whole(plan: &Plan, wanted: &[Block], grid: &Grid) -> Option<LayerId> {
    let first = wanted.first()?.layer;
    let in_order = wanted
        .iter()
        .enumerate()
        .all(|(at, block)| block.layer == first && block.block == at as u32);
    (in_order && plan.graph.layers[first.0 as usize].grid == *grid).then_some(first)
}

/// A layer whose blocks are blocks of other layers.
fn alias(plan: &mut Plan, known: &mut LayerNames, node: &BlockNode, wanted: &[Block]) -> LayerId {
    let mut sources: Vec<LayerId> = wanted.iter().map(|block| block.layer).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut inputs: SmallVec<[Input; 2]> = SmallVec::new();
    let mut edges = Vec::new();
    for &layer in &sources {
        let mut offsets = vec![0];
        let mut blocks = Vec::new();
        for block in wanted {
            if block.layer == layer {
                blocks.push(block.block);
            }
            offsets.push(blocks.len() as u32);
        }
        let map = InputMap::Explicit {
            offsets: offsets.into(),
            blocks: blocks.into(),
        };
        edges.push(Edge {
            map: map.clone(),
            grid: plan.graph.layers[layer.0 as usize].grid.clone(),
        });
        inputs.push(Input { layer, map });
    }
    let arguments = (0..edges.len()).map(Argument::Edge).collect();
    let op = BlockOp {
        name: "block".into(),
        steps: vec![FusedStep {
            op: ChunkOp::Same,
            coordinates: (0..node.grid.0.len() as u32)
                .map(Coordinate::Axis)
                .collect(),
            arguments,
        }],
        edges,
        opaques: Vec::new(),
        predicted: None,
        grid: node.grid.clone(),
    };
    add_layer(plan, known, node, inputs, LayerOp::Run(Arc::new(op)))
}
