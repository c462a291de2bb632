//! How much memory the values of a worker may take.
//!
//! Values may take a share of the worker's memory (the target). The process may take another (the
//! spill share): memory that is no value (the interpreter, modules, what tasks hold while they run,
//! leaks) leaves less for values, which are spilled, and tasks begin only as there is room for what
//! they make. Never less than a least share is left to values, so that work goes on. Beyond all that
//! the nanny ends the process, see [`crate::memory_guard`].

/// Values take at most this much of the limit.
const TARGET_PERCENT: u64 = 60;
/// The process takes at most this much of the limit, as far as spilling values helps.
const SPILL_PERCENT: u64 = 70;
/// Values may take this much whatever else there is.
const LEAST_PERCENT: u64 = 10;

/// The memory of a worker; there is none for a worker without limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    limit: u64,
}

impl Budget {
    /// For a worker with this much memory; 0 is without limit.
    pub fn new(memory_bytes_max: u64) -> Option<Self> {
        (memory_bytes_max > 0).then_some(Budget {
            limit: memory_bytes_max,
        })
    }

    /// What values may take while nothing is known of the process.
    pub fn target(self) -> u64 {
        self.share(TARGET_PERCENT)
    }

    /// What values may take while the process has `own` bytes, of which `managed` are values.
    pub fn decide(self, own: u64, managed: u64) -> u64 {
        let unmanaged = own.saturating_sub(managed);
        self.share(SPILL_PERCENT)
            .saturating_sub(unmanaged)
            .clamp(self.share(LEAST_PERCENT), self.target())
    }

    fn share(self, percent: u64) -> u64 {
        self.limit / 100 * percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_value_leaves_less_for_values() {
        assert!(Budget::new(0).is_none());
        let budget = Budget::new(1000).unwrap();
        assert_eq!(budget.target(), 600);
        // All that there is are values: the target.
        assert_eq!(budget.decide(600, 600), 600);
        assert_eq!(budget.decide(80, 0), 600);
        // 300 of something else: 400 of 700 are left.
        assert_eq!(budget.decide(900, 600), 400);
        assert_eq!(budget.decide(300, 0), 400);
        // However much there is.
        assert_eq!(budget.decide(5000, 600), 100);
        // Values in files' pages are no memory of the process.
        assert_eq!(budget.decide(100, 500), 600);
    }
}
