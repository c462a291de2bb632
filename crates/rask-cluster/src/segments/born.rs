//! Memory that lies in segments from the start, so that what is in it can be lent without a copy.
//!
//! A worker's process allocates large buffers here ([`super::SegmentAllocator`], and the allocator
//! that NumPy is given). Until it is lent, a segment is this process's alone, and its pages, which
//! cost something to get, are used again when the buffer is freed.
//!
//! When a buffer is lent, its memory becomes a private view of the file, and the file is sealed.
//! Whoever writes to the memory after that, through a reference that was kept, has a copy of the page
//! made by the system and changes nothing for the readers. Such memory is lent again only while none
//! of its pages differs from the file. The same happens to all memory here when the process forks,
//! because a child shall not share what its parent writes.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once};

use super::area::{Access, Area, HUGE, create, find_pages};
use super::mapping::Place;
use super::pages::is_unchanged;
use super::seal;

/// Smaller buffers are left to the allocator.
pub const BORN_BYTES_MIN: usize = HUGE;
/// All of a buffer's pages are taken at once, so the largest ones are left to the allocator as well.
const BORN_BYTES_MAX: usize = 2 << 30;
/// Most that is kept for the next buffers.
const FREE_BYTES_MAX: usize = 512 << 20;
/// Fewer bytes at the end of a buffer are not worth clearing a huge page for them.
const TAIL_BYTES_MAX: usize = HUGE / 4;
/// Most segments at a time, each with a descriptor.
const COUNT_MAX: usize = 4096;
/// After huge pages could not be had, so many buffers are left to the allocator.
const PATIENCE: u32 = 64;

static TABLE: Mutex<Table> = Mutex::new(Table::new());
/// Buffers up to this many bytes are born here; 0 while it is switched off.
static BYTES_MAX: AtomicUsize = AtomicUsize::new(0);
static FREE_MAX: AtomicUsize = AtomicUsize::new(0);
static SKIPPED: AtomicU32 = AtomicU32::new(0);
/// There may be memory here.
static USED: AtomicBool = AtomicBool::new(false);

struct Table {
    /// By address.
    segments: BTreeMap<usize, Born>,
    /// Freed, the oldest first.
    free: VecDeque<Born>,
    free_bytes: usize,
    /// So many of the oldest have been of no use since `trim` was called last.
    idle_count: usize,
    count_max: usize,
}

struct Born {
    area: Area,
    file: File,
    /// There are huge pages up to here.
    filled: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What is written to the memory is in the file.
    Own,
    /// What is written to the memory is not in the file, which may be read by others if it is sealed.
    Private { sealed: bool },
}

impl Table {
    const fn new() -> Self {
        Table {
            segments: BTreeMap::new(),
            free: VecDeque::new(),
            free_bytes: 0,
            idle_count: 0,
            count_max: 0,
        }
    }

    fn take_free(&mut self, capacity: usize) -> Option<Born> {
        let at = self
            .free
            .iter()
            .rposition(|born| born.area.len() == capacity)?;
        let born = self.free.remove(at)?;
        self.free_bytes -= born.filled;
        self.idle_count = self.idle_count.min(at);
        Some(born)
    }

    /// Keeps a segment for the next buffer; returns what is given up for it.
    fn keep_free(&mut self, born: Born, bytes_max: usize) -> Vec<Born> {
        let mut given_up = Vec::new();
        self.free_bytes += born.filled;
        self.free.push_back(born);
        while self.free_bytes > bytes_max {
            let Some(oldest) = self.free.pop_front() else {
                break;
            };
            self.free_bytes -= oldest.filled;
            given_up.push(oldest);
        }
        given_up
    }

    fn find(&mut self, address: usize, length: usize) -> Option<(usize, &mut Born)> {
        let (&base, born) = self.segments.range_mut(..=address).next_back()?;
        let start = address - base;
        (start + length <= born.area.len()).then_some((start, born))
    }
}

/// Nothing that is done with the table can be left half-done.
fn table() -> MutexGuard<'static, Table> {
    TABLE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// From now on large buffers of this process are born in segments. The process may take
/// `memory_bytes_max`; 0 is without limit.
pub(crate) fn begin(memory_bytes_max: u64) {
    static BEGUN: Once = Once::new();
    if super::FORBIDDEN.load(Ordering::Relaxed) {
        return;
    }
    BEGUN.call_once(|| {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let descriptors = limit.current.unwrap_or(u64::MAX) / 4;
        table().count_max = usize::try_from(descriptors)
            .unwrap_or(COUNT_MAX)
            .min(COUNT_MAX);
        super::forking::prepare();
    });
    let share = |part: u64, most: usize| match memory_bytes_max {
        0 => most,
        limit => usize::try_from(limit / part).unwrap_or(most).min(most),
    };
    FREE_MAX.store(share(16, FREE_BYTES_MAX), Ordering::Relaxed);
    USED.store(true, Ordering::Relaxed);
    BYTES_MAX.store(share(8, BORN_BYTES_MAX), Ordering::Relaxed);
}

/// Whether large buffers are born in segments.
pub fn is_on() -> bool {
    BYTES_MAX.load(Ordering::Relaxed) > 0
}

/// Memory for `length` bytes, zeros if asked for; `None` if it is to come from elsewhere.
pub fn try_allocate(length: usize, zeroed: bool) -> Option<NonNull<u8>> {
    if length < BORN_BYTES_MIN || length > BYTES_MAX.load(Ordering::Relaxed) {
        return None;
    }
    let capacity = capacity_of(length);
    let free = {
        let mut table = table();
        let free = table.take_free(capacity);
        if free.is_none() && table.segments.len() >= table.count_max {
            return None;
        }
        free
    };
    let born = match free {
        Some(mut born) => {
            if zeroed {
                // SAFETY: nobody has this memory, which is at least this long.
                unsafe { born.area.address().as_ptr().write_bytes(0, length) };
            }
            // Pages that cannot be huge come when they are touched.
            let _ = born.fill(length);
            born
        }
        None => Born::try_new(capacity, length)?,
    };
    let address = born.area.address();
    table().segments.insert(address.as_ptr().addr(), born);
    Some(address)
}

impl Born {
    fn try_new(capacity: usize, length: usize) -> Option<Born> {
        let waiting = |left: u32| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if SKIPPED.fetch_update(order, order, waiting).is_ok() {
            return None;
        }
        let made = create(capacity).and_then(|file| {
            let mut born = Born {
                area: Area::map(&file, capacity, Access::Write)?,
                file,
                filled: 0,
                state: State::Own,
            };
            born.fill(length)?;
            Ok(born)
        });
        match made {
            Ok(born) => Some(born),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                // This system knows no such pages.
                BYTES_MAX.store(0, Ordering::Relaxed);
                None
            }
            Err(_) => {
                SKIPPED.store(PATIENCE, Ordering::Relaxed);
                None
            }
        }
    }

    /// Sees to it that there are huge pages for `length` bytes, as far as these are full. The last
    /// bytes, if they are few, have small ones, which come when they are touched.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        let whole = self.area.len() / HUGE * HUGE;
        let end = length.saturating_sub(TAIL_BYTES_MAX).next_multiple_of(HUGE);
        let end = end.max(HUGE).min(whole);
        self.area.fill_with_huge_pages(self.filled, end)?;
        self.filled = self.filled.max(end);
        Ok(())
    }
}

/// Whether this memory, as it was allocated, is from here; it is freed then.
///
/// # Safety
/// Nobody uses the memory any more, if it is from here.
pub unsafe fn try_free(pointer: *mut u8) -> bool {
    if !may_be_born(pointer) {
        return false;
    }
    let mut table = table();
    let Some(born) = table.segments.remove(&pointer.addr()) else {
        return false;
    };
    let bytes_max = FREE_MAX.load(Ordering::Relaxed);
    let is_kept = born.state == State::Own && born.filled <= bytes_max;
    let given_up = match is_kept {
        true => table.keep_free(born, bytes_max),
        false => vec![born],
    };
    // Freeing pages takes time, during which others may allocate.
    drop(table);
    drop(given_up);
    true
}

/// How many bytes there are at this address, as it was allocated, if it is from here.
pub fn find_capacity(pointer: *mut u8) -> Option<usize> {
    if !may_be_born(pointer) {
        return None;
    }
    let table = table();
    Some(table.segments.get(&pointer.addr())?.area.len())
}

fn may_be_born(pointer: *mut u8) -> bool {
    USED.load(Ordering::Relaxed) && pointer.addr().is_multiple_of(HUGE) && !pointer.is_null()
}

/// Sizes are rounded up to an eighth of a power of two, so that freed memory fits again.
fn capacity_of(length: usize) -> usize {
    let step = length.next_power_of_two() / 8;
    length.next_multiple_of(step)
}

/// Gives back what is kept for the next buffers and has been of no use since the last call, or all.
pub(crate) fn trim(all: bool) {
    let given_up: Vec<Born> = {
        let mut table = table();
        let count = if all {
            table.free.len()
        } else {
            table.idle_count
        };
        let count = count.min(table.free.len());
        let given_up: Vec<Born> = table.free.drain(..count).collect();
        table.free_bytes -= given_up.iter().map(|born| born.filled).sum::<usize>();
        table.idle_count = table.free.len();
        given_up
    };
    drop(given_up);
}

/// Bytes of all segments, used and free, as far as there are pages.
pub(super) fn count_bytes() -> u64 {
    let table = table();
    let used: usize = table.segments.values().map(|born| born.filled).sum();
    (used + table.free_bytes) as u64
}

/// Whether these bytes could be lent as they are.
pub(super) fn is_lendable(address: usize, length: usize) -> bool {
    let mut table = table();
    let found = table.find(address, length);
    found.is_some_and(|(_, born)| !born.is_small_part(length) && born.shows_file(address, length))
}

/// Whether these bytes lie in a segment that is this process's.
pub(super) fn is_here(address: usize, length: usize) -> bool {
    table().find(address, length).is_some()
}

/// Where these bytes lie in a sealed segment, which it becomes if it is none yet. `None` if they do
/// not lie here, or are not what is in the segment any more.
pub(super) fn find_to_lend(address: usize, length: usize, is_for_long: bool) -> Option<Place> {
    let mut table = table();
    let (start, born) = table.find(address, length)?;
    if is_for_long && born.is_small_part(length) || !born.shows_file(address, length) {
        return None;
    }
    born.try_seal().ok()?;
    let metadata = born.file.metadata().ok()?;
    Some(Place {
        descriptor: born.file.as_raw_fd() as u32,
        device: metadata.dev(),
        inode: metadata.ino(),
        segment_bytes: born.area.len() as u64,
        start: start as u64,
    })
}

impl Born {
    /// It would keep the whole segment in memory for whoever has it.
    fn is_small_part(&self, length: usize) -> bool {
        length < self.filled / 2
    }

    /// Whether what is in memory is what is in the file.
    fn shows_file(&self, address: usize, length: usize) -> bool {
        self.state == State::Own || is_unchanged(address, length)
    }

    fn make_private(&mut self) -> io::Result<()> {
        if self.state == State::Own {
            self.area.remap(&self.file, Access::WritePrivately)?;
            self.state = State::Private { sealed: false };
        }
        Ok(())
    }

    fn try_seal(&mut self) -> io::Result<()> {
        self.make_private()?;
        if self.state == (State::Private { sealed: false }) {
            seal(&self.file)?;
            self.state = State::Private { sealed: true };
        }
        Ok(())
    }
}

/// The table while the process forks: no other thread changes it, and nothing that is written from
/// now on is seen by both processes.
pub(super) fn stop_sharing() -> Box<dyn Any> {
    let mut table = table();
    table.free.clear();
    table.free_bytes = 0;
    table.idle_count = 0;
    for born in table.segments.values_mut() {
        // Without memory for it the fork is about to fail as well.
        if born.state == State::Own && born.make_private().is_ok() {
            find_pages(born.area.address(), born.filled);
        }
    }
    Box::new(table)
}

/// In a process that is no worker.
pub(super) fn switch_off() {
    BYTES_MAX.store(0, Ordering::Relaxed);
}

#[cfg(test)]
#[path = "born_tests.rs"]
mod tests;
