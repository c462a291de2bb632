//! How large the values of a layer's blocks will be, where that is known before any was made.

use std::sync::Arc;

/// Bytes of the blocks of a layer, as a rule over its grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSizes {
    /// Bytes of an element.
    pub item_bytes: u64,
    /// For each axis of the grid, the elements of each block along it; none is negative.
    pub axes: Vec<Arc<[i64]>>,
    /// The values are native arrays if the inputs are: no Python object decides how many bytes they
    /// take, and none of them is a view of something smaller.
    pub is_dense: bool,
}
