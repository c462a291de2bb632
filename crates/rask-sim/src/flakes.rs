//! Tasks that raise a few times and then do not: they are run again.

use std::collections::HashMap;

use crate::random::mix;

/// How many times a task may raise and be run again.
pub(crate) const RETRIES: u32 = 3;
/// Time until the first of these runs, in milliseconds, and the longest.
pub(crate) const RETRY_MILLIS: u32 = 2;
pub(crate) const RETRY_MILLIS_MAX: u32 = 5;

/// How many times each flaky task has raised.
#[derive(Debug, Default)]
pub(crate) struct Flakes {
    raised: HashMap<u64, u32>,
}

impl Flakes {
    /// Whether a run of the task of a block raises, where `percent` of all tasks are flaky.
    pub(crate) fn raises(&mut self, identity: u64, percent: u64) -> bool {
        if mix(identity ^ 3) % 100 >= percent {
            return false;
        }
        let raised = self.raised.entry(identity).or_default();
        let raises = u64::from(*raised) < 1 + mix(identity ^ 4) % u64::from(RETRIES);
        *raised += u32::from(raises);
        raises
    }

    /// How many runs have raised.
    pub(crate) fn count(&self) -> u64 {
        self.raised.values().map(|&count| u64::from(count)).sum()
    }
}
