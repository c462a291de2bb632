//! A table: labelled columns and an index, in Arrow memory.

use arrow_array::{Array, BooleanArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use serde::{Deserialize, Serialize};

use super::{Column, DType, EngineError, Label, NearLabels, Result};

/// The index of a table. A range takes no memory; its length is the table's.
#[derive(Clone, Debug)]
pub enum Index {
    Range {
        start: i64,
        step: i64,
        name: Label,
    },
    /// A level of `int64`: what rows that were of ranges had there.
    Near {
        labels: NearLabels,
        name: Label,
    },
    Columns(Vec<(Label, Column)>),
}

/// The dtypes and names of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IndexSchema {
    Range { name: Label },
    Columns(Vec<(Label, DType)>),
}

/// The labels and dtypes of a table: what is known before any work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schema {
    pub columns: Vec<(Label, DType)>,
    pub index: IndexSchema,
}

/// A table; cheap to clone. A series is a table with one column.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(Label, Column)>,
    index: Index,
    len: usize,
}

impl Index {
    /// The index of a fresh table: 0, 1, 2, …
    pub fn default_range() -> Index {
        Index::Range {
            start: 0,
            step: 1,
            name: Label::None,
        }
    }

    pub fn level_count(&self) -> usize {
        match self {
            Index::Range { .. } | Index::Near { .. } => 1,
            Index::Columns(levels) => levels.len(),
        }
    }

    /// The names of the levels.
    pub fn names(&self) -> Vec<Label> {
        match self {
            Index::Range { name, .. } | Index::Near { name, .. } => vec![name.clone()],
            Index::Columns(levels) => levels.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    fn map(&self, f: impl Fn(&Column) -> Column) -> Index {
        match self {
            Index::Range { .. } => self.clone(),
            Index::Near { labels, name } => Index::Near {
                labels: labels.map(f),
                name: name.clone(),
            },
            Index::Columns(levels) => Index::Columns(
                levels
                    .iter()
                    .map(|(name, column)| (name.clone(), f(column)))
                    .collect(),
            ),
        }
    }
}

impl IndexSchema {
    pub fn default_range() -> IndexSchema {
        IndexSchema::Range { name: Label::None }
    }

    /// Names and dtypes of the levels; a range is int64.
    pub fn levels(&self) -> Vec<(Label, DType)> {
        match self {
            IndexSchema::Range { name } => vec![(name.clone(), DType::INT64)],
            IndexSchema::Columns(levels) => levels.clone(),
        }
    }
}

impl Schema {
    pub fn new(columns: Vec<(Label, DType)>) -> Schema {
        Schema {
            columns,
            index: IndexSchema::default_range(),
        }
    }

    pub fn labels(&self) -> Vec<Label> {
        self.columns
            .iter()
            .map(|(label, _)| label.clone())
            .collect()
    }

    /// The position of a column.
    pub fn find(&self, label: &Label) -> Result<usize> {
        self.columns
            .iter()
            .position(|(known, _)| known == label)
            .ok_or_else(|| EngineError::UnknownColumn {
                label: label.clone(),
                known: self.labels(),
            })
    }

    pub fn dtype(&self, label: &Label) -> Result<&DType> {
        Ok(&self.columns[self.find(label)?].1)
    }
}

impl Table {
    /// A table of columns of equal length.
    pub fn new(columns: Vec<(Label, Column)>, index: Index, len: usize) -> Result<Table> {
        let levels: &[(Label, Column)] = match &index {
            Index::Range { .. } => &[],
            Index::Near { labels, .. } if labels.steps().len() == len => &[],
            Index::Near { labels, .. } => {
                return Err(EngineError::value(format!(
                    "{} labels are not those of {len} rows",
                    labels.steps().len()
                )));
            }
            Index::Columns(levels) => levels,
        };
        for (label, column) in columns.iter().chain(levels) {
            if column.len() != len {
                return Err(EngineError::value(format!(
                    "column {label} has {} rows where the table has {len}",
                    column.len()
                )));
            }
        }
        if len > u32::MAX as usize {
            return Err(EngineError::value(format!(
                "a partition of {len} rows is too long; repartition into smaller ones"
            )));
        }
        Ok(Table {
            columns,
            index,
            len,
        })
    }

    /// A table with the index 0, 1, 2, …
    pub fn from_columns(columns: Vec<(Label, Column)>) -> Result<Table> {
        let len = columns.first().map_or(0, |(_, column)| column.len());
        Table::new(columns, Index::default_range(), len)
    }

    /// A table without rows.
    pub fn empty(schema: &Schema) -> Table {
        let make = |columns: &[(Label, DType)]| -> Vec<(Label, Column)> {
            columns
                .iter()
                .map(|(label, dtype)| (label.clone(), Column::empty(dtype)))
                .collect()
        };
        let index = match &schema.index {
            IndexSchema::Range { name } => Index::Range {
                start: 0,
                step: 1,
                name: name.clone(),
            },
            IndexSchema::Columns(levels) => Index::Columns(make(levels)),
        };
        Table {
            columns: make(&schema.columns),
            index,
            len: 0,
        }
    }

    pub fn schema(&self) -> Schema {
        let dtypes = |columns: &[(Label, Column)]| -> Vec<(Label, DType)> {
            columns
                .iter()
                .map(|(label, column)| (label.clone(), column.dtype().clone()))
                .collect()
        };
        Schema {
            columns: dtypes(&self.columns),
            index: match &self.index {
                Index::Range { name, .. } => IndexSchema::Range { name: name.clone() },
                Index::Near { name, .. } => {
                    IndexSchema::Columns(vec![(name.clone(), DType::INT64)])
                }
                Index::Columns(levels) => IndexSchema::Columns(dtypes(levels)),
            },
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn columns(&self) -> &[(Label, Column)] {
        &self.columns
    }

    /// The columns alone.
    pub fn into_columns(self) -> Vec<(Label, Column)> {
        self.columns
    }

    pub fn labels(&self) -> Vec<Label> {
        self.columns
            .iter()
            .map(|(label, _)| label.clone())
            .collect()
    }

    /// The position of a column.
    pub fn find(&self, label: &Label) -> Result<usize> {
        self.columns
            .iter()
            .position(|(known, _)| known == label)
            .ok_or_else(|| EngineError::UnknownColumn {
                label: label.clone(),
                known: self.labels(),
            })
    }

    pub fn column(&self, label: &Label) -> Result<&Column> {
        Ok(&self.columns[self.find(label)?].1)
    }

    pub fn column_at(&self, position: usize) -> &Column {
        &self.columns[position].1
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// A level of the index as a column.
    pub fn index_column(&self, level: usize) -> Result<Column> {
        match &self.index {
            Index::Range { start, step, .. } if level == 0 => Ok(Column::from_i64(
                (0..self.len as i64).map(|i| start + i * step).collect(),
            )),
            Index::Near { labels, .. } if level == 0 => Ok(labels.to_column()),
            Index::Columns(levels) if level < levels.len() => Ok(levels[level].1.clone()),
            _ => Err(EngineError::value(format!(
                "the index has {} levels, not {}",
                self.index.level_count(),
                level + 1
            ))),
        }
    }

    /// All levels of the index as columns.
    pub fn index_columns(&self) -> Vec<(Label, Column)> {
        match &self.index {
            Index::Columns(levels) => levels.clone(),
            Index::Range { name, .. } | Index::Near { name, .. } => {
                let column = self.index_column(0).expect("it has one level");
                vec![(name.clone(), column)]
            }
        }
    }

    /// A run of rows, sharing memory.
    pub fn slice(&self, offset: usize, len: usize) -> Table {
        let offset = offset.min(self.len);
        let len = len.min(self.len - offset);
        let mut table = self.map_rows(len, |column| column.slice(offset, len));
        if let Index::Range { start, step, .. } = &mut table.index {
            *start += *step * offset as i64;
        }
        table
    }

    /// The first rows; a negative count means all but the last.
    pub fn head(&self, rows: i64) -> Table {
        self.slice(0, self.resolve_count(rows))
    }

    /// The last rows; a negative count means all but the first.
    pub fn tail(&self, rows: i64) -> Table {
        let count = self.resolve_count(rows);
        self.slice(self.len - count, count)
    }

    fn resolve_count(&self, rows: i64) -> usize {
        let len = self.len as i64;
        let count = if rows < 0 { len + rows } else { rows.min(len) };
        count.max(0) as usize
    }

    /// The rows in the given order, with their index.
    pub fn take(&self, rows: &[u32]) -> Table {
        let rows = UInt32Array::new(ScalarBuffer::from(rows.to_vec()), None);
        self.take_array(&rows)
    }

    pub(crate) fn take_array(&self, rows: &UInt32Array) -> Table {
        let source = self.with_materialised_index();
        source.map_rows(rows.len(), |column| column.take_array(rows))
    }

    /// The rows where the mask is true, with their index.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Table> {
        if mask.len() != self.len {
            return Err(EngineError::value(format!(
                "a mask of {} rows cannot filter a table of {}",
                mask.len(),
                self.len
            )));
        }
        let mask = match mask.nulls() {
            Some(nulls) => BooleanArray::new(mask.values() & nulls.inner(), None),
            None => mask.clone(),
        };
        let kept = mask.true_count();
        if kept == self.len {
            return Ok(self.clone());
        }
        let predicate = arrow_select::filter::FilterBuilder::new(&mask)
            .optimize()
            .build();
        let filter = |column: &Column| -> Result<Column> {
            Column::new(column.dtype().clone(), predicate.filter(column.array())?)
        };
        let source = self.with_materialised_index();
        let columns = filter_all(&source.columns, filter)?;
        let index = match &source.index {
            Index::Columns(levels) => Index::Columns(filter_all(levels, filter)?),
            Index::Near { labels, name } => Index::Near {
                labels: NearLabels::from_column(labels.least(), filter(labels.steps())?)?,
                name: name.clone(),
            },
            range => range.clone(),
        };
        Table::new(columns, index, kept)
    }

    pub(crate) fn with_materialised_index(&self) -> Table {
        match &self.index {
            Index::Columns(_) | Index::Near { .. } => self.clone(),
            Index::Range { start, step, name } => {
                let index = match NearLabels::of_range(*start, *step, self.len) {
                    Some(labels) => Index::Near {
                        labels,
                        name: name.clone(),
                    },
                    None => Index::Columns(self.index_columns()),
                };
                Table {
                    columns: self.columns.clone(),
                    index,
                    len: self.len,
                }
            }
        }
    }

    fn map_rows(&self, len: usize, f: impl Fn(&Column) -> Column) -> Table {
        Table {
            columns: self
                .columns
                .iter()
                .map(|(label, column)| (label.clone(), f(column)))
                .collect(),
            index: self.index.map(&f),
            len,
        }
    }

    /// The columns of these labels, in this order.
    pub fn select(&self, labels: &[Label]) -> Result<Table> {
        let columns = labels
            .iter()
            .map(|label| Ok((label.clone(), self.column(label)?.clone())))
            .collect::<Result<_>>()?;
        Ok(self.replace_columns(columns))
    }

    /// The columns at these positions, in this order.
    pub fn select_at(&self, positions: &[usize]) -> Table {
        let columns = positions.iter().map(|&i| self.columns[i].clone()).collect();
        self.replace_columns(columns)
    }

    /// All columns but these.
    pub fn drop(&self, labels: &[Label]) -> Result<Table> {
        for label in labels {
            self.find(label)?;
        }
        let kept = self
            .columns
            .iter()
            .filter(|(label, _)| !labels.contains(label));
        Ok(self.replace_columns(kept.cloned().collect()))
    }

    /// The table with other columns of the same length.
    pub(crate) fn replace_columns(&self, columns: Vec<(Label, Column)>) -> Table {
        Table {
            columns,
            index: self.index.clone(),
            len: self.len,
        }
    }

    /// The table with some columns named differently; unknown names are ignored, as in pandas.
    pub fn rename(&self, names: &[(Label, Label)]) -> Table {
        let columns = self.columns.iter().map(|(label, column)| {
            let new = names.iter().find(|(old, _)| old == label);
            (new.map_or(label, |(_, new)| new).clone(), column.clone())
        });
        self.replace_columns(columns.collect())
    }

    /// The table with all columns named anew.
    pub fn with_labels(&self, labels: Vec<Label>) -> Result<Table> {
        if labels.len() != self.columns.len() {
            return Err(EngineError::value(format!(
                "Length mismatch: the table has {} columns, {} labels were given",
                self.columns.len(),
                labels.len()
            )));
        }
        let columns = labels.into_iter().zip(&self.columns);
        Ok(self.replace_columns(columns.map(|(l, (_, c))| (l, c.clone())).collect()))
    }

    /// The table with a column replaced or, if there is none of that label, appended.
    pub fn with_column(&self, label: Label, column: Column) -> Result<Table> {
        let mut columns = self.columns.clone();
        match columns.iter_mut().find(|(known, _)| *known == label) {
            Some((_, place)) => *place = column,
            None => columns.push((label, column)),
        }
        Table::new(columns, self.index.clone(), self.len)
    }

    pub fn with_index(&self, index: Index) -> Result<Table> {
        Table::new(self.columns.clone(), index, self.len)
    }

    /// The table with columns made its index.
    pub fn set_index(&self, labels: &[Label], drop: bool) -> Result<Table> {
        let levels = labels
            .iter()
            .map(|label| Ok((label.clone(), self.column(label)?.clone())))
            .collect::<Result<_>>()?;
        let table = if drop {
            self.drop(labels)?
        } else {
            self.clone()
        };
        table.with_index(Index::Columns(levels))
    }

    /// The table with a fresh range index; the old one becomes columns unless dropped.
    pub fn reset_index(&self, drop: bool) -> Result<Table> {
        let mut columns = Vec::new();
        if !drop {
            let levels = self.index_columns();
            let many = levels.len() > 1;
            for (i, (name, column)) in levels.into_iter().enumerate() {
                let label = match name {
                    Label::None if many => Label::from(format!("level_{i}")),
                    Label::None => self.name_for_index(),
                    name => name,
                };
                if self.columns.iter().any(|(known, _)| *known == label) {
                    return Err(EngineError::value(format!(
                        "cannot insert {label}, already exists"
                    )));
                }
                columns.push((label, column));
            }
        }
        columns.extend(self.columns.iter().cloned());
        Table::new(columns, Index::default_range(), self.len)
    }

    fn name_for_index(&self) -> Label {
        let plain = Label::from("index");
        if self.columns.iter().any(|(known, _)| *known == plain) {
            Label::from("level_0")
        } else {
            plain
        }
    }

    /// One table below the other: columns in order of first appearance, missing where a table
    /// lacks one, as `pandas.concat`.
    pub fn concat(tables: &[&Table], ignore_index: bool) -> Result<Table> {
        super::concat::concat_tables(tables, ignore_index)
    }

    /// Columns and index levels together.
    pub(crate) fn all_columns(&self) -> impl Iterator<Item = &Column> {
        let (levels, near): (&[(Label, Column)], _) = match &self.index {
            Index::Range { .. } => (&[], None),
            Index::Near { labels, .. } => (&[], Some(labels.steps())),
            Index::Columns(levels) => (levels, None),
        };
        let labelled = self.columns.iter().chain(levels);
        labelled.map(|(_, column)| column).chain(near)
    }
}

#[cfg(test)]
impl Table {
    /// What is in it, whatever form its index has.
    pub(crate) fn spelled_out(&self) -> String {
        format!("{:?} {:?}", self.columns, self.index_columns())
    }
}

fn filter_all(
    columns: &[(Label, Column)],
    filter: impl Fn(&Column) -> Result<Column>,
) -> Result<Vec<(Label, Column)>> {
    columns
        .iter()
        .map(|(label, column)| Ok((label.clone(), filter(column)?)))
        .collect()
}
