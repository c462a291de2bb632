//! Native n-dimensional arrays of NumPy's numeric, bool, complex and datetime dtypes.
//!
//! * [`DType`], [`Kind`], [`TimeUnit`]: types of elements; [`promote`], [`promote_scalar`]: NEP 50.
//! * [`Buffer`]: memory, our own or somebody else's kept alive.
//! * [`NdArray`]: shape and strides over a shared buffer; views cost nothing.
//! * [`Scalar`]: constants; [`Element`]: Rust types of elements.

mod buffer;
mod copy;
mod dtype;
mod element;
mod ndarray;
mod promotion;
mod scalar;
mod value;

#[cfg(test)]
mod tests;

pub use buffer::{ALIGNMENT, Buffer, limit_recycled_memory, recycle_below};
pub use copy::copy_strided;
pub use dtype::{DType, Kind, TimeUnit};
pub use element::Element;
pub use ndarray::{ArrayError, AxisIndex, NdArray, Shape, Strides, contiguous_strides};
pub use promotion::{promote, promote_scalar, real_part};
pub use scalar::Scalar;
pub use value::register;
