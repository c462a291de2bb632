//! Sets of blocks of one layer: collected while culling, then frozen into something that answers
//! "the how-manieth is this block?".

use smallvec::SmallVec;

/// Blocks collected so far. Few of many are kept as a list, many as bits, all as a mark, so that
/// the cost follows the blocks needed and not the size of the layer.
#[derive(Debug)]
pub(crate) struct Needed {
    count: u32,
    all: bool,
    list: Vec<u32>,
    bits: SmallVec<[u64; 1]>,
}

impl Needed {
    /// An empty set of the blocks of a layer that has `count`.
    pub(crate) fn new(count: u32) -> Self {
        let bits = if count <= 64 {
            SmallVec::from_elem(0, 1)
        } else {
            SmallVec::new()
        };
        Needed {
            count,
            all: false,
            list: Vec::new(),
            bits,
        }
    }

    /// A set that has everything and takes in nothing: of a layer that is dealt with.
    pub(crate) fn complete() -> Self {
        let mut all = Needed::new(0);
        all.insert_all();
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.list.is_empty() && self.bits.iter().all(|&word| word == 0)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.all
    }

    pub(crate) fn insert_all(&mut self) {
        self.all = true;
        self.list = Vec::new();
        self.bits = SmallVec::new();
    }

    /// Adds `block`, which must be smaller than the count.
    #[inline]
    pub(crate) fn insert(&mut self, block: u32) {
        if self.all {
        } else if !self.bits.is_empty() {
            self.bits[(block / 64) as usize] |= 1 << (block % 64);
        } else {
            self.list.push(block);
            if self.list.len() > 64 + self.count as usize / 32 {
                self.switch_to_bits();
            }
        }
    }

    fn switch_to_bits(&mut self) {
        self.bits = SmallVec::from_elem(0, self.count.div_ceil(64) as usize);
        for block in std::mem::take(&mut self.list) {
            self.bits[(block / 64) as usize] |= 1 << (block % 64);
        }
    }

    /// The finished set.
    pub(crate) fn freeze(self) -> Members {
        if self.all || self.count == 0 {
            return Members::All(self.count);
        }
        if !self.bits.is_empty() {
            return Members::from_bits(self.count, self.bits);
        }
        let mut list = self.list;
        list.sort_unstable();
        list.dedup();
        Members::List(list.into())
    }
}

/// A set of blocks in increasing order.
#[derive(Clone, Debug)]
pub(crate) enum Members {
    All(u32),
    /// Bits, and how many bits are set before each word.
    Bits {
        words: SmallVec<[u64; 1]>,
        before: SmallVec<[u32; 2]>,
        len: u32,
    },
    List(Box<[u32]>),
}

impl Members {
    fn from_bits(count: u32, words: SmallVec<[u64; 1]>) -> Self {
        let mut len = 0;
        let before = words
            .iter()
            .map(|word| {
                let position = len;
                len += word.count_ones();
                position
            })
            .collect();
        if len == count {
            Members::All(count)
        } else {
            Members::Bits { words, before, len }
        }
    }

    pub(crate) fn len(&self) -> u32 {
        match self {
            Members::All(count) => *count,
            Members::Bits { len, .. } => *len,
            Members::List(list) => list.len() as u32,
        }
    }

    /// How many members come before `block`, a member.
    #[inline]
    pub(crate) fn position(&self, block: u32) -> u32 {
        match self {
            Members::All(_) => block,
            Members::Bits { words, before, .. } => {
                let word = (block / 64) as usize;
                let lower = words[word] & ((1 << (block % 64)) - 1);
                before[word] + lower.count_ones()
            }
            Members::List(list) => list.partition_point(|&member| member < block) as u32,
        }
    }

    pub(crate) fn contains(&self, block: u32) -> bool {
        match self {
            Members::All(count) => block < *count,
            Members::Bits { words, .. } => words
                .get((block / 64) as usize)
                .is_some_and(|word| word >> (block % 64) & 1 == 1),
            Members::List(list) => list.binary_search(&block).is_ok(),
        }
    }

    /// Calls `f` with each member, in increasing order.
    pub(crate) fn for_each(&self, mut f: impl FnMut(u32)) {
        match self {
            Members::All(count) => (0..*count).for_each(f),
            Members::Bits { words, .. } => {
                for (index, &word) in words.iter().enumerate() {
                    let mut rest = word;
                    while rest != 0 {
                        f(index as u32 * 64 + rest.trailing_zeros());
                        rest &= rest - 1;
                    }
                }
            }
            Members::List(list) => list.iter().copied().for_each(f),
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Members::All(_) => 0,
            Members::Bits { words, before, .. } => words.len() * 8 + before.len() * 4,
            Members::List(list) => list.len() * 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn positions_are_those_of_a_sorted_set(
            count in 1u32..5000,
            picks in proptest::collection::vec(0u32..5000, 0..600),
        ) {
            let mut needed = Needed::new(count);
            let mut expected = BTreeSet::new();
            for pick in picks.into_iter().filter(|&p| p < count) {
                needed.insert(pick);
                expected.insert(pick);
            }
            prop_assert_eq!(needed.is_empty(), expected.is_empty());
            let members = needed.freeze();
            let mut found = Vec::new();
            members.for_each(|block| found.push(block));
            prop_assert_eq!(&found, &expected.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(members.len() as usize, expected.len());
            for (position, &block) in found.iter().enumerate() {
                prop_assert_eq!(members.position(block), position as u32);
                prop_assert!(members.contains(block));
            }
        }
    }
}
