//! Philox4x64-10, a counter-based generator.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11. The
//! function is the one that NumPy's `Philox` bit generator applies to its counter and key.

const MULTIPLIERS: [u64; 2] = [0xD2E7_470E_E14C_6C93, 0xCA5A_8263_9512_1157];
const WEYL: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xBB67_AE85_84CA_A73B];
const ROUNDS: usize = 10;

/// The key of a stream; two streams of different keys are independent.
pub type Key = [u64; 2];

/// The four random words of one counter.
#[inline(always)]
pub fn philox(key: Key, counter: [u64; 4]) -> [u64; 4] {
    let ([mut k0, mut k1], [mut c0, mut c1, mut c2, mut c3]) = (key, counter);
    for _ in 0..ROUNDS {
        let left = u128::from(MULTIPLIERS[0]) * u128::from(c0);
        let right = u128::from(MULTIPLIERS[1]) * u128::from(c2);
        c0 = (right >> 64) as u64 ^ c1 ^ k0;
        c2 = (left >> 64) as u64 ^ c3 ^ k1;
        c1 = right as u64;
        c3 = left as u64;
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [c0, c1, c2, c3]
}

/// The word of element `index`: word `index % 4` of counter `index / 4`.
#[inline(always)]
pub fn word_at(key: Key, index: u64) -> u64 {
    philox(key, [index / 4, 0, 0, 0])[(index % 4) as usize]
}

/// The words of elements `start, start + step, …`.
pub fn fill_words(key: Key, start: u64, step: u64, out: &mut [u64]) {
    match step {
        1 => {}
        2 => return fill_every_other(key, start, out),
        _ => return fill_strided(key, start, step, out),
    }
    let lead = ((4 - start % 4) % 4).min(out.len() as u64) as usize;
    let (head, rest) = out.split_at_mut(lead);
    for (offset, word) in head.iter_mut().enumerate() {
        *word = word_at(key, start + offset as u64);
    }
    let mut counter = (start + lead as u64) / 4;
    let mut quads = rest.chunks_exact_mut(4);
    for quad in &mut quads {
        quad.copy_from_slice(&philox(key, [counter, 0, 0, 0]));
        counter = counter.wrapping_add(1);
    }
    let last = philox(key, [counter, 0, 0, 0]);
    for (word, value) in quads.into_remainder().iter_mut().zip(last) {
        *word = value;
    }
}

/// Two of each counter's four words.
fn fill_every_other(key: Key, start: u64, out: &mut [u64]) {
    let lead = usize::from(start % 4 >= 2).min(out.len());
    let (head, rest) = out.split_at_mut(lead);
    if let Some(word) = head.first_mut() {
        *word = word_at(key, start);
    }
    let start = start.wrapping_add(2 * lead as u64);
    if start.is_multiple_of(2) {
        fill_pairs::<0>(key, start / 4, rest);
    } else {
        fill_pairs::<1>(key, start / 4, rest);
    }
}

/// Words `FIRST` and `FIRST + 2` of `counter` and of those after it.
fn fill_pairs<const FIRST: usize>(key: Key, mut counter: u64, out: &mut [u64]) {
    let mut pairs = out.chunks_exact_mut(2);
    for pair in &mut pairs {
        let words = philox(key, [counter, 0, 0, 0]);
        pair[0] = words[FIRST];
        pair[1] = words[FIRST + 2];
        counter = counter.wrapping_add(1);
    }
    if let Some(word) = pairs.into_remainder().first_mut() {
        *word = philox(key, [counter, 0, 0, 0])[FIRST];
    }
}

/// Elements that share a counter share its computation.
fn fill_strided(key: Key, start: u64, step: u64, out: &mut [u64]) {
    let mut index = start;
    let mut known = (index / 4, philox(key, [index / 4, 0, 0, 0]));
    for word in out {
        if index / 4 != known.0 {
            known = (index / 4, philox(key, [index / 4, 0, 0, 0]));
        }
        *word = known.1[(index % 4) as usize];
        index = index.wrapping_add(step);
    }
}

/// A stream of words that belongs to one element, for methods that reject: attempt after attempt
/// it draws from counters that no other element and no plain draw uses.
pub struct ElementStream {
    key: Key,
    index: u64,
    attempt: u64,
    words: [u64; 4],
    used: usize,
}

impl ElementStream {
    /// The stream of element `index`.
    pub fn new(key: Key, index: u64) -> Self {
        ElementStream {
            key,
            index,
            attempt: 0,
            words: [0; 4],
            used: 4,
        }
    }

    /// The next word.
    pub fn next_word(&mut self) -> u64 {
        if self.used == 4 {
            self.attempt += 1;
            self.words = philox(self.key, [self.index, self.attempt, 0, 0]);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::{fill_words, philox, word_at};

    #[test]
    fn known_answer() {
        // Random123's known-answer test for philox4x64-10: counter and key of zeros.
        assert_eq!(
            philox([0, 0], [0; 4]),
            [
                0x1655_4d9e_ca36_314c,
                0xdb20_fe9d_672d_0fdc,
                0xd7e7_72ce_e186_176b,
                0x7e68_b68a_ec7b_a23b
            ]
        );
    }

    #[test]
    fn any_part_alone() {
        let mut whole = [0; 101];
        fill_words([7, 9], 0, 1, &mut whole);
        for start in 0..9 {
            for step in 1..5 {
                let mut part = [0; 13];
                fill_words([7, 9], start, step, &mut part);
                for (offset, word) in part.iter().enumerate() {
                    assert_eq!(*word, whole[(start + step * offset as u64) as usize]);
                    assert_eq!(*word, word_at([7, 9], start + step * offset as u64));
                }
            }
        }
    }
}
