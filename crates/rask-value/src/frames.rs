//! Encoded values and ops: a small header and large buffers that are never copied to be parsed.

use bytes::Bytes;

/// The contents of an encoded value or op.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Small, decoded eagerly.
    pub header: Bytes,
    /// Large, kept as they are.
    pub buffers: Vec<Bytes>,
}

impl Frames {
    /// All bytes, header and buffers.
    pub fn nbytes(&self) -> u64 {
        self.header.len() as u64 + self.buffers.iter().map(|b| b.len() as u64).sum::<u64>()
    }
}

/// Frames with the kind that says which decoder reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Registered in [`codec`](crate::codec): `"ndarray"`, `"table"`, `"pickle"`, …
    pub kind: String,
    pub frames: Frames,
}
