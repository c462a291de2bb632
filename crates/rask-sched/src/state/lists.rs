//! Short lists of numbers inside a record, with their overflow in tables that all records share.

use super::arena::Arena;
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
/// In the first entry: the rest tells where in [`Lists`] the list is, which is not empty.
const ELSEWHERE: u32 = 1 << 31;
/// It has memory of its own.
const LONG: u32 = 1 << 30;

/// Up to `N` numbers below 2^31 in place, or any numbers in [`Lists`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short<T, const N: usize>([T; N]);

/// Where a list is that is not in place.
enum Elsewhere {
    Chunk(u32),
    Long(usize),
}

impl<T: Number, const N: usize> Short<T, N> {
    /// No numbers.
    pub fn new() -> Self {
        Short([T::of(NONE); N])
    }

    /// A number that is no list, of any size.
    #[inline]
    pub fn raw(number: T) -> Self {
        let mut raw = Short::new();
        raw.0[0] = number;
        raw
    }

    /// The first number in place, whatever it means.
    #[inline]
    pub fn in_place(&self) -> T {
        self.0[0]
    }

    /// All numbers in place, whatever they mean.
    pub fn all_in_place(&self) -> &[T] {
        &self.0
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0[0].raw() == NONE
    }

    #[inline]
    fn elsewhere(&self) -> Option<Elsewhere> {
        let first = self.0[0].raw();
        if first & ELSEWHERE == 0 || first == NONE {
            return None;
        }
        let at = first & !(ELSEWHERE | LONG);
        Some(match first & LONG {
            0 => Elsewhere::Chunk(at),
            _ => Elsewhere::Long(at as usize),
        })
    }
}

/// The lists that did not fit in place.
#[derive(Debug)]
pub(crate) struct Lists<T> {
    chunks: Arena<T>,
    long: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Lists {
            chunks: Arena::default(),
            long: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T: Number> Lists<T> {
    /// The numbers.
    #[inline(always)]
    pub fn items<'a, const N: usize>(&'a self, short: &'a Short<T, N>) -> &'a [T] {
        match short.elsewhere() {
            None => {
                let mut count = 0;
                while count < N && short.0[count].raw() != NONE {
                    count += 1;
                }
                &short.0[..count]
            }
            Some(Elsewhere::Chunk(unit)) => self.chunks.items(unit),
            Some(Elsewhere::Long(index)) => &self.long[index],
        }
    }

    /// The numbers will be needed soon.
    #[inline]
    pub fn prefetch<const N: usize>(&self, short: &Short<T, N>) {
        if let Some(Elsewhere::Chunk(unit)) = short.elsewhere() {
            self.chunks.prefetch(unit);
        }
    }

    /// Appends a number.
    #[inline]
    pub fn push<const N: usize>(&mut self, short: &mut Short<T, N>, item: T) {
        let has_room = match short.elsewhere() {
            None => {
                let count = self.items(short).len();
                let fits = count < N && item.raw() & ELSEWHERE == 0;
                if fits {
                    short.0[count] = item;
                }
                fits
            }
            Some(Elsewhere::Chunk(unit)) => self.chunks.push(unit, item),
            Some(Elsewhere::Long(index)) => {
                self.long[index].push(item);
                true
            }
        };
        if !has_room {
            let before = self.items(short);
            let mut items = Vec::with_capacity(2 * before.len() + 1);
            items.extend_from_slice(before);
            items.push(item);
            self.set(short, items);
        }
    }

    /// Replaces the numbers.
    pub fn set<const N: usize>(&mut self, short: &mut Short<T, N>, items: Vec<T>) {
        if items.len() > Arena::<T>::LENGTH_MAX {
            self.clear(short);
            self.set_long(short, items);
        } else {
            self.set_from(short, &items);
        }
    }

    /// Replaces the numbers by a copy of these.
    pub fn set_from<const N: usize>(&mut self, short: &mut Short<T, N>, items: &[T]) {
        self.clear(short);
        if items.len() <= N && items.iter().all(|item| item.raw() & ELSEWHERE == 0) {
            short.0[..items.len()].copy_from_slice(items);
        } else if let Some(unit) = self.chunks.add(items) {
            short.0[0] = T::of(unit | ELSEWHERE);
        } else {
            self.set_long(short, items.to_vec());
        }
    }

    fn set_long<const N: usize>(&mut self, short: &mut Short<T, N>, items: Vec<T>) {
        let index = match self.free.pop() {
            Some(index) => {
                self.long[index as usize] = items;
                index
            }
            None => {
                self.long.push(items);
                (self.long.len() - 1) as u32
            }
        };
        short.0[0] = T::of(index | ELSEWHERE | LONG);
    }

    /// Removes all numbers.
    #[inline]
    pub fn clear<const N: usize>(&mut self, short: &mut Short<T, N>) {
        match short.elsewhere() {
            None => {}
            Some(Elsewhere::Chunk(unit)) => self.chunks.remove(unit),
            Some(Elsewhere::Long(index)) => {
                self.long[index] = Vec::new();
                self.free.push(index as u32);
            }
        }
        *short = Short::new();
    }

    /// Keeps the numbers of which `keep` holds.
    pub fn retain<const N: usize>(
        &mut self,
        short: &mut Short<T, N>,
        mut keep: impl FnMut(T) -> bool,
    ) {
        if short.elsewhere().is_some() {
            let items = self.items(short).iter().copied();
            let kept: Vec<T> = items.filter(|item| keep(*item)).collect();
            if kept.len() < self.items(short).len() {
                self.set(short, kept);
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
        let few = [3, 4, 5, u32::MAX - 1, 3];
        for item in few.into_iter().chain(10..2000) {
            lists.push(&mut short, item);
            expected.push(item);
            assert_eq!(lists.items(&short), expected);
        }
        for least in [1, 1000, 1900] {
            lists.retain(&mut short, |item| item >= least);
            expected.retain(|&item| item >= least);
            assert_eq!(lists.items(&short), expected);
        }
        assert_eq!(lists.free.len(), 1, "what fits in a chunk is in one");
        lists.retain(&mut short, |item| item == 1950 || item == u32::MAX - 1);
        assert_eq!(lists.items(&short), [u32::MAX - 1, 1950]);
        lists.retain(&mut short, |item| item == 1950);
        assert_eq!(lists.items(&short), [1950]);
        assert!(
            short.elsewhere().is_none(),
            "what fits in place is in place"
        );
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
    }
}
