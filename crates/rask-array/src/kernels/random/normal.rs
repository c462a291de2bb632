//! Normal variates from uniform ones by the inverse of the distribution function.
//!
//! Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied
//! Statistics 37 (1988), routine PPND16; relative accuracy about 1e-16. One uniform gives one
//! normal, so that any element can be made alone.

use crate::kernels::elementwise::math::log;

const SPLIT_CENTRE: f64 = 0.425;
const CENTRE: f64 = 0.180_625;
const SPLIT_TAIL: f64 = 5.0;

const A: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const B: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_545e3,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_7e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const F: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[inline(always)]
fn horner(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, &coefficient| sum * x + coefficient)
}

/// A word as a uniform variate strictly between 0 and 1.
#[inline(always)]
pub fn open_uniform(word: u64) -> f64 {
    ((word >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
}

/// The value below which a standard normal variate lies with probability 1/2 + `q`, for `q` near
/// the centre.
#[inline(always)]
fn centre(q: f64) -> f64 {
    let r = CENTRE - q * q;
    q * horner(&A, r) / horner(&B, r)
}

/// The same for the tails.
fn tail(q: f64) -> f64 {
    tail_of(if q < 0.0 { 0.5 + q } else { 0.5 - q }, q < 0.0)
}

/// The value beyond which a variate lies with the small probability `p`.
fn tail_of(p: f64, negative: bool) -> f64 {
    let r = (-p.ln()).sqrt();
    let magnitude = if r <= SPLIT_TAIL {
        horner(&C, r - 1.6) / horner(&D, r - 1.6)
    } else {
        horner(&E, r - SPLIT_TAIL) / horner(&F, r - SPLIT_TAIL)
    };
    if negative { -magnitude } else { magnitude }
}

/// One standard normal variate of a word.
#[inline]
pub fn normal(word: u64) -> f64 {
    let q = open_uniform(word) - 0.5;
    if q.abs() <= SPLIT_CENTRE {
        centre(q)
    } else {
        tail(q)
    }
}

/// Words that are turned into normals at a time: their tails are collected on the stack.
const TILE: usize = 512;

/// Below this the tail's second rational function is needed: exp(-25).
const FAR_TAIL: f64 = 1.388_794_386_496_402e-11;

/// Standard normal variates of words.
pub fn fill_normal(words: &[u64], out: &mut [f64]) {
    for (words, out) in words.chunks(TILE).zip(out.chunks_mut(TILE)) {
        fill_tile(words, out);
    }
}

/// Every loop is free of branches, so that it vectorises: the centre's rational function for all
/// words, then the 15 % in the tails, collected, for themselves.
#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512dq+avx512vl",
    "x86_64+avx+avx2+fma"
))]
fn fill_tile(words: &[u64], out: &mut [f64]) {
    for (value, &word) in out.iter_mut().zip(words) {
        *value = centre(open_uniform(word) - 0.5);
    }
    let mut places = [0_u16; TILE];
    let mut count = 0;
    for (place, &word) in words.iter().enumerate() {
        places[count] = place as u16;
        count += usize::from((open_uniform(word) - 0.5).abs() > SPLIT_CENTRE);
    }
    let mut uniforms = [0.0; TILE];
    let mut values = [0.0; TILE];
    for (uniform, &place) in uniforms.iter_mut().zip(&places[..count]) {
        *uniform = open_uniform(words[place as usize]);
    }
    for (value, &u) in values[..count].iter_mut().zip(&uniforms[..count]) {
        let p = if u < 0.5 { u } else { 1.0 - u };
        let r = (-log(p)).sqrt() - 1.6;
        let magnitude = horner(&C, r) / horner(&D, r);
        *value = if u < 0.5 { -magnitude } else { magnitude };
    }
    for ((&place, &value), &u) in places[..count].iter().zip(&values).zip(&uniforms) {
        let far = u < FAR_TAIL || 1.0 - u < FAR_TAIL;
        out[place as usize] = if far { tail(u - 0.5) } else { value };
    }
}

#[cfg(test)]
mod tests {
    use super::{centre, fill_normal, normal, tail_of};

    #[test]
    fn quantiles() {
        // scipy.stats.norm.ppf
        for (p, expected) in [
            (0.5, 0.0),
            (0.9, 1.281_551_565_544_600_5),
            (0.025, -1.959_963_984_540_054),
            (1e-10, -6.361_340_902_404_056),
            (1e-300, -37.047_096_299_361_2),
        ] {
            let found = if f64::abs(p - 0.5) <= 0.425 {
                centre(p - 0.5)
            } else {
                tail_of(p, p < 0.5)
            };
            assert!(
                (found - expected).abs() < 1e-13 * expected.abs().max(1.0),
                "{p}: {found}"
            );
        }
    }

    #[test]
    fn far_tails_of_filled_values() {
        let words = [0, u64::MAX, 1 << 13, 1 << 40];
        let mut out = [0.0; 4];
        fill_normal(&words, &mut out);
        assert!(out[0] < -8.0 && out[1] > 8.0);
        for (value, word) in out.iter().zip(words) {
            assert!((value - normal(word)).abs() <= 1e-13 * value.abs());
        }
    }

    #[test]
    fn filled_equals_single() {
        let words: Vec<u64> = (0..1000_u64)
            .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .collect();
        let mut out = vec![0.0; words.len()];
        fill_normal(&words, &mut out);
        for (value, &word) in out.iter().zip(&words) {
            assert!((value - normal(word)).abs() <= 1e-14 * value.abs());
        }
    }
}
