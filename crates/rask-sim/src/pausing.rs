//! Workers that are short of memory for a while: they begin no task, give back what has not begun,
//! and after a long time take one at a time.

use rask_exec::Pace;

use crate::network::Happening;
use crate::simulation::Simulation;

/// A worker is short of memory for up to this long; most for a much shorter time.
const SHORT_MICROS: u64 = 40_000_000;
const MOSTLY_MICROS: u64 = 60_000;
/// Then it begins one task at a time. The scheduler has heard of it later, and waits as long.
const CRAWLS_AFTER_MICROS: u64 = 10_000_000;
/// Workers that are paused tell so again and again.
const TOLD_AGAIN_MICROS: u64 = 500_000;

impl Simulation {
    pub(crate) fn on_memory_runs_short(&mut self) {
        let Some(worker) = self.pick_worker() else {
            return;
        };
        self.report.memory_pauses += 1;
        self.on_pace_changes(worker, Pace::Paused);
        let lasts_long = self.random.chance(20);
        let micros = self.random.below(if lasts_long {
            SHORT_MICROS
        } else {
            MOSTLY_MICROS
        });
        let until = self.network.now + micros;
        let short_until = self.troubles.short_until.entry(worker).or_default();
        *short_until = until.max(*short_until);
        let mut told = CRAWLS_AFTER_MICROS;
        while told < micros {
            let pace = Pace::OneByOne;
            let crawls = Happening::PaceChanges { worker, pace };
            self.network.after(told, crawls);
            told += TOLD_AGAIN_MICROS;
        }
        let pace = Pace::Full;
        let ends = Happening::PaceChanges { worker, pace };
        self.network.after(micros, ends);
    }

    pub(crate) fn on_pace_changes(&mut self, worker: u32, pace: Pace) {
        let until = self.troubles.short_until.get(&worker);
        if pace == Pace::Full && until.is_some_and(|&until| self.network.now < until) {
            return;
        }
        self.with_worker(worker, |worker, effects| worker.set_pace(pace, effects));
    }
}
