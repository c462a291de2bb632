//! Messages to the scheduler, in their order. Submissions and releases that follow each other within
//! a millisecond leave together: each one alone would wake the scheduler and a worker.

use std::time::{Duration, Instant};

use rask_proto::FromClient;

use super::{ClusterClient, Shared};

/// A submission leaves at once if none has for so long; others leave after this time, or when
/// anybody waits for something.
const GATHER: Duration = Duration::from_millis(1);
/// More than this do not wait: messages that wait take memory, which is slow the first time.
const COUNT_MAX: usize = 64;

/// A list with room for more is not kept for the next messages.
const CAPACITY_MAX: usize = 4 * COUNT_MAX;

/// What has been said and has not left.
#[derive(Default)]
pub(super) struct Pending {
    messages: Vec<FromClient>,
    /// When something left last.
    left: Option<Instant>,
}

/// When what has been said leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    Now,
    /// A little later, to which the network thread sees.
    Soon,
    /// With others that leave soon.
    WithOthers,
}

impl Pending {
    /// Said, and to leave after what was said before.
    pub fn add(&mut self, message: FromClient) {
        self.messages.push(message);
    }

    /// The next to leave, and when that should be.
    pub fn push(&mut self, message: FromClient) -> Leaves {
        self.messages.push(message);
        let is_fresh = self.left.is_some_and(|left| left.elapsed() < GATHER);
        match self.messages.len() {
            count if !is_fresh || count >= COUNT_MAX => Leaves::Now,
            1 => Leaves::Soon,
            _ => Leaves::WithOthers,
        }
    }
}

impl Shared {
    /// Says something that leaves now, after everything that was said before.
    pub(super) fn say(&self, message: FromClient) {
        let mut pending = self.pending.lock();
        // What was given up before is so for the message, too.
        self.take_releases(&mut pending);
        pending.messages.push(message);
        drop(pending);
        self.leave(Leaves::Now);
    }

    /// What has been said leaves, and blocks that are not referred to any more are released.
    pub(super) fn leave(&self, when: Leaves) {
        match when {
            Leaves::Now => self.send_all(),
            Leaves::Soon => self.soon.notify_one(),
            Leaves::WithOthers => {}
        }
    }

    /// Somebody is about to wait for what follows from what has been said, if there is anything.
    pub(super) fn hurry(&self) {
        let has_any = !self.pending.lock().messages.is_empty();
        if has_any {
            self.leave(Leaves::Now);
        }
    }

    fn send_all(&self) {
        let mut messages = self.sending.lock();
        {
            let mut pending = self.pending.lock();
            self.take_releases(&mut pending);
            if pending.messages.is_empty() {
                return;
            }
            pending.left = Some(Instant::now());
            std::mem::swap(&mut pending.messages, &mut messages);
        }
        self.link.send(messages.drain(..));
        if messages.capacity() > CAPACITY_MAX {
            *messages = Vec::new();
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

/// Sees to what leaves soon.
pub(super) async fn leave_soon(client: ClusterClient) {
    loop {
        client.shared.soon.notified().await;
        tokio::time::sleep(GATHER).await;
        client.shared.leave(Leaves::Now);
    }
}
