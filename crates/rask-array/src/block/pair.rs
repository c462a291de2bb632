//! Two arrays as one value: extrema and their positions.

use std::sync::Arc;

use rask_value::array::NdArray;
use rask_value::{CodecError, Encoded, Frames, Value, ValueRef};

/// The kind of encoded pairs.
pub const KIND: &str = "array-pair";

/// Extreme values, and where they are in the whole array.
#[derive(Clone, Debug)]
pub struct ArrayPair {
    pub values: NdArray,
    pub positions: NdArray,
}

impl Value for ArrayPair {
    fn nbytes(&self) -> u64 {
        self.values.nbytes() + self.positions.nbytes()
    }

    fn type_name(&self) -> String {
        "pair of arrays".into()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let (values, positions) = (self.values.encode()?, self.positions.encode()?);
        let counts = (
            values.kind,
            values.frames.header.to_vec(),
            values.frames.buffers.len(),
            positions.frames.header.to_vec(),
        );
        let header = postcard::to_stdvec(&counts).map_err(|e| CodecError::NotSerialisable {
            what: "a pair of arrays".into(),
            reason: e.to_string(),
        })?;
        let mut buffers = values.frames.buffers;
        buffers.extend(positions.frames.buffers);
        Ok(Encoded {
            kind: KIND.into(),
            frames: Frames {
                header: header.into(),
                buffers,
            },
        })
    }
}

/// Reads a pair.
pub fn decode(frames: &Frames) -> Result<ValueRef, CodecError> {
    let malformed = |reason: &str| CodecError::Malformed {
        kind: KIND,
        reason: reason.into(),
    };
    let (kind, first, count, second): (String, Vec<u8>, usize, Vec<u8>) =
        postcard::from_bytes(&frames.header).map_err(|e| malformed(&e.to_string()))?;
    if count > frames.buffers.len() {
        return Err(malformed("buffers are missing"));
    }
    let (values, positions) = frames.buffers.split_at(count);
    let read = |header: Vec<u8>, buffers: &[bytes::Bytes]| -> Result<NdArray, CodecError> {
        let frames = Frames {
            header: header.into(),
            buffers: buffers.to_vec(),
        };
        let value = rask_value::codec::decode_value(&Encoded {
            kind: kind.clone(),
            frames,
        })?;
        let array = value.downcast_ref::<NdArray>().cloned();
        array.ok_or_else(|| malformed("it holds no arrays"))
    };
    Ok(Arc::new(ArrayPair {
        values: read(first, values)?,
        positions: read(second, positions)?,
    }))
}
