//! Rust types that are elements of native arrays.

use half::f16;
use num_complex::Complex;

use super::DType;

/// A Rust type with the layout of a dtype's elements.
///
/// Bools are stored as bytes 0 and 1 and are accessed as `u8`; datetimes and timedeltas as `i64`.
pub trait Element: bytemuck::Pod + Send + Sync + std::fmt::Debug {
    const DTYPE: DType;
}

macro_rules! elements {
    ($($type:ty => $dtype:ident),* $(,)?) => {
        $(impl Element for $type { const DTYPE: DType = DType::$dtype; })*
    };
}

elements! {
    i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    u8 => UInt8, u16 => UInt16, u32 => UInt32, u64 => UInt64,
    f16 => Float16, f32 => Float32, f64 => Float64,
    Complex<f32> => Complex64, Complex<f64> => Complex128,
}
