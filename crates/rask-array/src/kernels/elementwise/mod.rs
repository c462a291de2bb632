//! Elementwise operations, fused: a program of NumPy's ufuncs runs over tiles that stay in cache.
//!
//! * [`ElementOp`]: the operations and the dtypes their loops run on.
//! * [`Program`]: straight-line code of operations and casts.
//! * [`Source`], [`Generator`]: arrays, or elements made on the spot (constants, ranges, random).
//! * [`run`] stores the elements; [`run_reduce`] only reduces them.

mod cast;
mod loops;
pub(crate) mod math;
mod op;
mod program;
mod run;
mod source;

#[cfg(test)]
mod tests;

pub use op::{ElementOp, Signature};
pub use program::{Action, Program, Register, Step};
pub use run::{TILE, run, run_reduce};
pub use source::{Generator, GeneratorKind, Source};
