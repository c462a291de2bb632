//! Memory of arrays: our own, aligned and recycled, or somebody else's, kept alive.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

pub use pool::recycle_below;

/// Alignment of every buffer that Rask allocates: a cache line, and an AVX-512 register.
pub const ALIGNMENT: usize = 64;

/// A block of memory. Buffers that Rask allocated can be written to while unshared; foreign ones
/// never are.
pub struct Buffer {
    pointer: NonNull<u8>,
    length: usize,
    owner: Owner,
}

enum Owner {
    /// Allocated with this capacity; goes back to the pool or the allocator.
    Rask { capacity: usize },
    /// Kept alive by somebody else's handle.
    Foreign { keep: Arc<dyn Any + Send + Sync> },
}

// SAFETY: the memory is plain bytes. A foreign owner is `Send + Sync`, and foreign memory is only
// read; memory of our own is written through `&mut` only.
unsafe impl Send for Buffer {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Memory of `length` bytes whose contents are whatever was there. Every byte is initialised
    /// memory of this process (recycled or zeroed pages), but callers must overwrite all of it.
    pub fn new(length: usize) -> Buffer {
        let capacity = pool::capacity_of(length);
        let pointer = pool::take(capacity).unwrap_or_else(|| allocate(capacity, false));
        Buffer {
            pointer,
            length,
            owner: Owner::Rask { capacity },
        }
    }

    /// Memory of `length` zero bytes; large ones come zeroed from the system at no cost.
    pub fn zeroed(length: usize) -> Buffer {
        let capacity = pool::capacity_of(length);
        Buffer {
            pointer: allocate(capacity, true),
            length,
            owner: Owner::Rask { capacity },
        }
    }

    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::new(bytes.len());
        buffer
            .as_mut_slice()
            .expect("a new buffer is ours")
            .copy_from_slice(bytes);
        buffer
    }

    /// Memory that stays valid and unchanged for as long as `keep` lives.
    ///
    /// # Safety
    /// `pointer` must be valid for reads of `length` bytes while `keep` is alive, and nobody may
    /// write to those bytes while this buffer is read.
    pub unsafe fn foreign(
        pointer: *const u8,
        length: usize,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Buffer {
        let pointer = NonNull::new(pointer.cast_mut()).unwrap_or(NonNull::dangling());
        Buffer {
            pointer,
            length,
            owner: Owner::Foreign { keep },
        }
    }

    /// A view of reference-counted bytes, without a copy.
    pub fn from_bytes(bytes: Bytes) -> Buffer {
        let (pointer, length) = (bytes.as_ptr(), bytes.len());
        // SAFETY: `Bytes` keeps its memory valid and unchanged, and does not move it when moved.
        unsafe { Buffer::foreign(pointer, length, Arc::new(bytes)) }
    }

    /// A view of bytes that nobody else has.
    ///
    /// # Safety
    /// The memory can be written to, and nobody else reads or writes it.
    pub unsafe fn from_own_bytes(bytes: Bytes) -> Buffer {
        let (pointer, length) = (bytes.as_ptr(), bytes.len());
        // SAFETY: by the caller; `OwnBytes` keeps the memory valid.
        unsafe { Buffer::foreign(pointer, length, Arc::new(OwnBytes(bytes))) }
    }

    /// Whether the memory may be written to by whoever has the only reference to this buffer.
    pub fn is_writable(&self) -> bool {
        self.is_ours() || self.find_keeper::<OwnBytes>().is_some()
    }

    /// What keeps foreign memory alive, if it is of this type.
    pub fn find_keeper<T: Any + Send + Sync>(&self) -> Option<&T> {
        match &self.owner {
            Owner::Rask { .. } => None,
            Owner::Foreign { keep } => keep.downcast_ref(),
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether Rask allocated this memory, so that it may be written to while unshared.
    pub fn is_ours(&self) -> bool {
        matches!(self.owner, Owner::Rask { .. })
    }

    /// The address of the first byte.
    pub fn as_ptr(&self) -> *const u8 {
        self.pointer.as_ptr()
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: valid for `length` bytes by construction; dangling only when empty.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.length) }
    }

    /// The bytes, to write to; `None` for foreign memory.
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        if !self.is_ours() {
            return None;
        }
        // SAFETY: ours, valid for `length` bytes, and `&mut self` makes the access unique.
        Some(unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.length) })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Owner::Rask { capacity } = self.owner
            && !pool::give(self.pointer, capacity)
        {
            release(self.pointer, capacity);
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.length)
    }
}

/// Memory that nobody else has.
struct OwnBytes(#[expect(dead_code, reason = "keeps the memory")] Bytes);

/// A view of a shared buffer as reference-counted bytes.
pub(crate) struct SharedBuffer(pub Arc<Buffer>);

impl AsRef<[u8]> for SharedBuffer {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(capacity.max(ALIGNMENT), ALIGNMENT)
        .expect("an array's size in bytes fits in an isize")
}

fn allocate(capacity: usize, zeroed: bool) -> NonNull<u8> {
    let layout = layout(capacity);
    // SAFETY: the layout's size is not zero.
    let pointer = unsafe {
        if zeroed {
            alloc_zeroed(layout)
        } else {
            alloc(layout)
        }
    };
    NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(layout))
}

fn release(pointer: NonNull<u8>, capacity: usize) {
    // SAFETY: allocated by `allocate` with the same capacity.
    unsafe { dealloc(pointer.as_ptr(), layout(capacity)) }
}

/// Keeps at most this much memory of arrays that are gone for the next ones, here and in all of the
/// process. What was kept beyond that goes back to the system. Raising it again does nothing.
pub fn limit_recycled_memory(bytes_max: usize) {
    pool::limit(bytes_max);
}

/// Recycled memory by size class. A fresh page costs microseconds to touch for the first time, so
/// chunks of equal size that come and go are worth keeping.
mod pool {
    use super::{AtomicUsize, Mutex, NonNull, Ordering, release};

    static LENGTH_MAX: AtomicUsize = AtomicUsize::new(usize::MAX);

    /// From now on memory of `length` bytes and more goes back to the allocator, which knows better
    /// what to do with it.
    pub fn recycle_below(length: usize) {
        LENGTH_MAX.store(length, Ordering::Relaxed);
    }

    /// Smaller ones are left to the allocator.
    const SMALLEST: usize = 64 << 10;
    /// Larger ones go back to the system.
    const LARGEST: usize = 64 << 20;
    /// At most this much is kept, unless less is asked for.
    const BYTES_KEPT: usize = 256 << 20;
    const CLASSES: usize = 64;

    struct Free(Vec<NonNull<u8>>);
    // SAFETY: the pointers are to unowned memory; whoever takes one out owns it.
    unsafe impl Send for Free {}

    static FREE: [Mutex<Free>; CLASSES] = [const { Mutex::new(Free(Vec::new())) }; CLASSES];
    static BYTES: AtomicUsize = AtomicUsize::new(0);
    static BYTES_MAX: AtomicUsize = AtomicUsize::new(BYTES_KEPT);

    pub fn limit(bytes_max: usize) {
        let bytes_max = BYTES_MAX
            .fetch_min(bytes_max, Ordering::Relaxed)
            .min(bytes_max);
        for (class, free) in FREE.iter().enumerate() {
            while BYTES.load(Ordering::Relaxed) > bytes_max {
                let Some(pointer) = free.lock().0.pop() else {
                    break;
                };
                let capacity = capacity_in(class);
                BYTES.fetch_sub(capacity, Ordering::Relaxed);
                release(pointer, capacity);
            }
        }
    }

    /// Sizes in the pooled range are rounded up to a quarter of a power of two.
    pub fn capacity_of(length: usize) -> usize {
        if !(SMALLEST..=LARGEST).contains(&length) {
            return length;
        }
        let step = length.next_power_of_two() / 8;
        length.div_ceil(step) * step
    }

    fn class_of(capacity: usize) -> Option<usize> {
        if !(SMALLEST..=LARGEST).contains(&capacity) {
            return None;
        }
        let power = capacity.next_power_of_two();
        let eighths = capacity * 8 / power;
        let octave = (power.trailing_zeros() - SMALLEST.trailing_zeros()) as usize;
        Some(octave * 4 + (8 - eighths))
    }

    /// The size of a class.
    fn capacity_in(class: usize) -> usize {
        (SMALLEST << (class / 4)) / 8 * (8 - class % 4)
    }

    pub fn take(capacity: usize) -> Option<NonNull<u8>> {
        let pointer = FREE[class_of(capacity)?].lock().0.pop()?;
        BYTES.fetch_sub(capacity, Ordering::Relaxed);
        Some(pointer)
    }

    pub fn give(pointer: NonNull<u8>, capacity: usize) -> bool {
        let Some(class) = class_of(capacity) else {
            return false;
        };
        if capacity >= LENGTH_MAX.load(Ordering::Relaxed) {
            return false;
        }
        let bytes_max = BYTES_MAX.load(Ordering::Relaxed);
        if BYTES.fetch_add(capacity, Ordering::Relaxed) + capacity > bytes_max {
            BYTES.fetch_sub(capacity, Ordering::Relaxed);
            return false;
        }
        FREE[class].lock().0.push(pointer);
        true
    }

    #[cfg(test)]
    mod tests {
        use super::{LARGEST, SMALLEST, capacity_in, capacity_of, class_of};

        #[test]
        fn classes_are_distinct_and_capacities_stable() {
            let mut seen = std::collections::HashMap::new();
            let mut length = SMALLEST;
            while length <= LARGEST {
                let capacity = capacity_of(length);
                assert!(capacity >= length && capacity_of(capacity) == capacity);
                let class = class_of(capacity).expect("pooled");
                assert_eq!(*seen.entry(class).or_insert(capacity), capacity);
                assert_eq!(capacity_in(class), capacity);
                length += length / 13 + 1;
            }
        }
    }
}
