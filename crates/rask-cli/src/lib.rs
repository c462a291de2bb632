//! The `rask` program: `rask scheduler`, `rask worker`, `rask sim`.
//!
//! The scheduler runs in this process and needs no Python. Workers are Python's: their nannies run
//! plugins of users.

mod options;
mod scheduler;
mod sim;
mod worker;

use clap::Parser;

use options::{Command, Options};

/// What can go wrong before anything runs.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Cluster(#[from] rask_cluster::ClusterError),
    #[error(transparent)]
    Wire(#[from] rask_wire::WireError),
    #[error("cannot read {path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
    #[error("cannot write {path}: {source}")]
    Write {
        path: String,
        source: std::io::Error,
    },
    #[error("cannot start {program}: {source}")]
    Python {
        program: String,
        source: std::io::Error,
    },
    #[error("{0} seeds broke an invariant; `rask sim --first SEED --seeds 1` shows what happens")]
    Simulation(usize),
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs the program; `arguments` begins with its name, `python` is the interpreter that workers
/// run in. Returns the exit code.
pub fn run(arguments: Vec<String>, python: &str) -> i32 {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => {
            // Help and mistakes alike; there is nowhere to report a closed terminal to.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let outcome = match options.command {
        Command::Scheduler(options) => scheduler::run(&options, python),
        Command::Worker(options) => Err(worker::run(&options, python)),
        Command::Sim(options) => sim::run(&options),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("rask: {error}");
            1
        }
    }
}

/// Waits for Ctrl-C, a request to terminate, or until `ended` is.
fn wait_for_end(mut ended: impl FnMut() -> bool) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Signals)?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signals)?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {
                    if ended() {
                        return Ok(());
                    }
                }
            }
        }
    })
}
