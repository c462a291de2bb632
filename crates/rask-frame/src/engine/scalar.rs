//! Single values: literals in expressions and results of reductions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DType, Number, TimeUnit};

/// One value of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// Missing: `None`, NaN of a non-float dtype, NaT, `pd.NA`.
    Missing,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Str(Arc<str>),
    /// Ticks since 1970-01-01 UTC, in the unit; the zone for display.
    Datetime(i64, TimeUnit, Option<Arc<str>>),
    Timedelta(i64, TimeUnit),
}

impl Scalar {
    /// The dtype of a column filled with the value; Python numbers are `int64` and `float64`.
    pub fn dtype(&self) -> DType {
        match self {
            Scalar::Missing | Scalar::Float(_) => DType::FLOAT64,
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::INT64,
            Scalar::UInt(_) => DType::Number(Number::UInt64),
            Scalar::Str(_) => DType::Str,
            Scalar::Datetime(_, unit, zone) => DType::Datetime(*unit, zone.clone()),
            Scalar::Timedelta(_, unit) => DType::Timedelta(*unit),
        }
    }

    /// Whether the value is missing (NaN included).
    pub fn is_missing(&self) -> bool {
        match self {
            Scalar::Missing => true,
            Scalar::Float(value) => value.is_nan(),
            _ => false,
        }
    }

    /// The value as a float, if it is a number or a bool.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Scalar::Bool(value) => Some(f64::from(u8::from(*value))),
            Scalar::Int(value) => Some(*value as f64),
            Scalar::UInt(value) => Some(*value as f64),
            Scalar::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The value as an integer, if it is one exactly.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Scalar::Bool(value) => Some(i64::from(*value)),
            Scalar::Int(value) => Some(*value),
            Scalar::UInt(value) => i64::try_from(*value).ok(),
            Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 9.2e18 => {
                Some(*value as i64)
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Scalar::Str(text) => Some(text),
            _ => None,
        }
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Scalar::Int(value)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        Scalar::Float(value)
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Scalar::Bool(value)
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Self {
        Scalar::Str(value.into())
    }
}
