//! Tells the machine the time when it wants to be told.

use std::sync::Arc;
use std::time::Duration;

use rask_sched::{Event, Time};
use tokio::sync::Notify;

use super::{SchedulerHandle, State};

/// When the machine is told the time next.
#[derive(Default)]
pub(super) struct Alarm {
    at: Option<Time>,
    moved: Arc<Notify>,
}

impl Alarm {
    /// The machine wants to be told then. Later than before is not worth waking anybody.
    pub fn set(&mut self, wanted: Option<Time>) {
        if let Some(wanted) = wanted
            && self.at.is_none_or(|at| wanted < at)
        {
            self.at = Some(wanted);
            self.moved.notify_one();
        }
    }
}

/// Runs until the scheduler ends.
pub(super) async fn run(handle: SchedulerHandle) {
    let moved = handle.shared.state.lock().alarm.moved.clone();
    loop {
        let at = handle.shared.state.lock().alarm.at;
        let wait = at.map(|at| at.micros.saturating_sub(handle.now().micros));
        tokio::select! {
            () = moved.notified() => {}
            () = sleep(wait) => {
                let mut state = handle.shared.state.lock();
                tell(&mut state, handle.now());
                handle.check_stop(&state);
            }
        }
    }
}

fn tell(state: &mut State, now: Time) {
    state.alarm.at = None;
    state.on_event(now, Event::TimePassed);
}

async fn sleep(micros: Option<u64>) {
    match micros {
        Some(micros) => tokio::time::sleep(Duration::from_micros(micros.max(1000))).await,
        None => std::future::pending().await,
    }
}
