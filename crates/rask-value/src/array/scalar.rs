//! Scalars: constants in expressions, and weakly typed Python numbers.

use num_complex::Complex;
use serde::{Deserialize, Serialize};

use super::{DType, Kind, NdArray, TimeUnit};

/// A constant. `Bool`, `Int`, `Float` and `Complex` are Python's own types: they take the dtype of
/// the array they meet (NEP 50), where its kind can hold them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    Bool(bool),
    /// Any Python integer that fits 64 bits, signed or unsigned.
    Int(i128),
    Float(f64),
    Complex(f64, f64),
    DateTime {
        ticks: i64,
        unit: TimeUnit,
        multiplier: u32,
    },
    TimeDelta {
        ticks: i64,
        unit: TimeUnit,
        multiplier: u32,
    },
}

impl Scalar {
    /// The kind of number.
    pub fn kind(&self) -> Kind {
        match self {
            Scalar::Bool(_) => Kind::Bool,
            Scalar::Int(_) => Kind::Int,
            Scalar::Float(_) => Kind::Float,
            Scalar::Complex(..) => Kind::Complex,
            Scalar::DateTime { .. } => Kind::DateTime,
            Scalar::TimeDelta { .. } => Kind::TimeDelta,
        }
    }

    /// The dtype the scalar has on its own.
    pub fn default_dtype(&self) -> DType {
        match *self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(value) if value > i64::MAX as i128 => DType::UInt64,
            Scalar::Int(_) => DType::Int64,
            Scalar::Float(_) => DType::Float64,
            Scalar::Complex(..) => DType::Complex128,
            Scalar::DateTime {
                unit, multiplier, ..
            } => DType::DateTime64 { unit, multiplier },
            Scalar::TimeDelta {
                unit, multiplier, ..
            } => DType::TimeDelta64 { unit, multiplier },
        }
    }

    /// The value as a float; the real part of a complex number, the ticks of a time.
    pub fn as_f64(&self) -> f64 {
        match *self {
            Scalar::Bool(value) => f64::from(u8::from(value)),
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) | Scalar::Complex(value, _) => value,
            Scalar::DateTime { ticks, .. } | Scalar::TimeDelta { ticks, .. } => ticks as f64,
        }
    }

    /// The value as an integer, floats truncated towards zero.
    pub fn as_i128(&self) -> i128 {
        match *self {
            Scalar::Bool(value) => i128::from(value),
            Scalar::Int(value) => value,
            Scalar::Float(value) | Scalar::Complex(value, _) => value as i128,
            Scalar::DateTime { ticks, .. } | Scalar::TimeDelta { ticks, .. } => i128::from(ticks),
        }
    }

    /// A zero-dimensional array of `dtype` with this value.
    pub fn to_array(&self, dtype: DType) -> NdArray {
        let integer = self.as_i128();
        let array = match dtype {
            DType::Bool => {
                let truth = match *self {
                    Scalar::Complex(re, im) => re != 0.0 || im != 0.0,
                    other => other.as_f64() != 0.0,
                };
                NdArray::scalar(u8::from(truth))
            }
            DType::Int8 => NdArray::scalar(integer as i8),
            DType::Int16 => NdArray::scalar(integer as i16),
            DType::Int32 => NdArray::scalar(integer as i32),
            DType::Int64 => NdArray::scalar(integer as i64),
            DType::UInt8 => NdArray::scalar(integer as u8),
            DType::UInt16 => NdArray::scalar(integer as u16),
            DType::UInt32 => NdArray::scalar(integer as u32),
            DType::UInt64 => NdArray::scalar(integer as u64),
            DType::Float16 => NdArray::scalar(half::f16::from_f64(self.as_f64())),
            DType::Float32 => NdArray::scalar(self.as_f64() as f32),
            DType::Float64 => NdArray::scalar(self.as_f64()),
            DType::Complex64 => {
                let (re, im) = self.parts();
                NdArray::scalar(Complex::new(re as f32, im as f32))
            }
            DType::Complex128 => {
                let (re, im) = self.parts();
                NdArray::scalar(Complex::new(re, im))
            }
            DType::DateTime64 { .. } | DType::TimeDelta64 { .. } => NdArray::scalar(integer as i64),
        };
        array.view_as(dtype).unwrap_or(array)
    }

    fn parts(&self) -> (f64, f64) {
        match *self {
            Scalar::Complex(re, im) => (re, im),
            other => (other.as_f64(), 0.0),
        }
    }
}
