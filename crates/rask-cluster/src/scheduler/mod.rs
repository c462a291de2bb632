//! The scheduler's process: connections around `rask_sched::Scheduler`.

mod chronicle;
pub(crate) mod fuzzing;
mod gathering;
mod helper;
mod journal;
mod memory;
mod options;
mod reports;
mod samples;
mod serve;
mod state;
mod timer;
mod watch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use foldhash::HashMap;
pub use helper::HelperCommand;
pub use options::SchedulerOptions;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rask_proto::{FromClient, ToClient};
use rask_sched::{ClientId, Event, Scheduler, Settings, Time};
use rask_wire::{Address, Listener};
use tokio::sync::Notify;

use self::journal::Journal;
use self::memory::Memory;
use self::state::{Sink, State};
use crate::ClusterError;

/// A client in the scheduler's own process is told things by call. The call happens while the
/// scheduler is locked: it must not wait, nor call the scheduler.
pub type LocalSink = Arc<dyn Fn(ToClient) + Send + Sync>;

/// A running scheduler; clones share it. It runs until [`stop`](Self::stop).
#[derive(Clone)]
pub struct SchedulerHandle {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    address: Address,
    started: Instant,
    stop: Notify,
    helper: Arc<helper::Helper>,
    samplers: samples::Samplers,
    /// Of the network thread.
    runtime: tokio::runtime::Handle,
    ended: Mutex<bool>,
    ended_changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SchedulerHandle {
    /// Starts a scheduler on a thread of its own.
    pub fn start(options: SchedulerOptions) -> Result<Self, ClusterError> {
        crate::logs::install();
        let (report, reported) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("rask-scheduler".to_owned())
            .spawn(move || serve::run(options, report))
            .map_err(|source| ClusterError::Start {
                what: "the scheduler's thread",
                source,
            })?;
        let handle: SchedulerHandle = reported
            .recv()
            .map_err(|_| ClusterError::Unexpected("no start report"))??;
        *handle.shared.thread.lock() = Some(thread);
        Ok(handle)
    }

    /// A scheduler as its journal says, and whether there is anything to go on with.
    fn try_new(listener: &Listener, options: SchedulerOptions) -> Result<Self, ClusterError> {
        let mut settings = options.settings;
        settings.epoch_micros = crate::logs::now_micros();
        note_own_version(&mut settings);
        let mut records = Vec::new();
        let mut journal = None;
        if let Some(folder) = &options.journal {
            let opened = Journal::open(folder);
            let (opened, written) = opened.map_err(|source| ClusterError::Start {
                what: "the scheduler's journal",
                source,
            })?;
            let millis = options.reconnect_timeout.as_millis();
            settings.reconnect_millis = u32::try_from(millis).unwrap_or(u32::MAX);
            settings.scheduler_id = opened.id();
            settings.journal = true;
            records = written;
            journal = Some(opened);
        } else {
            settings.scheduler_id = memory::fresh_id();
        }
        let reconnect_millis = settings.reconnect_millis;
        let mut machine = Scheduler::new(settings);
        let mut memory = Memory::new(journal);
        let (last_client, last_worker) = memory.replay(records, &mut machine);
        if !memory.awaited.is_empty() {
            machine.begin_recovery();
        }
        let helper = Arc::new(helper::Helper::new(options.helper));
        Ok(SchedulerHandle {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    machine,
                    commands: Vec::new(),
                    events: Vec::new(),
                    clients: HashMap::default(),
                    workers: HashMap::default(),
                    to_workers: HashMap::default(),
                    spare_lists: Vec::new(),
                    next_client: last_client + 1,
                    next_worker: last_worker + 1,
                    next_connection: 1,
                    memory,
                    gathering: Default::default(),
                    alarm: Default::default(),
                    reports: reports::Reports::new(options.reports),
                    reconnect_millis,
                    stopping: false,
                    helper: helper.clone(),
                }),
                address: listener.address().clone(),
                started: Instant::now(),
                stop: Notify::new(),
                helper,
                samplers: Default::default(),
                runtime: tokio::runtime::Handle::current(),
                ended: Mutex::new(false),
                ended_changed: Condvar::new(),
                thread: Mutex::new(None),
            }),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// How many workers are connected.
    pub fn worker_count(&self) -> usize {
        self.shared.state.lock().machine.worker_count()
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.shared.state.lock().machine.task_count()
    }

    /// Starts the helper process, if it does not run.
    pub fn start_helper(&self) -> Result<(), ClusterError> {
        helper::ensure(self).map_err(|reason| ClusterError::Start {
            what: "the helper process",
            source: std::io::Error::other(reason),
        })
    }

    /// Adds a client of this process.
    pub fn attach_client(&self, sink: LocalSink) -> ClientId {
        let mut state = self.shared.state.lock();
        let client = state.add_client(Sink::Local(sink));
        state.on_event(self.now(), Event::ClientJoined { client });
        client
    }

    /// Messages of a client of this process, submissions that follow each other at one go.
    pub fn client_messages(
        &self,
        client: ClientId,
        messages: impl IntoIterator<Item = FromClient>,
    ) {
        let mut state = self.shared.state.lock();
        for message in messages {
            let is_submission = matches!(message, FromClient::Submit(_));
            if !is_submission {
                state.take_events(self.now());
            }
            if matches!(message, FromClient::Query(_))
                && MutexGuard::unlocked(&mut state, || self.take(client, &message))
            {
                continue;
            }
            state.events.push(Event::FromClient { client, message });
            if !is_submission {
                // Stories tell what followed from this very message.
                state.take_events(self.now());
            }
        }
        state.take_events(self.now());
        state.execute_commands();
        self.check_stop(&state);
    }

    /// Removes a client of this process.
    pub fn detach_client(&self, client: ClientId) {
        let mut state = self.shared.state.lock();
        state.clients.remove(&client);
        state.on_event(self.now(), Event::ClientLeft { client });
        self.check_stop(&state);
    }

    /// Nothing more is told to clients of this process: they see that the scheduler has ended.
    fn leave_local_clients(&self) {
        let mut state = self.shared.state.lock();
        let is_local = |_: &ClientId, sink: &mut Sink| matches!(sink, Sink::Local(_));
        let sinks: Vec<_> = state.clients.extract_if(is_local).collect();
        drop(state);
        drop(sinks);
    }

    /// Ends the scheduler and waits until its thread has ended.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
        let thread = self.shared.thread.lock().take();
        if let Some(thread) = thread {
            // A thread that panicked has ended as well; its message is on standard error.
            let _ = thread.join();
        }
    }

    /// Waits until the scheduler has ended, at most this long; whether it has.
    pub fn wait(&self, timeout: std::time::Duration) -> bool {
        let mut ended = self.shared.ended.lock();
        if !*ended {
            self.shared.ended_changed.wait_for(&mut ended, timeout);
        }
        *ended
    }

    fn now(&self) -> Time {
        Time {
            micros: self.shared.started.elapsed().as_micros() as u64,
        }
    }

    /// The state at this moment.
    fn view(&self, with_tasks: bool) -> rask_proto::HelperState {
        let mut view = self.shared.state.lock().machine.view(with_tasks);
        view.address = self.address().to_string();
        view
    }

    /// The plugins that were registered for the helper, as calls to it.
    fn plugins_of_helper(&self) -> Vec<rask_proto::Call> {
        let plugins = self.shared.state.lock().machine.helper_plugins().plugins;
        let calls = plugins.into_iter().map(|plugin| rask_proto::Call {
            id: 0,
            kind: "plugin-add".to_owned(),
            target: plugin.name,
            body: plugin.content,
        });
        calls.collect()
    }

    /// Takes questions of clients that are not for the machine.
    fn take(&self, client: ClientId, message: &FromClient) -> bool {
        helper::take(self, client, message)
            || chronicle::take(self, client, message)
            || samples::take(self, client, message)
            || reports::take(self, client, message)
    }

    /// Writes the reports that nobody can ask for any more.
    fn write_reports(&self) {
        let mut state = self.shared.state.lock();
        let State {
            reports, machine, ..
        } = &mut *state;
        reports.write_all(machine, self.now());
    }

    fn check_stop(&self, state: &State) {
        if state.stopping {
            self.shared.stop.notify_one();
        }
    }
}

/// Whoever starts it may know of more versions.
fn note_own_version(settings: &mut Settings) {
    let known = &mut settings.versions;
    if known.iter().all(|version| version.package != "rask") {
        known.push(rask_proto::Version {
            package: "rask".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
    }
}
