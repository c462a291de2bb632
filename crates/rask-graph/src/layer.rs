//! Layers: one operation over a grid of blocks, with a rule for what each block needs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Position of a layer in its [`Graph`](crate::Graph).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LayerId(pub u32);

/// How many blocks a layer has along each axis; blocks are numbered in row-major (C) order.
///
/// A layer without axes (`Grid::scalar()`) has exactly one block, number 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Grid(pub SmallVec<[u32; 4]>);

impl Grid {
    /// A grid with these numbers of blocks along its axes.
    pub fn new(blocks: impl IntoIterator<Item = u32>) -> Self {
        Grid(blocks.into_iter().collect())
    }

    /// The grid of one block without axes.
    pub fn scalar() -> Self {
        Grid(SmallVec::new())
    }

    /// The number of blocks.
    pub fn block_count(&self) -> u64 {
        self.0.iter().map(|&n| u64::from(n)).product()
    }

    /// The coordinates of block number `block`.
    pub fn coords_of(&self, mut block: u32) -> SmallVec<[u32; 4]> {
        let mut coords: SmallVec<[u32; 4]> = SmallVec::from_elem(0, self.0.len());
        for axis in (0..self.0.len()).rev() {
            let length = self.0[axis].max(1);
            coords[axis] = block % length;
            block /= length;
        }
        coords
    }

    /// The number of the block at `coords`.
    pub fn block_at(&self, coords: &[u32]) -> u32 {
        self.0
            .iter()
            .zip(coords)
            .fold(0, |number, (&length, &coord)| number * length + coord)
    }
}

/// Which coordinates along one axis of an input the block at some output coordinates needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AxisMap {
    /// The output's coordinate along output axis `0`.
    Same(u32),
    /// Always this coordinate (a broadcast axis has the single coordinate 0).
    Fixed(u32),
    /// Every coordinate (a contraction, or a reduction in one step).
    All,
    /// The output's coordinate along `axis` minus `offset`; nothing where that falls outside the
    /// input. This is how `concatenate` gives each input its window of the output.
    Shift { axis: u32, offset: u32 },
    /// The half-open range `ranges[c]`, `c` being the output's coordinate along `axis`. Slices,
    /// rechunking, tree reductions and overlap are all of this form. A range may be empty.
    Ranges {
        axis: u32,
        ranges: Arc<[(u32, u32)]>,
    },
    /// The list `items[offsets[c]..offsets[c + 1]]`, `c` as above: fancy indexing.
    Lists {
        axis: u32,
        offsets: Arc<[u32]>,
        items: Arc<[u32]>,
    },
}

/// Which blocks of one earlier layer a block of this layer needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputMap {
    /// The cartesian product of the coordinates named for each axis *of the input*, in row-major
    /// order. An axis that names nothing makes the product empty.
    Axes(SmallVec<[AxisMap; 4]>),
    /// Block `b` needs the input's blocks `blocks[offsets[b]..offsets[b + 1]]`.
    Explicit {
        offsets: Arc<[u32]>,
        blocks: Arc<[u32]>,
    },
}

/// One input of a layer. A task's values arrive in the order of its layer's inputs, and within an
/// input in the order its map gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub layer: LayerId,
    pub map: InputMap,
}

impl Input {
    /// The input's block with the same coordinates, for grids of `axes` axes.
    pub fn same(layer: LayerId, axes: usize) -> Self {
        Input {
            layer,
            map: InputMap::Axes((0..axes as u32).map(AxisMap::Same).collect()),
        }
    }

    /// All blocks of an input with `axes` axes.
    pub fn all(layer: LayerId, axes: usize) -> Self {
        Input {
            layer,
            map: InputMap::Axes((0..axes).map(|_| AxisMap::All).collect()),
        }
    }
}

/// One operation over a grid of blocks.
///
/// An explicit layer (a plain task graph) has a grid of one axis and may refer to *itself*:
/// an input whose `layer` is the layer's own id, with an [`InputMap::Explicit`], must then only
/// name blocks that lead to no cycle; expansion reports one if it finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Unique token, the first part of its blocks' keys: `"sum-3f2a…"`. Equal names mean equal
    /// values, over submissions too.
    pub name: Arc<str>,
    pub grid: Grid,
    pub inputs: SmallVec<[Input; 2]>,
}

impl Layer {
    /// The number of blocks, which is the number of tasks of this layer before culling.
    pub fn block_count(&self) -> u64 {
        self.grid.block_count()
    }
}
