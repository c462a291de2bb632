//! What happens inside a chunk, on native arrays: one folder a family.

pub mod elementwise;
mod error;
pub mod linalg;
pub mod random;
pub mod reduce;

pub use error::KernelError;
