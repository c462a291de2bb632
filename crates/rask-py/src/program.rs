//! The op of explicit graphs: every task has a little program of calls on inputs and constants.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PySet, PyTuple};
use rask_value::{
    CodecError, Encoded, Frames, Inputs, Op, OpRef, Origin, Scope, TaskContext, TaskError, ValueRef,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::callable::not_serialisable;
use crate::convert::to_python;
use crate::error::task_error;
use crate::gil::GIL;
use crate::object::{PyValue, dumps, loads};

/// The kind of encoded programs.
pub const KIND: &str = "python-tasks";

/// One step of a task's program, on a stack of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Pushes the task's input of this number.
    Input(u32),
    /// Pushes the constant of this number.
    Constant(u32),
    /// Calls the function that lies under this many arguments.
    Call(u32),
    /// As `Call`, with a dict of keywords on top of the arguments.
    CallKeywords(u32),
    /// Takes this many objects into a list.
    List(u32),
    /// Takes this many objects into a tuple.
    Tuple(u32),
    /// Takes this many objects into a set.
    Set(u32),
    /// Takes this many pairs (key, value) into a dict.
    Dict(u32),
}

/// The tables of a layer's programs, without the objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Programs {
    /// Task `t` runs `steps[offsets[t]..offsets[t + 1]]`.
    pub offsets: Vec<u32>,
    pub steps: Vec<Step>,
    /// Where in the user's code each task was made; empty, or one a task.
    pub origins: Vec<Option<Origin>>,
}

/// Runs the programs of a layer of explicit tasks.
#[derive(Debug)]
pub struct ProgramOp {
    name: String,
    programs: Programs,
    constants: Vec<Py<PyAny>>,
}

type Stack<'py> = SmallVec<[Bound<'py, PyAny>; 8]>;

impl ProgramOp {
    /// An op of these programs; `Constant(n)` is `constants[n]`.
    pub fn new(name: impl Into<String>, programs: Programs, constants: Vec<Py<PyAny>>) -> Self {
        ProgramOp {
            name: name.into(),
            programs,
            constants,
        }
    }

    fn steps(&self, task: u32) -> &[Step] {
        let (start, end) = (
            self.programs.offsets[task as usize],
            self.programs.offsets[task as usize + 1],
        );
        &self.programs.steps[start as usize..end as usize]
    }

    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        task: u32,
        inputs: &[ValueRef],
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut stack = Stack::new();
        for step in self.steps(task) {
            let object = match *step {
                Step::Input(number) => {
                    let input = inputs.get(number as usize).ok_or_else(malformed)?;
                    to_python(py, input)?
                }
                Step::Constant(number) => self.constants[number as usize].bind(py).clone(),
                Step::Call(count) => call(py, &mut stack, count, None)?,
                Step::CallKeywords(count) => {
                    let keywords = stack.pop().ok_or_else(malformed)?.cast_into::<PyDict>()?;
                    call(py, &mut stack, count, Some(&keywords))?
                }
                Step::List(count) => PyList::new(py, take(&mut stack, count))?.into_any(),
                Step::Tuple(count) => PyTuple::new(py, take(&mut stack, count))?.into_any(),
                Step::Set(count) => PySet::new(py, take(&mut stack, count))?.into_any(),
                Step::Dict(count) => dict(py, take(&mut stack, 2 * count))?,
            };
            stack.push(object);
        }
        stack.pop().ok_or_else(malformed)
    }

    fn origin(&self, task: u32) -> Option<Origin> {
        self.programs.origins.get(task as usize).cloned().flatten()
    }
}

fn malformed() -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err("a task's program does not fit its inputs")
}

fn take<'py>(stack: &mut Stack<'py>, count: u32) -> Stack<'py> {
    let start = stack.len() - count as usize;
    stack.drain(start..).collect()
}

fn call<'py>(
    py: Python<'py>,
    stack: &mut Stack<'py>,
    count: u32,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let start = stack.len() - count as usize;
    let arguments = PyTuple::new(py, stack.drain(start..))?;
    let function = stack.pop().ok_or_else(malformed)?;
    function.call(arguments, keywords)
}

fn dict<'py>(py: Python<'py>, pairs: Stack<'py>) -> PyResult<Bound<'py, PyAny>> {
    let dict = PyDict::new(py);
    for pair in pairs.chunks_exact(2) {
        dict.set_item(&pair[0], &pair[1])?;
    }
    Ok(dict.into_any())
}

impl Op for ProgramOp {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
        if let [Step::Input(number)] = self.steps(context.block) {
            return inputs
                .get(*number as usize)
                .cloned()
                .ok_or_else(|| TaskError::new("a task has fewer inputs than its program reads"));
        }
        Python::attach(|py| {
            self.evaluate(py, context.block, &inputs)
                .map(PyValue::wrap)
                .map_err(|error| TaskError {
                    origin: self.origin(context.block),
                    ..task_error(py, error)
                })
        })
    }

    fn scope(&self) -> Option<&'static dyn Scope> {
        Some(GIL)
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let programs =
            postcard::to_allocvec(&self.programs).map_err(|error| CodecError::NotSerialisable {
                what: self.name.clone(),
                reason: error.to_string(),
            })?;
        Python::attach(|py| {
            let constants = PyList::new(py, &self.constants);
            let parts = constants
                .and_then(|list| (&self.name, PyBytes::new(py, &programs), list).into_pyobject(py))
                .map_err(|error| not_serialisable(&self.name, &error))?;
            Ok(Encoded {
                kind: KIND.to_owned(),
                frames: dumps(parts.as_any())?,
            })
        })
    }
}

fn decode(frames: &Frames) -> Result<OpRef, CodecError> {
    let malformed = |reason: String| CodecError::Malformed { kind: KIND, reason };
    let (name, programs, constants) = Python::attach(|py| try_decode(py, frames))
        .map_err(|error| malformed(error.to_string()))?;
    let programs: Programs =
        postcard::from_bytes(&programs).map_err(|error| malformed(error.to_string()))?;
    check_programs(&programs, constants.len()).map_err(|reason| malformed(reason.to_owned()))?;
    Ok(Arc::new(ProgramOp::new(name, programs, constants)))
}

fn try_decode(py: Python<'_>, frames: &Frames) -> PyResult<(String, Bytes, Vec<Py<PyAny>>)> {
    let parts = loads(py, frames)?.cast_into::<PyTuple>()?;
    let programs = crate::buffers::bytes_of(&parts.get_item(1)?)?;
    let constants = parts.get_item(2)?.cast_into::<PyList>()?;
    Ok((
        parts.get_item(0)?.extract()?,
        programs,
        constants.iter().map(Bound::unbind).collect(),
    ))
}

/// Programs from elsewhere must stay inside their tables and their stacks.
fn check_programs(programs: &Programs, constants: usize) -> Result<(), &'static str> {
    let ordered = programs.offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let last = programs.offsets.last().copied().unwrap_or(0) as usize;
    if !ordered || last > programs.steps.len() {
        return Err("offsets out of range");
    }
    for pair in programs.offsets.windows(2) {
        let mut depth = 0_u64;
        for step in &programs.steps[pair[0] as usize..pair[1] as usize] {
            let taken = match *step {
                Step::Input(_) => 0,
                Step::Constant(number) if (number as usize) < constants => 0,
                Step::Constant(_) => return Err("constant out of range"),
                Step::Call(count) => u64::from(count) + 1,
                Step::CallKeywords(count) => u64::from(count) + 2,
                Step::List(count) | Step::Tuple(count) | Step::Set(count) => u64::from(count),
                Step::Dict(count) => 2 * u64::from(count),
            };
            depth = depth.checked_sub(taken).ok_or("stack underflow")? + 1;
        }
    }
    Ok(())
}

/// Makes programs decodable in this process.
pub fn register_codec() {
    rask_value::codec::register_op(KIND, decode);
}
