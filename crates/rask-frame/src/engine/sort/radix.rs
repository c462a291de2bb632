//! A stable radix sort of row numbers by integer keys.
//!
//! Where a row's key and its place fit into one word, words are sorted: by digits down to the bits that
//! few rows have in common, and by comparing those few. Words with the same key stay in the order of
//! their places.

/// Bits of a digit: few enough that the next place of each digit's words stays in the cache.
const DIGIT_BITS_MAX: u32 = 12;
/// Below this many rows a comparison sort is faster than counting digits.
const SMALL: usize = 512;
/// Of evenly spread keys, one in so many shares the digits with another.
const SPARE_BITS: u32 = 3;

/// Places in the order of the keys, of which the low `bits` count; equal ones stay as they are.
pub(crate) fn order_of_keys(keys: &[u64], bits: u32) -> Vec<u32> {
    let mask = low_bits(bits);
    order_by(keys.len(), bits, |place| keys[place] & mask)
}

/// Places below `len` in the order of their words, or the reverse one; equal ones stay as they are.
pub(crate) fn order_of_words(len: usize, ascending: bool, word: impl Fn(usize) -> u64) -> Vec<u32> {
    let (mut low, mut high) = (u64::MAX, 0);
    for word in (0..len).map(&word) {
        low = low.min(word);
        high = high.max(word);
    }
    let bits = u64::BITS - high.saturating_sub(low).leading_zeros();
    match ascending {
        true => order_by(len, bits, |place| word(place) - low),
        false => order_by(len, bits, |place| high - word(place)),
    }
}

/// Reorders the rows, stably, by `keys[row]`, of which the low `bits` count.
pub(crate) fn sort_by_key(rows: &mut [u32], keys: &[u64], bits: u32) {
    let mask = low_bits(bits);
    let key = |row: u32| keys[row as usize] & mask;
    if rows.is_sorted_by_key(|row| key(*row)) {
        return;
    }
    if rows.len() <= SMALL {
        rows.sort_by_key(|row| key(*row));
        return;
    }
    let before = rows.to_vec();
    let order = order_by(rows.len(), bits, |place| key(before[place]));
    for (row, place) in rows.iter_mut().zip(order) {
        *row = before[place as usize];
    }
}

fn low_bits(bits: u32) -> u64 {
    u64::MAX.checked_shr(64 - bits).unwrap_or(0)
}

/// Places below `len` in the order of their keys, which are below `1 << bits`.
fn order_by(len: usize, bits: u32, key: impl Fn(usize) -> u64) -> Vec<u32> {
    let mut order: Vec<u32> = Vec::new();
    let is_sorted = (1..len).all(|place| key(place - 1) <= key(place));
    if len <= SMALL || is_sorted {
        order.extend(0..len as u32);
        order.sort_by_key(|place| key(*place as usize));
        return order;
    }
    let place_bits = usize::BITS - (len - 1).leading_zeros();
    // The highest bits of the key first: few rows, in most data, have them in common.
    let rest = bits.saturating_sub(64 - place_bits);
    let words = Words {
        len,
        word: |place: usize| (key(place) >> rest) << place_bits | place as u64,
        place_bits,
        key_bits: bits - rest,
    };
    let words = words.sorted();
    let places = low_bits(place_bits);
    order.extend(words.iter().map(|word| (word & places) as u32));
    if rest > 0 {
        let mut start = 0;
        for run in words.chunk_by(|a, b| a >> place_bits == b >> place_bits) {
            let end = start + run.len();
            if run.len() > 1 {
                let mask = low_bits(rest);
                order[start..end].sort_by_key(|place| key(*place as usize) & mask);
            }
            start = end;
        }
    }
    order
}

/// Words to be sorted: a key, and below it the place.
struct Words<F> {
    len: usize,
    word: F,
    place_bits: u32,
    key_bits: u32,
}

/// A digit of all words.
struct Digit {
    shift: u32,
    mask: u64,
    /// How many words have each.
    counts: Vec<u32>,
}

impl Digit {
    #[inline]
    fn of(&self, word: u64) -> usize {
        (word >> self.shift & self.mask) as usize
    }

    #[inline]
    fn count(&mut self, word: u64) {
        let digit = self.of(word);
        self.counts[digit] += 1;
    }

    /// Where the first word of each digit comes to lie.
    fn starts(&self) -> Vec<u32> {
        let mut total = 0;
        let counts = self.counts.iter();
        counts
            .map(|count| {
                let start = total;
                total += count;
                start
            })
            .collect()
    }
}

impl<F: Fn(usize) -> u64> Words<F> {
    fn sorted(&self) -> Vec<u64> {
        let digits = self.find_digits();
        let lowest = digits.last().map_or(self.place_bits, |digit| digit.shift);
        let mut words: Vec<u64> = Vec::new();
        let mut other: Vec<u64> = Vec::new();
        for digit in digits.iter().rev() {
            if digit.counts.contains(&(self.len as u32)) {
                continue;
            }
            other.resize(self.len, 0);
            match words.is_empty() {
                true => scatter((0..self.len).map(&self.word), digit, &mut other),
                false => scatter(words.iter().copied(), digit, &mut other),
            }
            std::mem::swap(&mut words, &mut other);
        }
        drop(other);
        if words.is_empty() {
            words = (0..self.len).map(&self.word).collect();
        }
        if lowest > self.place_bits {
            sort_runs(&mut words, lowest);
        }
        words
    }

    /// The digits to sort by, the highest first: as many as tell most of the words apart.
    fn find_digits(&self) -> Vec<Digit> {
        let needed = (self.place_bits + SPARE_BITS).min(self.key_bits);
        let count = needed.div_ceil(DIGIT_BITS_MAX).max(1);
        let digit_bits = needed.div_ceil(count);
        let mut digits = self.count_digits(0, count, digit_bits);
        // Words that have their first digit in common may be many.
        while let Some(last) = digits.last()
            && last.shift > self.place_bits
            && self.neighbours(&digits) > 0.5
        {
            digits.extend(self.count_digits(digits.len() as u32, 1, digit_bits));
        }
        digits
    }

    /// How many others have the same digits as a word, as far as the first digit tells.
    fn neighbours(&self, digits: &[Digit]) -> f64 {
        let (Some(first), Some(last)) = (digits.first(), digits.last()) else {
            return 0.0;
        };
        let pairs: f64 = first
            .counts
            .iter()
            .map(|&n| f64::from(n) * f64::from(n))
            .sum();
        pairs / self.len as f64 / 2f64.powi((first.shift - last.shift) as i32)
    }

    /// `count` digits below the highest `above`.
    fn count_digits(&self, above: u32, count: u32, bits: u32) -> Vec<Digit> {
        let top = self.place_bits + self.key_bits;
        let digit = |number: u32| {
            let end = top - (number * bits).min(self.key_bits);
            let shift = end.saturating_sub(bits).max(self.place_bits);
            Digit {
                shift,
                mask: low_bits(end - shift),
                counts: vec![0; 1 << (end - shift)],
            }
        };
        let mut digits: Vec<Digit> = (above..above + count).map(digit).collect();
        match &mut digits[..] {
            [first, second] => {
                for word in (0..self.len).map(&self.word) {
                    first.count(word);
                    second.count(word);
                }
            }
            digits => {
                for digit in digits {
                    for word in (0..self.len).map(&self.word) {
                        digit.count(word);
                    }
                }
            }
        }
        digits
    }
}

/// Brings words into the order of a digit; the same ones stay in theirs.
fn scatter(words: impl Iterator<Item = u64>, digit: &Digit, into: &mut [u64]) {
    let mut next = digit.starts();
    for word in words {
        let place = &mut next[digit.of(word)];
        into[*place as usize] = word;
        *place += 1;
    }
}

/// Sorts words that are in the order of their bits from `lowest` on.
fn sort_runs(words: &mut [u64], lowest: u32) {
    let mut start = 0;
    while start + 1 < words.len() {
        let first = words[start] >> lowest;
        if words[start + 1] >> lowest != first {
            start += 1;
            continue;
        }
        let rest = &words[start..];
        let count = rest
            .iter()
            .take_while(|word| *word >> lowest == first)
            .count();
        words[start..start + count].sort_unstable();
        start += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hash::mix;

    #[test]
    fn rows_are_in_the_order_of_their_keys_and_then_of_before() {
        for (bits, distinct) in [
            (64, u64::MAX),
            (40, u64::MAX),
            (33, 5),
            (32, u64::MAX),
            (1, 2),
            (64, 3),
            (50, 2000),
        ] {
            let mask = u64::MAX >> (64 - bits);
            for count in [3, 700, 20_000] {
                // Few distinct keys that have their highest bits in common, or all kinds.
                let keys: Vec<u64> = (0..count).map(|i| (mix(i) % distinct) & mask).collect();
                let mut rows: Vec<u32> = (0..count as u32).rev().collect();
                let mut expected = rows.clone();
                expected.sort_by_key(|row| keys[*row as usize]);
                sort_by_key(&mut rows, &keys, bits);
                let what = format!("{bits} bits, {distinct} distinct, {count} rows");
                assert!(rows == expected, "{what}");
                expected.sort_unstable();
                expected.sort_by_key(|row| keys[*row as usize]);
                assert!(order_of_keys(&keys, bits) == expected, "{what}");
            }
        }
    }

    #[test]
    fn keys_that_lie_close_together_are_in_order() {
        let count = 30_000u64;
        let far = |i: u64| if i == 7 { 1 << 61 } else { 0 };
        let crowds: [fn(u64) -> u64; 4] = [
            |i| mix(i) % 1000,
            |i| ((mix(i) % 3) << 50) | (mix(i + 1) % 100_000),
            |i| 1 << (mix(i) % 60),
            |i| (mix(i) as f64 / 2f64.powi(64)).to_bits(),
        ];
        for crowd in crowds {
            let keys: Vec<u64> = (0..count).map(|i| crowd(i) | far(i)).collect();
            let mut expected: Vec<u32> = (0..count as u32).collect();
            expected.sort_by_key(|row| keys[*row as usize]);
            assert!(order_of_keys(&keys, 62) == expected);
        }
    }
}
