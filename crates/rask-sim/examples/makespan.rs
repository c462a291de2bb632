//! How long graphs of the usual shapes take in virtual time, of what they take at least: the longest
//! chain of their tasks, or all their work spread evenly over all threads.
//!
//! Usage: `cargo run --release -p rask-sim --example makespan -- [SHAPE] [TASKS] [WORKERS]`
//! SHAPE: map, tree, stencil, shuffle, random. Without arguments: all shapes, small ones.

use rask_sim::usual_shapes::{map, random, shuffle, stencil, tree};
use rask_sim::{Cost, StudyCluster, StudyLayer, study};

/// Values of 1 MB, moved at 1 GB/s.
const BYTES: u64 = 1_000_000;
const BYTES_PER_SECOND: u64 = 1_000_000_000;
const LATENCY_MICROS: u64 = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!(
        "{:>8} {:>8} {:>8} {:>10} {:>12} {:>12} {:>6}",
        "shape", "tasks", "workers", "µs a task", "least ms", "took ms", "ratio"
    );
    if let [shape, numbers @ ..] = &arguments[..] {
        let number = |at: usize, usual: u32| {
            let given = numbers.get(at).map(|text| text.parse());
            given
                .unwrap_or(Ok(usual))
                .expect("numbers of tasks and workers")
        };
        return show_large(shape, number(0, 100_000), number(1, 1_000));
    }
    for micros in [1_000, 10_000, 100_000] {
        let cost = Cost {
            bytes: BYTES,
            micros,
        };
        for workers in [8, 64] {
            let width = workers * 8;
            show("map", &map(cost, width * 4), workers);
            show("tree", &tree(cost, width * 4), workers);
            show("stencil", &stencil(cost, width, 10), workers);
            show("shuffle", &shuffle(cost, width / 2), workers);
            show("random", &random(cost, width, 10, 7), workers);
        }
    }
}

/// One graph of about so many tasks, once.
fn show_large(shape: &str, tasks: u32, workers: u32) {
    const STEPS: u32 = 20;
    let cost = Cost {
        bytes: BYTES,
        micros: 100_000,
    };
    let layers = match shape {
        "map" => map(cost, tasks / 2),
        "tree" => tree(cost, tasks / 2),
        "stencil" => stencil(cost, tasks / STEPS, STEPS),
        "shuffle" => shuffle(cost, tasks / 2),
        "random" => random(cost, tasks / STEPS, STEPS, 7),
        other => panic!("no shape is named {other:?}"),
    };
    let started = std::time::Instant::now();
    show_seeds(shape, &layers, workers, 1);
    println!("in {:.1} s", started.elapsed().as_secs_f64());
}

fn show(shape: &str, layers: &[StudyLayer], workers: u32) {
    show_seeds(shape, layers, workers, 3);
}

/// The one of these in the middle.
fn show_seeds(shape: &str, layers: &[StudyLayer], workers: u32, seeds: u64) {
    let cluster = StudyCluster {
        workers,
        threads: 2,
        budget_bytes: None,
        latency_micros: LATENCY_MICROS,
        bytes_per_second: BYTES_PER_SECOND,
        spread_percent: 20,
        declares_sizes: false,
    };
    let studies = (0..seeds).map(|seed| study(layers, &cluster, seed));
    let mut studies: Vec<_> = studies.collect();
    studies.sort_by(|left, right| left.bound_ratio().total_cmp(&right.bound_ratio()));
    let middle = &studies[studies.len() / 2];
    println!(
        "{shape:>8} {:>8} {workers:>8} {:>10} {:>12.1} {:>12.1} {:>6.2}",
        middle.report.tasks_run,
        layers[0].cost.micros,
        middle.least_micros as f64 / 1e3,
        middle.report.computed_micros as f64 / 1e3,
        middle.bound_ratio()
    );
}
