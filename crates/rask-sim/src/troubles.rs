//! Connections that end although both sides live, pairs of workers that cannot reach each other, and
//! bad disks.

use std::collections::BTreeMap;

use rask_sched::{Event, WorkerId};

use crate::network::{Happening, Party};
use crate::simulation::{FAULT_MICROS, Simulation};

/// Troubles last up to this long.
const TROUBLE_MICROS: u64 = 100_000;
/// A connection that ended is noticed, or made anew, within this time.
const CUT_MICROS: u64 = 30_000;
/// What a disk may need for a transfer when it is slow.
const SLOW_DISK_MICROS: u64 = 50_000;

/// What is in trouble, and until when.
#[derive(Default)]
pub(crate) struct Troubles {
    apart: BTreeMap<(u32, u32), u64>,
    full_disks: BTreeMap<u32, u64>,
    /// Workers that have too little memory.
    pub(crate) short_until: BTreeMap<u32, u64>,
}

impl Troubles {
    /// A worker has died, and its troubles with it.
    pub(crate) fn forget(&mut self, worker: u32) {
        self.apart
            .retain(|&(one, other), _| one != worker && other != worker);
        self.full_disks.remove(&worker);
        self.short_until.remove(&worker);
    }
}

impl Simulation {
    pub(crate) fn plan_troubles(&mut self) {
        let faults = self.settings.faults;
        for _ in 0..faults.cuts {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::ConnectionEnds);
        }
        for _ in 0..faults.partitions {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::WorkersPart);
        }
        for _ in 0..faults.full_disks {
            let micros = self.random.below(FAULT_MICROS);
            self.network.after(micros, Happening::DiskFills);
        }
    }

    /// The connection of somebody to the scheduler ends: what is on its way is lost. Both sides
    /// notice it, in either order.
    pub(crate) fn on_connection_ends(&mut self) {
        if self.connections.is_down {
            return;
        }
        let clients = self.clients.keys().map(|&number| Party::Client(number));
        let workers = self.workers.keys().map(|&number| Party::Worker(number));
        let parties: Vec<Party> = clients.chain(workers).collect();
        let at = self.random.below(parties.len().max(1) as u64) as usize;
        let Some(&party) = parties.get(at) else {
            return;
        };
        if !self.connections.away.insert(party) {
            return;
        }
        self.network.lose_between(party, Party::Scheduler);
        if let Party::Worker(number) = party
            && let Some(WorkerId(id)) = self.connections.find_id(number)
        {
            let micros = self.random.below(CUT_MICROS);
            let missed = Happening::ConnectionMissed { id };
            self.network.after(micros, missed);
        }
        let micros = self.random.below(CUT_MICROS);
        let incarnation = self.connections.incarnation;
        let returns = Happening::Returns { party, incarnation };
        self.network.after(micros, returns);
    }

    /// The scheduler takes a worker for dead. Not one that is back under another number.
    pub(crate) fn on_connection_missed(&mut self, id: u32) {
        self.on_scheduler_event(Event::WorkerLeft {
            worker: WorkerId(id),
            reason: "the connection ended".to_owned(),
        });
    }

    pub(crate) fn on_workers_part(&mut self) {
        let (Some(one), Some(other)) = (self.pick_worker(), self.pick_worker()) else {
            return;
        };
        let until = self.network.now + self.random.below(TROUBLE_MICROS);
        let pair = (one.min(other), one.max(other));
        self.troubles.apart.insert(pair, until);
    }

    /// Whether two parties are workers that cannot reach each other.
    pub(crate) fn are_apart(&self, asker: Party, holder: Party) -> bool {
        let (Party::Worker(asker), Party::Worker(holder)) = (asker, holder) else {
            return false;
        };
        let pair = (asker.min(holder), asker.max(holder));
        let until = self.troubles.apart.get(&pair);
        until.is_some_and(|&until| self.network.now < until)
    }

    pub(crate) fn on_disk_fills(&mut self) {
        if let Some(worker) = self.pick_worker() {
            let micros = self.random.below(TROUBLE_MICROS);
            let until = self.network.now + micros;
            let full_until = self.troubles.full_disks.entry(worker).or_default();
            *full_until = until.max(*full_until);
            self.with_worker(worker, |worker, effects| {
                worker.set_disk_full(true, effects);
            });
            self.network
                .after(micros, Happening::DiskHasRoom { worker });
        }
    }

    pub(crate) fn on_disk_has_room(&mut self, worker: u32) {
        let until = self.troubles.full_disks.get(&worker);
        if until.is_none_or(|&until| until <= self.network.now) {
            self.with_worker(worker, |worker, effects| {
                worker.set_disk_full(false, effects);
            });
        }
    }

    /// What a transfer to or from disk takes beyond the usual.
    pub(crate) fn decide_disk_delay(&mut self) -> u64 {
        let percent = self.settings.faults.slow_disk_percent;
        if percent == 0 || !self.random.chance(percent) {
            return 0;
        }
        self.random.below(SLOW_DISK_MICROS)
    }
}
