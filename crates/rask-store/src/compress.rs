//! Compression of what is written, where it pays: where less time is spent on it than it saves in
//! writing, as measured of late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Most bytes compressed to find out whether the rest is worth it, and the share of a buffer.
const SAMPLE_BYTES_MAX: usize = 16 * 1024;
const SAMPLE_SHARE: usize = 8;
/// Smaller buffers are written as they are.
const COMPRESSED_BYTES_MIN: usize = 4 * 1024;
/// Of each new measurement, this part is believed.
const WEIGHT: u64 = 8;

/// What writing takes.
#[derive(Debug)]
pub(crate) struct WriteCost {
    /// Mean nanoseconds for a mebibyte.
    nanos: AtomicU64,
}

impl Default for WriteCost {
    /// 200 MiB a second, before anything is known.
    fn default() -> Self {
        WriteCost {
            nanos: AtomicU64::new(5_000_000),
        }
    }
}

impl WriteCost {
    /// So many bytes were written within this time.
    pub fn learn(&self, length: usize, elapsed: Duration) {
        if length < COMPRESSED_BYTES_MIN {
            return;
        }
        let measured = elapsed.as_nanos() * (1 << 20) / length as u128;
        let measured = u64::try_from(measured).unwrap_or(u64::MAX / WEIGHT);
        let mean = self.nanos.load(Ordering::Relaxed);
        let next = (mean * (WEIGHT - 1)).saturating_add(measured) / WEIGHT;
        self.nanos.store(next, Ordering::Relaxed);
    }

    fn nanos_of(&self, length: usize) -> u128 {
        (u128::from(self.nanos.load(Ordering::Relaxed)) * length as u128) >> 20
    }
}

/// The buffer compressed, if that takes less time than writing what it saves. Judged by three
/// samples.
pub(crate) fn try_compress(buffer: &[u8], cost: &WriteCost) -> Option<Vec<u8>> {
    if buffer.len() < COMPRESSED_BYTES_MIN {
        return None;
    }
    let piece = (buffer.len() / SAMPLE_SHARE).min(SAMPLE_BYTES_MAX) / 3;
    let (mut taken, mut shrunk) = (0, 0);
    let started = Instant::now();
    for third in 0..3 {
        let start = third * (buffer.len() - piece) / 2;
        let sample = &buffer[start..start + piece];
        taken += sample.len();
        shrunk += lz4_flex::block::compress(sample).len();
    }
    let compressing = started.elapsed().as_nanos() * buffer.len() as u128 / taken as u128;
    let gone = taken.saturating_sub(shrunk) * buffer.len() / taken;
    if cost.nanos_of(gone) <= compressing {
        return None;
    }
    let packed = lz4_flex::block::compress(buffer);
    (packed.len() < buffer.len()).then_some(packed)
}

/// The reverse, for a buffer of `length` bytes.
pub(crate) fn decompress(packed: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    lz4_flex::block::decompress(packed, length).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As of a disk that takes so long for each mebibyte.
    fn cost_of(elapsed: Duration) -> WriteCost {
        let cost = WriteCost::default();
        for _ in 0..100 {
            cost.learn(1 << 20, elapsed);
        }
        cost
    }

    #[test]
    fn repetitive_bytes_shrink_and_come_back() {
        let buffer: Vec<u8> = (0..100_000u32).map(|i| (i / 1000) as u8).collect();
        let slow = cost_of(Duration::from_secs(1));
        let packed = try_compress(&buffer, &slow).expect("compressible");
        assert!(packed.len() < buffer.len() / 10);
        assert_eq!(decompress(&packed, buffer.len()).unwrap(), buffer);
        let at_once = cost_of(Duration::ZERO);
        assert_eq!(try_compress(&buffer, &at_once), None, "nothing to be saved");
    }

    #[test]
    fn noise_is_left_alone() {
        let mut state = 1u64;
        let buffer: Vec<u8> = (0..100_000)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let slow = cost_of(Duration::from_secs(1));
        assert_eq!(try_compress(&buffer, &slow), None);
    }

    #[test]
    fn what_writing_takes_is_learned_of_late() {
        let cost = cost_of(Duration::from_millis(1));
        let nanos = cost.nanos_of(2 << 20);
        assert!((1_900_000..2_100_000).contains(&nanos), "{nanos}");
        cost.learn(100, Duration::from_secs(1));
        assert_eq!(cost.nanos_of(2 << 20), nanos, "too little to tell");
        cost.learn(1 << 20, Duration::from_millis(9));
        assert!(cost.nanos_of(1 << 20) > 1_900_000);
    }
}
