//! A table divided among parts: which rows each part has. No row moves before its part is put
//! together with those of other tables, or has to leave.

use std::sync::Arc;

use arrow_buffer::ScalarBuffer;

use bytes::Bytes;
use rask_value::{CodecError, Frames};
use serde::{Deserialize, Serialize};

use super::{Table, codec};

/// A table, and the rows of each part of it.
#[derive(Clone, Debug)]
pub struct Division {
    table: Arc<Table>,
    /// Those of the first part first, in the table's order inside a part; `None` if the table has them
    /// in this order.
    rows: Option<ScalarBuffer<u32>>,
    /// Where each part begins among them, and where the last one ends.
    starts: Vec<u32>,
}

/// Columns of fewer rows fit into a processor's cache: putting them into the order of the parts costs
/// less there than it does later, when each part's rows are picked out of all tables.
const SETTLED_ROWS_MAX: usize = 1 << 18;

/// The kind of encoded divisions.
pub(crate) const DIVISION_KIND: &str = "table-division";

#[derive(Serialize, Deserialize)]
struct Header {
    starts: Vec<u32>,
    table: Vec<u8>,
}

/// All rows of a table, or some in the order given.
#[derive(Clone, Debug)]
pub struct Piece {
    pub(crate) table: Arc<Table>,
    pub(crate) rows: Option<ScalarBuffer<u32>>,
}

impl Division {
    /// Divides a table by the number of each row's part; rows keep their order inside a part.
    ///
    /// # Panics
    /// If a number is not below `parts`, or there are not as many numbers as rows.
    pub fn new(table: Table, numbers: &[u32], parts: usize) -> Self {
        assert_eq!(numbers.len(), table.len(), "a number for each row");
        let mut starts = vec![0u32; parts + 1];
        for number in numbers {
            starts[*number as usize + 1] += 1;
        }
        for part in 0..parts {
            starts[part + 1] += starts[part];
        }
        let mut next = starts.clone();
        let mut rows = vec![0u32; numbers.len()];
        for (row, number) in (0u32..).zip(numbers) {
            let place = &mut next[*number as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        Division {
            table: Arc::new(table),
            rows: Some(rows.into()),
            starts,
        }
    }

    /// Divides a table that has its parts one after the other; `starts` says where each begins, and where
    /// the last one ends.
    ///
    /// # Panics
    /// If these are not all rows of the table.
    pub fn of_runs(table: Table, starts: Vec<u32>) -> Self {
        let is_all = starts.first() == Some(&0) && starts.last() == Some(&(table.len() as u32));
        assert!(is_all && starts.is_sorted(), "all rows are in a part");
        Division {
            table: Arc::new(table),
            rows: None,
            starts,
        }
    }

    /// The same parts, each of them a run of rows, if the table is small.
    pub fn settle(self) -> Self {
        if self.rows.is_none() || self.table.len() > SETTLED_ROWS_MAX {
            return self;
        }
        Division {
            table: Arc::new(self.in_order()),
            rows: None,
            starts: self.starts,
        }
    }

    /// The number of parts.
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Where the rows of a part lie among those of all parts.
    pub(crate) fn range(&self, part: usize) -> Option<std::ops::Range<usize>> {
        let (start, end) = (self.starts.get(part)?, self.starts.get(part + 1)?);
        Some(*start as usize..*end as usize)
    }

    /// One part, which keeps the table in memory.
    pub fn part(&self, number: usize) -> Option<Piece> {
        let range = self.range(number)?;
        Some(match &self.rows {
            None => Piece::whole(self.table.slice(range.start, range.len())),
            Some(rows) => Piece {
                table: self.table.clone(),
                rows: Some(rows.slice(range.start, range.len())),
            },
        })
    }

    /// One part as a table of its own.
    pub fn copy_of_part(&self, number: usize) -> Option<Table> {
        let range = self.range(number)?;
        let rows = match &self.rows {
            None => (range.start as u32..range.end as u32).collect(),
            Some(rows) => rows.slice(range.start, range.len()),
        };
        let piece = Piece {
            table: self.table.clone(),
            rows: Some(rows),
        };
        Some(piece.to_table())
    }

    /// All rows, those of the first part first.
    pub(crate) fn in_order(&self) -> Table {
        let piece = Piece {
            table: self.table.clone(),
            rows: self.rows.clone(),
        };
        piece.to_table()
    }

    /// The division in its own memory; `None` if something would have to be copied.
    pub(crate) fn encode_in_place(&self) -> Option<Frames> {
        let rows = self.rows.as_ref()?;
        let Frames {
            header,
            mut buffers,
        } = codec::encode_in_place(&self.table)?;
        let header = Header {
            starts: self.starts.clone(),
            table: header.to_vec(),
        };
        let header = postcard::to_allocvec(&header).ok()?;
        buffers.push(codec::to_bytes(rows.inner().clone()));
        Some(Frames {
            header: header.into(),
            buffers,
        })
    }

    /// Reads a division, which may hold anything.
    pub(crate) fn decode(frames: &Frames) -> Result<Self, CodecError> {
        let Header { starts, table } =
            postcard::from_bytes(&frames.header).map_err(|e| malformed(e.to_string()))?;
        let Some((rows, columns)) = frames.buffers.split_last() else {
            return Err(malformed("there are no rows"));
        };
        let table = super::decode(&Frames {
            header: Bytes::from(table),
            buffers: columns.to_vec(),
        })?;
        let rows = read_rows(rows, table.len())?;
        let is_whole = starts.first() == Some(&0) && starts.last() == Some(&(rows.len() as u32));
        if !is_whole || !starts.is_sorted() {
            return Err(malformed("parts that do not follow each other"));
        }
        Ok(Division {
            table: Arc::new(table),
            rows: Some(rows),
            starts,
        })
    }

    /// Bytes of the table and of the rows' numbers.
    pub fn nbytes(&self) -> u64 {
        let rows = self.rows.as_ref().map_or(0, |rows| rows.len());
        rask_value::Value::nbytes(&*self.table) + 4 * rows as u64
    }
}

fn malformed(reason: impl Into<String>) -> CodecError {
    CodecError::Malformed {
        kind: DIVISION_KIND,
        reason: reason.into(),
    }
}

/// Numbers of rows, of a table that has so many.
fn read_rows(bytes: &Bytes, len: usize) -> Result<ScalarBuffer<u32>, CodecError> {
    if bytes.len() != len * size_of::<u32>() {
        return Err(malformed("another number of rows than the table has"));
    }
    let rows = match bytes.as_ptr().cast::<u32>().is_aligned() {
        true => ScalarBuffer::from(arrow_buffer::Buffer::from(bytes.clone())),
        false => {
            let words = bytes.as_chunks().0.iter();
            words.map(|word| u32::from_ne_bytes(*word)).collect()
        }
    };
    match rows.iter().all(|row| (*row as usize) < len) {
        true => Ok(rows),
        false => Err(malformed("a row that the table has not")),
    }
}

impl Piece {
    /// All rows of a table.
    pub fn whole(table: Table) -> Self {
        Piece {
            table: Arc::new(table),
            rows: None,
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
            .as_ref()
            .map_or_else(|| self.table.len(), |rows| rows.len())
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows as a table of their own.
    pub fn to_table(&self) -> Table {
        match self.rows {
            None => Table::clone(&self.table),
            Some(_) => super::assemble::pick(self),
        }
    }

    /// Bytes that are the piece's own: rows of a division are the division's.
    pub fn nbytes(&self) -> u64 {
        match &self.rows {
            None => rask_value::Value::nbytes(&*self.table),
            Some(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Column, Index, Label, Scalar};

    fn table() -> Table {
        let texts = (0..7).map(|i| (i % 3 > 0).then_some("text"));
        let columns = vec![
            (Label::from("x"), Column::from_i64((0..7).collect())),
            (
                Label::from("y"),
                Column::from_f64((0..7).map(f64::from).collect()),
            ),
            (Label::from("t"), Column::from_texts(texts)),
        ];
        Table::new(columns, Index::default_range(), 7).unwrap()
    }

    #[test]
    fn a_division_is_read_where_it_lies() {
        let whole = table().drop(&["t".into()]).unwrap();
        let division = Division::new(whole, &[2, 0, 2, 3, 0, 0, 2], 5);
        let frames = division.encode_in_place().unwrap();
        let read = Division::decode(&frames).unwrap();
        for number in 0..5 {
            let tables = [&division, &read].map(|d| d.part(number).unwrap().to_table());
            assert_eq!(tables[0].spelled_out(), tables[1].spelled_out());
        }
        let column = division
            .table
            .column_at(0)
            .values::<arrow_array::types::Int64Type>();
        assert_eq!(frames.buffers[0].as_ptr(), column.as_ptr().cast());
        let texts = Division::new(table(), &[0; 7], 1);
        assert!(texts.encode_in_place().is_none());
        // Whatever is wrong with it is an error.
        let rows = frames.buffers.len() - 1;
        let mut beyond = frames.clone();
        let numbers: Vec<u8> = [0u32, 1, 2, 3, 4, 5, 7]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        beyond.buffers[rows] = Bytes::from(numbers);
        let mut short = frames.clone();
        short.buffers[rows] = Bytes::from(vec![0; 24]);
        let mut none = frames.clone();
        none.buffers.clear();
        let cut = Frames {
            header: frames.header.slice(..3),
            ..frames
        };
        for broken in [beyond, short, none, cut] {
            assert!(Division::decode(&broken).is_err());
        }
    }

    #[test]
    fn rows_are_as_if_taken() {
        let whole = table();
        let numbers = [2, 0, 2, 3, 0, 0, 2];
        for table in [
            whole.clone(),
            whole.slice(0, 7),
            whole.set_index(&["x".into()], true).unwrap(),
        ] {
            let divided = Division::new(table.clone(), &numbers, 5);
            for division in [divided.clone(), divided.settle()] {
                assert_eq!((division.count(), division.in_order().len()), (5, 7));
                for number in 0..5 {
                    let part = division.part(number).unwrap();
                    let rows = (0..7).filter(|row| numbers[*row as usize] as usize == number);
                    let expected = table.take(&rows.collect::<Vec<u32>>());
                    let copy = division.copy_of_part(number).unwrap();
                    for found in [part.to_table(), copy] {
                        assert_eq!(found.spelled_out(), expected.spelled_out());
                    }
                    assert_eq!(part.len(), expected.len());
                }
                assert!(division.part(5).is_none());
            }
        }
        let sliced = whole.slice(3, 3);
        let part = Division::new(sliced, &[1, 0, 1], 2).part(1).unwrap();
        let part = part.to_table();
        assert_eq!(part.column(&"x".into()).unwrap().get(1), Scalar::Int(5));
        assert_eq!(part.index_column(0).unwrap().get(1), Scalar::Int(5));
        let nothing = Division::new(whole.slice(0, 0), &[], 2);
        assert!(nothing.part(0).unwrap().is_empty() && nothing.part(1).unwrap().is_empty());
    }
}
