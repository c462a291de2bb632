//! Aggregations by the names that pandas gives them.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rask_frame::engine::groupby::AggFunction;

/// The aggregation of a name; `parameter` is `ddof`, a quantile, or whether missing values are
/// left out of `nunique`.
pub fn aggregation_of(name: &str, parameter: Option<f64>) -> PyResult<AggFunction> {
    let ddof = parameter.unwrap_or(1.0) as u8;
    Ok(match name {
        "sum" => AggFunction::Sum,
        "prod" | "product" => AggFunction::Prod,
        "count" => AggFunction::Count,
        "size" => AggFunction::Size,
        "mean" => AggFunction::Mean,
        "min" => AggFunction::Min,
        "max" => AggFunction::Max,
        "std" => AggFunction::Std { ddof },
        "var" => AggFunction::Var { ddof },
        "sem" => AggFunction::Sem { ddof },
        "skew" => AggFunction::Skew,
        "kurt" | "kurtosis" => AggFunction::Kurt,
        "first" => AggFunction::First,
        "last" => AggFunction::Last,
        "any" => AggFunction::Any,
        "all" => AggFunction::All,
        "nunique" => AggFunction::Nunique {
            dropna: parameter != Some(0.0),
        },
        "median" => AggFunction::Median,
        "quantile" => AggFunction::Quantile(parameter.unwrap_or(0.5)),
        "idxmin" => AggFunction::IdxMin,
        "idxmax" => AggFunction::IdxMax,
        "list" => AggFunction::List,
        other => {
            return Err(PyValueError::new_err(format!(
                "unknown aggregate '{other}'; known are sum, prod, count, size, mean, min, max, \
                 std, var, sem, skew, kurt, first, last, any, all, nunique, median, quantile, \
                 idxmin, idxmax, list"
            )));
        }
    })
}
