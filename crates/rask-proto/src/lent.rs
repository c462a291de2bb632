//! Buffers that stay where they are: the asker is on the same host and maps them.

use crate::ProtoError;
use crate::error::check_columns;

/// Buffers of a value that lie in a segment of shared memory. In the value itself they are empty.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Lent {
    /// Position of the value in the answer.
    #[prost(uint32, tag = "1")]
    pub value: u32,
    /// The process that has the segment open, and its descriptor there.
    #[prost(uint32, tag = "2")]
    pub process: u32,
    #[prost(uint32, tag = "3")]
    pub descriptor: u32,
    /// What the descriptor has to lead to.
    #[prost(uint64, tag = "4")]
    pub device: u64,
    #[prost(uint64, tag = "5")]
    pub inode: u64,
    #[prost(uint64, tag = "6")]
    pub segment_bytes: u64,
    /// Which of the value's buffers, and where in the segment each lies.
    #[prost(uint32, repeated, tag = "7")]
    pub buffers: Vec<u32>,
    #[prost(uint64, repeated, tag = "8")]
    pub starts: Vec<u64>,
    #[prost(uint64, repeated, tag = "9")]
    pub lengths: Vec<u64>,
}

impl Lent {
    /// Each buffer's number, start and length.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        let places = self.starts.iter().zip(&self.lengths);
        let buffers = self.buffers.iter().zip(places);
        buffers.map(|(&buffer, (&start, &length))| (buffer, start, length))
    }

    pub(crate) fn check(&self) -> Result<(), ProtoError> {
        check_columns(
            "starts of lent buffers",
            self.buffers.len(),
            self.starts.len(),
        )?;
        check_columns(
            "lengths of lent buffers",
            self.buffers.len(),
            self.lengths.len(),
        )?;
        let is_outside = |(_, start, length): (u32, u64, u64)| {
            start
                .checked_add(length)
                .is_none_or(|end| end > self.segment_bytes)
        };
        match self.iter().any(is_outside) {
            true => Err(ProtoError::OutOfRange {
                what: "place of a lent buffer",
                value: self.segment_bytes,
            }),
            false => Ok(()),
        }
    }
}
