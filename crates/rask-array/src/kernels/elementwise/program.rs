//! Programs: straight-line code over the elements of arrays.

use rask_value::array::{DType, Scalar};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::op::ElementOp;

/// A value of a program: an input, a constant, or the result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Register {
    Input(u16),
    Constant(u16),
    Step(u16),
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// An operation whose loop runs on `dtype`. The condition of `where` is always bool.
    Apply {
        op: ElementOp,
        dtype: DType,
    },
    Cast {
        from: DType,
    },
}

/// One step: an action on earlier registers, giving a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub action: Action,
    pub arguments: SmallVec<[Register; 3]>,
    /// The dtype of the result.
    pub dtype: DType,
}

/// Straight-line code that makes one element of the output from one element of each input.
///
/// Every step's arguments come before it, and the dtypes of registers are those that the step's
/// loop takes; the methods keep this so.
///
/// # Examples
/// ```
/// use rask_array::kernels::elementwise::{ElementOp, Program};
/// use rask_value::array::{DType, Scalar};
///
/// let mut program = Program::new();
/// let x = program.input(DType::Int32);
/// let half = program.constant(Scalar::Float(0.5), DType::Float64);
/// let product = program.apply(ElementOp::Multiply, &[x, half]).unwrap();
/// program.finish(product);
/// assert_eq!(program.dtype(), DType::Float64);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    pub inputs: Vec<DType>,
    pub constants: Vec<(Scalar, DType)>,
    pub steps: Vec<Step>,
    output: Option<Register>,
}

impl Program {
    /// A program without inputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// The program that gives its only input.
    pub fn identity(dtype: DType) -> Self {
        let mut program = Program::new();
        let input = program.input(dtype);
        program.finish(input);
        program
    }

    /// Adds an input.
    pub fn input(&mut self, dtype: DType) -> Register {
        self.inputs.push(dtype);
        Register::Input(self.inputs.len() as u16 - 1)
    }

    /// Adds a constant; equal ones are one.
    pub fn constant(&mut self, value: Scalar, dtype: DType) -> Register {
        let same = |known: &(Scalar, DType)| {
            known.1 == dtype && format!("{:?}", known.0) == format!("{value:?}")
        };
        let position = self.constants.iter().position(same).unwrap_or_else(|| {
            self.constants.push((value, dtype));
            self.constants.len() - 1
        });
        Register::Constant(position as u16)
    }

    /// The dtype of a register.
    pub fn dtype_of(&self, register: Register) -> DType {
        match register {
            Register::Input(number) => self.inputs[number as usize],
            Register::Constant(number) => self.constants[number as usize].1,
            Register::Step(number) => self.steps[number as usize].dtype,
        }
    }

    /// Applies an operation, with casts of its arguments where they are needed; `None` if it has
    /// no native loop for their dtypes.
    pub fn apply(&mut self, op: ElementOp, arguments: &[Register]) -> Option<Register> {
        let dtypes: SmallVec<[DType; 3]> = arguments
            .iter()
            .map(|&register| self.dtype_of(register))
            .collect();
        let signature = op.signature(&dtypes)?;
        let arguments = arguments
            .iter()
            .zip(&signature.inputs)
            .map(|(&register, &dtype)| self.cast(register, dtype))
            .collect();
        // All arguments but a condition are of the loop's dtype, so the last one tells it.
        let dtype = *signature.inputs.last()?;
        let action = Action::Apply { op, dtype };
        Some(self.push(Step {
            action,
            arguments,
            dtype: signature.output,
        }))
    }

    /// Casts a register; itself if it has the dtype already.
    pub fn cast(&mut self, register: Register, to: DType) -> Register {
        let from = self.dtype_of(register);
        if from == to {
            return register;
        }
        let arguments = smallvec::smallvec![register];
        self.push(Step {
            action: Action::Cast { from },
            arguments,
            dtype: to,
        })
    }

    fn push(&mut self, step: Step) -> Register {
        let known = self.steps.iter().position(|other| *other == step);
        let position = known.unwrap_or_else(|| {
            self.steps.push(step);
            self.steps.len() - 1
        });
        Register::Step(position as u16)
    }

    /// Says which register is the output.
    pub fn finish(&mut self, output: Register) {
        self.output = Some(output);
    }

    /// The output; `finish` must have been called.
    pub fn output(&self) -> Register {
        self.output
            .expect("a program is finished before it is used")
    }

    /// The dtype of the output.
    pub fn dtype(&self) -> DType {
        self.dtype_of(self.output())
    }

    /// Puts another program in this one: its inputs are the given registers of this one, and its
    /// output is returned. This is how a chain of operations becomes one program.
    pub fn append(&mut self, other: &Program, inputs: &[Register]) -> Register {
        let mut places: Vec<Register> = Vec::with_capacity(other.steps.len());
        let constants: Vec<Register> = other
            .constants
            .iter()
            .map(|&(value, dtype)| self.constant(value, dtype))
            .collect();
        let place = |register: Register, places: &[Register]| match register {
            Register::Input(number) => inputs[number as usize],
            Register::Constant(number) => constants[number as usize],
            Register::Step(number) => places[number as usize],
        };
        for step in &other.steps {
            let arguments = step
                .arguments
                .iter()
                .map(|&register| place(register, &places));
            let arguments = arguments.collect();
            let step = Step {
                action: step.action.clone(),
                arguments,
                dtype: step.dtype,
            };
            places.push(self.push(step));
        }
        place(other.output(), &places)
    }
}
