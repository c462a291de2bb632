//! Running programs on what a step is given.

use std::sync::Arc;

use rask_value::array::{DType, NdArray};
use rask_value::{TaskError, ValueRef};
use smallvec::SmallVec;

use super::evaluate::{Given, Lazy, is_fill, one};
use super::ops::as_native;
use crate::duck::backend_for;
use crate::kernels::elementwise::{Generator, Program, Source, run};

pub(super) fn run_program<'a>(
    program: &'a Program,
    given: SmallVec<[Given<'a>; 2]>,
) -> Result<Lazy<'a>, TaskError> {
    let mut arguments = Vec::with_capacity(given.len());
    for argument in given {
        arguments.push(match one(argument.blocks)? {
            pending @ Lazy::Program(..) => Lazy::Value(pending.force()?),
            other => other,
        });
    }
    let foreign = |argument: &Lazy<'_>| match argument {
        Lazy::Value(value) => as_native(value).is_none(),
        _ => false,
    };
    if arguments.iter().any(foreign) {
        return run_foreign(program, arguments);
    }
    let shapes: SmallVec<[&[usize]; 4]> = arguments
        .iter()
        .filter_map(|argument| match argument {
            Lazy::Value(value) => as_native(value).map(|array| array.shape()),
            Lazy::Generator(_, shape) | Lazy::Program(_, _, shape) => Some(&shape[..]),
        })
        .collect();
    let shape = broadcast(&shapes)?;
    drop(shapes);
    let mut sources = Vec::with_capacity(arguments.len());
    for argument in arguments {
        sources.push(match argument {
            Lazy::Generator(generator, own) if own == shape || is_fill(&generator) => {
                let steps = match own == shape {
                    true => generator.steps.clone(),
                    false => SmallVec::from_elem(0, shape.len()),
                };
                Source::Generator(Generator { steps, ..generator })
            }
            other => Source::Array(into_array(other.force()?)?),
        });
    }
    let dtype_differs = sources.iter().zip(&program.inputs).any(
        |(source, expected)| matches!(source, Source::Array(array) if array.dtype() != *expected),
    );
    if dtype_differs {
        sources = cast_sources(sources, &program.inputs)?;
    }
    Ok(Lazy::Program(program, sources, shape))
}

/// Blocks of another dtype than was declared (a callable returned them) are cast to it.
fn cast_sources(sources: Vec<Source>, dtypes: &[DType]) -> Result<Vec<Source>, TaskError> {
    let cast = |(source, &to): (Source, &DType)| match source {
        Source::Array(array) if array.dtype() != to => {
            let mut program = Program::new();
            let input = program.input(array.dtype());
            let output = program.cast(input, to);
            program.finish(output);
            let shape = array.shape().to_vec();
            Ok(Source::Array(run(
                &program,
                vec![Source::Array(array)],
                &shape,
            )?))
        }
        other => Ok(other),
    };
    sources.into_iter().zip(dtypes).map(cast).collect()
}

/// The array itself, without another reference to it where nobody else holds one.
fn into_array(value: ValueRef) -> Result<NdArray, TaskError> {
    let any: Arc<dyn std::any::Any + Send + Sync> = value;
    match any.downcast::<NdArray>() {
        Ok(array) => Ok(Arc::try_unwrap(array).unwrap_or_else(|shared| (*shared).clone())),
        Err(_) => Err(TaskError::new("a native array was expected")),
    }
}

fn run_foreign<'a>(program: &'a Program, arguments: Vec<Lazy<'a>>) -> Result<Lazy<'a>, TaskError> {
    let values: Vec<ValueRef> = arguments
        .into_iter()
        .map(Lazy::force)
        .collect::<Result<_, _>>()?;
    let foreign = values.iter().find(|value| as_native(value).is_none());
    let value = foreign.or(values.first());
    let value = value.ok_or_else(|| TaskError::new("a program has no inputs"))?;
    Ok(Lazy::Value(backend_for(value)?.program(program, &values)?))
}

/// The common shape of blocks.
pub(super) fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>, TaskError> {
    let ndim = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut out = vec![1; ndim];
    for shape in shapes {
        let skip = ndim - shape.len();
        for (axis, &length) in shape.iter().enumerate() {
            let place = &mut out[skip + axis];
            match (*place, length) {
                (a, b) if a == b => {}
                (1, b) => *place = b,
                (_, 1) => {}
                _ => {
                    return Err(TaskError::new(format!(
                        "ValueError: operands could not be broadcast together with shapes {shapes:?}"
                    )));
                }
            }
        }
    }
    Ok(out)
}
