//! A Python call as the cluster's clients make it: `submit` and `map`.
//!
//! The function and what all blocks share travel once a layer; arguments that belong to single
//! blocks travel as pages of columns (see `rask_proto::LayerSpec::pages`). Where an argument is, or
//! holds, a future, it holds a marker instead, and the values come as inputs.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::prelude::*;
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
    /// Markers stand where values of inputs go.
    has_inputs: bool,
    frames: Frames,
}

impl std::fmt::Debug for PyCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PyCall({})", self.name)
    }
}

/// The frames of a call: `payload` is the pickled `(name, function, arguments, keywords)`.
pub fn encode(payload: Frames, page_blocks: u32, has_inputs: bool) -> Encoded {
    let mut start = Vec::with_capacity(5 + payload.header.len());
    start.extend_from_slice(&page_blocks.to_le_bytes());
    start.push(u8::from(has_inputs));
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
        if let (Some((page, at)), false) = (&page, self.has_inputs)
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
        if !self.has_inputs {
            return function.call(arguments, Some(keywords));
        }
        let values = inputs.iter().map(|value| to_python(py, value));
        let values = PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?;
        let filled = py
            .import(pyo3::intern!(py, "rask.distributed._arguments"))?
            .getattr(pyo3::intern!(py, "fill"))?
            .call1((arguments, keywords, values))?;
        let (arguments, keywords): (Bound<'_, PyTuple>, Bound<'_, PyDict>) = filled.extract()?;
        drop(inputs);
        function.call(arguments, Some(&keywords))
    }
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

fn decode(frames: &Frames) -> Result<OpRef, CodecError> {
    let malformed = |reason: String| CodecError::Malformed { kind: KIND, reason };
    if frames.header.len() < 5 {
        return Err(malformed("it is cut short".to_owned()));
    }
    let start = &frames.header;
    let page_blocks = u32::from_le_bytes([start[0], start[1], start[2], start[3]]);
    let has_inputs = start[4] != 0;
    let payload = Frames {
        header: frames.header.slice(5..),
        buffers: frames.buffers.clone(),
    };
    Python::attach(|py| {
        type Parts<'py> = (
            String,
            Bound<'py, PyAny>,
            Bound<'py, PyTuple>,
            Bound<'py, PyDict>,
        );
        let parts = loads(py, &payload).and_then(|loaded| loaded.extract::<Parts<'_>>());
        let (name, function, arguments, keywords) =
            parts.map_err(|error| malformed(error.to_string()))?;
        let op: OpRef = Arc::new(PyCall {
            name,
            function: function.unbind(),
            arguments: arguments.unbind(),
            keywords: keywords.unbind(),
            page_blocks,
            has_inputs,
            frames: frames.clone(),
        });
        Ok(op)
    })
}

/// Makes calls decodable in this process.
pub fn register_codec() {
    codec::register_op(KIND, decode);
}
