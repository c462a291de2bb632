//! Every kept input through its target: no panic, and no more memory than the input warrants.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rask_fuzz::{TARGETS, corpus};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(
            HELD.fetch_add(layout.size(), Relaxed) + layout.size(),
            Relaxed,
        );
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory that an input of `length` bytes may take.
fn allowed_bytes(length: usize) -> usize {
    (16 << 20) + 4096 * length
}

#[test]
fn kept_inputs_do_no_harm() {
    for (name, run) in TARGETS {
        let inputs = corpus::read(&corpus::path_of(name)).expect("every target has a corpus");
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for (number, input) in inputs.iter().enumerate() {
            // Once for what is made only once.
            run(input);
            let before = HELD.load(Relaxed);
            PEAK.store(before, Relaxed);
            run(input);
            let taken = PEAK.load(Relaxed).saturating_sub(before);
            let allowed = allowed_bytes(input.len());
            assert!(
                taken <= allowed,
                "input {number} of {name} took {taken} bytes, {allowed} would be fair"
            );
        }
    }
}

/// Inputs of each target; `RASK_FUZZ_INPUTS` asks for more.
const INPUTS: u64 = 300;

#[test]
fn random_inputs_do_no_harm() {
    let wanted = std::env::var("RASK_FUZZ_INPUTS").ok();
    let count = wanted.map_or(INPUTS, |text| text.parse().expect("a number"));
    for (name, run) in TARGETS {
        for seed in 1..=count {
            let input = random_input(seed);
            if std::panic::catch_unwind(|| run(&input)).is_err() {
                panic!("input {seed} of {name} does harm: {input:?}");
            }
        }
    }
}

/// Mostly short, mostly of small numbers.
fn random_input(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let length = next() % (1 << (4 + next() % 8));
    let small = next() % 4 > 0;
    let byte = |number: u64| match small && !number.is_multiple_of(8) {
        true => (number >> 32) as u8 % 32,
        false => (number >> 32) as u8,
    };
    (0..length).map(|_| byte(next())).collect()
}
