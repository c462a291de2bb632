//! Hints to the processor: something will be needed soon.

/// Asks for the line of memory in which `item` begins; nothing waits for it.
#[inline(always)]
pub(crate) fn prefetch<T>(item: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program sees, and faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = item;
}

/// Asks for the first `count` lines of memory of `item`, of a type that begins with a line.
#[inline(always)]
pub(crate) fn prefetch_lines<T>(item: &T, count: usize) {
    const LINE: usize = 64;
    const { assert!(align_of::<T>() >= LINE) };
    let first: *const u8 = std::ptr::from_ref(item).cast();
    for line in 0..count.min(size_of::<T>() / LINE) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: as above; the line is within the item.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(line * LINE).cast()) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (first, line);
    }
}
