//! A stable least-significant-digit radix sort of row numbers by integer keys.

const DIGIT_BITS: u32 = 11;
const BUCKETS: usize = 1 << DIGIT_BITS;
/// Below this many rows a comparison sort is faster than counting digits.
const SMALL: usize = 512;
/// Bits of a key that are sorted at a time, beside the row's number in one word.
const WORD_BITS: u32 = 32;

/// Reorders the rows, stably, by `keys[row]`, of which the low `bits` count.
pub(crate) fn sort_by_key(rows: &mut [u32], keys: &[u64], bits: u32) {
    let mask = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
    let key = |row: u32| keys[row as usize] & mask;
    if rows.is_sorted_by_key(|row| key(*row)) {
        return;
    }
    if rows.len() <= SMALL {
        rows.sort_by_key(|row| key(*row));
        return;
    }
    // The highest bits first: few rows, in most data, have them in common.
    let rest = bits.saturating_sub(WORD_BITS);
    let word = |row: u32| (key(row) >> rest) << 32 | u64::from(row);
    let mut words: Vec<u64> = rows.iter().map(|row| word(*row)).collect();
    sort_digits(&mut words, bits - rest);
    for (row, word) in rows.iter_mut().zip(&words) {
        *row = *word as u32;
    }
    if rest == 0 {
        return;
    }
    let mut start = 0;
    for run in words.chunk_by(|a, b| a >> 32 == b >> 32) {
        let end = start + run.len();
        if run.len() > 1 {
            sort_by_key(&mut rows[start..end], keys, rest);
        }
        start = end;
    }
}

/// Sorts by the upper halves, of which the low `bits` count.
fn sort_digits(words: &mut Vec<u64>, bits: u32) {
    let passes = bits.div_ceil(DIGIT_BITS) as usize;
    let mut counts = vec![[0u32; BUCKETS]; passes];
    for word in words.iter() {
        for (pass, counts) in counts.iter_mut().enumerate() {
            counts[digit(*word, pass)] += 1;
        }
    }
    let mut other = words.clone();
    let len = words.len() as u32;
    for (pass, counts) in counts.iter().enumerate() {
        if counts.contains(&len) {
            continue;
        }
        let mut next = [0u32; BUCKETS];
        let mut total = 0;
        for (place, count) in next.iter_mut().zip(counts) {
            *place = total;
            total += count;
        }
        for word in words.iter() {
            let place = &mut next[digit(*word, pass)];
            other[*place as usize] = *word;
            *place += 1;
        }
        std::mem::swap(words, &mut other);
    }
}

#[inline]
fn digit(word: u64, pass: usize) -> usize {
    (word >> (32 + pass as u32 * DIGIT_BITS)) as usize & (BUCKETS - 1)
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
                assert!(
                    rows == expected,
                    "{bits} bits, {distinct} distinct, {count} rows"
                );
            }
        }
    }
}
