//! Tasks that wait for others while they run, and take no thread meanwhile.

use rask_exec::Job;
use rask_proto::{Blocks, FromWorker};

use crate::graphs::identity;
use crate::random::mix;
use crate::worker::{Effects, SimWorker, key_of};

/// Of 100 tasks, how many wait for others.
const ABSENT_PERCENT: u64 = 10;

impl SimWorker {
    /// Some tasks wait for others as soon as they run. `true` if this one does.
    pub(crate) fn leave_place(&mut self, job: &Job, effects: &mut Effects) -> bool {
        let Job::Run { task } = *job else {
            return false;
        };
        let number = self.tasks.key_of(task);
        let (layer, block) = key_of(number);
        let known = self.layers.get(&layer);
        let name = known.map_or("", |layer| &layer.name);
        let drawn = mix(identity(name, block) ^ 5) % 100;
        if self.costs.is_study() || drawn >= ABSENT_PERCENT {
            return false;
        }
        assert!(self.tasks.set_absent(number, true), "a task that runs");
        self.absent.insert(task);
        let blocks = Blocks::from_iter([(layer, block)]);
        effects.tell.push(FromWorker::Seceded(blocks));
        true
    }

    /// A job comes to its end: every other task that waited goes on itself before. `true` if it had
    /// given up its place.
    pub(crate) fn return_from_absence(&mut self, job: &Job, effects: &mut Effects) -> bool {
        let Job::Run { task } = *job else {
            return false;
        };
        let was_absent = self.absent.remove(&task);
        let number = self.tasks.key_of(task);
        if was_absent && number.is_multiple_of(2) {
            assert!(self.tasks.set_absent(number, false), "a task that runs");
            let blocks = Blocks::from_iter([key_of(number)]);
            effects.tell.push(FromWorker::Rejoined(blocks));
        }
        was_absent
    }
}
