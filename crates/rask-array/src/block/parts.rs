//! Blocks cut into parts for other blocks.
//!
//! The block stays as it is until a part of it has to leave: engines whose tasks share memory never
//! copy a part. Encoded, the header begins with an index ([`PartIndex`]); a part's own header is the
//! length of its kind, its kind, and the header of its kind.

use std::sync::Arc;

use bytes::Bytes;
use rask_value::array::NdArray;
use rask_value::{
    CodecError, Encoded, Frames, PartIndex, PartKinds, PartPlace, PartsEncoder, TaskError, Value,
    ValueRef, codec,
};
use smallvec::SmallVec;

use super::gather::{copy_of, view, whole_picker};
use super::ops::shape;
use crate::duck::Picker;

const KINDS: PartKinds = PartKinds {
    whole: "array-parts",
    part: "array-part",
};

/// Which elements of the block a part has, axis by axis.
type Place = SmallVec<[Picker; 4]>;

/// A block cut into parts for other blocks, by their numbers.
#[derive(Debug)]
pub enum BlockParts {
    /// The block, and where its parts lie in it.
    Whole {
        block: ValueRef,
        places: Vec<(u32, Place)>,
    },
    /// The parts alone.
    Apart(Vec<(u32, ValueRef)>),
}

/// Makes parts decodable in this process.
pub(super) fn register() {
    codec::register_value(KINDS.whole, decode_parts);
    codec::register_value(KINDS.part, decode_part);
    codec::register_parts(KINDS.whole, find_part);
}

impl BlockParts {
    /// The block, whole, if it was not taken apart.
    pub fn block(&self) -> Option<&ValueRef> {
        match self {
            BlockParts::Whole { block, .. } => Some(block),
            BlockParts::Apart(_) => None,
        }
    }

    fn count(&self) -> usize {
        match self {
            BlockParts::Whole { places, .. } => places.len(),
            BlockParts::Apart(parts) => parts.len(),
        }
    }

    fn part_at(&self, at: usize) -> Result<(u32, ValueRef), TaskError> {
        match self {
            BlockParts::Whole { block, places } => {
                let (number, place) = &places[at];
                Ok((*number, view(block, place)?))
            }
            BlockParts::Apart(parts) => Ok(parts[at].clone()),
        }
    }

    /// The part for the block of this number, which keeps no other part alive.
    pub fn find(&self, number: u32) -> Result<Option<ValueRef>, TaskError> {
        let found = match self {
            BlockParts::Whole { places, .. } => places.binary_search_by_key(&number, |p| p.0),
            BlockParts::Apart(parts) => parts.binary_search_by_key(&number, |p| p.0),
        };
        let part = found.ok().map(|at| self.part_at(at));
        let part = part.transpose()?;
        Ok(part.map(|(_, value)| match self.block() {
            Some(block) if !Arc::ptr_eq(block, &value) => apart(value),
            _ => value,
        }))
    }
}

fn apart(part: ValueRef) -> ValueRef {
    match part.downcast_ref::<NdArray>() {
        Some(array) if array.buffer().len() > array.size() * array.dtype().itemsize() => {
            Arc::new(copy_of(array))
        }
        _ => part,
    }
}

/// The part of a value for the block of this number: of all parts, or of that part alone.
pub fn part_of(value: &ValueRef, number: u32) -> Result<ValueRef, TaskError> {
    let Some(parts) = value.downcast_ref::<BlockParts>() else {
        return Ok(value.clone());
    };
    let missing = || TaskError::new(format!("block {number} has no part of what it reads"));
    parts.find(number)?.ok_or_else(missing)
}

/// Where the parts for a block's readers lie: along each axis, coordinates of readers and what they
/// take; the numbers of readers in a grid of these lengths.
pub fn places(
    block: &ValueRef,
    axes: &[Option<&[(u32, Picker)]>],
    own: &[u32],
    grid: &rask_graph::Grid,
) -> Result<Vec<(u32, Place)>, TaskError> {
    let shape = shape(block)?;
    let mut made: Vec<(SmallVec<[u32; 4]>, Place)> = vec![Default::default()];
    for (axis, &length) in shape.iter().enumerate() {
        let kept = [(own.get(axis).copied().unwrap_or(0), whole_picker(length))];
        let along = axes.get(axis).copied().flatten().unwrap_or(&kept);
        let mut next = Vec::with_capacity(made.len() * along.len());
        for (coords, place) in &made {
            for (coordinate, picker) in along {
                let (mut coords, mut place) = (coords.clone(), place.clone());
                coords.push(*coordinate);
                place.push(picker.clone());
                next.push((coords, place));
            }
        }
        made = next;
    }
    let number = |(coords, place): (SmallVec<[u32; 4]>, Place)| (grid.block_at(&coords), place);
    Ok(made.into_iter().map(number).collect())
}

impl Value for BlockParts {
    fn nbytes(&self) -> u64 {
        match self {
            BlockParts::Whole { block, .. } => block.nbytes(),
            BlockParts::Apart(parts) => parts.iter().map(|(_, part)| part.nbytes()).sum(),
        }
    }

    fn type_name(&self) -> String {
        "array parts".into()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let count = self.count();
        let mut parts = PartsEncoder::new(count);
        for at in 0..count {
            let (number, part) = self
                .part_at(at)
                .map_err(|error| CodecError::NotSerialisable {
                    what: "a part of a block".into(),
                    reason: error.to_string(),
                })?;
            let Encoded { kind, frames } = part.encode()?;
            let header: [&[u8]; 3] = [&[kind.len() as u8], kind.as_bytes(), &frames.header];
            parts.add(number, &header, frames.buffers);
        }
        Ok(parts.finish(KINDS.whole))
    }

    fn part(&self, number: u32) -> Option<ValueRef> {
        self.find(number).ok().flatten()
    }
}

fn find_part(header: &Bytes, number: u32) -> Result<PartPlace, CodecError> {
    PartIndex::read(KINDS, header)?.find(number)
}

fn decode_part(frames: &Frames) -> Result<ValueRef, CodecError> {
    let length = frames.header.first().copied().unwrap_or(0) as usize;
    let kind = frames.header.get(1..1 + length);
    let kind = kind.and_then(|kind| std::str::from_utf8(kind).ok());
    // A part is a block, never parts again.
    let kind = kind.filter(|kind| ![KINDS.whole, KINDS.part].contains(kind));
    codec::decode_value(&Encoded {
        kind: kind
            .ok_or_else(|| KINDS.malformed("a part of no kind"))?
            .into(),
        frames: Frames {
            header: frames.header.slice(1 + length..),
            buffers: frames.buffers.clone(),
        },
    })
}

fn decode_parts(frames: &Frames) -> Result<ValueRef, CodecError> {
    let index = PartIndex::read(KINDS, &frames.header)?;
    let parts = index.decode_all(&frames.buffers, decode_part)?;
    Ok(Arc::new(BlockParts::Apart(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: usize, count: usize) -> Picker {
        Picker::Range {
            start,
            step: 1,
            count,
        }
    }

    fn parts() -> BlockParts {
        let values: Vec<i64> = (0..12).collect();
        let block = NdArray::from_slice(&values, &[3, 4]).unwrap();
        let block: ValueRef = Arc::new(block);
        let rows = [(1, range(0, 2)), (2, range(2, 1))];
        let columns = [(0, range(0, 1)), (5, range(1, 3))];
        let grid = rask_graph::Grid::new([4, 6]);
        let places = places(&block, &[Some(&rows), Some(&columns)], &[0, 0], &grid).unwrap();
        BlockParts::Whole { block, places }
    }

    fn elements(value: &ValueRef) -> (Vec<usize>, Vec<i64>) {
        let array = value.downcast_ref::<NdArray>().unwrap();
        let whole = array.to_contiguous();
        let elements = whole.as_slice::<i64>().unwrap().to_vec();
        (array.shape().to_vec(), elements)
    }

    #[test]
    fn a_part_is_found_alone_and_with_all_others() {
        rask_value::array::register();
        register();
        let parts = parts();
        let encoded = parts.encode().unwrap();
        assert_eq!(encoded.frames.buffers.len(), 4);
        let whole = codec::decode_value(&encoded).unwrap();
        let expected = [
            (6, vec![2, 1], vec![0, 4]),
            (11, vec![2, 3], vec![1, 2, 3, 5, 6, 7]),
            (12, vec![1, 1], vec![8]),
            (17, vec![1, 3], vec![9, 10, 11]),
        ];
        for (number, shape, values) in expected {
            let place = codec::find_part(KINDS.whole, &encoded.frames.header, number);
            let alone = place.unwrap().unwrap().take(&encoded.frames.buffers);
            let alone = codec::decode_value(&alone.unwrap()).unwrap();
            for value in [
                part_of(&whole, number).unwrap(),
                part_of(&alone, number).unwrap(),
                parts.part(number).unwrap(),
            ] {
                assert_eq!(elements(&value), (shape.clone(), values.clone()));
            }
        }
        assert!(codec::find_part(KINDS.whole, &encoded.frames.header, 7).is_err());
        assert!(part_of(&whole, 7).is_err());
    }

    #[test]
    fn no_header_makes_it_panic() {
        rask_value::array::register();
        register();
        let encoded = parts().encode().unwrap();
        let header = &encoded.frames.header;
        let try_all = |header: Bytes| {
            let frames = Frames {
                header,
                buffers: encoded.frames.buffers.clone(),
            };
            let found = find_part(&frames.header, 11).and_then(|p| p.take(&frames.buffers));
            let _ = found.and_then(|part| codec::decode_value(&part));
            decode_parts(&frames).is_ok()
        };
        assert!(try_all(header.clone()));
        for cut in 0..header.len() {
            assert!(!try_all(header.slice(..cut)));
        }
        for at in 0..header.len() {
            let mut broken = header.to_vec();
            broken[at] ^= 0xFF;
            try_all(broken.into());
        }
    }
}
