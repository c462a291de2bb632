//! Segments: made, opened, mapped, and found again by where they are mapped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use bytes::Bytes;
use parking_lot::Mutex;
use rask_proto::Lent;
use rustix::fs::{Mode, OFlags, SealFlags};

use super::area::{Access, Area, HUGE, NAME, create};
use super::born;
use super::pages::is_unchanged;

/// Buffers start at multiples of this, so that arrays in them are aligned.
const ALIGNMENT: usize = 64;
/// Most segments of a process that stay open, each with a descriptor. What is beyond can still be
/// read here, but not be lent on.
const OPEN_COUNT_MAX: usize = 256;

/// Segments by the address at which this process has mapped them.
static OPEN: Mutex<BTreeMap<usize, Open>> = Mutex::new(BTreeMap::new());

struct Open {
    /// To lend it on; `None` if too many are open.
    file: Option<File>,
    length: usize,
    /// Who it is from; `None` for a copy that was made here.
    lender: Option<Lent>,
    view: View,
}

impl Open {
    /// Whether what is in the file is what is in memory.
    fn shows_file(&self, bytes: &Bytes) -> bool {
        self.view == View::Shared || is_unchanged(bytes.as_ptr().addr(), bytes.len())
    }
}

/// How a segment is seen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// By everybody in this process; nobody writes to it.
    Shared,
    /// By whoever has asked for it, who may write to it: the system makes copies of the pages that
    /// are written to.
    Private,
}

/// Where a buffer lies in a segment that is open here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub descriptor: u32,
    pub device: u64,
    pub inode: u64,
    pub segment_bytes: u64,
    pub start: u64,
}

/// A segment in memory. It can be found by its address for exactly as long as it is there.
struct Mapping {
    area: Area,
}

impl Mapping {
    fn new(file: File, lender: Option<Lent>, view: View) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let access = match view {
            View::Shared => Access::Read,
            View::Private => Access::WritePrivately,
        };
        let area = Area::map(&file, length, access)?;
        let mut table = OPEN.lock();
        let open = Open {
            file: (table.len() < OPEN_COUNT_MAX).then_some(file),
            length,
            lender,
            view,
        };
        table.insert(area.address().as_ptr().addr(), open);
        Ok(Mapping { area })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: mapped for reading, and the file is sealed (`try_copy` has done it, `open` has
        // checked it), so that it is never written or cut off again. A private view is written to
        // only by the one who has all of its bytes, and does not read them meanwhile.
        unsafe { std::slice::from_raw_parts(self.area.address().as_ptr(), self.area.len()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        OPEN.lock().remove(&self.area.address().as_ptr().addr());
    }
}

/// Where `bytes` lie, if in a segment that is open here. It is sealed from now on. Who keeps them for
/// long is not lent a small part of a segment.
pub(super) fn find_to_lend(bytes: &Bytes, is_for_long: bool) -> io::Result<Option<Place>> {
    let address = bytes.as_ptr().addr();
    let table = OPEN.lock();
    let Some((base, open)) = find_open(&table, bytes) else {
        drop(table);
        return Ok(born::find_to_lend(address, bytes.len(), is_for_long));
    };
    let Some(file) = open.file.as_ref().filter(|_| open.shows_file(bytes)) else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    Ok(Some(Place {
        descriptor: file.as_raw_fd() as u32,
        device: metadata.dev(),
        inode: metadata.ino(),
        segment_bytes: open.length as u64,
        start: (address - base) as u64,
    }))
}

fn find_open<'a>(table: &'a BTreeMap<usize, Open>, bytes: &Bytes) -> Option<(usize, &'a Open)> {
    let address = bytes.as_ptr().addr();
    let (&base, open) = table.range(..=address).next_back()?;
    (address - base + bytes.len() <= open.length).then_some((base, open))
}

/// Whether `bytes` can be lent as they are.
pub(crate) fn is_lendable(bytes: &Bytes) -> bool {
    let can_lend = |(_, open): (usize, &Open)| open.file.is_some() && open.shows_file(bytes);
    let is_open = find_open(&OPEN.lock(), bytes).map(can_lend);
    is_open.unwrap_or(false) || born::is_lendable(bytes.as_ptr().addr(), bytes.len())
}

/// Whether `bytes` can be lent for a moment as they are.
pub(crate) fn is_in_segment(bytes: &Bytes) -> bool {
    let is_open = find_open(&OPEN.lock(), bytes).map(|(_, open)| open.file.is_some());
    is_open.unwrap_or(false) || born::is_here(bytes.as_ptr().addr(), bytes.len())
}

/// How a copy may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Only if that is quicker than a socket.
    Quick,
    Any,
}

/// The same buffers in a segment of their own. Fails where there is no memory left for it, or too
/// many segments are open.
pub(crate) fn try_copy(buffers: &[Bytes], effort: Effort) -> io::Result<Vec<Bytes>> {
    if OPEN.lock().len() >= OPEN_COUNT_MAX {
        return Err(io::Error::other("too many segments are open"));
    }
    let mut end = 0;
    let mut places = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        places.push(end..end + buffer.len());
        end = (end + buffer.len()).next_multiple_of(ALIGNMENT);
    }
    let file = create(end)?;
    if !write_quickly(&file, end, buffers, &places) {
        if effort == Effort::Quick {
            return Err(io::Error::other("there are no huge pages"));
        }
        for (buffer, place) in buffers.iter().zip(&places) {
            file.write_all_at(buffer, place.start as u64)?;
        }
    }
    seal(&file)?;
    // Kernels before 6.7 share a sealed file only through a descriptor that was opened for reading.
    let reading = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let whole = Bytes::from_owner(Mapping::new(reading, None, View::Shared)?);
    Ok(places.into_iter().map(|place| whole.slice(place)).collect())
}

/// Copies into huge pages. `false` if there are none; what was written may be written again.
fn write_quickly(file: &File, length: usize, buffers: &[Bytes], places: &[Range<usize>]) -> bool {
    let Ok(area) = Area::map(file, length, Access::Write) else {
        return false;
    };
    let whole = length / HUGE * HUGE;
    // Without them, each page is fetched when it is written to, which takes longer than a socket.
    if length >= HUGE && area.fill_with_huge_pages(0, whole).is_err() {
        return false;
    }
    for (buffer, place) in buffers.iter().zip(places) {
        // SAFETY: the places are in the area, which nobody else has.
        unsafe {
            let target = area.address().as_ptr().add(place.start);
            target.copy_from_nonoverlapping(buffer.as_ptr(), buffer.len());
        }
    }
    true
}

/// Nobody can change the file or cut it off any more.
pub(super) fn seal(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fcntl_add_seals(
        file,
        seals() | SealFlags::SEAL,
    )?)
}

fn seals() -> SealFlags {
    SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW
}

/// The segment that a process of this host says it has.
pub(super) fn open(lent: &Lent, view: View) -> io::Result<Bytes> {
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
    let mapping = Mapping::new(file, Some(lent.clone()), view)?;
    Ok(Bytes::from_owner(mapping))
}

/// Bytes of segments that are mapped here: those that the process they are from has as well, and
/// counts, and the rest.
pub(super) fn count_bytes() -> (u64, u64) {
    let (mut borrowed, mut own) = (0, 0);
    for open in OPEN.lock().values() {
        let is_counted = open.lender.as_ref().is_some_and(is_there);
        *if is_counted { &mut borrowed } else { &mut own } += open.length as u64;
    }
    (borrowed, own)
}

/// Whether the process that has lent a segment has it still.
fn is_there(lent: &Lent) -> bool {
    let path = format!("/proc/{}/fd/{}", lent.process, lent.descriptor);
    let found = std::fs::metadata(path);
    found.is_ok_and(|found| (found.dev(), found.ino()) == (lent.device, lent.inode))
}

fn refused() -> io::Error {
    io::Error::other("the descriptor does not lead to the sealed segment that was lent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(bytes: &Bytes) -> Lent {
        let place = find_to_lend(bytes, true).unwrap().unwrap();
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
        let copies = try_copy(&originals, Effort::Any).unwrap();
        assert_eq!(copies, originals);
        assert!(copies.iter().all(|copy| copy.as_ptr().addr() % 64 == 0));
        assert!(!is_lendable(&originals[0]));
        let opened = open(&lent(&copies[1]), View::Shared).unwrap();
        let start = find_to_lend(&copies[1], true).unwrap().unwrap().start as usize;
        assert_eq!(opened.slice(start..start + 777), originals[1]);
        let address = copies[0].as_ptr().addr();
        drop(copies);
        assert!(!OPEN.lock().contains_key(&address));
        let (borrowed, own) = count_bytes();
        assert!(borrowed + own >= opened.len() as u64);
        assert!(is_lendable(&opened), "another mapping of it stays");
    }

    #[test]
    fn writing_to_a_private_view_changes_nothing_for_others_and_ends_its_being_lent() {
        let copies = try_copy(&[Bytes::from(vec![1u8; 100_000])], Effort::Any).unwrap();
        let lent = lent(&copies[0]);
        let private = open(&lent, View::Private).unwrap();
        assert_eq!(private[..100_000], copies[0]);
        assert!(is_lendable(&private), "nothing differs from the file");
        // SAFETY: mapped for writing, and the test has it alone.
        unsafe { private.as_ptr().cast_mut().add(7).write_volatile(9) };
        assert_eq!((private[7], copies[0][7]), (9, 1));
        assert_eq!(open(&lent, View::Private).unwrap()[7], 1);
        assert!(!is_lendable(&private));
        assert!(find_to_lend(&private, true).unwrap().is_none());
        assert!(is_lendable(&private.slice(8192..)));
    }

    #[test]
    fn what_is_not_the_sealed_segment_is_refused() {
        let copies = try_copy(&[Bytes::from(vec![1u8; 4096])], Effort::Any).unwrap();
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
            assert!(open(&bad, View::Private).is_err(), "{bad:?}");
        }
        let unsealed = create(4096).unwrap();
        let metadata = unsealed.metadata().unwrap();
        let unsealed_lent = Lent {
            descriptor: unsealed.as_raw_fd() as u32,
            device: metadata.dev(),
            inode: metadata.ino(),
            segment_bytes: 4096,
            ..good
        };
        assert!(open(&unsealed_lent, View::Shared).is_err());
    }
}
