//! Schedulers, workers and supervisors of this process.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rask_cluster::ends::DeathReports;
use rask_cluster::memory_guard::MemoryGuard;
use rask_cluster::scheduler::{HelperCommand, SchedulerHandle, SchedulerOptions};
use rask_cluster::supervisor::{RESTART_EXIT_CODE, Supervisor, SupervisorOptions, WorkerCommand};
use rask_cluster::worker::{MemoryShares, WorkerEnd, WorkerHandle, WorkerOptions};
use rask_sched::{Settings, ShareSettings, Speculation, TopicLimits};
use rask_wire::{Address, Security, Timeouts, TlsVersion, Token, WireError};

use super::errors;
use super::gather::wait_for;
use super::inspect::versions_of;

/// Says, in seconds, how long this process waits for a host to answer, and for a sign of life of one
/// that it is connected to.
#[pyfunction]
pub fn set_timeouts(connect: f64, silence: f64) -> PyResult<()> {
    let time = |seconds: f64| match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(PyValueError::new_err(format!(
            "a time limit is a positive number of seconds, not {seconds}"
        ))),
    };
    rask_wire::set_timeouts(Timeouts {
        connect: time(connect)?,
        silence: time(silence)?,
    });
    Ok(())
}

/// Token and certificates of a cluster.
#[pyclass(frozen, name = "Security", module = "rask._core")]
pub struct PySecurity {
    pub security: Security,
}

#[pymethods]
impl PySecurity {
    #[new]
    #[pyo3(signature = (token=None, ca_pem=None, certificate_pem=None, key_pem=None, ciphers=None, version_min=None, version_max=None))]
    fn new(
        token: Option<&str>,
        ca_pem: Option<String>,
        certificate_pem: Option<String>,
        key_pem: Option<String>,
        ciphers: Option<String>,
        version_min: Option<&str>,
        version_max: Option<&str>,
    ) -> PyResult<Self> {
        let version = |text: Option<&str>| text.map(str::parse::<TlsVersion>).transpose();
        Ok(PySecurity {
            security: Security {
                token: token.map(Token::new),
                ca_pem,
                certificate_pem,
                key_pem,
                ciphers,
                version_min: version(version_min).map_err(wire_error)?,
                version_max: version(version_max).map_err(wire_error)?,
            },
        })
    }

    /// ValueError if no connection over TLS could be made with it.
    fn check_tls(&self) -> PyResult<()> {
        let checked = self.security.check_tls();
        checked.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// A fresh token and fresh certificates.
    #[staticmethod]
    fn temporary() -> PyResult<Self> {
        let security = Security::temporary().map_err(wire_error)?;
        Ok(PySecurity { security })
    }

    /// A fresh token.
    #[staticmethod]
    fn random_token() -> String {
        Token::random().reveal()
    }

    #[getter]
    fn token(&self) -> Option<String> {
        self.security.token.as_ref().map(Token::reveal)
    }

    #[getter]
    fn ca_pem(&self) -> Option<String> {
        self.security.ca_pem.clone()
    }

    #[getter]
    fn certificate_pem(&self) -> Option<String> {
        self.security.certificate_pem.clone()
    }

    #[getter]
    fn key_pem(&self) -> Option<String> {
        self.security.key_pem.clone()
    }
}

fn wire_error(error: WireError) -> PyErr {
    errors::to_py_err(error.into())
}

pub fn address_of(text: &str) -> PyResult<Address> {
    text.parse().map_err(wire_error)
}

/// Shares as they are written.
fn shares_of(texts: &[String]) -> PyResult<Vec<ShareSettings>> {
    let shares = ShareSettings::try_all(texts.iter().map(String::as_str));
    shares.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Program, arguments and environment of the helper process.
type HelperParts = (String, Vec<String>, Vec<(String, String)>);

/// A scheduler on a thread of this process.
#[pyclass(frozen, name = "SchedulerHandle", module = "rask._core")]
pub struct PyScheduler {
    pub handle: SchedulerHandle,
}

#[pymethods]
impl PyScheduler {
    #[new]
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (address, security, allowed_failures=3, worker_timeout=60.0, helper=None, journal=None, reconnect_timeout=60.0, recovery_timeout=15.0, versions=Vec::new(), events_per_topic=1000, event_bytes=64 << 20, history_length=65_536, reports=None, shares=Vec::new(), quota_patience=60.0, speculation=0.0, replica_interval=2.0, drops_replicas=false))]
    fn new(
        py: Python<'_>,
        address: &str,
        security: &PySecurity,
        allowed_failures: u8,
        worker_timeout: f64,
        helper: Option<HelperParts>,
        journal: Option<std::path::PathBuf>,
        reconnect_timeout: f64,
        recovery_timeout: f64,
        versions: Vec<(String, String)>,
        events_per_topic: usize,
        event_bytes: u64,
        history_length: usize,
        reports: Option<std::path::PathBuf>,
        shares: Vec<String>,
        quota_patience: f64,
        speculation: f32,
        replica_interval: f64,
        drops_replicas: bool,
    ) -> PyResult<Self> {
        let seconds = |count: f64| {
            Duration::try_from_secs_f64(count)
                .map_err(|error| PyValueError::new_err(error.to_string()))
        };
        let options = SchedulerOptions {
            address: address_of(address)?,
            security: security.security.clone(),
            settings: Settings {
                allowed_failures,
                versions: versions_of(versions),
                topic_limits: TopicLimits {
                    events_per_topic_max: events_per_topic.max(1),
                    bytes_max: event_bytes,
                    ..TopicLimits::default()
                },
                history_length,
                shares: shares_of(&shares)?,
                quota_patience_micros: seconds(quota_patience)?.as_micros() as u64,
                speculation: (speculation > 0.0).then(|| Speculation {
                    slower_times: speculation,
                    ..Speculation::default()
                }),
                drops_replicas,
                reduction_interval_micros: seconds(replica_interval)?.as_micros() as u64,
                ..Settings::default()
            },
            worker_timeout: seconds(worker_timeout)?,
            journal,
            reports,
            reconnect_timeout: seconds(reconnect_timeout)?,
            recovery_timeout: seconds(recovery_timeout)?,
            helper: helper.map(|(program, arguments, environment)| HelperCommand {
                program,
                arguments,
                environment,
            }),
        };
        let handle = py.detach(|| SchedulerHandle::start(options));
        Ok(PyScheduler {
            handle: handle.map_err(errors::to_py_err)?,
        })
    }

    #[getter]
    fn address(&self) -> String {
        self.handle.address().to_string()
    }

    #[getter]
    fn worker_count(&self) -> usize {
        self.handle.worker_count()
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.handle.stop());
    }

    /// Waits until it has ended; raises TimeoutError when the time is up.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        wait_for(py, timeout, |limit| {
            Ok(self.handle.wait(limit).then_some(()))
        })
    }
}

/// A worker on threads of this process.
#[pyclass(frozen, name = "WorkerHandle", module = "rask._core")]
pub struct PyWorker {
    pub handle: WorkerHandle,
}

#[pymethods]
impl PyWorker {
    #[new]
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (scheduler, security, listen, name, nthreads, memory_limit, resources, local_directory=None, supervised=false, connect_timeout=30.0, nanny=String::new(), held=false, versions=Vec::new(), memory_shares=None, owns_process=false))]
    fn new(
        py: Python<'_>,
        scheduler: &str,
        security: &PySecurity,
        listen: &str,
        name: String,
        nthreads: u32,
        memory_limit: u64,
        resources: Vec<(String, f64)>,
        local_directory: Option<std::path::PathBuf>,
        supervised: bool,
        connect_timeout: f64,
        nanny: String,
        held: bool,
        versions: Vec<(String, String)>,
        memory_shares: Option<(f64, f64, f64)>,
        owns_process: bool,
    ) -> PyResult<Self> {
        let shares = memory_shares.map(|(target, spill, pause)| MemoryShares {
            target,
            spill,
            pause,
        });
        let options = WorkerOptions {
            scheduler: address_of(scheduler)?,
            listen: address_of(listen)?,
            security: security.security.clone(),
            name,
            thread_count: nthreads,
            memory_bytes_max: memory_limit,
            memory_shares: shares.unwrap_or_default(),
            owns_process,
            resources,
            local_directory,
            supervised,
            nanny,
            held,
            versions: versions_of(versions),
            connect_timeout: Duration::try_from_secs_f64(connect_timeout)
                .map_err(|error| PyValueError::new_err(error.to_string()))?,
        };
        let handle = py.detach(|| WorkerHandle::start(options));
        Ok(PyWorker {
            handle: handle.map_err(errors::to_py_err)?,
        })
    }

    #[getter]
    fn name(&self) -> &str {
        self.handle.name()
    }

    #[getter]
    fn address(&self) -> &str {
        self.handle.address()
    }

    fn stop(&self) {
        self.handle.stop();
    }

    /// Waits until it has ended: the exit code that its process should have, and why.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<(i32, String)> {
        let end = wait_for(py, timeout, |limit| Ok(self.handle.wait(limit)))?;
        Ok(match end {
            WorkerEnd::Stopped => (0, "stopped".to_owned()),
            WorkerEnd::Shutdown {
                reason,
                restart: false,
            } => (0, reason),
            WorkerEnd::Shutdown {
                reason,
                restart: true,
            } => (RESTART_EXIT_CODE, reason),
            WorkerEnd::Disconnected(reason) => (1, reason),
        })
    }
}

/// Keeps a worker process running.
#[pyclass(frozen, name = "Supervisor", module = "rask._core")]
pub struct PySupervisor {
    supervisor: Supervisor,
}

#[pymethods]
impl PySupervisor {
    /// `scheduler`, if given, is told how processes end. A process with more memory of its own than
    /// `memory_bytes_max`, unless that is 0, is killed.
    #[new]
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (program, arguments, environment, scheduler=None, security=None, name=String::new(), memory_bytes_max=0))]
    fn new(
        py: Python<'_>,
        program: String,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        scheduler: Option<&str>,
        security: Option<&PySecurity>,
        name: String,
        memory_bytes_max: u64,
    ) -> PyResult<Self> {
        let reports = match (scheduler, security) {
            (Some(scheduler), Some(security)) => Some(DeathReports {
                scheduler: address_of(scheduler)?,
                security: security.security.clone(),
                name,
            }),
            _ => None,
        };
        let options = SupervisorOptions {
            command: WorkerCommand {
                program,
                arguments,
                environment,
            },
            replaces: true,
            reports,
            memory: (memory_bytes_max > 0).then_some(MemoryGuard {
                bytes_max: memory_bytes_max,
            }),
        };
        let supervisor = py.detach(|| Supervisor::start(options));
        Ok(PySupervisor {
            supervisor: supervisor.map_err(errors::to_py_err)?,
        })
    }

    /// The number of the running process, or None.
    #[getter]
    fn pid(&self) -> Option<u32> {
        self.supervisor.process()
    }

    /// How processes ended, the latest last.
    #[getter]
    fn ends(&self) -> Vec<String> {
        self.supervisor.ends()
    }

    fn stop(&self) {
        self.supervisor.stop();
    }

    /// Waits until the process has ended for good; raises TimeoutError when the time is up.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        wait_for(py, timeout, |limit| {
            Ok(self.supervisor.wait(limit).then_some(()))
        })
    }
}

/// Lets another thread run tasks in the place of this one. False outside of tasks.
#[pyfunction]
pub fn secede(py: Python<'_>) -> bool {
    py.detach(rask_cluster::worker::secede)
}

/// Reports the tasks that ended on this thread before the one that runs, which is about to wait.
#[pyfunction]
pub fn flush_outcomes(py: Python<'_>) {
    py.detach(rask_cluster::worker::flush_outcomes);
}

/// Takes a place again.
#[pyfunction]
pub fn rejoin(py: Python<'_>) {
    py.detach(rask_cluster::worker::rejoin);
}

/// Runs the `rask` program with these arguments, the first being its name; its exit code.
#[pyfunction]
pub fn run_cli(py: Python<'_>, arguments: Vec<String>, python: &str) -> i32 {
    py.detach(|| rask_cli::run(arguments, python))
}

/// Workers of this process share no memory with other processes.
#[pyfunction]
pub fn forbid_shared_memory() {
    rask_cluster::segments::forbid();
}
