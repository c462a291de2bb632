//! Single calls whose arguments are futures and plain objects, the commonest there are: made ready
//! without a detour through Python.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};
use rask_cluster::pack;
use rask_proto::LayerSpec;
use rask_value::Frames;
use smallvec::SmallVec;

use super::call::{self, Filling};
use super::client::PyClusterClient;
use super::future::PyFuture;
use super::names::{equal_name, fresh_name};
use super::submission::{References, options_of, origin_of};
use crate::object::dumps;

/// Arguments of a call, sorted.
struct Sorted<'py> {
    futures: SmallVec<[Bound<'py, PyFuture>; 4]>,
    plain: SmallVec<[Bound<'py, PyAny>; 4]>,
    places: Vec<bool>,
}

impl<'py> Sorted<'py> {
    /// `None` if some are containers, which may hold futures.
    fn find(arguments: &Bound<'py, PyTuple>) -> Option<Self> {
        let mut sorted = Sorted {
            futures: SmallVec::new(),
            plain: SmallVec::new(),
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

    /// Which arguments are futures; empty if none is.
    fn take_filled_places(&mut self) -> Box<[bool]> {
        match self.futures.is_empty() {
            true => Box::default(),
            false => std::mem::take(&mut self.places).into(),
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
    plain: &[Bound<'_, PyAny>],
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
    // Arguments are what they are now, whatever is written to them before the call has left.
    let frames = frames.copied();
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
    let Some(mut sorted) = Sorted::find(arguments) else {
        return Ok(None);
    };
    let places = sorted.take_filled_places();
    let Sorted { futures, plain, .. } = sorted;
    let frames = pickle_call(operation, function, is_fixed, &plain)?;
    let name = match (key, pure) {
        (Some(key), _) => key.to_owned(),
        (None, true) => equal_name(operation, &places, [&frames], &futures),
        (None, false) => fresh_name(operation),
    };
    let filling = match places.is_empty() {
        true => Filling::Nothing,
        false => Filling::Places(places),
    };
    let options = options_of(py, options)?;
    let mut submit = options.to_submit();
    let offsets = vec![0, futures.len() as u32];
    let References {
        mut layers,
        columns,
    } = References::find(py, &core.core, &futures, offsets)?;
    let position = layers.len() as u32;
    let shared_name: Arc<str> = name.as_str().into();
    layers.push(LayerSpec {
        name,
        refs: columns,
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
