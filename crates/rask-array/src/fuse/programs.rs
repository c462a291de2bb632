//! Neighbouring elementwise programs as one.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::block::{Argument, ChunkOp, FusedStep};
use crate::kernels::elementwise::{Program, Register};

/// Programs whose only reader is a program on blocks of the same shape become part of it.
pub(super) fn merge_programs(
    mut steps: Vec<FusedStep>,
    same_shape: impl Fn(usize, usize) -> bool,
) -> Vec<FusedStep> {
    let mut readers = vec![0; steps.len()];
    for argument in steps.iter().flat_map(|step| &step.arguments) {
        if let Argument::Step(number) = argument {
            readers[*number] += 1;
        }
    }
    let mut gone = vec![false; steps.len()];
    for at in 0..steps.len() {
        let ChunkOp::Program(outer) = &steps[at].op else {
            continue;
        };
        let inner_of = |argument: &Argument| match argument {
            Argument::Step(number) if readers[*number] == 1 && same_shape(*number, at) => {
                match &steps[*number].op {
                    ChunkOp::Program(inner) => Some((*number, inner.clone())),
                    _ => None,
                }
            }
            _ => None,
        };
        let mut program = Program::new();
        let mut arguments: SmallVec<[Argument; 2]> = SmallVec::new();
        let mut registers: Vec<Register> = Vec::with_capacity(outer.inputs.len());
        let mut merged = Vec::new();
        for (argument, &dtype) in steps[at].arguments.iter().zip(&outer.inputs) {
            match inner_of(argument) {
                None => registers.push(input(&mut program, &mut arguments, *argument, dtype)),
                Some((number, inner)) => {
                    let inputs: Vec<Register> = steps[number]
                        .arguments
                        .iter()
                        .zip(&inner.inputs)
                        .map(|(a, &dtype)| input(&mut program, &mut arguments, *a, dtype))
                        .collect();
                    let output = program.append(&inner, &inputs);
                    registers.push(program.cast(output, dtype));
                    merged.push(number);
                }
            }
        }
        let output = program.append(outer, &registers);
        program.finish(output);
        // What the merged steps read once each, the new step reads once for each of its inputs.
        for number in merged {
            gone[number] = true;
        }
        steps[at].arguments = arguments;
        steps[at].op = ChunkOp::Program(Arc::new(program));
        readers = count_readers(&steps, &gone);
    }
    compact(steps, &gone)
}

fn count_readers(steps: &[FusedStep], gone: &[bool]) -> Vec<usize> {
    let mut readers = vec![0; steps.len()];
    let alive = steps.iter().zip(gone).filter(|(_, gone)| !**gone);
    for argument in alive.flat_map(|(step, _)| &step.arguments) {
        if let Argument::Step(number) = argument {
            readers[*number] += 1;
        }
    }
    readers
}

/// An input of the program for an argument; steps that are read already are read once.
fn input(
    program: &mut Program,
    arguments: &mut SmallVec<[Argument; 2]>,
    argument: Argument,
    dtype: rask_value::array::DType,
) -> Register {
    let same = |(at, known): (usize, &Argument)| {
        (*known == argument && program.inputs[at] == dtype).then_some(at)
    };
    match arguments.iter().enumerate().find_map(same) {
        Some(at) => Register::Input(at as u16),
        None => {
            arguments.push(argument);
            program.input(dtype)
        }
    }
}

fn compact(steps: Vec<FusedStep>, gone: &[bool]) -> Vec<FusedStep> {
    let mut places = Vec::with_capacity(steps.len());
    let mut next = 0;
    for gone in gone {
        places.push(next);
        next += usize::from(!gone);
    }
    let kept = steps.into_iter().zip(gone).filter(|(_, gone)| !**gone);
    kept.map(|(mut step, _)| {
        for argument in &mut step.arguments {
            if let Argument::Step(number) = argument {
                *number = places[*number];
            }
        }
        step
    })
    .collect()
}
