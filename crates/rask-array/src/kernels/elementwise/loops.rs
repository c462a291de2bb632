//! One operation over a tile: typed loops, compiled for several instruction sets.

use num_complex::Complex;
use rask_value::array::{DType, Element};

use super::math;
use super::op::ElementOp;

/// The inputs of a step, as many as the operation takes, each with a tile's elements.
pub type Arguments<'a> = [&'a [u8]; 3];

/// Runs one operation over a tile. `false` if there is no such loop, which `signature` excludes.
pub fn run_loop(op: ElementOp, dtype: DType, inputs: Arguments<'_>, out: &mut [u8]) -> bool {
    match dtype {
        DType::Bool => boolean(op, inputs, out),
        DType::Int8 => integer_i8(op, inputs, out),
        DType::Int16 => integer_i16(op, inputs, out),
        DType::Int32 => integer_i32(op, inputs, out),
        DType::Int64 => integer_i64(op, inputs, out),
        DType::UInt8 => integer_u8(op, inputs, out),
        DType::UInt16 => integer_u16(op, inputs, out),
        DType::UInt32 => integer_u32(op, inputs, out),
        DType::UInt64 => integer_u64(op, inputs, out),
        DType::Float32 => float_f32(op, inputs, out),
        DType::Float64 => float_f64(op, inputs, out),
        DType::Complex64 => complex_f32(op, inputs, out),
        DType::Complex128 => complex_f64(op, inputs, out),
        _ => false,
    }
}

#[inline(always)]
fn slice<T: Element>(bytes: &[u8]) -> &[T] {
    bytemuck::cast_slice(bytes)
}

#[inline(always)]
fn one<A: Element, R: Element>(inputs: Arguments<'_>, out: &mut [u8], f: impl Fn(A) -> R) -> bool {
    let out: &mut [R] = bytemuck::cast_slice_mut(out);
    let a = &slice::<A>(inputs[0])[..out.len()];
    for (value, &a) in out.iter_mut().zip(a) {
        *value = f(a);
    }
    true
}

#[inline(always)]
fn two<A: Element, R: Element>(
    inputs: Arguments<'_>,
    out: &mut [u8],
    f: impl Fn(A, A) -> R,
) -> bool {
    let out: &mut [R] = bytemuck::cast_slice_mut(out);
    let (a, b) = (
        &slice::<A>(inputs[0])[..out.len()],
        &slice::<A>(inputs[1])[..out.len()],
    );
    for ((value, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *value = f(a, b);
    }
    true
}

#[inline(always)]
fn three<A: Element, B: Element>(
    inputs: Arguments<'_>,
    out: &mut [u8],
    f: impl Fn(A, B, B) -> B,
) -> bool {
    let out: &mut [B] = bytemuck::cast_slice_mut(out);
    let a = &slice::<A>(inputs[0])[..out.len()];
    let (b, c) = (
        &slice::<B>(inputs[1])[..out.len()],
        &slice::<B>(inputs[2])[..out.len()],
    );
    for (((value, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *value = f(a, b, c);
    }
    true
}

/// Compiles a function for AVX-512, for AVX2 with FMA, and for the baseline; the processor at hand
/// decides.
macro_rules! for_instruction_sets {
    ($(#[$meta:meta])* fn $name:ident($op:ident, $inputs:ident, $out:ident) $body:block) => {
        $(#[$meta])*
        #[multiversion::multiversion(targets(
            "x86_64+avx+avx2+fma+avx512f+avx512dq+avx512vl+avx512bw",
            "x86_64+avx+avx2+fma"
        ))]
        fn $name($op: ElementOp, $inputs: Arguments<'_>, $out: &mut [u8]) -> bool $body
    };
}

for_instruction_sets! {
    fn boolean(op, inputs, out) {
        use ElementOp as E;
        match op {
            E::Add | E::Maximum | E::Fmax | E::BitwiseOr | E::LogicalOr => {
                two(inputs, out, |a: u8, b: u8| a | b)
            }
            E::Multiply | E::Minimum | E::Fmin | E::BitwiseAnd | E::LogicalAnd => {
                two(inputs, out, |a: u8, b: u8| a & b)
            }
            E::BitwiseXor | E::LogicalXor | E::NotEqual => two(inputs, out, |a: u8, b: u8| a ^ b),
            E::Equal => two(inputs, out, |a: u8, b: u8| (a == b) as u8),
            E::Less => two(inputs, out, |a: u8, b: u8| (a < b) as u8),
            E::LessEqual => two(inputs, out, |a: u8, b: u8| (a <= b) as u8),
            E::Greater => two(inputs, out, |a: u8, b: u8| (a > b) as u8),
            E::GreaterEqual => two(inputs, out, |a: u8, b: u8| (a >= b) as u8),
            E::Invert | E::LogicalNot => one(inputs, out, |a: u8| a ^ 1),
            E::Absolute | E::Real | E::Conjugate => one(inputs, out, |a: u8| a),
            E::Floor | E::Ceil | E::Trunc => one(inputs, out, |a: u8| a),
            E::Imag | E::Isnan | E::Isinf => one(inputs, out, |_: u8| 0_u8),
            E::Isfinite => one(inputs, out, |_: u8| 1_u8),
            E::Where => three(inputs, out, |c: u8, x: u8, y: u8| if c != 0 { x } else { y }),
            E::Clip => three(inputs, out, |x: u8, low: u8, high: u8| x.max(low).min(high)),
            _ => false,
        }
    }
}

/// Whether the tile's second input has an element below zero.
#[inline(always)]
fn any_negative<T: Element + PartialOrd + Default>(bytes: &[u8]) -> bool {
    slice::<T>(bytes).iter().any(|&value| value < T::default())
}

macro_rules! integer_loops {
    ($($name:ident: $t:ty, $signed:literal);* $(;)?) => { $(for_instruction_sets! {
        fn $name(op, inputs, out) {
            use ElementOp as E;
            type T = $t;
            match op {
                E::Add => two(inputs, out, |a: T, b: T| a.wrapping_add(b)),
                E::Subtract => two(inputs, out, |a: T, b: T| a.wrapping_sub(b)),
                E::Multiply => two(inputs, out, |a: T, b: T| a.wrapping_mul(b)),
                E::FloorDivide => two(inputs, out, |a: T, b: T| {
                    if b == 0 {
                        return 0;
                    }
                    let quotient = a.wrapping_div(b);
                    let inexact = a.wrapping_rem(b) != 0;
                    #[allow(unused_comparisons)]
                    let below = inexact && ((a < 0) != (b < 0));
                    if below { quotient - 1 } else { quotient }
                }),
                E::Remainder => two(inputs, out, |a: T, b: T| {
                    if b == 0 {
                        return 0;
                    }
                    let remainder = a.wrapping_rem(b);
                    #[allow(unused_comparisons)]
                    let other_sign = remainder != 0 && ((remainder < 0) != (b < 0));
                    if other_sign { remainder.wrapping_add(b) } else { remainder }
                }),
                E::Fmod => two(inputs, out, |a: T, b: T| if b == 0 { 0 } else { a.wrapping_rem(b) }),
                E::Power => {
                    if $signed && any_negative::<T>(inputs[1]) {
                        return false;
                    }
                    two(inputs, out, |a: T, b: T| power(a, b as u64, 1, T::wrapping_mul))
                }
                E::Maximum | E::Fmax => two(inputs, out, |a: T, b: T| a.max(b)),
                E::Minimum | E::Fmin => two(inputs, out, |a: T, b: T| a.min(b)),
                E::BitwiseAnd => two(inputs, out, |a: T, b: T| a & b),
                E::BitwiseOr => two(inputs, out, |a: T, b: T| a | b),
                E::BitwiseXor => two(inputs, out, |a: T, b: T| a ^ b),
                E::LeftShift => two(inputs, out, |a: T, b: T| {
                    a.checked_shl(b.try_into().unwrap_or(u32::MAX)).unwrap_or(0)
                }),
                E::RightShift => two(inputs, out, |a: T, b: T| {
                    #[allow(unused_comparisons)]
                    let gone = if a < 0 { (0 as T).wrapping_sub(1) } else { 0 };
                    a.checked_shr(b.try_into().unwrap_or(u32::MAX)).unwrap_or(gone)
                }),
                E::Equal => two(inputs, out, |a: T, b: T| (a == b) as u8),
                E::NotEqual => two(inputs, out, |a: T, b: T| (a != b) as u8),
                E::Less => two(inputs, out, |a: T, b: T| (a < b) as u8),
                E::LessEqual => two(inputs, out, |a: T, b: T| (a <= b) as u8),
                E::Greater => two(inputs, out, |a: T, b: T| (a > b) as u8),
                E::GreaterEqual => two(inputs, out, |a: T, b: T| (a >= b) as u8),
                E::LogicalAnd => two(inputs, out, |a: T, b: T| (a != 0 && b != 0) as u8),
                E::LogicalOr => two(inputs, out, |a: T, b: T| (a != 0 || b != 0) as u8),
                E::LogicalXor => two(inputs, out, |a: T, b: T| ((a != 0) != (b != 0)) as u8),
                E::LogicalNot => one(inputs, out, |a: T| (a == 0) as u8),
                E::Invert => one(inputs, out, |a: T| !a),
                E::Negative => one(inputs, out, |a: T| a.wrapping_neg()),
                E::Positive | E::Conjugate | E::Real => one(inputs, out, |a: T| a),
                E::Floor | E::Ceil | E::Trunc => one(inputs, out, |a: T| a),
                E::Imag => one(inputs, out, |_: T| 0 as T),
                #[allow(unused_comparisons)]
                E::Absolute => one(inputs, out, |a: T| if a < 0 { a.wrapping_neg() } else { a }),
                #[allow(unused_comparisons)]
                E::Sign => one(inputs, out, |a: T| {
                    if a > 0 { 1 } else if a < 0 { (0 as T).wrapping_sub(1) } else { 0 }
                }),
                E::Square => one(inputs, out, |a: T| a.wrapping_mul(a)),
                E::Isnan | E::Isinf => one(inputs, out, |_: T| 0_u8),
                E::Isfinite => one(inputs, out, |_: T| 1_u8),
                E::Where => three(inputs, out, |c: u8, x: T, y: T| if c != 0 { x } else { y }),
                E::Clip => three(inputs, out, |x: T, low: T, high: T| x.max(low).min(high)),
                _ => false,
            }
        }
    })* };
}

integer_loops! {
    integer_i8: i8, true; integer_i16: i16, true; integer_i32: i32, true; integer_i64: i64, true;
    integer_u8: u8, false; integer_u16: u16, false; integer_u32: u32, false; integer_u64: u64, false;
}

/// Powers by squaring.
#[inline(always)]
fn power<T: Copy>(base: T, exponent: u64, one: T, multiply: impl Fn(T, T) -> T) -> T {
    let (mut base, mut exponent, mut product) = (base, exponent, one);
    while exponent > 0 {
        if exponent & 1 == 1 {
            product = multiply(product, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    product
}

macro_rules! float_loops {
    ($($name:ident: $t:ident, $complex_type:ty);* $(;)?) => { $(for_instruction_sets! {
        fn $name(op, inputs, out) {
            use ElementOp as E;
            type T = $t;
            match op {
                E::Add => two(inputs, out, |a: T, b: T| a + b),
                E::Subtract => two(inputs, out, |a: T, b: T| a - b),
                E::Multiply => two(inputs, out, |a: T, b: T| a * b),
                E::Divide => two(inputs, out, |a: T, b: T| a / b),
                E::FloorDivide => two(inputs, out, |a: T, b: T| {
                    if b == 0.0 {
                        return a / b;
                    }
                    let remainder = a % b;
                    let below = remainder != 0.0 && ((remainder < 0.0) != (b < 0.0));
                    let quotient = (a - remainder) / b - if below { 1.0 } else { 0.0 };
                    if quotient == 0.0 {
                        return (0.0 as T).copysign(a / b);
                    }
                    let floor = quotient.floor();
                    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
                }),
                E::Remainder => two(inputs, out, |a: T, b: T| {
                    let remainder = floored_remainder!(a, b);
                    if remainder == 0.0 { (0.0 as T).copysign(b) } else { remainder }
                }),
                E::Fmod => two(inputs, out, |a: T, b: T| a % b),
                E::Power => {
                    let exponents = slice::<T>(inputs[1]);
                    match exponents.first() {
                        Some(&e) if e == 2.0 && exponents.iter().all(|&x| x == 2.0) => {
                            one(inputs, out, |a: T| a * a)
                        }
                        _ => two(inputs, out, |a: T, b: T| a.powf(b)),
                    }
                }
                E::Maximum => two(inputs, out, |a: T, b: T| if a >= b || a.is_nan() { a } else { b }),
                E::Minimum => two(inputs, out, |a: T, b: T| if a <= b || a.is_nan() { a } else { b }),
                E::Fmax => two(inputs, out, |a: T, b: T| if a >= b || b.is_nan() { a } else { b }),
                E::Fmin => two(inputs, out, |a: T, b: T| if a <= b || b.is_nan() { a } else { b }),
                E::Copysign => two(inputs, out, |a: T, b: T| a.copysign(b)),
                E::Nextafter => two(inputs, out, |a: T, b: T| {
                    if a.is_nan() || b.is_nan() { T::NAN }
                    else if a == b { b }
                    else if a < b { a.next_up() }
                    else { a.next_down() }
                }),
                E::Hypot => two(inputs, out, |a: T, b: T| a.hypot(b)),
                E::Arctan2 => two(inputs, out, |a: T, b: T| a.atan2(b)),
                E::Logaddexp => two(inputs, out, |a: T, b: T| {
                    let distance = a - b;
                    if a == b { a + std::$t::consts::LN_2 }
                    else if distance > 0.0 { a + (-distance).exp().ln_1p() }
                    else if distance < 0.0 { b + distance.exp().ln_1p() }
                    else { distance }
                }),
                E::Logaddexp2 => two(inputs, out, |a: T, b: T| {
                    let distance = a - b;
                    if a == b { a + 1.0 }
                    else if distance > 0.0 {
                        a + (-distance).exp2().ln_1p() * std::$t::consts::LOG2_E
                    }
                    else if distance < 0.0 {
                        b + distance.exp2().ln_1p() * std::$t::consts::LOG2_E
                    }
                    else { distance }
                }),
                E::Heaviside => two(inputs, out, |a: T, b: T| {
                    if a.is_nan() { a } else if a < 0.0 { 0.0 } else if a > 0.0 { 1.0 } else { b }
                }),
                E::Equal => two(inputs, out, |a: T, b: T| (a == b) as u8),
                E::NotEqual => two(inputs, out, |a: T, b: T| (a != b) as u8),
                E::Less => two(inputs, out, |a: T, b: T| (a < b) as u8),
                E::LessEqual => two(inputs, out, |a: T, b: T| (a <= b) as u8),
                E::Greater => two(inputs, out, |a: T, b: T| (a > b) as u8),
                E::GreaterEqual => two(inputs, out, |a: T, b: T| (a >= b) as u8),
                E::LogicalAnd => two(inputs, out, |a: T, b: T| (a != 0.0 && b != 0.0) as u8),
                E::LogicalOr => two(inputs, out, |a: T, b: T| (a != 0.0 || b != 0.0) as u8),
                E::LogicalXor => two(inputs, out, |a: T, b: T| ((a != 0.0) != (b != 0.0)) as u8),
                E::LogicalNot => one(inputs, out, |a: T| (a == 0.0) as u8),
                E::Negative => one(inputs, out, |a: T| -a),
                E::Positive | E::Conjugate | E::Real => one(inputs, out, |a: T| a),
                E::Imag => one(inputs, out, |_: T| 0.0 as T),
                E::Absolute | E::Fabs => one(inputs, out, |a: T| a.abs()),
                E::Sign => one(inputs, out, |a: T| {
                    if a > 0.0 { 1.0 } else if a < 0.0 { -1.0 } else { a + 0.0 }
                }),
                E::Square => one(inputs, out, |a: T| a * a),
                E::Reciprocal => one(inputs, out, |a: T| 1.0 / a),
                E::Sqrt => one(inputs, out, |a: T| a.sqrt()),
                E::Cbrt => one(inputs, out, |a: T| a.cbrt()),
                E::Exp => one(inputs, out, |a: T| math::exp(f64::from(a)) as T),
                E::Exp2 => one(inputs, out, |a: T| a.exp2()),
                E::Expm1 => one(inputs, out, |a: T| a.exp_m1()),
                E::Log => one(inputs, out, |a: T| math::log(f64::from(a)) as T),
                E::Log2 => one(inputs, out, |a: T| a.log2()),
                E::Log10 => one(inputs, out, |a: T| a.log10()),
                E::Log1p => one(inputs, out, |a: T| a.ln_1p()),
                E::Sin | E::Cos => {
                    let cosine = op == E::Cos;
                    let small = slice::<T>(inputs[0])
                        .iter()
                        .all(|a| f64::from(a.abs()) <= math::TRIGONOMETRY_MAX);
                    if small {
                        let quarter = i64::from(cosine);
                        one(inputs, out, |a: T| math::sine(f64::from(a), quarter) as T)
                    } else if cosine {
                        one(inputs, out, |a: T| a.cos())
                    } else {
                        one(inputs, out, |a: T| a.sin())
                    }
                }
                E::Tan => one(inputs, out, |a: T| a.tan()),
                E::Arcsin => one(inputs, out, |a: T| a.asin()),
                E::Arccos => one(inputs, out, |a: T| a.acos()),
                E::Arctan => one(inputs, out, |a: T| a.atan()),
                E::Sinh => one(inputs, out, |a: T| a.sinh()),
                E::Cosh => one(inputs, out, |a: T| a.cosh()),
                E::Tanh => one(inputs, out, |a: T| a.tanh()),
                E::Arcsinh => one(inputs, out, |a: T| a.asinh()),
                E::Arccosh => one(inputs, out, |a: T| a.acosh()),
                E::Arctanh => one(inputs, out, |a: T| a.atanh()),
                E::Deg2rad => one(inputs, out, |a: T| a * (std::f64::consts::PI / 180.0) as T),
                E::Rad2deg => one(inputs, out, |a: T| a * (180.0 / std::f64::consts::PI) as T),
                E::Rint => one(inputs, out, |a: T| a.round_ties_even()),
                E::Floor => one(inputs, out, |a: T| a.floor()),
                E::Ceil => one(inputs, out, |a: T| a.ceil()),
                E::Trunc => one(inputs, out, |a: T| a.trunc()),
                E::Isnan => one(inputs, out, |a: T| a.is_nan() as u8),
                E::Isinf => one(inputs, out, |a: T| a.is_infinite() as u8),
                E::Isfinite => one(inputs, out, |a: T| a.is_finite() as u8),
                E::Signbit => one(inputs, out, |a: T| a.is_sign_negative() as u8),
                E::Where => three(inputs, out, |c: u8, x: T, y: T| if c != 0 { x } else { y }),
                E::Clip => three(inputs, out, |x: T, low: T, high: T| {
                    let above = if x >= low || x.is_nan() { x } else { low };
                    if above <= high || above.is_nan() { above } else { high }
                }),
                _ => false,
            }
        }
    })* };
}

/// The remainder with the sign of the divisor, as Python's `%`.
macro_rules! floored_remainder {
    ($a:expr, $b:expr) => {{
        let remainder = $a % $b;
        if remainder != 0.0 && ((remainder < 0.0) != ($b < 0.0)) {
            remainder + $b
        } else {
            remainder
        }
    }};
}

float_loops! {
    float_f32: f32, Complex<f32>;
    float_f64: f64, Complex<f64>;
}

macro_rules! complex_loops {
    ($($name:ident: $t:ty);* $(;)?) => { $(for_instruction_sets! {
        fn $name(op, inputs, out) {
            use ElementOp as E;
            type C = Complex<$t>;
            let zero = C::new(0.0, 0.0);
            match op {
                E::Add => two(inputs, out, |a: C, b: C| a + b),
                E::Subtract => two(inputs, out, |a: C, b: C| a - b),
                E::Multiply => two(inputs, out, |a: C, b: C| a * b),
                E::Divide => two(inputs, out, |a: C, b: C| scaled_division(a, b)),
                E::Equal => two(inputs, out, |a: C, b: C| (a == b) as u8),
                E::NotEqual => two(inputs, out, |a: C, b: C| (a != b) as u8),
                E::LogicalAnd => two(inputs, out, |a: C, b: C| (a != zero && b != zero) as u8),
                E::LogicalOr => two(inputs, out, |a: C, b: C| (a != zero || b != zero) as u8),
                E::LogicalXor => two(inputs, out, |a: C, b: C| ((a != zero) != (b != zero)) as u8),
                E::LogicalNot => one(inputs, out, |a: C| (a == zero) as u8),
                E::Negative => one(inputs, out, |a: C| -a),
                E::Positive => one(inputs, out, |a: C| a),
                E::Conjugate => one(inputs, out, |a: C| a.conj()),
                E::Absolute => one(inputs, out, |a: C| a.re.hypot(a.im)),
                E::Real => one(inputs, out, |a: C| a.re),
                E::Imag => one(inputs, out, |a: C| a.im),
                E::Square => one(inputs, out, |a: C| a * a),
                E::Reciprocal => one(inputs, out, |a: C| scaled_division(C::new(1.0, 0.0), a)),
                E::Sqrt => one(inputs, out, |a: C| a.sqrt()),
                E::Exp => one(inputs, out, |a: C| a.exp()),
                E::Log => one(inputs, out, |a: C| a.ln()),
                E::Sin => one(inputs, out, |a: C| a.sin()),
                E::Cos => one(inputs, out, |a: C| a.cos()),
                E::Tan => one(inputs, out, |a: C| a.tan()),
                E::Sinh => one(inputs, out, |a: C| a.sinh()),
                E::Cosh => one(inputs, out, |a: C| a.cosh()),
                E::Tanh => one(inputs, out, |a: C| a.tanh()),
                E::Isnan => one(inputs, out, |a: C| (a.re.is_nan() || a.im.is_nan()) as u8),
                E::Isinf => one(inputs, out, |a: C| (a.re.is_infinite() || a.im.is_infinite()) as u8),
                E::Isfinite => one(inputs, out, |a: C| (a.re.is_finite() && a.im.is_finite()) as u8),
                E::Where => three(inputs, out, |c: u8, x: C, y: C| if c != 0 { x } else { y }),
                _ => false,
            }
        }
    })* };
}

complex_loops! { complex_f32: f32; complex_f64: f64 }

/// Division that does not overflow in the squares: Smith, "Algorithm 116: complex division", CACM
/// 5 (1962), which is NumPy's.
#[inline(always)]
fn scaled_division<T: num_traits::Float>(a: Complex<T>, b: Complex<T>) -> Complex<T> {
    if b.re.abs() >= b.im.abs() {
        if b.re.is_zero() && b.im.is_zero() {
            return Complex::new(a.re / b.re.abs(), a.im / b.re.abs());
        }
        let ratio = b.im / b.re;
        let scale = T::one() / (b.re + b.im * ratio);
        Complex::new((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale)
    } else {
        let ratio = b.re / b.im;
        let scale = T::one() / (b.im + b.re * ratio);
        Complex::new((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale)
    }
}
