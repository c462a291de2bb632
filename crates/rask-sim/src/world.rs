//! Virtual time and network, faults, and the checks at the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rask_exec::{Fetch, TaskId};
use rask_proto::{
    Blocks, FromClient, FromWorker, Heartbeat, Query, QueryBody, Register, ToClient, ToWorker,
};
use rask_sched::{ClientId, Command, Event, Scheduler, Settings, Time, WorkerId};

use crate::client::{Known, SimClient};
use crate::random::{Random, mix};
use crate::worker::{Key, SimWorker, Wishes};

/// What may go wrong in a run; each in percent of the chances it has.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub crash: u64,
    pub task_fails: u64,
    pub release: u64,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub events: u64,
    pub finished: usize,
    pub erred: usize,
}

const CLIENT: ClientId = ClientId(1);
/// Far more events than any run of this size takes.
const EVENTS_MAX: u64 = 200_000;
const HEARTBEAT_MICROS: u64 = 20_000;

enum Happening {
    ToScheduler(Event),
    ToWorker(u32, ToWorker),
    ToClient(ToClient),
    TaskEnds(u32, TaskId, Key, u32),
    FetchAsked {
        asker: u32,
        fetch: Fetch,
    },
    FetchEnds {
        asker: u32,
        fetch: Fetch,
        came: bool,
    },
    Crash,
    Join,
    Submit,
    Release,
    Beat(u32),
}

struct World {
    random: Random,
    seed: u64,
    faults: Faults,
    now: u64,
    order: u64,
    agenda: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    /// When the last message on a link arrives: messages of a link keep their order.
    links: BTreeMap<(u32, u32), u64>,
    scheduler: Scheduler,
    workers: BTreeMap<u32, SimWorker>,
    client: SimClient,
    next_worker: u32,
    submissions_left: u32,
    crashes_left: u32,
}

/// Runs one cluster from start to end. An error says what broke.
pub fn simulate(seed: u64, faults: Faults) -> Result<Outcome, String> {
    let mut world = World::new(seed, faults);
    let mut events = 0;
    while let Some(Reverse((time, order))) = world.agenda.pop() {
        world.now = time;
        let Some(happening) = world.happenings.remove(&order) else {
            continue;
        };
        world.happen(happening)?;
        events += 1;
        if events > EVENTS_MAX {
            let pending = world.scheduler.describe_pending();
            return Err(format!(
                "seed {seed}: no end after {events} events; pending:\n{pending}"
            ));
        }
        if world.is_over() {
            break;
        }
    }
    world.check_end()?;
    let count = |wanted| {
        let known = world.client.wanted.values();
        known.filter(|known| **known == wanted).count()
    };
    Ok(Outcome {
        events,
        finished: count(Known::Finished),
        erred: count(Known::Erred),
    })
}

impl World {
    fn new(seed: u64, faults: Faults) -> Self {
        let mut random = Random::new(seed);
        let submissions_left = 1 + random.below(4) as u32;
        let crashes_left = random.below(6) as u32;
        let worker_count = 1 + random.below(4);
        let mut world = World {
            random,
            seed,
            faults,
            now: 0,
            order: 0,
            agenda: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            links: BTreeMap::new(),
            scheduler: Scheduler::new(Settings {
                allowed_failures: 100,
                ..Settings::default()
            }),
            workers: BTreeMap::new(),
            client: SimClient::default(),
            next_worker: 1,
            submissions_left,
            crashes_left,
        };
        world.plan(
            0,
            Happening::ToScheduler(Event::ClientJoined { client: CLIENT }),
        );
        for _ in 0..worker_count {
            let at = world.random.below(2000);
            world.plan(at, Happening::Join);
        }
        for _ in 0..submissions_left {
            let at = world.random.below(30_000);
            world.plan(at, Happening::Submit);
        }
        for _ in 0..crashes_left {
            let at = world.random.below(60_000);
            world.plan(at, Happening::Crash);
        }
        for _ in 0..3 {
            let at = world.random.below(60_000);
            world.plan(at, Happening::Release);
        }
        world
    }

    fn plan(&mut self, delay: u64, happening: Happening) {
        self.order += 1;
        self.agenda.push(Reverse((self.now + delay, self.order)));
        self.happenings.insert(self.order, happening);
    }

    /// Plans a message on a link, after those sent on it before. 0 is the scheduler, `u32::MAX` the
    /// client.
    fn send(&mut self, from: u32, to: u32, happening: Happening) {
        let delay = 20 + self.random.below(400);
        let last = self.links.entry((from, to)).or_insert(0);
        let arrives = (self.now + delay).max(*last + 1);
        *last = arrives;
        let delay = arrives - self.now;
        self.plan(delay, happening);
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::ToScheduler(event) => return self.on_scheduler(event),
            Happening::ToClient(message) => self.client.on_message(message),
            Happening::ToWorker(number, message) => {
                self.on_worker(number, |worker| worker.on_message(message));
            }
            Happening::TaskEnds(number, slot, key, micros) => {
                let fails = self.fails(key);
                self.on_worker(number, |worker| worker.on_ended(slot, fails, micros));
            }
            Happening::FetchAsked { asker, fetch } => {
                let key = ((fetch.key >> 32) as u32, fetch.key as u32);
                let holder = self.workers.get(&fetch.holder);
                let came = holder.is_some_and(|holder| holder.holds(key));
                let ends = Happening::FetchEnds { asker, fetch, came };
                self.send(fetch.holder, asker, ends);
            }
            Happening::FetchEnds { asker, fetch, came } => {
                self.on_worker(asker, |worker| worker.on_fetch_ended(fetch, came));
            }
            Happening::Crash => self.crash(),
            Happening::Join => self.join(),
            Happening::Submit => {
                self.submissions_left -= 1;
                let message = self.client.submit(&mut self.random);
                self.from_client(message);
            }
            Happening::Release => {
                if self.random.chance(self.faults.release)
                    && let Some(message) = self.client.release(&mut self.random)
                {
                    self.from_client(message);
                }
            }
            Happening::Beat(number) => self.beat(number),
        }
        Ok(())
    }

    /// A failing task fails always: the outcome of a graph does not depend on the schedule.
    fn fails(&self, key: Key) -> bool {
        let mixed = mix(self.seed ^ mix(u64::from(key.0) << 32 | u64::from(key.1)));
        mixed % 100 < self.faults.task_fails
    }

    fn on_scheduler(&mut self, event: Event) -> Result<(), String> {
        let mut commands = Vec::new();
        let now = Time { micros: self.now };
        let shown = format!("{event:?}");
        self.scheduler.on_event(now, event, &mut commands);
        self.scheduler
            .check_invariants()
            .map_err(|broken| format!("seed {}: after {shown}: {broken}", self.seed))?;
        for command in commands {
            match command {
                Command::ToWorker { worker, message } => {
                    self.send(0, worker.0, Happening::ToWorker(worker.0, message));
                }
                Command::ToClient { message, .. } => {
                    self.send(0, u32::MAX, Happening::ToClient(message));
                }
                Command::DropWorker { reason, .. } => {
                    return Err(format!("seed {}: {reason}", self.seed));
                }
                Command::Stop => {}
            }
        }
        Ok(())
    }

    fn on_worker(&mut self, number: u32, act: impl FnOnce(&mut SimWorker) -> Wishes) {
        let Some(worker) = self.workers.get_mut(&number) else {
            return;
        };
        let wishes = act(worker);
        for (slot, key) in wishes.starts {
            let micros = 1 + match self.random.below(10) {
                0 => self.random.below(60_000),
                _ => self.random.below(2_000),
            };
            let ends = Happening::TaskEnds(number, slot, key, micros as u32);
            self.plan(micros, ends);
        }
        for fetch in wishes.fetches {
            let asked = Happening::FetchAsked {
                asker: number,
                fetch,
            };
            self.send(number, fetch.holder, asked);
        }
        for message in wishes.messages {
            self.from_worker(number, message);
        }
    }

    fn from_worker(&mut self, number: u32, message: FromWorker) {
        let worker = WorkerId(number);
        let event = Event::FromWorker { worker, message };
        self.send(number, 0, Happening::ToScheduler(event));
    }

    fn from_client(&mut self, message: FromClient) {
        let event = Event::FromClient {
            client: CLIENT,
            message,
        };
        self.send(u32::MAX, 0, Happening::ToScheduler(event));
    }

    /// Kills a worker; another comes in its place.
    fn crash(&mut self) {
        self.crashes_left -= 1;
        if self.workers.is_empty() || !self.random.chance(self.faults.crash) {
            return;
        }
        let at = self.random.below(self.workers.len() as u64) as usize;
        let Some(&number) = self.workers.keys().nth(at) else {
            return;
        };
        self.workers.remove(&number);
        let event = Event::WorkerLeft {
            worker: WorkerId(number),
            reason: "it crashed".to_owned(),
        };
        self.send(number, 0, Happening::ToScheduler(event));
        let delay = self.random.below(10_000);
        self.plan(delay, Happening::Join);
    }

    fn join(&mut self) {
        let number = self.next_worker;
        self.next_worker += 1;
        let thread_count = 1 + self.random.below(3) as u32;
        self.workers
            .insert(number, SimWorker::new(number, thread_count));
        let register = Register {
            name: format!("w{number}"),
            address: format!("tcp://10.0.0.{number}:1"),
            thread_count,
            ..Register::default()
        };
        let worker = WorkerId(number);
        let event = Event::WorkerJoined { worker, register };
        self.send(number, 0, Happening::ToScheduler(event));
        self.plan(HEARTBEAT_MICROS, Happening::Beat(number));
    }

    fn beat(&mut self, number: u32) {
        if self.workers.contains_key(&number) {
            self.from_worker(number, FromWorker::Heartbeat(Heartbeat::default()));
            self.plan(HEARTBEAT_MICROS, Happening::Beat(number));
        }
    }

    /// Everything is submitted and told. News on their way are told first.
    fn is_over(&self) -> bool {
        let on_the_way = self
            .happenings
            .values()
            .any(|happening| !matches!(happening, Happening::Beat(_) | Happening::Release));
        self.submissions_left == 0 && !on_the_way && self.client.is_done()
    }

    /// Every wanted block is told; those in memory are held by workers that are there.
    fn check_end(&mut self) -> Result<(), String> {
        for (key, known) in &self.client.wanted {
            if *known == Known::Pending {
                return Err(format!("seed {}: {key:?} is lost", self.seed));
            }
        }
        let finished = self.client.wanted.iter();
        let finished = finished.filter(|(_, known)| **known == Known::Finished);
        let blocks: Blocks = finished.map(|(key, _)| *key).collect();
        let count = blocks.len();
        let mut commands = Vec::new();
        let query = FromClient::Query(Query {
            id: 1,
            body: Some(QueryBody::Holders(blocks)),
        });
        let event = Event::FromClient {
            client: CLIENT,
            message: query,
        };
        let now = Time { micros: self.now };
        self.scheduler.on_event(now, event, &mut commands);
        let answer = commands.into_iter().find_map(|command| match command {
            Command::ToClient {
                message: ToClient::Answer(answer),
                ..
            } => answer.body,
            _ => None,
        });
        let Some(rask_proto::AnswerBody::Holders(holders)) = answer else {
            return Err(format!("seed {}: no answer", self.seed));
        };
        let all_held = holders.offsets.windows(2).all(|range| range[0] < range[1]);
        let there = holders
            .workers
            .iter()
            .all(|number| self.workers.contains_key(number));
        if all_held && there && holders.offsets.len() == count + 1 {
            Ok(())
        } else {
            Err(format!(
                "seed {}: a finished block has no holder",
                self.seed
            ))
        }
    }
}
