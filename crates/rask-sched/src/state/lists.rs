//! Short lists of numbers inside a record, with their overflow in a table that all records share.

use crate::event::{ClientId, WorkerId};

/// What is a number of 32 bits.
pub(crate) trait Number: Copy + PartialEq {
    fn raw(self) -> u32;
    fn of(raw: u32) -> Self;
}

impl Number for u32 {
    fn raw(self) -> u32 {
        self
    }
    fn of(raw: u32) -> Self {
        raw
    }
}

impl Number for WorkerId {
    fn raw(self) -> u32 {
        self.0
    }
    fn of(raw: u32) -> Self {
        WorkerId(raw)
    }
}

impl Number for ClientId {
    fn raw(self) -> u32 {
        self.0
    }
    fn of(raw: u32) -> Self {
        ClientId(raw)
    }
}

/// No entry.
const NONE: u32 = u32::MAX;
/// In the first entry: the rest is the index of a list in [`Lists`], which is not empty.
const ELSEWHERE: u32 = 1 << 31;

/// Up to `N` numbers below 2^31 in place, or any numbers in [`Lists`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short<T, const N: usize>([T; N]);

impl<T: Number, const N: usize> Short<T, N> {
    /// No numbers.
    pub fn new() -> Self {
        Short([T::of(NONE); N])
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0[0].raw() == NONE
    }

    #[inline]
    fn elsewhere(&self) -> Option<usize> {
        let first = self.0[0].raw();
        (first != NONE && first & ELSEWHERE != 0).then_some((first & !ELSEWHERE) as usize)
    }
}

/// The lists that did not fit in place.
#[derive(Debug)]
pub(crate) struct Lists<T> {
    lists: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Lists {
            lists: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T: Number> Lists<T> {
    /// The numbers.
    #[inline]
    pub fn items<'a, const N: usize>(&'a self, short: &'a Short<T, N>) -> &'a [T] {
        if let Some(index) = short.elsewhere() {
            return &self.lists[index];
        }
        let mut count = 0;
        while count < N && short.0[count].raw() != NONE {
            count += 1;
        }
        &short.0[..count]
    }

    /// Appends a number.
    #[inline]
    pub fn push<const N: usize>(&mut self, short: &mut Short<T, N>, item: T) {
        if let Some(index) = short.elsewhere() {
            self.lists[index].push(item);
            return;
        }
        let count = self.items(short).len();
        if count < N && item.raw() & ELSEWHERE == 0 {
            short.0[count] = item;
            return;
        }
        let mut items = Vec::with_capacity(count + 1);
        items.extend_from_slice(self.items(short));
        items.push(item);
        self.set(short, items);
    }

    /// Replaces the numbers.
    pub fn set<const N: usize>(&mut self, short: &mut Short<T, N>, items: Vec<T>) {
        self.clear(short);
        if items.len() <= N && items.iter().all(|item| item.raw() & ELSEWHERE == 0) {
            short.0[..items.len()].copy_from_slice(&items);
            return;
        }
        let index = match self.free.pop() {
            Some(index) => {
                self.lists[index as usize] = items;
                index
            }
            None => {
                self.lists.push(items);
                (self.lists.len() - 1) as u32
            }
        };
        short.0[0] = T::of(index | ELSEWHERE);
    }

    /// Removes all numbers.
    #[inline]
    pub fn clear<const N: usize>(&mut self, short: &mut Short<T, N>) {
        if let Some(index) = short.elsewhere() {
            self.lists[index] = Vec::new();
            self.free.push(index as u32);
        }
        *short = Short::new();
    }

    /// Keeps the numbers of which `keep` holds.
    pub fn retain<const N: usize>(
        &mut self,
        short: &mut Short<T, N>,
        mut keep: impl FnMut(T) -> bool,
    ) {
        if let Some(index) = short.elsewhere() {
            self.lists[index].retain(|item| keep(*item));
            if self.lists[index].len() <= N {
                let rest = std::mem::take(&mut self.lists[index]);
                self.set(short, rest);
            }
            return;
        }
        let mut kept = Short::new();
        let mut count = 0;
        for &item in self.items(short) {
            if keep(item) {
                kept.0[count] = item;
                count += 1;
            }
        }
        *short = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_do_as_vectors_do() {
        let mut lists = Lists::<u32>::default();
        let mut short = Short::<u32, 2>::new();
        let mut expected = Vec::new();
        for item in [3, 4, 5, u32::MAX - 1, 3] {
            lists.push(&mut short, item);
            expected.push(item);
            assert_eq!(lists.items(&short), expected);
        }
        lists.retain(&mut short, |item| item != 3);
        assert_eq!(lists.items(&short), [4, 5, u32::MAX - 1]);
        lists.retain(&mut short, |item| item < 6);
        assert_eq!(lists.items(&short), [4, 5]);
        assert_eq!(lists.free.len(), 1, "what fits in place is in place");
        lists.retain(&mut short, |_| false);
        assert!(short.is_empty());
    }

    #[test]
    fn numbers_that_are_no_indices_have_a_list_even_alone() {
        let mut lists = Lists::<ClientId>::default();
        let mut short = Short::<ClientId, 1>::new();
        lists.push(&mut short, ClientId(u32::MAX));
        assert_eq!(lists.items(&short), [ClientId(u32::MAX)]);
        lists.clear(&mut short);
        assert!(short.is_empty());
        assert_eq!(lists.free, [0]);
    }
}
