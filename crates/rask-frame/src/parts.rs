//! Partitions cut into parts for other partitions; encoded with an index ([`PartIndex`]).

use std::sync::Arc;

use bytes::Bytes;
use rask_value::{
    CodecError, Encoded, Frames, PartIndex, PartKinds, PartPlace, PartsEncoder, TaskError, Value,
    ValueRef, codec,
};

use crate::engine::{self, Table};

const KINDS: PartKinds = PartKinds {
    whole: "table-parts",
    part: "table-part",
};

/// A partition cut into parts for other partitions.
#[derive(Debug)]
pub struct Parts(pub Vec<Table>);

/// One part, away from the others.
#[derive(Debug)]
struct Part(Table);

/// Makes parts decodable in this process.
pub(crate) fn register() {
    codec::register_value(KINDS.whole, decode_parts);
    codec::register_value(KINDS.part, |frames| {
        Ok(Arc::new(Part(engine::decode(frames)?)) as ValueRef)
    });
    codec::register_parts(KINDS.whole, find_part);
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
        let mut parts = PartsEncoder::new(self.0.len());
        for (number, table) in self.0.iter().enumerate() {
            let frames = table.encode()?.frames;
            parts.add(number as u32, &[&frames.header], frames.buffers);
        }
        Ok(parts.finish(KINDS.whole))
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
            kind: KINDS.part.into(),
            ..self.0.encode()?
        })
    }
}

fn find_part(header: &Bytes, number: u32) -> Result<PartPlace, CodecError> {
    PartIndex::read(KINDS, header)?.find(number)
}

fn decode_parts(frames: &Frames) -> Result<ValueRef, CodecError> {
    let index = PartIndex::read(KINDS, &frames.header)?;
    let parts = index.decode_all(&frames.buffers, engine::decode)?;
    let tables = parts.into_iter().map(|(_, table)| table).collect();
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
            let place = codec::find_part(KINDS.whole, &encoded.frames.header, number as u32);
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
        assert!(codec::find_part(KINDS.whole, &encoded.frames.header, 3).is_err());
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
