//! Memory for small things that a thread has ready before it needs it.
//!
//! A page that is new to a process has to be found and cleared, and a guest system may have to ask its
//! host for it: 9 µs where a call of a function on a cluster takes ten. The first thousand calls
//! touched a thousand such pages. So threads take some blocks of the usual sizes when they start, and
//! give them back to their part of the allocator.

/// Sizes of blocks, as allocators round them up.
const SIZES: [usize; 20] = [
    16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024,
];
/// Of each size so many bytes are taken, and of those from `LARGE` on, which fill pages sooner.
const BYTES_EACH: usize = 16 << 10;
const LARGE: usize = 384;
const LARGE_BYTES_EACH: usize = 32 << 10;

/// Has the calling thread's part of the allocator touch memory: 432 KiB.
pub(crate) fn fill() {
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(BYTES_EACH / SIZES[0]);
    for size in SIZES {
        let nbytes = match size < LARGE {
            true => BYTES_EACH,
            false => LARGE_BYTES_EACH,
        };
        blocks.extend((0..nbytes / size).map(|_| Vec::with_capacity(size)));
        std::hint::black_box(&blocks);
        blocks.clear();
    }
}
