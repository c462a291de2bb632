//! Parts of values: what a shuffle moves.
//!
//! A task that cuts a value into parts for other tasks makes one value of all of them
//! ([`Value::part`](crate::Value::part)). A task of an op that says so
//! ([`Op::takes_parts`](crate::Op::takes_parts)) needs one part of each of its inputs, and a cluster
//! moves, and reads back from disk, no more than that.

use std::ops::Range;

use bytes::Bytes;

use crate::{CodecError, Encoded, Frames};

/// Which part of its inputs a block needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakesParts {
    /// Block `b` needs part `b % modulo` of each input.
    pub modulo: u32,
    /// About how many parts an input is cut into.
    pub count: u32,
}

impl TakesParts {
    /// Part `b` for block `b`, of about `count`.
    pub fn by_block(count: u32) -> Self {
        TakesParts {
            modulo: u32::MAX,
            count,
        }
    }

    /// The part that `block` needs.
    pub fn part_of(&self, block: u32) -> u32 {
        block % self.modulo.max(1)
    }
}

/// Where a part lies among the frames of an encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPlace {
    /// The part's kind and header.
    pub kind: &'static str,
    pub header: Bytes,
    /// Its buffers among those of the whole.
    pub buffers: Range<usize>,
}

impl PartPlace {
    /// The part as a value of its own.
    pub fn take(self, buffers: &[Bytes]) -> Result<Encoded, CodecError> {
        let own = buffers.get(self.buffers.clone());
        let own = own.ok_or_else(|| CodecError::Malformed {
            kind: self.kind,
            reason: "buffers are missing".into(),
        })?;
        Ok(Encoded {
            kind: self.kind.into(),
            frames: Frames {
                header: self.header,
                buffers: own.to_vec(),
            },
        })
    }
}
