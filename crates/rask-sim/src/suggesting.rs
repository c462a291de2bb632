//! Policies of users that want copies made or let go of, of values that are there or were, on workers
//! that are there or were.

use rask_proto::{HelperTask, Suggestion, Suggestions};
use rask_sched::Event;

use crate::network::Happening;
use crate::simulation::{FAULT_MICROS, Simulation};

/// Most wishes of each kind at a time.
const WISHES_MAX: u64 = 4;

impl Simulation {
    pub(crate) fn plan_suggestions(&mut self) {
        for _ in 0..self.settings.faults.suggestions {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::PolicyLooks);
        }
    }

    /// A policy looks at what there is; its wishes come a moment later.
    pub(crate) fn on_policy_looks(&mut self) {
        let tasks = self.scheduler.view(true).tasks;
        let suggestions = Suggestions {
            copies: self.wish_for(&tasks),
            drops: self.wish_for(&tasks),
        };
        let micros = self.random.below(FAULT_MICROS / 10);
        let suggests = Happening::PolicySuggests { suggestions };
        self.network.after(micros, suggests);
    }

    pub(crate) fn on_policy_suggests(&mut self, suggestions: Suggestions) {
        self.report.suggestions += (suggestions.copies.len() + suggestions.drops.len()) as u64;
        self.on_scheduler_event(Event::Suggested { suggestions });
    }

    fn wish_for(&mut self, tasks: &[HelperTask]) -> Vec<Suggestion> {
        if tasks.is_empty() {
            return Vec::new();
        }
        let count = self.random.below(WISHES_MAX + 1);
        let wishes = (0..count).map(|_| {
            let task = &tasks[self.random.below(tasks.len() as u64) as usize];
            Suggestion {
                layer: task.name.clone(),
                block: task.block,
                worker: self.random.below(u64::from(self.next_worker) + 1) as u32,
            }
        });
        wishes.collect()
    }
}
