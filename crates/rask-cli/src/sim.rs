//! `rask sim`.

use rask_sim::{Settings, Study, StudyCluster, blow_up_shapes, simulate, study};

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
    println!("{:>30} {}", "graph", Study::HEADING);
    for shape in blow_up_shapes() {
        let studied = study(&shape.layers, &StudyCluster::FOUR_OF_TWO, seed);
        println!("{:>30} {studied}", shape.name);
    }
}
