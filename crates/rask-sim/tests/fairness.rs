//! Shares on workers that take time: nobody is kept waiting, weights are kept to, nothing stands
//! still. Virtual time; workers run what they were given in the order of its priorities.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rask_proto::{
    Blocks, FromClient, FromWorker, Hello, InputSpec, LayerSpec, Packed, Register, Submit,
    TasksFinished, ToClient, ToWorker,
};
use rask_sched::{ClientId, Command, Event, Scheduler, Settings, ShareSettings, Time, WorkerId};

/// A job: layers of so many tasks, each of which needs the one before it in the layer before.
struct Job {
    name: &'static str,
    share: &'static str,
    width: u32,
    depth: u32,
    task_micros: u64,
    begins: u64,
}

/// What runs on a worker's one thread, and what waits there.
#[derive(Default)]
struct Worker {
    waiting: BinaryHeap<Reverse<(u64, (u32, u32))>>,
    running: Option<(u32, u32)>,
}

struct Cluster {
    scheduler: Scheduler,
    now: u64,
    workers: BTreeMap<u32, Worker>,
    /// Ends of tasks: when, and on which worker.
    ends: BinaryHeap<Reverse<(u64, u32)>>,
    layers: BTreeMap<u32, String>,
    durations: BTreeMap<String, u64>,
    /// Microseconds run so far, by job.
    run: BTreeMap<String, u64>,
    /// When the client was told that the last of its blocks is there.
    done: BTreeMap<u32, u64>,
    awaited: BTreeMap<u32, u32>,
    idle_micros: u64,
    ended: usize,
}

impl Cluster {
    fn new(shares: &[&str], workers: u32) -> Self {
        let shares = ShareSettings::try_all(shares.iter().copied());
        let settings = Settings {
            shares: shares.expect("shares as they are written"),
            ..Settings::default()
        };
        let mut cluster = Cluster {
            scheduler: Scheduler::new(settings),
            now: 0,
            workers: BTreeMap::new(),
            ends: BinaryHeap::new(),
            layers: BTreeMap::new(),
            durations: BTreeMap::new(),
            run: BTreeMap::new(),
            done: BTreeMap::new(),
            awaited: BTreeMap::new(),
            idle_micros: 0,
            ended: 0,
        };
        for number in 1..=workers {
            cluster.workers.insert(number, Worker::default());
            let register = Register {
                name: number.to_string(),
                address: format!("tcp://10.0.0.{number}:1"),
                thread_count: 1,
                ..Register::default()
            };
            let worker = WorkerId(number);
            cluster.on_event(Event::WorkerJoined { worker, register });
        }
        cluster
    }

    fn on_event(&mut self, event: Event) {
        let mut commands = Vec::new();
        let now = Time { micros: self.now };
        self.scheduler.on_event(now, event, &mut commands);
        for command in commands {
            match command {
                Command::ToWorker { worker, message } => self.on_worker_told(worker.0, message),
                Command::ToClient { client, message } => self.on_client_told(client.0, &message),
                _ => {}
            }
        }
    }

    fn on_worker_told(&mut self, number: u32, message: ToWorker) {
        match message {
            ToWorker::Layer(layer) => {
                self.layers.insert(layer.id, layer.into_layer().name);
            }
            ToWorker::Assign(assign) => {
                let tasks = assign.tasks.unwrap_or_default();
                let worker = self.workers.get_mut(&number).expect("a worker");
                for (task, priority) in tasks.iter().zip(assign.priorities) {
                    worker.waiting.push(Reverse((priority, task)));
                }
                self.start(number);
            }
            _ => {}
        }
    }

    fn on_client_told(&mut self, client: u32, message: &ToClient) {
        if let ToClient::Finished(finished) = message {
            let count = finished.blocks.as_ref().map_or(0, Blocks::len) as u32;
            let awaited = self.awaited.get_mut(&client).expect("a client");
            *awaited -= count;
            if *awaited == 0 {
                self.done.insert(client, self.now);
            }
        }
    }

    /// Tasks in a worker's hands whose inputs are not there yet do not occur here: each job's
    /// layers run on the worker that has made the input, in the order in which it was told.
    fn start(&mut self, number: u32) {
        let worker = self.workers.get_mut(&number).expect("a worker");
        if worker.running.is_some() {
            return;
        }
        if let Some(Reverse((_, task))) = worker.waiting.pop() {
            worker.running = Some(task);
            let micros = self.durations[job_of(&self.layers[&task.0])];
            self.ends.push(Reverse((self.now + micros, number)));
        }
    }

    fn begin(&mut self, client: u32, job: &Job) {
        let client_id = ClientId(client);
        self.on_event(Event::ClientJoined { client: client_id });
        let hello = FromClient::Hello(Hello {
            share: job.share.to_owned(),
            ..Hello::default()
        });
        self.on_event(Event::FromClient {
            client: client_id,
            message: hello,
        });
        self.durations.insert(job.name.to_owned(), job.task_micros);
        self.awaited.insert(client, job.width);
        let message = FromClient::Submit(submission(job));
        self.on_event(Event::FromClient {
            client: client_id,
            message,
        });
    }

    /// Runs jobs until `until`, or until all have ended; jobs are clients 1, 2, ….
    fn run(&mut self, jobs: &[Job], until: u64) {
        let mut begun = 0;
        loop {
            let next_job = jobs.get(begun).map_or(u64::MAX, |job| job.begins);
            let next_end = self.ends.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let next = next_job.min(next_end);
            if next == u64::MAX || next > until {
                return;
            }
            let idle = self
                .workers
                .values()
                .filter(|w| w.running.is_none())
                .count();
            if begun > 0 {
                self.idle_micros += idle as u64 * (next - self.now);
            }
            self.now = next;
            if next_job <= next_end {
                begun += 1;
                self.begin(begun as u32, &jobs[begun - 1]);
                continue;
            }
            let Some(Reverse((_, number))) = self.ends.pop() else {
                return;
            };
            self.end(number);
        }
    }

    fn end(&mut self, number: u32) {
        let worker = self.workers.get_mut(&number).expect("a worker");
        let task = worker.running.take().expect("it ran");
        let job = job_of(&self.layers[&task.0]).to_owned();
        let micros = self.durations[&job];
        *self.run.entry(job).or_default() += micros;
        self.start(number);
        let finished = TasksFinished {
            nbytes: vec![8],
            duration_micros: vec![micros as u32],
            blocks: Some(Blocks::from_iter([task])),
            ..TasksFinished::default()
        };
        self.on_event(Event::FromWorker {
            worker: WorkerId(number),
            message: FromWorker::Finished(finished),
        });
        self.ended += 1;
        // It looks at all tasks.
        if self
            .ended
            .is_multiple_of((self.scheduler.task_count() / 20).max(1))
        {
            self.scheduler.check_invariants().expect("the books");
        }
    }
}

fn job_of(layer: &str) -> &str {
    layer.split_once('/').map_or(layer, |(job, _)| job)
}

fn submission(job: &Job) -> Submit {
    let layers = (0..job.depth).map(|level| {
        let mut input = InputSpec {
            layer: level.wrapping_sub(1),
            explicit: true,
            offsets: vec![0],
            ..InputSpec::default()
        };
        for block in 0..job.width {
            input.blocks.push(block);
            input.offsets.push(block + 1);
        }
        LayerSpec {
            id: level + 1,
            name: format!("{}/{level}", job.name),
            grid: vec![job.width],
            inputs: if level == 0 { Vec::new() } else { vec![input] },
            op: Some(Packed::default()),
            operation: job.name.to_owned(),
            ..LayerSpec::default()
        }
    });
    let last = job.depth - 1;
    Submit {
        layers: layers.collect(),
        wanted: Some((0..job.width).map(|block| (last, block)).collect()),
        ..Submit::default()
    }
}

const LONG: Job = Job {
    name: "long",
    share: "",
    width: 4000,
    depth: 1,
    task_micros: 20_000,
    begins: 0,
};

const SHORT: Job = Job {
    name: "short",
    share: "",
    width: 40,
    depth: 1,
    task_micros: 20_000,
    begins: 3_000_000,
};

/// Alone the short job takes 0.2 s on four workers; beside a long one, twice that and what runs.
fn check_slowdown(long: Job, short: Job) {
    let mut alone = Cluster::new(&[], 4);
    let calm = Job { begins: 0, ..short };
    alone.run(&[calm], u64::MAX);
    let alone_micros = alone.done[&1];
    let running_micros = long.task_micros;
    let began = short.begins;
    let chain_micros = u64::from(long.depth) * long.task_micros;
    let mut beside = Cluster::new(&[], 4);
    let total = u64::from(long.width * long.depth) * long.task_micros;
    beside.run(&[long, short], u64::MAX);
    let beside_micros = beside.done[&2] - began;
    let bound = 2 * alone_micros + 2 * running_micros + 20_000;
    assert!(
        beside_micros <= bound,
        "{beside_micros} µs beside a long job, {alone_micros} µs alone"
    );
    assert!(beside.done[&1] > beside.done[&2]);
    // The long job pays with what the short one took; at its end, one chain may be left.
    let work = total + beside.run["short"];
    let bound = work / 4 + chain_micros + 100_000;
    assert!(beside.done[&1] <= bound, "{} of {bound}", beside.done[&1]);
}

#[test]
fn a_short_job_is_slowed_down_by_half_beside_a_long_one() {
    check_slowdown(LONG, SHORT);
}

#[test]
fn so_it_is_beside_very_short_tasks_that_travel_by_the_hundred() {
    let long = Job {
        width: 400_000,
        task_micros: 50,
        ..LONG
    };
    let short = Job {
        width: 4000,
        task_micros: 50,
        ..SHORT
    };
    check_slowdown(long, short);
}

#[test]
fn so_it_is_beside_chains_that_are_handed_out_ahead() {
    let long = Job {
        width: 400,
        depth: 100,
        task_micros: 400,
        ..LONG
    };
    let short = Job {
        width: 100,
        task_micros: 400,
        begins: 1_000_000,
        ..SHORT
    };
    check_slowdown(long, short);
}

#[test]
fn so_it_is_beside_long_chains_of_long_tasks() {
    let long = Job {
        width: 40,
        depth: 100,
        ..LONG
    };
    check_slowdown(long, SHORT);
}

#[test]
fn weights_of_three_to_one_give_three_times_the_work() {
    for (a_micros, b_micros) in [(20_000, 20_000), (5000, 40_000), (60_000, 2000)] {
        let job = |name, share, task_micros| Job {
            name,
            share,
            width: 40_000_000 / task_micros as u32,
            depth: 1,
            task_micros,
            begins: 0,
        };
        let jobs = [job("a", "a", a_micros), job("b", "b", b_micros)];
        let mut cluster = Cluster::new(&["a:weight=3", "b:weight=1"], 4);
        cluster.run(&jobs, 8_000_000);
        let ratio = cluster.run["a"] as f64 / cluster.run["b"] as f64;
        assert!(
            (2.7..3.3).contains(&ratio),
            "{ratio} for {a_micros} and {b_micros}"
        );
    }
}

/// Clients of one share are counted together.
#[test]
fn many_clients_of_a_share_get_no_more_than_one() {
    let job = |name, share| Job {
        name,
        share,
        ..LONG
    };
    let jobs = [
        job("a", "a"),
        job("b1", "b"),
        job("b2", "b"),
        job("b3", "b"),
    ];
    let mut cluster = Cluster::new(&[], 4);
    cluster.run(&jobs, 8_000_000);
    let of_b: u64 = ["b1", "b2", "b3"]
        .iter()
        .filter_map(|job| cluster.run.get(*job))
        .sum();
    let ratio = cluster.run["a"] as f64 / of_b as f64;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

/// A share with nothing to run costs the others nothing, whatever its weight, and is not owed for
/// the time in which it wanted nothing.
#[test]
fn nothing_stands_still_while_a_share_is_idle() {
    let first = Job {
        share: "heavy",
        width: 40,
        ..LONG
    };
    let second = Job {
        name: "second",
        share: "light",
        begins: 0,
        ..LONG
    };
    let again = Job {
        name: "again",
        share: "heavy",
        width: 4000,
        begins: 10_000_000,
        ..LONG
    };
    let mut cluster = Cluster::new(&["heavy:weight=10", "light:weight=1"], 4);
    cluster.run(&[first, second, again], 12_000_000);
    assert!(cluster.idle_micros < 100_000, "{}", cluster.idle_micros);
    let ran = cluster.run["again"] as f64;
    assert!((0.85..0.95).contains(&(ran / 8e6)), "{ran}");
}

#[test]
fn a_quota_leaves_the_rest_to_others() {
    let limited = Job {
        share: "limited",
        ..LONG
    };
    let other = Job {
        name: "other",
        ..LONG
    };
    let mut cluster = Cluster::new(&["limited:weight=10,tasks=1"], 4);
    cluster.run(&[limited, other], 4_000_000);
    assert!(cluster.idle_micros < 100_000, "{}", cluster.idle_micros);
    let part = cluster.run["long"] as f64 / 4e6;
    assert!((0.9..1.1).contains(&part), "{part}");
}
