//! What workers report is taken in together, from all that have something to say.
//!
//! A scheduler that is behind finds frames on many connections. Deciding once what follows from all of
//! them costs less than deciding after each, and workers are told in fewer messages. The runtime has
//! one thread, on which tasks go on in the order in which they were woken: whoever is woken by a
//! connection's task goes on after all connections that have something now.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{SchedulerHandle, State};

/// With fewer workers each is answered at once: few have something to say at a time.
const WORKERS_MIN: usize = 16;
/// More are not kept waiting for others.
const EVENTS_MAX: usize = 4096;

/// Woken when there is something to be taken in.
#[derive(Default)]
pub(super) struct Gathering {
    woken: Arc<Notify>,
}

impl State {
    /// A connection's frames are among the events: takes them in, or has that done once other
    /// connections' are too.
    pub fn take_or_gather(&mut self, handle: &SchedulerHandle) {
        let count = self.events.len();
        if self.workers.len() >= WORKERS_MIN && (1..EVENTS_MAX).contains(&count) {
            self.gathering.woken.notify_one();
            return;
        }
        self.take_events(handle.now());
        self.execute_commands();
        handle.check_stop(self);
    }
}

/// Takes in what has been gathered, until the scheduler ends.
pub(super) async fn run(handle: SchedulerHandle) {
    let woken = handle.shared.state.lock().gathering.woken.clone();
    loop {
        woken.notified().await;
        let mut state = handle.shared.state.lock();
        state.take_events(handle.now());
        state.execute_commands();
        handle.check_stop(&state);
    }
}
