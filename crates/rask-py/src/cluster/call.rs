//! A Python call as the cluster's clients make it: `submit` and `map`.
//!
//! The function and what all blocks share travel once a layer; arguments that belong to single
//! blocks travel as pages of columns (see `rask_proto::LayerSpec::pages`). Where an argument is, or
//! holds, a future, it holds a marker instead, and the values come as inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};
use rask_value::{
    CodecError, Encoded, Frames, Inputs, Op, OpRef, Scope, TaskContext, TaskError, ValueRef, codec,
};

use super::conclude;
use crate::convert::to_python;
use crate::gil::GIL;
use crate::object::{PyValue, loads};

/// The kind of encoded calls.
pub const KIND: &str = "call";

/// A call, decoded.
struct PyCall {
    name: String,
    function: Py<PyAny>,
    /// Arguments of every block.
    arguments: Py<PyTuple>,
    keywords: Py<PyDict>,
    /// Blocks of a page, 0 if there are no pages.
    page_blocks: u32,
    filling: Filling,
    frames: Frames,
}

/// How values of inputs become arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Filling {
    /// There are none.
    Nothing,
    /// Markers stand where they go, perhaps inside of containers.
    Markers,
    /// By position: whether the argument is the next input or the next of those that were pickled.
    Places(Box<[bool]>),
}

impl Filling {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Filling::Nothing => out.push(0),
            Filling::Markers => out.push(1),
            Filling::Places(places) => {
                out.push(2);
                out.extend_from_slice(&(places.len() as u32).to_le_bytes());
                out.extend(places.iter().map(|&place| u8::from(place)));
            }
        }
    }

    /// Reads what `write` wrote, and how many bytes it was.
    fn try_read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&kind, rest) = bytes.split_first()?;
        match kind {
            0 => Some((Filling::Nothing, 1)),
            1 => Some((Filling::Markers, 1)),
            2 => {
                let (count, rest) = rest.split_first_chunk::<4>()?;
                let count = u32::from_le_bytes(*count) as usize;
                let places = rest.get(..count)?.iter().map(|&place| place != 0);
                Some((Filling::Places(places.collect()), 5 + count))
            }
            _ => None,
        }
    }

    /// Nothing is pickled but the function.
    fn is_all_inputs(&self) -> bool {
        matches!(self, Filling::Places(places) if places.iter().all(|&place| place))
    }
}

impl std::fmt::Debug for PyCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PyCall({})", self.name)
    }
}

/// The frames of a call: `payload` is the pickled `(name, function, arguments, keywords)`.
pub fn encode(payload: Frames, page_blocks: u32, filling: &Filling) -> Encoded {
    let mut start = Vec::with_capacity(16 + payload.header.len());
    start.extend_from_slice(&page_blocks.to_le_bytes());
    filling.write(&mut start);
    start.extend_from_slice(&payload.header);
    Encoded {
        kind: KIND.to_owned(),
        frames: Frames {
            header: Bytes::from(start),
            buffers: payload.buffers,
        },
    }
}

impl Op for PyCall {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
        Python::attach(|py| {
            let result = self.call(py, context, inputs);
            conclude(py, result, PyValue::wrap)
        })
    }

    fn scope(&self) -> Option<&'static dyn Scope> {
        Some(GIL)
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(Encoded {
            kind: KIND.to_owned(),
            frames: self.frames.clone(),
        })
    }
}

impl PyCall {
    fn call<'py>(
        &self,
        py: Python<'py>,
        context: TaskContext<'_>,
        mut inputs: Inputs,
    ) -> PyResult<Bound<'py, PyAny>> {
        let function = self.function.bind(py);
        let keywords = self.keywords.bind(py);
        let page = match self.page_blocks {
            0 => None,
            blocks => inputs.pop().map(|page| (page, context.block % blocks)),
        };
        if let (Some((page, at)), Filling::Nothing) = (&page, &self.filling)
            && let Some(single) = single_argument(py, page, *at)?
            && self.arguments.bind(py).is_empty()
        {
            return match keywords.is_empty() {
                true => function.call1((single,)),
                false => function.call((single,), Some(keywords)),
            };
        }
        let mut arguments = self.arguments.bind(py).clone();
        if let Some((page, at)) = &page {
            let own = page_arguments(py, page, *at)?;
            let all = own.into_iter().chain(arguments.iter());
            arguments = PyTuple::new(py, all.collect::<Vec<_>>())?;
        }
        let values = inputs.iter().map(|value| to_python(py, value));
        let values = match &self.filling {
            Filling::Nothing => return function.call(arguments, Some(keywords)),
            Filling::Places(places) => {
                let arguments = place(values, &arguments, places)?;
                drop(inputs);
                return function.call1(arguments);
            }
            Filling::Markers => PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?,
        };
        let filled = py
            .import(pyo3::intern!(py, "rask.distributed._arguments"))?
            .getattr(pyo3::intern!(py, "fill"))?
            .call1((arguments, keywords, values))?;
        let (arguments, keywords): (Bound<'_, PyTuple>, Bound<'_, PyDict>) = filled.extract()?;
        drop(inputs);
        function.call(arguments, Some(&keywords))
    }
}

/// The arguments: values of inputs, and those that were pickled, each at its place.
fn place<'py>(
    mut values: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    pickled: &Bound<'py, PyTuple>,
    places: &[bool],
) -> PyResult<Bound<'py, PyTuple>> {
    let missing = || PyTypeError::new_err("the call and its inputs do not fit each other");
    let mut pickled_items = pickled.iter();
    let arguments = places.iter().map(|&is_input| match is_input {
        true => values.next().unwrap_or_else(|| Err(missing())),
        false => pickled_items.next().ok_or_else(missing),
    });
    PyTuple::new(pickled.py(), arguments.collect::<PyResult<Vec<_>>>()?)
}

/// A page is a tuple of lists, one an argument.
fn page_arguments<'py>(
    py: Python<'py>,
    page: &ValueRef,
    at: u32,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let columns = to_python(py, page)?.cast_into::<PyTuple>()?;
    let items = columns.iter().map(|column| column.get_item(at));
    items.collect()
}

/// The argument, where there is one column.
fn single_argument<'py>(
    py: Python<'py>,
    page: &ValueRef,
    at: u32,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(held) = page.downcast_ref::<PyValue>() else {
        return Ok(None);
    };
    let columns = held.bind(py).cast::<PyTuple>()?;
    if columns.len() != 1 {
        return Ok(None);
    }
    let column = columns.get_borrowed_item(0)?;
    let column = column.cast::<PyList>()?;
    column.get_item(at as usize).map(Some)
}

/// What is pickled of a call.
struct Parts {
    name: String,
    function: Py<PyAny>,
    arguments: Py<PyTuple>,
    keywords: Py<PyDict>,
}

impl Parts {
    fn load(py: Python<'_>, payload: &Frames) -> PyResult<Self> {
        type Loaded<'py> = (
            String,
            Bound<'py, PyAny>,
            Bound<'py, PyTuple>,
            Bound<'py, PyDict>,
        );
        let (name, function, arguments, keywords) = loads(py, payload)?.extract::<Loaded<'_>>()?;
        Ok(Parts {
            name,
            function: function.unbind(),
            arguments: arguments.unbind(),
            keywords: keywords.unbind(),
        })
    }

    fn again(&self, py: Python<'_>) -> Self {
        Parts {
            name: self.name.clone(),
            function: self.function.clone_ref(py),
            arguments: self.arguments.clone_ref(py),
            keywords: self.keywords.clone_ref(py),
        }
    }
}

/// Calls without pickled arguments by their pickles, which say which function it is and nothing
/// else that could differ between two calls.
static KNOWN: Mutex<BTreeMap<Bytes, Known>> = Mutex::new(BTreeMap::new());
const KNOWN_COUNT_MAX: usize = 256;
const KNOWN_BYTES_MAX: usize = 4096;

/// In pickles of functions that are kept by their code; see `rask._functions`.
const BY_CODE: &[u8] = b"load_function";

struct Known {
    parts: Parts,
    /// Where the function is found; `None` if it is kept by its code.
    place: Option<(String, String)>,
}

impl Known {
    /// `None` if the next load of the same pickle may give another function.
    fn new(py: Python<'_>, header: &[u8], parts: &Parts) -> Option<Self> {
        let parts = parts.again(py);
        if header.windows(BY_CODE.len()).any(|part| part == BY_CODE) {
            return Some(Known { parts, place: None });
        }
        let function = parts.function.bind(py);
        let text = |name| function.getattr(name).ok()?.extract::<String>().ok();
        let place = Some((text("__module__")?, text("__qualname__")?));
        let known = Known { parts, place };
        known.holds(py).then_some(known)
    }

    /// Whether the function is still what its name stands for: modules may be loaded anew.
    fn holds(&self, py: Python<'_>) -> bool {
        let Some((module, name)) = &self.place else {
            return true;
        };
        let found = modules(py).and_then(|modules| {
            let module = modules.get_item(module)?;
            module
                .map(|module| module.getattr(name.as_str()))
                .transpose()
        });
        found.is_ok_and(|found| found.is_some_and(|found| found.is(&self.parts.function)))
    }
}

/// The interpreter's table of modules. To import `sys` for it takes longer than a short task.
fn modules(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let modules = MODULES.get_or_try_init(py, || {
        let modules = py.import("sys")?.getattr("modules")?;
        PyResult::Ok(modules.cast_into::<PyDict>()?.unbind())
    })?;
    Ok(modules.bind(py))
}

fn load_parts(py: Python<'_>, payload: &Frames, filling: &Filling) -> PyResult<Parts> {
    let is_short = payload.header.len() <= KNOWN_BYTES_MAX && payload.buffers.is_empty();
    if !is_short || !filling.is_all_inputs() {
        return Parts::load(py, payload);
    }
    if let Some(known) = KNOWN.lock().get(&payload.header)
        && known.holds(py)
    {
        return Ok(known.parts.again(py));
    }
    // Not locked: loading may run any code.
    let parts = Parts::load(py, payload)?;
    if let Some(new) = Known::new(py, &payload.header, &parts) {
        let header = Bytes::copy_from_slice(&payload.header);
        let mut known = KNOWN.lock();
        let is_full = known.len() >= KNOWN_COUNT_MAX;
        let forgotten = is_full.then(|| std::mem::take(&mut *known));
        let replaced = known.insert(header, new);
        drop(known);
        drop((forgotten, replaced));
    }
    Ok(parts)
}

fn decode(frames: &Frames) -> Result<OpRef, CodecError> {
    let malformed = |reason: String| CodecError::Malformed { kind: KIND, reason };
    let cut_short = || malformed("it is cut short".to_owned());
    let (page_blocks, rest) = frames
        .header
        .split_first_chunk::<4>()
        .ok_or_else(cut_short)?;
    let (filling, length) = Filling::try_read(rest).ok_or_else(cut_short)?;
    let payload = Frames {
        header: frames.header.slice(4 + length..),
        buffers: frames.buffers.clone(),
    };
    Python::attach(|py| {
        let parts = load_parts(py, &payload, &filling);
        let parts = parts.map_err(|error| malformed(error.to_string()))?;
        let op: OpRef = Arc::new(PyCall {
            name: parts.name,
            function: parts.function,
            arguments: parts.arguments,
            keywords: parts.keywords,
            page_blocks: u32::from_le_bytes(*page_blocks),
            filling,
            frames: frames.clone(),
        });
        Ok(op)
    })
}

/// Makes calls decodable in this process.
pub fn register_codec() {
    codec::register_op(KIND, decode);
}
