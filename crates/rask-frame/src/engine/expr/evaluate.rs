//! Evaluation of an expression on a table.

use arrow_array::{Array, BooleanArray};

use super::infer::{self, Operand};
use super::{Expr, Function, arithmetic, compare, datetime, logical, math, missing, strings};
use crate::engine::{Column, DType, EngineError, Result, Scalar, Table};

/// What a part of an expression gives: a column, or one value for all rows.
#[derive(Clone, Debug)]
pub(super) enum Evaluated {
    Column(Column),
    Scalar(Scalar),
}

impl Evaluated {
    pub(super) fn operand(&self) -> Operand {
        match self {
            Evaluated::Column(column) => Operand {
                dtype: column.dtype().clone(),
                literal: None,
            },
            Evaluated::Scalar(value) => Operand {
                dtype: value.dtype(),
                literal: Some(value.clone()),
            },
        }
    }

    pub(super) fn into_column(self, len: usize) -> Result<Column> {
        match self {
            Evaluated::Column(column) => Ok(column),
            Evaluated::Scalar(value) => Column::full(&value, &value.dtype(), len),
        }
    }

    /// As a column of the dtype (of one row for a single value).
    pub(super) fn cast(&self, dtype: &DType) -> Result<Evaluated> {
        match self {
            Evaluated::Column(column) => Ok(Evaluated::Column(column.cast(dtype)?)),
            Evaluated::Scalar(Scalar::Missing) => Ok(Evaluated::Scalar(Scalar::Missing)),
            Evaluated::Scalar(value) => {
                Ok(Evaluated::Scalar(Column::full(value, dtype, 1)?.get(0)))
            }
        }
    }
}

impl Expr {
    /// The values of the expression, one a row.
    pub fn evaluate(&self, table: &Table) -> Result<Column> {
        evaluate(self, table)?.into_column(table.len())
    }

    /// Which rows the expression selects; where it is missing, not.
    pub fn predicate(&self, table: &Table) -> Result<BooleanArray> {
        let column = self.evaluate(table)?;
        if !column.dtype().is_bool() {
            return Err(EngineError::type_error(format!(
                "a filter has to be of dtype bool, not {}",
                column.dtype()
            )));
        }
        let mask = column.as_bool()?;
        Ok(match mask.nulls() {
            Some(nulls) => BooleanArray::new(mask.values() & nulls.inner(), None),
            None => mask.clone(),
        })
    }
}

fn evaluate(expr: &Expr, table: &Table) -> Result<Evaluated> {
    Ok(match expr {
        Expr::Column(label) => Evaluated::Column(table.column(label)?.clone()),
        Expr::Index(level) => Evaluated::Column(table.index_column(*level)?),
        Expr::Literal(value) => Evaluated::Scalar(value.clone()),
        Expr::Binary { op, left, right } => {
            let left = evaluate(left, table)?;
            let right = evaluate(right, table)?;
            if let (Evaluated::Scalar(_), Evaluated::Scalar(_)) = (&left, &right) {
                let left = Evaluated::Column(left.into_column(1)?);
                let folded = binary(*op, &left, &right)?;
                return Ok(Evaluated::Scalar(folded.get(0)));
            }
            Evaluated::Column(binary(*op, &left, &right)?)
        }
        Expr::Unary { op, input } => {
            let input = evaluate(input, table)?.into_column(table.len())?;
            Evaluated::Column(arithmetic::unary(*op, &input)?)
        }
        Expr::Cast { input, dtype } => {
            let input = evaluate(input, table)?.into_column(table.len())?;
            Evaluated::Column(input.cast(&infer::cast_dtype(input.dtype(), dtype))?)
        }
        Expr::Call { function, inputs } => {
            let inputs = inputs
                .iter()
                .map(|input| evaluate(input, table))
                .collect::<Result<Vec<_>>>()?;
            Evaluated::Column(call(function, inputs, table.len())?)
        }
    })
}

pub(super) fn binary(op: super::BinaryOp, left: &Evaluated, right: &Evaluated) -> Result<Column> {
    if op.is_comparison() {
        return compare::compare(op, left, right);
    }
    if op.is_logical() {
        return logical::logical(op, left, right);
    }
    arithmetic::arithmetic(op, left, right)
}

fn call(function: &Function, mut inputs: Vec<Evaluated>, len: usize) -> Result<Column> {
    if inputs.is_empty() {
        return Err(EngineError::value(format!("{function:?} needs operands")));
    }
    let rest = inputs.split_off(1);
    let first = inputs.remove(0);
    match function {
        Function::Where => missing::select(&first.into_column(len)?, &rest[0], &rest[1], len),
        _ => call_on(function, first.into_column(len)?, &rest),
    }
}

fn call_on(function: &Function, input: Column, rest: &[Evaluated]) -> Result<Column> {
    match function {
        Function::IsNa => Ok(missing::is_missing(&input)),
        Function::NotNa => Ok(missing::is_present(&input)),
        Function::FillNa => missing::fill(&input, &rest[0]),
        Function::IsIn(values) => compare::is_in(&input, values),
        Function::Between(inclusive) => compare::between(&input, &rest[0], &rest[1], *inclusive),
        Function::Round(decimals) => math::round(&input, *decimals),
        Function::Clip => math::clip(&input, &rest[0], &rest[1]),
        Function::Math(function) => math::math(&input, *function),
        Function::Map { pairs, dtype } => missing::map(&input, pairs, dtype),
        Function::ToDatetime(unit) => datetime::to_datetime(&input, *unit),
        Function::Str(function) => strings::string_function(function, &input, rest),
        Function::Dt(function) => datetime::datetime_function(function, &input),
        Function::Where => Err(EngineError::value("where takes a condition")),
    }
}
