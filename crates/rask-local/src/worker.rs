//! One thread of a run: takes jobs in batches, does them, hands the outcomes in.

use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use rask_exec::{Command, Event, Job, Pull, Topology};
use rask_graph::TaskId;
use rask_store::Spilled;
use rask_value::Inputs;

use crate::RunError;
use crate::job::{Outcome, Work};
use crate::pool::Bell;
use crate::run::{POLL_INTERVAL, Run, RunState};

/// Tasks are taken in batches that are expected to take about this long.
const BATCH_NANOS: u64 = 50_000;
const BATCH_LENGTH_MAX: u64 = 64;
/// A thread inside a scope prefers tasks of that scope for this long before it looks at the others.
const STAY_INSIDE: Duration = Duration::from_micros(200);
/// Waking a thread has to be worth this much work.
const WAKE_NANOS: u64 = 100_000;
/// Tasks of a scope that are expected to be shorter are left to one thread: two would only wait for
/// each other at the scope's door.
const SHARED_SCOPE_NANOS: u64 = 50_000;
/// A helper without work leaves the run after this long.
const HELPER_PATIENCE: Duration = Duration::from_millis(5);

type Interrupt<'a> = Option<&'a (dyn Fn() -> bool + Sync)>;

pub(crate) struct Worker<'r, 'a> {
    pub(crate) run: &'r Run<'a>,
    bell: Bell<'r>,
    /// What only the caller's thread has.
    owner: Option<Owner<'r>>,
    /// 0 is the caller's.
    pub(crate) number: usize,
    /// Of the jobs taken.
    lane: u8,
    pub(crate) jobs: Vec<Work>,
    pub(crate) outcomes: Vec<Outcome>,
    garbage: Vec<Spilled>,
}

struct Owner<'r> {
    interrupt: Interrupt<'r>,
    polled: Instant,
}

/// What to do after handing in and looking for more.
enum Next {
    /// There are jobs.
    Work,
    /// Go out of the scope, and look again.
    Leave,
    /// The run has ended, or has nothing for this thread.
    End,
}

impl<'r, 'a> Worker<'r, 'a> {
    /// The caller's thread.
    pub(crate) fn owner(run: &'r Run<'a>, bell: Bell<'r>, interrupt: Interrupt<'r>) -> Self {
        let owner = Owner {
            interrupt,
            polled: Instant::now(),
        };
        Worker::new(run, bell, 0, Some(owner))
    }

    /// A thread of the pool.
    pub(crate) fn helper(run: &'r Run<'a>, bell: Bell<'r>) -> Self {
        let mut state = run.state.lock();
        let number = state.workers;
        state.workers += 1;
        drop(state);
        Worker::new(run, bell, number, None)
    }

    fn new(run: &'r Run<'a>, bell: Bell<'r>, number: usize, owner: Option<Owner<'r>>) -> Self {
        Worker {
            run,
            bell,
            owner,
            number,
            lane: 0,
            jobs: Vec::new(),
            outcomes: Vec::new(),
            garbage: Vec::new(),
        }
    }

    /// Works until the run has ended or, on a helper, has nothing to do.
    pub(crate) fn work(mut self) {
        loop {
            match self.exchange(None) {
                Next::Work => {}
                Next::Leave => continue,
                Next::End => break,
            }
            match self.run.scopes[self.lane as usize] {
                None => self.do_jobs(),
                Some(scope) => scope.enter(&mut || self.work_inside()),
            }
        }
    }

    /// Does jobs of one scope after the other, inside of it.
    fn work_inside(&mut self) {
        let lane = self.lane;
        let mut since = Instant::now();
        loop {
            self.do_jobs();
            let stay = since.elapsed() < STAY_INSIDE && self.run.threads > 1;
            if !stay {
                since = Instant::now();
            }
            let next = self.exchange(Some((lane, stay)));
            if !matches!(next, Next::Work) {
                return;
            }
        }
    }

    /// Hands in what was done and takes new jobs. `inside` is the lane whose scope the thread is in,
    /// and whether it should prefer that lane's tasks.
    fn exchange(&mut self, inside: Option<(u8, bool)>) -> Next {
        let run = self.run;
        let mut state = run.state.lock();
        loop {
            self.hand_in(&mut state);
            if run.is_stopped() || state.machine.unfinished() == 0 {
                if let Some((lane, _)) = inside {
                    state.inside[lane as usize] -= 1;
                }
                drop(state);
                run.changed.notify_all();
                self.clean_up(false);
                return Next::End;
            }
            let poll = self.owner.as_ref().is_some_and(Owner::is_poll_due);
            if let Some((lane, stay)) = inside {
                let taken = !poll && self.take_inside(&mut state, lane, stay);
                if !taken {
                    state.inside[lane as usize] -= 1;
                }
                self.wake_others(state);
                return if taken { Next::Work } else { Next::Leave };
            }
            if poll {
                drop(state);
                self.clean_up(false);
                self.poll();
                state = run.state.lock();
                continue;
            }
            if self.take_outside(&mut state) {
                if self.lane > 0 {
                    state.inside[self.lane as usize] += 1;
                }
                self.wake_others(state);
                return Next::Work;
            }
            if !self.garbage.is_empty() {
                drop(state);
                self.clean_up(false);
                state = run.state.lock();
                continue;
            }
            if !self.wait(&mut state) {
                return Next::End;
            }
        }
    }

    /// Waits for jobs. Returns whether to look again.
    fn wait(&self, state: &mut MutexGuard<'_, RunState<'a>>) -> bool {
        state.waiting += 1;
        let timed_out = match &self.owner {
            Some(owner) if owner.interrupt.is_none() => {
                self.run.changed.wait(state);
                false
            }
            Some(_) => {
                self.run.changed.wait_for(state, POLL_INTERVAL);
                false
            }
            None => self
                .run
                .changed
                .wait_for(state, HELPER_PATIENCE)
                .timed_out(),
        };
        state.waiting -= 1;
        if timed_out {
            state.helpers -= 1;
        }
        !timed_out
    }

    /// Wakes or summons another thread if there is enough left to do, and lets go of the lock.
    fn wake_others(&mut self, mut state: MutexGuard<'_, RunState<'a>>) {
        let mut summon = false;
        let mut wake = false;
        if self.run.threads > 1 && self.is_worth_waking(&state) {
            wake = state.waiting > 0;
            summon = !wake && state.helpers + 1 < self.run.threads;
            state.helpers += usize::from(summon);
        }
        drop(state);
        if summon {
            self.bell.ring(self.run.threads - 1);
        }
        self.clean_up(wake);
    }

    fn is_worth_waking(&self, state: &RunState<'_>) -> bool {
        let count = state.machine.ready_count() as u64;
        if count == 0 {
            return false;
        }
        match self.choose_pull(state) {
            None => false,
            Some(pull) => match state.machine.peek_nanos(pull) {
                Some(Some(nanos)) => nanos.saturating_mul(count) > WAKE_NANOS,
                Some(None) => true,
                None => pull == Pull::Any,
            },
        }
    }

    /// From where a thread that is in no scope takes jobs: everywhere, unless the best task is a
    /// short one whose scope another thread is in.
    fn choose_pull(&self, state: &RunState<'_>) -> Option<Pull> {
        let Some(lane) = state.machine.peek_lane(Pull::Any).filter(|&lane| lane > 0) else {
            return Some(Pull::Any);
        };
        let short = matches!(
            state.machine.peek_nanos(Pull::Lane(lane)),
            Some(Some(nanos)) if nanos < SHARED_SCOPE_NANOS
        );
        if short && state.inside[lane as usize] > 0 {
            let other = Pull::NotLane(lane);
            return state.machine.peek_lane(other).map(|_| other);
        }
        Some(Pull::Any)
    }

    fn take_outside(&mut self, state: &mut RunState<'_>) -> bool {
        match self.choose_pull(state) {
            Some(pull) => self.take_jobs(state, pull),
            None => false,
        }
    }

    /// Takes more jobs of the scope the thread is in, if it should stay.
    fn take_inside(&mut self, state: &mut RunState<'_>, lane: u8, stay: bool) -> bool {
        let pull = Pull::Lane(lane);
        let crowded = state.inside[lane as usize] > 1
            && matches!(state.machine.peek_nanos(pull), Some(Some(n)) if n < SHARED_SCOPE_NANOS);
        if crowded || (!stay && state.machine.peek_lane(Pull::Any) != Some(lane)) {
            return false;
        }
        self.take_jobs(state, pull)
    }

    /// Fills the batch with jobs of one lane.
    fn take_jobs(&mut self, state: &mut RunState<'_>, pull: Pull) -> bool {
        let length_max = self.decide_batch_length(state, pull);
        let mut pull = pull;
        while (self.jobs.len() as u64) < length_max {
            let Some(job) = state.machine.pull(pull, &mut state.commands) else {
                break;
            };
            let Job::Run { task } = job else {
                self.prepare_transfer(state, job);
                break;
            };
            let lane = state.machine.topology().lane(task);
            if self.jobs.is_empty() {
                self.lane = lane;
                pull = Pull::Lane(lane);
            }
            self.prepare_run(state, task);
            let best = state.machine.peek_lane(Pull::Any);
            if best.is_some_and(|best| best != lane) {
                break;
            }
        }
        self.obey(state);
        !self.jobs.is_empty()
    }

    fn decide_batch_length(&self, state: &RunState<'_>, pull: Pull) -> u64 {
        if self.run.threads == 0 {
            return 1;
        }
        match state.machine.peek_nanos(pull) {
            Some(Some(nanos)) => {
                let share = state.machine.ready_count() / self.run.threads + 1;
                let fitting = BATCH_NANOS / nanos.max(1);
                fitting.clamp(1, BATCH_LENGTH_MAX).min(share as u64)
            }
            _ => 1,
        }
    }

    /// Collects the inputs of a task: as its own, where it is the last to need them.
    fn prepare_run(&mut self, state: &mut RunState<'_>, task: TaskId) {
        let mut inputs = Inputs::new();
        let (machine, slots) = (&state.machine, &mut state.slots);
        for &dep in machine.topology().table.deps(task) {
            let value = if machine.is_last_use(dep) {
                slots.take(dep)
            } else {
                slots.find(dep).cloned()
            };
            inputs
                .push(value.expect("the machine runs tasks only when their inputs are in memory"));
        }
        let at = machine.topology().table.block_of(task);
        self.jobs.push(Work::Run { task, at, inputs });
    }

    fn prepare_transfer(&mut self, state: &mut RunState<'_>, job: Job) {
        match job {
            Job::Spill { task } => {
                let value = state.slots.find(task).cloned();
                let value = value.expect("the machine spills only what is in memory");
                self.jobs.push(Work::Spill { task, value });
            }
            Job::Unspill { task } => {
                let extent = state.slots.find_extent(task).cloned();
                let extent = extent.expect("the machine reads back only what is on disk");
                let at = state.machine.topology().table.block_of(task);
                self.jobs.push(Work::Unspill { task, at, extent });
            }
            Job::Run { .. } => {}
        }
    }

    /// Tells the machine what became of the jobs.
    fn hand_in(&mut self, state: &mut RunState<'_>) {
        for outcome in self.outcomes.drain(..) {
            let event = match outcome {
                Outcome::Value {
                    task,
                    value,
                    nbytes,
                    nanos,
                } => {
                    state.machine.announce_buffers(task, &value.buffers());
                    state.slots.put(task, value);
                    Event::Finished {
                        task,
                        nbytes,
                        nanos,
                    }
                }
                Outcome::Written {
                    task,
                    extent,
                    value,
                } => {
                    self.garbage.push(Spilled {
                        value: Some(value),
                        extent: None,
                    });
                    match extent {
                        Some(extent) => {
                            state.slots.put_extent(task, extent);
                            Event::Spilled { task }
                        }
                        None => Event::SpillFailed { task },
                    }
                }
                Outcome::Read { task, value } => {
                    state.slots.put(task, value);
                    Event::Unspilled { task }
                }
            };
            state.machine.handle(event, &mut state.commands);
        }
        self.obey(state);
    }

    /// Does what the machine commanded.
    fn obey(&mut self, state: &mut RunState<'_>) {
        for command in state.commands.drain(..) {
            match command {
                Command::Drop { task } => {
                    let removed = state.slots.remove(task);
                    if removed.value.is_some() || removed.extent.is_some() {
                        self.garbage.push(removed);
                    }
                }
                Command::Evict { task } => self.garbage.push(Spilled {
                    value: state.slots.take(task),
                    extent: None,
                }),
                Command::Report { .. } | Command::GiveBack { .. } => {}
            }
        }
    }

    /// Drops values, with no lock held.
    fn clean_up(&mut self, wake: bool) {
        if wake {
            self.run.changed.notify_one();
        }
        self.garbage.clear();
    }

    fn poll(&mut self) {
        let Some(owner) = &mut self.owner else { return };
        owner.polled = Instant::now();
        if owner.interrupt.is_some_and(|interrupt| interrupt()) {
            self.run.stop(RunError::Interrupted);
        }
    }
}

impl Owner<'_> {
    fn is_poll_due(&self) -> bool {
        self.interrupt.is_some() && self.polled.elapsed() >= POLL_INTERVAL
    }
}
