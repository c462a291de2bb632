//! The states of aggregations: how many columns they take, how they are made and merged.

use super::moments::{self, Moments};
use super::pick::{self, Pick};
use super::{AggFunction, Aggregation, Grouping, fold, lists};
use crate::engine::expr::Function;
use crate::engine::{Column, DType, Expr, Result, Table};

/// Columns of an aggregation's state: those of its function, one for missing values if they are
/// not passed over, and one for the count if there is a least one.
pub(super) fn count(aggregation: &Aggregation) -> usize {
    own_count(&aggregation.function)
        + usize::from(!aggregation.skipna)
        + usize::from(aggregation.count_min > 0)
}

pub(super) fn own_count(function: &AggFunction) -> usize {
    use AggFunction::*;
    match function {
        Mean | IdxMin | IdxMax => 2,
        Std { .. } | Var { .. } | Sem { .. } => 3,
        Skew | Kurt => 5,
        _ => 1,
    }
}

fn pick_of(function: &AggFunction) -> Pick {
    match function {
        AggFunction::First => Pick::First,
        AggFunction::Last => Pick::Last,
        AggFunction::Max | AggFunction::IdxMax => Pick::Max,
        _ => Pick::Min,
    }
}

/// States from the rows of a partition.
pub(super) fn make(
    aggregation: &Aggregation,
    input: &Column,
    table: &Table,
    grouping: &Grouping,
) -> Result<Vec<Column>> {
    let function = &aggregation.function;
    function.result_dtype(input.dtype())?;
    let mut states = make_own(function, input, table, grouping)?;
    if !aggregation.skipna {
        let missing = Expr::call(Function::IsNa, vec![Expr::Column("x".into())]);
        let one = Table::from_columns(vec![("x".into(), input.clone())])?;
        states.push(fold::truths(&missing.evaluate(&one)?, grouping, true)?);
    }
    if aggregation.count_min > 0 {
        states.push(Column::from_i64(fold::counts(input, grouping)));
    }
    Ok(states)
}

fn make_own(
    function: &AggFunction,
    input: &Column,
    table: &Table,
    grouping: &Grouping,
) -> Result<Vec<Column>> {
    use AggFunction::*;
    Ok(match function {
        Size => vec![Column::from_i64(fold::sizes(table.len(), grouping))],
        Count => vec![Column::from_i64(fold::counts(input, grouping))],
        Sum => vec![fold::sums(input, grouping)?],
        Prod => vec![fold::products(input, grouping)?],
        Mean => {
            let (sums, counts) = fold::sums_and_counts(input, grouping)?;
            vec![Column::from_f64(sums), Column::from_i64(counts)]
        }
        Std { .. } | Var { .. } | Sem { .. } => {
            moments::to_columns(&moments::moments(input, grouping, false)?, false)
        }
        Skew | Kurt => moments::to_columns(&moments::moments(input, grouping, true)?, true),
        Min | Max | First | Last => {
            let rows = pick::rows(input, grouping, pick_of(function))?;
            vec![take_pick(input, &rows)?]
        }
        IdxMin | IdxMax => {
            let rows = pick::rows(input, grouping, pick_of(function))?;
            let labels = table.index_column(0)?;
            vec![take_pick(input, &rows)?, take_pick(&labels, &rows)?]
        }
        Any => vec![fold::truths(input, grouping, true)?],
        All => vec![fold::truths(input, grouping, false)?],
        Nunique { dropna } => vec![lists::collect(input, grouping, *dropna, true)?],
        Median | Quantile(_) => vec![lists::collect(input, grouping, true, false)?],
        List => vec![lists::collect(input, grouping, false, false)?],
    })
}

/// The picked values. Those of an integer column with an empty group are nullable integers, so
/// that no digit is lost on the way.
fn take_pick(input: &Column, rows: &arrow_array::UInt32Array) -> Result<Column> {
    use arrow_array::Array;
    let source = match input.dtype() {
        DType::Number(n) if !n.is_float() && rows.null_count() > 0 => {
            input.cast(&DType::NullableNumber(*n))?
        }
        _ => input.clone(),
    };
    source.take_optional(rows)
}

/// States from the states of several partitions.
pub(super) fn merge(
    aggregation: &Aggregation,
    states: &[Column],
    grouping: &Grouping,
) -> Result<Vec<Column>> {
    let own = own_count(&aggregation.function);
    let mut merged = merge_own(&aggregation.function, &states[..own], grouping)?;
    let mut next = own;
    if !aggregation.skipna {
        merged.push(fold::truths(&states[next], grouping, true)?);
        next += 1;
    }
    if aggregation.count_min > 0 {
        merged.push(fold::sums(&states[next], grouping)?);
    }
    Ok(merged)
}

fn merge_own(
    function: &AggFunction,
    states: &[Column],
    grouping: &Grouping,
) -> Result<Vec<Column>> {
    use AggFunction::*;
    Ok(match function {
        Size | Count | Sum => vec![fold::sums(&states[0], grouping)?],
        Prod => vec![fold::products(&states[0], grouping)?],
        Mean => vec![
            fold::sums(&states[0], grouping)?,
            fold::sums(&states[1], grouping)?,
        ],
        Std { .. } | Var { .. } | Sem { .. } | Skew | Kurt => moments::merge(states, grouping),
        Min | Max | First | Last => {
            let rows = pick::rows(&states[0], grouping, pick_of(function))?;
            vec![take_pick(&states[0], &rows)?]
        }
        IdxMin | IdxMax => {
            let rows = pick::rows(&states[0], grouping, pick_of(function))?;
            vec![take_pick(&states[0], &rows)?, take_pick(&states[1], &rows)?]
        }
        Any => vec![fold::truths(&states[0], grouping, true)?],
        All => vec![fold::truths(&states[0], grouping, false)?],
        Nunique { .. } => vec![lists::merge(&states[0], grouping, true)?],
        Median | Quantile(_) | List => vec![lists::merge(&states[0], grouping, false)?],
    })
}

pub(super) fn moments_of(states: &[&Column]) -> Vec<Moments> {
    moments::from_columns(states)
}
