//! Tasks: one record a block that is wanted, or that something wanted needs.

use std::sync::Arc;

use rask_proto::Failure;
use smallvec::SmallVec;

use crate::event::{ClientId, WorkerId};

/// Index of a task's record; used again after the task is forgotten, see [`Task::serial`].
pub(crate) type TaskId = u32;

/// Where a task is in its life. The transitions:
///
/// | from | to | when |
/// |---|---|---|
/// | Released | Waiting | somebody needs its value |
/// | Waiting | Queued, Placed | everything it needs is in memory |
/// | Queued, Placed | Assigned | a worker has room |
/// | Waiting | Assigned | a worker with room is making all that it waits for |
/// | Queued, Placed, Assigned | Waiting | a value it needs was lost, or its worker was |
/// | Assigned | Memory | it finished |
/// | Waiting, Assigned | Erred | it failed, or something it needs did |
/// | Memory | Waiting | every worker that held it is lost, and somebody needs it |
/// | any | Released | nobody needs it any more |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    /// Known, because something that exists was or will be made from it; nobody needs its value.
    Released,
    /// Needed; some of what it needs is not in memory.
    Waiting,
    /// Needs no other value, or no worker is there: in the common queue.
    Queued,
    /// In the queue of [`Task::worker`], not handed out yet.
    Placed,
    /// Handed out to [`Task::worker`].
    Assigned,
    /// Held by [`Task::holders`].
    Memory,
    /// Failed, see [`Task::failure`].
    Erred,
}

impl TaskState {
    /// Whether the task is to be run.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            TaskState::Waiting | TaskState::Queued | TaskState::Placed | TaskState::Assigned
        )
    }
}

/// One task.
#[derive(Debug)]
pub(crate) struct Task {
    pub layer: u32,
    pub block: u32,
    pub state: TaskState,
    /// How many more times it may raise and be run again.
    pub retries: u8,
    /// Workers that died while they ran it.
    pub deaths: u8,
    /// While Assigned: it waits for others and takes no thread.
    pub seceded: bool,
    /// Where it is Placed or Assigned.
    pub worker: WorkerId,
    /// While Waiting: how many entries of `deps` are not in memory.
    pub missing: u32,
    /// Entries in `deps` of pending tasks that name this one.
    pub needed_by: u32,
    /// Entries in `deps` of existing tasks that name this one.
    pub dependent_count: u32,
    /// Tells this task from others that had the same record before.
    pub serial: u32,
    /// Predicted duration that its worker's occupancy was charged with.
    pub charged_micros: u32,
    /// Smaller runs earlier.
    pub priority: u64,
    pub nbytes: u64,
    /// What it is given, in order; one task may appear more than once.
    pub deps: SmallVec<[TaskId; 2]>,
    /// Tasks that name this one in `deps`, once an entry, with their serials; may hold entries of
    /// tasks that are forgotten.
    pub dependents: SmallVec<[(TaskId, u32); 1]>,
    /// Workers that hold the value, while in Memory.
    pub holders: SmallVec<[WorkerId; 2]>,
    /// Clients that want the value.
    pub wanted_by: SmallVec<[ClientId; 2]>,
    /// Why it failed, while Erred.
    pub failure: Option<Arc<Failure>>,
}

impl Task {
    /// Whether a client or a pending task needs the value.
    pub fn is_needed(&self) -> bool {
        self.needed_by > 0 || !self.wanted_by.is_empty()
    }
}

/// All tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    records: Vec<Option<Task>>,
    free: Vec<TaskId>,
    next_serial: u32,
}

impl Tasks {
    /// Adds a task in state Released without edges.
    pub fn add(&mut self, layer: u32, block: u32, priority: u64, retries: u8) -> TaskId {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let task = Task {
            layer,
            block,
            state: TaskState::Released,
            retries,
            deaths: 0,
            seceded: false,
            worker: WorkerId(u32::MAX),
            missing: 0,
            needed_by: 0,
            dependent_count: 0,
            serial,
            charged_micros: 0,
            priority,
            nbytes: 0,
            deps: SmallVec::new(),
            dependents: SmallVec::new(),
            holders: SmallVec::new(),
            wanted_by: SmallVec::new(),
            failure: None,
        };
        match self.free.pop() {
            Some(id) => {
                self.records[id as usize] = Some(task);
                id
            }
            None => {
                self.records.push(Some(task));
                (self.records.len() - 1) as TaskId
            }
        }
    }

    /// The task, which must exist.
    #[inline]
    pub fn get(&self, id: TaskId) -> &Task {
        self.records[id as usize]
            .as_ref()
            .expect("edges and slots name existing tasks")
    }

    /// The task, which must exist.
    #[inline]
    pub fn get_mut(&mut self, id: TaskId) -> &mut Task {
        self.records[id as usize]
            .as_mut()
            .expect("edges and slots name existing tasks")
    }

    /// The task, if it still is the one of this serial.
    #[inline]
    pub fn find(&self, id: TaskId, serial: u32) -> Option<&Task> {
        self.records[id as usize]
            .as_ref()
            .filter(|task| task.serial == serial)
    }

    /// Whether no task has this record.
    pub fn is_free(&self, id: TaskId) -> bool {
        self.records[id as usize].is_none()
    }

    /// Removes a task.
    pub fn remove(&mut self, id: TaskId) -> Task {
        self.free.push(id);
        self.records[id as usize]
            .take()
            .expect("a task is removed once")
    }

    /// All tasks.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        let records = self.records.iter().enumerate();
        records.filter_map(|(id, task)| Some((id as TaskId, task.as_ref()?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len() - self.free.len()
    }
}
