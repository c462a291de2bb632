//! What the command line may say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rask_sched::ShareSettings;
use rask_wire::{Scheme, Security, TlsVersion, Token};

use crate::CliError;

/// Parallel arrays, tables, bags and task graphs: the cluster's programs.
#[derive(Debug, Parser)]
#[command(name = "rask", version)]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scheduler.
    Scheduler(Box<SchedulerOptions>),
    /// Run worker processes, each replaced when it dies.
    Worker(WorkerOptions),
    /// Simulate clusters on which everything goes wrong, and check what must always hold.
    Sim(SimOptions),
}

#[derive(Debug, Args)]
pub struct SimOptions {
    /// The first seed; the same seed gives the same run.
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// How many; with one, everything that happens is printed.
    #[arg(long, default_value_t = 2000)]
    pub seeds: u64,
    /// Tell instead how much memory and time graphs take that are known to take too much, beside what
    /// their order needs, on four workers of two threads.
    #[arg(long)]
    pub study: bool,
}

#[derive(Debug, Args)]
pub struct SchedulerOptions {
    /// Interface to listen on; every interface if not given.
    #[arg(long, default_value = "0.0.0.0")]
    pub host: String,
    /// Write the number of this process to this file.
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// Module or file with dask_setup(scheduler), loaded by the helper process beside the scheduler.
    #[arg(long)]
    pub preload: Vec<String>,
    /// End after so many seconds without tasks.
    #[arg(long)]
    pub idle_timeout: Option<f64>,
    #[arg(long, default_value_t = 8786)]
    pub port: u16,
    /// Write the address to this file, as JSON.
    #[arg(long)]
    pub scheduler_file: Option<PathBuf>,
    /// Fail a task after this many workers died while they ran it.
    #[arg(long, default_value_t = 3)]
    pub allowed_failures: u8,
    /// Begin tasks that take so many times as long as usual a second time, on a worker that has
    /// nothing to do; 0 is never.
    #[arg(long, default_value_t = 0.0)]
    pub speculation: f32,
    /// Drop superfluous copies of values from the start.
    #[arg(long)]
    pub drop_replicas: bool,
    /// Seconds between looks for superfluous copies of values.
    #[arg(long, default_value_t = 2.0)]
    pub replica_interval: f64,
    /// Take a worker for dead after so many seconds without a word.
    #[arg(long, default_value_t = 60.0)]
    pub worker_timeout: f64,
    /// Write down in this folder what has to outlive a restart: a scheduler that is started again
    /// with the same folder and port goes on where it was.
    #[arg(long)]
    pub journal: Option<PathBuf>,
    /// Where performance reports go whose clients are gone; default: a folder of this process in the
    /// system's temporary directory.
    #[arg(long)]
    pub reports: Option<PathBuf>,
    /// With a journal: seconds in which clients and workers try to come back.
    #[arg(long, default_value_t = 60.0)]
    pub reconnect_timeout: f64,
    /// End when the process that started this one does.
    #[arg(long, hide = true)]
    pub ends_with_parent: bool,
    /// After a restart: seconds to wait for workers before what they held is made anew.
    #[arg(long, default_value_t = 15.0)]
    pub recovery_timeout: f64,
    /// A share of clients, as NAME:weight=3,tasks=100,memory=10GiB (each optional); may be given
    /// several times.
    #[arg(long)]
    pub share: Vec<ShareSettings>,
    /// Seconds that a share which holds its quota of memory, and runs nothing that would make room,
    /// is given to release values before what waits is failed.
    #[arg(long, default_value_t = 60.0)]
    pub quota_patience: f64,
    #[command(flatten)]
    pub secrets: Secrets,
}

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct WorkerOptions {
    /// See `rask worker --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// Token and certificates.
#[derive(Debug, Args)]
pub struct Secrets {
    /// File with the secret that every connection must know.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// The secret itself; a file keeps it out of the list of processes.
    #[arg(long, env = "RASK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Take every connection.
    #[arg(long)]
    pub no_token: bool,
    /// PEM files; with them addresses are tls://.
    #[arg(long)]
    pub tls_ca_file: Option<PathBuf>,
    #[arg(long)]
    pub tls_cert: Option<PathBuf>,
    #[arg(long)]
    pub tls_key: Option<PathBuf>,
    /// Ciphers allowed, by their OpenSSL names, separated by colons.
    #[arg(long)]
    pub tls_ciphers: Option<String>,
    /// 1.2 or 1.3.
    #[arg(long)]
    pub tls_min_version: Option<TlsVersion>,
    #[arg(long)]
    pub tls_max_version: Option<TlsVersion>,
    /// tcp or tls; tls if there are certificates.
    #[arg(long, value_parser = parse_scheme)]
    pub protocol: Option<Scheme>,
}

/// The variable in which a process that started this one has put a secret.
fn inherited(name: &str) -> Option<String> {
    std::env::var(format!("RASK_INTERNAL_{name}")).ok()
}

fn parse_scheme(text: &str) -> Result<Scheme, String> {
    match text.trim_end_matches("://") {
        "tcp" => Ok(Scheme::Tcp),
        "tls" => Ok(Scheme::Tls),
        other => Err(format!("{other:?} is neither tcp nor tls")),
    }
}

impl Secrets {
    /// What the options say; no token if none is given.
    pub fn try_security(&self) -> Result<Security, CliError> {
        let token = match &self.token_file {
            Some(path) => Some(read(path)?),
            None => self.token.clone().or_else(|| inherited("TOKEN")),
        };
        let text = |file: &Option<PathBuf>, name| match file {
            Some(path) => read(path).map(Some),
            None => Ok(inherited(name)),
        };
        let version = |given: Option<TlsVersion>, name| match (given, inherited(name)) {
            (None, Some(text)) => text.parse().map(Some).map_err(CliError::Wire),
            (given, _) => Ok(given),
        };
        let security = Security {
            token: token.as_deref().map(Token::new),
            ca_pem: text(&self.tls_ca_file, "CA")?,
            certificate_pem: text(&self.tls_cert, "CERTIFICATE")?,
            key_pem: text(&self.tls_key, "KEY")?,
            ciphers: self.tls_ciphers.clone().or_else(|| inherited("CIPHERS")),
            version_min: version(self.tls_min_version, "VERSION_MIN")?,
            version_max: version(self.tls_max_version, "VERSION_MAX")?,
        };
        if security.has_certificates() {
            security.check_tls().map_err(CliError::Wire)?;
        }
        Ok(security)
    }

    /// What addresses begin with.
    pub fn scheme(&self, security: &Security) -> Scheme {
        self.protocol.unwrap_or(match security.has_certificates() {
            true => Scheme::Tls,
            false => Scheme::Tcp,
        })
    }
}

pub fn read(path: &PathBuf) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|source| CliError::Read {
        path: path.display().to_string(),
        source,
    })
}
