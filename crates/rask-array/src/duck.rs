//! The other backend of blocks: foreign array objects, reached through whoever knows them.

use std::sync::OnceLock;

use rask_value::array::Scalar;
use rask_value::{TaskError, ValueRef};
use serde::{Deserialize, Serialize};

use crate::kernels::elementwise::Program;
use crate::kernels::reduce::ReduceOp;

/// Which elements along one axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Picker {
    /// `count` elements from `start` on, `step` apart; a step of zero repeats one element.
    Range {
        start: usize,
        step: isize,
        count: usize,
    },
    List(Vec<usize>),
}

impl Picker {
    /// How many elements.
    pub fn count(&self) -> usize {
        match self {
            Picker::Range { count, .. } => *count,
            Picker::List(items) => items.len(),
        }
    }
}

/// Block operations on objects that are no native arrays. Inputs may be native arrays too.
pub trait DuckBackend: Send + Sync {
    fn shape(&self, value: &ValueRef) -> Result<Vec<usize>, TaskError>;
    fn program(&self, program: &Program, inputs: &[ValueRef]) -> Result<ValueRef, TaskError>;
    /// One picker an axis.
    fn pick(&self, value: &ValueRef, pickers: &[Picker]) -> Result<ValueRef, TaskError>;
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

/// Says who handles foreign arrays in this process; the first one stays.
pub fn register(backend: Box<dyn DuckBackend>) {
    let _ = BACKEND.set(backend);
}

/// Who handles foreign arrays; an error naming `value`'s type if nobody does.
pub fn backend_for(value: &ValueRef) -> Result<&'static dyn DuckBackend, TaskError> {
    BACKEND.get().map(|backend| &**backend).ok_or_else(|| {
        TaskError::new(format!(
            "TypeError: a block is of type {}, which nothing in this process computes with",
            value.type_name()
        ))
    })
}
