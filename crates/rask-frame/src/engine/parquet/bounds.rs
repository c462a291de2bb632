//! What statistics say about the rows of a group, and whether a filter can match any.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::engine::expr::{BinaryOp, Expr, Function, Inclusive};
use crate::engine::{Label, Scalar};

/// The least and greatest value of a column in a row group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    pub label: Label,
    pub low: Scalar,
    pub high: Scalar,
    pub missing_count: Option<u64>,
}

/// Whether rows within the bounds can match a filter. Only certain refusals say no.
pub fn can_match(bounds: &[Bounds], predicate: &Expr) -> bool {
    match predicate {
        Expr::Binary {
            op: BinaryOp::And,
            left,
            right,
        } => can_match(bounds, left) && can_match(bounds, right),
        Expr::Binary {
            op: BinaryOp::Or,
            left,
            right,
        } => can_match(bounds, left) || can_match(bounds, right),
        Expr::Binary { op, left, right } if op.is_comparison() => {
            comparison_can_match(bounds, *op, left, right)
        }
        Expr::Call { function, inputs } => call_can_match(bounds, function, inputs),
        _ => true,
    }
}

fn find<'a>(bounds: &'a [Bounds], expr: &Expr) -> Option<&'a Bounds> {
    let Expr::Column(label) = expr else {
        return None;
    };
    bounds.iter().find(|b| b.label == *label)
}

fn comparison_can_match(bounds: &[Bounds], op: BinaryOp, left: &Expr, right: &Expr) -> bool {
    match (left, right) {
        (Expr::Literal(value), column) => {
            find(bounds, column).is_none_or(|own| value_can_match(own, op.flipped(), value))
        }
        (column, Expr::Literal(value)) => {
            find(bounds, column).is_none_or(|own| value_can_match(own, op, value))
        }
        _ => true,
    }
}

fn value_can_match(own: &Bounds, op: BinaryOp, value: &Scalar) -> bool {
    let (Some(low), Some(high)) = (order(&own.low, value), order(&own.high, value)) else {
        return true;
    };
    match op {
        BinaryOp::Eq => low != Ordering::Greater && high != Ordering::Less,
        BinaryOp::Lt => low == Ordering::Less,
        BinaryOp::Le => low != Ordering::Greater,
        BinaryOp::Gt => high == Ordering::Greater,
        BinaryOp::Ge => high != Ordering::Less,
        _ => true,
    }
}

fn call_can_match(bounds: &[Bounds], function: &Function, inputs: &[Expr]) -> bool {
    let Some(own) = inputs.first().and_then(|input| find(bounds, input)) else {
        return true;
    };
    match (function, inputs) {
        (Function::IsIn(values), _) => values
            .iter()
            .any(|value| value.is_missing() || value_can_match(own, BinaryOp::Eq, value)),
        (Function::IsNa, _) => own.missing_count != Some(0),
        (Function::Between(inclusive), [_, Expr::Literal(low), Expr::Literal(high)]) => {
            let (above, below) = match inclusive {
                Inclusive::Both => (BinaryOp::Ge, BinaryOp::Le),
                Inclusive::Neither => (BinaryOp::Gt, BinaryOp::Lt),
                Inclusive::Left => (BinaryOp::Ge, BinaryOp::Lt),
                Inclusive::Right => (BinaryOp::Gt, BinaryOp::Le),
            };
            value_can_match(own, above, low) && value_can_match(own, below, high)
        }
        _ => true,
    }
}

/// The order of two values of kin types.
fn order(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    match (a, b) {
        (Scalar::Str(a), Scalar::Str(b)) => Some(a.cmp(b)),
        (Scalar::Int(a), Scalar::Int(b)) => Some(a.cmp(b)),
        (Scalar::Datetime(a, x, _), Scalar::Datetime(b, y, _))
        | (Scalar::Timedelta(a, x), Scalar::Timedelta(b, y)) => {
            let scaled = |ticks: i64, unit: crate::engine::TimeUnit| {
                i128::from(ticks) * i128::from(1_000_000_000 / unit.per_second())
            };
            Some(scaled(*a, *x).cmp(&scaled(*b, *y)))
        }
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::expr::{col, lit};

    #[test]
    fn only_groups_that_cannot_match_are_refused() {
        let bounds = [Bounds {
            label: "x".into(),
            low: Scalar::Int(10),
            high: Scalar::Int(20),
            missing_count: Some(0),
        }];
        let can = |e: &Expr| can_match(&bounds, e);
        assert!(can(&col("x").eq(lit(10))) && !can(&col("x").eq(lit(21))));
        assert!(!can(&col("x").gt(lit(20))) && can(&col("x").gt(lit(19.5))));
        assert!(!can(&lit(10).gt(col("x"))) && can(&lit(11).gt(col("x"))));
        assert!(!can(&col("x").gt(lit(5)).and(col("x").lt(lit(10)))));
        assert!(can(&col("y").gt(lit(5))));
        let isin = |values: Vec<Scalar>| Expr::call(Function::IsIn(values), vec![col("x")]);
        assert!(!can(&isin(vec![Scalar::Int(1)])) && can(&isin(vec![Scalar::Int(15)])));
        assert!(!can(&Expr::call(Function::IsNa, vec![col("x")])));
    }
}
