//! Rows of a table to the parts they belong to: each column is read once, from front to back, and
//! written behind what its parts have already.

use arrow_array::{Array, ArrayRef, UInt32Array, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use arrow_data::ArrayData;

use super::{Column, Index, Label, Result, Table};

/// Cuts a table by the number of each row's part; rows keep their order inside a part.
///
/// # Panics
/// If a number is not below `parts`, or there are not as many numbers as rows.
pub fn scatter(table: &Table, numbers: &[u32], parts: usize) -> Result<Vec<Table>> {
    let plan = Plan::new(table.len(), numbers, parts);
    let columns = plan.scatter_named(table.columns())?;
    let indexes: Vec<Index> = match table.index() {
        Index::Columns(levels) => {
            let levels = plan.scatter_named(levels)?;
            levels.into_iter().map(Index::Columns).collect()
        }
        Index::Range { start, step, name } => plan
            .scatter_values((0..table.len() as i64).map(|row| start + step * row))
            .map(|values| Index::Columns(vec![(name.clone(), Column::from_i64(values))]))
            .collect(),
    };
    let parts = columns.into_iter().zip(indexes).zip(&plan.counts);
    parts
        .map(|((columns, index), count)| Table::new(columns, index, *count))
        .collect()
}

/// Which row goes where.
struct Plan<'a> {
    numbers: &'a [u32],
    counts: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn new(len: usize, numbers: &'a [u32], parts: usize) -> Self {
        assert_eq!(numbers.len(), len, "a number for each row");
        let mut counts = vec![0; parts];
        for number in numbers {
            counts[*number as usize] += 1;
        }
        Plan { numbers, counts }
    }

    /// The columns of each part.
    fn scatter_named(&self, columns: &[(Label, Column)]) -> Result<Vec<Vec<(Label, Column)>>> {
        let capacity = columns.len();
        let mut parts: Vec<Vec<_>> = self
            .counts
            .iter()
            .map(|_| Vec::with_capacity(capacity))
            .collect();
        for (label, column) in columns {
            for (part, piece) in parts.iter_mut().zip(self.scatter_column(column)?) {
                part.push((label.clone(), piece));
            }
        }
        Ok(parts)
    }

    fn scatter_column(&self, column: &Column) -> Result<Vec<Column>> {
        let array = column.array();
        let pieces: Vec<ArrayRef> = match (array.data_type().primitive_width(), array.null_count())
        {
            (Some(1), 0) => self.scatter_words::<u8>(array)?,
            (Some(2), 0) => self.scatter_words::<u16>(array)?,
            (Some(4), 0) => self.scatter_words::<u32>(array)?,
            (Some(8), 0) => self.scatter_words::<u64>(array)?,
            _ => self.take_rows(array)?,
        };
        let pieces = pieces.into_iter();
        pieces
            .map(|piece| Column::new(column.dtype().clone(), piece))
            .collect()
    }

    /// An array of numbers, whatever they mean, none of which is missing.
    fn scatter_words<T: ArrowNativeType>(&self, array: &ArrayRef) -> Result<Vec<ArrayRef>> {
        let data = array.to_data();
        let words = ScalarBuffer::<T>::new(data.buffers()[0].clone(), data.offset(), data.len());
        let kind = data.data_type();
        self.scatter_values(words.iter().copied())
            .map(|values| {
                let piece = ArrayData::builder(kind.clone()).len(values.len());
                let piece = piece.add_buffer(Buffer::from_vec(values)).build()?;
                Ok(make_array(piece))
            })
            .collect()
    }

    fn scatter_values<T: Copy>(
        &self,
        values: impl Iterator<Item = T>,
    ) -> impl Iterator<Item = Vec<T>> {
        let capacities = self.counts.iter();
        let mut parts: Vec<Vec<T>> = capacities.map(|count| Vec::with_capacity(*count)).collect();
        let mut ends: Vec<*mut T> = parts.iter_mut().map(Vec::as_mut_ptr).collect();
        for (number, value) in self.numbers.iter().zip(values) {
            let end = &mut ends[*number as usize];
            // SAFETY: each part has room for as many values as there are rows with its number.
            unsafe {
                end.write(value);
                *end = end.add(1);
            }
        }
        for (part, end) in parts.iter_mut().zip(ends) {
            // SAFETY: so many values have been written from the part's beginning on.
            unsafe { part.set_len(end.offset_from_unsigned(part.as_ptr())) };
        }
        parts.into_iter()
    }

    /// By Arrow's own kernel: texts, categories, and what has missing entries.
    fn take_rows(&self, array: &ArrayRef) -> Result<Vec<ArrayRef>> {
        let rows = self.scatter_values(0..self.numbers.len() as u32);
        rows.map(|rows| {
            let rows = UInt32Array::from(rows);
            Ok(arrow_select::take::take(array, &rows, None)?)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Scalar;

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
    fn rows_are_as_if_taken() {
        let whole = table();
        let numbers = [2, 0, 2, 3, 0, 0, 2];
        for table in [
            whole.clone(),
            whole.slice(0, 7),
            whole.set_index(&["x".into()], true).unwrap(),
        ] {
            let parts = scatter(&table, &numbers, 5).unwrap();
            assert_eq!(parts.len(), 5);
            for (number, part) in parts.iter().enumerate() {
                let rows = (0..7).filter(|row| numbers[*row as usize] as usize == number);
                let expected = table.take(&rows.collect::<Vec<u32>>());
                assert_eq!(format!("{part:?}"), format!("{expected:?}"));
            }
        }
        let sliced = whole.slice(3, 3);
        let parts = scatter(&sliced, &[1, 0, 1], 2).unwrap();
        assert_eq!(parts[1].column(&"x".into()).unwrap().get(1), Scalar::Int(5));
        assert_eq!(parts[1].index_column(0).unwrap().get(1), Scalar::Int(5));
        assert!(
            scatter(&whole.slice(0, 0), &[], 2)
                .unwrap()
                .iter()
                .all(Table::is_empty)
        );
    }
}
