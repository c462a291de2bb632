//! Hashes for tokens.

use pyo3::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

/// Buffers from here on are hashed without the interpreter.
const DETACH_BYTES_MIN: usize = 1 << 20;

/// The 128-bit hash of a contiguous buffer, 32 hexadecimal digits.
#[pyfunction]
fn hash_bytes(py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<String> {
    let bytes = crate::buffers::bytes_of(buffer)?;
    let hash = if bytes.len() < DETACH_BYTES_MIN {
        xxh3_128(&bytes)
    } else {
        py.detach(|| xxh3_128(&bytes))
    };
    Ok(format!("{hash:032x}"))
}

/// Adds hashing to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(hash_bytes, module)?)
}
