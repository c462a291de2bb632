//! Casting a tile from one dtype to another, as NumPy's `astype` with `casting="unsafe"`.

use half::f16;
use num_complex::Complex;
use rask_value::array::{DType, Element};

/// A real number that can become any other: floats saturate as Rust's `as` does.
trait Real: Element {
    fn to_f64(self) -> f64;
    fn to_i64(self) -> i64;
    fn to_u64(self) -> u64;
    fn is_truthy(self) -> bool;
}

macro_rules! real {
    ($($t:ty),*) => { $(impl Real for $t {
        #[inline(always)]
        fn to_f64(self) -> f64 { self as f64 }
        #[inline(always)]
        fn to_i64(self) -> i64 { self as i64 }
        #[inline(always)]
        fn to_u64(self) -> u64 { self as u64 }
        #[inline(always)]
        fn is_truthy(self) -> bool { self != (0 as $t) }
    })* };
}
real!(i8, i16, i32, i64, u8, u16, u32, u64, f32);

impl Real for f64 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    /// NaN and what is out of range become `i64::MIN`, as the processor's own conversion (and so
    /// NumPy) has it.
    #[inline(always)]
    fn to_i64(self) -> i64 {
        if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&self) {
            self as i64
        } else {
            i64::MIN
        }
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        if self < 0.0 {
            self.to_i64() as u64
        } else {
            self as u64
        }
    }
    #[inline(always)]
    fn is_truthy(self) -> bool {
        self != 0.0
    }
}

impl Real for f16 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        f64::from(self).to_i64()
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        f64::from(self).to_u64()
    }
    #[inline(always)]
    fn is_truthy(self) -> bool {
        f64::from(self) != 0.0
    }
}

/// Casts a tile; `false` if the pair of dtypes is left to the duck backend (changes of time units).
pub fn cast_tile(from: DType, to: DType, input: &[u8], out: &mut [u8]) -> bool {
    let plain = |dtype| match dtype {
        DType::DateTime64 { .. } | DType::TimeDelta64 { .. } => DType::Int64,
        other => other,
    };
    if from != to && plain(from) != from && plain(to) != to {
        return false;
    }
    let to_bool = to == DType::Bool;
    match plain(from) {
        same if same == plain(to) => out.copy_from_slice(&input[..out.len()]),
        DType::Bool | DType::UInt8 => cast_real::<u8>(plain(to), input, out),
        DType::Int8 => cast_real::<i8>(plain(to), input, out),
        DType::Int16 => cast_real::<i16>(plain(to), input, out),
        DType::Int32 => cast_real::<i32>(plain(to), input, out),
        DType::Int64 => cast_real::<i64>(plain(to), input, out),
        DType::UInt16 => cast_real::<u16>(plain(to), input, out),
        DType::UInt32 => cast_real::<u32>(plain(to), input, out),
        DType::UInt64 => cast_real::<u64>(plain(to), input, out),
        DType::Float16 => cast_real::<f16>(plain(to), input, out),
        DType::Float32 => cast_real::<f32>(plain(to), input, out),
        DType::Float64 => cast_real::<f64>(plain(to), input, out),
        DType::Complex64 if to_bool => {
            map(input, out, |a: Complex<f32>| {
                u8::from(a.re != 0.0 || a.im != 0.0)
            });
        }
        DType::Complex128 if to_bool => {
            map(input, out, |a: Complex<f64>| {
                u8::from(a.re != 0.0 || a.im != 0.0)
            });
        }
        DType::Complex64 if to == DType::Complex128 => {
            map(input, out, |a: Complex<f32>| {
                Complex::new(f64::from(a.re), f64::from(a.im))
            });
        }
        DType::Complex128 if to == DType::Complex64 => {
            map(input, out, |a: Complex<f64>| {
                Complex::new(a.re as f32, a.im as f32)
            });
        }
        // NumPy warns and drops the imaginary part; the duck backend gives that warning.
        _ => return false,
    }
    true
}

#[inline(always)]
fn map<A: Element, R: Element>(input: &[u8], out: &mut [u8], f: impl Fn(A) -> R) {
    let out: &mut [R] = bytemuck::cast_slice_mut(out);
    let input: &[A] = bytemuck::cast_slice(input);
    for (value, &item) in out.iter_mut().zip(input) {
        *value = f(item);
    }
}

fn cast_real<A: Real>(to: DType, input: &[u8], out: &mut [u8]) {
    match to {
        DType::Bool => map(input, out, |a: A| u8::from(a.is_truthy())),
        DType::Int8 => map(input, out, |a: A| a.to_i64() as i8),
        DType::Int16 => map(input, out, |a: A| a.to_i64() as i16),
        DType::Int32 => map(input, out, |a: A| a.to_i64() as i32),
        DType::Int64 | DType::DateTime64 { .. } | DType::TimeDelta64 { .. } => {
            map(input, out, |a: A| a.to_i64());
        }
        DType::UInt8 => map(input, out, |a: A| a.to_i64() as u8),
        DType::UInt16 => map(input, out, |a: A| a.to_i64() as u16),
        DType::UInt32 => map(input, out, |a: A| a.to_i64() as u32),
        DType::UInt64 => map(input, out, |a: A| a.to_u64()),
        DType::Float16 => map(input, out, |a: A| f16::from_f64(a.to_f64())),
        DType::Float32 => map(input, out, |a: A| a.to_f64() as f32),
        DType::Float64 => map(input, out, |a: A| a.to_f64()),
        DType::Complex64 => map(input, out, |a: A| Complex::new(a.to_f64() as f32, 0.0_f32)),
        DType::Complex128 => map(input, out, |a: A| Complex::new(a.to_f64(), 0.0)),
    }
}
