//! How much the order of a graph needs in memory, and what is begun within that.
//!
//! Of every large submission the first tasks in its order are kept as a sketch (`sketch`). Run in one
//! place with as many threads as there are in all, it tells how much is held at a time at most. Run by
//! as many workers (`rehearsal`), it tells how much may be held and begun so that it does not become
//! much more than that: beyond it no group of sources is begun whose values are large, and groups that
//! were begun are completed. What comes after the sketch may need more: where many threads have nothing
//! to do for it, more may be held from then on.
//!
//! Tasks of which none has ended are thought to take as long as the first of them has run, and such as
//! have not begun as long as the shortest.

use rask_graph::TaskTable;

use super::rehearsal::Stage;
use super::sketch::{Known, SKETCHED_MIN, Sketch};
use crate::HashMap;
use crate::event::Time;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// With more submissions at a time, or more layers that need nothing, nothing is held back.
const SKETCHES_MAX: usize = 16;
const SOURCES_MAX: usize = 64;
/// For each worker there may be as much in any case as so many values have that are just large: 32 MiB.
const COUNT_MIN: u64 = 512;
/// So much of what is needed may be held, in percent.
const HELD_PERCENT: u64 = 125;
/// Between times at which it is worked out anew, at least.
const LOOK_MICROS: u64 = 1000;
/// A source looks at so many inputs of its first user for whether its group was begun.
const LOOKED_AT_MAX: usize = 64;
/// How long fewer than half of the threads may have something to do because of it: so many times as
/// long as the longest tasks take, and at least so long. After that, so much more may be held, in percent.
const PATIENCE_TASKS: u64 = 2;
const PATIENCE_MICROS: u64 = 100_000;
const RAISED_PERCENT: u64 = 125;
/// How often it is tried on paper how much may be begun.
const REHEARSALS_MAX: usize = 4;
/// Of this much of its memory a worker makes room for one group, in percent.
pub(super) const GROUP_PERCENT: u64 = 50;

/// What is needed, and what was begun.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    sketches: Vec<Sketch>,
    /// Bytes that were needed when the first of them came.
    base_bytes: u64,
    /// What may be held and begun.
    limit_bytes: u64,
    /// Tasks that have ended, and how many there are to be before it is worked out anew.
    ended_count: u64,
    next_count: u64,
    /// Time, from which on it is worked out anew while nothing is known of some layer.
    began: Time,
    next_micros: u64,
    /// Layers that they have whose tasks need nothing.
    sources: Vec<u32>,
    /// Threads that there were.
    thread_count: u64,
    /// Tasks that are handed out.
    assigned_count: u64,
    /// The bytes of the group that was asked for last.
    waiting_bytes: u64,
    /// How long threads may be without work.
    patience_micros: u64,
    /// Since when many have been.
    starved: Option<Time>,
    /// What may be held in any case, since less left them so.
    raised_bytes: u64,
}

/// What all sketches say together.
#[derive(Default)]
struct Survey {
    /// Bytes that may be held and begun.
    bytes: u64,
    sources: Vec<u32>,
    longest_micros: u64,
    /// Of all layers, and of all sources, it is known how long tasks take and what they make.
    are_times_known: bool,
    are_sizes_known: bool,
}

impl Needs {
    /// A task was handed out.
    #[inline]
    pub fn on_assigned(&mut self) {
        self.assigned_count += 1;
    }

    /// A task that was handed out is not any more.
    #[inline]
    pub fn on_unassigned(&mut self) {
        self.assigned_count -= 1;
    }

    /// A task has ended; `is_first` of its layer.
    #[inline]
    pub fn on_ended(&mut self, is_first: bool) {
        self.ended_count += 1;
        if is_first {
            self.next_count = self.next_count.min(self.ended_count);
        }
    }

    /// When the time that has passed since tells more of what takes long, or patience ends.
    pub fn deadline(&self) -> Option<Time> {
        if self.is_without() {
            return None;
        }
        let patience = self.patience_micros;
        let starved = self.starved.map(|since| since.micros + patience);
        let micros = starved.unwrap_or(u64::MAX).min(self.next_micros);
        (micros < u64::MAX).then_some(Time { micros })
    }

    /// Nothing is held back.
    fn is_without(&self) -> bool {
        self.sketches.is_empty() || self.sketches.len() > SKETCHES_MAX
    }
}

impl Scheduler {
    /// Keeps the beginning of a submission, of which these tasks are new.
    pub(crate) fn sketch(
        &mut self,
        table: &TaskTable,
        ranks: &[u32],
        numbers: &[u32],
        fresh: &[(u32, TaskId)],
    ) {
        if fresh.len() < SKETCHED_MIN {
            return;
        }
        self.forget_sketches();
        let needs = &mut self.needs;
        if needs.sketches.is_empty() {
            needs.base_bytes = self.workers.needed_bytes();
            needs.began = self.now;
            needs.raised_bytes = 0;
            needs.starved = None;
        }
        if needs.sketches.len() <= SKETCHES_MAX {
            let fresh = fresh.iter().map(|&(index, _)| index);
            needs
                .sketches
                .push(Sketch::new(table, ranks, numbers, fresh));
            needs.next_count = 0;
        }
    }

    /// Of submissions that are done.
    fn forget_sketches(&mut self) {
        if self.tasks.pending_count() == 0 {
            self.needs.sketches.clear();
        }
        let layers = &self.layers;
        let is_there = |layer| layers.find(layer).is_some();
        self.needs
            .sketches
            .retain(|sketch| sketch.last_layer().is_some_and(is_there));
    }

    /// Whether a source that makes a large value may be begun: for its group has been, or because what
    /// is needed leaves room.
    pub(crate) fn may_begin(&mut self, id: TaskId, bytes: u64) -> bool {
        if self.needs.is_without() || self.needs.assigned_count == 0 {
            return true;
        }
        if self.tasks.state(id) != TaskState::Queued {
            return true;
        }
        let limit = self.find_limit();
        if limit == u64::MAX {
            return true;
        }
        let Some(group) = self.count_group(id) else {
            return true;
        };
        self.needs.waiting_bytes = bytes.saturating_mul(group);
        self.held_bytes().saturating_add(self.needs.waiting_bytes) <= limit
    }

    /// Whether it is known how much may be begun.
    pub(crate) fn has_limit(&mut self) -> bool {
        !self.needs.is_without() && self.find_limit() < u64::MAX
    }

    /// Whether anything may be begun at all.
    pub(crate) fn has_bytes_left(&mut self) -> bool {
        if self.needs.is_without() || self.needs.assigned_count == 0 {
            return true;
        }
        let limit = self.find_limit();
        let held = self.held_bytes().saturating_add(self.needs.waiting_bytes);
        self.note_starved(held > limit, held);
        held <= limit
    }

    /// Many threads may have been without work for too long.
    fn note_starved(&mut self, is_full: bool, held: u64) {
        let needs = &mut self.needs;
        if !is_full || needs.assigned_count * 2 >= self.shares.thread_count {
            needs.starved = None;
            return;
        }
        let since = *needs.starved.get_or_insert(self.now);
        if self.now.micros >= since.micros + needs.patience_micros {
            needs.raised_bytes = (held / 100).saturating_mul(RAISED_PERCENT);
            needs.starved = None;
            needs.next_count = 0;
        }
    }

    /// Bytes that are needed, and those of sources that were begun.
    fn held_bytes(&self) -> u64 {
        let sources = self.needs.sources.iter();
        let begun = sources.filter_map(|&number| {
            let layer = self.layers.find(number)?;
            let bytes = self.known_of(number, true).bytes;
            let bytes = bytes.unwrap_or(self.settings.large_bytes_min);
            Some(u64::from(layer.begun_count) * bytes)
        });
        self.workers.needed_bytes() + begun.sum::<u64>()
    }

    /// What may be held and begun.
    fn find_limit(&mut self) -> u64 {
        let is_time = self.now.micros >= self.needs.next_micros;
        let threads = self.needs.thread_count;
        let are_threads_others = threads.abs_diff(self.shares.thread_count) > threads / 2;
        if is_time || are_threads_others || self.needs.ended_count >= self.needs.next_count {
            self.work_out_all();
        }
        self.needs.limit_bytes
    }

    /// How many sources of the group of one wait to be begun; `None` if others have been.
    fn count_group(&self, id: TaskId) -> Option<u64> {
        let user = self.find_first_user(id)?;
        let deps = self.tasks.deps(user);
        let mut count = 1;
        for &dep in deps.iter().take(LOOKED_AT_MAX).filter(|&&dep| dep != id) {
            match self.tasks.state(dep) {
                TaskState::Memory | TaskState::Assigned | TaskState::Placed => return None,
                TaskState::Queued => count += 1,
                _ => {}
            }
        }
        Some(count)
    }

    /// What is known of the tasks of a layer.
    fn known_of(&self, number: u32, is_source: bool) -> Known {
        let Some(layer) = self.layers.find(number) else {
            return Known::default();
        };
        let taught = self.layers.operation(layer).output.find();
        let taught = taught.filter(|_| is_source).map(|bytes| bytes as u64);
        let ran = layer.began.map(|at| (self.now.micros - at.micros).max(1));
        let mean = (layer.ended_count > 0).then(|| layer.mean_micros.max(1.0) as u64);
        Known {
            is_learned: mean.is_some(),
            micros: mean.or(ran),
            bytes: layer.predict_bytes(0).or(taught),
        }
    }

    /// Whether some source of a sketch makes something large, or may; and they are few layers.
    fn may_make_large(&self) -> bool {
        let sources = || self.needs.sketches.iter().flat_map(Sketch::sources);
        let are_few = sources().take(SOURCES_MAX + 1).count() <= SOURCES_MAX;
        are_few
            && sources().any(|number| {
                let bytes = self.known_of(number, true).bytes;
                bytes.is_none_or(|bytes| bytes >= self.settings.large_bytes_min)
            })
    }

    fn work_out_all(&mut self) {
        self.forget_sketches();
        let needs = &mut self.needs;
        needs.thread_count = self.shares.thread_count;
        needs.next_count = (needs.ended_count * 2).max(16);
        if !self.may_make_large() {
            self.needs.limit_bytes = u64::MAX;
            self.needs.next_micros = u64::MAX;
            return;
        }
        let elapsed = self.now.micros - self.needs.began.micros;
        let guess_micros = elapsed.max(LOOK_MICROS);
        let survey = self.survey(guess_micros);
        let workers = self.workers.by_id.len() as u64;
        let least = match survey.are_sizes_known {
            true => COUNT_MIN * self.settings.large_bytes_min * workers,
            false => 0,
        };
        let needs = &mut self.needs;
        let allowed = survey.bytes.max(least).saturating_add(needs.base_bytes);
        needs.limit_bytes = match survey.bytes == u64::MAX {
            true => u64::MAX,
            false => allowed.max(needs.raised_bytes),
        };
        needs.patience_micros = PATIENCE_MICROS.max(PATIENCE_TASKS * survey.longest_micros);
        needs.next_micros = match survey.are_times_known {
            true => u64::MAX,
            false => self.now.micros + guess_micros,
        };
        needs.sources = survey.sources;
    }

    /// What the sketches say; a task of which nothing is known takes so long.
    fn survey(&self, guess_micros: u64) -> Survey {
        let mut survey = Survey {
            are_times_known: true,
            are_sizes_known: true,
            ..Survey::default()
        };
        let numbers = self.needs.sketches.iter().flat_map(Sketch::layers);
        let known = numbers.filter_map(|number| self.known_of(number, false).micros);
        let guess_micros = known.min().unwrap_or(guess_micros);
        let guess = (guess_micros, self.settings.large_bytes_min);
        let threads = self.shares.thread_count.max(1);
        for sketch in &self.needs.sketches {
            for number in sketch.layers() {
                let known = self.known_of(number, false);
                survey.are_times_known &= known.is_learned;
                let micros = known.micros.unwrap_or(guess_micros);
                survey.longest_micros = survey.longest_micros.max(micros);
            }
            for number in sketch.sources() {
                survey.are_sizes_known &= self.known_of(number, true).bytes.is_some();
                if !survey.sources.contains(&number) {
                    survey.sources.push(number);
                }
            }
            let bytes = self.calibrate(sketch, threads, guess);
            survey.bytes = survey.bytes.saturating_add(bytes);
        }
        survey
    }

    /// What may be held and begun of a sketch, so that there is not much more than it needs at any time.
    fn calibrate(&self, sketch: &Sketch, threads: u64, guess: (u64, u64)) -> u64 {
        let known = |number, is_source| self.known_of(number, is_source);
        let needed = sketch.run(threads, guess, known);
        if needed == u64::MAX {
            return needed;
        }
        let allowed = (needed / 100).saturating_mul(HELD_PERCENT);
        let workers = self.workers.by_id.len().max(1) as u64;
        let budget = self.workers.by_id.iter().next();
        let budget = budget.map_or(0, |(_, worker)| worker.budget_bytes);
        let mut stage = Stage {
            workers: workers as u32,
            threads: threads.div_ceil(workers) as u32,
            limit_bytes: allowed,
            group_bytes_max: budget / 100 * GROUP_PERCENT,
        };
        for _ in 0..REHEARSALS_MAX {
            let most = sketch.rehearse(stage, guess, known);
            if most <= allowed {
                break;
            }
            let part = allowed as f64 / most as f64;
            stage.limit_bytes = (stage.limit_bytes as f64 * part) as u64;
        }
        stage.limit_bytes
    }

    /// What was begun is counted.
    pub(crate) fn check_needs(&self) -> Result<(), String> {
        let mut begun: HashMap<u32, u32> = HashMap::default();
        let mut assigned_count = 0;
        for (_, task) in self.tasks.iter() {
            let is_begun = matches!(task.state, TaskState::Placed | TaskState::Assigned);
            assigned_count += u64::from(task.state == TaskState::Assigned);
            *begun.entry(task.layer).or_default() += u32::from(is_begun && task.is_source());
        }
        let is_counted = |(number, count): (&u32, &u32)| {
            let layer = self.layers.find(*number);
            layer.is_some_and(|layer| layer.begun_count == *count)
        };
        match assigned_count == self.needs.assigned_count && begun.iter().all(is_counted) {
            true => Ok(()),
            false => Err(format!("begun: {begun:?}, {assigned_count} assigned")),
        }
    }
}
