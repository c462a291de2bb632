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

    /// The same with buffers of their own, whatever becomes of the memory that these share.
    pub fn copied(mut self) -> Self {
        for buffer in &mut self.buffers {
            *buffer = buffer.to_vec().into();
        }
        self
    }
}

/// Frames with the kind that says which decoder reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Registered in [`codec`](crate::codec): `"ndarray"`, `"table"`, `"pickle"`, …
    pub kind: String,
    pub frames: Frames,
}

/// An encoded value whose buffers are memory that may be written to and that nobody else has: what
/// is decoded from it may let its memory be written to.
#[derive(Debug)]
pub struct OwnEncoded(Encoded);

impl OwnEncoded {
    /// Takes what has come for the caller alone.
    ///
    /// # Safety
    /// The memory of the buffers can be written to, does not overlap, and nobody else reads or
    /// writes it from now on.
    pub unsafe fn new(encoded: Encoded) -> Self {
        OwnEncoded(encoded)
    }

    /// A copy, in memory of its own.
    pub fn copy_of(encoded: Encoded) -> Self {
        OwnEncoded(Encoded {
            frames: encoded.frames.copied(),
            ..encoded
        })
    }

    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    pub fn frames(&self) -> &Frames {
        &self.0.frames
    }

    /// As a value that others may have as well.
    pub fn into_shared(self) -> Encoded {
        self.0
    }
}
