//! Compression of what is written, where it pays.

/// Bytes compressed to find out whether the rest is worth it.
const SAMPLE_BYTES: usize = 16 * 1024;
/// Smaller buffers are written as they are.
const COMPRESSED_BYTES_MIN: usize = 4 * 1024;
/// A sample must shrink to at most this share.
const WORTHWHILE_PERCENT: usize = 60;

/// The buffer compressed, if that makes it much smaller. Judged by three samples.
pub(crate) fn try_compress(buffer: &[u8]) -> Option<Vec<u8>> {
    if buffer.len() < COMPRESSED_BYTES_MIN {
        return None;
    }
    let piece = (SAMPLE_BYTES / 3).min(buffer.len() / 3);
    let mut taken = 0;
    let mut shrunk = 0;
    for third in 0..3 {
        let start = third * (buffer.len() - piece) / 2;
        let sample = &buffer[start..start + piece];
        taken += sample.len();
        shrunk += lz4_flex::block::compress(sample).len();
    }
    if shrunk * 100 > taken * WORTHWHILE_PERCENT {
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

    #[test]
    fn repetitive_bytes_shrink_and_come_back() {
        let buffer: Vec<u8> = (0..100_000u32).map(|i| (i / 1000) as u8).collect();
        let packed = try_compress(&buffer).expect("compressible");
        assert!(packed.len() < buffer.len() / 10);
        assert_eq!(decompress(&packed, buffer.len()).unwrap(), buffer);
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
        assert_eq!(try_compress(&buffer), None);
    }
}
