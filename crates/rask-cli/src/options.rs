//! What the command line may say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rask_wire::{Security, Token};

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
    Scheduler(SchedulerOptions),
    /// Run worker processes, each replaced when it dies.
    Worker(WorkerOptions),
}

#[derive(Debug, Args)]
pub struct SchedulerOptions {
    /// Interface to listen on; every interface if not given.
    #[arg(long, default_value = "0.0.0.0")]
    pub host: String,
    #[arg(long, default_value_t = 8786)]
    pub port: u16,
    /// Write the address to this file, as JSON.
    #[arg(long)]
    pub scheduler_file: Option<PathBuf>,
    /// Fail a task after this many workers died while they ran it.
    #[arg(long, default_value_t = 3)]
    pub allowed_failures: u8,
    /// Take a worker for dead after so many seconds without a word.
    #[arg(long, default_value_t = 60.0)]
    pub worker_timeout: f64,
    #[command(flatten)]
    pub secrets: Secrets,
}

#[derive(Debug, Args)]
pub struct WorkerOptions {
    /// The scheduler's address, as in tcp://host:8786.
    pub scheduler: Option<String>,
    /// Read the address from this file instead.
    #[arg(long)]
    pub scheduler_file: Option<PathBuf>,
    /// Threads of each worker; default: the processors divided among the workers.
    #[arg(long, default_value_t = 0)]
    pub nthreads: u32,
    /// Worker processes.
    #[arg(long, alias = "nprocs", default_value_t = 1)]
    pub nworkers: u32,
    /// Memory of each worker: "4GiB", a number of bytes, "auto", or 0 for no limit.
    #[arg(long, default_value = "auto")]
    pub memory_limit: String,
    /// Name of the worker; a number is appended if there are several.
    #[arg(long)]
    pub name: Option<String>,
    /// Resources for tasks that ask for them: GPU=2,MEM=1e9.
    #[arg(long, default_value = "")]
    pub resources: String,
    /// Folder for spilled data.
    #[arg(long)]
    pub local_directory: Option<PathBuf>,
    /// Do not replace workers that die.
    #[arg(long)]
    pub no_nanny: bool,
    #[command(flatten)]
    pub secrets: Secrets,
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
}

impl Secrets {
    /// What the options say; no token if none is given.
    pub fn try_security(&self) -> Result<Security, CliError> {
        let token = match &self.token_file {
            Some(path) => Some(read(path)?),
            None => self.token.clone(),
        };
        Ok(Security {
            token: token.as_deref().map(Token::new),
            ca_pem: self.tls_ca_file.as_ref().map(read).transpose()?,
            certificate_pem: self.tls_cert.as_ref().map(read).transpose()?,
            key_pem: self.tls_key.as_ref().map(read).transpose()?,
        })
    }
}

pub fn read(path: &PathBuf) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|source| CliError::Read {
        path: path.display().to_string(),
        source,
    })
}
