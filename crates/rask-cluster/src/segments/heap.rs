//! Memory for buffers of middle size that stays with the process.
//!
//! A page that the system has to find and clear costs far more than what is then written to it, all
//! the more where the system is a guest that has to ask its host for each. A shuffle makes and drops
//! buffers of all sizes from threads of all kinds, so what one thread frees has to be there for any
//! other at once, whatever its size. So this is one range of addresses in which free pages are joined
//! with their neighbours and taken again where they fit best.
//!
//! Pages that nobody has needed for a while go back to the system, but for a reserve, which is also
//! filled before it is needed, while the process has nothing to do.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::mm::{MapFlags, ProtFlags};

use super::area::{HUGE, page_size};

/// Smaller buffers are left to the allocator.
pub const HEAP_BYTES_MIN: usize = 16 << 10;
const PAGE: usize = 4096;
/// Most that is kept of what is free.
const FREE_BYTES_MAX: usize = 2 << 30;
/// Most that is kept however long nobody needs it.
const RESERVE_BYTES_MAX: usize = 64 << 20;
/// Addresses are reserved for so many times the memory that the process may take: what is in use
/// leaves gaps.
const ADDRESSES_FACTOR: usize = 4;
const ADDRESSES_MAX: usize = 1 << 42;
/// What is free is looked at so often before it is given back.
const IDLE_LOOKS: u32 = 5;
/// While all processors are busy, the reserve waits for so long before it goes on, and looks so often.
const BUSY_WAIT_MAX: Duration = Duration::from_millis(100);
const BUSY_LOOK: Duration = Duration::from_millis(10);
/// Most spans that are given back at a time. A list of more would be memory from here.
const SURPLUS_COUNT_MAX: usize = 256;

static HEAP: Mutex<Heap> = Mutex::new(Heap::new());
/// The range of addresses; empty while there is none.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

struct Heap {
    /// Nothing from here on has ever been used.
    top: usize,
    end: usize,
    /// Free, with pages.
    warm: Spans,
    /// Free, without pages.
    cold: Spans,
    free_bytes_max: usize,
    reserve_bytes: usize,
    /// The least that has been free since it was looked at first.
    idle_bytes: usize,
    looks: u32,
}

/// Ranges of addresses, none of which begins where another ends.
struct Spans {
    by_start: BTreeMap<usize, usize>,
    by_length: BTreeSet<(usize, usize)>,
    bytes: usize,
}

impl Spans {
    const fn new() -> Self {
        Spans {
            by_start: BTreeMap::new(),
            by_length: BTreeSet::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, mut start: usize, mut length: usize) {
        if length == 0 {
            return;
        }
        let before = self.by_start.range(..start).next_back();
        if let Some((&other, &bytes)) = before
            && other + bytes == start
        {
            self.remove(other, bytes);
            (start, length) = (other, bytes + length);
        }
        if let Some(&bytes) = self.by_start.get(&(start + length)) {
            self.remove(start + length, bytes);
            length += bytes;
        }
        self.by_start.insert(start, length);
        self.by_length.insert((length, start));
        self.bytes += length;
    }

    fn remove(&mut self, start: usize, length: usize) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
        self.bytes -= length;
    }

    /// Takes `length` bytes out of the smallest span that has them.
    fn take(&mut self, length: usize) -> Option<usize> {
        let &(found, start) = self.by_length.range((length, 0)..).next()?;
        self.remove(start, found);
        self.add(start + length, found - length);
        Some(start)
    }

    fn largest(&self) -> Option<(usize, usize)> {
        self.by_length
            .last()
            .map(|&(length, start)| (start, length))
    }
}

impl Heap {
    const fn new() -> Self {
        Heap {
            top: 0,
            end: 0,
            warm: Spans::new(),
            cold: Spans::new(),
            free_bytes_max: 0,
            reserve_bytes: 0,
            idle_bytes: 0,
            looks: 0,
        }
    }

    /// An address, and whether there are zeros.
    fn take(&mut self, length: usize) -> Option<(usize, bool)> {
        if let Some(start) = self.warm.take(length) {
            self.idle_bytes = self.idle_bytes.min(self.warm.bytes);
            return Some((start, false));
        }
        let start = self.cold.take(length).or_else(|| self.extend(length))?;
        Some((start, true))
    }

    fn extend(&mut self, length: usize) -> Option<usize> {
        let start = self.top;
        if length > self.end - start {
            return None;
        }
        self.top += length;
        Some(start)
    }

    /// Takes out free memory beyond `kept` bytes, to be given back to the system.
    fn take_surplus(&mut self, kept: usize, unit: usize) -> Vec<(usize, usize)> {
        let mut surplus = Vec::new();
        while self.warm.bytes > kept && surplus.len() < SURPLUS_COUNT_MAX {
            let Some((start, length)) = self.warm.largest() else {
                break;
            };
            let excess = (self.warm.bytes - kept).next_multiple_of(unit);
            let first = start.next_multiple_of(unit);
            let last = (start + length) / unit * unit;
            if first >= last {
                break;
            }
            // The end of the span: what is used begins at low addresses.
            let first = first.max(last.saturating_sub(excess));
            self.warm.remove(start, length);
            self.warm.add(start, first - start);
            self.warm.add(last, start + length - last);
            surplus.push((first, last - first));
        }
        self.idle_bytes = self.idle_bytes.min(self.warm.bytes);
        surplus
    }

    /// Takes out what has been free at every look for a while, but for the reserve.
    fn take_idle(&mut self) -> Vec<(usize, usize)> {
        self.looks += 1;
        if self.looks < IDLE_LOOKS {
            return Vec::new();
        }
        let given_up = self.idle_bytes.saturating_sub(self.reserve_bytes);
        let surplus = self.take_surplus(self.warm.bytes - given_up, HUGE);
        self.looks = 0;
        self.idle_bytes = self.warm.bytes;
        surplus
    }
}

/// Nothing that is done with the heap can be left half-done.
fn heap() -> MutexGuard<'static, Heap> {
    HEAP.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// From now on buffers of this process come from here. The process may take `memory_bytes_max`; 0
/// is all that there is.
pub(crate) fn begin(memory_bytes_max: u64) {
    let mut heap = heap();
    if heap.end > 0 || is_address_space_limited() {
        return;
    }
    let most = match usize::try_from(memory_bytes_max) {
        Ok(0) | Err(_) => system_bytes(),
        Ok(bytes) => bytes.min(system_bytes()),
    };
    let length = most.saturating_mul(ADDRESSES_FACTOR).min(ADDRESSES_MAX);
    let length = length.next_multiple_of(HUGE);
    let Some(start) = reserve_addresses(length) else {
        return;
    };
    (heap.top, heap.end) = (start, start + length);
    heap.free_bytes_max = (most / 16).min(FREE_BYTES_MAX);
    heap.reserve_bytes = (most / 128).min(RESERVE_BYTES_MAX);
    END.store(heap.end, Ordering::Relaxed);
    START.store(start, Ordering::Release);
}

/// All memory of the system.
fn system_bytes() -> usize {
    // SAFETY: asks the system for a number.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    usize::try_from(pages).map_or(1 << 30, |pages| pages.saturating_mul(page_size()))
}

/// Somebody has said how many addresses the process may use.
fn is_address_space_limited() -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As);
    limit.current.is_some()
}

/// Memory that costs nothing before it is used, at a multiple of a huge page.
fn reserve_addresses(length: usize) -> Option<usize> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address that the system chooses; it is never unmapped.
    let start = unsafe {
        rustix::mm::mmap_anonymous(std::ptr::null_mut(), length + HUGE, protection, flags).ok()?
    };
    let start = start.addr().next_multiple_of(HUGE);
    // SAFETY: inside the new mapping. Without huge pages it works as well.
    unsafe {
        libc::madvise(
            std::ptr::with_exposed_provenance_mut(start),
            length,
            libc::MADV_HUGEPAGE,
        )
    };
    Some(start)
}

fn pointer_to(start: usize) -> Option<NonNull<u8>> {
    NonNull::new(std::ptr::with_exposed_provenance_mut(start))
}

/// Whether buffers come from here.
pub(super) fn is_on() -> bool {
    START.load(Ordering::Relaxed) > 0
}

/// Memory of at least `length` bytes, zeros if asked for; `None` if it is to come from elsewhere.
pub(super) fn try_allocate(length: usize, align: usize, zeroed: bool) -> Option<NonNull<u8>> {
    if length < HEAP_BYTES_MIN || align > PAGE || !is_on() {
        return None;
    }
    let (start, is_zero) = heap().take(length.checked_next_multiple_of(PAGE)?)?;
    let pointer = pointer_to(start)?;
    if zeroed && !is_zero {
        // SAFETY: nobody else has this memory, which is at least this long.
        unsafe { pointer.as_ptr().write_bytes(0, length) };
    }
    Some(pointer)
}

/// Whether this memory is from here.
pub(super) fn contains(pointer: *mut u8) -> bool {
    let address = pointer.addr();
    address < END.load(Ordering::Relaxed) && {
        let start = START.load(Ordering::Relaxed);
        start > 0 && address >= start
    }
}

/// What a buffer of `length` bytes may grow to where it is.
pub(super) fn capacity_of(length: usize) -> usize {
    length.next_multiple_of(PAGE)
}

/// Takes memory back.
///
/// # Safety
/// It was allocated here with this length, and nobody uses it any more.
pub(super) unsafe fn free(pointer: *mut u8, length: usize) {
    let surplus = {
        let mut heap = heap();
        heap.warm.add(pointer.addr(), capacity_of(length));
        let most = heap.free_bytes_max;
        match heap.warm.bytes > most {
            // Some more, so that it does not happen with every buffer.
            true => heap.take_surplus(most - most / 8, HUGE),
            false => Vec::new(),
        }
    };
    give_back(surplus);
}

/// Gives pages back to the system; their addresses can be used again then.
fn give_back(surplus: Vec<(usize, usize)>) {
    if surplus.is_empty() {
        return;
    }
    for &(start, length) in &surplus {
        let address = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: these pages are free, and nobody can take them meanwhile.
        unsafe { libc::madvise(address, length, libc::MADV_DONTNEED) };
    }
    let mut heap = heap();
    for (start, length) in surplus {
        heap.cold.add(start, length);
    }
}

/// Gives back what has been free for a while, but for the reserve, or all that is free.
pub(crate) fn trim(all: bool) {
    if !all {
        let surplus = heap().take_idle();
        return give_back(surplus);
    }
    loop {
        let surplus = heap().take_surplus(0, PAGE);
        if surplus.is_empty() {
            return;
        }
        give_back(surplus);
    }
}

/// Fills the reserve with pages, on a thread of its own. That one may be waited for, by those who
/// need the heap or the system's books of addresses, so it is no less urgent than others; but it rests
/// as long as it works, and for longer where all processors are busy: a page of a fresh guest takes
/// its host so long that first tasks would take twice their time beside it.
pub(crate) fn prepare() {
    if !is_on() {
        return;
    }
    let fill = || {
        let mut begun = Instant::now();
        while fill_some() {
            std::thread::sleep(begun.elapsed());
            let wait_end = Instant::now() + BUSY_WAIT_MAX;
            while is_system_busy() && Instant::now() < wait_end {
                std::thread::sleep(BUSY_LOOK);
            }
            begun = Instant::now();
        }
    };
    let started = std::thread::Builder::new()
        .name("rask-reserve".to_owned())
        .spawn(fill);
    if let Err(error) = started {
        tracing::debug!(%error, "no memory is prepared");
    }
}

/// Whether there is something to run on every processor but for the calling thread.
fn is_system_busy() -> bool {
    let Ok(load) = std::fs::read_to_string("/proc/loadavg") else {
        return false;
    };
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    find_running_count(&load).is_some_and(|running| running > processors)
}

/// Threads that run or could run, as the system tells it.
fn find_running_count(load: &str) -> Option<usize> {
    let (running, _) = load.split_ascii_whitespace().nth(3)?.split_once('/')?;
    running.parse().ok()
}

/// Fills a huge page. `false` if the reserve is full, or in use.
fn fill_some() -> bool {
    let start = {
        let mut heap = heap();
        let used = heap.top - START.load(Ordering::Relaxed);
        match used < heap.reserve_bytes {
            true => heap
                .extend(HUGE - used % HUGE)
                .map(|start| (start, heap.top)),
            false => None,
        }
    };
    let Some((start, end)) = start else {
        return false;
    };
    let address = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: taken above, so nobody else has it.
    let status = unsafe { libc::madvise(address, end - start, libc::MADV_POPULATE_WRITE) };
    let mut heap = heap();
    match status {
        0 => heap.warm.add(start, end - start),
        _ => heap.cold.add(start, end - start),
    }
    status == 0
}

/// The heap while the process forks: no other thread changes it.
pub(super) fn hold() -> Box<dyn std::any::Any> {
    Box::new(heap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_the_smallest_that_fits_is_taken() {
        let mut spans = Spans::new();
        spans.add(100, 10);
        spans.add(130, 20);
        spans.add(200, 40);
        assert_eq!(spans.take(15), Some(130));
        assert_eq!((spans.take(5), spans.take(41)), (Some(145), None));
        spans.add(110, 90);
        assert_eq!(spans.largest(), Some((100, 140)));
        assert_eq!(spans.take(140), Some(100));
        assert_eq!((spans.bytes, spans.by_length.len()), (0, 0));
    }

    #[test]
    fn what_is_given_back_are_whole_units_and_enough() {
        let mut heap = Heap::new();
        heap.warm.add(1000, 10_000);
        heap.warm.add(50_000, 500);
        let surplus = heap.take_surplus(8_000, 1024);
        assert_eq!(surplus, [(7168, 3072)]);
        assert_eq!(heap.warm.bytes, 10_500 - 3072);
        let rest = heap.take_surplus(0, 1024);
        assert!(
            rest.iter()
                .all(|(start, length)| start % 1024 == 0 && length % 1024 == 0)
        );
        assert!(heap.warm.bytes < 3 * 1024);
    }

    #[test]
    fn the_system_tells_how_much_there_is_to_run() {
        assert_eq!(find_running_count("0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(find_running_count("0.20 0.18"), None);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap();
        assert!(find_running_count(&load).is_some_and(|count| count > 0));
    }

    #[test]
    fn memory_is_used_again_whoever_frees_it() {
        begin(1 << 30);
        let length = 300_000;
        let Some(first) = try_allocate(length, 64, true) else {
            return;
        };
        // SAFETY: as allocated, here and below.
        unsafe {
            assert!(
                std::slice::from_raw_parts(first.as_ptr(), length)
                    .iter()
                    .all(|b| *b == 0)
            );
            first.as_ptr().write_bytes(7, length);
        }
        assert!(contains(first.as_ptr()));
        let address = first.as_ptr().expose_provenance();
        let freed = std::thread::spawn(move || {
            // SAFETY: see above.
            unsafe { free(std::ptr::with_exposed_provenance_mut(address), length) };
        });
        freed.join().unwrap();
        let again = try_allocate(length, 64, true).unwrap();
        // SAFETY: see above.
        unsafe {
            assert!(
                std::slice::from_raw_parts(again.as_ptr(), length)
                    .iter()
                    .all(|b| *b == 0)
            );
            free(again.as_ptr(), length);
        }
        assert!(try_allocate(HEAP_BYTES_MIN - 1, 8, false).is_none());
        assert!(try_allocate(length, 2 * PAGE, false).is_none());
    }
}
