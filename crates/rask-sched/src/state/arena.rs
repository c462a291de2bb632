//! Chunks of numbers for lists that are too long for a record and too short for memory of their own.

use super::lists::Number;
use crate::prefetch::prefetch;

/// Numbers of the smallest chunk; each class of chunks is twice as large as the one before.
const UNIT: usize = 4;
const CLASS_COUNT: usize = 8;
/// Numbers of a segment, which is what is asked of the allocator: 64 KiB.
const SEGMENT: usize = 1 << 14;
const SEGMENT_UNITS: u32 = (SEGMENT / UNIT) as u32;
/// Units are numbered below this.
const UNITS_MAX: u32 = (1 << 30) - 1;
/// No chunk.
const NONE: u32 = u32::MAX;

/// Lists in chunks whose first number is the length. A list is in the smallest chunk that holds it.
#[derive(Debug)]
pub(super) struct Arena<T> {
    segments: Vec<Box<[T]>>,
    /// Units of the last segment that were never used.
    unused: u32,
    /// The first free chunk of each class; each has the number of the next one in its first place.
    free: [u32; CLASS_COUNT],
    live: usize,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena {
            segments: Vec::new(),
            unused: 0,
            free: [NONE; CLASS_COUNT],
            live: 0,
        }
    }
}

/// The class of chunks for so many numbers; there may be none.
#[inline]
fn class_of(length: usize) -> usize {
    let units = (length + 1).div_ceil(UNIT);
    units.next_power_of_two().trailing_zeros() as usize
}

impl<T: Number> Arena<T> {
    /// Longer lists do not fit.
    pub const LENGTH_MAX: usize = (UNIT << (CLASS_COUNT - 1)) - 1;

    /// The numbers of a list.
    #[inline]
    pub fn items(&self, unit: u32) -> &[T] {
        let segment = &self.segments[(unit / SEGMENT_UNITS) as usize];
        let start = (unit % SEGMENT_UNITS) as usize * UNIT;
        let length = segment[start].raw() as usize;
        &segment[start + 1..start + 1 + length]
    }

    /// The numbers of a list will be needed soon.
    #[inline]
    pub fn prefetch(&self, unit: u32) {
        let segment = &self.segments[(unit / SEGMENT_UNITS) as usize];
        prefetch(&segment[(unit % SEGMENT_UNITS) as usize * UNIT]);
    }

    /// Adds a list, if there is room for it.
    pub fn add(&mut self, items: &[T]) -> Option<u32> {
        if items.len() > Self::LENGTH_MAX {
            return None;
        }
        let unit = self.take_chunk(class_of(items.len()))?;
        let (segment, start) = self.chunk_mut(unit);
        segment[start] = T::of(items.len() as u32);
        segment[start + 1..start + 1 + items.len()].copy_from_slice(items);
        Some(unit)
    }

    /// Appends a number, if there is room for it in the chunk.
    #[inline]
    pub fn push(&mut self, unit: u32, item: T) -> bool {
        let (segment, start) = self.chunk_mut(unit);
        let length = segment[start].raw() as usize;
        if class_of(length + 1) != class_of(length) {
            return false;
        }
        segment[start] = T::of(length as u32 + 1);
        segment[start + 1 + length] = item;
        true
    }

    /// Forgets a list.
    pub fn remove(&mut self, unit: u32) {
        let class = class_of(self.items(unit).len());
        let next = self.free[class];
        let (segment, start) = self.chunk_mut(unit);
        segment[start] = T::of(next);
        self.free[class] = unit;
        self.live -= 1;
        if self.live == 0 {
            self.segments.truncate(1);
            self.unused = self.segments.len() as u32 * SEGMENT_UNITS;
            self.free = [NONE; CLASS_COUNT];
        }
    }

    #[inline]
    fn chunk_mut(&mut self, unit: u32) -> (&mut [T], usize) {
        let segment = &mut self.segments[(unit / SEGMENT_UNITS) as usize];
        (segment, (unit % SEGMENT_UNITS) as usize * UNIT)
    }

    fn take_chunk(&mut self, class: usize) -> Option<u32> {
        let unit = self.free[class];
        if unit != NONE {
            let (segment, start) = self.chunk_mut(unit);
            let next = segment[start].raw();
            self.free[class] = next;
            self.live += 1;
            return Some(unit);
        }
        let units = 1 << class;
        while self.unused < units && self.unused > 0 {
            self.free_rest();
        }
        if self.unused == 0 {
            if self.segments.len() as u32 >= UNITS_MAX / SEGMENT_UNITS {
                return None;
            }
            let segment = vec![T::of(NONE); SEGMENT];
            self.segments.push(segment.into_boxed_slice());
            self.unused = SEGMENT_UNITS;
        }
        let unit = self.segments.len() as u32 * SEGMENT_UNITS - self.unused;
        self.unused -= units;
        self.live += 1;
        Some(unit)
    }

    /// Part of the rest of a segment becomes a free chunk.
    fn free_rest(&mut self) {
        let unit = self.segments.len() as u32 * SEGMENT_UNITS - self.unused;
        let class = self.unused.ilog2() as usize;
        let next = self.free[class];
        let (segment, start) = self.chunk_mut(unit);
        segment[start] = T::of(next);
        self.free[class] = unit;
        self.unused -= 1 << class;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_all_lengths_are_used_again() {
        let mut arena = Arena::<u32>::default();
        let lengths = [3, 4, 7, 8, 100, Arena::<u32>::LENGTH_MAX];
        let list = |length: usize| -> Vec<u32> { (0..length as u32).collect() };
        let mut segments = 0;
        for _ in 0..3 {
            let mut units = Vec::new();
            for round in 0..200 {
                let length = lengths[round % lengths.len()];
                units.push((arena.add(&list(length)).unwrap(), length));
            }
            for &(unit, length) in &units {
                assert_eq!(arena.items(unit), list(length));
            }
            assert!(segments == 0 || arena.segments.len() == segments);
            segments = arena.segments.len();
            for (unit, _) in units.drain(1..) {
                arena.remove(unit);
            }
            assert_eq!(
                arena.items(units[0].0),
                list(3),
                "the others' ends do not matter"
            );
            arena.remove(units[0].0);
            assert_eq!(arena.segments.len(), 1, "memory is given back");
        }
        assert!(arena.add(&list(Arena::<u32>::LENGTH_MAX + 1)).is_none());
    }

    #[test]
    fn lists_grow_within_their_chunks() {
        let mut arena = Arena::<u32>::default();
        let unit = arena.add(&[1, 2, 3, 4]).unwrap();
        assert!((5..8).all(|item| arena.push(unit, item)));
        assert!(!arena.push(unit, 8), "the chunk is full");
        assert_eq!(arena.items(unit), [1, 2, 3, 4, 5, 6, 7]);
    }
}
