//! Elementwise operations: broadcasting, promotion, and common chunks.

use std::sync::Arc;

use rask_value::array::{DType, Scalar, promote_scalar};

use super::{ArrayExpr, Kind, Operands};
use crate::chunks::{Chunks, Sizes, UNKNOWN, axis_length, unify_axis};
use crate::error::{ArrayPlanError, broadcast_error};
use crate::kernels::elementwise::{ElementOp, Program, Register};

type Result<T> = std::result::Result<T, ArrayPlanError>;

/// An operand of an elementwise operation.
#[derive(Clone, Debug)]
pub enum Operand {
    Array(ArrayExpr),
    /// A Python number, which takes the dtype of the arrays it meets.
    Scalar(Scalar),
    /// A NumPy scalar, which has a dtype of its own.
    Typed(Scalar, DType),
}

impl ArrayExpr {
    /// An operation on arrays and scalars, broadcast; the result cast to `dtype` if one is given.
    /// `None` where there is no native loop for the operands.
    ///
    /// # Errors
    /// Shapes that do not broadcast, unknown chunks that do not match.
    pub fn elementwise(
        op: ElementOp,
        operands: &[Operand],
        dtype: Option<DType>,
    ) -> Result<Option<Self>> {
        let arrays: Vec<ArrayExpr> = operands
            .iter()
            .filter_map(|operand| match operand {
                Operand::Array(array) => Some(array.clone()),
                _ => None,
            })
            .collect();
        common_shape(&arrays)?;
        let Some(program) = program_of(op, operands, dtype) else {
            return Ok(None);
        };
        let (arrays, chunks) = unify_broadcast(&arrays)?;
        Self::program(op.name(), program, arrays, chunks).map(Some)
    }

    /// The elements cast to `dtype`; `None` where there is no native cast.
    pub fn astype(&self, dtype: DType) -> Result<Option<Self>> {
        let Some(from) = self.native() else {
            return Ok(None);
        };
        if from == dtype {
            return Ok(Some(self.clone()));
        }
        if !can_cast(from, dtype) {
            return Ok(None);
        }
        let mut program = Program::new();
        let input = program.input(from);
        let output = program.cast(input, dtype);
        program.finish(output);
        let inputs = vec![self.clone()];
        let chunks = self.chunks().to_vec();
        Self::program("astype", program, inputs, chunks).map(Some)
    }

    /// A program on arrays of common chunks.
    pub(crate) fn program(
        name: &str,
        program: Program,
        arrays: Vec<ArrayExpr>,
        chunks: Chunks,
    ) -> Result<Self> {
        let element = program.dtype().into();
        let program = Arc::new(program);
        let kind = Kind::Elementwise {
            program: program.clone(),
        };
        let inputs = Operands::from_vec(arrays);
        Ok(Self::new(name, &*program, kind, inputs, chunks, element))
    }
}

/// Whether the elementwise kernels cast between the dtypes.
pub(crate) fn can_cast(from: DType, to: DType) -> bool {
    let number =
        |dtype: DType| !matches!(dtype, DType::DateTime64 { .. } | DType::TimeDelta64 { .. });
    number(from) && number(to)
}

fn program_of(op: ElementOp, operands: &[Operand], dtype: Option<DType>) -> Option<Program> {
    let mut joint: Option<DType> = None;
    for operand in operands {
        let own = match operand {
            Operand::Array(array) => array.native()?,
            Operand::Typed(_, dtype) => *dtype,
            Operand::Scalar(_) => continue,
        };
        joint = Some(match joint {
            Some(joint) => rask_value::array::promote(joint, own)?,
            None => own,
        });
    }
    let mut program = Program::new();
    let mut registers: Vec<Register> = Vec::with_capacity(operands.len());
    for operand in operands {
        registers.push(match operand {
            Operand::Array(array) => program.input(array.native()?),
            Operand::Typed(scalar, dtype) => program.constant(*scalar, *dtype),
            Operand::Scalar(scalar) => {
                let dtype = match joint {
                    Some(joint) => promote_scalar(joint, scalar)?,
                    None => scalar.default_dtype(),
                };
                program.constant(*scalar, dtype)
            }
        });
    }
    if program.inputs.is_empty() {
        return None;
    }
    let mut output = program.apply(op, &registers)?;
    if let Some(dtype) = dtype {
        if !can_cast(program.dtype_of(output), dtype) {
            return None;
        }
        output = program.cast(output, dtype);
    }
    program.finish(output);
    Some(program)
}

/// The shape that arrays broadcast to.
pub(crate) fn common_shape(arrays: &[ArrayExpr]) -> Result<Vec<i64>> {
    let shapes: Vec<Vec<i64>> = arrays.iter().map(ArrayExpr::shape).collect();
    let ndim = shapes.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = vec![1; ndim];
    for shape in &shapes {
        let skip = ndim - shape.len();
        for (axis, &length) in shape.iter().enumerate() {
            let place = &mut out[skip + axis];
            match (*place, length) {
                (a, b) if a == b => {}
                (1, b) => *place = b,
                (_, 1) | (_, UNKNOWN) => {}
                (UNKNOWN, b) => *place = b,
                _ => return Err(broadcast_error(&shapes)),
            }
        }
    }
    Ok(out)
}

/// The arrays in common chunks along the axes they share, and the chunks of their broadcast.
pub(crate) fn unify_broadcast(arrays: &[ArrayExpr]) -> Result<(Vec<ArrayExpr>, Chunks)> {
    let shape = common_shape(arrays)?;
    let ndim = shape.len();
    let mut chunks: Chunks = Vec::with_capacity(ndim);
    for (axis, &length) in shape.iter().enumerate() {
        let along: Vec<&Sizes> = arrays
            .iter()
            .filter_map(|array| {
                let own = (axis + array.ndim()).checked_sub(ndim)?;
                let sizes = &array.chunks()[own];
                (axis_length(sizes) != 1 || length == 1).then_some(sizes)
            })
            .collect();
        chunks.push(unify_axis(&along)?);
    }
    let unified = arrays.iter().map(|array| {
        let skip = ndim - array.ndim();
        let own = array.chunks().iter().zip(&chunks[skip..]);
        let target = own.map(|(own, common)| match axis_length(own) {
            1 if axis_length(common) != 1 => Arc::from([1_i64]),
            _ => common.clone(),
        });
        array.rechunk(target.collect())
    });
    let unified: Result<Vec<ArrayExpr>> = unified.collect();
    Ok((unified?, chunks))
}
