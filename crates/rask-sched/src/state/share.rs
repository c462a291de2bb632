//! Shares: whom tasks are counted for, and how far each has been served.

use super::SourceQueue;
use crate::ShareSettings;
use crate::event::Time;

/// Index of a share's record; used again after the share is gone.
pub(crate) type ShareId = u16;

/// One share: clients whose tasks are counted together.
#[derive(Default)]
pub(crate) struct Share {
    pub settings: ShareSettings,
    /// Nobody uses the record.
    pub is_free: bool,
    /// It is in [`Shares::active`].
    is_listed: bool,
    /// An administrator named it: it stays when nobody uses it.
    pub is_configured: bool,
    pub client_count: u32,
    /// Records of tasks that count for it, in any state.
    pub task_count: u32,
    /// Tasks in state Queued, in a queue or stranded.
    pub queued_count: u32,
    pub placed_count: u32,
    pub assigned_count: u32,
    /// Of those, the ones that take no thread.
    pub seceded_count: u32,
    /// Values held for it, every copy counted.
    pub held_bytes: u64,
    /// Tasks that need nothing and may run anywhere.
    pub queue: SourceQueue,
    /// Those that other shares need too, which its quota of bytes does not hold back.
    pub exempt: SourceQueue,
    /// Work it was given, in microseconds of threads by its weight: who has least is next.
    pub pass: f64,
    pub ended_count: u64,
    pub run_micros: u64,
    /// While its quota of bytes holds everything back: how long that is waited for.
    pub standing_until: Option<Time>,
}

impl Share {
    /// Tasks of it that run or will run on threads.
    pub fn busy_count(&self) -> u32 {
        self.assigned_count - self.seceded_count
    }

    /// Whether there is anything to run for it.
    pub fn is_active(&self) -> bool {
        self.queued_count + self.placed_count + self.assigned_count > 0
    }

    /// Whether its quota allows one more task in flight.
    #[inline]
    pub fn admits_task(&self) -> bool {
        let limit = self.settings.tasks_max;
        limit.is_none_or(|limit| self.busy_count() < limit)
    }

    /// Whether its quota allows a task that only adds to what is held.
    #[inline]
    pub fn admits_bytes(&self) -> bool {
        let limit = self.settings.bytes_max;
        limit.is_none_or(|limit| self.held_bytes < limit)
    }

    /// Whether there may be a source task to be handed out.
    #[inline]
    pub fn has_sources(&self) -> bool {
        !self.exempt.is_empty() || !self.queue.is_empty() && self.admits_bytes()
    }
}

/// All shares.
pub(crate) struct Shares {
    records: Vec<Share>,
    free: Vec<ShareId>,
    /// Shares with a quota of bytes.
    limited: Vec<ShareId>,
    /// Shares with something to run, and until the end of an event some that had.
    active: Vec<ShareId>,
    /// Some of these may have nothing any more.
    may_be_idle: bool,
    /// Where the share stood that was served last.
    pub level: f64,
    /// Threads of all workers: how far a share may stay behind and still be served for it later.
    pub thread_count: u64,
    /// Tasks in flight, of all shares.
    assigned_count: u64,
    /// Several shares have had something to run since nothing was in flight.
    pub takes_turns: bool,
    /// A share may go on that a quota had held back.
    pub unblocked: bool,
}

/// Work of each thread for which a share that stayed behind may make up later.
const LAG_MICROS: f64 = 1e6;

/// The share of clients that found no other: its record is never free.
pub(crate) const COMMON: ShareId = 0;

impl Shares {
    /// The shares that an administrator named, and the common one.
    pub fn new(settings: &[ShareSettings]) -> Self {
        let common = Share {
            settings: ShareSettings::named("common"),
            is_configured: true,
            ..Share::default()
        };
        let mut shares = Shares {
            records: vec![common],
            free: Vec::new(),
            limited: Vec::new(),
            active: Vec::new(),
            may_be_idle: false,
            level: 0.0,
            thread_count: 0,
            assigned_count: 0,
            takes_turns: false,
            unblocked: false,
        };
        for settings in settings {
            let id = shares.add(settings.clone());
            shares.get_mut(id).is_configured = true;
            if shares.get(id).settings.bytes_max.is_some() {
                shares.limited.push(id);
            }
        }
        shares
    }

    fn add(&mut self, settings: ShareSettings) -> ShareId {
        let share = Share {
            settings,
            ..Share::default()
        };
        if let Some(id) = self.free.pop() {
            self.records[usize::from(id)] = share;
            return id;
        }
        let Ok(id) = ShareId::try_from(self.records.len()) else {
            return COMMON;
        };
        self.records.push(share);
        id
    }

    #[inline]
    pub fn get(&self, id: ShareId) -> &Share {
        &self.records[usize::from(id)]
    }

    #[inline]
    pub fn get_mut(&mut self, id: ShareId) -> &mut Share {
        &mut self.records[usize::from(id)]
    }

    /// The shares that are in use, or that an administrator named.
    pub fn iter(&self) -> impl Iterator<Item = (ShareId, &Share)> {
        let records = self.records.iter().enumerate();
        records
            .filter(|(_, share)| !share.is_free)
            .map(|(id, share)| (id as ShareId, share))
    }

    /// Shares with something to run.
    #[inline]
    pub fn active(&self) -> &[ShareId] {
        &self.active
    }

    /// Shares with a quota of bytes.
    #[inline]
    pub fn limited(&self) -> &[ShareId] {
        &self.limited
    }

    /// A client is here and has not said for whom it counts.
    pub fn join_common(&mut self) -> ShareId {
        self.get_mut(COMMON).client_count += 1;
        COMMON
    }

    /// A client counts for the share of this name from now on.
    pub fn join(&mut self, name: &str) -> ShareId {
        let known = self
            .iter()
            .find(|(_, share)| &*share.settings.name == name)
            .map(|(id, _)| id);
        let id = known.unwrap_or_else(|| self.add(ShareSettings::named(name)));
        self.get_mut(id).client_count += 1;
        id
    }

    /// A client has left, or counts for another share.
    pub fn leave(&mut self, id: ShareId) {
        self.get_mut(id).client_count -= 1;
        self.drop_if_unused(id);
    }

    fn drop_if_unused(&mut self, id: ShareId) {
        let share = self.get_mut(id);
        if share.client_count + share.task_count == 0 && !share.is_configured && !share.is_free {
            *share = Share {
                is_free: true,
                ..Share::default()
            };
            self.free.push(id);
        }
    }

    /// There is a record of a task more.
    #[inline]
    pub fn on_task_added(&mut self, id: ShareId) {
        self.get_mut(id).task_count += 1;
    }

    /// There is a record of a task less.
    #[inline]
    pub fn on_task_removed(&mut self, id: ShareId) {
        let share = self.get_mut(id);
        share.task_count -= 1;
        if share.task_count == 0 {
            self.drop_if_unused(id);
        }
    }

    /// One of a share's queues of source tasks.
    #[inline]
    pub fn queue_mut(&mut self, id: ShareId, is_exempt: bool) -> &mut SourceQueue {
        let share = self.get_mut(id);
        match is_exempt {
            true => &mut share.exempt,
            false => &mut share.queue,
        }
    }

    /// A task waits in the common queue.
    #[inline]
    pub fn on_queued(&mut self, id: ShareId) {
        self.activate(id);
        self.get_mut(id).queued_count += 1;
    }

    #[inline]
    pub fn on_unqueued(&mut self, id: ShareId) {
        self.get_mut(id).queued_count -= 1;
        self.on_fewer(id);
    }

    /// A task waits for its worker.
    #[inline]
    pub fn on_placed(&mut self, id: ShareId) {
        self.activate(id);
        self.get_mut(id).placed_count += 1;
    }

    #[inline]
    pub fn on_displaced(&mut self, id: ShareId) {
        self.get_mut(id).placed_count -= 1;
        self.on_fewer(id);
    }

    /// A task that is thought to take so long was handed out.
    #[inline]
    pub fn on_assigned(&mut self, id: ShareId, micros: u32) {
        self.activate(id);
        self.assigned_count += 1;
        self.takes_turns |= self.active.len() > 1;
        let (level, lag) = (self.level, self.thread_count as f64 * LAG_MICROS);
        let share = self.get_mut(id);
        share.assigned_count += 1;
        let start = share.pass.max(level - lag);
        share.pass = start + f64::from(micros) / share.settings.weight;
        self.level = level.max(start);
    }

    /// The task is not in flight any more; what it took is counted when it is known.
    #[inline]
    pub fn on_unassigned(&mut self, id: ShareId, micros: u32, seceded: bool) {
        self.assigned_count -= 1;
        self.takes_turns &= self.assigned_count > 0;
        let share = self.get_mut(id);
        let was_full = !share.admits_task();
        share.assigned_count -= 1;
        share.seceded_count -= u32::from(seceded);
        share.pass -= f64::from(micros) / share.settings.weight;
        let goes_on = was_full && share.admits_task();
        self.unblocked |= goes_on;
        self.on_fewer(id);
    }

    /// A task in flight takes no thread from now on.
    pub fn on_seceded(&mut self, id: ShareId) {
        let share = self.get_mut(id);
        let was_full = !share.admits_task();
        share.seceded_count += 1;
        let goes_on = was_full && share.admits_task();
        self.unblocked |= goes_on;
    }

    /// A task that had seceded takes a thread again.
    pub fn on_rejoined(&mut self, id: ShareId) {
        self.get_mut(id).seceded_count -= 1;
    }

    /// A task ended that took so long.
    #[inline]
    pub fn on_ended(&mut self, id: ShareId, micros: u32) {
        let share = self.get_mut(id);
        share.pass += f64::from(micros) / share.settings.weight;
        share.ended_count += 1;
        share.run_micros += u64::from(micros);
    }

    /// A worker holds a value more.
    #[inline]
    pub fn on_held(&mut self, id: ShareId, nbytes: u64) {
        self.get_mut(id).held_bytes += nbytes;
    }

    /// A worker holds a value less.
    #[inline]
    pub fn on_dropped(&mut self, id: ShareId, nbytes: u64) {
        let share = self.get_mut(id);
        let was_full = !share.admits_bytes();
        share.held_bytes -= nbytes;
        let goes_on = was_full && share.admits_bytes();
        self.unblocked |= goes_on;
    }

    /// Something is to be run for a share. One that had nothing starts level with who is furthest
    /// behind: it is neither owed what it did not want, nor made to wait for what others had.
    #[inline]
    fn activate(&mut self, id: ShareId) {
        if self.get(id).is_listed {
            return;
        }
        let passes = self.active.iter().map(|&other| self.get(other).pass);
        let level = passes.reduce(f64::min).unwrap_or(self.level);
        let share = self.get_mut(id);
        share.pass = share.pass.max(level);
        share.is_listed = true;
        self.active.push(id);
    }

    /// A share may have nothing to run; whether that is so is seen at the end of the event, since
    /// a task that is handed out is nowhere for a moment.
    #[inline]
    fn on_fewer(&mut self, id: ShareId) {
        self.may_be_idle |= !self.get(id).is_active();
    }

    /// At the end of an event: who has nothing to run takes no part until it has.
    pub fn settle(&mut self) {
        for at in 0..self.active.len() {
            let share = self.active[at];
            let share = self.get_mut(share);
            share.queue.sort_in();
            share.exempt.sort_in();
        }
        if !std::mem::take(&mut self.may_be_idle) {
            return;
        }
        let records = &mut self.records;
        self.active.retain(|&id| {
            let share = &mut records[usize::from(id)];
            share.is_listed = share.is_active();
            share.is_listed
        });
    }
}
