//! Lazy arrays for Rust programs: operators and methods over [`rask_array::ArrayExpr`].

use std::ops::{Add, Div, Mul, Sub};
use std::sync::Arc;

use rask_array::chunks::{Chunks, regular};
use rask_array::expr::{IndexItem, Operand};
use rask_array::kernels::elementwise::{ElementOp, GeneratorKind};
use rask_array::kernels::random::Distribution;
use rask_array::{ArrayExpr, ElementType, lower_many};
use rask_value::ValueRef;
use rask_value::array::{DType, NdArray, Scalar};

use crate::Error;

/// How a computation runs on this process.
#[derive(Clone, Debug, Default)]
pub struct ComputeOptions {
    /// Threads to use; all cores if not given.
    pub threads: Option<usize>,
    /// Bytes that results may take before they are spilled to disk.
    pub memory_bytes_max: Option<u64>,
}

/// A lazy array of which nothing is computed until [`compute`](Array::compute).
#[derive(Clone, Debug)]
pub struct Array(ArrayExpr);

fn chunks_of(shape: &[usize], chunk: &[usize]) -> Chunks {
    let axes = shape.iter().zip(chunk);
    axes.map(|(&length, &size)| regular(length as i64, size as i64))
        .collect()
}

/// Ones.
///
/// # Errors
/// None for known shapes.
pub fn ones(shape: &[usize], chunk: &[usize]) -> Result<Array, Error> {
    full(shape, chunk, 1.0)
}

/// The same number everywhere.
///
/// # Errors
/// None for known shapes.
pub fn full(shape: &[usize], chunk: &[usize], value: f64) -> Result<Array, Error> {
    let kind = GeneratorKind::Fill(Scalar::Float(value));
    let array = ArrayExpr::generate(kind, DType::Float64, chunks_of(shape, chunk))?;
    Ok(Array(array))
}

/// Standard normal numbers; the same for any chunks.
///
/// # Errors
/// None for known shapes.
pub fn random_normal(seed: u64, shape: &[usize], chunk: &[usize]) -> Result<Array, Error> {
    let kind = GeneratorKind::Random {
        distribution: Distribution::Normal {
            mean: 0.0,
            deviation: 1.0,
        },
        key: [seed, 0],
    };
    let array = ArrayExpr::generate(kind, DType::Float64, chunks_of(shape, chunk))?;
    Ok(Array(array))
}

/// An array in memory; blocks are views of it.
///
/// # Errors
/// None for arrays whose shape has as many axes as `chunk`.
pub fn from_ndarray(array: NdArray, chunk: &[usize]) -> Result<Array, Error> {
    let chunks = chunks_of(array.shape(), chunk);
    let element: ElementType = array.dtype().into();
    let token = format!(
        "{:p}-{:?}-{:?}",
        array.as_ptr(),
        array.shape(),
        array.strides()
    );
    let value: ValueRef = Arc::new(array);
    Ok(Array(ArrayExpr::held(value, &token, chunks, element)?))
}

impl Array {
    /// The expression underneath, which has every operation.
    pub fn expression(&self) -> &ArrayExpr {
        &self.0
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> Vec<i64> {
        self.0.shape()
    }

    fn reduce_all(&self, operation: &'static str) -> Result<Array, Error> {
        let axes: Vec<usize> = (0..self.0.ndim()).collect();
        self.reduce(operation, &axes)
    }

    /// A reduction by its NumPy name along axes.
    ///
    /// # Errors
    /// Axes that are not there, a dtype without a native kernel.
    pub fn reduce(&self, operation: &'static str, axes: &[usize]) -> Result<Array, Error> {
        let reduced = self.0.reduce(operation, axes, false, None, 0.0, None)?;
        reduced.map(Array).ok_or_else(|| Error::NoKernel {
            operation,
            dtype: format!("{:?}", self.0.element()),
        })
    }

    /// The sum of all elements.
    ///
    /// # Errors
    /// A dtype without a native kernel.
    pub fn sum(&self) -> Result<Array, Error> {
        self.reduce_all("sum")
    }

    /// The mean of all elements.
    ///
    /// # Errors
    /// A dtype without a native kernel.
    pub fn mean(&self) -> Result<Array, Error> {
        self.reduce_all("mean")
    }

    /// Every `step`-th element along each axis.
    ///
    /// # Errors
    /// More steps than axes, a step of zero.
    pub fn strided(&self, steps: &[i64]) -> Result<Array, Error> {
        let slice = |&step: &i64| IndexItem::Slice {
            start: None,
            stop: None,
            step: Some(step),
        };
        let index: Vec<IndexItem> = steps.iter().map(slice).collect();
        Ok(Array(self.0.getitem(&index)?))
    }

    /// The axes in reverse order.
    pub fn transpose(&self) -> Array {
        let axes: Vec<usize> = (0..self.0.ndim()).rev().collect();
        let turned = self.0.transpose(&axes);
        Array(turned.unwrap_or_else(|_| self.0.clone()))
    }

    /// The elements, on the threads of this process.
    ///
    /// # Errors
    /// A task that failed.
    pub fn compute(&self) -> Result<NdArray, Error> {
        self.compute_with(&ComputeOptions::default())
    }

    /// The elements, with options.
    ///
    /// # Errors
    /// A task that failed, a spill that could not be written.
    pub fn compute_with(&self, options: &ComputeOptions) -> Result<NdArray, Error> {
        rask_array::register();
        let (plan, _) = lower_many(std::slice::from_ref(&self.0), true)?;
        let mut local = rask_local::Options {
            memory_bytes_max: options.memory_bytes_max,
            ..Default::default()
        };
        if let Some(threads) = options.threads {
            local.threads = threads;
        }
        let blocks = rask_local::run(&plan, &local, &())?;
        let whole = rask_array::block::assemble(&blocks, &self.0.grid().0)?;
        let array = whole.downcast_ref::<NdArray>().cloned();
        array.ok_or_else(|| Error::NoKernel {
            operation: "compute",
            dtype: whole.type_name(),
        })
    }

    /// An elementwise operation on two arrays.
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes without a native kernel.
    pub fn apply(&self, op: ElementOp, other: &Array) -> Result<Array, Error> {
        self.with_operand(op, Operand::Array(other.0.clone()))
    }

    /// An elementwise operation with a number.
    ///
    /// # Errors
    /// A dtype without a native kernel.
    pub fn apply_scalar(&self, op: ElementOp, value: f64) -> Result<Array, Error> {
        self.with_operand(op, Operand::Scalar(Scalar::Float(value)))
    }

    fn with_operand(&self, op: ElementOp, operand: Operand) -> Result<Array, Error> {
        let operands = [Operand::Array(self.0.clone()), operand];
        let result = ArrayExpr::elementwise(op, &operands, None)?;
        result.map(Array).ok_or_else(|| Error::NoKernel {
            operation: op.name(),
            dtype: format!("{:?}", self.0.element()),
        })
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:expr) => {
        /// [`Array::apply_scalar`].
        impl $trait<f64> for &Array {
            type Output = Result<Array, Error>;

            fn $method(self, value: f64) -> Self::Output {
                self.apply_scalar($op, value)
            }
        }

        /// [`Array::apply`].
        impl $trait<&Array> for &Array {
            type Output = Result<Array, Error>;

            fn $method(self, other: &Array) -> Self::Output {
                self.apply($op, other)
            }
        }
    };
}

operator!(Add, add, ElementOp::Add);
operator!(Sub, sub, ElementOp::Subtract);
operator!(Mul, mul, ElementOp::Multiply);
operator!(Div, div, ElementOp::Divide);
