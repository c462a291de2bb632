//! The scheduler's process: connections around `rask_sched::Scheduler`.

mod chronicle;
pub(crate) mod fuzzing;
mod helper;
mod journal;
mod memory;
mod reports;
mod samples;
mod serve;
mod timer;
mod watch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use foldhash::HashMap;
pub use helper::HelperCommand;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rask_proto::{Frame, FromClient, Hello, Register, SessionWelcome, ToClient, Wire};
use rask_sched::{ClientId, Command, Event, Scheduler, Settings, Time, WorkerId};
use rask_wire::{Address, FrameSender, Listener, Security};
use tokio::sync::Notify;

use self::journal::Journal;
use self::memory::Memory;
use crate::ClusterError;

/// How a scheduler is started.
#[derive(Clone, Debug)]
pub struct SchedulerOptions {
    /// Where to listen; port 0 chooses a free one.
    pub address: Address,
    pub security: Security,
    pub settings: Settings,
    /// A worker that has said nothing for this long is taken for dead.
    pub worker_timeout: std::time::Duration,
    /// What runs code of users beside the scheduler; nothing does without it.
    pub helper: Option<HelperCommand>,
    /// Where to write down what has to outlive a restart; nothing does without.
    pub journal: Option<std::path::PathBuf>,
    /// With a journal: clients and workers whose connection ends try for this long to come back,
    /// and their work is kept.
    pub reconnect_timeout: std::time::Duration,
    /// After a restart, workers have this long to come back before what they held is made anew.
    pub recovery_timeout: std::time::Duration,
    /// Where reports go whose clients are gone; made up if there is none.
    pub reports: Option<std::path::PathBuf>,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        SchedulerOptions {
            address: Address {
                scheme: rask_wire::Scheme::Tcp,
                host: "127.0.0.1".to_owned(),
                port: 0,
            },
            security: Security::default(),
            settings: Settings::default(),
            worker_timeout: std::time::Duration::from_secs(60),
            helper: None,
            journal: None,
            reconnect_timeout: std::time::Duration::from_secs(60),
            recovery_timeout: std::time::Duration::from_secs(15),
            reports: None,
        }
    }
}

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

struct State {
    machine: Scheduler,
    commands: Vec<Command>,
    clients: HashMap<ClientId, Sink>,
    workers: HashMap<WorkerId, Peer>,
    /// What leaves with the next writes.
    to_workers: HashMap<WorkerId, Vec<Frame>>,
    next_client: u32,
    next_worker: u32,
    next_connection: u64,
    memory: Memory,
    alarm: timer::Alarm,
    reports: reports::Reports,
    reconnect_millis: u32,
    stopping: bool,
    helper: Arc<helper::Helper>,
}

enum Sink {
    Local(LocalSink),
    Remote(FrameSender),
}

struct Peer {
    sender: FrameSender,
    heard: Instant,
    name: String,
    /// Where it listens: two workers at a time never have the same.
    address: String,
    process: u32,
    /// How its process ended, if its supervisor has said so.
    death: Option<String>,
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
                    clients: HashMap::default(),
                    workers: HashMap::default(),
                    to_workers: HashMap::default(),
                    next_client: last_client + 1,
                    next_worker: last_worker + 1,
                    next_connection: 1,
                    memory,
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

    /// Messages of a client of this process, taken in at one go.
    pub fn client_messages(
        &self,
        client: ClientId,
        messages: impl IntoIterator<Item = FromClient>,
    ) {
        let mut state = self.shared.state.lock();
        for message in messages {
            if matches!(message, FromClient::Query(_))
                && MutexGuard::unlocked(&mut state, || self.take(client, &message))
            {
                continue;
            }
            state.take_event(self.now(), Event::FromClient { client, message });
        }
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

impl State {
    fn add_client(&mut self, sink: Sink) -> ClientId {
        let client = ClientId(self.next_client);
        self.next_client += 1;
        self.clients.insert(client, sink);
        client
    }

    /// Begins a session, or goes on with one; the client, and a number for this connection. `None`
    /// if it was to go on and is not known.
    fn welcome_client(
        &mut self,
        hello: Hello,
        sender: FrameSender,
        now: Time,
    ) -> Option<(ClientId, u64)> {
        let connection = self.next_connection;
        self.next_connection += 1;
        let mut welcome = SessionWelcome {
            reconnect_millis: self.reconnect_millis,
            ..SessionWelcome::default()
        };
        let known = self.memory.sessions.get_mut(&hello.session);
        if let Some(session) = known {
            session.connection = connection;
            welcome.received = session.received;
            let client = session.client;
            sender.send(ToClient::Welcome(welcome).into_frame());
            self.clients.insert(client, Sink::Remote(sender));
            self.on_event(now, Event::ClientResumed { client });
            return Some((client, connection));
        }
        welcome.is_lost = hello.resumes;
        sender.send(ToClient::Welcome(welcome).into_frame());
        if hello.resumes {
            return None;
        }
        let client = self.add_client(Sink::Remote(sender));
        self.memory.begin(client, hello.clone());
        if let Some(session) = self.memory.sessions.get_mut(&hello.session) {
            session.connection = connection;
        }
        self.on_event(now, Event::ClientJoined { client });
        let message = FromClient::Hello(hello);
        self.on_event(now, Event::FromClient { client, message });
        Some((client, connection))
    }

    /// The client's connection has ended. `false` if it may come back.
    fn disconnect_client(&mut self, client: ClientId, connection: u64, for_good: bool) -> bool {
        let mut sessions = self.memory.sessions.values_mut();
        let session = sessions.find(|session| session.client == client);
        let Some(session) = session.filter(|session| session.connection == connection) else {
            return false;
        };
        session.connection = 0;
        self.clients.remove(&client);
        for_good || self.reconnect_millis == 0
    }

    /// A client that has not come back is gone.
    fn end_client_if_away(&mut self, client: ClientId, now: Time) {
        let mut sessions = self.memory.sessions.values();
        let is_away = sessions.any(|session| session.client == client && session.connection == 0);
        if is_away {
            self.on_event(now, Event::ClientLeft { client });
            self.memory.end(client);
        }
    }

    /// A worker is back after a restart.
    fn end_recovery_if_complete(&mut self, name: &str, now: Time) {
        if self.memory.awaited.remove(name) && self.memory.awaited.is_empty() {
            self.on_event(now, Event::RecoveryEnded);
        }
    }

    /// A worker at this address connects. A connection that it had before has ended, even if that
    /// has not been noticed here.
    fn end_connections_before(&mut self, address: &str, now: Time) {
        let before = self.workers.iter();
        let before: Vec<WorkerId> = before
            .filter(|(_, peer)| peer.address == address)
            .map(|(&worker, _)| worker)
            .collect();
        for worker in before {
            self.end_worker(worker, "it has connected anew".to_owned(), now);
        }
    }

    /// A worker's connection has ended.
    fn end_worker(&mut self, worker: WorkerId, reason: String, now: Time) {
        let Some(peer) = self.workers.remove(&worker) else {
            return;
        };
        peer.sender.close();
        self.memory.remove_worker(worker.0);
        self.on_event(now, Event::WorkerLeft { worker, reason });
    }

    fn add_worker(&mut self, sender: FrameSender, register: &Register) -> WorkerId {
        let name = register.name.clone();
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        self.memory.add_worker(worker.0, &name);
        let heard = Instant::now();
        let peer = Peer {
            sender,
            heard,
            name,
            address: register.address.clone(),
            process: register.process,
            death: None,
        };
        self.workers.insert(worker, peer);
        worker
    }

    fn on_event(&mut self, now: Time, event: Event) {
        self.take_event(now, event);
        self.execute_commands();
    }

    /// Takes in an event; what follows from it waits for `execute_commands`, so that several events
    /// make few writes.
    fn take_event(&mut self, now: Time, event: Event) {
        chronicle::note(&self.machine, &event);
        self.reports.before(&self.machine, now, &event);
        let mut commands = std::mem::take(&mut self.commands);
        let watched = self.helper.is_watching();
        let watched = watched.then(|| watch::Watched::before(&self.machine, &event));
        let before = commands.len();
        self.machine.on_event(now, event, &mut commands);
        if let Some(watched) = watched {
            for event in watched.after(&self.machine, &commands[before..]) {
                self.helper.tell(event);
            }
        }
        // What is written down belongs to this very message.
        let is_record = |command: &mut Command| matches!(command, Command::Journal { .. });
        if self.memory.has_journal() {
            for command in commands.extract_if(before.., is_record) {
                if let Command::Journal { client, entry } = command {
                    self.memory.note(client, entry);
                }
            }
        }
        self.commands = commands;
    }

    /// Messages to a worker leave in one write, in their order.
    fn execute_commands(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        for command in commands.drain(..) {
            self.execute(command);
        }
        self.commands = commands;
        for (worker, frames) in self.to_workers.drain() {
            if let Some(peer) = self.workers.get(&worker) {
                peer.sender.send_all(frames);
            }
        }
        self.alarm.set(self.machine.next_deadline());
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::ToWorker {
                worker,
                mut message,
            } => {
                let frames = self.to_workers.entry(worker).or_default();
                frames.push(message.take_frame());
                self.machine.reuse(&mut message);
            }
            Command::ToClient { client, message } => match self.clients.get(&client) {
                Some(Sink::Local(sink)) => sink(message),
                Some(Sink::Remote(sender)) => {
                    sender.send(message.into_frame());
                }
                None => {}
            },
            Command::DropWorker { worker, reason } => {
                tracing::warn!(worker = worker.0, reason, "a worker broke the protocol");
                if let Some(peer) = self.workers.get(&worker) {
                    peer.sender.close();
                }
            }
            // Taken out before, if there is a journal.
            Command::Journal { .. } => {}
            Command::Stop => {
                self.stopping = true;
                if let Err(error) = self.memory.clear() {
                    tracing::warn!(%error, "the journal cannot be emptied");
                }
            }
        }
    }
}
