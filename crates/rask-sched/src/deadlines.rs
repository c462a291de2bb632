//! What happens because time passes.
//!
//! The machine has no clock: it says when it wants to be told the time
//! ([`Scheduler::next_deadline`]), and looks at everything that may be due whenever it is
//! ([`Event::TimePassed`](crate::Event::TimePassed)). To be told too early does no harm.

use crate::event::Time;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// When the next [`Event::TimePassed`](crate::Event::TimePassed) is wanted; may change with
    /// every event.
    pub fn next_deadline(&self) -> Option<Time> {
        let deadlines = [
            self.attention.next_stalled_check(),
            self.copies.next_check(),
            self.reduction.next(),
            self.quota_deadline(),
            self.congestion.deadline().filter(|at| *at > self.now),
            self.needs_deadline(),
            self.delays.next(),
        ];
        deadlines.into_iter().flatten().min()
    }
}
