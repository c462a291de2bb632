//! `rask worker`.

use std::time::Duration;

use rask_cluster::supervisor::{Supervisor, WorkerCommand};
use rask_wire::{Address, Security};

use crate::options::{WorkerOptions, read};
use crate::{CliError, wait_for_end};

/// For workers to end by themselves.
const GRACE: Duration = Duration::from_secs(5);

pub fn run(options: &WorkerOptions, python: &str) -> Result<(), CliError> {
    let address: Address = find_address(options)?.parse()?;
    let security = options.secrets.try_security()?;
    let workers = (0..options.nworkers.max(1))
        .map(|number| {
            let command = worker_command(options, &address, &security, (python, number));
            Supervisor::start(command, !options.no_nanny)
        })
        .collect::<Result<Vec<_>, _>>()?;
    wait_for_end(|| workers.iter().all(|worker| worker.wait(Duration::ZERO)))?;
    workers.iter().for_each(Supervisor::stop);
    for worker in &workers {
        worker.wait(GRACE);
    }
    Ok(())
}

fn find_address(options: &WorkerOptions) -> Result<String, CliError> {
    if let Some(address) = &options.scheduler {
        return Ok(address.clone());
    }
    let path = options.scheduler_file.as_ref().ok_or(CliError::NoAddress)?;
    let text = read(path)?;
    let after = text.split_once("\"address\"").map(|(_, after)| after);
    let address = after.and_then(|after| after.split('"').nth(1));
    address
        .map(str::to_owned)
        .ok_or_else(|| CliError::SchedulerFile(path.display().to_string()))
}

fn worker_command(
    options: &WorkerOptions,
    address: &Address,
    security: &Security,
    (python, number): (&str, u32),
) -> WorkerCommand {
    let threads = match options.nthreads {
        0 => processors().div_ceil(options.nworkers.max(1)).max(1),
        threads => threads,
    };
    let mut arguments = vec![
        "-m".to_owned(),
        "rask.distributed.worker".to_owned(),
        address.to_string(),
        "--supervised".to_owned(),
        format!("--nthreads={threads}"),
        format!("--memory-limit={}", options.memory_limit),
        format!("--resources={}", options.resources),
    ];
    if let Some(name) = &options.name {
        let name = match options.nworkers {
            0 | 1 => name.clone(),
            _ => format!("{name}-{number}"),
        };
        arguments.push(format!("--name={name}"));
    }
    if let Some(folder) = &options.local_directory {
        arguments.push(format!("--local-directory={}", folder.display()));
    }
    WorkerCommand {
        program: python.to_owned(),
        arguments,
        environment: environment_of(security),
    }
}

/// Secrets reach the worker through its environment, not through its command line.
fn environment_of(security: &Security) -> Vec<(String, String)> {
    let token = security.token.as_ref().map(|token| token.reveal());
    let values = [
        ("RASK_INTERNAL_TOKEN", token),
        ("RASK_INTERNAL_CA", security.ca_pem.clone()),
        (
            "RASK_INTERNAL_CERTIFICATE",
            security.certificate_pem.clone(),
        ),
        ("RASK_INTERNAL_KEY", security.key_pem.clone()),
    ];
    let set = values.into_iter();
    set.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u32)
}
