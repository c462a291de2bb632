//! Encoded values, ops and errors: opaque to the scheduler.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::check_columns;
use crate::{OriginSpec, ProtoError};

/// An encoded value or op. Its buffers are payloads of the frame, in order; in memory they are
/// kept in `buffers`, which is not part of the control encoding.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Packed {
    /// Names the decoder.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Small part, decoded eagerly by the reader.
    #[prost(bytes = "bytes", tag = "2")]
    pub header: Bytes,
    /// How many payloads of the frame belong to this.
    #[prost(uint32, tag = "3")]
    pub buffer_count: u32,
    /// Large parts. Small ones are written into the control part, so that they need no payload.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub buffers: Vec<Bytes>,
}

/// Buffers below this many bytes travel inside the control part.
const CONTROL_BUFFER_BYTES_MAX: usize = 1024;

impl Packed {
    /// From the parts of an encoded value or op.
    pub fn new(kind: impl Into<String>, header: Bytes, buffers: Vec<Bytes>) -> Self {
        Packed {
            kind: kind.into(),
            header,
            buffer_count: 0,
            buffers,
        }
    }

    /// Bytes of header and buffers.
    pub fn nbytes(&self) -> u64 {
        self.header.len() as u64 + self.buffers.iter().map(|b| b.len() as u64).sum::<u64>()
    }

    /// Moves large buffers to `payloads`.
    pub(crate) fn detach(&mut self, payloads: &mut Vec<Bytes>) {
        if self.buffers.iter().map(Bytes::len).sum::<usize>() > CONTROL_BUFFER_BYTES_MAX {
            self.buffer_count = self.buffers.len() as u32;
            payloads.append(&mut self.buffers);
        }
    }

    /// Takes the buffers that [`detach`](Self::detach) moved back from `payloads`.
    pub(crate) fn attach(&mut self, payloads: &mut Payloads) -> Result<(), ProtoError> {
        for _ in 0..std::mem::take(&mut self.buffer_count) {
            self.buffers.push(payloads.take()?);
        }
        Ok(())
    }
}

/// The payloads of a frame, taken in order.
pub(crate) struct Payloads(std::vec::IntoIter<Bytes>);

impl Payloads {
    /// Starts at the first payload.
    pub fn new(payloads: Vec<Bytes>) -> Self {
        Payloads(payloads.into_iter())
    }

    /// The next payload.
    pub fn take(&mut self) -> Result<Bytes, ProtoError> {
        self.0.next().ok_or(ProtoError::MissingPayload)
    }
}

/// A task's failure as it travels.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Failure {
    #[prost(string, tag = "1")]
    pub message: String,
    #[prost(string, optional, tag = "2")]
    pub traceback: Option<String>,
    /// The user's exception object, encoded.
    #[prost(message, optional, tag = "3")]
    pub exception: Option<Packed>,
    #[prost(message, optional, tag = "4")]
    pub origin: Option<OriginSpec>,
    /// Name of the layer whose task failed first.
    #[prost(string, tag = "5")]
    pub layer: String,
    #[prost(uint32, tag = "6")]
    pub block: u32,
    /// The workers that died while they ran the task, where that is the reason.
    #[prost(string, repeated, tag = "7")]
    pub killed_workers: Vec<String>,
    /// The address of the worker where it failed.
    #[prost(string, tag = "300")]
    pub worker: String,
    /// What the task was given: kind, shape and bytes of each input.
    #[prost(string, repeated, tag = "301")]
    pub inputs: Vec<String>,
}

/// Small encoded values beside a column of tasks: each flattened into `data`, `lengths` saying how
/// many bytes each has; length 0 means "not inline".
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Inline {
    #[prost(uint32, repeated, tag = "1")]
    pub lengths: Vec<u32>,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

impl Inline {
    /// The flattened value of each task, `None` where it is not inline.
    pub fn split(&self) -> Result<Vec<Option<Bytes>>, ProtoError> {
        let total: u64 = self.lengths.iter().map(|&n| u64::from(n)).sum();
        check_columns("inline values", total as usize, self.data.len())?;
        let mut rest = self.data.clone();
        Ok(self
            .lengths
            .iter()
            .map(|&n| (n > 0).then(|| rest.split_to(n as usize)))
            .collect())
    }

    /// Reads one flattened value.
    pub fn read(mut flat: Bytes) -> Result<Packed, ProtoError> {
        let kind_length = usize::from(take_byte(&mut flat)?);
        let kind = take(&mut flat, kind_length)?;
        let kind = String::from_utf8(kind.to_vec()).map_err(|_| ProtoError::OutOfRange {
            what: "kind of an inline value",
            value: 0,
        })?;
        let count = usize::from(take_byte(&mut flat)?);
        let mut lengths = [0usize; 256];
        for length in lengths.iter_mut().take(count) {
            let raw = take(&mut flat, 4)?;
            *length = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) as usize;
        }
        let buffers = lengths[..count]
            .iter()
            .map(|&n| take(&mut flat, n))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Packed::new(kind, flat, buffers))
    }
}

fn take_byte(from: &mut Bytes) -> Result<u8, ProtoError> {
    Ok(take(from, 1)?[0])
}

fn take(from: &mut Bytes, count: usize) -> Result<Bytes, ProtoError> {
    if from.len() < count {
        return Err(ProtoError::OutOfRange {
            what: "length inside an inline value",
            value: count as u64,
        });
    }
    Ok(from.split_to(count))
}

/// Writes an [`Inline`] column.
#[derive(Default)]
pub struct InlineBuilder {
    lengths: Vec<u32>,
    data: BytesMut,
}

impl InlineBuilder {
    /// Appends "not inline".
    pub fn push_none(&mut self) {
        self.lengths.push(0);
    }

    /// Appends a value that is already flattened.
    pub fn push_flat(&mut self, flat: &[u8]) {
        self.lengths.push(flat.len() as u32);
        self.data.put_slice(flat);
    }

    /// Appends a value; one with a long kind or many buffers is appended as "not inline".
    pub fn push(&mut self, kind: &str, header: &[u8], buffers: &[Bytes]) {
        let (Ok(kind_length), Ok(count)) = (u8::try_from(kind.len()), u8::try_from(buffers.len()))
        else {
            return self.push_none();
        };
        let start = self.data.len();
        self.data.put_u8(kind_length);
        self.data.put_slice(kind.as_bytes());
        self.data.put_u8(count);
        for buffer in buffers {
            self.data.put_u32_le(buffer.len() as u32);
        }
        for buffer in buffers {
            self.data.put_slice(buffer);
        }
        self.data.put_slice(header);
        self.lengths.push((self.data.len() - start) as u32);
    }

    /// The column.
    pub fn finish(self) -> Inline {
        Inline {
            lengths: self.lengths,
            data: self.data.freeze(),
        }
    }
}
