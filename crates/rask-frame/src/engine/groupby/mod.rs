//! Groupby and reductions in three steps, so that partitions can be aggregated alone, states
//! merged in a tree, and results made at the end:
//!
//! * [`partial`]: a partition to a table of states, one row a group;
//! * [`combine`]: tables of states to one, in the order of the partitions;
//! * [`finalize`]: states to the result, the keys as its index.
//!
//! Without keys there is one group and the result has one row: a reduction of a whole table.

mod finish;
mod fold;
mod lists;
mod moments;
mod pick;
mod spec;
mod states;

pub use spec::{AggFunction, Aggregation, GroupbySpec};

use super::hash::{NO_CODE, group_chunks};
use super::sort::sort_rows;
use super::{
    Column, EngineError, Groups, Index, IndexSchema, Label, Result, Schema, Table, group_rows,
};

/// To which group each row belongs, for folding.
pub(crate) enum Grouping {
    /// All rows are one group.
    Single,
    /// A group number a row; rows of no group have the number `count`.
    Many { ids: Vec<u32>, count: usize },
}

impl Grouping {
    fn new(groups: Groups) -> Grouping {
        let count = groups.len();
        let mut ids = groups.ids;
        if ids.contains(&NO_CODE) {
            let trash = count as u32;
            ids.iter_mut().for_each(|id| *id = (*id).min(trash));
        }
        Grouping::Many { ids, count }
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            Grouping::Single => 1,
            Grouping::Many { count, .. } => *count,
        }
    }
}

/// The label of a key in tables of states.
pub fn key_label(number: usize) -> Label {
    Label::Int(number as i64)
}

fn state_label(aggregation: usize, state: usize) -> Label {
    Label::Tuple(vec![
        Label::Int(aggregation as i64),
        Label::Int(state as i64),
    ])
}

/// The dtypes of the result; an error for what cannot be aggregated.
pub fn schema(input: &Schema, spec: &GroupbySpec) -> Result<Schema> {
    spec.check()?;
    let keys = spec
        .keys
        .iter()
        .zip(&spec.key_names)
        .map(|(key, name)| Ok((name.clone(), key.dtype(input)?)))
        .collect::<Result<Vec<_>>>()?;
    let columns = spec
        .aggregations
        .iter()
        .map(|a| {
            let dtype = a.input.dtype(input)?;
            Ok((a.output.clone(), a.function.result_dtype(&dtype)?))
        })
        .collect::<Result<_>>()?;
    let index = if keys.is_empty() {
        IndexSchema::default_range()
    } else {
        IndexSchema::Columns(keys)
    };
    Ok(Schema { columns, index })
}

/// The states of a partition's groups.
pub fn partial(table: &Table, spec: &GroupbySpec) -> Result<Table> {
    spec.check()?;
    let keys = spec
        .keys
        .iter()
        .map(|key| key.evaluate(table))
        .collect::<Result<Vec<_>>>()?;
    let (grouping, mut columns) = group_keys(&keys, spec.dropna)?;
    let mut inputs: Vec<(&super::Expr, Column)> = Vec::new();
    for (number, aggregation) in spec.aggregations.iter().enumerate() {
        let known = inputs.iter().position(|(e, _)| **e == aggregation.input);
        let known = match known {
            Some(known) => known,
            None => {
                inputs.push((&aggregation.input, aggregation.input.evaluate(table)?));
                inputs.len() - 1
            }
        };
        let input = &inputs[known].1;
        let states = states::make(aggregation, input, table, &grouping)?;
        columns.extend(label_states(number, states));
    }
    Table::new(columns, Index::default_range(), grouping.count())
}

fn label_states(number: usize, states: Vec<Column>) -> impl Iterator<Item = (Label, Column)> {
    states
        .into_iter()
        .enumerate()
        .map(move |(i, state)| (state_label(number, i), state))
}

/// Groups by the keys; the key columns of the groups.
fn group_keys(keys: &[Column], dropna: bool) -> Result<(Grouping, Vec<(Label, Column)>)> {
    if keys.is_empty() {
        return Ok((Grouping::Single, Vec::new()));
    }
    let groups = group_rows(&keys.iter().collect::<Vec<_>>(), dropna)?;
    let columns = keys
        .iter()
        .enumerate()
        .map(|(i, key)| (key_label(i), key.take(&groups.representatives)))
        .collect();
    Ok((Grouping::new(groups), columns))
}

/// One table of states from several, in order.
pub fn combine(tables: &[&Table], spec: &GroupbySpec) -> Result<Table> {
    if let [only] = tables {
        return Ok((*only).clone());
    }
    let len = tables.iter().map(|t| t.len()).sum::<usize>();
    let key_count = spec.keys.len();
    let keys: Vec<Column> = (0..key_count)
        .map(|i| joined(tables, i))
        .collect::<Result<_>>()?;
    let grouping = if key_count == 0 {
        Grouping::Many {
            ids: vec![0; len],
            count: 1,
        }
    } else {
        let chunks: Vec<Vec<&Column>> = keys.iter().map(|k| vec![k]).collect();
        // Missing keys that are to be dropped were dropped by the partitions.
        let groups = group_chunks(&chunks, false)?;
        return merge(tables, spec, &keys, groups);
    };
    let states = merged_states(tables, spec, &grouping)?;
    Table::new(states, Index::default_range(), 1)
}

fn joined(tables: &[&Table], position: usize) -> Result<Column> {
    let parts: Vec<&Column> = tables.iter().map(|t| t.column_at(position)).collect();
    Column::concat(&parts)
}

fn merge(tables: &[&Table], spec: &GroupbySpec, keys: &[Column], groups: Groups) -> Result<Table> {
    let mut columns: Vec<(Label, Column)> = keys
        .iter()
        .enumerate()
        .map(|(i, key)| (key_label(i), key.take(&groups.representatives)))
        .collect();
    let grouping = Grouping::new(groups);
    columns.extend(merged_states(tables, spec, &grouping)?);
    Table::new(columns, Index::default_range(), grouping.count())
}

fn merged_states(
    tables: &[&Table],
    spec: &GroupbySpec,
    grouping: &Grouping,
) -> Result<Vec<(Label, Column)>> {
    let mut position = spec.keys.len();
    let mut columns = Vec::new();
    for (number, aggregation) in spec.aggregations.iter().enumerate() {
        let count = states::count(aggregation);
        let states = (position..position + count)
            .map(|i| joined(tables, i))
            .collect::<Result<Vec<_>>>()?;
        position += count;
        let merged = states::merge(aggregation, &states, grouping)?;
        columns.extend(label_states(number, merged));
    }
    Ok(columns)
}

/// The result from the states of all partitions. The input's schema says the dtypes of results.
pub fn finalize(states: &Table, spec: &GroupbySpec, input: &Schema) -> Result<Table> {
    let key_count = spec.keys.len();
    let mut position = key_count;
    let mut columns = Vec::new();
    for aggregation in &spec.aggregations {
        let count = states::count(aggregation);
        let own: Vec<&Column> = (position..position + count)
            .map(|i| states.column_at(i))
            .collect();
        position += count;
        let dtype = aggregation.input.dtype(input)?;
        let column = finish::finish(aggregation, &own, &dtype)?;
        columns.push((aggregation.output.clone(), column));
    }
    if key_count == 0 {
        return Table::new(columns, Index::default_range(), states.len());
    }
    let keys: Vec<(Label, Column)> = spec
        .key_names
        .iter()
        .zip(states.columns())
        .map(|(name, (_, key))| (name.clone(), key.clone()))
        .collect();
    let result = Table::new(columns, Index::Columns(keys), states.len())?;
    if spec.sort {
        sort_by_index(&result)
    } else {
        Ok(result)
    }
}

/// The table sorted by all levels of its index, missing values last.
pub(crate) fn sort_by_index(table: &Table) -> Result<Table> {
    let levels = table.index_columns();
    let keys: Vec<(&Column, bool)> = levels.iter().map(|(_, c)| (c, true)).collect();
    let rows = sort_rows(&keys, true)?;
    Ok(if rows.is_sorted() {
        table.clone()
    } else {
        table.take(&rows)
    })
}

/// All three steps on one table.
pub fn aggregate(table: &Table, spec: &GroupbySpec) -> Result<Table> {
    finalize(&partial(table, spec)?, spec, &table.schema())
}

/// The groups of a table for a function of the user's: sorted if wanted, each with its key and
/// its rows in order.
pub fn split(table: &Table, spec: &GroupbySpec) -> Result<(Table, Vec<Table>)> {
    if spec.keys.is_empty() {
        return Err(EngineError::value("No group keys passed!"));
    }
    let keys = spec
        .keys
        .iter()
        .map(|key| key.evaluate(table))
        .collect::<Result<Vec<_>>>()?;
    let groups = group_rows(&keys.iter().collect::<Vec<_>>(), spec.dropna)?;
    let (rows, starts) = groups.rows_by_group();
    let firsts: Vec<Column> = keys
        .iter()
        .map(|k| k.take(&groups.representatives))
        .collect();
    let order: Vec<u32> = if spec.sort {
        let keys: Vec<(&Column, bool)> = firsts.iter().map(|c| (c, true)).collect();
        sort_rows(&keys, true)?
    } else {
        (0..groups.len() as u32).collect()
    };
    let parts = order
        .iter()
        .map(|group| {
            let range = starts[*group as usize] as usize..starts[*group as usize + 1] as usize;
            table.take(&rows[range])
        })
        .collect();
    let columns = spec
        .key_names
        .iter()
        .zip(&firsts)
        .map(|(name, column)| (name.clone(), column.take(&order)))
        .collect();
    Ok((
        Table::new(columns, Index::default_range(), groups.len())?,
        parts,
    ))
}
