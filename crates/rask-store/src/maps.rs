//! Maps of what was written: memory that is a file's. What is written from there is on disk already.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions};
use parking_lot::Mutex;

use crate::disk::Region;

/// Bytes of files that this process has mapped to read values back.
static MAPPED_BYTES: AtomicU64 = AtomicU64::new(0);

/// All maps by their addresses.
static MAPS: Mutex<BTreeMap<usize, Known>> = Mutex::new(BTreeMap::new());

struct Known {
    length: usize,
    region: Weak<Region>,
    /// Where in the region's file the map begins.
    start: u64,
}

/// Bytes of values that are in memory as pages of the files they were written to.
pub fn mapped_bytes() -> u64 {
    MAPPED_BYTES.load(Ordering::Relaxed)
}

/// Pages of a file in memory, which stay what they are as long as the map is there.
struct Mapped {
    map: Mmap,
    _region: Arc<Region>,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        MAPS.lock().remove(&self.map.as_ptr().addr());
        MAPPED_BYTES.fetch_sub(self.map.len() as u64, Ordering::Relaxed);
    }
}

/// Maps a range of a region that has been written.
pub(crate) fn map(region: &Arc<Region>, start: u64, length: usize) -> io::Result<Bytes> {
    let mut options = MmapOptions::new();
    options.offset(start).len(length);
    // SAFETY: the file has no name, so no other process has it open, and a region that has been
    // written is never written again, or cut out as long as the map holds it.
    let map = unsafe { options.map(region.file()) }?;
    // The system reads it all while whoever asked for it begins at the front.
    let _ = map.advise(Advice::WillNeed);
    MAPPED_BYTES.fetch_add(map.len() as u64, Ordering::Relaxed);
    let known = Known {
        length: map.len(),
        region: Arc::downgrade(region),
        start,
    };
    MAPS.lock().insert(map.as_ptr().addr(), known);
    Ok(Bytes::from_owner(Mapped {
        map,
        _region: region.clone(),
    }))
}

/// Where in a file the buffer is, if it is memory of one.
pub(crate) fn find(buffer: &[u8]) -> Option<(Arc<Region>, u64)> {
    let address = buffer.as_ptr().addr();
    let maps = MAPS.lock();
    let (first, known) = maps.range(..=address).next_back()?;
    let offset = address - first;
    let is_inside = !buffer.is_empty() && offset + buffer.len() <= known.length;
    let region = known.region.upgrade().filter(|_| is_inside)?;
    Some((region, known.start + offset as u64))
}
