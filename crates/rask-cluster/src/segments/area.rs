//! Memory that shows a segment's file.
//!
//! Pages of such files come four kibibytes at a time, at two microseconds each, where the system has
//! not been told otherwise. Collapsed into huge pages they cost no more than other memory, and a
//! process that maps them has few pages to find.

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use rustix::fs::MemfdFlags;
use rustix::mm::{MapFlags, ProtFlags};

/// A huge page.
pub(super) const HUGE: usize = 2 << 20;
/// What segments are called where the system lists them.
pub(super) const NAME: &str = "rask";

/// How the memory of a file may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Written to without the file being changed.
    WritePrivately,
}

impl Access {
    fn flags(self) -> (ProtFlags, MapFlags) {
        let both = ProtFlags::READ | ProtFlags::WRITE;
        match self {
            Access::Read => (ProtFlags::READ, MapFlags::SHARED),
            Access::Write => (both, MapFlags::SHARED),
            // Memory is taken for what is written to only.
            Access::WritePrivately => (both, MapFlags::PRIVATE | MapFlags::NORESERVE),
        }
    }
}

/// Mapped memory. What it may be used for depends on how it was mapped last.
#[derive(Debug)]
pub(super) struct Area {
    address: NonNull<u8>,
    length: usize,
}

// SAFETY: an area is an address range; what may be done with the memory is for its users to say.
unsafe impl Send for Area {}
// SAFETY: as above.
unsafe impl Sync for Area {}

impl Area {
    /// The first `length` bytes of a file, at an address where huge pages are possible.
    pub fn map(file: &File, length: usize, access: Access) -> io::Result<Area> {
        if length == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let reserved = length.next_multiple_of(HUGE) + HUGE;
        let none = ProtFlags::empty();
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address that the system chooses.
        let start =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), reserved, none, flags)? };
        let start = start.cast::<u8>();
        let before = start.align_offset(HUGE);
        let kept = length.next_multiple_of(page_size());
        let address = start.wrapping_add(before);
        let end = address.wrapping_add(kept);
        // SAFETY: the parts before and after are in what was reserved, and nobody has them.
        unsafe {
            unmap(start, before);
            unmap(end, reserved - before - kept);
        }
        let area = Area {
            address: NonNull::new(address).ok_or(io::ErrorKind::OutOfMemory)?,
            length,
        };
        area.remap(file, access)?;
        Ok(area)
    }

    /// The same addresses, of the same file, to be used in another way.
    pub fn remap(&self, file: &File, access: Access) -> io::Result<()> {
        let (protection, flags) = access.flags();
        let address = self.address.as_ptr().cast();
        // SAFETY: replaces a mapping that this area owns. Threads that read it meanwhile wait in the
        // system and see the file's contents before and after.
        unsafe {
            rustix::mm::mmap(
                address,
                self.length,
                protection,
                flags | MapFlags::FIXED,
                file,
                0,
            )?;
        }
        Ok(())
    }

    /// Zeros, in huge pages, for the pages from `from` to `to` that nobody has written to. Both are
    /// multiples of a huge page; the area can be written to.
    pub fn fill_with_huge_pages(&self, from: usize, to: usize) -> io::Result<()> {
        if from >= to {
            return Ok(());
        }
        for offset in (from..to).step_by(HUGE) {
            // A huge page in which there is nothing yet is not collapsed.
            // SAFETY: inside the area, which can be written to and is not in use there.
            unsafe { self.address.as_ptr().add(offset).write_volatile(0) };
        }
        // SAFETY: inside the area; collapsing changes no contents.
        let status = unsafe {
            let start = self.address.as_ptr().add(from).cast();
            libc::madvise(start, to - from, libc::MADV_COLLAPSE)
        };
        match status {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn address(&self) -> NonNull<u8> {
        self.address
    }

    pub fn len(&self) -> usize {
        self.length
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: the area owns its addresses.
        unsafe {
            unmap(
                self.address.as_ptr(),
                self.length.next_multiple_of(page_size()),
            )
        };
    }
}

/// # Safety
/// Nobody uses the memory any more.
unsafe fn unmap(address: *mut u8, length: usize) {
    if length > 0 {
        // SAFETY: by the caller. It can fail for addresses only that are no multiples of a page.
        let _ = unsafe { rustix::mm::munmap(address.cast(), length) };
    }
}

/// Maps pages of a file that this process shows at once, so that they count as its own. Pages that are
/// not found come later.
pub(super) fn find_pages(address: NonNull<u8>, length: usize) {
    let start = address
        .as_ptr()
        .map_addr(|address| address / page_size() * page_size());
    let length = length + (address.as_ptr().addr() - start.addr());
    // SAFETY: no contents are changed, and addresses at which nothing is are refused by the system.
    unsafe { libc::madvise(start.cast(), length, libc::MADV_POPULATE_READ) };
}

pub(super) fn page_size() -> usize {
    // SAFETY: asks the system for a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// A file without a name, of `length` zeros, that can be sealed.
pub(super) fn create(length: usize) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create(NAME, flags)?);
    file.set_len(length as u64)?;
    Ok(file)
}
