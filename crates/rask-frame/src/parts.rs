//! Partitions cut into parts for other partitions; encoded with an index ([`PartIndex`]).

use std::sync::Arc;

use bytes::Bytes;
use rask_value::{
    CodecError, Encoded, Frames, PartIndex, PartKinds, PartPlace, PartsEncoder, TaskError, Value,
    ValueRef, codec,
};

use crate::engine::{self, DIVISION_KIND, Division, Piece, Table};

const KINDS: PartKinds = PartKinds {
    whole: "table-parts",
    part: "table-part",
};

/// A partition cut into parts for other partitions.
#[derive(Debug)]
pub enum Parts {
    /// The partition as it was, and which rows each part has.
    Divided(Division),
    /// Tables of their own.
    Apart(Vec<Table>),
}

/// One part, away from the others.
#[derive(Debug)]
struct Part(Piece);

/// Makes parts decodable in this process.
pub(crate) fn register() {
    codec::register_value(KINDS.whole, decode_parts);
    codec::register_value(KINDS.part, |frames| {
        let table = engine::decode(frames)?;
        Ok(Arc::new(Part(Piece::whole(table))) as ValueRef)
    });
    codec::register_value(DIVISION_KIND, |frames| {
        Ok(Arc::new(Parts::Divided(Division::decode(frames)?)) as ValueRef)
    });
    codec::register_parts(KINDS.whole, find_part);
}

/// Part `number`, of all the parts or of that part alone.
pub(crate) fn find_piece(value: &ValueRef, number: usize) -> Result<Piece, TaskError> {
    if let Some(Part(piece)) = value.downcast_ref::<Part>() {
        return Ok(piece.clone());
    }
    let parts = value.downcast_ref::<Parts>();
    let part = parts.and_then(|parts| parts.find(number));
    part.ok_or_else(|| {
        let found = value.type_name();
        TaskError::new(format!("TypeError: expected parts, found {found}"))
    })
}

impl Parts {
    fn find(&self, number: usize) -> Option<Piece> {
        match self {
            Parts::Divided(division) => division.part(number),
            Parts::Apart(tables) => tables.get(number).cloned().map(Piece::whole),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Parts::Divided(division) => division.count(),
            Parts::Apart(tables) => tables.len(),
        }
    }

    fn encode_divided(division: &Division) -> Result<Encoded, CodecError> {
        let mut parts = PartsEncoder::new(division.count());
        let rows = division.in_order();
        for number in 0..division.count() {
            let range = division.range(number).unwrap_or_default();
            let frames = engine::encode_run(&rows, range.start, range.len())?;
            parts.add(number as u32, &[&frames.header], frames.buffers);
        }
        Ok(parts.finish(KINDS.whole))
    }
}

impl Value for Parts {
    fn nbytes(&self) -> u64 {
        match self {
            Parts::Divided(division) => division.nbytes(),
            Parts::Apart(tables) => tables.iter().map(Value::nbytes).sum(),
        }
    }

    fn type_name(&self) -> String {
        "table parts".into()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let tables = match self {
            Parts::Divided(division) => return Parts::encode_divided(division),
            Parts::Apart(tables) => tables,
        };
        let mut parts = PartsEncoder::new(tables.len());
        for (number, table) in tables.iter().enumerate() {
            let frames = table.encode()?.frames;
            parts.add(number as u32, &[&frames.header], frames.buffers);
        }
        Ok(parts.finish(KINDS.whole))
    }

    fn part(&self, number: u32) -> Option<ValueRef> {
        let table = match self {
            Parts::Divided(division) => division.copy_of_part(number as usize)?,
            Parts::Apart(tables) => tables.get(number as usize)?.clone(),
        };
        Some(Arc::new(Part(Piece::whole(table))))
    }

    fn view_of_part(&self, number: u32) -> Option<ValueRef> {
        Some(Arc::new(Part(self.find(number as usize)?)))
    }

    fn encode_in_place(&self) -> Option<Encoded> {
        let Parts::Divided(division) = self else {
            return None;
        };
        Some(Encoded {
            kind: DIVISION_KIND.into(),
            frames: division.encode_in_place()?,
        })
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
        // As it lies among the other parts: it is sent or written at once.
        let table = self.0.to_table();
        Ok(Encoded {
            kind: KINDS.part.into(),
            frames: engine::encode_run(&table, 0, table.len())?,
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
    Ok(Arc::new(Parts::Apart(tables)))
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
        let tables = vec![table(&[1, 2]), table(&[]), table(&[3])];
        let whole = table(&[3, 1, 2]);
        let divided = Division::new(whole, &[2, 0, 0], 3);
        let expected: Vec<Vec<Table>> = [
            tables.clone(),
            (0..3)
                .map(|n| divided.part(n).unwrap().to_table())
                .collect(),
        ]
        .into();
        for (parts, expected) in [Parts::Apart(tables), Parts::Divided(divided)]
            .into_iter()
            .zip(expected)
        {
            assert_eq!(parts.count(), 3);
            let encoded = parts.encode().unwrap();
            let whole = codec::decode_value(&encoded).unwrap();
            for (number, expected) in expected.iter().enumerate() {
                let place = codec::find_part(KINDS.whole, &encoded.frames.header, number as u32);
                let place = place.unwrap().unwrap();
                let alone = place.take(&encoded.frames.buffers).unwrap();
                let alone = codec::decode_value(&alone).unwrap();
                let (own, view) = (parts.part(number as u32), parts.view_of_part(number as u32));
                for value in [&whole, &alone, &own.unwrap(), &view.unwrap()] {
                    let found = find_piece(value, number).unwrap().to_table();
                    assert_eq!(found.len(), expected.len());
                    assert_eq!(found.spelled_out(), expected.spelled_out());
                }
            }
            assert!(codec::find_part(KINDS.whole, &encoded.frames.header, 3).is_err());
        }
    }

    #[test]
    fn no_header_makes_it_panic() {
        let encoded = Parts::Apart(vec![table(&[1]), table(&[2])])
            .encode()
            .unwrap();
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
