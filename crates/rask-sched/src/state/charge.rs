//! What a task that was handed out takes of its worker's memory, in the books.

use crate::HashMap;
use crate::state::TaskId;

/// Bytes promised to a task while it is Assigned, in four bytes: rounded, and always to the same
/// number. Whether its inputs are in [`ByValue`]s is in the sign.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Charge(f32);

impl Charge {
    pub fn new(bytes: u64, has_entries: bool) -> Self {
        // Never zero, which has no sign that is seen.
        let bytes = bytes.max(1) as f32;
        Charge(if has_entries { -bytes } else { bytes })
    }

    /// As [`to_bits`](Self::to_bits) gave it.
    #[inline]
    pub fn from_bits(bits: u32) -> Self {
        Charge(f32::from_bits(bits))
    }

    #[inline]
    pub fn to_bits(self) -> u32 {
        self.0.to_bits()
    }

    #[inline]
    pub fn bytes(self) -> u64 {
        self.0.abs() as u64
    }

    /// Whether inputs are on their way to its worker, or will be freed with its end.
    pub fn has_entries(self) -> bool {
        self.0 < 0.0
    }
}

/// Values at a worker that count for something as long as tasks that were handed out need them:
/// those on their way to it, or those that will be freed.
#[derive(Debug, Default)]
pub(crate) struct ByValue {
    /// Bytes, and for how many tasks.
    values: HashMap<TaskId, (u64, u32)>,
    bytes: u64,
}

impl ByValue {
    /// Bytes of all.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    #[inline]
    pub fn contains(&self, id: TaskId) -> bool {
        !self.values.is_empty() && self.values.contains_key(&id)
    }

    /// A task that was handed out needs this value.
    pub fn add(&mut self, id: TaskId, nbytes: u64) {
        let entry = self.values.entry(id).or_insert((nbytes, 0));
        if entry.1 == 0 {
            self.bytes += nbytes;
        }
        entry.1 += 1;
    }

    /// A task that needed this value has ended, or was called back.
    pub fn leave(&mut self, id: TaskId) {
        if self.values.is_empty() {
            return;
        }
        if let Some(entry) = self.values.get_mut(&id) {
            entry.1 -= 1;
            if entry.1 == 0 {
                self.remove(id);
            }
        }
    }

    /// The value has come, or is gone.
    #[inline]
    pub fn remove(&mut self, id: TaskId) {
        if self.values.is_empty() {
            return;
        }
        if let Some((nbytes, _)) = self.values.remove(&id) {
            self.bytes -= nbytes;
        }
    }

    /// Whether `bytes` is the sum of all.
    pub fn check(&self) -> bool {
        let sum: u64 = self.values.values().map(|(bytes, _)| bytes).sum();
        sum == self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_the_same_number_when_it_is_taken_back() {
        for bytes in [0, 1, 7, 123_456_789, u64::from(u32::MAX) * 1000 + 1] {
            for has_entries in [false, true] {
                let charge = Charge::new(bytes, has_entries);
                assert_eq!(charge.has_entries(), has_entries);
                assert_eq!(charge.bytes(), Charge::new(bytes, !has_entries).bytes());
            }
        }
        assert_eq!(Charge::default().bytes(), 0);
    }

    #[test]
    fn a_value_for_several_tasks_counts_once() {
        let mut incoming = ByValue::default();
        incoming.add(7, 100);
        incoming.add(7, 100);
        incoming.add(8, 50);
        assert_eq!(incoming.bytes(), 150);
        incoming.leave(7);
        assert_eq!(incoming.bytes(), 150);
        incoming.leave(7);
        assert_eq!(incoming.bytes(), 50);
        incoming.remove(8);
        incoming.leave(8);
        assert!(incoming.is_empty() && incoming.check());
    }
}
