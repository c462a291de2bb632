//! `&`, `|`, `^` and `~`.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray};

use super::BinaryOp;
use super::evaluate::Evaluated;
use super::infer::binary_dtype;
use crate::engine::dispatch::for_number;
use crate::engine::{Column, DType, EngineError, Result};

pub(super) fn logical(op: BinaryOp, left: &Evaluated, right: &Evaluated) -> Result<Column> {
    // `+` and `*` of bools arrive here as `|` and `&`.
    let dtype = binary_dtype(op, &left.operand(), &right.operand())?;
    if let DType::Number(n) = dtype {
        return super::arithmetic::bits(op, left, right, n);
    }
    let len = match (left, right) {
        (Evaluated::Column(c), _) | (_, Evaluated::Column(c)) => c.len(),
        _ => 1,
    };
    let left = left.clone().into_column(len)?;
    let right = right.clone().into_column(len)?;
    let (a, b) = (left.as_bool()?, right.as_bool()?);
    if dtype == DType::NullableBool {
        let out = match op {
            BinaryOp::And => arrow_arith::boolean::and_kleene(a, b)?,
            BinaryOp::Or => arrow_arith::boolean::or_kleene(a, b)?,
            _ => {
                let nulls = arrow_buffer::NullBuffer::union(a.nulls(), b.nulls());
                BooleanArray::new(a.values() ^ b.values(), nulls)
            }
        };
        return Column::new(dtype, Arc::new(out));
    }
    let (a, b) = (present_and_true(a), present_and_true(b));
    let bits = match op {
        BinaryOp::And => &a & &b,
        BinaryOp::Or => &a | &b,
        _ => &a ^ &b,
    };
    Ok(Column::from_bits(bits))
}

fn present_and_true(values: &BooleanArray) -> arrow_buffer::BooleanBuffer {
    match values.nulls() {
        Some(nulls) => values.values() & nulls.inner(),
        None => values.values().clone(),
    }
}

pub(super) fn invert(input: &Column) -> Result<Column> {
    match input.dtype() {
        DType::Bool | DType::NullableBool => {
            let values = input.as_bool()?;
            let out = BooleanArray::new(!values.values(), values.nulls().cloned());
            Column::new(input.dtype().clone(), Arc::new(out))
        }
        DType::ObjectBool => Ok(Column::from_bits(!&present_and_true(input.as_bool()?))),
        dtype if dtype.is_integer() => {
            let number = dtype.number().expect("an integer dtype");
            // ~x is -1 - x in two's complement of any width, and MAX - x unsigned.
            let ones =
                crate::engine::cast::full(&crate::engine::Scalar::Int(-1), &DType::INT64, 1)?;
            let ones = ones.cast(&DType::Number(number))?;
            for_number!(number, T => {
                let all = ones.values::<T>()[0];
                let values = input.values::<T>().iter().map(|v| {
                    use arrow_array::ArrowNativeTypeOp;
                    ArrowNativeTypeOp::sub_wrapping(all, *v)
                });
                let array = arrow_array::PrimitiveArray::<T>::new(
                    values.collect(),
                    input.array().nulls().cloned(),
                );
                Column::new(input.dtype().clone(), Arc::new(array))
            })
        }
        other => Err(EngineError::type_error(format!(
            "bad operand type for unary ~: '{other}'"
        ))),
    }
}
