//! The duck backend: chunk operations on values that are no native arrays.

use std::sync::OnceLock;

use rask_value::array::Scalar;
use rask_value::{TaskError, ValueRef};

use crate::kernels::elementwise::Program;
use crate::kernels::reduce::ReduceOp;

/// Elements along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picker {
    /// `start, start + step, …`; a step of zero repeats one element.
    Range { start: usize, step: isize, count: usize },
    List(Vec<usize>),
}

/// Runs chunk operations on NumPy-like objects. Inputs may be native arrays too.
pub trait DuckBackend: Send + Sync {
    /// Lengths of the value's axes.
    fn shape(&self, value: &ValueRef) -> Result<Vec<usize>, TaskError>;
    /// The steps of a program by NumPy's ufuncs, broadcasting.
    fn program(&self, program: &Program, inputs: &[ValueRef]) -> Result<ValueRef, TaskError>;
    /// One picker an axis.
    fn pick(&self, value: &ValueRef, pickers: &[Picker]) -> Result<ValueRef, TaskError>;
    /// An array of the kind of `like`, filled.
    fn full(&self, like: &ValueRef, shape: &[usize], fill: &Scalar) -> Result<ValueRef, TaskError>;
    fn concatenate(&self, values: &[ValueRef], axis: usize) -> Result<ValueRef, TaskError>;
    fn transpose(&self, value: &ValueRef, axes: &[usize]) -> Result<ValueRef, TaskError>;
    fn reshape(&self, value: &ValueRef, shape: &[usize]) -> Result<ValueRef, TaskError>;
    fn broadcast_to(&self, value: &ValueRef, shape: &[usize]) -> Result<ValueRef, TaskError>;
    fn reduce(
        &self,
        value: &ValueRef,
        op: ReduceOp,
        axes: &[usize],
        keepdims: bool,
    ) -> Result<ValueRef, TaskError>;
}

static BACKEND: OnceLock<Box<dyn DuckBackend>> = OnceLock::new();

/// Makes a backend known; the first one stays.
pub fn register(backend: Box<dyn DuckBackend>) {
    // A second registration in one process is the same backend again.
    let _ = BACKEND.set(backend);
}

/// The backend.
pub fn backend() -> Result<&'static dyn DuckBackend, TaskError> {
    BACKEND.get().map(Box::as_ref).ok_or_else(|| {
        TaskError::new("TypeError: a block is no native array, and no other backend is registered")
    })
}
