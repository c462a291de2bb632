//! A stable least-significant-digit radix sort of row numbers by integer keys.

const DIGIT_BITS: u32 = 8;
const BUCKETS: usize = 1 << DIGIT_BITS;
/// Below this many rows a comparison sort is faster than counting digits.
const SMALL: usize = 256;

/// Reorders the rows, stably, by `keys[row]`, of which the low `bits` count.
pub(crate) fn sort_by_key(rows: &mut [u32], keys: &[u64], bits: u32) {
    if rows.is_sorted_by_key(|row| keys[*row as usize]) {
        return;
    }
    if rows.len() <= SMALL {
        rows.sort_by_key(|row| keys[*row as usize]);
        return;
    }
    if bits <= 32 {
        let mut pairs: Vec<u64> = rows
            .iter()
            .map(|row| (keys[*row as usize] << 32) | u64::from(*row))
            .collect();
        sort_digits(&mut pairs, bits, |pair| pair >> 32);
        rows.iter_mut()
            .zip(pairs)
            .for_each(|(row, pair)| *row = pair as u32);
    } else {
        let mut pairs: Vec<(u64, u32)> =
            rows.iter().map(|row| (keys[*row as usize], *row)).collect();
        sort_digits(&mut pairs, bits, |pair| pair.0);
        rows.iter_mut()
            .zip(pairs)
            .for_each(|(row, pair)| *row = pair.1);
    }
}

fn sort_digits<P: Copy>(pairs: &mut Vec<P>, bits: u32, key: impl Fn(P) -> u64) {
    let passes = bits.div_ceil(DIGIT_BITS) as usize;
    let mut counts = vec![[0u32; BUCKETS]; passes];
    for pair in pairs.iter() {
        let key = key(*pair);
        for (pass, counts) in counts.iter_mut().enumerate() {
            counts[digit(key, pass)] += 1;
        }
    }
    let mut other = pairs.clone();
    let len = pairs.len() as u32;
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
        for pair in pairs.iter() {
            let place = &mut next[digit(key(*pair), pass)];
            other[*place as usize] = *pair;
            *place += 1;
        }
        std::mem::swap(pairs, &mut other);
    }
}

#[inline]
fn digit(key: u64, pass: usize) -> usize {
    (key >> (pass as u32 * DIGIT_BITS)) as usize & (BUCKETS - 1)
}
