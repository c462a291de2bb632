//! `rask scheduler`.

use std::time::Duration;

use rask_cluster::scheduler::{SchedulerHandle, SchedulerOptions as Start};
use rask_sched::Settings;
use rask_wire::{Address, Scheme, Token};

use crate::options::SchedulerOptions;
use crate::{CliError, wait_for_end};

pub fn run(options: &SchedulerOptions) -> Result<(), CliError> {
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
