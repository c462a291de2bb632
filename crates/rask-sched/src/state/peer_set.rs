//! Sets of places of workers' records, small while they have few members and never much larger than a
//! bit for every worker there is.

use smallvec::SmallVec;

use crate::prefetch::prefetch;

/// No member.
const EMPTY: u32 = u32::MAX;
const CAPACITY_MIN: usize = 16;

/// See the module. A table of numbers with open addressing, at most three quarters full; bits from
/// where these take no more memory than the next larger table.
#[derive(Debug, Default)]
pub(crate) struct PeerSet {
    words: SmallVec<[u32; CAPACITY_MIN]>,
    count: u32,
    has_bits: bool,
}

/// Where to look for a number first.
#[inline]
fn start_of(number: u32, capacity: usize) -> usize {
    (number.wrapping_mul(0x9E37_79B9) as usize >> 7) & (capacity - 1)
}

impl PeerSet {
    #[inline]
    pub fn contains(&self, number: u32) -> bool {
        if self.has_bits {
            let word = self.words.get(number as usize / 32);
            return word.is_some_and(|word| word >> (number % 32) & 1 == 1);
        }
        !self.words.is_empty() && self.words[self.find(number)] == number
    }

    /// It will be asked for a number soon.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        let at = match self.has_bits {
            true => number as usize / 32,
            false => start_of(number, self.words.len().max(1)),
        };
        if let Some(word) = self.words.get(at) {
            prefetch(word);
        }
    }

    /// Adds a number; `false` if it was there.
    pub fn insert(&mut self, number: u32) -> bool {
        if self.contains(number) {
            return false;
        }
        if !self.has_bits && (self.count as usize + 1) * 4 > self.words.len() * 3 {
            self.grow(number);
        }
        self.count += 1;
        if self.has_bits {
            self.set_bit(number);
        } else {
            let at = self.find(number);
            self.words[at] = number;
        }
        true
    }

    /// Removes all numbers that are members of a set of bits.
    pub fn remove_all(&mut self, gone: &[u32]) {
        let is_gone = |number: u32| {
            let word = gone.get(number as usize / 32);
            word.is_some_and(|word| word >> (number % 32) & 1 == 1)
        };
        if self.has_bits {
            for (word, gone) in self.words.iter_mut().zip(gone) {
                self.count -= (*word & gone).count_ones();
                *word &= !gone;
            }
            return;
        }
        let stays = |number: &u32| *number != EMPTY && !is_gone(*number);
        let kept: SmallVec<[u32; CAPACITY_MIN]> =
            self.words.iter().copied().filter(stays).collect();
        if kept.len() == self.count as usize {
            return;
        }
        self.count = kept.len() as u32;
        self.words.fill(EMPTY);
        for number in kept {
            let at = self.find(number);
            self.words[at] = number;
        }
    }

    /// The members, in no order.
    pub fn members(&self) -> Vec<u32> {
        if !self.has_bits {
            let members = self.words.iter().copied();
            return members.filter(|number| *number != EMPTY).collect();
        }
        let numbers = 0..self.words.len() as u32 * 32;
        numbers.filter(|number| self.contains(*number)).collect()
    }

    /// Where a number is in the table, or where it would be put.
    #[inline]
    fn find(&self, number: u32) -> usize {
        let mut at = start_of(number, self.words.len());
        while self.words[at] != number && self.words[at] != EMPTY {
            at = (at + 1) & (self.words.len() - 1);
        }
        at
    }

    fn set_bit(&mut self, number: u32) {
        let at = number as usize / 32;
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        self.words[at] |= 1 << (number % 32);
    }

    /// Makes room for one more number.
    fn grow(&mut self, number: u32) {
        let members = self.members();
        let capacity = (self.words.len() * 2).max(CAPACITY_MIN);
        let greatest = members.iter().copied().fold(number, u32::max);
        self.has_bits = greatest as usize / 32 < capacity;
        self.words.clear();
        if self.has_bits {
            members.into_iter().for_each(|member| self.set_bit(member));
            return;
        }
        self.words.resize(capacity, EMPTY);
        for member in members {
            let at = self.find(member);
            self.words[at] = member;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_does_as_a_tree_of_numbers_does() {
        for limit in [10u32, 100, 5_000, 1 << 22] {
            let mut set = PeerSet::default();
            let mut expected = BTreeSet::new();
            let mut state = limit;
            for _ in 0..5_000 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let number = (state >> 10) % limit;
                if state & 0x300 == 0 {
                    let mut gone = vec![0; number as usize / 32 + 1];
                    gone[number as usize / 32] = 1 << (number % 32) | 1;
                    let first = number / 32 * 32;
                    set.remove_all(&gone);
                    expected.remove(&number);
                    expected.remove(&first);
                } else {
                    assert_eq!(set.insert(number), expected.insert(number));
                }
                assert!(set.contains(number) == expected.contains(&number));
            }
            let mut members = set.members();
            members.sort_unstable();
            assert!(members.iter().eq(expected.iter()), "below {limit}");
            assert!(set.words.len() * 4 <= (limit as usize).max(16 * expected.len()));
        }
    }
}
