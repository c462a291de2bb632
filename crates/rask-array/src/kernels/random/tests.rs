//! Moments against the distributions' known ones, and independence of the way numbers are made.

use super::Distribution as D;

const COUNT: usize = 200_000;
const KEY: [u64; 2] = [0x0123_4567_89AB_CDEF, 42];

fn sample(distribution: D) -> Vec<f64> {
    let mut out = vec![0.0; COUNT];
    distribution.check().expect("valid parameters");
    distribution.fill_f64(KEY, 5, 1, &mut out);
    out
}

/// Mean and variance within five standard errors (the kurtosis bounded by `kurtosis`).
fn check_moments(distribution: D, mean: f64, variance: f64, kurtosis: f64) {
    let values = sample(distribution);
    let n = COUNT as f64;
    let found_mean = values.iter().sum::<f64>() / n;
    let found_variance = values.iter().map(|x| (x - found_mean).powi(2)).sum::<f64>() / n;
    let mean_error = 5.0 * (variance / n).sqrt();
    let variance_error = 5.0 * variance * ((kurtosis - 1.0) / n).sqrt();
    assert!(
        (found_mean - mean).abs() < mean_error,
        "{distribution:?}: mean {found_mean}"
    );
    assert!(
        (found_variance - variance).abs() < variance_error,
        "{distribution:?}: variance {found_variance}"
    );
}

#[test]
fn continuous_moments() {
    let pi2 = std::f64::consts::PI.powi(2);
    check_moments(
        D::Uniform {
            low: -1.0,
            high: 3.0,
        },
        1.0,
        16.0 / 12.0,
        1.8,
    );
    check_moments(
        D::Normal {
            mean: 2.0,
            deviation: 3.0,
        },
        2.0,
        9.0,
        3.0,
    );
    check_moments(D::Exponential { scale: 2.0 }, 2.0, 4.0, 9.0);
    check_moments(
        D::Laplace {
            location: 1.0,
            scale: 2.0,
        },
        1.0,
        8.0,
        6.0,
    );
    check_moments(
        D::Logistic {
            location: 1.0,
            scale: 2.0,
        },
        1.0,
        4.0 * pi2 / 3.0,
        4.2,
    );
    check_moments(
        D::Gumbel {
            location: 0.0,
            scale: 1.0,
        },
        0.577_215_664_9,
        pi2 / 6.0,
        5.4,
    );
    check_moments(
        D::Rayleigh { scale: 1.0 },
        (pi2.sqrt() / 2.0).sqrt(),
        2.0 - pi2.sqrt() / 2.0,
        3.3,
    );
    check_moments(
        D::Triangular {
            left: 0.0,
            mode: 1.0,
            right: 3.0,
        },
        4.0 / 3.0,
        7.0 / 18.0,
        2.4,
    );
    check_moments(D::Power { shape: 2.0 }, 2.0 / 3.0, 1.0 / 18.0, 2.4);
    check_moments(D::Weibull { shape: 1.0 }, 1.0, 1.0, 9.0);
    check_moments(
        D::Pareto { shape: 9.0 },
        1.0 / 8.0,
        9.0 / (64.0 * 7.0),
        16.0,
    );
    for shape in [0.4, 1.0, 7.5] {
        check_moments(
            D::Gamma { shape, scale: 2.0 },
            2.0 * shape,
            4.0 * shape,
            3.0 + 6.0 / shape,
        );
    }
    for (a, b) in [(0.5_f64, 0.7_f64), (2.0, 5.0)] {
        let variance = a * b / ((a + b).powi(2) * (a + b + 1.0));
        check_moments(D::Beta { a, b }, a / (a + b), variance, 3.5);
    }
    check_moments(D::StandardT { degrees: 12.0 }, 0.0, 1.2, 3.75);
    check_moments(
        D::F {
            numerator: 5.0,
            denominator: 30.0,
        },
        30.0 / 28.0,
        0.583_2,
        9.0,
    );
    check_moments(
        D::Wald {
            mean: 1.0,
            scale: 3.0,
        },
        1.0,
        1.0 / 3.0,
        8.0,
    );
    check_moments(
        D::VonMises {
            mean: 0.0,
            concentration: 50.0,
        },
        0.0,
        0.020_2,
        3.1,
    );
}

#[test]
fn discrete_moments() {
    check_moments(D::Integers { low: -5, span: 11 }, 0.0, 10.0, 1.8);
    for rate in [0.5, 4.0, 40.0, 4_000.0] {
        check_moments(D::Poisson { rate }, rate, rate, 3.0 + 1.0 / rate);
    }
    for (trials, probability) in [(10, 0.3), (1_000, 0.02), (1_000, 0.7), (50, 0.5)] {
        let (n, p) = (trials as f64, probability);
        let variance = n * p * (1.0 - p);
        let distribution = D::Binomial {
            trials,
            probability,
        };
        check_moments(distribution, n * p, variance, 3.0 + 1.0 / variance);
    }
    check_moments(
        D::NegativeBinomial {
            successes: 3.0,
            probability: 0.25,
        },
        9.0,
        36.0,
        5.1,
    );
    check_moments(D::Geometric { probability: 0.2 }, 5.0, 20.0, 9.1);
    check_moments(D::LogSeries { probability: 0.6 }, 1.637_0, 1.412_8, 20.0);
    check_moments(D::Zipf { exponent: 7.0 }, 1.008_9, 0.010_0, 400.0);
}

#[test]
fn any_slice_alone() {
    for distribution in [
        D::Normal {
            mean: 0.0,
            deviation: 1.0,
        },
        D::Uniform {
            low: 0.0,
            high: 1.0,
        },
        D::Gamma {
            shape: 2.0,
            scale: 1.0,
        },
        D::Poisson { rate: 3.0 },
        D::Cauchy,
    ] {
        let mut whole = vec![0.0; 4_000];
        distribution.fill_f64(KEY, 0, 1, &mut whole);
        let mut part = vec![0.0; 1_300];
        distribution.fill_f64(KEY, 7, 3, &mut part);
        let expected = whole.iter().skip(7).step_by(3).take(1_300);
        assert!(
            part.iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs())
        );
    }
}

#[test]
fn neighbours_are_not_correlated() {
    let values = sample(D::Normal {
        mean: 0.0,
        deviation: 1.0,
    });
    for lag in [1, 2, 4, 512] {
        let products = values.iter().zip(&values[lag..]).map(|(a, b)| a * b);
        let correlation = products.sum::<f64>() / (COUNT - lag) as f64;
        assert!(
            correlation.abs() < 5.0 / (COUNT as f64).sqrt(),
            "lag {lag}: {correlation}"
        );
    }
}

#[test]
fn uniforms_fill_the_interval_evenly() {
    let mut values = sample(D::Uniform {
        low: 0.0,
        high: 1.0,
    });
    values.sort_by(f64::total_cmp);
    let n = COUNT as f64;
    let distance = values
        .iter()
        .enumerate()
        .map(|(i, x)| (x - i as f64 / n).abs());
    // Kolmogorov and Smirnov's statistic; 1.95 / sqrt(n) is passed with probability 0.999.
    assert!(distance.fold(0.0, f64::max) < 1.95 / n.sqrt());
}

#[test]
fn integers_stay_inside() {
    let mut out = vec![0; 10_000];
    D::Integers { low: -3, span: 7 }.fill_i64(KEY, 0, 1, &mut out);
    assert!((-3..=3).all(|value| out.contains(&value)));
    assert!(out.iter().all(|value| (-3..=3).contains(value)));
}

#[test]
fn bad_parameters_are_refused() {
    let error = D::Normal {
        mean: 0.0,
        deviation: -1.0,
    }
    .check()
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "ValueError: scale must be at least 0, not -1"
    );
    assert!(
        D::Binomial {
            trials: 3,
            probability: 1.5
        }
        .check()
        .is_err()
    );
    assert!(D::Zipf { exponent: 1.0 }.check().is_err());
}
