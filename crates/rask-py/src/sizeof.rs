//! How many bytes a Python object holds: exact for buffers, sampled for containers.

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyNone, PySet,
    PyString, PyTuple,
};

/// Objects looked at in a container; the rest are taken to be like them.
const SAMPLE: usize = 10;
/// Containers inside containers that are looked into.
const DEPTH: usize = 4;
/// A small object: header and a word or two.
const SMALL_BYTES: u64 = 32;

/// Bytes of memory that go away with `object`, estimated.
pub fn sizeof(object: &Bound<'_, PyAny>) -> u64 {
    sizeof_within(object, DEPTH)
}

fn sizeof_within(object: &Bound<'_, PyAny>, depth: usize) -> u64 {
    if is_plain_scalar(object) {
        return SMALL_BYTES;
    }
    if let Ok(text) = object.cast_exact::<PyString>() {
        return 49 + text.len().unwrap_or(0) as u64;
    }
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return 33 + bytes.as_bytes().len() as u64;
    }
    if let Ok(bytes) = object.cast_exact::<PyByteArray>() {
        return 57 + bytes.len() as u64;
    }
    sizeof_container(object, depth).unwrap_or_else(|| sizeof_foreign(object))
}

fn is_plain_scalar(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyNone>()
        || object.is_exact_instance_of::<PyBool>()
}

fn sizeof_container(object: &Bound<'_, PyAny>, depth: usize) -> Option<u64> {
    if let Ok(list) = object.cast_exact::<PyList>() {
        return Some(56 + sampled(list.len(), 8, depth, list.iter()));
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        return Some(40 + sampled(tuple.len(), 8, depth, tuple.iter()));
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        let items = dict
            .iter()
            .take(SAMPLE)
            .flat_map(|(key, value)| [key, value]);
        let count = 2 * dict.len();
        return Some(64 + sampled(count, 24, depth, items.collect::<Vec<_>>().into_iter()));
    }
    if let Ok(set) = object.cast_exact::<PySet>() {
        return Some(216 + sampled(set.len(), 16, depth, set.iter()));
    }
    if let Ok(set) = object.cast_exact::<PyFrozenSet>() {
        return Some(216 + sampled(set.len(), 16, depth, set.iter()));
    }
    None
}

fn sampled<'py>(
    count: usize,
    slot_bytes: u64,
    depth: usize,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
) -> u64 {
    let slots = count as u64 * slot_bytes;
    if depth == 0 || count == 0 {
        return slots;
    }
    let (mut seen, mut bytes) = (0_u64, 0_u64);
    for item in items.take(2 * SAMPLE) {
        seen += 1;
        bytes += sizeof_within(&item, depth - 1);
    }
    slots + bytes * count as u64 / seen.max(1)
}

/// Objects of other types: `nbytes` where there is one (NumPy, Arrow, CuPy), pandas' own count,
/// and `sys.getsizeof` for the rest.
fn sizeof_foreign(object: &Bound<'_, PyAny>) -> u64 {
    let py = object.py();
    let helper = py
        .import(pyo3::intern!(py, "rask.sizeof"))
        .and_then(|module| module.getattr(pyo3::intern!(py, "sizeof_foreign")));
    helper
        .and_then(|function| function.call1((object,)))
        .and_then(|size| size.extract::<u64>())
        .unwrap_or(SMALL_BYTES)
}

/// Views of views that are followed to the array that has the memory.
const VIEWS_MAX: usize = 16;

/// Address and bytes of the memory of a NumPy array, or of the one that it looks into, if it is
/// large: a small view keeps all of it.
pub fn find_buffer(object: &Bound<'_, PyAny>) -> Option<(u64, u64)> {
    let is_array = |object: &Bound<'_, PyAny>| {
        let name = object.get_type().name();
        name.is_ok_and(|name| name == "ndarray")
    };
    // The name of a type costs more than to compare it with those of most results.
    if is_plain_scalar(object) || !is_array(object) {
        return None;
    }
    let py = object.py();
    let mut owner = object.clone();
    for _ in 0..VIEWS_MAX {
        let base = owner.getattr(pyo3::intern!(py, "base")).ok()?;
        if !is_array(&base) {
            break;
        }
        owner = base;
    }
    let nbytes = owner.getattr(pyo3::intern!(py, "nbytes")).ok()?;
    let nbytes = nbytes.extract::<u64>().ok()?;
    if nbytes < rask_value::SHARED_BYTES_MIN {
        return None;
    }
    let interface = owner
        .getattr(pyo3::intern!(py, "__array_interface__"))
        .ok()?;
    let data = interface.get_item(pyo3::intern!(py, "data")).ok()?;
    let (address, _): (u64, bool) = data.extract().ok()?;
    Some((address, nbytes))
}
