//! Buffers in shared memory, for processes of the same host.
//!
//! A segment is a file without a name (`memfd`), written once, then sealed, so that nobody can
//! change it or cut it off any more. Whoever is told of one opens it through the descriptors of a
//! process that has it open (`/proc/PROCESS/fd`), for which the kernel asks for the rights to read
//! that process's memory; it checks that what it got is the sealed file it was told of. A segment
//! goes with the last process that has it open or mapped, however that ends.
//!
//! * `area`: mapped memory, in huge pages where possible.
//! * `born`: buffers of a worker's process that lie in segments from the start.
//! * `heap`: smaller buffers of a worker's process.
//! * `mapping`: segments of others, and copies.
//! * `lending`: buffers of an answer that are lent instead of sent.

mod allocator;
mod area;
mod born;
mod forking;
mod heap;
mod lending;
mod mapping;
mod pages;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

pub use allocator::SegmentAllocator;
pub use born::{BORN_BYTES_MIN, find_capacity, is_on, try_allocate, try_free};
pub(crate) use lending::{lend, take_lent};
use mapping::seal;
pub(crate) use mapping::{Effort, View, is_in_segment, is_lendable, try_copy};

/// From now on large buffers of this process are born in segments, and smaller ones come from memory
/// that stays with it. The process may take `memory_bytes_max`; 0 is without limit.
pub(crate) fn begin(memory_bytes_max: u64) {
    born::begin(memory_bytes_max);
    heap::begin(memory_bytes_max);
}

/// Has some memory ready before it is needed.
pub(crate) fn prepare() {
    heap::prepare();
}

/// Finds the pages of bytes that were lent.
pub(crate) fn find_pages(bytes: &bytes::Bytes) {
    if let Some(address) = std::ptr::NonNull::new(bytes.as_ptr().cast_mut()) {
        area::find_pages(address, bytes.len());
    }
}

/// Gives back what is kept for the next buffers and has been of no use for a while, or all.
pub(crate) fn trim(all: bool) {
    born::trim(all);
    heap::trim(all);
}

/// Smaller buffers are copied through the socket.
pub(crate) const BUFFER_BYTES_MIN: usize = 1 << 20;

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Workers of this process share no memory with other processes, whatever they are told.
pub fn forbid() {
    FORBIDDEN.store(true, Ordering::Relaxed);
}

/// Bytes of segments that this process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentBytes {
    /// Mapped from processes of this host that have them as well, and count them.
    pub borrowed: u64,
    /// All others, with what is kept for buffers to come.
    pub own: u64,
}

/// How much there is now; asks the system about each segment of another process.
pub(crate) fn count_bytes() -> SegmentBytes {
    let (borrowed, own) = mapping::count_bytes();
    SegmentBytes {
        borrowed,
        own: own + born::count_bytes(),
    }
}

/// What processes have in common that can map each other's segments: a kernel that has not been
/// started again, the numbers of processes, and a network (what is given another network is meant
/// to be another host). Empty where this cannot be found out.
pub(crate) fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    if FORBIDDEN.load(Ordering::Relaxed) {
        return "";
    }
    HOST.get_or_init(|| find_host().unwrap_or_default())
}

fn find_host() -> std::io::Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let processes = std::fs::read_link("/proc/self/ns/pid")?;
    let network = std::fs::read_link("/proc/self/ns/net")?;
    let user = rustix::process::geteuid().as_raw();
    Ok(format!(
        "{} {} {} {user}",
        boot.trim(),
        processes.display(),
        network.display()
    ))
}
