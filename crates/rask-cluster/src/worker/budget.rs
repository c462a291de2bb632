//! How much memory the values of a worker may take, and when it begins no more tasks.
//!
//! Values may take a share of the worker's memory (the target). The process may take another (the
//! spill share): memory that is no value (the interpreter, modules, what tasks hold while they run,
//! leaks) leaves less for values, which are spilled, and tasks begin only as there is room for what
//! they make. Never less than a least share is left to values, so that work goes on. Above the pause
//! share no task begins at all. Beyond all that the nanny ends the process, see
//! [`crate::memory_guard`].

/// Shares of a worker's memory limit; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryShares {
    /// Values take at most this much.
    pub target: f64,
    /// The process takes at most this much, as far as spilling values helps.
    pub spill: f64,
    /// No task begins while the process takes more.
    pub pause: f64,
}

impl Default for MemoryShares {
    fn default() -> Self {
        MemoryShares {
            target: 0.6,
            spill: 0.7,
            pause: 0.8,
        }
    }
}

/// Values may take this much whatever else there is.
const LEAST_SHARE: f64 = 0.1;
/// A worker that is paused goes on when its process takes so much less than what paused it.
const RESUMES_BELOW_SHARE: f64 = 0.05;
/// Memory of arrays that are gone is kept for the next ones, up to this much of the limit.
const RECYCLED_SHARE: f64 = 0.05;

/// The memory of a worker; there is none for a worker without limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub limit: u64,
    shares: MemoryShares,
}

impl Budget {
    /// For a worker with this much memory; 0 is without limit.
    pub fn new(memory_bytes_max: u64, shares: MemoryShares) -> Option<Self> {
        (memory_bytes_max > 0).then_some(Budget {
            limit: memory_bytes_max,
            shares,
        })
    }

    /// What values may take while nothing is known of the process; `None` is without limit.
    pub fn target(self) -> Option<u64> {
        let shares = [self.shares.target, self.shares.spill];
        let share = shares.into_iter().find(|share| *share > 0.0)?;
        Some(self.part(share))
    }

    /// What memory may be kept that holds no value.
    pub fn recycled(self) -> usize {
        usize::try_from(self.part(RECYCLED_SHARE)).unwrap_or(usize::MAX)
    }

    /// What values may take while the process has `own` bytes, of which `managed` are values.
    pub fn decide(self, own: u64, managed: u64) -> u64 {
        let target = self.target().unwrap_or(u64::MAX);
        if self.shares.spill <= 0.0 {
            return target;
        }
        let unmanaged = own.saturating_sub(managed);
        let least = self.part(LEAST_SHARE).min(target);
        let left = self.part(self.shares.spill).saturating_sub(unmanaged);
        left.clamp(least, target)
    }

    /// What values never exceed while they cannot be written to disk.
    pub fn decide_hard(self, own: u64, managed: u64) -> u64 {
        let share = match self.shares.pause > 0.0 {
            true => self.shares.pause,
            false => 1.0,
        };
        let left = self.part(share).saturating_sub(own.saturating_sub(managed));
        left.max(self.part(LEAST_SHARE))
    }

    /// Whether no task begins while the process has `own` bytes.
    pub fn decide_pause(self, own: u64, is_paused: bool) -> bool {
        if self.shares.pause <= 0.0 {
            return false;
        }
        let share = match is_paused {
            true => self.shares.pause - RESUMES_BELOW_SHARE,
            false => self.shares.pause,
        };
        own > self.part(share)
    }

    fn part(self, share: f64) -> u64 {
        (self.limit as f64 * share) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(1000, MemoryShares::default()).unwrap()
    }

    #[test]
    fn what_is_no_value_leaves_less_for_values() {
        assert!(Budget::new(0, MemoryShares::default()).is_none());
        let budget = budget();
        assert_eq!(budget.target(), Some(600));
        // All that there is are values: the target.
        assert_eq!(budget.decide(600, 600), 600);
        assert_eq!(budget.decide(80, 0), 600);
        // 300 of something else: 400 of 700 are left.
        assert_eq!(budget.decide(900, 600), 400);
        assert_eq!(budget.decide(300, 0), 400);
        // However much there is.
        assert_eq!(budget.decide(5000, 600), 100);
        assert_eq!(budget.decide_hard(300, 200), 700);
        assert_eq!(budget.decide_hard(5000, 600), 100);
        // Values in files' pages are no memory of the process.
        assert_eq!(budget.decide(100, 500), 600);
    }

    #[test]
    fn a_pause_ends_a_little_below_where_it_begins() {
        let budget = budget();
        assert!(!budget.decide_pause(800, false) && budget.decide_pause(801, false));
        assert!(budget.decide_pause(760, true) && !budget.decide_pause(740, true));
    }

    #[test]
    fn shares_of_zero_are_never_reached() {
        let none = MemoryShares {
            target: 0.0,
            spill: 0.0,
            pause: 0.0,
        };
        let budget = Budget::new(1000, none).unwrap();
        assert_eq!(budget.target(), None);
        assert_eq!(budget.decide(5000, 600), u64::MAX);
        assert!(!budget.decide_pause(5000, false));
        let only_spill = MemoryShares { spill: 0.7, ..none };
        let budget = Budget::new(1000, only_spill).unwrap();
        assert_eq!(budget.target(), Some(700));
    }
}
