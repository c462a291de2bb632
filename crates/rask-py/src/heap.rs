//! The process's heap: mimalloc, with huge pages for data only.
//!
//! Left to itself, mimalloc asks the system for huge pages for all of its memory. Small objects of
//! many sizes and threads then touch a few bytes each of many stretches of 2 MiB, all of which the
//! system clears first: most of the time of a fresh cluster's first thousand tasks went there. Large
//! tables are filled once, from front to back, and cost more in huge pages too, wherever the system
//! has to search for them. The elements of large arrays and columns are read and written many
//! times; they are told by their alignment.

use std::alloc::{GlobalAlloc, Layout};
#[cfg(target_os = "linux")]
use std::ffi::{c_int, c_long};

use libmimalloc_sys as mimalloc;

/// Allocations of so many bytes hold a whole huge page wherever they begin.
const LARGE_BYTES_MIN: usize = 2 * HUGE;
const HUGE: usize = 2 << 20;
/// What mimalloc gives is aligned to this, and to no more than its size, without being asked.
const ALIGN: usize = 16;

/// Data is aligned to cache lines, or more.
const DATA_ALIGN: usize = 64;

/// mimalloc, with huge pages for data only.
pub struct Heap;

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn mi_process_init();
    fn mi_option_set_default(option: c_int, value: c_long);
}

/// `mi_option_allow_thp` of mimalloc 3.
#[cfg(target_os = "linux")]
const ALLOW_HUGE_PAGES: c_int = 43;

/// Runs when the module is loaded, before anything is allocated. A user's `MIMALLOC_ALLOW_THP` wins.
#[cfg(target_os = "linux")]
#[used]
// SAFETY: functions of this section are called once, by the loader, one after the other.
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = {
    extern "C" fn keep_small_pages() {
        // SAFETY: mimalloc may be initialised from any constructor. It must be by now: a process
        // that starts with this option has no huge pages anywhere, not even where it asks for them.
        unsafe {
            mi_process_init();
            mi_option_set_default(ALLOW_HUGE_PAGES, 0);
        }
    }
    keep_small_pages
};

/// Asks for huge pages for an allocation that has not been touched yet.
#[cfg(target_os = "linux")]
fn advise(pointer: *mut u8, length: usize) {
    let start = pointer.addr().next_multiple_of(HUGE);
    let end = (pointer.addr() + length) / HUGE * HUGE;
    if !pointer.is_null() && start < end {
        // SAFETY: whole pages inside of an allocation; what is in them does not change. A system
        // that refuses gives ordinary pages.
        unsafe {
            let inner = pointer.with_addr(start).cast();
            libc::madvise(inner, end - start, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize) {}

fn is_aligned_anyway(layout: Layout) -> bool {
    layout.align() <= ALIGN && layout.align() <= layout.size()
}

// SAFETY: all memory is mimalloc's, and goes back to it. Calls are made by callers who keep to the
// trait's conditions.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size, and a power of two.
        let new: *mut u8 = unsafe {
            match is_aligned_anyway(layout) {
                true => mimalloc::mi_malloc(size),
                false => mimalloc::mi_malloc_aligned(size, align),
            }
        }
        .cast();
        if size >= LARGE_BYTES_MIN && align >= DATA_ALIGN {
            advise(new, size);
        }
        new
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size, and a power of two.
        let new: *mut u8 = unsafe {
            match is_aligned_anyway(layout) {
                true => mimalloc::mi_zalloc(size),
                false => mimalloc::mi_zalloc_aligned(size, align),
            }
        }
        .cast();
        if size >= LARGE_BYTES_MIN && align >= DATA_ALIGN {
            advise(new, size);
        }
        new
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
        // SAFETY: it is mimalloc's.
        unsafe { mimalloc::mi_free(pointer.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        // SAFETY: it is mimalloc's; any size, and a power of two.
        unsafe {
            match align <= ALIGN && align <= size {
                true => mimalloc::mi_realloc(pointer.cast(), size),
                false => mimalloc::mi_realloc_aligned(pointer.cast(), size, align),
            }
        }
        .cast()
    }
}
