//! A scheduler among peers that know the token and follow no rules: wrong numbers, answers to
//! questions nobody asked, columns of nonsense. Its books must be right after every event.

use std::collections::BTreeSet;

use bytes::Bytes;
use rask_graph::ExpansionLimits;
use rask_proto::{
    AxisSpec, Blocks, Cancel, FetchFailed, Frame, FromClient, FromWorker, Heartbeat, InputSpec,
    LayerSpec, Missing, Packed, Query, QueryBody, RefColumns, Register, Resource, SpanPath, Submit,
    TaskErred, TaskNumber, TasksFinished, Wire,
};
use rask_sched::{ClientId, Command, Event, Scheduler, Settings, Time, WorkerId};

use crate::source::Source;

/// Events of one input.
const EVENTS_MAX: usize = 200;

pub(crate) fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut cluster = Cluster::new();
    for _ in 0..EVENTS_MAX {
        if source.is_empty() {
            break;
        }
        if let Some(event) = cluster.next_event(&mut source) {
            cluster.on_event(event);
        }
    }
    cluster.leave();
}

struct Cluster {
    scheduler: Scheduler,
    now: Time,
    clients: BTreeSet<u32>,
    workers: BTreeSet<u32>,
    next_number: u32,
}

impl Cluster {
    fn new() -> Self {
        Cluster {
            scheduler: Scheduler::new(Settings {
                graph_limits: ExpansionLimits {
                    tasks_max: 10_000,
                    edges_max: 100_000,
                },
                ..Settings::default()
            }),
            now: Time::default(),
            clients: BTreeSet::new(),
            workers: BTreeSet::new(),
            next_number: 1,
        }
    }

    fn on_event(&mut self, event: Event) {
        let mut commands = Vec::new();
        self.now.micros += 1000;
        self.scheduler.on_event(self.now, event, &mut commands);
        if let Err(broken) = self.scheduler.check_invariants() {
            panic!("the scheduler's books: {broken}");
        }
        let dropped = commands.iter().filter_map(|command| match command {
            Command::DropWorker { worker, .. } => Some(*worker),
            _ => None,
        });
        for worker in dropped.collect::<Vec<_>>() {
            self.worker_leaves(worker.0);
        }
    }

    /// All go: nothing may be left.
    fn leave(&mut self) {
        for client in self.clients.clone() {
            self.on_event(Event::ClientLeft {
                client: ClientId(client),
            });
        }
        for worker in self.workers.clone() {
            self.worker_leaves(worker);
        }
    }

    fn worker_leaves(&mut self, worker: u32) {
        if self.workers.remove(&worker) {
            self.on_event(Event::WorkerLeft {
                worker: WorkerId(worker),
                reason: "left".to_owned(),
            });
        }
    }

    fn next_event(&mut self, source: &mut Source<'_>) -> Option<Event> {
        match source.below(16) {
            0 if self.clients.len() < 4 => Some(self.client_joins()),
            1 if self.workers.len() < 4 => Some(self.worker_joins(source)),
            2 => {
                let client = pick(&self.clients, source)?;
                self.clients.remove(&client);
                let client = ClientId(client);
                Some(Event::ClientLeft { client })
            }
            3 => {
                let worker = pick(&self.workers, source)?;
                self.worker_leaves(worker);
                None
            }
            4..=9 => {
                let client = ClientId(pick(&self.clients, source)?);
                let message = from_client(source)?;
                Some(Event::FromClient { client, message })
            }
            _ => {
                let worker = WorkerId(pick(&self.workers, source)?);
                let message = from_worker(source)?;
                Some(Event::FromWorker { worker, message })
            }
        }
    }

    fn client_joins(&mut self) -> Event {
        let number = self.next_number;
        self.next_number += 1;
        self.clients.insert(number);
        Event::ClientJoined {
            client: ClientId(number),
        }
    }

    fn worker_joins(&mut self, source: &mut Source<'_>) -> Event {
        let number = self.next_number;
        self.next_number += 1;
        self.workers.insert(number);
        let register = Register {
            name: format!("worker-{}", source.below(4)),
            address: format!("tcp://10.0.0.{}:1", source.below(4)),
            thread_count: source.number(),
            memory_bytes_max: u64::from(source.number()),
            resources: source.some(2, resource),
            supervised: source.flag(),
            ..Register::default()
        };
        Event::WorkerJoined {
            worker: WorkerId(number),
            register,
        }
    }
}

fn pick(from: &BTreeSet<u32>, source: &mut Source<'_>) -> Option<u32> {
    let at = source.below(from.len() as u32) as usize;
    from.iter().nth(at).copied()
}

pub(crate) fn from_client(source: &mut Source<'_>) -> Option<FromClient> {
    Some(match source.below(10) {
        0..=3 => FromClient::Submit(submit(source)),
        4 => FromClient::Release(blocks(source)),
        5 => FromClient::Cancel(Cancel {
            blocks: Some(blocks(source)),
            force: source.flag(),
            by_another: source.flag(),
        }),
        6 => FromClient::Retry(blocks(source)),
        7 => FromClient::FetchFailed(FetchFailed {
            blocks: Some(blocks(source)),
            worker: source.number(),
        }),
        8 => FromClient::Query(Query {
            id: 1,
            body: Some(match source.below(4) {
                0 => QueryBody::Info(()),
                1 => QueryBody::Holders(blocks(source)),
                2 => QueryBody::Restart(()),
                _ => QueryBody::Contents(()),
            }),
        }),
        _ => raw(source)?,
    })
}

fn from_worker(source: &mut Source<'_>) -> Option<FromWorker> {
    Some(match source.below(10) {
        0..=2 => {
            let blocks = blocks(source);
            let count = blocks.len();
            FromWorker::Finished(TasksFinished {
                nbytes: (0..count).map(|_| u64::from(source.number())).collect(),
                duration_micros: (0..count).map(|_| source.number()).collect(),
                blocks: Some(blocks),
                ..TasksFinished::default()
            })
        }
        3 => FromWorker::Erred(TaskErred {
            layer: source.number(),
            block: source.number(),
            reschedule: source.flag(),
            ..TaskErred::default()
        }),
        4 => {
            let inputs = blocks(source);
            FromWorker::Missing(Missing {
                tasks: Some(blocks(source)),
                holders: (0..inputs.len()).map(|_| source.number()).collect(),
                inputs: Some(inputs),
            })
        }
        5 => FromWorker::Fetched(blocks(source)),
        6 => FromWorker::Dropped(blocks(source)),
        7 => FromWorker::Heartbeat(Heartbeat {
            process_bytes: u64::from(source.number()),
            managed_bytes: u64::from(source.number()),
            running: Some(blocks(source)),
            ..Heartbeat::default()
        }),
        8 => FromWorker::Seceded(blocks(source)),
        9 => FromWorker::Rejoined(blocks(source)),
        _ => raw(source)?,
    })
}

/// Any message of the conversation, from bytes.
pub(crate) fn raw<M: Wire>(source: &mut Source<'_>) -> Option<M> {
    let control = Bytes::copy_from_slice(source.piece());
    let payloads = Vec::new();
    M::try_from_frame(Frame { control, payloads }).ok()
}

pub(crate) fn blocks(source: &mut Source<'_>) -> Blocks {
    let pairs = source.some(4, |source| (source.number(), source.number()));
    pairs.into_iter().collect()
}

fn resource(source: &mut Source<'_>) -> Resource {
    Resource {
        name: ["GPU", "MEMORY"][source.below(2) as usize].to_owned(),
        amount: match source.below(5) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -1.0,
            n => f64::from(n),
        },
    }
}

fn submit(source: &mut Source<'_>) -> Submit {
    Submit {
        impure: false,
        layers: source.some(4, layer),
        wanted: Some(blocks(source)),
        priority: source.number() as i32,
        retries: source.number(),
        workers: source.some(2, |source| format!("worker-{}", source.below(4))),
        allow_other_workers: source.flag(),
        resources: source.some(2, resource),
        replicas: source.number(),
        fire_and_forget: source.flag(),
        timeout_millis: source.number(),
        retry_millis: source.number(),
        retry_millis_max: source.number(),
        submitted_by: source.flag().then(|| TaskNumber {
            layer: source.number(),
            block: source.number(),
        }),
        span: source.flag().then(|| span(source)),
    }
}

fn layer(source: &mut Source<'_>) -> LayerSpec {
    let name = format!("layer-{}", source.below(6));
    let remote = source.below(6) == 0;
    let blocks = source.below(8);
    let pages = source.some(2, |_| packed());
    LayerSpec {
        name,
        grid: match source.below(8) {
            0 => source.some(3, Source::number),
            1 => vec![2, blocks],
            _ => vec![blocks],
        },
        inputs: source.some(2, input),
        refs: source.flag().then(|| RefColumns {
            offsets: source.some(8, Source::number),
            layers: source.some(4, Source::number),
            blocks: source.some(4, Source::number),
        }),
        op: (!remote).then(packed),
        page_blocks: if pages.is_empty() { 0 } else { source.number() },
        pages,
        remote,
        actor: source.below(8) == 1,
        id: source.below(8),
        operation: "op".to_owned(),
        ..LayerSpec::default()
    }
}

fn span(source: &mut Source<'_>) -> SpanPath {
    let name = |source: &mut Source<'_>| format!("span-{}", source.below(4));
    SpanPath {
        names: source.some(3, name),
        ids: source.some(3, name),
    }
}

fn packed() -> Packed {
    Packed::new("none", Bytes::new(), Vec::new())
}

fn input(source: &mut Source<'_>) -> InputSpec {
    InputSpec {
        layer: source.number(),
        axes: source.some(3, |source| AxisSpec {
            kind: source.below(8),
            axis: source.number(),
            value: source.number(),
            first: source.some(4, Source::number),
            second: source.some(4, Source::number),
        }),
        explicit: source.flag(),
        offsets: source.some(4, Source::number),
        blocks: source.some(4, Source::number),
    }
}
