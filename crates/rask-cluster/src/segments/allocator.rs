//! The allocator of a process whose large buffers may be born in segments.

use std::alloc::{GlobalAlloc, Layout};

use super::area::HUGE;
use super::born::{self, BORN_BYTES_MIN};

/// Leaves small buffers, and all where segments are not used, to another allocator.
pub struct SegmentAllocator<A>(pub A);

#[inline]
fn is_large(layout: Layout) -> bool {
    layout.size() >= BORN_BYTES_MIN && layout.align() <= HUGE
}

// SAFETY: memory of a size comes either from segments or from the other allocator, and goes back to
// where it came from. What a segment gives is at least as large and as aligned as asked for.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SegmentAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout)
            && let Some(born) = born::try_allocate(layout.size(), false)
        {
            return born.as_ptr();
        }
        // SAFETY: by the caller.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout)
            && let Some(born) = born::try_allocate(layout.size(), true)
        {
            return born.as_ptr();
        }
        // SAFETY: by the caller.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the caller.
        unsafe {
            if !is_large(layout) || !born::try_free(pointer) {
                self.0.dealloc(pointer, layout);
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the caller.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let capacity = match is_large(layout) {
            true => born::find_capacity(pointer),
            false => None,
        };
        match capacity {
            Some(capacity) if is_large(new) && (capacity / 2..=capacity).contains(&new_size) => {
                return pointer;
            }
            // SAFETY: by the caller; it is the other allocator's memory.
            None if !is_large(new) || !born::is_on() => {
                return unsafe { self.0.realloc(pointer, layout, new_size) };
            }
            _ => {}
        }
        // SAFETY: by the caller; both are as long as what is copied.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                let kept = layout.size().min(new_size);
                std::ptr::copy_nonoverlapping(pointer, moved, kept);
                self.dealloc(pointer, layout);
            }
            moved
        }
    }
}
