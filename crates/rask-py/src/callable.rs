//! A Python callable as an op: called once a block, serialised once a layer.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use rask_value::{
    CodecError, Encoded, Frames, Inputs, Op, OpRef, Scope, TaskContext, TaskError, ValueRef,
};

use crate::cluster::conclude;
use crate::convert::{from_python, to_python_owned};
use crate::error::task_error;
use crate::gil::GIL;
use crate::object::{PyValue, dumps, loads};

/// The kind of encoded callables.
pub const KIND: &str = "python";

/// One positional argument of a callable.
#[derive(Debug)]
pub enum Arg {
    /// The next input.
    Input,
    /// The inputs that are left, each an argument.
    Inputs,
    /// The inputs that are left, as one list.
    InputList,
    /// The same for every block.
    Constant(Py<PyAny>),
    /// One for each block, by the block's number.
    PerBlock(Vec<Py<PyAny>>),
    /// The block's number.
    Block,
    /// The block's coordinates, a tuple.
    Coords,
}

/// Calls `function(*arguments, **keywords)` for every block.
#[derive(Debug)]
pub struct PyCallable {
    name: String,
    function: Py<PyAny>,
    arguments: Vec<Arg>,
    keywords: Option<Py<PyDict>>,
    native_output: bool,
}

impl PyCallable {
    /// An op of this name, which is for people.
    pub fn new(
        name: impl Into<String>,
        function: Py<PyAny>,
        arguments: Vec<Arg>,
        keywords: Option<Py<PyDict>>,
    ) -> Self {
        PyCallable {
            name: name.into(),
            function,
            arguments,
            keywords,
            native_output: false,
        }
    }

    /// Whether results become native values where they can (`from_python`), or stay objects.
    pub fn native_output(mut self, native: bool) -> Self {
        self.native_output = native;
        self
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        context: TaskContext<'_>,
        inputs: Inputs,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut inputs = inputs.into_iter();
        let mut positional = Vec::with_capacity(self.arguments.len() + inputs.len());
        for argument in &self.arguments {
            match argument {
                Arg::Input => positional.push(next_input(py, &mut inputs)?),
                Arg::Inputs => {
                    for value in inputs.by_ref() {
                        positional.push(to_python_owned(py, value)?);
                    }
                }
                Arg::InputList => positional.push(input_list(py, inputs.by_ref())?.into_any()),
                Arg::Constant(object) => positional.push(object.bind(py).clone()),
                Arg::PerBlock(objects) => {
                    positional.push(objects[context.block as usize].bind(py).clone());
                }
                Arg::Block => positional.push(context.block.into_pyobject(py)?.into_any()),
                Arg::Coords => {
                    positional.push(PyTuple::new(py, context.coords())?.into_any());
                }
            }
        }
        drop(inputs);
        let positional = PyTuple::new(py, positional)?;
        let keywords = self.keywords.as_ref().map(|keywords| keywords.bind(py));
        self.function.bind(py).call(positional, keywords)
    }

    fn try_encode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let arguments = PyList::empty(py);
        for argument in &self.arguments {
            arguments.append(argument.to_tuple(py)?)?;
        }
        (
            &self.name,
            &self.function,
            arguments,
            self.keywords.as_ref(),
            self.native_output,
        )
            .into_pyobject(py)
    }
}

fn next_input<'py>(
    py: Python<'py>,
    inputs: &mut impl Iterator<Item = ValueRef>,
) -> PyResult<Bound<'py, PyAny>> {
    match inputs.next() {
        Some(value) => to_python_owned(py, value),
        None => Err(pyo3::exceptions::PyRuntimeError::new_err(
            "the task has fewer inputs than its callable takes",
        )),
    }
}

fn input_list<'py>(
    py: Python<'py>,
    inputs: impl Iterator<Item = ValueRef>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for value in inputs {
        list.append(to_python_owned(py, value)?)?;
    }
    Ok(list)
}

impl Arg {
    fn to_tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self {
            Arg::Input => (0_u8,).into_pyobject(py),
            Arg::Inputs => (1_u8,).into_pyobject(py),
            Arg::InputList => (2_u8,).into_pyobject(py),
            Arg::Constant(object) => (3_u8, object).into_pyobject(py),
            Arg::PerBlock(objects) => (4_u8, PyList::new(py, objects)?).into_pyobject(py),
            Arg::Block => (5_u8,).into_pyobject(py),
            Arg::Coords => (6_u8,).into_pyobject(py),
        }
    }

    fn from_tuple(tuple: &Bound<'_, PyTuple>) -> PyResult<Self> {
        Ok(match tuple.get_item(0)?.extract::<u8>()? {
            0 => Arg::Input,
            1 => Arg::Inputs,
            2 => Arg::InputList,
            3 => Arg::Constant(tuple.get_item(1)?.unbind()),
            4 => {
                let objects = tuple.get_item(1)?.cast_into::<PyList>()?;
                Arg::PerBlock(objects.iter().map(Bound::unbind).collect())
            }
            5 => Arg::Block,
            _ => Arg::Coords,
        })
    }
}

impl Op for PyCallable {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
        Python::attach(|py| {
            let result = self.call(py, context, inputs);
            if !self.native_output {
                return conclude(py, result, PyValue::wrap);
            }
            let value = result.and_then(|object| from_python(&object));
            value.map_err(|error| task_error(py, error))
        })
    }

    fn scope(&self) -> Option<&'static dyn Scope> {
        Some(GIL)
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Python::attach(|py| {
            let parts = self
                .try_encode(py)
                .map_err(|error| not_serialisable(&self.name, &error))?;
            Ok(Encoded {
                kind: KIND.to_owned(),
                frames: dumps(parts.as_any())?,
            })
        })
    }
}

/// The error of an op whose callable or arguments cannot be pickled.
pub fn not_serialisable(name: &str, error: &PyErr) -> CodecError {
    CodecError::NotSerialisable {
        what: format!("the callable of {name:?}"),
        reason: error.to_string(),
    }
}

fn decode(frames: &Frames) -> Result<OpRef, CodecError> {
    Python::attach(|py| try_decode(py, frames)).map_err(|error| CodecError::Malformed {
        kind: KIND,
        reason: error.to_string(),
    })
}

fn try_decode(py: Python<'_>, frames: &Frames) -> PyResult<OpRef> {
    let parts = loads(py, frames)?.cast_into::<PyTuple>()?;
    let name: String = parts.get_item(0)?.cast::<PyString>()?.extract()?;
    let arguments = parts.get_item(2)?.cast_into::<PyList>()?;
    let arguments = arguments
        .iter()
        .map(|argument| Arg::from_tuple(argument.cast::<PyTuple>()?))
        .collect::<PyResult<Vec<_>>>()?;
    let keywords: Option<Py<PyDict>> = parts.get_item(3)?.extract()?;
    let op = PyCallable::new(name, parts.get_item(1)?.unbind(), arguments, keywords)
        .native_output(parts.get_item(4)?.extract()?);
    Ok(Arc::new(op))
}

/// Makes callables decodable in this process.
pub fn register_codec() {
    rask_value::codec::register_op(KIND, decode);
}
