//! Native arrays as values: accounting and encoding.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ndarray::is_countable;
use super::{Buffer, DType, NdArray, contiguous_strides};
use crate::{CodecError, Encoded, Frames, SHARED_BYTES_MIN, Value, ValueRef};

const KIND: &str = "ndarray";

#[derive(Serialize, Deserialize)]
struct Header {
    dtype: DType,
    shape: Vec<usize>,
}

impl Value for NdArray {
    /// The bytes of the whole buffer: a small view keeps a large buffer alive.
    fn nbytes(&self) -> u64 {
        self.buffer().len() as u64
    }

    fn buffers(&self) -> Vec<(u64, u64)> {
        let (address, nbytes) = (self.buffer().as_ptr() as u64, self.nbytes());
        match nbytes >= SHARED_BYTES_MIN {
            true => vec![(address, nbytes)],
            false => Vec::new(),
        }
    }

    fn type_name(&self) -> String {
        "array".to_string()
    }

    fn describe(&self) -> String {
        let lengths: Vec<_> = self.shape().iter().map(usize::to_string).collect();
        let bytes = self.shape().iter().product::<usize>() * self.dtype().itemsize();
        format!(
            "array ({}) {}, {bytes} bytes",
            lengths.join(", "),
            self.dtype()
        )
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let header = Header {
            dtype: self.dtype(),
            shape: self.shape().to_vec(),
        };
        let header =
            postcard::to_allocvec(&header).map_err(|error| malformed(error.to_string()))?;
        let whole = self.to_contiguous();
        let bytes = whole.shared_bytes().unwrap_or_default();
        Ok(Encoded {
            kind: KIND.to_string(),
            frames: Frames {
                header: header.into(),
                buffers: vec![bytes],
            },
        })
    }

    fn encode_at_once(&self) -> Option<Encoded> {
        self.is_contiguous().then(|| self.encode().ok()).flatten()
    }
}

/// Makes arrays decodable in this process.
pub fn register() {
    crate::codec::register_value(KIND, |frames| decode(frames, Buffer::from_bytes));
    crate::codec::register_own_value(KIND, |encoded| {
        // SAFETY: by the contract of `OwnEncoded`.
        decode(encoded.frames(), |bytes| unsafe {
            Buffer::from_own_bytes(bytes)
        })
    });
}

fn decode(frames: &Frames, share: impl Fn(Bytes) -> Buffer) -> Result<ValueRef, CodecError> {
    let header: Header =
        postcard::from_bytes(&frames.header).map_err(|error| malformed(error.to_string()))?;
    let bytes: Bytes = frames.buffers.first().cloned().unwrap_or_default();
    let size = header
        .shape
        .iter()
        .try_fold(header.dtype.itemsize(), |bytes, &length| {
            bytes.checked_mul(length)
        });
    if size != Some(bytes.len()) || !is_countable(&header.shape, header.dtype.itemsize()) {
        return Err(malformed(format!(
            "{} bytes for shape {:?}",
            bytes.len(),
            header.shape
        )));
    }
    // Elements are read through typed slices, so memory that is not aligned for them is copied.
    let aligned = (bytes.as_ptr() as usize).is_multiple_of(16);
    let buffer = if aligned {
        share(bytes)
    } else {
        Buffer::copy_of(&bytes)
    };
    let strides = contiguous_strides(&header.shape, header.dtype.itemsize());
    let array = NdArray::from_parts(
        header.dtype,
        header.shape.as_slice().into(),
        strides,
        0,
        Arc::new(buffer),
    )
    .map_err(|error| malformed(error.to_string()))?;
    Ok(Arc::new(array))
}

fn malformed(reason: String) -> CodecError {
    CodecError::Malformed { kind: KIND, reason }
}
