//! Messages to the scheduler, in their order. Submissions and releases that follow each other within
//! a millisecond leave together: each one alone would wake the scheduler and a worker.

use std::time::{Duration, Instant};

use rask_proto::FromClient;

use super::{ClusterClient, Shared};

/// A submission leaves at once if none has for so long; others leave after this time, or when
/// anybody waits for something.
const GATHER: Duration = Duration::from_millis(1);
/// More than this do not wait.
const COUNT_MAX: usize = 256;

/// What has been said and has not left.
#[derive(Default)]
pub(super) struct Pending {
    messages: Vec<FromClient>,
    /// When something left last.
    left: Option<Instant>,
}

impl Pending {
    pub fn has_any(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Said, and to leave after what was said before.
    pub fn add(&mut self, message: FromClient) {
        self.messages.push(message);
    }

    /// The next to leave. `true` if it should be now.
    pub fn push(&mut self, message: FromClient) -> bool {
        self.messages.push(message);
        let is_fresh = self.left.is_some_and(|left| left.elapsed() < GATHER);
        !is_fresh || self.messages.len() >= COUNT_MAX
    }
}

impl Shared {
    /// Says something, after everything that was said before.
    pub(super) fn say(&self, message: FromClient) {
        let mut pending = self.pending.lock();
        // What was given up before is so for the message, too.
        self.take_releases(&mut pending);
        pending.messages.push(message);
        drop(pending);
        self.flush();
    }

    /// Everything that has been said leaves; blocks that are not referred to any more are released.
    pub(super) fn flush(&self) {
        let _in_order = self.sending.lock();
        let messages = {
            let mut pending = self.pending.lock();
            self.take_releases(&mut pending);
            if pending.messages.is_empty() {
                return;
            }
            pending.left = Some(Instant::now());
            std::mem::take(&mut pending.messages)
        };
        self.link.send(messages);
    }

    /// The same for who is about to wait for what follows from submissions.
    pub(super) fn flush_pending(&self) {
        let has_any = self.pending.lock().has_any();
        if has_any {
            self.flush();
        }
    }

    /// Blocks that are not referred to any more are to be told.
    fn take_releases(&self, pending: &mut Pending) {
        let released = std::mem::take(&mut *self.releases.lock());
        let (blocks, layers) = self.state.lock().release(&released);
        if !blocks.is_empty() {
            pending.messages.push(FromClient::Release(blocks));
        }
        if !layers.is_empty() {
            pending.messages.push(FromClient::ForgetLayers(layers));
        }
    }
}

/// Sees to it that what was said leaves, and that blocks are released, a little later.
pub(super) async fn flush_later(client: ClusterClient) {
    loop {
        client.shared.flush_wanted.notified().await;
        tokio::time::sleep(GATHER).await;
        client.shared.flush();
    }
}
