//! Options that differ between the blocks of a layer.

use crate::error::check_columns;
use crate::{LayerOptions, ProtoError};

/// How the tasks of a layer are to be run, block by block.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VariedOptions {
    #[prost(message, repeated, tag = "1")]
    pub options: Vec<LayerOptions>,
    /// For each block, which of them it has.
    #[prost(uint32, repeated, tag = "2")]
    pub of_blocks: Vec<u32>,
}

impl VariedOptions {
    /// Which of the options a block has.
    pub fn place_of(&self, block: u32) -> Option<usize> {
        Some(*self.of_blocks.get(block as usize)? as usize)
    }

    /// Whether each of so many blocks has options that are there.
    pub fn check(&self, block_count: u64) -> Result<(), ProtoError> {
        let block_count = usize::try_from(block_count).unwrap_or(usize::MAX);
        check_columns("options of blocks", self.of_blocks.len(), block_count)?;
        let missing = |&&place: &&u32| place as usize >= self.options.len();
        match self.of_blocks.iter().find(missing) {
            Some(&place) => Err(ProtoError::OutOfRange {
                what: "options of a block",
                value: u64::from(place),
            }),
            None => Ok(()),
        }
    }
}
