//! What to group by and what to aggregate.

use serde::{Deserialize, Serialize};

use crate::engine::{DType, EngineError, Expr, Label, Number, Result};

/// An aggregation of the values of a group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum AggFunction {
    Sum,
    Prod,
    /// Values that are not missing.
    Count,
    /// Rows.
    Size,
    Mean,
    Min,
    Max,
    Std {
        ddof: u8,
    },
    Var {
        ddof: u8,
    },
    Sem {
        ddof: u8,
    },
    Skew,
    Kurt,
    First,
    Last,
    Any,
    All,
    Nunique {
        dropna: bool,
    },
    Median,
    /// Linear between neighbours.
    Quantile(f64),
    /// The index label of the smallest value.
    IdxMin,
    IdxMax,
    /// All values, missing included.
    List,
}

/// One column of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregation {
    pub input: Expr,
    pub function: AggFunction,
    pub output: Label,
    /// Whether missing values are passed over; otherwise they make the result missing.
    pub skipna: bool,
    /// With fewer values the result of a sum or product is missing.
    pub count_min: u32,
}

/// A groupby: keys, and columns of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupbySpec {
    /// None for a reduction of the whole table.
    pub keys: Vec<Expr>,
    /// Names of the result's index levels, one a key.
    pub key_names: Vec<Label>,
    pub aggregations: Vec<Aggregation>,
    /// Whether rows with a missing key belong to no group.
    pub dropna: bool,
    /// Whether the result is sorted by key; otherwise groups come in order of appearance.
    pub sort: bool,
}

impl Aggregation {
    pub fn new(input: Expr, function: AggFunction, output: impl Into<Label>) -> Aggregation {
        Aggregation {
            input,
            function,
            output: output.into(),
            skipna: true,
            count_min: 0,
        }
    }
}

impl GroupbySpec {
    /// pandas' defaults: sorted, rows with missing keys dropped.
    pub fn by(labels: &[Label], aggregations: Vec<Aggregation>) -> GroupbySpec {
        GroupbySpec {
            keys: labels.iter().cloned().map(Expr::Column).collect(),
            key_names: labels.to_vec(),
            aggregations,
            dropna: true,
            sort: true,
        }
    }

    /// A reduction of the whole table to one row.
    pub fn reduction(aggregations: Vec<Aggregation>) -> GroupbySpec {
        GroupbySpec::by(&[], aggregations)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.keys.len() != self.key_names.len() {
            return Err(EngineError::value(format!(
                "{} keys have {} names",
                self.keys.len(),
                self.key_names.len()
            )));
        }
        Ok(())
    }
}

impl AggFunction {
    /// pandas' name.
    pub fn name(&self) -> &'static str {
        use AggFunction::*;
        match self {
            Sum => "sum",
            Prod => "prod",
            Count => "count",
            Size => "size",
            Mean => "mean",
            Min => "min",
            Max => "max",
            Std { .. } => "std",
            Var { .. } => "var",
            Sem { .. } => "sem",
            Skew => "skew",
            Kurt => "kurt",
            First => "first",
            Last => "last",
            Any => "any",
            All => "all",
            Nunique { .. } => "nunique",
            Median => "median",
            Quantile(_) => "quantile",
            IdxMin => "idxmin",
            IdxMax => "idxmax",
            List => "list",
        }
    }

    /// Whether the state has all values of the group, so that a tree of partial states saves
    /// nothing.
    pub fn needs_all_values(&self) -> bool {
        use AggFunction::*;
        matches!(self, Nunique { .. } | Median | Quantile(_) | List)
    }

    /// The dtype of the result; an error if the input's values cannot be aggregated so.
    pub fn result_dtype(&self, input: &DType) -> Result<DType> {
        use AggFunction::*;
        let is_number =
            input.number().is_some() || matches!(input, DType::Bool | DType::NullableBool);
        let is_span = matches!(input, DType::Timedelta(_));
        match self {
            Count | Size | Nunique { .. } => Ok(DType::INT64),
            Any | All => Ok(DType::Bool),
            Sum if is_span => Ok(input.clone()),
            Sum | Prod if is_number => Ok(sum_dtype(input)),
            Mean | Median | Quantile(_) if is_span || matches!(input, DType::Datetime(..)) => {
                Ok(input.clone())
            }
            Mean | Median | Quantile(_) | Std { .. } | Var { .. } | Sem { .. } | Skew | Kurt
                if is_number =>
            {
                Ok(float_dtype(input))
            }
            Min | Max => match input {
                DType::Category { ordered: false, .. } | DType::List(_) => Err(self.refuse(input)),
                _ => Ok(input.clone()),
            },
            First | Last => Ok(input.clone()),
            IdxMin | IdxMax if is_number || is_span || matches!(input, DType::Datetime(..)) => {
                Ok(DType::INT64)
            }
            List => Ok(DType::List(Box::new(input.clone()))),
            _ => Err(self.refuse(input)),
        }
    }

    pub(super) fn refuse(&self, input: &DType) -> EngineError {
        EngineError::type_error(format!(
            "agg function failed: dtype '{input}' does not support operation '{}'",
            self.name()
        ))
    }
}

/// Sums of integers and bools are 64 bits wide.
fn sum_dtype(input: &DType) -> DType {
    let wide = |n: Number| match n {
        n if n.is_float() => n,
        n if n.is_unsigned() => Number::UInt64,
        _ => Number::Int64,
    };
    match input {
        DType::Number(n) => DType::Number(wide(*n)),
        DType::NullableNumber(n) => DType::NullableNumber(wide(*n)),
        DType::NullableBool => DType::NullableNumber(Number::Int64),
        _ => DType::INT64,
    }
}

fn float_dtype(input: &DType) -> DType {
    match input {
        DType::Number(Number::Float32) => input.clone(),
        DType::NullableNumber(Number::Float32) => input.clone(),
        dtype if dtype.is_nullable() => DType::NullableNumber(Number::Float64),
        _ => DType::FLOAT64,
    }
}
