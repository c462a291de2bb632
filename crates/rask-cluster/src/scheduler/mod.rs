//! The scheduler's process: connections around `rask_sched::Scheduler`.

mod helper;
mod serve;
mod watch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use foldhash::HashMap;
pub use helper::HelperCommand;
use parking_lot::{Condvar, Mutex};
use rask_proto::{FromClient, ToClient, Wire};
use rask_sched::{ClientId, Command, Event, Scheduler, Settings, Time, WorkerId};
use rask_wire::{Address, FrameSender, Listener, Security};
use tokio::sync::Notify;

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
    ended: Mutex<bool>,
    ended_changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    machine: Scheduler,
    commands: Vec<Command>,
    clients: HashMap<ClientId, Sink>,
    workers: HashMap<WorkerId, Peer>,
    next_client: u32,
    next_worker: u32,
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
}

impl SchedulerHandle {
    /// Starts a scheduler on a thread of its own.
    pub fn start(options: SchedulerOptions) -> Result<Self, ClusterError> {
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

    fn new(listener: &Listener, settings: Settings, command: Option<HelperCommand>) -> Self {
        let helper = Arc::new(helper::Helper::new(command));
        SchedulerHandle {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    machine: Scheduler::new(settings),
                    commands: Vec::new(),
                    clients: HashMap::default(),
                    workers: HashMap::default(),
                    next_client: 1,
                    next_worker: 1,
                    stopping: false,
                    helper: helper.clone(),
                }),
                address: listener.address().clone(),
                started: Instant::now(),
                stop: Notify::new(),
                helper,
                ended: Mutex::new(false),
                ended_changed: Condvar::new(),
                thread: Mutex::new(None),
            }),
        }
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

    /// A message of a client of this process.
    pub fn client_message(&self, client: ClientId, message: FromClient) {
        self.on_event(Event::FromClient { client, message });
    }

    /// Removes a client of this process.
    pub fn detach_client(&self, client: ClientId) {
        let mut state = self.shared.state.lock();
        state.clients.remove(&client);
        state.on_event(self.now(), Event::ClientLeft { client });
        self.check_stop(&state);
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

    fn on_event(&self, event: Event) {
        if let Event::FromClient { client, message } = &event
            && helper::take(self, *client, message)
        {
            return;
        }
        let mut state = self.shared.state.lock();
        state.on_event(self.now(), event);
        self.check_stop(&state);
    }

    fn check_stop(&self, state: &State) {
        if state.stopping {
            self.shared.stop.notify_one();
        }
    }
}

impl State {
    fn add_client(&mut self, sink: Sink) -> ClientId {
        let client = ClientId(self.next_client);
        self.next_client += 1;
        self.clients.insert(client, sink);
        client
    }

    fn add_worker(&mut self, sender: FrameSender, name: String) -> WorkerId {
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        let heard = Instant::now();
        let peer = Peer {
            sender,
            heard,
            name,
        };
        self.workers.insert(worker, peer);
        worker
    }

    fn on_event(&mut self, now: Time, event: Event) {
        let mut commands = std::mem::take(&mut self.commands);
        let watched = self.helper.is_watching();
        let watched = watched.then(|| watch::Watched::before(&self.machine, &event));
        self.machine.on_event(now, event, &mut commands);
        if let Some(watched) = watched {
            for event in watched.after(&self.machine, &commands) {
                self.helper.tell(event);
            }
        }
        for command in commands.drain(..) {
            self.execute(command);
        }
        self.commands = commands;
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::ToWorker { worker, message } => {
                if let Some(peer) = self.workers.get(&worker) {
                    peer.sender.send(message.into_frame());
                }
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
            Command::Stop => self.stopping = true,
        }
    }
}
