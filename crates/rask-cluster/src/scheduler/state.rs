//! What the lock of the scheduler protects: the machine, connections, and what leaves with the next
//! writes.

use std::sync::Arc;
use std::time::Instant;

use foldhash::HashMap;
use rask_proto::{Frame, FromClient, Hello, Register, SessionWelcome, ToClient, Wire};
use rask_sched::{ClientId, Command, Event, Scheduler, Time, WorkerId};
use rask_wire::FrameSender;

use super::memory::Memory;
use super::{LocalSink, chronicle, gathering, helper, reports, timer, watch};

/// So many lists of messages are kept for the next ones, and none that is longer.
const SPARE_LISTS_MAX: usize = 16;
const SPARE_LENGTH_MAX: usize = 1024;

/// What the lock of the scheduler protects.
pub(super) struct State {
    pub machine: Scheduler,
    pub commands: Vec<Command>,
    /// What has come together and is not taken in yet.
    pub events: Vec<Event>,
    pub clients: HashMap<ClientId, Sink>,
    pub workers: HashMap<WorkerId, Peer>,
    /// What leaves with the next writes.
    pub to_workers: HashMap<WorkerId, Vec<Frame>>,
    /// Empty lists for that, with room.
    pub spare_lists: Vec<Vec<Frame>>,
    pub next_client: u32,
    pub next_worker: u32,
    pub next_connection: u64,
    pub memory: Memory,
    pub gathering: gathering::Gathering,
    pub alarm: timer::Alarm,
    pub reports: reports::Reports,
    pub reconnect_millis: u32,
    pub stopping: bool,
    pub helper: Arc<helper::Helper>,
}

/// Where messages to a client go.
pub(super) enum Sink {
    Local(LocalSink),
    Remote(FrameSender),
}

/// A worker's connection.
pub(super) struct Peer {
    pub sender: FrameSender,
    pub heard: Instant,
    pub name: String,
    /// Where it listens: two workers at a time never have the same.
    pub address: String,
    pub process: u32,
    /// How its process ended, if its supervisor has said so.
    pub death: Option<String>,
}

impl State {
    pub fn add_client(&mut self, sink: Sink) -> ClientId {
        let client = ClientId(self.next_client);
        self.next_client += 1;
        self.clients.insert(client, sink);
        client
    }

    /// Begins a session, or goes on with one; the client, and a number for this connection. `None`
    /// if it was to go on and is not known.
    pub fn welcome_client(
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
    pub fn disconnect_client(&mut self, client: ClientId, connection: u64, for_good: bool) -> bool {
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
    pub fn end_client_if_away(&mut self, client: ClientId, now: Time) {
        let mut sessions = self.memory.sessions.values();
        let is_away = sessions.any(|session| session.client == client && session.connection == 0);
        if is_away {
            self.on_event(now, Event::ClientLeft { client });
            self.memory.end(client);
        }
    }

    /// A worker is back after a restart.
    pub fn end_recovery_if_complete(&mut self, name: &str, now: Time) {
        if self.memory.awaited.remove(name) && self.memory.awaited.is_empty() {
            self.on_event(now, Event::RecoveryEnded);
        }
    }

    /// A worker at this address connects. A connection that it had before has ended, even if that
    /// has not been noticed here.
    pub fn end_connections_before(&mut self, address: &str, now: Time) {
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
    pub fn end_worker(&mut self, worker: WorkerId, reason: String, now: Time) {
        // What it said last counts.
        self.take_events(now);
        let Some(peer) = self.workers.remove(&worker) else {
            return;
        };
        peer.sender.close();
        self.memory.remove_worker(worker.0);
        self.on_event(now, Event::WorkerLeft { worker, reason });
    }

    pub fn add_worker(&mut self, sender: FrameSender, register: &Register) -> WorkerId {
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

    pub fn on_event(&mut self, now: Time, event: Event) {
        self.take_event(now, event);
        self.execute_commands();
    }

    /// Takes in an event; what follows from it waits for `execute_commands`, so that several events
    /// make few writes.
    pub fn take_event(&mut self, now: Time, event: Event) {
        self.note(now, &event);
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
        self.write_down(&mut commands, before);
        self.commands = commands;
    }

    /// Takes in what has come together; what follows from all of it is decided once.
    pub fn take_events(&mut self, now: Time) {
        let mut events = std::mem::take(&mut self.events);
        if events.len() == 1 || self.helper.is_watching() {
            for event in events.drain(..) {
                self.take_event(now, event);
            }
        } else if !events.is_empty() {
            for event in &events {
                self.note(now, event);
            }
            let before = self.commands.len();
            let mut commands = std::mem::take(&mut self.commands);
            self.machine.on_all(now, &mut events, &mut commands);
            self.write_down(&mut commands, before);
            self.commands = commands;
        }
        self.events = events;
    }

    /// Before an event is taken in.
    fn note(&mut self, now: Time, event: &Event) {
        chronicle::note(&self.machine, event);
        self.reports.before(&self.machine, now, event);
    }

    /// Carries out those of the commands, from this one on, that are to be carried out before all
    /// others.
    fn write_down(&mut self, commands: &mut Vec<Command>, from: usize) {
        let is_record = |command: &mut Command| matches!(command, Command::Journal { .. });
        if self.memory.has_journal() {
            for command in commands.extract_if(from.., is_record) {
                if let Command::Journal { client, entry } = command {
                    self.memory.note(client, entry);
                }
            }
        }
    }

    /// Tells a client something, if it is connected.
    pub fn tell(&self, client: ClientId, message: ToClient) {
        match self.clients.get(&client) {
            Some(Sink::Local(sink)) => sink(message),
            Some(Sink::Remote(sender)) => {
                sender.send(message.into_frame());
            }
            None => {}
        }
    }

    /// Messages to a worker leave in one write, in their order.
    pub fn execute_commands(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        for command in commands.drain(..) {
            self.execute(command);
        }
        self.commands = commands;
        for (worker, mut frames) in self.to_workers.drain() {
            if let Some(peer) = self.workers.get(&worker) {
                peer.sender.send_all(frames.drain(..));
            }
            frames.clear();
            if self.spare_lists.len() < SPARE_LISTS_MAX && frames.capacity() <= SPARE_LENGTH_MAX {
                self.spare_lists.push(frames);
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
                let spare = &mut self.spare_lists;
                let frames = self.to_workers.entry(worker);
                let frames = frames.or_insert_with(|| spare.pop().unwrap_or_default());
                frames.push(message.take_frame());
                self.machine.reuse(&mut message);
            }
            Command::ToClient { client, message } => self.tell(client, message),
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
