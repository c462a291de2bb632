//! Worker processes: started, and replaced when they die.
//!
//! A worker that ends with [`RESTART_EXIT_CODE`], or in any other way than with 0, is replaced;
//! one that ends with 0 was told to. A process that keeps dying right after its start is given up.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::ClusterError;
use crate::ends::{DeathReports, describe, memory_kill_count};
use crate::memory_guard::MemoryGuard;

/// With this code a worker asks to be started again.
pub const RESTART_EXIT_CODE: i32 = 75;
/// A process that lives this long has started well.
const GOOD_START: Duration = Duration::from_secs(5);
const BAD_STARTS_MAX: u32 = 5;
const POLL: Duration = Duration::from_millis(20);
/// After being told to end, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// What to run.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// What a supervisor watches over, and how.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    pub command: WorkerCommand,
    /// Whether a process that dies is replaced.
    pub replaces: bool,
    /// Who is told of deaths.
    pub reports: Option<DeathReports>,
    pub memory: Option<MemoryGuard>,
}

/// Keeps one worker process running; clones share it.
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    options: SupervisorOptions,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    process: Option<u32>,
    stopping: bool,
    ended: bool,
    /// How each process that ended did, the latest last.
    ends: Vec<String>,
}

/// Ends kept for reports.
const ENDS_KEPT: usize = 32;

impl Supervisor {
    /// Starts the process, and a thread that watches it and, if it is to be replaced, starts another
    /// when it dies.
    pub fn start(options: SupervisorOptions) -> Result<Self, ClusterError> {
        let supervisor = Supervisor {
            shared: Arc::new(Shared {
                options,
                state: Mutex::default(),
                ended: Condvar::new(),
            }),
        };
        let watching = supervisor.clone();
        let (report, reported) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name("rask-supervisor".to_owned())
            .spawn(move || watching.watch(&report))
            .map_err(|source| ClusterError::Start {
                what: "the supervisor's thread",
                source,
            })?;
        reported
            .recv()
            .map_err(|_| ClusterError::Unexpected("no start report"))??;
        Ok(supervisor)
    }

    /// The number of the running process.
    pub fn process(&self) -> Option<u32> {
        self.shared.state.lock().process
    }

    /// How processes ended so far, the latest last.
    pub fn ends(&self) -> Vec<String> {
        self.shared.state.lock().ends.clone()
    }

    /// Ends the process, gently at first, and does not replace it.
    pub fn stop(&self) {
        self.shared.state.lock().stopping = true;
    }

    /// Waits until the process has ended and is not replaced, at most this long; whether it has.
    pub fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.state.lock();
        while !state.ended {
            if self
                .shared
                .ended
                .wait_until(&mut state, deadline)
                .timed_out()
            {
                break;
            }
        }
        state.ended
    }

    fn watch(&self, report: &std::sync::mpsc::Sender<Result<(), ClusterError>>) {
        let mut bad_starts = 0;
        let mut reported = false;
        loop {
            let started = Instant::now();
            let memory_kills = memory_kill_count();
            let child = self.spawn();
            if !reported {
                reported = true;
                let outcome = child
                    .as_ref()
                    .map(|_| ())
                    .map_err(|error| ClusterError::Start {
                        what: "a worker process",
                        source: std::io::Error::new(error.kind(), error.to_string()),
                    });
                // Whoever started the thread waits for the report.
                let _ = report.send(outcome);
            }
            let Ok(child) = child else { break };
            let process = child.id();
            let (status, excess) = self.wait_for(child);
            let mut end = status.map_or_else(|| "unknown".to_owned(), describe);
            let killed = status.is_some_and(|status| status.code().is_none());
            if let (true, Some(excess)) = (killed, excess) {
                end = format!("{end}, {excess}");
            } else if killed && memory_kill_count() > memory_kills {
                end.push_str(", by the kernel for want of memory");
            }
            if let Some(reports) = &self.shared.options.reports {
                reports.tell(process, &end, self.is_death(status));
            }
            bad_starts = if started.elapsed() < GOOD_START {
                bad_starts + 1
            } else {
                0
            };
            if !self.goes_on(status, end, bad_starts) {
                break;
            }
        }
        self.shared.state.lock().ended = true;
        self.shared.ended.notify_all();
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let command = &self.shared.options.command;
        let child = Command::new(&command.program)
            .args(&command.arguments)
            .envs(command.environment.iter().cloned())
            .stdin(Stdio::null())
            .spawn()?;
        self.shared.state.lock().process = Some(child.id());
        Ok(child)
    }

    /// Waits until the process ends, telling it to when it shall. With the status, why it was killed
    /// if it took too much memory.
    fn wait_for(&self, mut child: Child) -> (Option<ExitStatus>, Option<String>) {
        let mut told: Option<Instant> = None;
        let mut excess = None;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return (Some(status), excess),
                Ok(None) => {}
                Err(_) => return (None, excess),
            }
            if let (None, Some(guard)) = (&excess, self.shared.options.memory)
                && let Some(held) = guard.find_excess(child.id())
            {
                excess = Some(guard.describe(held));
                // It may have ended by itself since it was last looked at.
                let _ = child.kill();
            }
            if self.shared.state.lock().stopping {
                match told {
                    None => {
                        terminate(&child);
                        told = Some(Instant::now());
                    }
                    Some(at) if at.elapsed() > GRACE => {
                        // It may have ended by itself since it was last looked at.
                        let _ = child.kill();
                    }
                    Some(_) => {}
                }
            }
            std::thread::sleep(POLL);
        }
    }

    /// Whether the process ended although nobody wanted it to.
    fn is_death(&self, status: Option<ExitStatus>) -> bool {
        let told = status.is_some_and(|status| status.code() == Some(0));
        !(told || was_asked(status) || self.shared.state.lock().stopping)
    }

    fn goes_on(&self, status: Option<ExitStatus>, end: String, bad_starts: u32) -> bool {
        let mut state = self.shared.state.lock();
        state.process = None;
        state.ends.push(end.clone());
        if state.ends.len() > ENDS_KEPT {
            state.ends.remove(0);
        }
        let told = status.is_some_and(|status| status.code() == Some(0));
        if state.stopping || told || !self.shared.options.replaces {
            return false;
        }
        let asked = was_asked(status);
        if bad_starts >= BAD_STARTS_MAX && !asked {
            tracing::error!(end, "a worker process dies again and again; it is given up");
            return false;
        }
        match (asked, &self.shared.options.reports) {
            (true, _) => {}
            // The scheduler warns of it.
            (false, Some(_)) => tracing::info!(end, "a worker process died; it is replaced"),
            (false, None) => tracing::warn!(end, "a worker process died; it is replaced"),
        }
        true
    }
}

/// Whether the process ended to be replaced.
fn was_asked(status: Option<ExitStatus>) -> bool {
    status.is_some_and(|status| status.code() == Some(RESTART_EXIT_CODE))
}

fn terminate(child: &Child) {
    let process = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(process) = process {
        // It may have ended by itself since it was last looked at.
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
}
