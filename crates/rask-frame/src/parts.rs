//! Partitions cut into parts for other partitions.
//!
//! Encoded, the header begins with an index, so that one part is found without looking at the others:
//! a number of parts, and for each part and the end, as `u32` in little-endian order, where its own
//! header begins behind the index, and which its first buffer is.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use rask_value::{CodecError, Encoded, Frames, PartPlace, TaskError, Value, ValueRef, codec};

use crate::engine::{self, Table};

/// The kind of encoded parts, all together.
const KIND: &str = "table-parts";
/// The kind of one part alone.
const PART_KIND: &str = "table-part";
/// Bytes of an entry of the index.
const ENTRY_BYTES: usize = 8;

/// A partition cut into parts for other partitions.
#[derive(Debug)]
pub struct Parts(pub Vec<Table>);

/// One part, away from the others.
#[derive(Debug)]
struct Part(Table);

/// Makes parts decodable in this process.
pub(crate) fn register() {
    codec::register_value(KIND, decode_parts);
    codec::register_value(PART_KIND, |frames| {
        Ok(Arc::new(Part(engine::decode(frames)?)) as ValueRef)
    });
    codec::register_parts(KIND, find_part);
}

/// The table of part `number`, of all the parts or of that part alone.
pub(crate) fn table_of_part(value: &ValueRef, number: usize) -> Result<Table, TaskError> {
    if let Some(Part(table)) = value.downcast_ref::<Part>() {
        return Ok(table.clone());
    }
    let parts = value.downcast_ref::<Parts>();
    let part = parts.and_then(|parts| parts.0.get(number));
    part.cloned().ok_or_else(|| {
        let found = value.type_name();
        TaskError::new(format!("TypeError: expected parts, found {found}"))
    })
}

impl Value for Parts {
    fn nbytes(&self) -> u64 {
        self.0.iter().map(Value::nbytes).sum()
    }

    fn type_name(&self) -> String {
        "table parts".into()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let mut index = BytesMut::with_capacity(4 + (self.0.len() + 1) * ENTRY_BYTES);
        let mut headers = BytesMut::new();
        let mut buffers = Vec::new();
        index.put_u32_le(self.0.len() as u32);
        for table in &self.0 {
            put_entry(&mut index, headers.len(), buffers.len());
            let frames = table.encode()?.frames;
            headers.put(frames.header);
            buffers.extend(frames.buffers);
        }
        put_entry(&mut index, headers.len(), buffers.len());
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
        let table = self.0.get(number as usize)?;
        Some(Arc::new(Part(table.clone())))
    }
}

impl Value for Part {
    fn nbytes(&self) -> u64 {
        self.0.nbytes()
    }

    fn type_name(&self) -> String {
        "table part".into()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(Encoded {
            kind: PART_KIND.into(),
            ..self.0.encode()?
        })
    }
}

fn put_entry(index: &mut BytesMut, header: usize, buffer: usize) {
    index.put_u32_le(header as u32);
    index.put_u32_le(buffer as u32);
}

fn malformed(reason: &str) -> CodecError {
    CodecError::Malformed {
        kind: KIND,
        reason: reason.into(),
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

/// Where part `number` lies; the header may hold anything.
fn find_part(header: &Bytes, number: u32) -> Result<PartPlace, CodecError> {
    let count = read_u32(header, 0).ok_or_else(|| malformed("no index"))?;
    if number as usize >= count {
        return Err(malformed("there are fewer parts"));
    }
    let entry = |number: usize| {
        let at = number.checked_mul(ENTRY_BYTES)?.checked_add(4)?;
        Some((read_u32(header, at)?, read_u32(header, at + 4)?))
    };
    let headers = count
        .checked_add(1)
        .and_then(|entries| entries.checked_mul(ENTRY_BYTES)?.checked_add(4));
    let place = (|| {
        let (start, first) = entry(number as usize)?;
        let (end, last) = entry(number as usize + 1)?;
        let (start, end) = (headers?.checked_add(start)?, headers?.checked_add(end)?);
        let fits = start <= end && end <= header.len() && first <= last;
        fits.then(|| PartPlace {
            kind: PART_KIND,
            header: header.slice(start..end),
            buffers: first..last,
        })
    })();
    place.ok_or_else(|| malformed("an index that does not fit"))
}

fn decode_parts(frames: &Frames) -> Result<ValueRef, CodecError> {
    let count = read_u32(&frames.header, 0).ok_or_else(|| malformed("no index"))?;
    let mut tables = Vec::new();
    for number in 0..count as u32 {
        let part = find_part(&frames.header, number)?.take(&frames.buffers)?;
        tables.push(engine::decode(&part.frames)?);
    }
    Ok(Arc::new(Parts(tables)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Column, Index, Label};

    fn table(values: &[i64]) -> Table {
        let column = Column::from_i64(values.to_vec());
        let columns = vec![(Label::from("x"), column)];
        Table::new(columns, Index::default_range(), values.len()).unwrap()
    }

    #[test]
    fn a_part_is_found_alone_and_with_all_others() {
        register();
        let parts = Parts(vec![table(&[1, 2]), table(&[]), table(&[3])]);
        let encoded = parts.encode().unwrap();
        let whole = codec::decode_value(&encoded).unwrap();
        for (number, expected) in parts.0.iter().enumerate() {
            let place = codec::find_part(KIND, &encoded.frames.header, number as u32);
            let alone = place
                .unwrap()
                .unwrap()
                .take(&encoded.frames.buffers)
                .unwrap();
            let alone = codec::decode_value(&alone).unwrap();
            for value in [&whole, &alone, &parts.part(number as u32).unwrap()] {
                let found = table_of_part(value, number).unwrap();
                assert_eq!(found.len(), expected.len());
                assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            }
        }
        assert!(codec::find_part(KIND, &encoded.frames.header, 3).is_err());
    }

    #[test]
    fn no_header_makes_it_panic() {
        let encoded = Parts(vec![table(&[1]), table(&[2])]).encode().unwrap();
        let header = encoded.frames.header;
        for cut in 0..header.len() {
            let found = find_part(&header.slice(..cut), 1);
            assert!(found.is_err() || cut > 4);
        }
        for at in 0..28.min(header.len()) {
            let mut broken = header.to_vec();
            broken[at] = 0xFF;
            if let Ok(place) = find_part(&broken.into(), 1) {
                let taken = place.take(&encoded.frames.buffers);
                assert!(taken.is_err() || taken.is_ok_and(|part| part.frames.buffers.len() < 9));
            }
        }
    }
}
