//! Reductions by name, and the dtypes of their results.

use rask_value::array::{DType, Kind};
use serde::{Deserialize, Serialize};

/// A reduction whose partial results combine by the reduction itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReduceOp {
    Sum,
    Prod,
    /// NaN if any element is.
    Min,
    Max,
    /// NaN only if all elements are.
    Fmin,
    Fmax,
    Any,
    All,
    CountNonzero,
}

impl ReduceOp {
    /// NumPy's name.
    pub fn name(self) -> &'static str {
        match self {
            ReduceOp::Sum => "add",
            ReduceOp::Prod => "multiply",
            ReduceOp::Min => "minimum",
            ReduceOp::Max => "maximum",
            ReduceOp::Fmin => "fmin",
            ReduceOp::Fmax => "fmax",
            ReduceOp::Any => "logical_or",
            ReduceOp::All => "logical_and",
            ReduceOp::CountNonzero => "count_nonzero",
        }
    }

    /// The dtype of the result, as NumPy's: sums of small integers are 64 bits wide. `None` where
    /// there is no native loop.
    pub fn output(self, dtype: DType) -> Option<DType> {
        let kind = dtype.kind();
        match self {
            _ if dtype == DType::Float16 || matches!(kind, Kind::DateTime | Kind::TimeDelta) => {
                None
            }
            ReduceOp::Any | ReduceOp::All => Some(DType::Bool),
            ReduceOp::CountNonzero => Some(DType::Int64),
            ReduceOp::Sum | ReduceOp::Prod => Some(match kind {
                Kind::Bool | Kind::Int => DType::Int64,
                Kind::UInt => DType::UInt64,
                _ => dtype,
            }),
            _ if kind == Kind::Complex => None,
            _ => Some(dtype),
        }
    }

    /// The operation that combines partial results, which are of the output's dtype.
    pub fn combine(self) -> ReduceOp {
        match self {
            ReduceOp::CountNonzero => ReduceOp::Sum,
            other => other,
        }
    }
}
