//! Methods that draw a varying number of uniform variates for one value.

use std::f64::consts::PI;

use super::normal::{normal, open_uniform};
use super::philox::ElementStream;

fn uniform(stream: &mut ElementStream) -> f64 {
    open_uniform(stream.next_word())
}

/// A gamma variate of unit scale. Marsaglia and Tsang, "A simple method for generating gamma
/// variables", ACM TOMS 26 (2000); shapes below one by their remark on boosting.
pub fn gamma(stream: &mut ElementStream, shape: f64) -> f64 {
    if shape == 0.0 {
        return 0.0;
    }
    if shape < 1.0 {
        let boost = uniform(stream).powf(1.0 / shape);
        return gamma(stream, shape + 1.0) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = normal(stream.next_word());
        let v = 1.0 + c * z;
        if v <= 0.0 {
            continue;
        }
        let v = v * v * v;
        let u = uniform(stream);
        if u.ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A beta variate as a ratio of gamma variates; small parameters by Jöhnk's method, "Erzeugung von
/// betaverteilten und gammaverteilten Zufallszahlen", Metrika 8 (1964), in logarithms.
pub fn beta(stream: &mut ElementStream, a: f64, b: f64) -> f64 {
    if a > 1.0 || b > 1.0 {
        let x = gamma(stream, a);
        return x / (x + gamma(stream, b));
    }
    loop {
        let (log_x, log_y) = (uniform(stream).ln() / a, uniform(stream).ln() / b);
        let larger = log_x.max(log_y);
        let log_sum = larger + ((log_x - larger).exp() + (log_y - larger).exp()).ln();
        if log_sum <= 0.0 {
            return (log_x - log_sum).exp();
        }
    }
}

/// Michael, Schucany and Haas, "Generating random variates using transformations with multiple
/// roots", The American Statistician 30 (1976).
pub fn wald(stream: &mut ElementStream, mean: f64, scale: f64) -> f64 {
    let z = normal(stream.next_word());
    let y = mean * z * z;
    let root = (4.0 * scale * y + y * y).sqrt();
    let x = mean + mean / (2.0 * scale) * (y - root);
    if uniform(stream) <= mean / (mean + x) {
        x
    } else {
        mean * mean / x
    }
}

/// Best and Fisher, "Efficient simulation of the von Mises distribution", Applied Statistics 28
/// (1979).
pub fn von_mises(stream: &mut ElementStream, mean: f64, concentration: f64) -> f64 {
    if concentration < 1e-8 {
        return wrap(mean + PI * (2.0 * uniform(stream) - 1.0));
    }
    let tau = 1.0 + (1.0 + 4.0 * concentration * concentration).sqrt();
    let rho = (tau - (2.0 * tau).sqrt()) / (2.0 * concentration);
    let r = (1.0 + rho * rho) / (2.0 * rho);
    loop {
        let z = (PI * uniform(stream)).cos();
        let f = (1.0 + r * z) / (r + z);
        let c = concentration * (r - f);
        let u = uniform(stream);
        if c * (2.0 - c) > u || (c / u).ln() + 1.0 >= c {
            let angle = f.clamp(-1.0, 1.0).acos();
            return wrap(mean + if uniform(stream) < 0.5 { -angle } else { angle });
        }
    }
}

/// The angle in [-π, π].
fn wrap(angle: f64) -> f64 {
    (angle + PI).rem_euclid(2.0 * PI) - PI
}

/// Poisson variates: by multiplication for small rates; else Hörmann, "The transformed rejection
/// method for generating Poisson random variables", Insurance: Mathematics and Economics 12
/// (1993), algorithm PTRS.
pub fn poisson(stream: &mut ElementStream, rate: f64) -> f64 {
    if rate < 10.0 {
        let limit = (-rate).exp();
        let mut product = uniform(stream);
        let mut count = 0.0;
        while product > limit {
            product *= uniform(stream);
            count += 1.0;
        }
        return count;
    }
    let b = 0.931 + 2.53 * rate.sqrt();
    let a = -0.059 + 0.024_83 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = uniform(stream) - 0.5;
        let v = uniform(stream);
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + rate + 0.43).floor();
        if us >= 0.07 && v <= v_r {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let accept = v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln();
        if accept <= k * rate.ln() - rate - log_factorial(k) {
            return k;
        }
    }
}

/// Binomial variates: by inversion for small means; else Hörmann, "The generation of binomial
/// random variates", Journal of Statistical Computation and Simulation 46 (1993), algorithm BTRS.
pub fn binomial(stream: &mut ElementStream, trials: u64, probability: f64) -> f64 {
    if probability > 0.5 {
        return trials as f64 - binomial(stream, trials, 1.0 - probability);
    }
    let n = trials as f64;
    if n * probability < 10.0 {
        return binomial_by_inversion(stream, n, probability);
    }
    let spq = (n * probability * (1.0 - probability)).sqrt();
    let b = 1.15 + 2.53 * spq;
    let a = -0.0873 + 0.0248 * b + 0.01 * probability;
    let c = n * probability + 0.5;
    let v_r = 0.92 - 4.2 / b;
    let alpha = (2.83 + 5.1 / b) * spq;
    let log_odds = (probability / (1.0 - probability)).ln();
    let mode = ((n + 1.0) * probability).floor();
    let h = log_factorial(mode) + log_factorial(n - mode);
    loop {
        let u = uniform(stream) - 0.5;
        let v = uniform(stream);
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + c).floor();
        if us >= 0.07 && v <= v_r {
            return k;
        }
        if k < 0.0 || k > n {
            continue;
        }
        let accept = (v * alpha / (a / (us * us) + b)).ln();
        if accept <= h - log_factorial(k) - log_factorial(n - k) + (k - mode) * log_odds {
            return k;
        }
    }
}

/// Counts the successes by the geometric gaps between them.
fn binomial_by_inversion(stream: &mut ElementStream, n: f64, probability: f64) -> f64 {
    if probability == 0.0 {
        return 0.0;
    }
    let log_failure = (-probability).ln_1p();
    let (mut position, mut count) = (0.0, 0.0);
    loop {
        position += (uniform(stream).ln() / log_failure).ceil().max(1.0);
        if position > n {
            return count;
        }
        count += 1.0;
    }
}

/// Devroye, "Non-uniform random variate generation" (1986), chapter X.6.
pub fn zipf(stream: &mut ElementStream, exponent: f64) -> f64 {
    let am1 = exponent - 1.0;
    let b = 2.0_f64.powf(am1);
    loop {
        let x = uniform(stream).powf(-1.0 / am1).floor();
        if x >= i64::MAX as f64 {
            continue;
        }
        let t = (1.0 + 1.0 / x).powf(am1);
        if uniform(stream) * x * (t - 1.0) / (b - 1.0) <= t / b {
            return x;
        }
    }
}

/// Kemp, "Efficient generation of logarithmically distributed pseudo-random variables", Applied
/// Statistics 30 (1981), algorithm LS.
pub fn log_series(stream: &mut ElementStream, probability: f64) -> f64 {
    if probability == 0.0 {
        return 1.0;
    }
    let r = (-probability).ln_1p();
    let v = uniform(stream);
    if v >= probability {
        return 1.0;
    }
    let q = -(r * uniform(stream)).exp_m1();
    if v <= q * q {
        return (1.0 + v.ln() / q.ln()).floor().max(1.0);
    }
    if v >= q { 1.0 } else { 2.0 }
}

/// ln(k!): exact sums for small k, Stirling's series for large.
fn log_factorial(k: f64) -> f64 {
    if k < 16.0 {
        return (2..=k as u32).map(|i| f64::from(i).ln()).sum();
    }
    let x = k + 1.0;
    let inverse = 1.0 / (x * x);
    let series =
        (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series
}
