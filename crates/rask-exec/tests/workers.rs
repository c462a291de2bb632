//! Random lives of a cluster's worker: tasks assigned, cancelled and freed at any time, fetches that
//! fail. The books are checked after every step; nothing is left over at the end.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rask_exec::{Assignment, Command, Event, Fetch, Job, Limits, Pace, Pull, Source, Worker};

/// What the pretended scheduler knows.
#[derive(Default)]
struct Scheduler {
    /// Tasks assigned and not yet heard of again.
    assigned: BTreeSet<u64>,
    /// Values that the worker said it has.
    here: BTreeSet<u64>,
}

struct World {
    worker: Worker,
    scheduler: Scheduler,
    commands: Vec<Command>,
    jobs: Vec<Job>,
    fetches: Vec<Fetch>,
    /// By slot: whether a value is in memory and on disk.
    memory: BTreeMap<u32, u64>,
    disk: BTreeSet<u32>,
}

impl World {
    fn obey(&mut self) {
        for command in std::mem::take(&mut self.commands) {
            match command {
                Command::Drop { task } => {
                    self.memory.remove(&task);
                    self.disk.remove(&task);
                }
                Command::Evict { task } => {
                    assert!(self.disk.contains(&task));
                    self.memory.remove(&task);
                }
                Command::Report { task } => {
                    let key = self.worker.key_of(task);
                    self.scheduler.assigned.remove(&key);
                    self.scheduler.here.insert(key);
                }
                Command::GiveBack { task, .. } => {
                    let key = self.worker.key_of(task);
                    assert!(self.scheduler.assigned.remove(&key), "given back twice");
                }
            }
        }
        self.worker.check_invariants();
    }

    fn assign(&mut self, key: u64, inputs: &[u64]) {
        let inputs = inputs.iter().map(|&input| {
            let here = self.scheduler.here.contains(&input);
            let made_here = here || self.scheduler.assigned.contains(&input);
            Source {
                key: input,
                part: 0,
                nbytes: 10 + input % 50,
                holder: (!made_here).then_some(7),
            }
        });
        let assignment = Assignment {
            key,
            priority: key,
            group: 0,
            lane: (key % 2) as u8,
            predicted_bytes: None,
            inputs: inputs.collect(),
        };
        self.scheduler.assigned.insert(key);
        self.worker.assign(assignment, &mut self.commands);
        self.obey();
    }

    fn pull(&mut self) -> bool {
        let unbegun = self.worker.unbegun_keys();
        let job = self.worker.pull(Pull::Any, &mut self.commands);
        self.obey();
        if self.worker.pace() == Pace::Paused {
            assert_eq!(self.worker.unbegun_keys(), unbegun, "a task began");
        }
        if let Some(Job::Run { task }) = job {
            for dep in self.worker.inputs(task) {
                assert!(self.memory.contains_key(dep), "input {dep} of {task}");
            }
        }
        self.jobs.extend(job);
        job.is_some()
    }

    fn pull_spill(&mut self) -> bool {
        let job = self.worker.pull_spill();
        assert!(job.is_none_or(|job| matches!(job, Job::Spill { .. })));
        self.obey();
        self.jobs.extend(job);
        job.is_some()
    }

    fn pull_fetch(&mut self) -> bool {
        let fetch = self.worker.pull_fetch(&mut self.commands);
        self.obey();
        self.fetches.extend(fetch);
        fetch.is_some()
    }

    fn end_job(&mut self, at: usize, fails: bool) {
        let event = match self.jobs.swap_remove(at) {
            Job::Run { task } if fails => {
                let key = self.worker.key_of(task);
                self.scheduler.assigned.remove(&key);
                Event::Failed { task }
            }
            Job::Run { task } => {
                let nbytes = 10 + self.worker.key_of(task) % 50;
                self.memory.insert(task, nbytes);
                let buffers = [(nbytes % 7, 20), (nbytes % 5 + 10, 15)];
                let count = nbytes as usize % 3;
                self.worker.announce_buffers(task, &buffers[..count]);
                Event::Finished {
                    task,
                    nbytes,
                    nanos: 1000,
                }
            }
            Job::Spill { task } if fails && at.is_multiple_of(2) => Event::SpillFailed { task },
            Job::Spill { task } if fails => Event::DiskFull { task },
            Job::Spill { task } => {
                self.disk.insert(task);
                Event::Spilled { task }
            }
            Job::Unspill { task } => {
                self.memory.insert(task, 0);
                Event::Unspilled { task }
            }
        };
        self.worker.handle(event, &mut self.commands);
        self.obey();
    }

    fn return_job(&mut self, at: usize) {
        let job = self.jobs.swap_remove(at);
        self.worker.return_job(job, &mut self.commands);
        self.obey();
    }

    fn end_fetch(&mut self, at: usize, fails: bool) {
        let fetch = self.fetches.swap_remove(at);
        if fails {
            self.worker.fetch_failed(&fetch, &mut self.commands);
        } else if self
            .worker
            .fetched(&fetch, fetch.nbytes, &mut self.commands)
        {
            self.memory.insert(fetch.task, fetch.nbytes);
        }
        self.obey();
    }

    fn free(&mut self, key: u64) {
        self.scheduler.here.remove(&key);
        self.worker.free(key, &mut self.commands);
        self.obey();
    }

    fn cancel(&mut self, key: u64) {
        self.scheduler.assigned.remove(&key);
        self.worker.cancel(key, &mut self.commands);
        self.obey();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Assign(u64, Vec<u64>),
    Pull,
    PullFetch,
    PullSpill,
    DiskHasRoom,
    EndJob(usize, bool),
    ReturnJob(usize),
    EndFetch(usize, bool),
    Free(usize),
    SetBudget(u64),
    SetPace(Pace),
    GiveBackUnbegun,
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let inputs = proptest::collection::vec(0u64..60, 0..4);
    prop_oneof![
        4 => (0u64..60, inputs).prop_map(|(key, inputs)| Step::Assign(key, inputs)),
        4 => Just(Step::Pull),
        3 => Just(Step::PullFetch),
        2 => Just(Step::PullSpill),
        1 => Just(Step::DiskHasRoom),
        4 => (any::<usize>(), proptest::bool::weighted(0.1)).prop_map(|(at, f)| Step::EndJob(at, f)),
        3 => (any::<usize>(), proptest::bool::weighted(0.2)).prop_map(|(at, f)| Step::EndFetch(at, f)),
        1 => any::<usize>().prop_map(Step::ReturnJob),
        1 => any::<usize>().prop_map(Step::Free),
        1 => (0u64..300).prop_map(Step::SetBudget),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => prop_oneof![Just(Pace::Full), Just(Pace::OneByOne), Just(Pace::Paused)]
            .prop_map(Step::SetPace),
        1 => Just(Step::GiveBackUnbegun),
    ]
}

fn pick(set: &BTreeSet<u64>, at: usize) -> Option<u64> {
    set.iter().nth(at % set.len().max(1)).copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn books_add_up_and_nothing_is_left(
        steps in proptest::collection::vec(step(), 1..250),
        budget in prop_oneof![Just(None), (0u64..300).prop_map(Some)],
        spills_ahead in any::<bool>(),
    ) {
        let limits = Limits { memory_bytes_max: budget, spill_bytes_min: 0, spills_ahead };
        let mut world = World {
            worker: Worker::new(limits),
            scheduler: Scheduler::default(),
            commands: Vec::new(),
            jobs: Vec::new(),
            fetches: Vec::new(),
            memory: BTreeMap::new(),
            disk: BTreeSet::new(),
        };
        for step in steps {
            match step {
                // Inputs have smaller keys, so that there is no cycle.
                Step::Assign(key, inputs) => {
                    let inputs: Vec<u64> = inputs.into_iter().filter(|&i| i < key).collect();
                    world.assign(key, &inputs);
                }
                Step::Pull => drop(world.pull()),
                Step::PullFetch => drop(world.pull_fetch()),
                Step::PullSpill => drop(world.pull_spill()),
                Step::DiskHasRoom => {
                    world.worker.handle(Event::DiskHasRoom, &mut world.commands);
                    world.obey();
                }
                Step::EndJob(at, fails) if !world.jobs.is_empty() => {
                    world.end_job(at % world.jobs.len(), fails);
                }
                Step::ReturnJob(at) if !world.jobs.is_empty() => {
                    world.return_job(at % world.jobs.len());
                }
                Step::EndFetch(at, fails) if !world.fetches.is_empty() => {
                    world.end_fetch(at % world.fetches.len(), fails);
                }
                Step::SetBudget(bytes_max) => {
                    world.worker.set_budget(bytes_max, bytes_max * 2, &mut world.commands);
                    world.obey();
                }
                Step::SetPace(pace) => world.worker.set_pace(pace),
                Step::GiveBackUnbegun => {
                    for key in world.worker.unbegun_keys() {
                        if world.scheduler.assigned.contains(&key) {
                            world.cancel(key);
                        }
                    }
                }
                Step::Free(at) => {
                    if let Some(key) = pick(&world.scheduler.here, at) {
                        world.free(key);
                    }
                }
                Step::Cancel(at) => {
                    if let Some(key) = pick(&world.scheduler.assigned, at) {
                        world.cancel(key);
                    }
                }
                _ => {}
            }
        }
        // Everything that can end does.
        world.worker.set_pace(Pace::Full);
        world.worker.handle(Event::DiskHasRoom, &mut world.commands);
        world.obey();
        for _ in 0..10_000 {
            let began = world.pull() | world.pull_fetch() | world.pull_spill();
            if !world.jobs.is_empty() {
                world.end_job(0, false);
            } else if !world.fetches.is_empty() {
                world.end_fetch(0, false);
            } else if !began {
                break;
            }
        }
        prop_assert!(world.jobs.is_empty() && world.fetches.is_empty());
        for key in world.scheduler.assigned.clone() {
            world.cancel(key);
        }
        for key in 0..60 {
            world.cancel(key);
            world.free(key);
        }
        world.free(0);
        prop_assert!(world.memory.is_empty(), "values left: {:?}", world.memory);
        prop_assert!(world.disk.is_empty());
        prop_assert_eq!(world.worker.machine().held_bytes(), 0);
    }
}

/// What does not fit and cannot be spilled is fetched all the same once nothing else goes on,
/// whatever was asked for in between.
#[test]
fn a_fetch_waits_for_room_only_while_something_goes_on() {
    let limits = Limits {
        memory_bytes_max: Some(10),
        spill_bytes_min: 100,
        spills_ahead: false,
    };
    let (mut worker, mut commands) = (Worker::new(limits), Vec::new());
    let inputs = [1, 2].map(|key| Source {
        key,
        part: 3,
        nbytes: 8,
        holder: Some(7),
    });
    worker.assign(
        Assignment {
            key: 9,
            priority: 0,
            group: 0,
            lane: 0,
            predicted_bytes: Some(0),
            inputs: inputs.into_iter().collect(),
        },
        &mut commands,
    );
    let first = worker.pull_fetch(&mut commands).expect("there is room");
    assert_eq!(worker.pull(Pull::Any, &mut commands), None);
    assert_eq!(worker.pull_fetch(&mut commands), None);
    assert!(worker.fetched(&first, 8, &mut commands));
    let second = worker.pull_fetch(&mut commands).expect("nothing goes on");
    assert_eq!((second.key, second.part), (3 - first.key, 3));
    assert!(worker.fetched(&second, 8, &mut commands));
    // Parts are nobody else's business.
    assert!(commands.is_empty(), "{commands:?}");
    let Some(Job::Run { task }) = worker.pull(Pull::Any, &mut commands) else {
        panic!("both inputs are here");
    };
    let event = Event::Finished {
        task,
        nbytes: 1,
        nanos: 1,
    };
    worker.handle(event, &mut commands);
    let dropped = |command: &&Command| matches!(command, Command::Drop { .. });
    assert_eq!(commands.iter().filter(dropped).count(), 2);
}

/// A value is fetched early only where there is room beside what is needed before, and beside what
/// the next task makes.
#[test]
fn what_is_needed_earlier_does_not_leave_for_a_fetch() {
    let limits = Limits {
        memory_bytes_max: Some(100),
        spill_bytes_min: 0,
        spills_ahead: false,
    };
    let (mut worker, mut commands) = (Worker::new(limits), Vec::new());
    make(&mut worker, 1, 40);
    let from_here = |key| Source {
        key,
        part: 0,
        nbytes: 40,
        holder: None,
    };
    let from_peer = |key| Source {
        holder: Some(7),
        ..from_here(key)
    };
    let with_input = |key, source| Assignment {
        inputs: [source].into_iter().collect(),
        ..task(key, 30)
    };
    worker.assign(with_input(2, from_here(1)), &mut commands);
    worker.assign(with_input(3, from_peer(8)), &mut commands);
    worker.assign(with_input(4, from_peer(9)), &mut commands);
    commands.clear();
    let Some(Job::Run { task }) = worker.pull(Pull::Any, &mut commands) else {
        panic!("there is room");
    };
    // 40 are held, 30 promised.
    assert_eq!(worker.pull_fetch(&mut commands), None);
    assert!(commands.is_empty(), "{commands:?}");
    let event = Event::Finished {
        task,
        nbytes: 30,
        nanos: 1,
    };
    worker.handle(event, &mut commands);
    worker.free(1, &mut commands);
    let fetch = worker.pull_fetch(&mut commands).expect("there is room");
    assert_eq!(fetch.key, 8);
    assert!(worker.fetched(&fetch, 40, &mut commands));
    // Task 3 can run, and makes something.
    assert_eq!(worker.pull_fetch(&mut commands), None);
    worker.check_invariants();
}

fn task(key: u64, nbytes: u64) -> Assignment {
    Assignment {
        key,
        priority: key,
        group: 0,
        lane: 0,
        predicted_bytes: Some(nbytes),
        inputs: Default::default(),
    }
}

/// Runs a task whose value keeps these buffers, by address and bytes.
fn run(worker: &mut Worker, assignment: Assignment, nbytes: u64, buffers: &[(u64, u64)]) -> u32 {
    let (mut commands, key) = (Vec::new(), assignment.key);
    worker.assign(assignment, &mut commands);
    let Some(Job::Run { task }) = worker.pull(Pull::Any, &mut commands) else {
        panic!("{key} does not begin: {commands:?}");
    };
    worker.announce_buffers(task, buffers);
    let event = Event::Finished {
        task,
        nbytes,
        nanos: 1,
    };
    worker.handle(event, &mut commands);
    worker.check_invariants();
    task
}

fn make(worker: &mut Worker, key: u64, nbytes: u64) -> u32 {
    run(worker, task(key, nbytes), nbytes, &[])
}

/// Above the mark values are written while there is room, and go at once when there is none.
#[test]
fn what_is_written_ahead_goes_without_waiting() {
    let limits = Limits {
        memory_bytes_max: Some(1000),
        spill_bytes_min: 0,
        spills_ahead: true,
    };
    let (mut worker, mut commands) = (Worker::new(limits), Vec::new());
    for key in 0..8 {
        make(&mut worker, key, 100);
        assert_eq!(worker.pull_spill(), None, "nothing is to be written yet");
    }
    make(&mut worker, 8, 100);
    let Some(Job::Spill { task: written }) = worker.pull_spill() else {
        panic!("above the mark");
    };
    let event = Event::Spilled { task: written };
    worker.handle(event, &mut commands);
    assert!(commands.is_empty(), "it stays in memory: {commands:?}");
    assert_eq!(worker.pull_spill(), None, "enough is on disk");
    make(&mut worker, 9, 100);
    assert_eq!(worker.machine().held_bytes(), 1000);
    worker.assign(task(10, 100), &mut commands);
    let job = worker.pull(Pull::Any, &mut commands);
    assert!(matches!(job, Some(Job::Run { .. })), "{job:?}");
    assert_eq!(commands, [Command::Evict { task: written }]);
    worker.check_invariants();
}

/// Who needs a value may be told only once it is there: what was made last is not written ahead, and
/// other values leave memory before it does.
#[test]
fn what_was_made_last_stays() {
    let limits = Limits {
        memory_bytes_max: Some(1000),
        spill_bytes_min: 0,
        spills_ahead: true,
    };
    let (mut worker, mut commands) = (Worker::new(limits), Vec::new());
    let old = make(&mut worker, 0, 300);
    let new = [1, 2, 3].map(|key| make(&mut worker, key, 200));
    // All are new.
    assert_eq!(worker.pull_spill(), None);
    let last = make(&mut worker, 4, 50);
    assert_eq!(worker.pull_spill(), Some(Job::Spill { task: old }));
    let event = Event::Spilled { task: old };
    worker.handle(event, &mut commands);
    // Room is needed: of the new ones the last goes, but after those that nobody seems to need.
    worker.assign(task(9, 500), &mut commands);
    let spills = [worker.pull(Pull::Any, &mut commands), worker.pull_spill()];
    assert_eq!(spills, [last, new[2]].map(|task| Some(Job::Spill { task })));
    assert_eq!(commands, [Command::Evict { task: old }]);
    worker.check_invariants();
}

/// While the disk is full nothing is tried again, and no value is lost; then it is.
#[test]
fn values_stay_in_memory_while_the_disk_is_full() {
    let limits = Limits {
        memory_bytes_max: Some(1000),
        spill_bytes_min: 0,
        spills_ahead: false,
    };
    let (mut worker, mut commands) = (Worker::new(limits), Vec::new());
    for key in 0..10 {
        make(&mut worker, key, 100);
    }
    worker.assign(task(10, 100), &mut commands);
    let Some(Job::Spill { task: tried }) = worker.pull(Pull::Any, &mut commands) else {
        panic!("there is no room");
    };
    worker.handle(Event::DiskFull { task: tried }, &mut commands);
    worker.check_invariants();
    // One task at a time, as where nothing can be spilled.
    let Some(Job::Run { task: running }) = worker.pull(Pull::Any, &mut commands) else {
        panic!("nothing else goes on");
    };
    worker.handle(
        Event::Finished {
            task: running,
            nbytes: 100,
            nanos: 1,
        },
        &mut commands,
    );
    assert_eq!(worker.pull(Pull::Any, &mut commands), None);
    assert_eq!(commands, [Command::Report { task: running }]);
    // Up to a limit that is never exceeded.
    worker.set_budget(1000, 1150, &mut commands);
    worker.assign(task(11, 100), &mut commands);
    assert_eq!(worker.pull(Pull::Any, &mut commands), None);
    assert!(worker.is_starved());
    worker.set_budget(1000, 1200, &mut commands);
    let job = worker.pull(Pull::Any, &mut commands);
    assert!(matches!(job, Some(Job::Run { .. })), "{job:?}");
    assert!(!worker.is_starved());
    worker.handle(Event::DiskHasRoom, &mut commands);
    let job = worker.pull(Pull::Any, &mut commands);
    assert!(matches!(job, Some(Job::Spill { .. })), "{job:?}");
    worker.check_invariants();
}

fn make_with(worker: &mut Worker, key: u64, nbytes: u64, buffer: u64) -> u32 {
    run(worker, task(key, 0), nbytes, &[(buffer, 1000)])
}

/// Views count for nothing beside the value that they look into, and for its buffer after it.
#[test]
fn a_buffer_of_several_values_is_counted_once() {
    let limits = Limits {
        memory_bytes_max: Some(1500),
        spill_bytes_min: 0,
        spills_ahead: false,
    };
    let (mut worker, mut commands) = (Worker::new(limits), Vec::new());
    let whole = make_with(&mut worker, 0, 1000, 77);
    let views: Vec<u32> = (1..5)
        .map(|key| make_with(&mut worker, key, 100, 77))
        .collect();
    assert_eq!(worker.machine().held_bytes(), 1000);
    assert_eq!(
        worker.pull(Pull::Any, &mut commands),
        None,
        "nothing to spill"
    );
    assert_eq!(
        (worker.nbytes_of(whole), worker.nbytes_of(views[0])),
        (1000, 100)
    );
    worker.free(0, &mut commands);
    worker.check_invariants();
    assert_eq!(worker.machine().held_bytes(), 1000, "views keep it");
    worker.unshare(views[0]);
    worker.check_invariants();
    assert_eq!(worker.machine().held_bytes(), 1100);
    for key in 1..5 {
        worker.free(key, &mut commands);
        worker.check_invariants();
    }
    assert_eq!(worker.machine().held_bytes(), 0);
}
