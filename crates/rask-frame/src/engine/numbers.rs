//! Columns of plain numbers as bytes, for others to read or to have.

use arrow_array::Array;
use arrow_buffer::Buffer;
use bytes::Bytes;

use super::codec::to_bytes;
use super::{Column, DType, Number};

/// The memory of a column.
#[derive(Debug)]
pub struct Numbers {
    pub kind: Number,
    pub bytes: Bytes,
    /// Nobody else has the memory, and it can be written to.
    pub is_alone: bool,
}

impl Column {
    /// Whether these are numbers, none of which is marked as missing.
    pub fn is_plain_numbers(&self) -> bool {
        matches!(self.dtype(), DType::Number(_)) && self.array().null_count() == 0
    }

    /// The memory of plain numbers; `None` for anything else.
    pub fn into_numbers(self) -> Option<Numbers> {
        let (DType::Number(kind), true) = (self.dtype().clone(), self.is_plain_numbers()) else {
            return None;
        };
        let data = self.array().to_data();
        drop(self);
        let (offset, len) = (data.offset(), data.len());
        let buffer = data.buffers()[0].clone();
        drop(data);
        let width = kind.width_bytes();
        let (buffer, is_alone) = try_have(buffer);
        let bytes = buffer.slice_with_length(offset * width, len * width);
        Some(Numbers {
            kind,
            bytes: to_bytes(bytes),
            is_alone,
        })
    }
}

/// The buffer, and whether it is the only one of memory that this process has allocated.
fn try_have(buffer: Buffer) -> (Buffer, bool) {
    if buffer.ptr_offset() > 0 {
        return (buffer, false);
    }
    match buffer.into_mutable() {
        Ok(memory) => (memory.into(), true),
        Err(buffer) => (buffer, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_alone_if_nobody_else_refers_to_it() {
        let column = Column::from_i64((0..100).collect());
        let other = column.clone();
        let shared = column.into_numbers().unwrap();
        assert!(!shared.is_alone);
        let part = other.slice(10, 5);
        drop(shared);
        let cut = part.into_numbers().unwrap();
        assert!(!cut.is_alone && cut.bytes.len() == 40);
        drop(cut);
        let alone = other.into_numbers().unwrap();
        assert!(alone.is_alone);
        let expected: Vec<u8> = (0..100i64).flat_map(i64::to_ne_bytes).collect();
        assert_eq!(alone.bytes, expected);
        let foreign = Column::from_bytes(DType::FLOAT64, Bytes::from(expected)).unwrap();
        assert!(!foreign.into_numbers().unwrap().is_alone);
        assert!(Column::from_texts([Some("x")]).into_numbers().is_none());
    }
}
