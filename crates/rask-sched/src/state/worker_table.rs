//! The workers: found by their number in one step, and seen in the order of their numbers.

use crate::HashMap;
use crate::event::WorkerId;
use crate::prefetch::{prefetch, prefetch_lines};
use crate::state::Worker;

/// In the place of a slot: no worker has this number.
const NO_SLOT: u32 = u32::MAX;
/// Numbers below this are indices of a list of slots; workers are numbered as they come, so that
/// higher ones are rare.
const LISTED_MAX: u32 = 1 << 22;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct WorkerTable {
    /// Numbers with slots, in order.
    order: Vec<(WorkerId, u32)>,
    listed: Vec<u32>,
    unlisted: HashMap<WorkerId, u32>,
    /// In free slots they stand for nobody.
    records: Vec<Worker>,
    /// Whose record is, or was, in each slot.
    ids: Vec<WorkerId>,
    free: Vec<u32>,
}

impl WorkerTable {
    /// Where the worker's record is: a small number that stays the same while it is here, and that
    /// another has later.
    #[inline]
    pub fn find_slot(&self, id: WorkerId) -> Option<u32> {
        if id.0 >= LISTED_MAX {
            return self.unlisted.get(&id).copied();
        }
        let slot = *self.listed.get(id.0 as usize)?;
        (slot != NO_SLOT).then_some(slot)
    }

    #[inline]
    pub fn get(&self, id: &WorkerId) -> Option<&Worker> {
        Some(&self.records[self.find_slot(*id)? as usize])
    }

    #[inline]
    pub fn get_mut(&mut self, id: &WorkerId) -> Option<&mut Worker> {
        let slot = self.find_slot(*id)?;
        Some(&mut self.records[slot as usize])
    }

    /// So many lines of the worker's record, in which what is needed most comes first, will be needed
    /// soon.
    #[inline]
    pub fn prefetch(&self, id: WorkerId, lines: usize) {
        if let Some(slot) = self.find_slot(id) {
            prefetch_lines(&self.records[slot as usize], lines);
        }
    }

    /// So many workers from this position on will be needed soon, or, without a number, where their
    /// records are.
    #[inline]
    pub fn prefetch_from(&self, position: usize, count: Option<usize>) {
        const LINES: usize = 2;
        let rest = &self.order[position.min(self.order.len())..];
        match count {
            None => {
                if let Some(first) = rest.first() {
                    prefetch(first);
                }
            }
            Some(count) => {
                for (_, slot) in &rest[..rest.len().min(count)] {
                    prefetch_lines(&self.records[*slot as usize], LINES);
                }
            }
        }
    }

    /// Whose record is there.
    #[inline]
    pub fn id_at(&self, slot: u32) -> WorkerId {
        self.ids[slot as usize]
    }

    /// Adds a worker, in the place of one of the same number if there is one.
    pub fn insert(&mut self, id: WorkerId, worker: Worker) {
        if let Some(slot) = self.find_slot(id) {
            self.records[slot as usize] = worker;
            return;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.records[slot as usize] = worker;
                self.ids[slot as usize] = id;
                slot
            }
            None => {
                self.records.push(worker);
                self.ids.push(id);
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
        self.free.push(slot);
        let nobody = Worker::new(Default::default());
        Some(std::mem::replace(&mut self.records[slot as usize], nobody))
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
