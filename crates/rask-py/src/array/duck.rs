//! Chunk operations on NumPy-like objects: each becomes one call of `rask.array.duck`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyComplex, PyList, PyModule, PySlice, PyTuple};
use rask_array::duck::{DuckBackend, Picker};
use rask_array::kernels::elementwise::{Action, Program, Register};
use rask_array::kernels::reduce::ReduceOp;
use rask_value::array::Scalar;
use rask_value::{TaskError, ValueRef};

use crate::convert::to_python;
use crate::error::task_error;
use crate::object::PyValue;

static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// Blocks that are Python objects, handled by their own methods and by NumPy's protocols.
pub struct PythonBlocks;

fn module<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyModule>> {
    let import = || PyModule::import(py, "rask.array.duck").map(Bound::unbind);
    Ok(MODULE.get_or_try_init(py, import)?.bind(py))
}

/// Calls a function of `rask.array.duck`; its result is kept as the object it is, so that a chain
/// of such calls does not change the type of the blocks.
fn call(
    name: &str,
    arguments: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>>,
) -> Result<ValueRef, TaskError> {
    Python::attach(|py| {
        let result = arguments(py).and_then(|given| module(py)?.getattr(name)?.call1(given));
        match result {
            Ok(object) => Ok(PyValue::wrap(object)),
            Err(error) => Err(task_error(py, error)),
        }
    })
}

fn objects<'py>(py: Python<'py>, values: &[ValueRef]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for value in values {
        list.append(to_python(py, value)?)?;
    }
    Ok(list)
}

/// A scalar as Python writes it; dates and durations as `(ticks, unit)` for `rask.array.duck`.
fn scalar<'py>(py: Python<'py>, scalar: &Scalar) -> PyResult<Bound<'py, PyAny>> {
    let moment = |kind: &str, ticks: i64, unit: &str, multiplier: u32| {
        let unit = format!("{multiplier}{unit}");
        module(py)?.getattr("moment")?.call1((kind, ticks, unit))
    };
    match *scalar {
        Scalar::Bool(value) => Ok(value.into_pyobject(py)?.to_owned().into_any()),
        Scalar::Int(value) => Ok(value.into_pyobject(py)?.into_any()),
        Scalar::Float(value) => Ok(value.into_pyobject(py)?.into_any()),
        Scalar::Complex(real, imag) => Ok(PyComplex::from_doubles(py, real, imag).into_any()),
        Scalar::DateTime {
            ticks,
            unit,
            multiplier,
        } => moment("M", ticks, unit.code(), multiplier),
        Scalar::TimeDelta {
            ticks,
            unit,
            multiplier,
        } => moment("m", ticks, unit.code(), multiplier),
    }
}

/// One axis's part of an index.
fn index<'py>(py: Python<'py>, picker: &Picker) -> PyResult<Bound<'py, PyAny>> {
    match picker {
        Picker::List(places) => Ok(PyList::new(py, places)?.into_any()),
        Picker::Range {
            start,
            step: 0,
            count,
        } => Ok(PyList::new(py, vec![*start; *count])?.into_any()),
        Picker::Range { start, step, count } => {
            let (start, stop) = (*start as isize, *start as isize + step * *count as isize);
            if stop < 0 {
                let none = py.None();
                let slice = py.get_type::<PySlice>();
                return slice.call1((start, none, *step));
            }
            Ok(PySlice::new(py, start, stop, *step).into_any())
        }
    }
}

fn place(register: Register) -> (&'static str, u16) {
    match register {
        Register::Input(number) => ("input", number),
        Register::Constant(number) => ("constant", number),
        Register::Step(number) => ("step", number),
    }
}

/// A program as plain lists: constants, and steps `(ufunc name or None, arguments, dtype)`.
fn plain_program<'py>(
    py: Python<'py>,
    program: &Program,
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
    let constants = PyList::empty(py);
    for (value, dtype) in &program.constants {
        constants.append((scalar(py, value)?, dtype.typestr()))?;
    }
    let steps = PyList::empty(py);
    for step in &program.steps {
        let name = match &step.action {
            Action::Apply { op, .. } => Some(op.name()),
            Action::Cast { .. } => None,
        };
        let arguments: Vec<_> = step.arguments.iter().map(|&r| place(r)).collect();
        steps.append((name, arguments, step.dtype.typestr()))?;
    }
    Ok((constants, steps))
}

impl DuckBackend for PythonBlocks {
    fn shape(&self, value: &ValueRef) -> Result<Vec<usize>, TaskError> {
        Python::attach(|py| {
            to_python(py, value)
                .and_then(|object| object.getattr("shape")?.extract())
                .map_err(|error| task_error(py, error))
        })
    }

    fn program(&self, program: &Program, inputs: &[ValueRef]) -> Result<ValueRef, TaskError> {
        call("run_program", |py| {
            let (constants, steps) = plain_program(py, program)?;
            let output = place(program.output());
            (objects(py, inputs)?, constants, steps, output).into_pyobject(py)
        })
    }

    fn pick(&self, value: &ValueRef, pickers: &[Picker]) -> Result<ValueRef, TaskError> {
        call("pick", |py| {
            let axes = PyList::empty(py);
            for picker in pickers {
                axes.append(index(py, picker)?)?;
            }
            (to_python(py, value)?, axes).into_pyobject(py)
        })
    }

    fn full(&self, like: &ValueRef, shape: &[usize], fill: &Scalar) -> Result<ValueRef, TaskError> {
        call("full", |py| {
            let shape = PyTuple::new(py, shape)?;
            (to_python(py, like)?, shape, scalar(py, fill)?).into_pyobject(py)
        })
    }

    fn concatenate(&self, values: &[ValueRef], axis: usize) -> Result<ValueRef, TaskError> {
        call("concatenate", |py| {
            (objects(py, values)?, axis).into_pyobject(py)
        })
    }

    fn transpose(&self, value: &ValueRef, axes: &[usize]) -> Result<ValueRef, TaskError> {
        call("transpose", |py| {
            (to_python(py, value)?, PyTuple::new(py, axes)?).into_pyobject(py)
        })
    }

    fn reshape(&self, value: &ValueRef, shape: &[usize]) -> Result<ValueRef, TaskError> {
        call("reshape", |py| {
            (to_python(py, value)?, PyTuple::new(py, shape)?).into_pyobject(py)
        })
    }

    fn broadcast_to(&self, value: &ValueRef, shape: &[usize]) -> Result<ValueRef, TaskError> {
        call("broadcast_to", |py| {
            (to_python(py, value)?, PyTuple::new(py, shape)?).into_pyobject(py)
        })
    }

    fn reduce(
        &self,
        value: &ValueRef,
        op: ReduceOp,
        axes: &[usize],
        keepdims: bool,
    ) -> Result<ValueRef, TaskError> {
        call("reduce", |py| {
            let axes = PyTuple::new(py, axes)?;
            (to_python(py, value)?, op.name(), axes, keepdims).into_pyobject(py)
        })
    }
}
