//! How long normals take: `cargo run --release -p rask-array --example normals`.

use std::time::Instant;

use rask_array::kernels::random::Distribution;

fn main() {
    let mut out = vec![0.0; 1 << 16];
    for (name, distribution) in [
        (
            "uniform",
            Distribution::Uniform {
                low: 0.0,
                high: 1.0,
            },
        ),
        (
            "normal",
            Distribution::Normal {
                mean: 0.0,
                deviation: 1.0,
            },
        ),
        ("exponential", Distribution::Exponential { scale: 1.0 }),
        (
            "gamma",
            Distribution::Gamma {
                shape: 2.0,
                scale: 1.0,
            },
        ),
    ] {
        for step in [1, 2] {
            let start = Instant::now();
            let rounds = 200;
            let mut sum = 0.0;
            for round in 0..rounds {
                distribution.fill_f64([1, 2], round << 17, step, &mut out);
                sum += out[7];
            }
            let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
            let each = nanoseconds / (rounds as f64 * out.len() as f64);
            println!("{name:12} step {step}: {each:5.2} ns an element ({sum:.3})");
        }
    }
}
