//! Blocks cut into parts for other blocks.
//!
//! The block stays as it is until a part of it has to leave: engines whose tasks share memory never
//! copy a part. Encoded, the header begins with an index, so that one part is found without looking
//! at the others: the number of parts, and for each part and the end, as `u32` in little-endian
//! order, the part's number (increasing), where its header begins behind the index, and which its
//! first buffer is. A part's header is the length of its kind, its kind, and the header of its kind.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use rask_value::array::NdArray;
use rask_value::{CodecError, Encoded, Frames, PartPlace, TaskError, Value, ValueRef, codec};
use smallvec::SmallVec;

use super::gather::{copy_of, view, whole_picker};
use super::ops::shape;
use crate::duck::Picker;

/// The kind of encoded parts, all together.
const KIND: &str = "array-parts";
/// The kind of one part alone.
const PART_KIND: &str = "array-part";
/// Bytes of an entry of the index.
const ENTRY_BYTES: usize = 12;

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
    codec::register_value(KIND, decode_parts);
    codec::register_value(PART_KIND, decode_part);
    codec::register_parts(KIND, find_part);
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
        let mut index = BytesMut::with_capacity(4 + (count + 1) * ENTRY_BYTES);
        let mut headers = BytesMut::new();
        let mut buffers = Vec::new();
        index.put_u32_le(count as u32);
        let mut last = 0;
        for at in 0..count {
            let (number, part) = self
                .part_at(at)
                .map_err(|error| CodecError::NotSerialisable {
                    what: "a part of a block".into(),
                    reason: error.to_string(),
                })?;
            let part = part.encode()?;
            put_entry(&mut index, number, headers.len(), buffers.len());
            put_part(&mut headers, &part);
            buffers.extend(part.frames.buffers);
            last = number;
        }
        put_entry(&mut index, last, headers.len(), buffers.len());
        index.put(headers);
        Ok(Encoded {
            kind: KIND.into(),
            frames: Frames {
                header: index.freeze(),
                buffers,
            },
        })
    }

    fn part(&self, number: u32) -> Option<ValueRef> {
        self.find(number).ok().flatten()
    }
}

fn put_entry(index: &mut BytesMut, number: u32, header: usize, buffer: usize) {
    index.put_u32_le(number);
    index.put_u32_le(header as u32);
    index.put_u32_le(buffer as u32);
}

fn put_part(headers: &mut BytesMut, part: &Encoded) {
    headers.put_u8(part.kind.len() as u8);
    headers.put(part.kind.as_bytes());
    headers.put(&part.frames.header[..]);
}

fn malformed(reason: &str) -> CodecError {
    CodecError::Malformed {
        kind: KIND,
        reason: reason.into(),
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// The index of encoded parts; the header may hold anything.
struct Index<'a> {
    header: &'a Bytes,
    count: usize,
    /// Where headers begin.
    headers: usize,
}

impl<'a> Index<'a> {
    fn read(header: &'a Bytes) -> Result<Self, CodecError> {
        let count = read_u32(header, 0).ok_or_else(|| malformed("no index"))? as usize;
        let headers = count
            .checked_add(1)
            .and_then(|entries| entries.checked_mul(ENTRY_BYTES)?.checked_add(4))
            .filter(|&end| end <= header.len());
        Ok(Index {
            header,
            count,
            headers: headers.ok_or_else(|| malformed("an index that is cut off"))?,
        })
    }

    /// Number, header and first buffer of the part in this place.
    fn entry(&self, at: usize) -> (u32, usize, usize) {
        let word = |word: usize| read_u32(self.header, 4 + at * ENTRY_BYTES + word * 4);
        let word = |number| word(number).unwrap_or(u32::MAX);
        (word(0), word(1) as usize, word(2) as usize)
    }

    fn place(&self, at: usize) -> Result<PartPlace, CodecError> {
        let (_, start, first) = self.entry(at);
        let (_, end, last) = self.entry(at + 1);
        let borders = self
            .headers
            .checked_add(start)
            .zip(self.headers.checked_add(end));
        let fits = borders
            .filter(|&(start, end)| start <= end && end <= self.header.len() && first <= last);
        let (start, end) = fits.ok_or_else(|| malformed("an index that does not fit"))?;
        Ok(PartPlace {
            kind: PART_KIND,
            header: self.header.slice(start..end),
            buffers: first..last,
        })
    }
}

fn find_part(header: &Bytes, number: u32) -> Result<PartPlace, CodecError> {
    let index = Index::read(header)?;
    let (mut low, mut high) = (0, index.count);
    while low < high {
        let middle = low + (high - low) / 2;
        match index.entry(middle).0.cmp(&number) {
            std::cmp::Ordering::Equal => return index.place(middle),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(malformed("there is no such part"))
}

fn decode_part(frames: &Frames) -> Result<ValueRef, CodecError> {
    let length = frames.header.first().copied().unwrap_or(0) as usize;
    let kind = frames.header.get(1..1 + length);
    let kind = kind.and_then(|kind| std::str::from_utf8(kind).ok());
    // A part is a block, never parts again.
    let kind = kind.filter(|kind| ![KIND, PART_KIND].contains(kind));
    codec::decode_value(&Encoded {
        kind: kind.ok_or_else(|| malformed("a part of no kind"))?.into(),
        frames: Frames {
            header: frames.header.slice(1 + length..),
            buffers: frames.buffers.clone(),
        },
    })
}

fn decode_parts(frames: &Frames) -> Result<ValueRef, CodecError> {
    let index = Index::read(&frames.header)?;
    let mut parts: Vec<(u32, ValueRef)> = Vec::new();
    for at in 0..index.count {
        let number = index.entry(at).0;
        if parts.last().is_some_and(|&(before, _)| before >= number) {
            return Err(malformed("parts out of order"));
        }
        let part = index.place(at)?.take(&frames.buffers)?;
        parts.push((number, decode_part(&part.frames)?));
    }
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
            let place = codec::find_part(KIND, &encoded.frames.header, number);
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
        assert!(codec::find_part(KIND, &encoded.frames.header, 7).is_err());
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
