//! What happens inside a chunk, on native arrays: one folder a family.

pub mod random;
