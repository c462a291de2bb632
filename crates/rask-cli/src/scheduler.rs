//! `rask scheduler`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rask_cluster::scheduler::{HelperCommand, SchedulerHandle, SchedulerOptions as Start};
use rask_sched::{Settings, Speculation};
use rask_wire::{Address, Token};

use crate::options::SchedulerOptions;
use crate::{CliError, wait_for_end};

/// The helper process runs in the same Python; it gets nothing of the environment but where programs
/// and modules are.
fn helper_command(python: &str, options: &SchedulerOptions) -> HelperCommand {
    let passed = ["PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR"].into_iter();
    let preloads = options.preload.iter();
    // The helper has a folder of its own.
    let preloads = preloads.map(|preload| match std::fs::canonicalize(preload) {
        Ok(path) => format!("--preload={}", path.display()),
        Err(_) => format!("--preload={preload}"),
    });
    let own = [
        "-m".to_owned(),
        "rask.distributed._helper".to_owned(),
        format!("--replica-interval={}", options.replica_interval),
    ];
    HelperCommand {
        program: python.to_owned(),
        arguments: own.into_iter().chain(preloads).collect(),
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
    let scheme = options.secrets.scheme(&security);
    let scheduler = SchedulerHandle::start(Start {
        address: Address {
            scheme,
            host: options.host.clone(),
            port: options.port,
        },
        security,
        settings: Settings {
            allowed_failures: options.allowed_failures,
            shares: options.share.clone(),
            quota_patience_micros: seconds(options.quota_patience).as_micros() as u64,
            speculation: (options.speculation > 0.0).then(|| Speculation {
                slower_times: options.speculation,
                ..Speculation::default()
            }),
            drops_replicas: options.drop_replicas,
            reduction_interval_micros: seconds(options.replica_interval).as_micros() as u64,
            ..Settings::default()
        },
        worker_timeout: seconds(options.worker_timeout),
        journal: options.journal.clone(),
        reports: options.reports.clone(),
        reconnect_timeout: seconds(options.reconnect_timeout),
        recovery_timeout: seconds(options.recovery_timeout),
        helper: Some(helper_command(python, options)),
    })?;
    if !options.ends_with_parent {
        eprintln!("scheduler at {}", scheduler.address());
    }
    if let Some(path) = &options.scheduler_file {
        let text = format!("{{\"address\": \"{}\"}}\n", scheduler.address());
        write(path, &text)?;
    }
    if let Some(path) = &options.pid_file {
        write(path, &std::process::id().to_string())?;
    }
    if !options.preload.is_empty() {
        scheduler.start_helper()?;
    }
    let parent = std::os::unix::process::parent_id();
    let is_orphan = || options.ends_with_parent && std::os::unix::process::parent_id() != parent;
    let mut idle_since = Instant::now();
    let outcome = wait_for_end(|| {
        if scheduler.task_count() > 0 {
            idle_since = Instant::now();
        }
        let idle = idle_since.elapsed().as_secs_f64();
        scheduler.wait(Duration::ZERO)
            || is_orphan()
            || options.idle_timeout.is_some_and(|limit| idle > limit)
    });
    scheduler.stop();
    if let Some(path) = &options.pid_file {
        // Somebody may have removed it.
        let _ = std::fs::remove_file(path);
    }
    outcome
}

fn write(path: &PathBuf, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|source| CliError::Write {
        path: path.display().to_string(),
        source,
    })
}

fn seconds(count: f64) -> Duration {
    Duration::try_from_secs_f64(count).unwrap_or(Duration::from_secs(60))
}
