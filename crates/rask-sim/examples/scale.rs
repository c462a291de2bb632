//! The scheduler alone: events in, commands out, with workers that finish what they are given.
//!
//! Usage: `cargo run --release -p rask-sim --example scale -- [TASKS] [WORKERS] [SHAPE]`
//! SHAPE: map, tree, shuffle, random, chains. Without arguments: all shapes, small to large.
//! `RASK_SCALE_MEMORY`: GiB of each worker, 16 if not given; 0 is without limit.
//! `RASK_SCALE_TOGETHER`: reports that have come by the time the scheduler looks, at most, 1024 if not
//! given: workers that take no time all wait for the scheduler. 1 is a cluster that it never keeps waiting.

use std::alloc::{GlobalAlloc, Layout as Memory};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use libmimalloc_sys as mimalloc;
use rask_proto::{
    Blocks, FromClient, FromWorker, InputSpec, LayerSpec, Packed, Register, Submit, TasksFinished,
    ToWorker,
};
use rask_sched::{ClientId, Command, Event, Scheduler, Settings, Time, WorkerId};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    /// One thread allocates, so that no locked instruction is needed.
    fn add(&self, bytes: usize) {
        HELD.store(HELD.load(Relaxed).wrapping_add(bytes), Relaxed);
    }
}

// SAFETY: all memory is mimalloc's, as in the product, and goes back to it; the counter does not
// allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Memory) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { mimalloc::mi_malloc_aligned(layout.size(), layout.align()).cast() }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Memory) {
        self.add(layout.size().wrapping_neg());
        // SAFETY: as the caller promises.
        unsafe { mimalloc::mi_free(pointer.cast()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Memory, size: usize) -> *mut u8 {
        self.add(size.wrapping_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { mimalloc::mi_realloc_aligned(pointer.cast(), size, layout.align()).cast() }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SHAPES: [&str; 5] = ["map", "tree", "shuffle", "random", "chains"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!(
        "{:>8} {:>10} {:>8} {:>12} {:>10} {:>12} {:>12} {:>12} {:>8}",
        "shape",
        "tasks",
        "workers",
        "submit µs/t",
        "bytes/t",
        "tasks/s",
        "µs/task",
        "tasks/event",
        "inputs"
    );
    match arguments.first().and_then(|text| text.parse().ok()) {
        Some(tasks) => {
            let workers = arguments.get(1).and_then(|text| text.parse().ok());
            let workers = workers.unwrap_or(24);
            match arguments.get(2) {
                Some(shape) => study(shape, tasks, workers),
                None => SHAPES.iter().for_each(|shape| study(shape, tasks, workers)),
            }
        }
        None => {
            for shape in SHAPES {
                for (tasks, workers) in [(100_000, 24), (1_000_000, 24), (1_000_000, 1_000)] {
                    study(shape, tasks, workers);
                }
            }
            study("map", 1_000_000, 10_000);
            study("map", 10_000_000, 10_000);
        }
    }
}

/// Measures the processor time of this thread, which other processes change less than the time on the
/// wall; where the system does not tell, that.
struct Clock {
    began: Instant,
    ran_nanos: Option<u64>,
}

impl Clock {
    fn start() -> Self {
        Clock {
            began: Instant::now(),
            ran_nanos: Self::ran_nanos(),
        }
    }

    fn ran_nanos() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse().ok()
    }

    fn seconds(&self) -> f64 {
        match (self.ran_nanos, Self::ran_nanos()) {
            (Some(before), Some(after)) => (after - before) as f64 / 1e9,
            _ => self.began.elapsed().as_secs_f64(),
        }
    }
}

/// See `RASK_SCALE_TOGETHER`.
fn together_max() -> usize {
    let given = std::env::var("RASK_SCALE_TOGETHER").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1024)
}

/// Of each worker, in GiB from `RASK_SCALE_MEMORY`; 16 without, 0 is without limit.
fn memory_bytes_max() -> u64 {
    let given = std::env::var("RASK_SCALE_MEMORY").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(16) << 30
}

fn study(shape: &str, tasks: u32, workers: u32) {
    let mut cluster = Cluster::new(workers);
    let before = HELD.load(Relaxed);
    let submit = Submit {
        layers: layers_of(shape, tasks),
        ..Submit::default()
    };
    let last = submit.layers.len() as u32 - 1;
    let count = submit.layers[last as usize].grid.iter().product();
    let submit = Submit {
        wanted: Some((0..count).map(|block| (last, block)).collect()),
        ..submit
    };
    let started = Clock::start();
    // Nobody is there to be handed anything: what the tables cost is seen by itself.
    cluster.on_event(Event::FromClient {
        client: ClientId(1),
        message: FromClient::Submit(submit),
    });
    let submitted = started.seconds();
    let total = cluster.scheduler.task_count();
    let bytes = HELD.load(Relaxed).saturating_sub(before) / total;
    cluster.join();
    let started = Clock::start();
    cluster.run();
    let seconds = started.seconds();
    assert_eq!(cluster.finished, total, "{shape}");
    println!(
        "{shape:>8} {total:>10} {workers:>8} {:>12.3} {bytes:>10} {:>12.0} {:>12.3} {:>12.1} {:>8.2}",
        submitted * 1e6 / total as f64,
        total as f64 / seconds,
        seconds * 1e6 / total as f64,
        total as f64 / cluster.reports as f64,
        cluster.moved as f64 / total as f64
    );
}

/// A scheduler and workers that take no time.
struct Cluster {
    scheduler: Scheduler,
    workers: u32,
    memory_bytes_max: u64,
    /// What each worker was given and has not finished, by worker, in the order of arrival.
    given: VecDeque<(WorkerId, Blocks)>,
    finished: usize,
    /// Reports of workers, each an event.
    reports: usize,
    /// Inputs that workers had to fetch from others.
    moved: usize,
    micros: u64,
    commands: Vec<Command>,
}

impl Cluster {
    fn new(workers: u32) -> Self {
        let mut cluster = Cluster {
            scheduler: Scheduler::new(Settings::default()),
            workers,
            memory_bytes_max: memory_bytes_max(),
            given: VecDeque::new(),
            finished: 0,
            reports: 0,
            moved: 0,
            micros: 0,
            commands: Vec::new(),
        };
        let client = ClientId(1);
        cluster.on_event(Event::ClientJoined { client });
        cluster
    }

    fn join(&mut self) {
        for number in 1..=self.workers {
            let register = Register {
                name: number.to_string(),
                address: format!(
                    "tcp://10.{}.{}.{}:1",
                    number >> 16,
                    number >> 8 & 255,
                    number & 255
                ),
                thread_count: 1,
                memory_bytes_max: self.memory_bytes_max,
                ..Register::default()
            };
            self.on_event(Event::WorkerJoined {
                worker: WorkerId(number),
                register,
            });
        }
    }

    fn on_event(&mut self, event: Event) {
        let mut commands = std::mem::take(&mut self.commands);
        let now = self.after(1);
        self.scheduler.on_event(now, event, &mut commands);
        self.obey(commands);
    }

    fn on_events(&mut self, events: &mut Vec<Event>) {
        let mut commands = std::mem::take(&mut self.commands);
        let now = self.after(events.len());
        self.scheduler.on_all(now, events, &mut commands);
        self.obey(commands);
    }

    fn after(&mut self, events: usize) -> Time {
        self.micros += events as u64;
        Time {
            micros: self.micros,
        }
    }

    fn obey(&mut self, mut commands: Vec<Command>) {
        for command in &mut commands {
            let Command::ToWorker { worker, message } = command else {
                continue;
            };
            if let ToWorker::Assign(assign) = message {
                let holders = assign.holders.iter();
                self.moved += holders.filter(|&&holder| holder != worker.0).count();
                let tasks = assign.tasks.take().unwrap_or_default();
                self.given.push_back((*worker, tasks));
            }
            self.scheduler.reuse(message);
        }
        commands.clear();
        self.commands = commands;
    }

    #[inline(never)]
    fn run(&mut self) {
        let together_max = together_max();
        let mut events = Vec::new();
        while !self.given.is_empty() {
            let count = self.given.len().min(together_max);
            self.reports += count;
            for (worker, tasks) in self.given.drain(..count) {
                self.finished += tasks.len();
                let finished = TasksFinished {
                    nbytes: vec![8; tasks.len()],
                    duration_micros: vec![1; tasks.len()],
                    blocks: Some(tasks),
                    ..TasksFinished::default()
                };
                events.push(Event::FromWorker {
                    worker,
                    message: FromWorker::Finished(finished),
                });
            }
            self.on_events(&mut events);
        }
    }
}

fn layer(name: String, count: u32, inputs: Vec<InputSpec>) -> LayerSpec {
    LayerSpec {
        name,
        grid: vec![count],
        inputs,
        op: Some(Packed::default()),
        operation: "simulated".to_owned(),
        id: 1,
        ..LayerSpec::default()
    }
}

fn explicit(source: u32, lists: impl Iterator<Item = Vec<u32>>) -> InputSpec {
    let mut spec = InputSpec {
        layer: source,
        explicit: true,
        offsets: vec![0],
        ..InputSpec::default()
    };
    for list in lists {
        spec.blocks.extend(list);
        spec.offsets.push(spec.blocks.len() as u32);
    }
    spec
}

fn layers_of(shape: &str, tasks: u32) -> Vec<LayerSpec> {
    let mut layers = match shape {
        "map" => vec![layer("map".to_owned(), tasks, Vec::new())],
        "tree" => tree(tasks),
        "shuffle" => shuffle(tasks),
        "random" => random(tasks),
        "chains" => chains(tasks),
        other => panic!("no shape is named {other:?}"),
    };
    for (position, layer) in layers.iter_mut().enumerate() {
        layer.id = position as u32 + 1;
    }
    layers
}

fn tree(tasks: u32) -> Vec<LayerSpec> {
    let mut count = tasks / 2;
    let mut layers = vec![layer("leaf".to_owned(), count, Vec::new())];
    while count > 1 {
        let next = count.div_ceil(2);
        let lists = (0..next).map(|i| (2 * i..(2 * i + 2).min(count)).collect());
        let input = explicit(layers.len() as u32 - 1, lists);
        layers.push(layer(format!("sum-{next}"), next, vec![input]));
        count = next;
    }
    layers
}

/// As many edges as tasks are asked for: n splits, n outputs that need them all.
fn shuffle(tasks: u32) -> Vec<LayerSpec> {
    let side = f64::from(tasks).sqrt() as u32;
    let all = explicit(0, (0..side).map(|_| (0..side).collect()));
    vec![
        layer("split".to_owned(), side, Vec::new()),
        layer("merge".to_owned(), side, vec![all]),
    ]
}

fn random(tasks: u32) -> Vec<LayerSpec> {
    const LAYERS: u32 = 20;
    let width = tasks / LAYERS;
    let mut state = 7u32;
    let mut next = move |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    let mut layers = vec![layer("random-0".to_owned(), width, Vec::new())];
    for number in 1..LAYERS {
        let lists: Vec<Vec<u32>> = (0..width)
            .map(|_| (0..1 + next(3)).map(|_| next(width)).collect())
            .collect();
        let input = explicit(number - 1, lists.into_iter());
        layers.push(layer(format!("random-{number}"), width, vec![input]));
    }
    let all = explicit(LAYERS - 1, std::iter::once((0..width).collect()));
    layers.push(layer("random-end".to_owned(), 1, vec![all]));
    layers
}

fn chains(tasks: u32) -> Vec<LayerSpec> {
    const LENGTH: u32 = 100;
    let width = tasks / LENGTH;
    let mut layers = vec![layer("chain-0".to_owned(), width, Vec::new())];
    for number in 1..LENGTH {
        let input = explicit(number - 1, (0..width).map(|i| vec![i]));
        layers.push(layer(format!("chain-{number}"), width, vec![input]));
    }
    layers
}
