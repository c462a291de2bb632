//! How tasks of what is made now are to be run: the annotations in force, a context variable of
//! `rask.base`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use rask_graph::Layer;
use rask_value::{Annotations, ByBlock, KeyFunctions, Origin, Plan};

/// Something was annotated in this process: only then annotations are looked for.
static USED: AtomicBool = AtomicBool::new(false);
static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What was read last, and what came of it: most is made many at a time.
static LAST: Mutex<Option<Known>> = Mutex::new(None);

/// Annotations of Python's, and what they say of tasks.
type Known = (Py<PyAny>, Option<Arc<Annotations>>);

/// From now on annotations are looked for.
#[pyfunction]
fn use_annotations() {
    USED.store(true, Ordering::Relaxed);
}

/// Those in force at this moment.
pub fn current(py: Python<'_>) -> Option<Arc<Annotations>> {
    if !USED.load(Ordering::Relaxed) {
        return None;
    }
    let given = find_given(py).ok()?;
    let known = LAST.lock().as_ref().and_then(|(last, read)| {
        let is_same = last.is(&given);
        is_same.then(|| read.clone())
    });
    if let Some(read) = known {
        return read;
    }
    let read = match read(py, &given) {
        Ok(read) => read,
        Err(error) => Some(Annotations {
            refused: Some(error.value(py).to_string()),
            ..Annotations::default()
        }),
    };
    let read = read.map(Arc::new);
    let before = LAST.lock().replace((given.unbind(), read.clone()));
    // Dropping it may run code of Python.
    drop(before);
    read
}

fn find_given(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let variable = VARIABLE.get_or_try_init(py, || {
        let base = py.import("rask.base")?;
        PyResult::Ok(base.getattr("_annotations")?.unbind())
    })?;
    variable.bind(py).call_method0("get")
}

fn read(py: Python<'_>, given: &Bound<'_, PyAny>) -> PyResult<Option<Annotations>> {
    let module = py.import("rask._annotations")?;
    if module.call_method1("has_functions", (given,))?.extract()? {
        let functions: Arc<Py<PyAny>> = Arc::new(given.clone().unbind());
        return Ok(Some(Annotations {
            functions: Some(KeyFunctions(functions)),
            ..Annotations::default()
        }));
    }
    from_options(&module.call_method1("task_options", (given,))?)
}

/// Options of tasks by name, if there are any.
fn from_options(options: &Bound<'_, PyAny>) -> PyResult<Option<Annotations>> {
    if options.is_none() {
        return Ok(None);
    }
    let mut read = Annotations::default();
    for (name, value) in options.cast::<PyDict>()? {
        match name.extract::<String>()?.as_str() {
            "priority" => read.priority = Some(value.extract()?),
            "retries" => read.retries = Some(value.extract()?),
            "workers" => read.workers = value.extract()?,
            "allow_other_workers" => read.allow_other_workers = value.extract()?,
            "resources" => {
                let resources = value.cast::<PyDict>()?.iter();
                let pairs =
                    resources.map(|(name, amount)| Ok((name.extract()?, amount.extract()?)));
                read.resources = pairs.collect::<PyResult<_>>()?;
            }
            name @ "task_timeout" => read.timeout_millis = Some(millis(name, 1.0, &value)?),
            name @ "retry_delay" => read.retry_millis = Some(millis(name, 0.0, &value)?),
            name @ "retry_delay_max" => read.retry_millis_max = Some(millis(name, 1.0, &value)?),
            _ => {}
        }
    }
    Ok(Some(read))
}

/// A time in milliseconds, of at least so many, from seconds.
pub fn millis(name: &str, least: f64, value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let seconds: f64 = value.extract()?;
    let millis = (seconds * 1e3).ceil();
    if !(least..=f64::from(u32::MAX)).contains(&millis) {
        let text = format!("{name} must be between {least} ms and 49 days: {seconds} s");
        return Err(pyo3::exceptions::PyValueError::new_err(text));
    }
    Ok(millis as u32)
}

/// What functions of keys make of this key; `origin` is where they were annotated.
pub fn of_key(
    functions: &KeyFunctions,
    key: &Bound<'_, PyAny>,
    origin: &Origin,
) -> PyResult<Annotations> {
    let py = key.py();
    let given = functions.0.downcast_ref::<Py<PyAny>>();
    let given = given.ok_or_else(|| PyRuntimeError::new_err("functions of another program"))?;
    let place = origin.to_string();
    let options = py
        .import("rask._annotations")?
        .call_method1("options_of_key", (given.bind(py), key, place))?;
    Ok(from_options(&options)?.unwrap_or_default())
}

/// The plan with what functions of keys say of its blocks in their place. Refuses one with layers of
/// which the annotations cannot be followed.
pub fn resolve(py: Python<'_>, plan: Arc<Plan>) -> PyResult<Arc<Plan>> {
    let annotations_of = |origin: &Option<Origin>| origin.as_ref()?.annotations.clone();
    let mut resolved: Option<Plan> = None;
    for (number, origin) in plan.origins.iter().enumerate() {
        let Some((origin, annotations)) = origin.as_ref().zip(annotations_of(origin)) else {
            continue;
        };
        if let Some(reason) = &annotations.refused {
            let text = format!("{reason} (annotated at {origin})");
            return Err(PyNotImplementedError::new_err(text));
        }
        if let Some(functions) = &annotations.functions {
            let by_block = of_blocks(py, functions, &plan.graph.layers[number], origin)?;
            let whole = resolved.get_or_insert_with(|| (*plan).clone());
            whole.origins[number] = Some(Origin {
                annotations: Some(Arc::new(by_block)),
                ..origin.clone()
            });
        }
    }
    Ok(resolved.map_or(plan, Arc::new))
}

fn of_blocks(
    py: Python<'_>,
    functions: &KeyFunctions,
    layer: &Layer,
    origin: &Origin,
) -> PyResult<Annotations> {
    let mut kinds: Vec<Annotations> = Vec::new();
    let mut of_blocks = Vec::with_capacity(layer.block_count() as usize);
    let name = PyString::new(py, &layer.name).into_any();
    for block in 0..layer.block_count() as u32 {
        let mut key = vec![name.clone()];
        for coordinate in layer.grid.coords_of(block) {
            key.push(coordinate.into_pyobject(py)?.into_any());
        }
        let found = of_key(functions, PyTuple::new(py, key)?.as_any(), origin)?;
        let known = kinds.iter().position(|kind| *kind == found);
        of_blocks.push(known.unwrap_or(kinds.len()) as u32);
        if known.is_none() {
            kinds.push(found);
        }
    }
    let times = |kind: &Annotations| {
        let Annotations {
            timeout_millis,
            retry_millis,
            retry_millis_max,
            ..
        } = *kind;
        (timeout_millis, retry_millis, retry_millis_max)
    };
    if kinds.iter().any(|kind| times(kind) != times(&kinds[0])) {
        return Err(PyNotImplementedError::new_err(format!(
            "task_timeout, retry_delay and retry_delay_max are the same for all blocks of a layer, \
             but functions of keys say different ones for blocks of {:?} (annotated at {origin})",
            layer.name
        )));
    }
    match kinds.len() {
        0 | 1 => Ok(kinds.pop().unwrap_or_default()),
        _ => Ok(Annotations {
            by_block: Some(Arc::new(ByBlock { kinds, of_blocks })),
            ..Annotations::default()
        }),
    }
}

/// Adds this module's part of `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(use_annotations, module)?)?;
    Ok(())
}
