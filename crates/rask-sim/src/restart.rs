//! The scheduler dies and is started again: what it wrote down, and how the others come back.

use std::collections::{BTreeMap, BTreeSet};

use rask_proto::{Blocks, FromClient, Register, TaskFailed};
use rask_sched::{ClientId, Event, JournalEntry, Scheduler, Time, WorkerId};

use crate::network::{Happening, Message, Party};
use crate::simulation::Simulation;

/// The scheduler is down for up to this long, and the others come back within it.
const DOWN_MICROS: u64 = 20_000;
/// Workers that are not back by then are taken for dead.
const RECOVERY_MICROS: u64 = 40_000;

/// What a scheduler writes down, in order.
#[derive(Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    /// The client's message that is being taken in.
    pub(crate) message: Option<FromClient>,
}

enum Entry {
    Began(ClientId),
    Ended(ClientId),
    Said(ClientId, FromClient, Vec<u32>),
    Failed(TaskFailed),
    Forgotten(Blocks),
}

impl Journal {
    pub(crate) fn begin(&mut self, client: ClientId) {
        self.entries.push(Entry::Began(client));
    }

    pub(crate) fn end(&mut self, client: ClientId) {
        self.entries.push(Entry::Ended(client));
    }

    pub(crate) fn note(&mut self, client: Option<ClientId>, entry: JournalEntry) {
        let entry = match entry {
            JournalEntry::Failed(failed) => Entry::Failed(*failed),
            JournalEntry::Forgotten(blocks) => Entry::Forgotten(blocks),
            JournalEntry::Said { numbers } => {
                let client = client.expect("somebody said it");
                let message = self.message.take().expect("it is being taken in");
                Entry::Said(client, message, numbers)
            }
        };
        self.entries.push(entry);
    }

    /// How many messages of a client are written down.
    fn count(&self, client: ClientId) -> usize {
        let said = self.entries.iter();
        said.filter(|entry| matches!(entry, Entry::Said(who, ..) if *who == client))
            .count()
    }

    /// Clients that did not leave.
    fn clients(&self) -> BTreeSet<ClientId> {
        let mut clients = BTreeSet::new();
        for entry in &self.entries {
            match entry {
                Entry::Began(client) => clients.insert(*client),
                Entry::Ended(client) => clients.remove(client),
                _ => false,
            };
        }
        clients
    }

    /// Has a fresh scheduler take everything in again.
    fn replay(&self, scheduler: &mut Scheduler) {
        let now = Time::default();
        for entry in &self.entries {
            match entry {
                Entry::Began(client) => {
                    let client = *client;
                    scheduler.on_event(now, Event::ClientJoined { client }, &mut Vec::new());
                }
                Entry::Ended(client) => {
                    let client = *client;
                    scheduler.on_event(now, Event::ClientLeft { client }, &mut Vec::new());
                }
                Entry::Said(client, message, numbers) => {
                    scheduler.replay(now, *client, message.clone(), numbers);
                }
                Entry::Failed(failed) => scheduler.replay_failure(failed.clone()),
                Entry::Forgotten(blocks) => scheduler.replay_forgotten(blocks),
            }
        }
    }
}

/// Who has a connection to the scheduler, and what has to be said again.
#[derive(Default)]
pub(crate) struct Connections {
    /// Nobody has one while the scheduler is down.
    pub(crate) is_down: bool,
    /// How many times it was started again.
    incarnation: u32,
    away: BTreeSet<Party>,
    /// Workers of before the restart that are not back.
    awaited: BTreeSet<u32>,
    /// What each client has said that must not be lost.
    pub(crate) said: BTreeMap<u32, Vec<FromClient>>,
}

impl Connections {
    /// Whether a message between these gets through.
    pub(crate) fn carries(&self, from: Party, to: Party) -> bool {
        let ends = [from, to];
        !ends.contains(&Party::Scheduler)
            || !(self.is_down || ends.iter().any(|end| self.away.contains(end)))
    }
}

impl Simulation {
    /// The scheduler dies; all that was on its way from it and to it is lost.
    pub(crate) fn on_scheduler_dies(&mut self) {
        if self.connections.is_down {
            return;
        }
        self.report.restarts += 1;
        self.connections.is_down = true;
        self.connections.incarnation += 1;
        self.network.lose_all(Party::Scheduler);
        let micros = self.random.below(DOWN_MICROS);
        self.network.after(micros, Happening::SchedulerStarts);
    }

    /// Another takes its place and reads what it wrote down.
    pub(crate) fn on_scheduler_starts(&mut self) {
        self.scheduler = Simulation::new_scheduler();
        self.journal.replay(&mut self.scheduler);
        self.scheduler.begin_recovery();
        if let Err(broken) = self.scheduler.check_invariants() {
            panic!("the scheduler's books after a restart: {broken}");
        }
        self.connections.is_down = false;
        let workers = self.workers.keys().copied();
        self.connections.awaited = workers.collect();
        let workers = self.workers.keys().map(|&number| Party::Worker(number));
        let clients = self.clients.keys().map(|&number| Party::Client(number));
        self.connections.away = workers.chain(clients).collect();
        let incarnation = self.connections.incarnation;
        for party in self.connections.away.clone() {
            let micros = self.random.below(DOWN_MICROS);
            let returns = Happening::Returns { party, incarnation };
            self.network.after(micros, returns);
        }
        let ends = Happening::RecoveryEnds { incarnation };
        self.network.after(RECOVERY_MICROS, ends);
    }

    /// A worker or a client connects again.
    pub(crate) fn on_returns(&mut self, party: Party, incarnation: u32) {
        if incarnation != self.connections.incarnation || self.connections.is_down {
            return;
        }
        self.connections.away.remove(&party);
        match party {
            Party::Worker(number) => self.on_worker_returns(number),
            Party::Client(number) => self.on_client_returns(number),
            Party::Scheduler => {}
        }
    }

    fn on_worker_returns(&mut self, number: u32) {
        if !self.workers.contains_key(&number) {
            return;
        }
        let register = self.register(number);
        self.on_scheduler_event(Event::WorkerJoined {
            worker: WorkerId(number),
            register,
        });
        self.with_worker(number, |worker, effects| worker.on_reconnected(effects));
    }

    fn on_client_returns(&mut self, number: u32) {
        if !self.clients.contains_key(&number) {
            return;
        }
        let client = ClientId(number);
        self.on_scheduler_event(Event::ClientResumed { client });
        let taken_in = self.journal.count(client);
        let said = self.connections.said.get(&number).cloned();
        for message in said.unwrap_or_default().into_iter().skip(taken_in) {
            let from = Party::Client(number);
            self.send(from, Party::Scheduler, Message::FromClient(message));
        }
    }

    /// What a worker holds has been told.
    pub(crate) fn on_holdings_told(&mut self, number: u32) {
        if self.connections.awaited.remove(&number) && self.connections.awaited.is_empty() {
            self.on_scheduler_event(Event::RecoveryEnded);
        }
    }

    /// Who is not back is given up.
    pub(crate) fn on_recovery_ends(&mut self, incarnation: u32) {
        if incarnation != self.connections.incarnation || self.connections.is_down {
            return;
        }
        self.connections.awaited.clear();
        self.on_scheduler_event(Event::RecoveryEnded);
        for client in self.journal.clients() {
            if !self.clients.contains_key(&client.0) {
                self.journal.end(client);
                self.on_scheduler_event(Event::ClientLeft { client });
            }
        }
    }

    pub(crate) fn new_scheduler() -> Scheduler {
        // With many deaths any task may be running on many workers that die.
        Scheduler::new(rask_sched::Settings {
            allowed_failures: u8::MAX,
            journal: true,
            ..rask_sched::Settings::default()
        })
    }

    pub(crate) fn register(&self, number: u32) -> Register {
        Register {
            name: format!("worker-{number}"),
            address: format!("tcp://10.0.0.{number}:1"),
            thread_count: self.settings.threads,
            memory_bytes_max: self.settings.memory_bytes_max.unwrap_or(0),
            ..Register::default()
        }
    }
}
