//! Sources that are needed together go to one worker: what is made from them together then needs no
//! copies.
//!
//! A family of a source is what some task that is made from it, directly or not, needs: the largest
//! such set that is small enough for one worker to make. What one task needs goes together even if it is
//! larger, where it is known how much may be begun (`needs`): without that, a group for each worker would
//! take more memory than all workers for one at a time.
//! Only large values are worth it, and idle workers take over what takes longer to wait for than to move
//! back, as from any queue (`stealing`).

use super::needs::GROUP_PERCENT;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

/// Most sources of a family, for each thread of its worker.
pub(crate) const SOURCES_MAX: usize = 4;
/// Most tasks that are looked at for one family.
const LOOKED_AT_MAX: usize = 512;

impl Scheduler {
    /// Places the family of a source that was just given to a worker there too.
    pub(crate) fn place_family(&mut self, id: TaskId, worker: WorkerId) {
        let bytes = self
            .find_output_bytes(id)
            .unwrap_or(self.settings.large_bytes_min);
        let Some(record) = self.workers.find(worker) else {
            return;
        };
        let has_quota = self.has_byte_quota(id);
        if bytes < self.settings.large_bytes_min
            || has_quota
            || self.tasks.dependents(id).is_empty()
        {
            return;
        }
        let for_threads = SOURCES_MAX * record.thread_count() as usize;
        let fitting = (record.budget_bytes / 100 * GROUP_PERCENT / bytes) as usize;
        let count_max = for_threads.min(fitting);
        let group_max = if self.has_limit() { fitting } else { 0 };
        for member in self.decide_family(id, (count_max, group_max)) {
            if self.has_byte_quota(member) {
                continue;
            }
            self.leave_queues(member);
            self.tasks.set_state(member, TaskState::Waiting);
            self.transition_waiting_placed(member, worker);
        }
    }

    /// Whether it may have to wait for values to be released.
    fn has_byte_quota(&self, id: TaskId) -> bool {
        let share = self.shares.get(self.tasks.get(id).share);
        share.settings.bytes_max.is_some()
    }

    /// The other members of the source's family; of what is needed together with it first, more may be.
    fn decide_family(&self, id: TaskId, (count_max, group_max): (usize, usize)) -> Vec<TaskId> {
        let mut family = Vec::new();
        let mut top = id;
        while let Some(user) = self.find_first_user(top) {
            let Some(larger) = self.find_queued_sources(user, count_max) else {
                if top == id {
                    family = self
                        .find_queued_sources(user, group_max)
                        .unwrap_or_default();
                }
                break;
            };
            family = larger;
            top = user;
        }
        family
    }

    /// The task that will be the first to need the value.
    pub(crate) fn find_first_user(&self, id: TaskId) -> Option<TaskId> {
        let users = self.tasks.dependents(id).iter().copied();
        let pending = users.take(LOOKED_AT_MAX).filter(|&user| {
            !self.tasks.is_free(user) && self.tasks.state(user) == TaskState::Waiting
        });
        pending.min_by_key(|&user| (self.tasks.priority(user), user))
    }

    /// The sources in the common queue that a task is made from; `None` if they are too many, with
    /// what there is already.
    fn find_queued_sources(&self, top: TaskId, count_max: usize) -> Option<Vec<TaskId>> {
        let mut sources = Vec::new();
        let mut made_count = 0;
        let mut seen = crate::HashSet::default();
        let mut open = vec![top];
        while let Some(id) = open.pop() {
            for &dep in self.tasks.deps(id) {
                if !seen.insert(dep) {
                    continue;
                }
                match self.tasks.state(dep) {
                    TaskState::Waiting => open.push(dep),
                    TaskState::Queued if self.may_run_anywhere(dep) => sources.push(dep),
                    _ => made_count += 1,
                }
            }
            if sources.len() + made_count > count_max || seen.len() > LOOKED_AT_MAX {
                return None;
            }
        }
        Some(sources)
    }
}
