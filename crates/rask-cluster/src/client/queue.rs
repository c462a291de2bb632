//! Blocks in the order in which they are done.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Tokens of watched blocks, in the order in which these were done.
#[derive(Default)]
pub struct CompletionQueue {
    tokens: Mutex<VecDeque<u64>>,
    pushed: Condvar,
}

impl CompletionQueue {
    /// Appends a token.
    pub fn push(&self, token: u64) {
        self.tokens.lock().push_back(token);
        self.pushed.notify_one();
    }

    /// Takes all tokens, waiting for the first at most this long.
    pub fn take(&self, limit: Duration) -> Vec<u64> {
        let deadline = Instant::now() + limit;
        let mut tokens = self.tokens.lock();
        while tokens.is_empty() {
            if self.pushed.wait_until(&mut tokens, deadline).timed_out() {
                break;
            }
        }
        tokens.drain(..).collect()
    }
}
