//! What reads files, for fuzzers. No part of the interface.

/// A buffer of `length` bytes out of what was written of it.
pub fn decompress(packed: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    crate::compress::decompress(packed, length)
}
