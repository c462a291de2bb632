//! The scheduler dies and is started again: what it wrote down, and how the others come back.

use std::collections::{BTreeMap, BTreeSet};

use rask_proto::{Blocks, FromClient, Hello, Register, TaskFailed, TaskTroubles};
use rask_sched::{
    ClientId, Event, JournalEntry, Scheduler, ShareSettings, Speculation, Time, WorkerId,
};

use crate::Settings;
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
    Troubled(TaskTroubles),
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
            JournalEntry::Troubled(troubles) => Entry::Troubled(troubles),
            JournalEntry::Said { numbers } => {
                let client = client.expect("somebody said it");
                let message = self.message.take().expect("it is being taken in");
                Entry::Said(client, message, numbers)
            }
        };
        self.entries.push(entry);
    }

    /// How many messages of a client are written down.
    pub(crate) fn count(&self, client: ClientId) -> usize {
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
                    scheduler.replay(now, client, hello(client), &[]);
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
                Entry::Troubled(troubles) => scheduler.replay_troubles(troubles),
            }
        }
    }
}

/// Values of random graphs have up to some hundred bytes.
const LARGE_BYTES_MIN: u64 = 4;

/// Clients 1 and 2 count for shares of unequal weight and with a quota; others for themselves.
pub(crate) fn hello(client: ClientId) -> FromClient {
    FromClient::Hello(Hello {
        share: match client.0 {
            1 | 2 => format!("share-{}", client.0),
            _ => String::new(),
        },
        ..Hello::default()
    })
}

fn shares() -> Vec<ShareSettings> {
    let texts = ["share-1:weight=3,tasks=3", "share-2:weight=0.5"];
    ShareSettings::try_all(texts.into_iter()).expect("shares as they are written")
}

/// Who has a connection to the scheduler, and what has to be said again.
#[derive(Default)]
pub(crate) struct Connections {
    /// Nobody has one while the scheduler is down.
    pub(crate) is_down: bool,
    /// How many times it was started again.
    pub(crate) incarnation: u32,
    pub(crate) away: BTreeSet<Party>,
    /// It dies while it does what follows from the next event.
    pub(crate) dies_in_event: bool,
    /// The number under which the scheduler knows each worker: a new one with each connection.
    ids: BTreeMap<u32, u32>,
    parties: BTreeMap<u32, u32>,
    /// Workers of before the restart that are not back.
    awaited: BTreeSet<u32>,
    /// What tasks had been through when the scheduler died.
    troubles: Vec<TaskTroubles>,
    /// What each client has said that must not be lost.
    pub(crate) said: BTreeMap<u32, Vec<FromClient>>,
}

impl Connections {
    /// A worker gets a connection to the scheduler.
    pub(crate) fn new_id(&mut self, number: u32) -> WorkerId {
        let id = self.parties.len() as u32 + 1;
        self.parties.insert(id, number);
        self.ids.insert(number, id);
        WorkerId(id)
    }

    /// The scheduler's number of a worker.
    pub(crate) fn find_id(&self, number: u32) -> Option<WorkerId> {
        self.ids.get(&number).map(|&id| WorkerId(id))
    }

    /// Who has, or had, this number of the scheduler's.
    pub(crate) fn party_of(&self, id: u32) -> Party {
        Party::Worker(self.parties[&id])
    }

    /// Whether a message between these gets through.
    pub(crate) fn carries(&self, from: Party, to: Party) -> bool {
        let ends = [from, to];
        !ends.contains(&Party::Scheduler)
            || !(self.is_down || ends.iter().any(|end| self.away.contains(end)))
    }
}

impl Simulation {
    /// The scheduler dies, now or in the middle of what follows from the next event.
    pub(crate) fn on_scheduler_dies(&mut self) {
        if self.connections.is_down || self.connections.dies_in_event {
            return;
        }
        match self.random.chance(50) {
            true => self.connections.dies_in_event = true,
            false => self.end_scheduler(),
        }
    }

    /// All that is on its way from the scheduler and to it is lost.
    pub(crate) fn end_scheduler(&mut self) {
        // What follows from the event at hand may not have been written down.
        self.connections.troubles = match std::mem::take(&mut self.connections.dies_in_event) {
            true => Vec::new(),
            false => self.scheduler.troubles(),
        };
        self.report.restarts += 1;
        self.connections.is_down = true;
        self.connections.incarnation += 1;
        self.network.lose_all(Party::Scheduler);
        self.inbox.clear();
        let micros = self.random.below(DOWN_MICROS);
        self.network.after(micros, Happening::SchedulerStarts);
    }

    /// Another takes its place and reads what it wrote down.
    pub(crate) fn on_scheduler_starts(&mut self) {
        self.scheduler = Simulation::new_scheduler(&self.settings, self.costs.is_study());
        self.journal.replay(&mut self.scheduler);
        self.scheduler.begin_recovery();
        if let Err(broken) = self.scheduler.check_invariants() {
            panic!("the scheduler's books after a restart: {broken}");
        }
        self.check_remembered();
        self.check_troubles();
        self.connections.is_down = false;
        self.set_alarm();
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

    /// Tasks may raise no more often than they could before, nor end more workers.
    fn check_troubles(&mut self) {
        let now = self.scheduler.troubles();
        for before in std::mem::take(&mut self.connections.troubles) {
            let known = now
                .iter()
                .find(|now| (now.layer, now.block) == (before.layer, before.block));
            let is_kept = known.is_some_and(|known| {
                known.retries <= before.retries && known.deaths >= before.deaths
            });
            assert!(is_kept, "{before:?} is {known:?} after a restart");
        }
    }

    /// A worker or a client connects again.
    pub(crate) fn on_returns(&mut self, party: Party, incarnation: u32) {
        // What is said to its connection before goes nowhere.
        self.take_inbox();
        if incarnation != self.connections.incarnation || self.connections.is_down {
            return;
        }
        if !self.connections.away.remove(&party) {
            return;
        }
        self.report.reconnections += 1;
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
        if let Some(id) = self.connections.find_id(number) {
            // It may not have been noticed yet that the connection before has ended.
            self.on_connection_missed(id.0);
        }
        let worker = self.connections.new_id(number);
        let register = self.register(number);
        self.on_scheduler_event(Event::WorkerJoined { worker, register });
        let id = worker.0;
        self.with_worker(number, |worker, effects| worker.on_reconnected(id, effects));
    }

    fn on_client_returns(&mut self, number: u32) {
        let client = ClientId(number);
        if !self.clients.contains_key(&number) {
            // It left while it had no connection, and is given up when it does not come back.
            self.journal.end(client);
            return self.on_scheduler_event(Event::ClientLeft { client });
        }
        self.on_scheduler_event(Event::ClientResumed { client });
        let taken_in = self.journal.count(client);
        let said = self.connections.said.get(&number).cloned();
        let from = Party::Client(number);
        for message in said.unwrap_or_default().into_iter().skip(taken_in) {
            self.send(from, Party::Scheduler, Message::FromClient(message));
        }
        if let Some(client) = self.clients.get(&number) {
            let follow = client.follower.ask();
            self.send(from, Party::Scheduler, Message::FromClient(follow));
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

    pub(crate) fn new_scheduler(settings: &Settings, is_study: bool) -> Scheduler {
        let usual = rask_sched::Settings::default();
        // Values of random graphs are small, and are to be taken for large ones.
        let is_to_scale = is_study || settings.hosts.value_scale > 1;
        let bytes_min = |usual: u64, small: u64| if is_to_scale { usual } else { small };
        // With many deaths any task may be running on many workers that die.
        Scheduler::new(rask_sched::Settings {
            allowed_failures: u8::MAX,
            journal: true,
            counted_bytes_min: bytes_min(usual.counted_bytes_min, 1),
            large_bytes_min: bytes_min(usual.large_bytes_min, LARGE_BYTES_MIN),
            // Nobody in a study has a quota.
            shares: if is_study { Vec::new() } else { shares() },
            speculation: settings.speculates.then_some(Speculation {
                slower_times: 2.0,
                micros_min: 3000,
            }),
            drops_replicas: settings.drops_replicas,
            reduction_interval_micros: 5000,
            ..usual
        })
    }

    pub(crate) fn register(&self, number: u32) -> Register {
        Register {
            name: format!("worker-{number}"),
            address: format!(
                "tcp://10.0.0.{}:{number}",
                self.settings.hosts.host_of(number)
            ),
            process: number,
            thread_count: self.settings.threads,
            memory_bytes_max: self.settings.memory_bytes_max.unwrap_or(0),
            ..Register::default()
        }
    }
}
