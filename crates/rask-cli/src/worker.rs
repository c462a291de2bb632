//! `rask worker`: nannies are Python's, since they run plugins of users.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::CliError;
use crate::options::WorkerOptions;

/// Becomes the Python program; returns if that cannot be started.
pub fn run(options: &WorkerOptions, python: &str) -> CliError {
    let error = Command::new(python)
        .args(["-m", "rask.distributed._worker_cli"])
        .args(&options.arguments)
        .exec();
    CliError::Python {
        program: python.to_owned(),
        source: error,
    }
}
