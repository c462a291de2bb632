//! Pieces of tables as one table: each column of the result is written once, straight from the rows
//! that the pieces have, wherever these lie.

use std::cell::RefCell;

use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, UInt32Array, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use arrow_data::ArrayData;

use super::concat::concat_columns;
use super::division::Piece;
use super::sort::{self, Key, SortSpec, sort_rows};
use super::{Column, DType, Index, Label, NearLabels, Result, Table};

/// The rows of all pieces, one after the other, as [`Table::concat`] of them as tables.
pub fn assemble(pieces: &[Piece]) -> Result<Table> {
    match is_simple(pieces) {
        true => build(pieces, None),
        false => concat(pieces),
    }
}

/// The rows of all pieces in sorted order; equal ones stay as the pieces have them.
pub fn assemble_sorted(pieces: &[Piece], spec: &SortSpec) -> Result<Table> {
    if !is_simple(pieces) {
        return sort::sort(&concat(pieces)?, spec);
    }
    let keys = spec.keys.iter().map(|entry| key_of(pieces, &entry.key));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let directions = spec.keys.iter().map(|key| key.ascending);
    let sorted: Vec<_> = keys
        .iter()
        .map(|(_, column)| column)
        .zip(directions)
        .collect();
    let rows = sort_rows(&sorted, spec.na_last)?;
    if rows.is_sorted() {
        return build(pieces, None);
    }
    let order = Order {
        rows: rows.into(),
        keys: keys.into(),
    };
    build(pieces, Some(order))
}

/// The order of rows that have been put together.
struct Order {
    rows: UInt32Array,
    /// Columns that are together already, until they are in order.
    keys: RefCell<Vec<(Place, Column)>>,
}

/// A key of all pieces, and where it comes from.
fn key_of(pieces: &[Piece], key: &Key) -> Result<(Place, Column)> {
    let table = &pieces[0].table;
    let place = match key {
        Key::Column(label) => Place::Column(table.find(label)?),
        Key::Index(level) => Place::Level(*level),
    };
    match place {
        Place::Level(level) if level >= table.index().level_count() => {
            Ok((place, table.index_column(level)?))
        }
        _ => Ok((place, join(pieces, place)?)),
    }
}

/// The rows of one piece.
pub(super) fn pick(piece: &Piece) -> Table {
    build(std::slice::from_ref(piece), None).expect("rows of a table are a table")
}

fn concat(pieces: &[Piece]) -> Result<Table> {
    let tables: Vec<Table> = pieces.iter().map(Piece::to_table).collect();
    Table::concat(&tables.iter().collect::<Vec<_>>(), false)
}

/// A column or a level of the index, by position.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Column(usize),
    Level(usize),
}

/// Where the values of a piece come from.
enum Source<'a> {
    Column(&'a Column),
    Near(&'a NearLabels),
    Range { start: i64, step: i64 },
}

impl Piece {
    fn source(&self, place: Place) -> Source<'_> {
        match (place, self.table.index()) {
            (Place::Column(at), _) => Source::Column(self.table.column_at(at)),
            (Place::Level(at), Index::Columns(levels)) => Source::Column(&levels[at].1),
            (Place::Level(_), Index::Near { labels, .. }) => Source::Near(labels),
            (Place::Level(_), &Index::Range { start, step, .. }) => Source::Range { start, step },
        }
    }

    /// Labels and dtypes of the columns, then of the levels.
    fn kinds(&self) -> impl Iterator<Item = (&Label, &DType)> {
        let levels: &[(Label, Column)] = match self.table.index() {
            Index::Range { .. } | Index::Near { .. } => &[],
            Index::Columns(levels) => levels,
        };
        let all = self.table.columns().iter().chain(levels);
        let all = all.map(|(label, column)| (label, column.dtype()));
        let range = match self.table.index() {
            Index::Range { name, .. } | Index::Near { name, .. } => Some((name, &DType::INT64)),
            Index::Columns(_) => None,
        };
        all.chain(range)
    }
}

/// Whether the tables are all alike. Whole ones with ranges may make a range together, which is not
/// simple.
pub(super) fn is_simple(pieces: &[Piece]) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return false;
    };
    let shape = |piece: &Piece| {
        (
            piece.table.columns().len(),
            piece.table.index().level_count(),
        )
    };
    let is_like_first =
        |piece: &Piece| shape(piece) == shape(first) && piece.kinds().eq(first.kinds());
    let has_labels =
        |piece: &Piece| piece.rows.is_some() || !matches!(piece.table.index(), Index::Range { .. });
    pieces.iter().any(has_labels) && rest.iter().all(is_like_first)
}

/// The rows of all pieces, in an order.
fn build(pieces: &[Piece], order: Option<Order>) -> Result<Table> {
    let table = &pieces[0].table;
    let column = |place| match &order {
        None => join(pieces, place),
        Some(order) => Ok(match order.take_key(place) {
            Some(key) => key.take_array(&order.rows),
            None => join(pieces, place)?.take_array(&order.rows),
        }),
    };
    let labels = table.columns().iter().enumerate();
    let columns = labels
        .map(|(at, (label, _))| Ok((label.clone(), column(Place::Column(at))?)))
        .collect::<Result<_>>()?;
    let len = pieces.iter().map(Piece::len).sum();
    if let Some(least) = find_least(pieces) {
        let steps = Column::from_values::<UInt32Type>(steps(pieces, least));
        let steps = match &order {
            None => steps,
            Some(order) => steps.take_array(&order.rows),
        };
        let index = Index::Near {
            labels: NearLabels::from_column(least, steps)?,
            name: table.index().names().remove(0),
        };
        return Table::new(columns, index, len);
    }
    let names = table.index().names().into_iter().enumerate();
    let levels = names
        .map(|(at, name)| Ok((name, column(Place::Level(at))?)))
        .collect::<Result<_>>()?;
    Table::new(columns, Index::Columns(levels), len)
}

impl Order {
    fn take_key(&self, place: Place) -> Option<Column> {
        let mut keys = self.keys.borrow_mut();
        let at = keys.iter().position(|(known, _)| *known == place)?;
        Some(keys.swap_remove(at).1)
    }
}

/// What every label of the index is at least, if all are near each other.
fn find_least(pieces: &[Piece]) -> Option<i64> {
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let (first, last) = match piece.source(Place::Level(0)) {
            Source::Column(_) => return None,
            Source::Range { start, step } => {
                let rows = i64::try_from(piece.table.len()).ok()?;
                (start, start.checked_add(step.checked_mul(rows - 1)?)?)
            }
            Source::Near(labels) => {
                let steps = labels.steps().values::<UInt32Type>();
                let most = steps.iter().copied().max().unwrap_or(0);
                (labels.least(), labels.least() + i64::from(most))
            }
        };
        least = least.min(first).min(last);
        most = most.max(first).max(last);
    }
    let is_near = most.checked_sub(least)? <= i64::from(u32::MAX);
    (is_near && least <= i64::MAX - i64::from(u32::MAX)).then_some(least)
}

/// How much more than the least each label is.
fn steps(pieces: &[Piece], least: i64) -> Vec<u32> {
    let mut all = Vec::with_capacity(pieces.iter().map(Piece::len).sum());
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        match (piece.source(Place::Level(0)), &piece.rows) {
            // Not called for these.
            (Source::Column(_), _) => {}
            (Source::Near(labels), rows) => {
                let more = (labels.least() - least) as u32;
                let start = all.len();
                match rows {
                    None => all.extend_from_slice(labels.steps().values::<UInt32Type>()),
                    Some(rows) => {
                        append_rows(&mut all, labels.steps().values::<UInt32Type>(), rows);
                    }
                }
                if more > 0 {
                    all[start..].iter_mut().for_each(|step| *step += more);
                }
            }
            (Source::Range { start, step }, rows) => {
                let first = start - least;
                let label = |row: u32| (first + step * i64::from(row)) as u32;
                match rows {
                    None => all.extend((0..piece.table.len() as u32).map(label)),
                    Some(rows) if step == 1 => {
                        let first = first as u32;
                        all.extend(rows.iter().map(|row| first + row));
                    }
                    Some(rows) => all.extend(rows.iter().map(|row| label(*row))),
                }
            }
        }
    }
    all
}

/// A column of all pieces.
pub(super) fn join(pieces: &[Piece], place: Place) -> Result<Column> {
    let is_plain = |piece: &Piece| match piece.source(place) {
        Source::Column(column) => column.array().null_count() == 0,
        Source::Near(_) | Source::Range { .. } => true,
    };
    let (dtype, kind) = match pieces[0].source(place) {
        Source::Column(column) => (column.dtype().clone(), column.array().data_type().clone()),
        Source::Near(_) | Source::Range { .. } => (DType::INT64, DType::INT64.arrow()),
    };
    let width = kind.primitive_width();
    let plain = match width.filter(|_| pieces.iter().all(is_plain)) {
        Some(1) => Buffer::from_vec(words::<u8>(pieces, place)),
        Some(2) => Buffer::from_vec(words::<u16>(pieces, place)),
        Some(4) => Buffer::from_vec(words::<u32>(pieces, place)),
        Some(8) => Buffer::from_vec(words::<u64>(pieces, place)),
        _ => return join_taken(pieces, place),
    };
    let len = pieces.iter().map(Piece::len).sum();
    let data = ArrayData::builder(kind).len(len).add_buffer(plain);
    Column::new(dtype, make_array(data.build()?))
}

/// The labels of these rows, or of all, as they are.
fn spell_out(labels: &NearLabels, rows: Option<&ScalarBuffer<u32>>) -> Column {
    match rows {
        None => labels.to_column(),
        Some(rows) => {
            let rows = UInt32Array::new(rows.clone(), None);
            labels.map(|steps| steps.take_array(&rows)).to_column()
        }
    }
}

/// Texts, categories, and what has missing entries.
fn join_taken(pieces: &[Piece], place: Place) -> Result<Column> {
    let taken: Vec<Column> = pieces
        .iter()
        .map(|piece| match (piece.source(place), &piece.rows) {
            (Source::Column(column), None) => column.clone(),
            (Source::Column(column), Some(rows)) => {
                column.take_array(&UInt32Array::new(rows.clone(), None))
            }
            (Source::Near(labels), rows) => spell_out(labels, rows.as_ref()),
            (Source::Range { start, step }, rows) => {
                let label = |row: i64| start + step * row;
                Column::from_i64(match rows {
                    None => (0..piece.table.len() as i64).map(label).collect(),
                    Some(rows) => rows.iter().map(|row| label(i64::from(*row))).collect(),
                })
            }
        })
        .collect();
    concat_columns(&taken.iter().collect::<Vec<_>>())
}

/// Numbers, whatever they mean, none of which is missing.
fn words<T: ArrowNativeType>(pieces: &[Piece], place: Place) -> Vec<T> {
    let mut all = Vec::with_capacity(pieces.iter().map(Piece::len).sum());
    for piece in pieces {
        match (piece.source(place), &piece.rows) {
            (Source::Column(column), None) => all.extend_from_slice(&words_of(column.array())),
            (Source::Column(column), Some(rows)) => {
                append_rows(&mut all, &words_of(column.array()), rows);
            }
            (Source::Near(labels), rows) => {
                let labels = spell_out(labels, rows.as_ref());
                let labels = labels.values::<Int64Type>().iter();
                all.extend(labels.map(|label| T::usize_as(*label as usize)));
            }
            (Source::Range { start, step }, rows) => {
                let label = |row: i64| T::usize_as((start + step * row) as usize);
                let next = |row: i64| T::usize_as((start + row) as usize);
                match rows {
                    None => all.extend((0..piece.table.len() as i64).map(label)),
                    Some(rows) if step == 1 => {
                        all.extend(rows.iter().map(|row| next(i64::from(*row))));
                    }
                    Some(rows) => all.extend(rows.iter().map(|row| label(i64::from(*row)))),
                }
            }
        }
    }
    all
}

fn words_of<T: ArrowNativeType>(array: &ArrayRef) -> ScalarBuffer<T> {
    let data = array.to_data();
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

fn append_rows<T: Copy>(all: &mut Vec<T>, words: &[T], rows: &[u32]) {
    assert!(
        rows.iter().all(|row| (*row as usize) < words.len()),
        "rows are inside"
    );
    all.reserve(rows.len());
    let start = all.len();
    let places = all.spare_capacity_mut();
    for (place, row) in places.iter_mut().zip(rows) {
        // SAFETY: all rows are inside, as was just seen.
        place.write(unsafe { *words.get_unchecked(*row as usize) });
    }
    // SAFETY: there was room for all rows, and as many values have been written.
    unsafe { all.set_len(start + rows.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::division::Division;

    fn table(start: i64, len: i64, text: &'static str) -> Table {
        let values = || start..start + len;
        let columns = vec![
            (
                Label::from("x"),
                Column::from_i64(values().map(|i| i * 37 % 11).collect()),
            ),
            (
                Label::from("y"),
                Column::from_f64(values().map(|i| i as f64).collect()),
            ),
            (
                Label::from("t"),
                Column::from_texts(values().map(|i| (i % 3 > 0).then_some(text))),
            ),
        ];
        Table::new(columns, Index::default_range(), len as usize).unwrap()
    }

    fn division(table: Table) -> Division {
        let numbers: Vec<u32> = (0..table.len() as u32).map(|row| row * 7 % 3).collect();
        Division::new(table, &numbers, 4)
    }

    #[test]
    fn pieces_are_put_together_as_tables_are() {
        let first = division(table(0, 20, "one"));
        let second = division(table(20, 13, "two").slice(1, 12));
        let apart = Piece::whole(first.part(1).unwrap().to_table());
        let spec = SortSpec::by(&["x".into(), "t".into()]);
        for part in 0..4 {
            let pieces = [
                first.part(part).unwrap(),
                apart.clone(),
                second.part(part).unwrap(),
            ];
            let expected = concat(&pieces).unwrap();
            let found = assemble(&pieces).unwrap();
            assert_eq!(found.spelled_out(), expected.spelled_out());
            let expected = sort::sort(&expected, &spec).unwrap();
            let found = assemble_sorted(&pieces, &spec).unwrap();
            assert_eq!(found.spelled_out(), expected.spelled_out());
        }
    }

    #[test]
    fn labels_of_ranges_stay_what_they_were() {
        let labelled = |start: i64, step: i64| {
            let table = table(0, 20, "one");
            let name = Label::from("n");
            table
                .with_index(Index::Range { start, step, name })
                .unwrap()
        };
        let far = 1 << 40;
        for (starts, step, is_near) in [
            ([0, 0], 1, true),
            ([-7, far / 1024], 3, true),
            ([5, 900], -2, true),
            ([0, far], 1, false),
            ([i64::MAX - 40, i64::MAX - 50], 1, false),
        ] {
            let tables = starts.map(|start| labelled(start, step));
            let divisions = tables.map(division);
            // Once more, as a shuffle of what was shuffled.
            let again = divisions.map(|divided| {
                let pieces = [1, 0, 2].map(|part| divided.part(part).unwrap());
                division(assemble(&pieces).unwrap())
            });
            let pieces: Vec<Piece> = again.iter().map(|d| d.part(1).unwrap()).collect();
            let found = assemble(&pieces).unwrap();
            assert_eq!(matches!(found.index(), Index::Near { .. }), is_near);
            let label_of = |row: u32| found.index_column(0).unwrap().get(row as usize);
            let expected: Vec<_> = pieces
                .iter()
                .flat_map(|piece| {
                    let labels = piece.table.index_column(0).unwrap();
                    let rows = piece.rows.clone().unwrap();
                    rows.iter()
                        .map(|row| labels.get(*row as usize))
                        .collect::<Vec<_>>()
                })
                .collect();
            let labels: Vec<_> = (0..found.len() as u32).map(label_of).collect();
            assert_eq!(labels, expected);
            let spec = SortSpec::by(&["x".into()]);
            let sorted = assemble_sorted(&pieces, &spec).unwrap();
            let encoded = rask_value::Value::encode(&sorted).unwrap();
            let read = crate::engine::decode(&encoded.frames).unwrap();
            for table in [&sorted, &read] {
                let batch = Table::from_record_batch(&table.to_record_batch().unwrap()).unwrap();
                assert_eq!(batch.schema(), table.schema());
                let order = sort::sort(&found, &spec).unwrap();
                for other in [table, &batch] {
                    let (a, b) = (
                        other.index_column(0).unwrap(),
                        order.index_column(0).unwrap(),
                    );
                    assert_eq!(format!("{a:?}"), format!("{b:?}"));
                }
            }
        }
    }

    #[test]
    fn pieces_that_differ_are_put_together_all_the_same() {
        let first = division(table(0, 20, "one"));
        let other = table(0, 5, "two").drop(&["y".into()]).unwrap();
        let pieces = [first.part(0).unwrap(), Piece::whole(other)];
        let found = assemble(&pieces).unwrap();
        assert_eq!(found.len(), pieces[0].len() + 5);
        assert_eq!(found.column(&"y".into()).unwrap().missing_count(), 5);
        let indexed = table(0, 5, "two").set_index(&["x".into()], true).unwrap();
        let pieces = [division(indexed).part(0).unwrap()];
        let by_index = SortSpec {
            keys: vec![sort::SortKey {
                key: Key::Index(0),
                ascending: false,
            }],
            na_last: true,
        };
        let found = assemble_sorted(&pieces, &by_index).unwrap();
        let expected = sort::sort(&pieces[0].to_table(), &by_index).unwrap();
        assert_eq!(found.spelled_out(), expected.spelled_out());
        assert!(assemble(&[]).is_err());
    }
}
