//! Distributions: element `i` of an array is a function of the key and of `i` alone.

use serde::{Deserialize, Serialize};

use super::normal::{fill_normal, normal, open_uniform};
use super::philox::{ElementStream, Key, fill_words, word_at};
use super::rejection;

/// A distribution with its parameters, named as in `numpy.random`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Distribution {
    /// `low + (high - low) * u`, `u` in [0, 1).
    Uniform {
        low: f64,
        high: f64,
    },
    Normal {
        mean: f64,
        deviation: f64,
    },
    Lognormal {
        mean: f64,
        deviation: f64,
    },
    Exponential {
        scale: f64,
    },
    Laplace {
        location: f64,
        scale: f64,
    },
    Logistic {
        location: f64,
        scale: f64,
    },
    Gumbel {
        location: f64,
        scale: f64,
    },
    Rayleigh {
        scale: f64,
    },
    Weibull {
        shape: f64,
    },
    Pareto {
        shape: f64,
    },
    Power {
        shape: f64,
    },
    Triangular {
        left: f64,
        mode: f64,
        right: f64,
    },
    Cauchy,
    Gamma {
        shape: f64,
        scale: f64,
    },
    Beta {
        a: f64,
        b: f64,
    },
    StandardT {
        degrees: f64,
    },
    F {
        numerator: f64,
        denominator: f64,
    },
    Wald {
        mean: f64,
        scale: f64,
    },
    VonMises {
        mean: f64,
        concentration: f64,
    },
    /// Integers from `low`, `span` of them; `span == 0` means all 2^64.
    Integers {
        low: i64,
        span: u64,
    },
    Poisson {
        rate: f64,
    },
    Binomial {
        trials: u64,
        probability: f64,
    },
    NegativeBinomial {
        successes: f64,
        probability: f64,
    },
    Geometric {
        probability: f64,
    },
    Zipf {
        exponent: f64,
    },
    LogSeries {
        probability: f64,
    },
}

/// Parameters outside a distribution's range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ValueError: {name} must be {range}, not {value}")]
pub struct ParameterError {
    pub name: &'static str,
    pub range: &'static str,
    pub value: String,
}

/// How many elements are made at a time: their words and values stay in the L1 cache.
const TILE: usize = 512;

impl Distribution {
    /// Whether values are integers; they are exact as `i64`.
    pub fn is_discrete(&self) -> bool {
        use Distribution as D;
        matches!(
            self,
            D::Integers { .. }
                | D::Poisson { .. }
                | D::Binomial { .. }
                | D::NegativeBinomial { .. }
                | D::Geometric { .. }
                | D::Zipf { .. }
                | D::LogSeries { .. }
        )
    }

    /// Checks the parameters as NumPy does.
    pub fn check(&self) -> Result<(), ParameterError> {
        use Distribution as D;
        match *self {
            D::Normal { deviation, .. } | D::Lognormal { deviation, .. } => {
                not_negative("scale", deviation)
            }
            D::Exponential { scale }
            | D::Laplace { scale, .. }
            | D::Logistic { scale, .. }
            | D::Gumbel { scale, .. }
            | D::Rayleigh { scale } => not_negative("scale", scale),
            D::Weibull { shape } => not_negative("a", shape),
            D::Pareto { shape } | D::Power { shape } => positive("a", shape),
            D::Gamma { shape, scale } => {
                not_negative("shape", shape).and(not_negative("scale", scale))
            }
            D::Beta { a, b } => positive("a", a).and(positive("b", b)),
            D::StandardT { degrees } => positive("df", degrees),
            D::F {
                numerator,
                denominator,
            } => positive("dfnum", numerator).and(positive("dfden", denominator)),
            D::Wald { mean, scale } => positive("mean", mean).and(positive("scale", scale)),
            D::VonMises { concentration, .. } => not_negative("kappa", concentration),
            D::Poisson { rate } => not_negative("lam", rate),
            D::Binomial { probability, .. } => in_range("p", probability, 0.0..=1.0, "in [0, 1]"),
            D::NegativeBinomial {
                successes,
                probability,
            } => positive("n", successes).and(in_range(
                "p",
                probability,
                f64::MIN_POSITIVE..=1.0,
                "in (0, 1]",
            )),
            D::Geometric { probability } => {
                in_range("p", probability, f64::MIN_POSITIVE..=1.0, "in (0, 1]")
            }
            D::Zipf { exponent } => in_range(
                "a",
                exponent,
                1.0 + f64::EPSILON..=f64::MAX,
                "greater than 1",
            ),
            D::LogSeries { probability } => in_range(
                "p",
                probability,
                0.0..=1.0 - f64::EPSILON / 2.0,
                "in [0, 1)",
            ),
            D::Triangular { left, mode, right } => {
                let ordered = left <= mode && mode <= right && left < right;
                let shown = || format!("{left}, {mode}, {right}");
                check(
                    "left, mode, right",
                    ordered,
                    "in this order and not all equal",
                    shown,
                )
            }
            D::Uniform { .. } | D::Cauchy | D::Integers { .. } => Ok(()),
        }
    }

    /// Elements `start, start + step, …` of the array.
    pub fn fill_f64(&self, key: Key, start: u64, step: u64, out: &mut [f64]) {
        match *self {
            Distribution::Normal { mean, deviation } => {
                fill_normals(key, start, step, out);
                for value in out {
                    *value = mean + deviation * *value;
                }
            }
            Distribution::Uniform { low, high } => {
                let scale = high - low;
                map_words(key, start, step, out, |word| {
                    low + scale * half_open_uniform(word)
                });
            }
            Distribution::Integers { low, span } => {
                map_words(key, start, step, out, |word| {
                    integer(word, low, span) as f64
                });
            }
            _ if self.is_by_inversion() => {
                map_words(key, start, step, out, |word| {
                    self.invert(open_uniform(word), word)
                });
            }
            _ => each_index(start, step, out, |index| self.draw(key, index)),
        }
    }

    /// Elements `start, start + step, …` of an array of integers.
    pub fn fill_i64(&self, key: Key, start: u64, step: u64, out: &mut [i64]) {
        match *self {
            Distribution::Integers { low, span } => {
                map_words(key, start, step, out, |word| integer(word, low, span));
            }
            _ if self.is_by_inversion() => {
                map_words(key, start, step, out, |word| {
                    self.invert(open_uniform(word), word) as i64
                });
            }
            _ => each_index(start, step, out, |index| self.draw(key, index) as i64),
        }
    }

    /// Whether one uniform variate gives one value, by the inverse of the distribution function.
    fn is_by_inversion(&self) -> bool {
        use Distribution as D;
        matches!(
            self,
            D::Lognormal { .. }
                | D::Exponential { .. }
                | D::Laplace { .. }
                | D::Logistic { .. }
                | D::Gumbel { .. }
                | D::Rayleigh { .. }
                | D::Weibull { .. }
                | D::Pareto { .. }
                | D::Power { .. }
                | D::Triangular { .. }
                | D::Cauchy
                | D::Geometric { .. }
        )
    }

    fn invert(&self, u: f64, word: u64) -> f64 {
        use Distribution as D;
        match *self {
            D::Lognormal { mean, deviation } => (mean + deviation * normal(word)).exp(),
            D::Exponential { scale } => -scale * u.ln(),
            D::Laplace { location, scale } if u < 0.5 => location + scale * (2.0 * u).ln(),
            D::Laplace { location, scale } => location - scale * (2.0 - 2.0 * u).ln(),
            D::Logistic { location, scale } => location + scale * (u / (1.0 - u)).ln(),
            D::Gumbel { location, scale } => location - scale * (-u.ln()).ln(),
            D::Rayleigh { scale } => scale * (-2.0 * u.ln()).sqrt(),
            D::Weibull { shape: 0.0 } => 0.0,
            D::Weibull { shape } => (-u.ln()).powf(1.0 / shape),
            D::Pareto { shape } => (-u.ln() / shape).exp_m1(),
            D::Power { shape } => u.powf(1.0 / shape),
            D::Triangular { left, mode, right } => triangular(u, left, mode, right),
            D::Cauchy => (std::f64::consts::PI * (u - 0.5)).tan(),
            D::Geometric { probability } => (u.ln() / (-probability).ln_1p())
                .ceil()
                .max(1.0)
                .min(i64::MAX as f64),
            _ => f64::NAN,
        }
    }

    /// One value by a method that draws a varying number of words.
    fn draw(&self, key: Key, index: u64) -> f64 {
        use Distribution as D;
        let stream = &mut ElementStream::new(key, index);
        match *self {
            D::Gamma { shape, scale } => scale * rejection::gamma(stream, shape),
            D::Beta { a, b } => rejection::beta(stream, a, b),
            D::StandardT { degrees } => {
                let z = normal(stream.next_word());
                z / (2.0 * rejection::gamma(stream, degrees / 2.0) / degrees).sqrt()
            }
            D::F {
                numerator,
                denominator,
            } => {
                let above = rejection::gamma(stream, numerator / 2.0) / numerator;
                above / (rejection::gamma(stream, denominator / 2.0) / denominator)
            }
            D::Wald { mean, scale } => rejection::wald(stream, mean, scale),
            D::VonMises {
                mean,
                concentration,
            } => rejection::von_mises(stream, mean, concentration),
            D::Poisson { rate } => rejection::poisson(stream, rate),
            D::Binomial {
                trials,
                probability,
            } => rejection::binomial(stream, trials, probability),
            D::NegativeBinomial {
                successes,
                probability,
            } => {
                let odds = (1.0 - probability) / probability;
                let rate = odds * rejection::gamma(stream, successes);
                rejection::poisson(stream, rate)
            }
            D::Zipf { exponent } => rejection::zipf(stream, exponent),
            D::LogSeries { probability } => rejection::log_series(stream, probability),
            _ => self.invert(open_uniform(word_at(key, index)), word_at(key, index)),
        }
    }
}

/// A word as a uniform variate in [0, 1), with 53 bits as NumPy's.
#[inline(always)]
pub fn half_open_uniform(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// An integer of the `span` from `low` on (any integer for a span of 0). The bias of this
/// multiplication is below 2^-64 times the span for each value; unlike a method that rejects, it
/// needs exactly one word.
#[inline(always)]
fn integer(word: u64, low: i64, span: u64) -> i64 {
    let above = if span == 0 {
        word
    } else {
        ((u128::from(word) * u128::from(span)) >> 64) as u64
    };
    low.wrapping_add(above as i64)
}

fn triangular(u: f64, left: f64, mode: f64, right: f64) -> f64 {
    let base = right - left;
    if u <= (mode - left) / base {
        left + (u * base * (mode - left)).sqrt()
    } else {
        right - ((1.0 - u) * base * (right - mode)).sqrt()
    }
}

fn fill_normals(key: Key, start: u64, step: u64, out: &mut [f64]) {
    let mut words = [0; TILE];
    let mut index = start;
    for tile in out.chunks_mut(TILE) {
        let words = &mut words[..tile.len()];
        fill_words(key, index, step, words);
        fill_normal(words, tile);
        index = index.wrapping_add(step.wrapping_mul(tile.len() as u64));
    }
}

#[inline(always)]
fn map_words<T>(key: Key, start: u64, step: u64, out: &mut [T], map: impl Fn(u64) -> T) {
    let mut words = [0; TILE];
    let mut index = start;
    for tile in out.chunks_mut(TILE) {
        let words = &mut words[..tile.len()];
        fill_words(key, index, step, words);
        for (value, &word) in tile.iter_mut().zip(&*words) {
            *value = map(word);
        }
        index = index.wrapping_add(step.wrapping_mul(tile.len() as u64));
    }
}

fn each_index<T>(start: u64, step: u64, out: &mut [T], make: impl Fn(u64) -> T) {
    for (offset, value) in out.iter_mut().enumerate() {
        *value = make(start.wrapping_add(step.wrapping_mul(offset as u64)));
    }
}

fn positive(name: &'static str, value: f64) -> Result<(), ParameterError> {
    check(name, value > 0.0, "greater than 0", || value.to_string())
}

fn not_negative(name: &'static str, value: f64) -> Result<(), ParameterError> {
    check(name, value >= 0.0, "at least 0", || value.to_string())
}

fn in_range(
    name: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    shown: &'static str,
) -> Result<(), ParameterError> {
    check(name, range.contains(&value), shown, || value.to_string())
}

fn check(
    name: &'static str,
    holds: bool,
    range: &'static str,
    value: impl Fn() -> String,
) -> Result<(), ParameterError> {
    if holds {
        Ok(())
    } else {
        Err(ParameterError {
            name,
            range,
            value: value(),
        })
    }
}
