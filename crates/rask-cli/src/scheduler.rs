//! `rask scheduler`.

use std::time::Duration;

use rask_cluster::scheduler::{HelperCommand, SchedulerHandle, SchedulerOptions as Start};
use rask_sched::Settings;
use rask_wire::{Address, Scheme, Token};

use crate::options::SchedulerOptions;
use crate::{CliError, wait_for_end};

/// The helper process runs in the same Python; it gets nothing of the environment but where programs
/// and modules are.
fn helper_command(python: &str) -> HelperCommand {
    let passed = ["PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR"].into_iter();
    HelperCommand {
        program: python.to_owned(),
        arguments: vec!["-m".to_owned(), "rask.distributed._helper".to_owned()],
        environment: passed
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect(),
    }
}

pub fn run(options: &SchedulerOptions, python: &str) -> Result<(), CliError> {
    let mut security = options.secrets.try_security()?;
    if security.token.is_none() && !options.secrets.no_token {
        let token = Token::random();
        eprintln!("token: {}", token.reveal());
        eprintln!("(made for this run; workers and clients need it: --token-file, RASK_TOKEN)");
        security.token = Some(token);
    }
    let scheme = match security.has_certificates() {
        true => Scheme::Tls,
        false => Scheme::Tcp,
    };
    let scheduler = SchedulerHandle::start(Start {
        address: Address {
            scheme,
            host: options.host.clone(),
            port: options.port,
        },
        security,
        settings: Settings {
            allowed_failures: options.allowed_failures,
            ..Settings::default()
        },
        worker_timeout: Duration::try_from_secs_f64(options.worker_timeout)
            .unwrap_or(Duration::from_secs(60)),
        helper: Some(helper_command(python)),
    })?;
    eprintln!("scheduler at {}", scheduler.address());
    if let Some(path) = &options.scheduler_file {
        let text = format!("{{\"address\": \"{}\"}}\n", scheduler.address());
        std::fs::write(path, text).map_err(|source| CliError::Write {
            path: path.display().to_string(),
            source,
        })?;
    }
    wait_for_end(|| scheduler.wait(Duration::ZERO))?;
    scheduler.stop();
    Ok(())
}
