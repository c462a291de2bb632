//! Files and array stores: Zarr.
//!
//! * [`ZarrArray`]: one Zarr array (format 2 or 3) in a local directory, of which regions are read and
//!   written as raw elements in C order. Reading and writing happen on the calling thread: engines
//!   already run one task per thread.
//! * [`Region`]: `start..stop` by `step` along one axis.

mod error;
mod region;
mod strided;
mod zarr;

pub use error::IoError;
pub use region::{Region, bounding_box, shape_of};
pub use zarr::{ZarrArray, ZarrCreate};
