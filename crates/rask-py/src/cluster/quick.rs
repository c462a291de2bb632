//! Single calls whose arguments are futures and plain objects, the commonest there are: made ready
//! without a detour through Python.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};
use rask_cluster::pack;
use rask_proto::{LayerSpec, RefColumns};
use rask_value::Frames;
use xxhash_rust::xxh3::Xxh3;

use super::call::{self, Filling};
use super::client::{PyClusterClient, options_of, origin_of, reference_layers};
use super::future::PyFuture;
use crate::object::dumps;

/// Arguments of a call, sorted.
struct Sorted<'py> {
    futures: Vec<Bound<'py, PyFuture>>,
    plain: Vec<Bound<'py, PyAny>>,
    places: Vec<bool>,
}

impl<'py> Sorted<'py> {
    /// `None` if some are containers, which may hold futures.
    fn find(arguments: &Bound<'py, PyTuple>) -> Option<Self> {
        let mut sorted = Sorted {
            futures: Vec::new(),
            plain: Vec::new(),
            places: Vec::with_capacity(arguments.len()),
        };
        for argument in arguments.iter_borrowed() {
            if let Ok(future) = argument.cast::<PyFuture>() {
                sorted.futures.push(future.to_owned());
                sorted.places.push(true);
                continue;
            }
            let is_container = argument.is_instance_of::<PyTuple>()
                || argument.is_instance_of::<PyList>()
                || argument.is_instance_of::<PyDict>()
                || argument.is_instance_of::<PySet>()
                || argument.is_instance_of::<PyFrozenSet>();
            if is_container {
                return None;
            }
            sorted.plain.push(argument.to_owned());
            sorted.places.push(false);
        }
        Some(sorted)
    }

    fn filling(&self) -> Filling {
        match self.futures.is_empty() {
            true => Filling::Nothing,
            false => Filling::Places(self.places.as_slice().into()),
        }
    }
}

/// Pickled functions without arguments, the last used first.
static PICKLED: Mutex<Vec<Pickled>> = Mutex::new(Vec::new());
const PICKLED_COUNT_MAX: usize = 16;

struct Pickled {
    function: Py<PyAny>,
    operation: String,
    frames: Frames,
}

/// The pickled call. `is_fixed` says that the function's pickle is always the same.
fn pickle_call(
    operation: &str,
    function: &Bound<'_, PyAny>,
    is_fixed: bool,
    plain: Vec<Bound<'_, PyAny>>,
) -> PyResult<Frames> {
    let py = function.py();
    let is_kept = is_fixed && plain.is_empty();
    if is_kept && let Some(frames) = find_pickled(operation, function) {
        return Ok(frames);
    }
    let call = (
        operation,
        function,
        PyTuple::new(py, plain)?,
        PyDict::new(py),
    );
    let frames = dumps(call.into_pyobject(py)?.as_any());
    let frames = frames.map_err(|error| PyTypeError::new_err(error.to_string()))?;
    if is_kept {
        let new = Pickled {
            function: function.clone().unbind(),
            operation: operation.to_owned(),
            frames: frames.clone(),
        };
        let mut pickled = PICKLED.lock();
        let oldest = (pickled.len() >= PICKLED_COUNT_MAX).then(|| pickled.pop());
        pickled.insert(0, new);
        drop(pickled);
        drop(oldest);
    }
    Ok(frames)
}

fn find_pickled(operation: &str, function: &Bound<'_, PyAny>) -> Option<Frames> {
    let mut pickled = PICKLED.lock();
    let at = pickled
        .iter()
        .position(|known| known.function.is(function) && known.operation == operation)?;
    pickled[..=at].rotate_right(1);
    Some(pickled[0].frames.clone())
}

/// Names of calls that are each for themselves.
fn fresh_name(operation: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PROCESS: LazyLock<u64> = LazyLock::new(rand_seed);
    // Also different in processes that were forked from this one.
    let process = PROCESS.rotate_left(32) ^ u64::from(std::process::id());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{operation}-{process:016x}{number:016x}")
}

fn rand_seed() -> u64 {
    let id = rask_wire::random_id();
    let mut hasher = Xxh3::new();
    hasher.update(&id);
    hasher.digest()
}

/// Names of calls that are equal where the calls are.
fn equal_name(
    operation: &str,
    filling: &Filling,
    frames: &Frames,
    futures: &[Bound<'_, PyFuture>],
) -> String {
    let mut hasher = Xxh3::new();
    if let Filling::Places(places) = filling {
        places
            .iter()
            .for_each(|&place| hasher.update(&[u8::from(place)]));
    }
    hasher.update(&frames.nbytes().to_le_bytes());
    hasher.update(&frames.header);
    frames
        .buffers
        .iter()
        .for_each(|buffer| hasher.update(buffer));
    for future in futures {
        hasher.update(future.get().name.as_bytes());
        hasher.update(&future.get().block.1.to_le_bytes());
    }
    format!("{operation}-{:032x}", hasher.digest128())
}

/// Submits one call through `core`, if none of its arguments is a container; None if one is.
/// `function` is what is pickled, and `is_fixed` says that its pickle is always the same.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn submit_call(
    py: Python<'_>,
    core: &PyClusterClient,
    client: &Bound<'_, PyAny>,
    operation: &str,
    function: &Bound<'_, PyAny>,
    is_fixed: bool,
    arguments: &Bound<'_, PyTuple>,
    key: Option<&str>,
    pure: bool,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Option<PyFuture>> {
    let Some(sorted) = Sorted::find(arguments) else {
        return Ok(None);
    };
    let filling = sorted.filling();
    let Sorted { futures, plain, .. } = sorted;
    let frames = pickle_call(operation, function, is_fixed, plain)?;
    let name = match (key, pure) {
        (Some(key), _) => key.to_owned(),
        (None, true) => equal_name(operation, &filling, &frames, &futures),
        (None, false) => fresh_name(operation),
    };
    let options = options_of(py, options)?;
    let mut submit = options.to_submit();
    let (mut layers, entries) = reference_layers(py, &core.core, &futures)?;
    let references = (!entries.is_empty()).then(|| RefColumns {
        offsets: vec![0, entries.len() as u32],
        layers: entries.iter().map(|entry| entry.0).collect(),
        blocks: entries.iter().map(|entry| entry.1).collect(),
    });
    let position = layers.len() as u32;
    let shared_name: Arc<str> = name.as_str().into();
    layers.push(LayerSpec {
        name,
        refs: references,
        op: Some(pack(call::encode(frames, 0, &filling))),
        origin: origin_of(py),
        operation: operation.to_owned(),
        actor: options.actor,
        ..LayerSpec::default()
    });
    submit.layers = layers;
    submit.wanted = Some([(position, 0)].into_iter().collect());
    let keys = py.detach(|| {
        let keys = core.core.submit(submit);
        if key.is_some() {
            // Others may know the name.
            core.core.flush();
        }
        keys
    });
    let key = keys.first().copied();
    Ok(key.map(|key| core.future(client, (key, shared_name, false))))
}
