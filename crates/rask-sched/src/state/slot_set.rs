//! Sets of small numbers, in which a number is put, found and removed in a few steps however many
//! there are.

use smallvec::SmallVec;

/// Each level has a bit for every word of the one below that is not empty.
const LEVEL_COUNT: usize = 4;

/// See the module. Numbers are below 2^24; higher ones are left out.
#[derive(Debug, Default)]
pub(crate) struct SlotSet {
    /// A set of numbers below 64 takes no memory of its own.
    levels: [SmallVec<[u64; 1]>; LEVEL_COUNT],
    count: usize,
}

impl SlotSet {
    /// How many numbers there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    pub fn contains(&self, number: u32) -> bool {
        let word = self.levels[0].get(number as usize / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds a number.
    #[inline]
    pub fn insert(&mut self, number: u32) {
        if number >= 1 << (6 * LEVEL_COUNT) || self.contains(number) {
            return;
        }
        self.count += 1;
        let mut at = number as usize;
        for level in &mut self.levels {
            let (word, bit) = (at / 64, at % 64);
            if level.len() <= word {
                level.resize(word + 1, 0);
            }
            let before = level[word];
            level[word] |= 1 << bit;
            if before != 0 {
                return;
            }
            at = word;
        }
    }

    /// Removes a number.
    #[inline]
    pub fn remove(&mut self, number: u32) {
        if !self.contains(number) {
            return;
        }
        self.count -= 1;
        let mut at = number as usize;
        for level in &mut self.levels {
            let (word, bit) = (at / 64, at % 64);
            level[word] &= !(1 << bit);
            if level[word] != 0 {
                return;
            }
            at = word;
        }
    }

    /// Adds or removes a number.
    #[inline]
    pub fn set(&mut self, number: u32, is_in: bool) {
        if is_in {
            self.insert(number);
        } else {
            self.remove(number);
        }
    }

    /// The least number that is not less than this one.
    pub fn find_from(&self, number: u32) -> Option<u32> {
        let mut at = number as usize;
        for (height, level) in self.levels.iter().enumerate() {
            let rest = level.get(at / 64).map_or(0, |word| word >> (at % 64));
            if rest != 0 {
                let mut found = at + rest.trailing_zeros() as usize;
                for below in self.levels[..height].iter().rev() {
                    found = found * 64 + below[found].trailing_zeros() as usize;
                }
                return Some(found as u32);
            }
            at = at / 64 + 1;
        }
        None
    }

    /// The numbers in order, from this one on.
    pub fn iter_from(&self, number: u32) -> impl Iterator<Item = u32> {
        let first = self.find_from(number);
        std::iter::successors(first, |&last| self.find_from(last + 1))
    }

    /// The numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.iter_from(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_does_as_a_tree_of_numbers_does() {
        let mut set = SlotSet::default();
        let mut expected = BTreeSet::new();
        let mut state = 1u32;
        for step in 0..20_000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let limit = [70, 5_000, 1 << 20][step as usize % 3];
            let number = (state >> 8) % limit;
            let is_in = state & 16 == 0;
            set.set(number, is_in);
            if is_in {
                expected.insert(number);
            } else {
                expected.remove(&number);
            }
            assert_eq!(set.len(), expected.len());
            let probe = (state >> 5) % limit;
            assert_eq!(
                set.find_from(probe),
                expected.range(probe..).next().copied()
            );
            assert_eq!(set.contains(probe), expected.contains(&probe));
        }
        assert!(set.iter().eq(expected.iter().copied()));
        for number in expected {
            set.remove(number);
        }
        assert!(set.is_empty() && set.find_from(0).is_none());
        set.insert(u32::MAX);
        assert!(set.is_empty());
    }
}
