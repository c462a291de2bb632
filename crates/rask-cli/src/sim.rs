//! `rask sim`.

use rask_sim::{Settings, simulate};

use crate::CliError;
use crate::options::SimOptions;

/// Between lines that say how far it is.
const SEEDS_A_LINE: u64 = 10_000;

/// Simulates clusters on which everything goes wrong, one a seed; a single seed is traced.
pub fn run(options: &SimOptions) -> Result<(), CliError> {
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
