//! One simulation: the parties, and the loop that lets things happen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rask_exec::Job;
use rask_proto::{FromClient, FromWorker, ToClient, ToWorker};
use rask_sched::{ClientId, Command, Event, Scheduler, Time};

use crate::cancelling::Forced;
use crate::client::SimClient;
use crate::costs::Costs;
use crate::flakes::Flakes;
use crate::graphs::{evaluate, random_graph};
use crate::network::{Happening, Message, Network, Party};
use crate::peak::Peak;
use crate::random::Random;
use crate::restart::{Connections, Journal, hello};
use crate::topics::Logged;
use crate::troubles::Troubles;
use crate::unfitting::Unfitting;
use crate::worker::SimWorker;
use crate::{Report, Settings};

/// Runs random graphs on a pretended cluster.
///
/// # Panics
///
/// If an invariant does not hold, a client gets a wrong value, work stands still, or anything is
/// left over at the end.
pub fn simulate(seed: u64, settings: &Settings) -> Report {
    let mut simulation = Simulation::new(seed, *settings);
    simulation.run();
    simulation.check_end();
    simulation.report
}

pub(crate) struct Simulation {
    pub(crate) settings: Settings,
    pub(crate) random: Random,
    pub(crate) network: Network,
    pub(crate) scheduler: Scheduler,
    pub(crate) journal: Journal,
    pub(crate) connections: Connections,
    pub(crate) troubles: Troubles,
    pub(crate) workers: BTreeMap<u32, SimWorker>,
    pub(crate) clients: BTreeMap<u32, SimClient>,
    pub(crate) logged: Logged,
    pub(crate) forced: Forced,
    flakes: Flakes,
    pub(crate) next_worker: u32,
    /// Reports that the scheduler has not looked at.
    pub(crate) inbox: Vec<Event>,
    /// When the scheduler is told the time next.
    alarm: Option<u64>,
    pub(crate) costs: Arc<Costs>,
    /// When what was sent between hosts that are far apart has arrived.
    pub(crate) link_free_micros: u64,
    pub(crate) report: Report,
    pub(crate) peak: Peak,
    pub(crate) peak_noted: u64,
    /// Bytes in the memory of each worker, and of all together, while a graph is studied.
    pub(crate) held: HashMap<u32, u64>,
    pub(crate) held_together: u64,
    /// As many happenings there were when the scheduler's books were checked last.
    checked_at: u64,
}

/// While a graph is studied the scheduler's books are checked after so many happenings, and of as
/// many as a part of its tasks: that takes as long as all tasks are many.
const CHECKED_HAPPENINGS: u64 = 64;
const CHECKED_PART: u64 = 4;

/// Characters of a happening that are printed.
const TRACE_LENGTH: usize = 400;

/// Whose work is studied: a client of no share with a quota.
const STUDYING_CLIENT: u32 = 9;

/// Faults come within this time, and a worker that died is replaced within it.
pub(crate) const FAULT_MICROS: u64 = 50_000;

impl Simulation {
    fn new(seed: u64, settings: Settings) -> Self {
        let mut simulation = Simulation::empty(seed, settings, None, Costs::default());
        simulation.add_clients();
        simulation.add_workers();
        simulation.plan_faults();
        simulation
    }

    /// One client, whose graph this is. `costs` are with the most that a message takes.
    pub(crate) fn for_study(
        seed: u64,
        settings: Settings,
        graph: rask_graph::Graph,
        (costs, latency_micros): (Costs, u64),
    ) -> Self {
        let mut simulation = Simulation::empty(seed, settings, Some(latency_micros), costs);
        simulation.add_workers();
        simulation.add_client(STUDYING_CLIENT, graph);
        simulation
    }

    /// Runs until nothing happens any more.
    pub(crate) fn run_to_end(mut self) -> (Report, Peak) {
        self.run();
        self.check_end();
        (self.report, self.peak)
    }

    fn empty(seed: u64, settings: Settings, latency: Option<u64>, costs: Costs) -> Self {
        let mut random = Random::new(seed);
        let drawn = 1 + random.below(3000);
        let latency = latency.unwrap_or(drawn);
        Simulation {
            settings,
            random,
            network: Network::new(latency),
            scheduler: Simulation::new_scheduler(&settings, costs.is_study()),
            journal: Journal::default(),
            connections: Connections::default(),
            troubles: Troubles::default(),
            workers: BTreeMap::new(),
            clients: BTreeMap::new(),
            logged: Logged::default(),
            forced: Forced::default(),
            flakes: Flakes::default(),
            next_worker: 1,
            inbox: Vec::new(),
            alarm: None,
            costs: Arc::new(costs),
            link_free_micros: 0,
            report: Report::default(),
            peak: Peak::default(),
            peak_noted: 0,
            held: HashMap::new(),
            held_together: 0,
            checked_at: 0,
        }
    }

    fn add_workers(&mut self) {
        for _ in 0..self.settings.workers {
            let micros = self.random.below(2000);
            self.network.after(micros, Happening::WorkerJoins);
        }
    }

    fn plan_faults(&mut self) {
        let settings = self.settings;
        for _ in 0..settings.faults.deaths {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::WorkerDies);
        }
        for _ in 0..settings.faults.restarts {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::SchedulerDies);
        }
        for _ in 0..settings.faults.retirements {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::WorkerRetires);
        }
        for _ in 0..settings.faults.pauses {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::WorkerPauses);
        }
        for _ in 0..settings.faults.memory_pauses {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::MemoryRunsShort);
        }
        self.plan_troubles();
        self.plan_cancellations();
        self.plan_suggestions();
    }

    /// All clients have the same layers and want different blocks of them.
    fn add_clients(&mut self) {
        let settings = self.settings;
        let graph = random_graph(&mut self.random, settings.layers, settings.blocks);
        for number in 1..=settings.clients {
            let mut graph = graph.clone();
            for layer in 0..graph.layers.len() as u32 {
                let count = graph.layers[layer as usize].block_count() as u32;
                for block in 0..count {
                    if self.random.chance(30) {
                        let layer = rask_graph::LayerId(layer);
                        graph.wanted.push(rask_graph::Block { layer, block });
                    }
                }
            }
            self.add_client(number, graph);
            if self.random.chance(settings.faults.leaving_percent) {
                let micros = self.random.below(FAULT_MICROS);
                let leaves = Happening::ClientLeaves { client: number };
                self.network.after(micros, leaves);
            }
        }
    }

    fn add_client(&mut self, number: u32, graph: rask_graph::Graph) {
        let settings = &self.settings;
        let unfitting = match self.costs.is_study() {
            true => Unfitting::default(),
            false => {
                let scale = settings.hosts.value_scale.max(1);
                Unfitting::of(&graph, settings.memory_bytes_max, scale)
            }
        };
        let made = evaluate(&graph, settings.faults.raising_percent, &unfitting);
        let mut client = SimClient::new(graph, (made, unfitting), self.costs.clone());
        let party = Party::Client(number);
        self.journal.begin(ClientId(number));
        self.on_scheduler_event(Event::ClientJoined {
            client: ClientId(number),
        });
        self.on_scheduler_event(Event::FromClient {
            client: ClientId(number),
            message: hello(ClientId(number)),
        });
        let follow = client.follower.ask_next();
        self.send(party, Party::Scheduler, Message::FromClient(follow));
        let submit = client.submit();
        let said = self.connections.said.entry(number).or_default();
        said.push(submit.clone());
        self.send(party, Party::Scheduler, Message::FromClient(submit));
        self.clients.insert(number, client);
    }

    pub(crate) fn send(&mut self, from: Party, to: Party, message: Message) {
        if !self.connections.carries(from, to) {
            return;
        }
        self.network.send(&mut self.random, from, to, message);
    }

    fn run(&mut self) {
        while let Some(happening) = self.network.next() {
            if !matches!(happening, Happening::TimePasses) {
                self.report.micros = self.network.now;
            }
            self.report.happenings += 1;
            let limit = self.settings.happenings_max;
            assert!(self.report.happenings < limit, "{}", self.describe());
            if self.settings.trace {
                let text = format!("{happening:?}");
                let end = text
                    .char_indices()
                    .nth(TRACE_LENGTH)
                    .map_or(text.len(), |(at, _)| at);
                eprintln!("{:>10} {}", self.network.now, &text[..end]);
            }
            match happening {
                Happening::Arrives { from, to, message } => self.on_arrival(from, to, message),
                Happening::JobEnds { worker, job } => self.on_job_end(worker, job),
                Happening::ClientRetries { client } => {
                    self.with_client(client, |client, wishes| client.ask(wishes));
                }
                Happening::ClientLeaves { client } => self.on_client_leaves(client),
                Happening::ClientCancels { client } => self.on_client_cancels(client),
                Happening::ClientSubmitsAnew { client } => self.on_client_submits_anew(client),
                Happening::PolicyLooks => self.on_policy_looks(),
                Happening::PolicySuggests { suggestions } => self.on_policy_suggests(suggestions),
                Happening::SchedulerDies => self.on_scheduler_dies(),
                Happening::SchedulerStarts => self.on_scheduler_starts(),
                Happening::Returns { party, incarnation } => self.on_returns(party, incarnation),
                Happening::RecoveryEnds { incarnation } => self.on_recovery_ends(incarnation),
                Happening::TimePasses => self.on_time_passes(),
                Happening::SchedulerLooks => self.take_inbox(),
                Happening::ConnectionEnds => self.on_connection_ends(),
                Happening::ConnectionMissed { id } => self.on_connection_missed(id),
                Happening::WorkersPart => self.on_workers_part(),
                Happening::DiskFills => self.on_disk_fills(),
                Happening::DiskHasRoom { worker } => self.on_disk_has_room(worker),
                Happening::WorkerDies => self.on_worker_dies(),
                Happening::WorkerPauses => self.on_worker_pauses(),
                Happening::MemoryRunsShort => self.on_memory_runs_short(),
                Happening::PaceChanges { worker, pace } => self.on_pace_changes(worker, pace),
                Happening::WorkerRetires => self.on_worker_retires(),
                Happening::WorkerJoins => self.on_worker_joins(),
            }
        }
    }

    fn on_arrival(&mut self, from: Party, to: Party, message: Message) {
        if to == Party::Scheduler && !self.may_wait_together(&message) {
            // It may not survive that.
            self.take_inbox();
            if self.connections.is_down {
                return;
            }
        }
        match (from, to, message) {
            (Party::Worker(number), Party::Scheduler, message) => {
                let Some(worker) = self.connections.find_id(number) else {
                    return;
                };
                match message {
                    Message::FromWorker(message) => {
                        let is_back = matches!(message, FromWorker::Holdings(_));
                        let may_wait = !is_back && self.settings.together_micros > 0;
                        let event = Event::FromWorker { worker, message };
                        if may_wait {
                            return self.wait_together(event);
                        }
                        self.on_scheduler_event(event);
                        if is_back {
                            self.on_holdings_told(number);
                        }
                    }
                    _ => self.on_scheduler_event(Event::WorkerLeft {
                        worker,
                        reason: "simulated".to_owned(),
                    }),
                }
            }
            (Party::Client(number), Party::Scheduler, message) => {
                let client = ClientId(number);
                match message {
                    Message::FromClient(message) => {
                        self.journal.message = message.is_kept().then(|| message.clone());
                        let cancel = match &message {
                            FromClient::Cancel(cancel) => Some(cancel.clone()),
                            _ => None,
                        };
                        self.on_scheduler_event(Event::FromClient { client, message });
                        if let Some(cancel) = cancel {
                            self.check_cancelled(client, &cancel);
                        }
                    }
                    _ => {
                        self.journal.end(client);
                        self.on_scheduler_event(Event::ClientLeft { client });
                    }
                }
            }
            (_, Party::Worker(number), Message::ToWorker(ToWorker::Shutdown(_))) => {
                self.on_worker_retired(number);
            }
            (_, Party::Worker(number), Message::ToWorker(message)) => {
                self.with_worker(number, |worker, effects| {
                    worker.on_message(message, effects)
                });
            }
            (_, Party::Client(number), Message::ToClient(message)) => {
                if let ToClient::Cancelled(blocks) = &message {
                    self.check_told(number, blocks);
                }
                self.with_client(number, |client, wishes| {
                    client.on_message(message, wishes);
                    client.release_if_done(wishes);
                });
            }
            (
                asker,
                Party::Worker(number),
                Message::Ask {
                    holder,
                    keys,
                    asked,
                },
            ) => {
                self.on_ask(asker, number, (holder, keys), asked);
            }
            (
                _,
                to,
                Message::Given {
                    holder,
                    keys,
                    values,
                    asked,
                },
            ) => {
                self.on_given(holder, to, (&keys, &values), asked);
            }
            (from, to, message) => unreachable!("{from:?} to {to:?}: {message:?}"),
        }
    }

    fn on_job_end(&mut self, number: u32, job: Job) {
        let faults = self.settings.faults;
        let mut random = self.random.clone();
        self.random.next();
        if matches!(job, Job::Run { .. }) && self.workers.contains_key(&number) {
            self.log_event(number);
        }
        let mut flakes = std::mem::take(&mut self.flakes);
        self.with_worker(number, |worker, effects| {
            worker.on_job_end(job, (&mut random, &mut flakes), &faults, effects);
        });
        self.report.tasks_raised = flakes.count();
        self.flakes = flakes;
    }

    fn may_wait_together(&self, message: &Message) -> bool {
        let is_back = matches!(message, Message::FromWorker(FromWorker::Holdings(_)));
        let is_report = matches!(message, Message::FromWorker(_)) && !is_back;
        is_report && self.settings.together_micros > 0
    }

    /// A report waits until the scheduler looks.
    fn wait_together(&mut self, event: Event) {
        if self.connections.is_down {
            return;
        }
        if self.inbox.is_empty() {
            let micros = self.settings.together_micros;
            self.network.after(micros, Happening::SchedulerLooks);
        }
        self.inbox.push(event);
    }

    pub(crate) fn take_inbox(&mut self) {
        let mut events = std::mem::take(&mut self.inbox);
        if !events.is_empty() {
            self.with_scheduler(|scheduler, now, commands| {
                scheduler.on_all(now, &mut events, commands);
            });
        }
    }

    pub(crate) fn on_scheduler_event(&mut self, event: Event) {
        self.take_inbox();
        self.with_scheduler(|scheduler, now, commands| scheduler.on_event(now, event, commands));
    }

    fn with_scheduler(&mut self, take: impl FnOnce(&mut Scheduler, Time, &mut Vec<Command>)) {
        if self.connections.is_down {
            return;
        }
        let now = Time {
            micros: self.network.now,
        };
        let mut commands = Vec::new();
        take(&mut self.scheduler, now, &mut commands);
        if self.is_to_be_checked()
            && let Err(broken) = self.scheduler.check_invariants()
        {
            panic!("the scheduler's books: {broken}");
        }
        let done = match self.connections.dies_in_event {
            true => self.random.below(commands.len() as u64 + 1) as usize,
            false => commands.len(),
        };
        for command in commands.drain(..done) {
            match command {
                Command::ToClient { client, message } => {
                    let to = Party::Client(client.0);
                    self.send(Party::Scheduler, to, Message::ToClient(message));
                }
                Command::ToWorker { worker, message } => {
                    let to = self.connections.party_of(worker.0);
                    if let (Party::Worker(number), ToWorker::Shutdown(_)) = (to, &message) {
                        self.check_retired(number);
                    }
                    self.send(Party::Scheduler, to, Message::ToWorker(message));
                }
                Command::DropWorker { reason, .. } => panic!("a worker is dropped: {reason}"),
                Command::Journal { client, entry } => self.journal.note(client, entry),
                Command::Stop => panic!("nobody stops the scheduler"),
            }
        }
        if self.connections.dies_in_event {
            self.end_scheduler();
        }
        self.set_alarm();
    }

    /// Whether the scheduler's books are to be checked now. Large graphs are studied, small ones are
    /// tested.
    fn is_to_be_checked(&mut self) -> bool {
        if !self.costs.is_study() {
            return true;
        }
        let entries = self.scheduler.task_count() + self.scheduler.worker_count();
        let between = CHECKED_HAPPENINGS.max(entries as u64 / CHECKED_PART);
        let is_due = self.report.happenings >= self.checked_at + between;
        if is_due {
            self.checked_at = self.report.happenings;
        }
        is_due
    }

    /// The scheduler is told the time when it wants to be.
    pub(crate) fn set_alarm(&mut self) {
        let Some(Time { micros }) = self.scheduler.next_deadline() else {
            return;
        };
        let at = micros.max(self.network.now + 1);
        if !self.connections.is_down && self.alarm.is_none_or(|alarm| at < alarm) {
            self.alarm = Some(at);
            self.network.at(at, Happening::TimePasses);
        }
    }

    fn on_time_passes(&mut self) {
        self.alarm = None;
        self.on_scheduler_event(Event::TimePassed);
    }

    fn on_worker_joins(&mut self) {
        if self.connections.is_down {
            let micros = self.random.below(FAULT_MICROS);
            return self.network.after(micros, Happening::WorkerJoins);
        }
        let number = self.next_worker;
        self.next_worker += 1;
        let threads = self.settings.threads;
        let budget = self.settings.memory_bytes_max;
        let worker = self.connections.new_id(number);
        let mut fresh = SimWorker::new(worker.0, threads, budget, self.costs.clone());
        fresh.value_scale = self.settings.hosts.value_scale.max(1);
        self.workers.insert(number, fresh);
        let register = self.register(number);
        self.on_scheduler_event(Event::WorkerJoined { worker, register });
    }

    pub(crate) fn pick_worker(&mut self) -> Option<u32> {
        let count = self.workers.len() as u64;
        let at = self.random.below(count.max(1)) as usize;
        self.workers.keys().nth(at).copied()
    }

    /// A worker dies: some of what it had sent is lost; another takes its place after a while.
    fn on_worker_dies(&mut self) {
        let Some(number) = self.pick_worker() else {
            return;
        };
        self.workers.remove(&number);
        self.troubles.forget(number);
        self.report.workers_died += 1;
        let party = Party::Worker(number);
        self.network.lose_from(&mut self.random, party);
        self.send(party, Party::Scheduler, Message::Closed);
        let micros = self.random.below(FAULT_MICROS);
        self.network.after(micros, Happening::WorkerJoins);
    }

    fn on_worker_pauses(&mut self) {
        if let Some(number) = self.pick_worker() {
            let micros = self.random.below(1_000_000);
            self.network.delay(Party::Worker(number), micros);
        }
    }

    fn on_client_leaves(&mut self, number: u32) {
        if self.clients.remove(&number).is_some() {
            self.send(Party::Client(number), Party::Scheduler, Message::Closed);
        }
    }

    fn describe(&self) -> String {
        let clients = self.clients.iter();
        let clients: Vec<String> = clients
            .map(|(number, client)| format!("client {number} waits for {}", client.describe()))
            .collect();
        let (tasks, workers) = (self.scheduler.task_count(), self.workers.len());
        format!(
            "work stands still at {} µs after {} happenings: {tasks} tasks, {workers} workers, {}",
            self.network.now,
            self.report.happenings,
            clients.join(", "),
        )
    }

    fn check_end(&self) {
        let done = self.clients.values().all(SimClient::is_done);
        assert!(done, "{}", self.describe());
        assert_eq!(self.scheduler.task_count(), 0, "the scheduler knows tasks");
        self.check_followers();
        for worker in self.workers.values() {
            worker.check_empty();
        }
        if self.clients.values().all(|client| client.released) {
            let layers = self.scheduler.layer_count();
            assert_eq!(layers, 0, "the scheduler knows layers");
            let mut workers = self.workers.values();
            assert!(
                workers.all(|worker| worker.layers.is_empty()),
                "workers know layers"
            );
        }
    }
}
