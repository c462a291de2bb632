//! The allocator of a process whose large buffers may be born in segments.

use std::alloc::{GlobalAlloc, Layout};

use super::area::HUGE;
use super::born::{self, BORN_BYTES_MIN};
use super::heap::{self, HEAP_BYTES_MIN};

/// Leaves small buffers, and all in processes that are no workers, to another allocator. Large ones
/// come from segments, those between from the process's own heap.
pub struct SegmentAllocator<A>(pub A);

#[inline]
fn is_large(layout: Layout) -> bool {
    layout.size() >= BORN_BYTES_MIN && layout.align() <= HUGE
}

fn is_middle(layout: Layout) -> bool {
    layout.size() >= HEAP_BYTES_MIN
}

fn try_allocate(layout: Layout, zeroed: bool) -> Option<*mut u8> {
    if !is_middle(layout) {
        return None;
    }
    let born = match is_large(layout) {
        true => born::try_allocate(layout.size(), zeroed),
        false => None,
    };
    let found = born.or_else(|| heap::try_allocate(layout.size(), layout.align(), zeroed));
    found.map(|pointer| pointer.as_ptr())
}

/// Whose memory this is, and how long a buffer may become in it.
enum Owner {
    Segment { capacity: usize },
    Heap { capacity: usize },
    Other,
}

fn owner_of(pointer: *mut u8, layout: Layout) -> Owner {
    if !is_middle(layout) {
        return Owner::Other;
    }
    if heap::contains(pointer) {
        let capacity = heap::capacity_of(layout.size());
        return Owner::Heap { capacity };
    }
    let capacity = match is_large(layout) {
        true => born::find_capacity(pointer),
        false => None,
    };
    match capacity {
        Some(capacity) => Owner::Segment { capacity },
        None => Owner::Other,
    }
}

// SAFETY: memory of a size comes from segments, the heap or the other allocator, and goes back to
// where it came from. What the first two give is at least as large and as aligned as asked for.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SegmentAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller.
        try_allocate(layout, false).unwrap_or_else(|| unsafe { self.0.alloc(layout) })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller.
        try_allocate(layout, true).unwrap_or_else(|| unsafe { self.0.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the caller; it is whose memory it is.
        unsafe {
            if is_middle(layout) && heap::contains(pointer) {
                heap::free(pointer, layout.size());
            } else if !is_large(layout) || !born::try_free(pointer) {
                self.0.dealloc(pointer, layout);
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the caller.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match owner_of(pointer, layout) {
            Owner::Segment { capacity }
                if is_large(new) && (capacity / 2..=capacity).contains(&new_size) =>
            {
                return pointer;
            }
            // The length that it is freed with says how much is freed.
            Owner::Heap { capacity }
                if is_middle(new) && heap::capacity_of(new_size) == capacity =>
            {
                return pointer;
            }
            // SAFETY: by the caller; it is the other allocator's memory.
            Owner::Other if !is_middle(new) || !(heap::is_on() || born::is_on()) => {
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
