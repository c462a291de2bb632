//! Segments: made, opened, mapped, and found again by where they are mapped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use parking_lot::Mutex;
use rask_proto::Lent;
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

const NAME: &str = "rask";
/// Buffers start at multiples of this, so that arrays in them are aligned.
const ALIGNMENT: u64 = 64;
/// Most segments of a process that stay open, each with a descriptor. What is beyond can still be
/// read here, but not be lent on.
const OPEN_COUNT_MAX: usize = 256;

/// Segments by the address at which this process has mapped them.
static OPEN: Mutex<BTreeMap<usize, Open>> = Mutex::new(BTreeMap::new());

struct Open {
    file: File,
    length: usize,
}

/// Where a buffer lies in a segment that is open here.
pub(super) struct Place {
    pub descriptor: u32,
    pub device: u64,
    pub inode: u64,
    pub segment_bytes: u64,
    pub start: u64,
}

/// A segment in memory. It can be found by its address for exactly as long as it is there.
struct Mapping {
    map: Mmap,
}

impl Mapping {
    fn new(file: File) -> io::Result<Self> {
        // SAFETY: the file is sealed (`try_copy` has done it, `open` has checked it), so that it is
        // never written or cut off again.
        let map = unsafe { MmapOptions::new().map(&file)? };
        let mut open = OPEN.lock();
        if open.len() < OPEN_COUNT_MAX {
            let length = map.len();
            open.insert(map.as_ptr().addr(), Open { file, length });
        }
        Ok(Mapping { map })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        OPEN.lock().remove(&self.map.as_ptr().addr());
    }
}

/// Where `bytes` lie, if in a segment that is open here.
pub(super) fn find(bytes: &Bytes) -> io::Result<Option<Place>> {
    let address = bytes.as_ptr().addr();
    let table = OPEN.lock();
    let Some((&base, open)) = table.range(..=address).next_back() else {
        return Ok(None);
    };
    let start = address - base;
    if start + bytes.len() > open.length {
        return Ok(None);
    }
    let metadata = open.file.metadata()?;
    Ok(Some(Place {
        descriptor: open.file.as_raw_fd() as u32,
        device: metadata.dev(),
        inode: metadata.ino(),
        segment_bytes: open.length as u64,
        start: start as u64,
    }))
}

/// Whether `bytes` lie in a segment that can be lent on.
pub(crate) fn is_mapped(bytes: &Bytes) -> bool {
    matches!(find(bytes), Ok(Some(_)))
}

/// The same buffers in a segment of their own. Fails where there is no memory left for it, or too
/// many segments are open.
pub(crate) fn try_copy(buffers: &[Bytes]) -> io::Result<Vec<Bytes>> {
    if OPEN.lock().len() >= OPEN_COUNT_MAX {
        return Err(io::Error::other("too many segments are open"));
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create(NAME, flags)?);
    let mut end = 0;
    let mut places = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        file.write_all_at(buffer, end)?;
        places.push(end as usize..end as usize + buffer.len());
        end = (end + buffer.len() as u64).next_multiple_of(ALIGNMENT);
    }
    rustix::fs::fcntl_add_seals(&file, seals() | SealFlags::SEAL)?;
    // Kernels before 6.7 share a sealed file only through a descriptor that was opened for reading.
    let reading = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let whole = Bytes::from_owner(Mapping::new(reading)?);
    Ok(places.into_iter().map(|place| whole.slice(place)).collect())
}

fn seals() -> SealFlags {
    SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW
}

/// The segment that a process of this host says it has.
pub(super) fn open(lent: &Lent) -> io::Result<Bytes> {
    let path = format!("/proc/{}/fd/{}", lent.process, lent.descriptor);
    let is_segment = |target: &std::path::Path| {
        let target = target.as_os_str().as_encoded_bytes();
        target.starts_with(format!("/memfd:{NAME}").as_bytes())
    };
    if !is_segment(&std::fs::read_link(&path)?) {
        return Err(refused());
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    let found = (metadata.dev(), metadata.ino(), metadata.len());
    let is_same = found == (lent.device, lent.inode, lent.segment_bytes);
    if !is_same || !rustix::fs::fcntl_get_seals(&file)?.contains(seals()) {
        return Err(refused());
    }
    Ok(Bytes::from_owner(Mapping::new(file)?))
}

fn refused() -> io::Error {
    io::Error::other("the descriptor does not lead to the sealed segment that was lent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(bytes: &Bytes) -> Lent {
        let place = find(bytes).unwrap().unwrap();
        Lent {
            value: 0,
            process: std::process::id(),
            descriptor: place.descriptor,
            device: place.device,
            inode: place.inode,
            segment_bytes: place.segment_bytes,
            buffers: vec![0],
            starts: vec![place.start],
            lengths: vec![bytes.len() as u64],
        }
    }

    #[test]
    fn buffers_come_back_as_they_were_aligned_and_go_when_nobody_has_them() {
        let originals = [Bytes::from(vec![1u8; 100_001]), Bytes::from(vec![2u8; 777])];
        let copies = try_copy(&originals).unwrap();
        assert_eq!(copies, originals);
        assert!(copies.iter().all(|copy| copy.as_ptr().addr() % 64 == 0));
        assert!(!is_mapped(&originals[0]));
        let opened = open(&lent(&copies[1])).unwrap();
        let start = find(&copies[1]).unwrap().unwrap().start as usize;
        assert_eq!(opened.slice(start..start + 777), originals[1]);
        let address = copies[0].as_ptr().addr();
        drop(copies);
        assert!(!OPEN.lock().contains_key(&address));
        assert!(is_mapped(&opened), "another mapping of it stays");
    }

    #[test]
    fn what_is_not_the_sealed_segment_is_refused() {
        let copies = try_copy(&[Bytes::from(vec![1u8; 4096])]).unwrap();
        let good = lent(&copies[0]);
        for bad in [
            Lent {
                inode: good.inode + 1,
                ..good.clone()
            },
            Lent {
                segment_bytes: 1 << 40,
                ..good.clone()
            },
            Lent {
                descriptor: 0,
                ..good.clone()
            },
            Lent {
                descriptor: u32::MAX,
                ..good.clone()
            },
            Lent {
                process: u32::MAX,
                ..good.clone()
            },
        ] {
            assert!(open(&bad).is_err(), "{bad:?}");
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let unsealed = File::from(rustix::fs::memfd_create(NAME, flags).unwrap());
        unsealed.set_len(4096).unwrap();
        let metadata = unsealed.metadata().unwrap();
        let unsealed_lent = Lent {
            descriptor: unsealed.as_raw_fd() as u32,
            device: metadata.dev(),
            inode: metadata.ino(),
            segment_bytes: 4096,
            ..good
        };
        assert!(open(&unsealed_lent).is_err());
    }
}
