//! Reductions along axes.

use std::sync::Arc;

use rask_value::array::{DType, Kind as DTypeKind, Scalar};
use serde::{Deserialize, Serialize};

use super::elementwise::can_cast;
use super::{ArrayExpr, ElementType, Kind, Operands};
use crate::chunks::{Chunks, Sizes, axis_length};
use crate::error::ArrayPlanError;
use crate::kernels::elementwise::{ElementOp, Program, Register};
use crate::kernels::reduce::{ReduceOp, has_moments};
use crate::opaque::OpaqueRef;

type Result<T> = std::result::Result<T, ArrayPlanError>;

/// How many partial results one task combines, in all, where every axis is reduced.
const SPLIT_TOTAL: usize = 64;
/// The same where the partial results are arrays.
const SPLIT_PARTIAL: usize = 8;

/// A native reduction, with partial results that combine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reduction {
    Simple(ReduceOp),
    /// From count, mean and squared deviations: the mean (order 1) or the variance (order 2).
    Moments {
        skip_nan: bool,
        order: u8,
        /// The square root of it.
        root: bool,
        ddof: f64,
        dtype: DType,
    },
    /// The position of an extreme.
    Position {
        largest: bool,
        skip_nan: bool,
    },
}

/// A reduction by callables.
#[derive(Clone, Debug)]
pub struct UserReduction {
    /// Of one block; `None` gives the block itself.
    pub chunk: Option<OpaqueRef>,
    pub combine: OpaqueRef,
    pub aggregate: OpaqueRef,
    /// Whether `combine` and `aggregate` are given one concatenated array, or nested lists.
    pub concatenate: bool,
    /// Stands for the callables.
    pub token: String,
    /// For people.
    pub name: String,
    /// Length of the reduced axes in the result, where they are kept.
    pub output_size: i64,
}

impl ArrayExpr {
    /// A reduction by its NumPy name. `split` says how many blocks along an axis one task combines.
    /// `None` where there is no native form.
    ///
    /// # Errors
    /// Axes that are not there, extrema of no elements, an unknown name.
    pub fn reduce(
        &self,
        name: &str,
        axes: &[usize],
        keepdims: bool,
        dtype: Option<DType>,
        ddof: f64,
        split: Option<&[(usize, usize)]>,
    ) -> Result<Option<Self>> {
        axes.iter().try_for_each(|&axis| self.check_axis(axis))?;
        let Some(own) = self.native() else {
            return Ok(None);
        };
        let float = matches!(own.kind(), DTypeKind::Float);
        let (skip_nan, plain) = match name.strip_prefix("nan") {
            Some(plain) => (float, plain),
            None => (false, name),
        };
        let call = Reducing {
            array: self,
            own,
            axes,
            keepdims,
            split,
        };
        match plain {
            "sum" | "prod" => call.sum(plain, dtype, skip_nan),
            "min" | "max" => call.extreme(plain, skip_nan),
            "any" => call.simple(name, ReduceOp::Any, self.clone()),
            "all" => call.simple(name, ReduceOp::All, self.clone()),
            "count_nonzero" => call.simple(name, ReduceOp::CountNonzero, self.clone()),
            "mean" if !skip_nan => call.mean(dtype),
            "mean" | "var" | "std" => call.moments(plain, skip_nan, ddof, dtype),
            "argmin" | "argmax" => call.position(plain, skip_nan),
            _ => Err(ArrayPlanError::Value(format!(
                "no reduction is named {name:?}"
            ))),
        }
    }

    /// A reduction by callables; `element` is the dtype of the result.
    ///
    /// # Errors
    /// Axes that are not there.
    pub fn reduce_user(
        &self,
        reduction: UserReduction,
        axes: &[usize],
        keepdims: bool,
        split: Option<&[(usize, usize)]>,
        element: ElementType,
    ) -> Result<Self> {
        axes.iter().try_for_each(|&axis| self.check_axis(axis))?;
        let chunks = reduced_chunks(self.chunks(), axes, keepdims, reduction.output_size);
        let split = splits(axes, self.ndim(), split);
        let parameters = (reduction.token.clone(), axes, keepdims, split.clone());
        let name = reduction.name.clone();
        let kind = Kind::UserReduce {
            reduction: Arc::new(reduction),
            axes: axes.to_vec(),
            keepdims,
            split,
        };
        let inputs = Operands::from_iter([self.clone()]);
        Ok(Self::new(&name, &parameters, kind, inputs, chunks, element))
    }
}

fn reduced_chunks(chunks: &[Sizes], axes: &[usize], keepdims: bool, size: i64) -> Chunks {
    let axis = |(axis, sizes): (usize, &Sizes)| match (axes.contains(&axis), keepdims) {
        (false, _) => Some(sizes.clone()),
        (true, true) => Some(Sizes::from([size])),
        (true, false) => None,
    };
    chunks.iter().enumerate().filter_map(axis).collect()
}

fn splits(axes: &[usize], ndim: usize, given: Option<&[(usize, usize)]>) -> Vec<usize> {
    let total = if axes.len() == ndim {
        SPLIT_TOTAL
    } else {
        SPLIT_PARTIAL
    };
    let each = (total as f64).powf(1.0 / axes.len().max(1) as f64).round() as usize;
    axes.iter()
        .map(|axis| {
            let given = given.and_then(|all| all.iter().find(|(at, _)| at == axis));
            given.map_or(each, |(_, split)| *split).max(2)
        })
        .collect()
}

struct Reducing<'a> {
    array: &'a ArrayExpr,
    own: DType,
    axes: &'a [usize],
    keepdims: bool,
    split: Option<&'a [(usize, usize)]>,
}

impl Reducing<'_> {
    fn node(&self, name: &str, reduction: Reduction, input: ArrayExpr, dtype: DType) -> ArrayExpr {
        let chunks = reduced_chunks(input.chunks(), self.axes, self.keepdims, 1);
        let split = splits(self.axes, input.ndim(), self.split);
        let parameters = (reduction.clone(), self.axes, self.keepdims, split.clone());
        let kind = Kind::Reduce {
            reduction,
            axes: self.axes.to_vec(),
            keepdims: self.keepdims,
            split,
        };
        let inputs = Operands::from_iter([input]);
        ArrayExpr::new(name, &parameters, kind, inputs, chunks, dtype.into())
    }

    fn simple(&self, name: &str, op: ReduceOp, input: ArrayExpr) -> Result<Option<ArrayExpr>> {
        let dtype = input.native().and_then(|dtype| op.output(dtype));
        Ok(dtype.map(|dtype| self.node(name, Reduction::Simple(op), input, dtype)))
    }

    fn sum(&self, name: &str, dtype: Option<DType>, skip_nan: bool) -> Result<Option<ArrayExpr>> {
        let (op, neutral) = match name {
            "sum" => (ReduceOp::Sum, 0.0),
            _ => (ReduceOp::Prod, 1.0),
        };
        let mut input = self.array.clone();
        if skip_nan {
            match replace_nan(&input, neutral)? {
                Some(replaced) => input = replaced,
                None => return Ok(None),
            }
        }
        if let Some(dtype) = dtype {
            if op.output(dtype) != Some(dtype) {
                return Ok(None);
            }
            match input.astype(dtype)? {
                Some(cast) => input = cast,
                None => return Ok(None),
            }
        }
        self.simple(name, op, input)
    }

    fn extreme(&self, name: &str, skip_nan: bool) -> Result<Option<ArrayExpr>> {
        self.check_not_empty(name)?;
        let op = match (name, skip_nan) {
            ("min", false) => ReduceOp::Min,
            ("min", true) => ReduceOp::Fmin,
            (_, false) => ReduceOp::Max,
            (_, true) => ReduceOp::Fmax,
        };
        self.simple(name, op, self.array.clone())
    }

    fn check_not_empty(&self, name: &str) -> Result<()> {
        let shape = self.array.shape();
        if self.axes.iter().any(|&axis| shape[axis] == 0) && !shape.is_empty() {
            let name =
                match name {
                    "min" => "zero-size array to reduction operation minimum which has no identity"
                        .into(),
                    "max" => "zero-size array to reduction operation maximum which has no identity"
                        .into(),
                    other => format!("attempt to get {other} of an empty sequence"),
                };
            return Err(ArrayPlanError::Value(name));
        }
        Ok(())
    }

    /// A sum divided by the number of elements, as NumPy does it; by moments where that number is
    /// not known.
    fn mean(&self, dtype: Option<DType>) -> Result<Option<ArrayExpr>> {
        let shape = self.array.shape();
        let count: Option<i64> = self
            .axes
            .iter()
            .map(|&axis| (axis_length(&self.array.chunks()[axis]) >= 0).then_some(shape[axis]))
            .try_fold(1, |product: i64, length| Some(product * length?));
        let Some(count) = count else {
            return self.moments("mean", false, 0.0, dtype);
        };
        let dtype = match (dtype, self.own.kind()) {
            (Some(dtype), _) => dtype,
            (None, DTypeKind::Float | DTypeKind::Complex) => self.own,
            (None, DTypeKind::Bool | DTypeKind::Int | DTypeKind::UInt) => DType::Float64,
            _ => return Ok(None),
        };
        if !matches!(dtype.kind(), DTypeKind::Float | DTypeKind::Complex) {
            return Ok(None);
        }
        let Some(sum) = self.sum("sum", Some(dtype), false)? else {
            return Ok(None);
        };
        let mut program = Program::new();
        let total = program.input(dtype);
        let divisor = program.constant(Scalar::Float(count as f64), dtype);
        let Some(output) = program.apply(ElementOp::Divide, &[total, divisor]) else {
            return Ok(None);
        };
        program.finish(output);
        let chunks = sum.chunks().to_vec();
        ArrayExpr::program("mean", program, vec![sum], chunks).map(Some)
    }

    fn moments(
        &self,
        name: &str,
        skip_nan: bool,
        ddof: f64,
        dtype: Option<DType>,
    ) -> Result<Option<ArrayExpr>> {
        if !has_moments(self.own) {
            return Ok(None);
        }
        let dtype = dtype.unwrap_or(match self.own.kind() {
            DTypeKind::Float => self.own,
            _ => DType::Float64,
        });
        if dtype.kind() != DTypeKind::Float || !can_cast(DType::Float64, dtype) {
            return Ok(None);
        }
        let reduction = Reduction::Moments {
            skip_nan,
            order: if name == "mean" { 1 } else { 2 },
            root: name == "std",
            ddof,
            dtype,
        };
        Ok(Some(self.node(name, reduction, self.array.clone(), dtype)))
    }

    fn position(&self, name: &str, skip_nan: bool) -> Result<Option<ArrayExpr>> {
        self.check_not_empty(name)?;
        let known = self
            .axes
            .iter()
            .all(|&axis| axis_length(&self.array.chunks()[axis]) >= 0);
        let ordered = matches!(
            self.own.kind(),
            DTypeKind::Int | DTypeKind::UInt | DTypeKind::Float
        ) && self.own != DType::Float16;
        if !known || !ordered {
            return Ok(None);
        }
        let reduction = Reduction::Position {
            largest: name == "argmax",
            skip_nan,
        };
        Ok(Some(self.node(
            name,
            reduction,
            self.array.clone(),
            DType::Int64,
        )))
    }
}

/// NaN replaced; `None` where there is no native loop.
pub(super) fn replace_nan(array: &ArrayExpr, by: f64) -> Result<Option<ArrayExpr>> {
    let Some(dtype) = array.native() else {
        return Ok(None);
    };
    if dtype.kind() != DTypeKind::Float {
        return Ok(Some(array.clone()));
    }
    let build = || -> Option<Program> {
        let mut program = Program::new();
        let input = program.input(dtype);
        let isnan: Register = program.apply(ElementOp::find("isnan")?, &[input])?;
        let neutral = program.constant(Scalar::Float(by), dtype);
        let output = program.apply(ElementOp::Where, &[isnan, neutral, input])?;
        program.finish(output);
        Some(program)
    };
    match build() {
        Some(program) => {
            let chunks = array.chunks().to_vec();
            ArrayExpr::program("replace-nan", program, vec![array.clone()], chunks).map(Some)
        }
        None => Ok(None),
    }
}
