//! Python functions of blocks, and Python objects that regions are read from.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySlice, PyTuple};
use rask_array::opaque::{Call, Nested, Opaque, OpaqueRef, Region};
use rask_value::{CodecError, Encoded, Frames, Scope, TaskError, ValueRef};

use crate::callable::not_serialisable;
use crate::convert::{from_python, to_python};
use crate::error::task_error;
use crate::gil::GIL;
use crate::object::{dumps, loads};

/// The kind of encoded functions.
const KIND: &str = "array-python";

/// What the function is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// The blocks and literals in their places.
    Blocks,
    /// As `Blocks`, and `block_id=` the coordinates.
    BlocksWithId,
    /// The coordinates and the shape of the block to make.
    Make,
    /// A tuple of slices.
    Read,
}

impl Style {
    fn number(self) -> u8 {
        self as u8
    }

    fn of_number(number: u8) -> Style {
        match number {
            0 => Style::Blocks,
            1 => Style::BlocksWithId,
            2 => Style::Make,
            _ => Style::Read,
        }
    }
}

/// A positional argument: the next input, or the same for every block.
#[derive(Debug)]
pub enum Argument {
    Input,
    Literal(Py<PyAny>),
}

/// A Python function that blocks are made with.
#[derive(Debug)]
pub struct PyFunction {
    pub name: String,
    pub function: Py<PyAny>,
    pub arguments: Vec<Argument>,
    pub keywords: Option<Py<PyDict>>,
    pub style: Style,
}

impl PyFunction {
    /// A function of its inputs, in order.
    pub fn of_inputs(name: &str, function: Py<PyAny>, keywords: Py<PyDict>) -> OpaqueRef {
        Arc::new(PyFunction {
            name: name.to_owned(),
            function,
            arguments: vec![Argument::Input],
            keywords: Some(keywords),
            style: Style::Blocks,
        })
    }

    /// A function without inputs.
    pub fn alone(name: &str, function: Py<PyAny>, style: Style) -> OpaqueRef {
        Arc::new(PyFunction {
            name: name.to_owned(),
            function,
            arguments: Vec::new(),
            keywords: None,
            style,
        })
    }

    fn positional<'py>(&self, py: Python<'py>, call: &Call<'_>) -> PyResult<Bound<'py, PyTuple>> {
        match self.style {
            Style::Make => {
                let coords = PyTuple::new(py, call.coords)?;
                PyTuple::new(py, [coords, PyTuple::new(py, call.shape)?])
            }
            Style::Read => PyTuple::new(py, [region_of(py, call.region)?]),
            Style::Blocks | Style::BlocksWithId => {
                let mut inputs = call.inputs.iter();
                let mut given = Vec::with_capacity(self.arguments.len());
                for argument in &self.arguments {
                    match argument {
                        Argument::Literal(literal) => given.push(literal.bind(py).clone()),
                        Argument::Input => {
                            if let Some(input) = inputs.next() {
                                given.push(object_of(py, input)?);
                            }
                        }
                    }
                }
                PyTuple::new(py, given)
            }
        }
    }

    fn try_call(&self, py: Python<'_>, call: &Call<'_>) -> PyResult<ValueRef> {
        let given = self.positional(py, call)?;
        let mut keywords = self.keywords.as_ref().map(|k| k.bind(py).clone());
        if self.style == Style::BlocksWithId {
            let with_id = match keywords {
                Some(keywords) => keywords.copy()?,
                None => PyDict::new(py),
            };
            with_id.set_item(
                pyo3::intern!(py, "block_id"),
                PyTuple::new(py, call.coords)?,
            )?;
            keywords = Some(with_id);
        }
        let result = self.function.bind(py).call(given, keywords.as_ref())?;
        from_python(&result)
    }

    fn try_encode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let arguments = PyList::empty(py);
        for argument in &self.arguments {
            arguments.append(match argument {
                Argument::Input => PyTuple::empty(py),
                Argument::Literal(literal) => PyTuple::new(py, [literal])?,
            })?;
        }
        (
            &self.name,
            &self.function,
            arguments,
            self.keywords.as_ref(),
            self.style.number(),
        )
            .into_pyobject(py)
    }
}

/// A tuple of slices.
fn region_of<'py>(py: Python<'py>, region: &[Region]) -> PyResult<Bound<'py, PyTuple>> {
    let mut slices = Vec::with_capacity(region.len());
    for axis in region {
        let (start, step) = (axis.start as isize, axis.step as isize);
        slices.push(if axis.step < 0 && axis.stop < 0 {
            let slice = py.get_type::<PySlice>();
            slice.call1((start, py.None(), step))?
        } else {
            PySlice::new(py, start, axis.stop as isize, step).into_any()
        });
    }
    PyTuple::new(py, slices)
}

fn object_of<'py>(py: Python<'py>, input: &Nested) -> PyResult<Bound<'py, PyAny>> {
    match input {
        Nested::One(value) => to_python(py, value),
        Nested::List(parts) => {
            let list = PyList::empty(py);
            for part in parts {
                list.append(object_of(py, part)?)?;
            }
            Ok(list.into_any())
        }
    }
}

impl Opaque for PyFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, call: Call<'_>) -> Result<ValueRef, TaskError> {
        Python::attach(|py| {
            self.try_call(py, &call)
                .map_err(|error| task_error(py, error))
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

fn decode(frames: &Frames) -> Result<OpaqueRef, CodecError> {
    Python::attach(|py| try_decode(py, frames)).map_err(|error| CodecError::Malformed {
        kind: KIND,
        reason: error.to_string(),
    })
}

fn try_decode(py: Python<'_>, frames: &Frames) -> PyResult<OpaqueRef> {
    let parts = loads(py, frames)?.cast_into::<PyTuple>()?;
    let mut arguments = Vec::new();
    for argument in parts.get_item(2)?.cast_into::<PyList>()?.iter() {
        let argument = argument.cast_into::<PyTuple>()?;
        arguments.push(match argument.is_empty() {
            true => Argument::Input,
            false => Argument::Literal(argument.get_item(0)?.unbind()),
        });
    }
    Ok(Arc::new(PyFunction {
        name: parts.get_item(0)?.extract()?,
        function: parts.get_item(1)?.unbind(),
        arguments,
        keywords: parts.get_item(3)?.extract()?,
        style: Style::of_number(parts.get_item(4)?.extract()?),
    }))
}

/// Makes functions decodable in this process.
pub fn register() {
    rask_array::opaque::register_opaque(KIND, decode);
}
