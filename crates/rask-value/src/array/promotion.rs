//! Type promotion as NumPy 2 does it (NEP 50).

use super::{DType, Kind, Scalar};

/// The smallest dtype that both can be cast to safely; `None` where NumPy has none.
///
/// Follows NumPy's promotion table (`numpy.result_type` of two dtypes).
pub fn promote(a: DType, b: DType) -> Option<DType> {
    if a == b {
        return Some(a);
    }
    match (a.kind(), b.kind()) {
        (Kind::DateTime | Kind::TimeDelta, _) | (_, Kind::DateTime | Kind::TimeDelta) => {
            promote_times(a, b)
        }
        (Kind::Bool, _) => Some(b),
        (_, Kind::Bool) => Some(a),
        (Kind::Complex, _) | (_, Kind::Complex) => {
            let part = promote(real_part(a), real_part(b))?;
            Some(if part == DType::Float64 {
                DType::Complex128
            } else {
                DType::Complex64
            })
        }
        (Kind::Float, Kind::Float) => Some(larger(a, b)),
        (Kind::Float, _) => Some(larger(a, float_holding(b))),
        (_, Kind::Float) => Some(larger(float_holding(a), b)),
        (Kind::Int, Kind::Int) | (Kind::UInt, Kind::UInt) => Some(larger(a, b)),
        (Kind::Int, Kind::UInt) => Some(promote_signs(a, b)),
        (Kind::UInt, Kind::Int) => Some(promote_signs(b, a)),
    }
}

/// The dtype of an operation between an array's dtype and a Python scalar, which has only a kind.
///
/// A Python float turns an integer array into `float64`, an integer turns a bool array into
/// `int64`; otherwise the array's dtype is kept. Whether an integer fits it is for the caller.
pub fn promote_scalar(dtype: DType, scalar: &Scalar) -> Option<DType> {
    match (dtype.kind(), scalar.kind()) {
        (_, Kind::DateTime | Kind::TimeDelta) => promote(dtype, scalar.default_dtype()),
        (Kind::TimeDelta, Kind::Bool | Kind::Int) => Some(dtype),
        (_, Kind::Bool) => Some(dtype),
        (Kind::Bool, Kind::Int) => Some(DType::Int64),
        (_, Kind::Int | Kind::UInt) => Some(dtype),
        (Kind::Bool | Kind::Int | Kind::UInt, Kind::Float) => Some(DType::Float64),
        (Kind::DateTime | Kind::TimeDelta, _) => None,
        (_, Kind::Float) => Some(dtype),
        (Kind::Complex, Kind::Complex) => Some(dtype),
        (Kind::Float, Kind::Complex) if dtype != DType::Float64 => Some(DType::Complex64),
        (_, Kind::Complex) => Some(DType::Complex128),
    }
}

fn promote_times(a: DType, b: DType) -> Option<DType> {
    let ticks = |dtype: DType| match dtype {
        DType::DateTime64 { unit, multiplier } | DType::TimeDelta64 { unit, multiplier } => {
            Some((unit, multiplier))
        }
        _ => None,
    };
    match (ticks(a), ticks(b)) {
        // Finer units and larger multiplicities are not mixed here: NumPy's greatest common
        // divisor of units is left to the duck backend.
        (Some(left), Some(right)) if left == right => (a.kind() == b.kind()).then_some(a),
        (Some(_), None) if a.kind() == Kind::TimeDelta && is_integral(b) => Some(a),
        (None, Some(_)) if b.kind() == Kind::TimeDelta && is_integral(a) => Some(b),
        _ => None,
    }
}

fn is_integral(dtype: DType) -> bool {
    matches!(dtype.kind(), Kind::Bool | Kind::Int | Kind::UInt)
}

fn larger(a: DType, b: DType) -> DType {
    if b.itemsize() > a.itemsize() { b } else { a }
}

/// The dtype of a complex number's parts; other dtypes as they are.
pub fn real_part(dtype: DType) -> DType {
    match dtype {
        DType::Complex64 => DType::Float32,
        DType::Complex128 => DType::Float64,
        other => other,
    }
}

/// The smallest float that NumPy promotes an integer to.
fn float_holding(integer: DType) -> DType {
    match integer.itemsize() {
        1 => DType::Float16,
        2 => DType::Float32,
        _ => DType::Float64,
    }
}

fn promote_signs(signed: DType, unsigned: DType) -> DType {
    match signed_holding(unsigned) {
        DType::Float64 => DType::Float64,
        holding => larger(signed, holding),
    }
}

/// The smallest signed integer that holds an unsigned one; `float64` for `uint64`.
fn signed_holding(unsigned: DType) -> DType {
    match unsigned {
        DType::UInt8 => DType::Int16,
        DType::UInt16 => DType::Int32,
        DType::UInt32 => DType::Int64,
        _ => DType::Float64,
    }
}

#[cfg(test)]
mod tests {
    use super::{DType, Scalar, promote, promote_scalar};

    #[test]
    fn follows_numpys_table() {
        use DType::{
            Bool, Complex64, Complex128, Float16, Float32, Float64, Int8, Int16, Int64, UInt8,
            UInt64,
        };
        for (a, b, expected) in [
            (Int8, UInt8, Int16),
            (Int64, UInt64, Float64),
            (Int8, UInt64, Float64),
            (Int8, Float16, Float16),
            (Int16, Float16, Float32),
            (Int64, Float32, Float64),
            (Float32, Complex64, Complex64),
            (Int64, Complex64, Complex128),
            (Int16, Complex64, Complex64),
            (Bool, Float16, Float16),
        ] {
            assert_eq!(promote(a, b), Some(expected), "{a} {b}");
            assert_eq!(promote(b, a), Some(expected), "{b} {a}");
        }
    }

    #[test]
    fn python_scalars_are_weak() {
        assert_eq!(
            promote_scalar(DType::Float32, &Scalar::Float(1.0)),
            Some(DType::Float32)
        );
        assert_eq!(
            promote_scalar(DType::Int8, &Scalar::Int(1)),
            Some(DType::Int8)
        );
        assert_eq!(
            promote_scalar(DType::Int8, &Scalar::Float(1.0)),
            Some(DType::Float64)
        );
        assert_eq!(
            promote_scalar(DType::Bool, &Scalar::Int(1)),
            Some(DType::Int64)
        );
    }
}
