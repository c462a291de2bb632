//! What the system says about pages.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::area::page_size;

const ENTRY_BYTES: usize = 8;
const CHUNK_BYTES: usize = 64 << 10;
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
/// The page is the file's.
const OF_FILE: u64 = 1 << 61;

/// Whether memory that is a private view of a file shows what is in the file. `false` if that cannot
/// be found out.
pub(super) fn is_unchanged(address: usize, length: usize) -> bool {
    let Ok(file) = File::open("/proc/self/pagemap") else {
        return false;
    };
    let page = page_size();
    let mut at = address / page * ENTRY_BYTES;
    let end = (address + length).div_ceil(page) * ENTRY_BYTES;
    let mut entries = vec![0u8; CHUNK_BYTES.min(end - at)];
    while at < end {
        let chunk = &mut entries[..CHUNK_BYTES.min(end - at)];
        if file.read_exact_at(chunk, at as u64).is_err() {
            return false;
        }
        let (words, _) = chunk.as_chunks::<ENTRY_BYTES>();
        let is_copy = |entry: &[u8; ENTRY_BYTES]| {
            let entry = u64::from_ne_bytes(*entry);
            entry & (PRESENT | SWAPPED) != 0 && entry & OF_FILE == 0
        };
        if words.iter().any(is_copy) {
            return false;
        }
        at += chunk.len();
    }
    true
}
