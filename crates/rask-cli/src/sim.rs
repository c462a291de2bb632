//! `rask sim`.

use rask_sim::{Settings, StudyCluster, blow_up_shapes, simulate, study};

use crate::CliError;
use crate::options::SimOptions;

/// Between lines that say how far it is.
const SEEDS_A_LINE: u64 = 10_000;

/// Simulates clusters on which everything goes wrong, one a seed; a single seed is traced.
pub fn run(options: &SimOptions) -> Result<(), CliError> {
    if options.study {
        tell_studies(options.first);
        return Ok(());
    }
    let settings = Settings {
        trace: options.seeds == 1,
        ..Settings::with_every_fault()
    };
    let mut failed = Vec::new();
    let mut tasks_run = 0;
    for seed in options.first..options.first.saturating_add(options.seeds) {
        match std::panic::catch_unwind(|| simulate(seed, &settings)) {
            Ok(report) => tasks_run += report.tasks_run,
            Err(_) => failed.push(seed),
        }
        let done = seed - options.first + 1;
        if done.is_multiple_of(SEEDS_A_LINE) {
            println!("{done} seeds, {} failed", failed.len());
        }
    }
    println!(
        "{} seeds from {} on, {tasks_run} tasks run, failed: {failed:?}",
        options.seeds, options.first
    );
    match failed.len() {
        0 => Ok(()),
        count => Err(CliError::Simulation(count)),
    }
}

/// A table of what graphs take, with the durations of tasks drawn from this seed.
fn tell_studies(seed: u64) {
    const MIB: u64 = 1 << 20;
    println!(
        "{:>30} {:>10} {:>10} {:>6} {:>8} {:>8} {:>6}",
        "graph", "peak MiB", "needed", "ratio", "seconds", "needed", "ratio"
    );
    for shape in blow_up_shapes() {
        let studied = study(&shape.layers, &StudyCluster::FOUR_OF_TWO, seed);
        println!(
            "{:>30} {:>10} {:>10} {:>6.2} {:>8.2} {:>8.2} {:>6.2}",
            shape.name,
            studied.peak_bytes / MIB,
            studied.needed_bytes / MIB,
            studied.ratio(),
            studied.report.micros as f64 / 1e6,
            studied.needed_micros as f64 / 1e6,
            studied.time_ratio(),
        );
    }
}
