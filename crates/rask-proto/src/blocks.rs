//! Many blocks as two columns.

use crate::ProtoError;
use crate::error::check_columns;

/// Blocks of layers, as columns. Whose numbering the layers are in depends on the conversation:
/// the client's own between client and scheduler, the scheduler's between scheduler and workers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Blocks {
    #[prost(uint32, repeated, tag = "1")]
    pub layers: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    pub blocks: Vec<u32>,
}

impl Blocks {
    /// Appends one block.
    #[inline]
    pub fn push(&mut self, layer: u32, block: u32) {
        self.layers.push(layer);
        self.blocks.push(block);
    }

    /// How many blocks there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The blocks as pairs `(layer, block)`.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.layers.iter().copied().zip(self.blocks.iter().copied())
    }

    /// Checks that the columns are equally long.
    pub fn check(&self) -> Result<(), ProtoError> {
        check_columns("blocks", self.layers.len(), self.blocks.len())
    }
}

impl FromIterator<(u32, u32)> for Blocks {
    fn from_iter<I: IntoIterator<Item = (u32, u32)>>(pairs: I) -> Self {
        let (layers, blocks) = pairs.into_iter().unzip();
        Blocks { layers, blocks }
    }
}
