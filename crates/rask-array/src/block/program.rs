//! A layer's program of chunk operations.

use std::sync::Arc;

use bytes::Bytes;
use rask_graph::{AxisMap, Grid, InputMap};
use rask_value::{
    CodecError, Encoded, Frames, Inputs, Op, OpRef, OutputSizes, Scope, TakesParts, TaskContext,
    TaskError, ValueRef,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::chunk_op::ChunkOp;
use super::evaluate::Evaluation;
use crate::opaque::{OpaqueRef, decode_opaque};

/// The kind of encoded block programs.
pub const KIND: &str = "array-block";

/// A step's coordinate along one of its own axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Coordinate {
    /// The layer's coordinate along this axis.
    Axis(u32),
    Fixed(u32),
}

/// What a step is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Argument {
    /// The block an earlier step made.
    Step(usize),
    /// The blocks of one of the layer's inputs.
    Edge(usize),
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FusedStep {
    pub op: ChunkOp,
    pub coordinates: SmallVec<[Coordinate; 4]>,
    pub arguments: SmallVec<[Argument; 2]>,
}

/// What the op knows of one of its layer's inputs, to tell whose blocks are whose.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edge {
    pub map: InputMap,
    pub grid: Grid,
}

impl Edge {
    /// How many blocks along each axis, and how many in all, a block of the layer is given.
    pub fn counts(&self, coords: &[u32], block: u32) -> (SmallVec<[usize; 4]>, usize) {
        let maps = match &self.map {
            InputMap::Axes(maps) => maps,
            InputMap::Explicit { offsets, .. } => {
                let count = offsets[block as usize + 1] - offsets[block as usize];
                return (SmallVec::new(), count as usize);
            }
        };
        let counts: SmallVec<[usize; 4]> = maps
            .iter()
            .zip(&self.grid.0)
            .map(|(map, &length)| count_along(map, length, coords))
            .collect();
        let all = counts.iter().product();
        (counts, all)
    }
}

fn count_along(map: &AxisMap, length: u32, coords: &[u32]) -> usize {
    match map {
        AxisMap::Same(_) | AxisMap::Fixed(_) => 1,
        AxisMap::All => length as usize,
        AxisMap::Shift { axis, offset } => {
            let at = coords[*axis as usize];
            usize::from(at >= *offset && at - offset < length)
        }
        AxisMap::Ranges { axis, ranges } => {
            let (from, to) = ranges[coords[*axis as usize] as usize];
            to.saturating_sub(from) as usize
        }
        AxisMap::Lists { axis, offsets, .. } => {
            let at = coords[*axis as usize] as usize;
            (offsets[at + 1] - offsets[at]) as usize
        }
    }
}

/// The op of a layer: steps in order, the last of which makes the block.
#[derive(Debug)]
pub struct BlockOp {
    pub name: String,
    pub steps: Vec<FusedStep>,
    pub edges: Vec<Edge>,
    pub opaques: Vec<OpaqueRef>,
    /// Bytes of an element and shapes of blocks, where they are known, to predict sizes.
    pub predicted: Option<(u64, super::BlockShapes)>,
    /// The layer's grid.
    pub grid: Grid,
}

/// What is written of a program; its callables follow as frames of their own.
#[derive(Serialize, Deserialize)]
struct Written {
    name: String,
    steps: Vec<FusedStep>,
    edges: Vec<Edge>,
    /// Kind, length of the header, and number of buffers of each callable.
    opaques: Vec<(String, usize)>,
    predicted: Option<(u64, super::BlockShapes)>,
    grid: Grid,
}

impl Op for BlockOp {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
        Evaluation::new(self, context).run(inputs)
    }

    fn scope(&self) -> Option<&'static dyn Scope> {
        self.opaques.iter().find_map(|opaque| opaque.scope())
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let mut buffers: Vec<Bytes> = Vec::new();
        let mut opaques = Vec::with_capacity(self.opaques.len());
        for opaque in &self.opaques {
            let encoded = opaque.encode()?;
            opaques.push((encoded.kind, encoded.frames.buffers.len()));
            buffers.push(encoded.frames.header);
            buffers.extend(encoded.frames.buffers);
        }
        let written = Written {
            name: self.name.clone(),
            steps: self.steps.clone(),
            edges: self.edges.clone(),
            opaques,
            predicted: self.predicted.clone(),
            grid: self.grid.clone(),
        };
        let header = postcard::to_stdvec(&written).map_err(|e| CodecError::NotSerialisable {
            what: self.name.clone(),
            reason: e.to_string(),
        })?;
        Ok(Encoded {
            kind: KIND.into(),
            frames: Frames {
                header: header.into(),
                buffers,
            },
        })
    }

    fn output_bytes(&self, block: u32) -> Option<u64> {
        let (itemsize, shapes) = self.predicted.as_ref()?;
        let shape = shapes.at(&self.grid.coords_of(block));
        let known = shape.iter().all(|&length| length >= 0);
        known.then(|| shape.iter().map(|&n| n as u64).product::<u64>() * itemsize)
    }

    /// Blocks that are assembled are given their own parts; fusing keeps their numbers.
    fn takes_parts(&self) -> Option<TakesParts> {
        let counts = self.steps.iter().filter_map(|step| match &step.op {
            ChunkOp::Assemble { count, .. } => Some(*count),
            _ => None,
        });
        counts.min().map(TakesParts::by_block)
    }

    fn output_sizes(&self) -> Option<OutputSizes> {
        let (itemsize, shapes) = self.predicted.as_ref()?;
        let fits = shapes.0.len() == self.grid.0.len();
        let known = shapes.0.iter().all(|axis| axis.iter().all(|&n| n >= 0));
        // Views take less than their shape says. What is cut into parts is kept whole.
        let mut steps = self.steps.iter();
        let is_whole = steps.all(|step| !matches!(step.op, ChunkOp::Broadcast(_)));
        (fits && known).then(|| OutputSizes {
            item_bytes: *itemsize,
            axes: shapes.0.clone(),
            is_dense: self.opaques.is_empty() && is_whole,
        })
    }
}

/// Reads a program.
pub fn decode(frames: &Frames) -> Result<OpRef, CodecError> {
    let malformed = |reason: String| CodecError::Malformed { kind: KIND, reason };
    let written: Written =
        postcard::from_bytes(&frames.header).map_err(|e| malformed(e.to_string()))?;
    let mut buffers = frames.buffers.iter().cloned();
    let mut opaques = Vec::with_capacity(written.opaques.len());
    for (kind, count) in written.opaques {
        let header = buffers.next();
        let header = header.ok_or_else(|| malformed("a callable's frames are missing".into()))?;
        let buffers: Vec<Bytes> = buffers.by_ref().take(count).collect();
        let frames = Frames { header, buffers };
        opaques.push(decode_opaque(&Encoded { kind, frames })?);
    }
    Ok(Arc::new(BlockOp {
        name: written.name,
        steps: written.steps,
        edges: written.edges,
        opaques,
        predicted: written.predicted,
        grid: written.grid,
    }))
}
