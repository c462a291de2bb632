//! Names of calls.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use rask_value::Frames;
use xxhash_rust::xxh3::Xxh3;

use super::future::PyFuture;
use super::payload::PyPayload;

/// The name of a call that is for itself, unlike that of any other of any process.
pub(super) fn fresh_name(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PROCESS: LazyLock<u64> = LazyLock::new(random_bits);
    // Also different in processes that were forked from this one.
    let process = PROCESS.rotate_left(32) ^ u64::from(std::process::id());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = String::with_capacity(prefix.len() + 33);
    name.push_str(prefix);
    name.push('-');
    push_hex(&mut name, process);
    push_hex(&mut name, number);
    name
}

/// Sixteen digits.
fn push_hex(name: &mut String, number: u64) {
    let digits = (0..16).rev().map(|at| (number >> (4 * at)) as u8 & 15);
    name.extend(digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
}

fn random_bits() -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&rask_wire::random_id());
    hasher.digest()
}

/// The name of a call that equal calls have too (XXH3, 128 bits): of what is pickled, of the futures
/// among the arguments, and of where they stand (empty if what is pickled says so).
pub(super) fn equal_name<'a>(
    prefix: &str,
    places: &[bool],
    pickled: impl IntoIterator<Item = &'a Frames>,
    futures: &[Bound<'_, PyFuture>],
) -> String {
    let mut hasher = Xxh3::new();
    for &place in places {
        hasher.update(&[u8::from(place)]);
    }
    for frames in pickled {
        hasher.update(&frames.nbytes().to_le_bytes());
        hasher.update(&frames.header);
        for buffer in &frames.buffers {
            hasher.update(buffer);
        }
    }
    for future in futures {
        hasher.update(future.get().name.as_bytes());
        hasher.update(&future.get().block.1.to_le_bytes());
    }
    format!("{prefix}-{:032x}", hasher.digest128())
}

/// The name of a layer of calls: equal for equal calls if `pure`.
#[pyfunction]
pub fn call_name(
    prefix: &str,
    payloads: Vec<Bound<'_, PyPayload>>,
    futures: Vec<Bound<'_, PyFuture>>,
    pure: bool,
) -> String {
    match pure {
        true => {
            let pickled = payloads.iter().map(|payload| &payload.get().frames);
            equal_name(prefix, &[], pickled, &futures)
        }
        false => fresh_name(prefix),
    }
}
