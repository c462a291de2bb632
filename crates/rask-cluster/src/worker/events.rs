//! Events that tasks and plugins of a worker log under topics.

use std::time::{Duration, Instant};

use rask_proto::{Capabilities, FromWorker, LogEvent, Packed};

use super::WorkerHandle;

/// With more than this waiting to be sent, whoever logs waits.
const QUEUED_BYTES_MAX: usize = 8 << 20;
const WAIT_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(2);

impl WorkerHandle {
    /// Has the scheduler tell those who follow any of `topics`. Where the connection is behind, this
    /// waits for it; `false` if it is so for too long, or if the scheduler is too old for events.
    pub fn log_event(&self, topics: Vec<String>, value: Packed) -> bool {
        let shared = &self.shared;
        let known = Capabilities(
            shared
                .capabilities
                .load(std::sync::atomic::Ordering::Relaxed),
        );
        if !known.has(Capabilities::EVENTS) {
            return false;
        }
        let began = Instant::now();
        while shared.sender.lock().queued_bytes() > QUEUED_BYTES_MAX {
            if began.elapsed() > WAIT_MAX {
                return false;
            }
            std::thread::sleep(POLL);
        }
        shared.tell(FromWorker::Event(LogEvent {
            topics,
            value: Some(value),
        }));
        true
    }
}
