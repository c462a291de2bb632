//! Operations that make a partition of one partition.

use serde::{Deserialize, Serialize};

use crate::engine::sort::{self, SortSpec};
use crate::engine::unique::{self, Keep};
use crate::engine::{DType, EngineError, Expr, Index, IndexSchema, Label, Result, Schema, Table};

/// A row-wise or partition-wise operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Columns computed from columns.
    Select(Vec<(Label, Expr)>),
    Filter(Expr),
    SetIndex {
        labels: Vec<Label>,
        drop: bool,
    },
    ResetIndex {
        drop: bool,
    },
    /// All columns named anew.
    Rename(Vec<Label>),
    /// The index levels named anew.
    RenameIndex(Vec<Label>),
    DropDuplicates {
        subset: Option<Vec<Label>>,
        keep: Keep,
    },
    Head(i64),
    Tail(i64),
    /// The first rows in sorted order, those with a missing key left out.
    Top {
        spec: SortSpec,
        rows: usize,
    },
    Sort(SortSpec),
    /// The index sorted, for results of one partition.
    SortIndex {
        ascending: bool,
    },
}

impl Step {
    pub fn name(&self) -> &'static str {
        match self {
            Step::Select(_) => "select",
            Step::Filter(_) => "filter",
            Step::SetIndex { .. } => "set_index",
            Step::ResetIndex { .. } => "reset_index",
            Step::Rename(_) | Step::RenameIndex(_) => "rename",
            Step::DropDuplicates { .. } => "drop_duplicates",
            Step::Head(_) => "head",
            Step::Tail(_) => "tail",
            Step::Top { .. } => "nlargest",
            Step::Sort(_) => "sort_values",
            Step::SortIndex { .. } => "sort_index",
        }
    }

    /// Applies the step to a partition.
    pub fn apply(&self, table: &Table) -> Result<Table> {
        match self {
            Step::Select(columns) => select(table, columns),
            Step::Filter(predicate) => table.filter(&predicate.predicate(table)?),
            Step::SetIndex { labels, drop } => table.set_index(labels, *drop),
            Step::ResetIndex { drop } => table.reset_index(*drop),
            Step::Rename(labels) => table.with_labels(labels.clone()),
            Step::RenameIndex(names) => rename_index(table, names),
            Step::DropDuplicates { subset, keep } => {
                unique::drop_duplicates(table, subset.as_deref(), *keep)
            }
            Step::Head(rows) => Ok(table.head(*rows)),
            Step::Tail(rows) => Ok(table.tail(*rows)),
            Step::Top { spec, rows } => sort::top(table, spec, *rows, false),
            Step::Sort(spec) => sort::sort(table, spec),
            Step::SortIndex { ascending } => sort::sort(table, &index_order(table, *ascending)),
        }
    }

    /// The schema of the result, and whether the step can work at all.
    pub fn schema(&self, input: &Schema) -> Result<Schema> {
        match self {
            Step::Select(columns) => Ok(Schema {
                columns: columns
                    .iter()
                    .map(|(label, expr)| Ok((label.clone(), expr.dtype(input)?)))
                    .collect::<Result<_>>()?,
                index: input.index.clone(),
            }),
            Step::Filter(predicate) => {
                let dtype = predicate.dtype(input)?;
                if !dtype.is_bool() {
                    return Err(EngineError::Type(format!(
                        "a filter has to be of dtype bool, not {dtype}"
                    )));
                }
                Ok(Schema {
                    columns: input.columns.clone(),
                    index: materialised(&input.index),
                })
            }
            _ => Ok(self.apply(&Table::empty(input))?.schema()),
        }
    }
}

/// A range index loses its even steps when rows are left out.
fn materialised(index: &IndexSchema) -> IndexSchema {
    match index {
        IndexSchema::Range { name } => IndexSchema::Columns(vec![(name.clone(), DType::INT64)]),
        columns => columns.clone(),
    }
}

fn select(table: &Table, columns: &[(Label, Expr)]) -> Result<Table> {
    let columns = columns
        .iter()
        .map(|(label, expr)| Ok((label.clone(), expr.evaluate(table)?)))
        .collect::<Result<_>>()?;
    Table::new(columns, table.index().clone(), table.len())
}

fn rename_index(table: &Table, names: &[Label]) -> Result<Table> {
    match (table.index(), names) {
        (Index::Range { start, step, .. }, [name]) => table.with_index(Index::Range {
            start: *start,
            step: *step,
            name: name.clone(),
        }),
        _ => {
            let levels = table.index_columns();
            if levels.len() != names.len() {
                return Err(EngineError::Value(format!(
                    "Length of names must match number of levels in index: {} and {}",
                    names.len(),
                    levels.len()
                )));
            }
            let renamed = names
                .iter()
                .cloned()
                .zip(levels.into_iter().map(|(_, c)| c));
            table.with_index(Index::Columns(renamed.collect()))
        }
    }
}

fn index_order(table: &Table, ascending: bool) -> SortSpec {
    SortSpec {
        keys: (0..table.index().level_count())
            .map(|level| sort::SortKey {
                key: sort::Key::Index(level),
                ascending,
            })
            .collect(),
        na_last: true,
    }
}
