//! All layers: found by their numbers in one step, and by their names.

use std::sync::Arc;

use super::{Layer, Operation, Operations};
use crate::HashMap;

/// Of so many of the latest numbers at least it is known by position where the layer is, of at most
/// twice as many.
const RECENT_MAX: usize = 1 << 16;
/// So many empty boxes are kept, and made at first.
const SPARE_MAX: usize = 1024;
const SPARE_FIRST: usize = 512;
/// In the place of a slot: there is no layer of this number.
const NO_SLOT: u32 = u32::MAX;

/// All layers. Numbers are not used twice.
#[derive(Default)]
pub(crate) struct Layers {
    /// In boxes: a layer is large, and may have one task.
    records: Vec<Option<(u32, Box<Layer>)>>,
    /// Empty boxes to be used again, whichever thread has emptied them.
    #[allow(clippy::vec_box, reason = "the boxes are what is kept")]
    spare: Vec<Box<Layer>>,
    free: Vec<u32>,
    /// Slots of the numbers from `recent_from` on.
    recent: Vec<u32>,
    recent_from: u32,
    /// Slots of other numbers.
    others: HashMap<u32, u32>,
    by_name: HashMap<Arc<str>, u32>,
    next: u32,
    operations: Operations,
}

impl Layers {
    /// Adds a layer.
    pub fn add(&mut self, layer: Layer) -> u32 {
        let mut number = self.next;
        // A journal may name any number, the last too.
        while self.find(number).is_some() {
            number = number.wrapping_add(1);
        }
        self.next = number.wrapping_add(1);
        self.insert(number, layer);
        number
    }

    /// Adds a layer under the number that it had before a restart.
    pub fn add_as(&mut self, number: u32, layer: Layer) -> u32 {
        if self.find(number).is_some() {
            return self.add(layer);
        }
        self.next = self.next.max(number.saturating_add(1));
        self.insert(number, layer);
        number
    }

    fn insert(&mut self, number: u32, layer: Layer) {
        let mut layer = match self.spare.pop() {
            Some(mut spare) => {
                *spare = layer;
                spare
            }
            None => Box::new(layer),
        };
        layer.operation_number = self.operations.add(&mut layer.operation);
        self.by_name.insert(layer.name.clone(), number);
        let record = Some((number, layer));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.records[slot as usize] = record;
                slot
            }
            None => {
                self.records.push(record);
                (self.records.len() - 1) as u32
            }
        };
        self.note_slot(number, slot);
    }

    /// Writes down where the layer of a number is.
    fn note_slot(&mut self, number: u32, slot: u32) {
        if self.recent.is_empty() {
            self.recent_from = number;
        }
        let Some(at) = number.checked_sub(self.recent_from).map(|at| at as usize) else {
            self.others.insert(number, slot);
            return;
        };
        if at >= self.recent.len() + RECENT_MAX {
            // Far from all others, as after a restart.
            self.forget_recent(self.recent.len());
            self.recent_from = number;
            self.recent.push(slot);
            return;
        }
        if self.recent.len() <= at {
            self.recent.resize(at + 1, NO_SLOT);
        }
        self.recent[at] = slot;
        if self.recent.len() > 2 * RECENT_MAX {
            self.forget_recent(self.recent.len() - RECENT_MAX);
        }
    }

    /// The first of the recent numbers, so many, are some of the others.
    fn forget_recent(&mut self, count: usize) {
        for slot in self.recent.drain(..count) {
            if slot != NO_SLOT {
                self.others.insert(self.recent_from, slot);
            }
            self.recent_from = self.recent_from.wrapping_add(1);
        }
    }

    /// The slot of a number, or `NO_SLOT`, which is beyond all records.
    #[inline(always)]
    fn slot_of(&self, number: u32) -> usize {
        let at = number.wrapping_sub(self.recent_from) as usize;
        match self.recent.get(at) {
            Some(slot) => *slot as usize,
            None => self.slot_of_other(number),
        }
    }

    #[cold]
    fn slot_of_other(&self, number: u32) -> usize {
        self.others.get(&number).map_or(NO_SLOT, |slot| *slot) as usize
    }

    /// The number of the layer of this name.
    pub fn find_number(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The layer of this number, which a peer may have made up.
    #[inline]
    pub fn find(&self, number: u32) -> Option<&Layer> {
        let record = self.records.get(self.slot_of(number))?.as_ref();
        record.map(|(_, layer)| &**layer)
    }

    /// The layer, which must exist.
    #[inline]
    pub fn get(&self, number: u32) -> &Layer {
        self.find(number).expect("tasks name existing layers")
    }

    /// The layer, which must exist.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> &mut Layer {
        let slot = self.slot_of(number);
        let record = self.records.get_mut(slot).and_then(Option::as_mut);
        let (_, layer) = record.expect("tasks name existing layers");
        layer
    }

    /// What is known of a layer's operation, over layers.
    #[inline]
    pub fn operation(&self, layer: &Layer) -> &Operation {
        self.operations.get(layer.operation_number)
    }

    /// The layer, which must exist, and what is known of its operation.
    #[inline]
    pub fn get_with_operation_mut(&mut self, number: u32) -> (&mut Layer, &mut Operation) {
        let slot = self.slot_of(number);
        let record = self.records.get_mut(slot).and_then(Option::as_mut);
        let (_, layer) = record.expect("tasks name existing layers");
        let operation = self.operations.get_mut(layer.operation_number);
        (layer, operation)
    }

    /// Removes a layer.
    pub fn remove(&mut self, number: u32) -> Option<Layer> {
        self.unname(number);
        let slot = self.slot_of(number);
        let record = self.records.get_mut(slot)?.take();
        let at = number.wrapping_sub(self.recent_from) as usize;
        match self.recent.get_mut(at) {
            Some(recent) => *recent = NO_SLOT,
            None => {
                self.others.remove(&number);
            }
        }
        self.free.push(slot as u32);
        let (_, mut record) = record?;
        let layer = std::mem::take(&mut *record);
        if self.spare.len() < SPARE_MAX {
            self.spare.push(record);
        }
        Some(layer)
    }

    /// Has memory ready for the first layers.
    pub fn prepare(&mut self) {
        self.records.reserve(SPARE_FIRST);
        self.spare.resize_with(SPARE_FIRST, Box::default);
    }

    /// Lets a layer's name go: another layer may have it.
    pub fn unname(&mut self, number: u32) {
        if let Some(layer) = self.find(number)
            && self.by_name.get(&layer.name) == Some(&number)
        {
            let name = layer.name.clone();
            self.by_name.remove(&name);
        }
    }

    /// All layers with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Layer)> {
        let records = self.records.iter().flatten();
        records.map(|(number, layer)| (*number, &**layer))
    }

    /// All numbers.
    pub fn numbers(&self) -> Vec<u32> {
        self.iter().map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str) -> Layer {
        Layer {
            name: name.into(),
            ..Layer::default()
        }
    }

    #[test]
    fn layers_of_any_numbers_are_found() {
        let mut layers = Layers::default();
        let first = layers.add(layer("first"));
        for number in [5, 1 << 20, 7, u32::MAX, 3] {
            assert_eq!(layers.add_as(number, layer(&number.to_string())), number);
        }
        let after = layers.add(layer("after"));
        assert_ne!(layers.add_as(5, layer("5 again")), 5);
        for number in [5, 1 << 20, 7, u32::MAX, 3] {
            assert_eq!(*layers.get(number).name, *number.to_string());
            assert_eq!(layers.find_number(&number.to_string()), Some(number));
        }
        assert_eq!(*layers.get(after).name, *"after");
        assert!(layers.remove(1 << 20).is_some() && layers.remove(1 << 20).is_none());
        assert!(layers.find(1 << 20).is_none() && layers.find(6).is_none());
        assert_eq!(layers.iter().count(), 7);
        assert_eq!(*layers.get(first).name, *"first");
    }

    #[test]
    fn old_layers_are_found_when_there_were_many_since() {
        let mut layers = Layers::default();
        let first = layers.add(layer("first"));
        for number in 0..2 * RECENT_MAX as u32 + 10 {
            let added = layers.add(layer(&number.to_string()));
            assert!(layers.remove(added).is_some());
        }
        let last = layers.add(layer("last"));
        assert_eq!(*layers.get(first).name, *"first");
        assert_eq!(*layers.get(last).name, *"last");
        assert_eq!(layers.numbers(), [first, last]);
        assert!(layers.recent.len() <= 2 * RECENT_MAX && layers.others.len() == 1);
    }
}
