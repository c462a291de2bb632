//! A graph: layers and the blocks wanted from them.

use serde::{Deserialize, Serialize};

use crate::{Layer, LayerId};

/// A block of a layer: what a user's key names, and what a task makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Block {
    pub layer: LayerId,
    pub block: u32,
}

/// Layers, each referring only to earlier ones (or to itself, see [`Layer`]), and the blocks whose
/// values somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    pub layers: Vec<Layer>,
    pub wanted: Vec<Block>,
}

impl Graph {
    /// Adds a layer and returns its id.
    pub fn add(&mut self, layer: Layer) -> LayerId {
        let id = LayerId(self.layers.len() as u32);
        self.layers.push(layer);
        id
    }

    /// Wants every block of `layer`, in order.
    pub fn want_all(&mut self, layer: LayerId) {
        let count = self.layers[layer.0 as usize].block_count() as u32;
        self.wanted
            .extend((0..count).map(|block| Block { layer, block }));
    }
}
