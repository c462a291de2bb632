//! The workers: found by their number in one step, and seen in the order of their numbers.

use crate::HashMap;
use crate::event::WorkerId;
use crate::prefetch::prefetch_lines;
use crate::state::Worker;

/// The load of a worker that takes no tasks, and of a free place.
pub(crate) const NO_LOAD: u32 = u32::MAX;
/// In the place of a slot: no worker has this number.
const NO_SLOT: u32 = u32::MAX;
/// Numbers below this are indices of a list of slots; workers are numbered as they come, so that
/// higher ones are rare.
const LISTED_MAX: u32 = 1 << 22;

/// So many places of workers that have left, and such a part of all, are looked for together.
const RESTING_MIN: usize = 64;
const RESTING_PART: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct WorkerTable {
    /// Numbers with slots, in order.
    order: Vec<(WorkerId, u32)>,
    listed: Vec<u32>,
    unlisted: HashMap<WorkerId, u32>,
    /// In free slots they stand for nobody.
    records: Vec<Worker>,
    loads: Vec<Load>,
    /// Whose record is, or was, in each slot.
    ids: Vec<WorkerId>,
    free: Vec<u32>,
    /// Free, but some lists may name them.
    resting: Vec<u32>,
}

/// What is asked of many workers at a time, beside their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load {
    /// See [`Worker::load_micros`].
    micros: u32,
    placed_micros: u32,
}

impl Load {
    const NOBODY: Load = Load {
        micros: NO_LOAD,
        placed_micros: 0,
    };

    #[inline]
    fn of(worker: &Worker) -> Self {
        Load {
            micros: worker.load_micros(),
            placed_micros: u32::try_from(worker.placed_micros).unwrap_or(u32::MAX),
        }
    }
}

impl WorkerTable {
    /// Where the worker's record is: a small number that stays the same while it is here, and that
    /// another has later.
    #[inline]
    pub fn find_slot(&self, id: WorkerId) -> Option<u32> {
        let slot = self.slot_or_none(id);
        (slot != NO_SLOT).then_some(slot)
    }

    /// The slot, or `NO_SLOT`, which is beyond all records.
    #[inline(always)]
    fn slot_or_none(&self, id: WorkerId) -> u32 {
        match self.listed.get(id.0 as usize) {
            Some(slot) => *slot,
            None => self.slot_unlisted(id),
        }
    }

    #[cold]
    fn slot_unlisted(&self, id: WorkerId) -> u32 {
        self.unlisted.get(&id).copied().unwrap_or(NO_SLOT)
    }

    #[inline]
    pub fn get(&self, id: &WorkerId) -> Option<&Worker> {
        self.records.get(self.slot_or_none(*id) as usize)
    }

    #[inline]
    pub fn get_mut(&mut self, id: &WorkerId) -> Option<&mut Worker> {
        let slot = self.slot_or_none(*id);
        self.records.get_mut(slot as usize)
    }

    /// So many lines of the worker's record, in which what is needed most comes first, will be needed
    /// soon.
    #[inline]
    pub fn prefetch(&self, id: WorkerId, lines: usize) {
        if let Some(record) = self.get(&id) {
            prefetch_lines(record, lines);
        }
    }

    /// Something that the load of a worker depends on has changed.
    #[inline]
    pub fn note_load(&mut self, id: WorkerId) {
        let slot = self.slot_or_none(id) as usize;
        if let (Some(record), Some(load)) = (self.records.get(slot), self.loads.get_mut(slot)) {
            *load = Load::of(record);
        }
    }

    /// Slots with the loads of those whose record is there, beginning at this one, the first ones
    /// last.
    #[inline]
    pub fn loads_from(&self, start: usize) -> impl Iterator<Item = (u32, u32)> {
        let (before, after) = self.loads.split_at(start.min(self.loads.len()));
        let after = (start as u32..).zip(after);
        after
            .chain((0..).zip(before))
            .map(|(slot, load)| (slot, load.micros))
    }

    /// Predicted time of what waits in the queue of whose record is there.
    #[inline]
    pub fn placed_micros(&self, slot: u32) -> u32 {
        self.loads[slot as usize].placed_micros
    }

    /// How many places of records there are.
    #[inline]
    pub fn slot_count(&self) -> usize {
        self.loads.len()
    }

    /// Whether the loads are those of the records.
    pub fn check_loads(&self) -> bool {
        let mut loads = self.order.iter().map(|(_, slot)| *slot as usize);
        loads.all(|slot| self.loads[slot] == Load::of(&self.records[slot]))
    }

    /// Whose record is there.
    #[inline]
    pub fn id_at(&self, slot: u32) -> WorkerId {
        self.ids[slot as usize]
    }

    /// Adds a worker, in the place of one of the same number if there is one.
    pub fn insert(&mut self, id: WorkerId, worker: Worker) {
        if let Some(slot) = self.find_slot(id) {
            self.loads[slot as usize] = Load::of(&worker);
            self.records[slot as usize] = worker;
            return;
        }
        let load = Load::of(&worker);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.records[slot as usize] = worker;
                self.ids[slot as usize] = id;
                self.loads[slot as usize] = load;
                slot
            }
            None => {
                self.records.push(worker);
                self.ids.push(id);
                self.loads.push(load);
                (self.records.len() - 1) as u32
            }
        };
        self.note_slot(id, slot);
        let at = self.order.partition_point(|(known, _)| *known < id);
        self.order.insert(at, (id, slot));
    }

    /// Removes a worker.
    pub fn remove(&mut self, id: &WorkerId) -> Option<Worker> {
        let slot = self.find_slot(*id)?;
        match self.listed.get_mut(id.0 as usize) {
            Some(listed) => *listed = NO_SLOT,
            None => {
                self.unlisted.remove(id);
            }
        }
        let at = self.order.partition_point(|(known, _)| known < id);
        self.order.remove(at);
        self.resting.push(slot);
        self.loads[slot as usize] = Load::NOBODY;
        let nobody = Worker::new(Default::default());
        Some(std::mem::replace(&mut self.records[slot as usize], nobody))
    }

    /// The places of workers that have left, as a set of bits, if they are many: they may be used
    /// again.
    pub fn take_resting(&mut self) -> Option<Vec<u32>> {
        if self.resting.len() < RESTING_MIN + self.records.len() / RESTING_PART {
            return None;
        }
        let mut gone = vec![0; self.records.len().div_ceil(32)];
        for &slot in &self.resting {
            gone[slot as usize / 32] |= 1 << (slot % 32);
        }
        self.free.append(&mut self.resting);
        Some(gone)
    }

    /// Every record, in no order, and those that stand for nobody.
    pub fn for_each_mut(&mut self, change: impl FnMut(&mut Worker)) {
        self.records.iter_mut().for_each(change);
    }

    fn note_slot(&mut self, id: WorkerId, slot: u32) {
        if id.0 >= LISTED_MAX {
            self.unlisted.insert(id, slot);
            return;
        }
        let at = id.0 as usize;
        if self.listed.len() <= at {
            self.listed.resize(at + 1, NO_SLOT);
        }
        self.listed[at] = slot;
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Every worker.
    pub fn iter(&self) -> impl Iterator<Item = (&WorkerId, &Worker)> {
        self.see(&self.order)
    }

    /// Every worker, beginning with the one at this position, the first ones last.
    pub fn iter_from(&self, position: usize) -> impl Iterator<Item = (&WorkerId, &Worker)> {
        let (before, after) = self.order.split_at(position.min(self.order.len()));
        self.see(after).chain(self.see(before))
    }

    /// The position of the first worker with a higher number.
    pub fn position_after(&self, id: WorkerId) -> usize {
        self.order.partition_point(|(known, _)| *known <= id)
    }

    fn see<'a>(
        &'a self,
        order: &'a [(WorkerId, u32)],
    ) -> impl Iterator<Item = (&'a WorkerId, &'a Worker)> {
        let records = &self.records;
        order
            .iter()
            .map(|(id, slot)| (id, &records[*slot as usize]))
    }

    /// Every number.
    pub fn keys(&self) -> impl Iterator<Item = &WorkerId> {
        self.order.iter().map(|(id, _)| id)
    }

    /// Every record.
    pub fn values(&self) -> impl Iterator<Item = &Worker> {
        self.iter().map(|(_, worker)| worker)
    }
}

#[cfg(test)]
mod tests {
    use rask_proto::Register;

    use super::*;

    fn worker(name: &str) -> Worker {
        Worker::new(Register {
            name: name.to_owned(),
            ..Register::default()
        })
    }

    #[test]
    fn workers_are_found_and_seen_in_order() {
        let mut table = WorkerTable::default();
        for number in [5, 2, u32::MAX, LISTED_MAX, 0] {
            table.insert(WorkerId(number), worker(&number.to_string()));
        }
        let names = |table: &WorkerTable| -> Vec<String> {
            let workers = table.values();
            workers.map(|worker| worker.register.name.clone()).collect()
        };
        let last = u32::MAX.to_string();
        assert_eq!(names(&table), ["0", "2", "5", "4194304", &last]);
        assert!(table.remove(&WorkerId(5)).is_some());
        assert!(table.remove(&WorkerId(5)).is_none());
        assert!(table.remove(&WorkerId(u32::MAX)).is_some());
        assert!(table.get(&WorkerId(u32::MAX)).is_none());
        assert!(table.get(&WorkerId(77)).is_none());
        table.insert(WorkerId(7), worker("7"));
        assert_eq!(names(&table), ["0", "2", "7", "4194304"]);
        let from: Vec<u32> = table.iter_from(2).map(|(id, _)| id.0).collect();
        assert_eq!(from, [7, LISTED_MAX, 0, 2]);
        assert_eq!(table.position_after(WorkerId(2)), 2);
        assert_eq!(table.position_after(WorkerId(3)), 2);
        assert_eq!(table.len(), 4);
    }
}
