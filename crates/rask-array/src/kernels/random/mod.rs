//! Random numbers of which any part can be made alone.
//!
//! Element `i` of a random array is a function of the array's key and of `i`, its position in
//! row-major order. So the same seed gives the same numbers for any chunking, and a slice of a
//! random array makes only the elements of the slice.

mod distribution;
mod normal;
mod philox;
mod rejection;

#[cfg(test)]
mod tests;

pub use distribution::{Distribution, ParameterError, half_open_uniform};
pub use normal::{fill_normal, normal, open_uniform};
pub use philox::{ElementStream, Key, fill_words, philox, word_at};
