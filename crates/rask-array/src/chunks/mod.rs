//! Chunks: how each axis of an array is cut into blocks.
//!
//! * [`Chunks`], [`Sizes`]: the lengths of blocks along every axis; unknown ones are [`UNKNOWN`].
//! * [`normalize`]: from what a user writes to lengths.
//! * [`unify_axis`]: the common cut of several arrays.
//! * [`rechunk_stages`]: a rechunk in steps, where one step would need too many edges.

mod normalize;
mod stages;

use std::sync::Arc;

pub use normalize::{AxisSpec, ChunkError, normalize};
pub use stages::{edge_count, rechunk_stages};

/// The length of a block whose length is known only once it is computed.
pub const UNKNOWN: i64 = -1;

/// Lengths of the blocks along one axis.
pub type Sizes = Arc<[i64]>;

/// Lengths of the blocks along every axis.
pub type Chunks = Vec<Sizes>;

/// The length of an axis; [`UNKNOWN`] if that of any block is.
pub fn axis_length(sizes: &[i64]) -> i64 {
    if is_known(sizes) {
        sizes.iter().sum()
    } else {
        UNKNOWN
    }
}

/// Whether all lengths are known.
pub fn is_known(sizes: &[i64]) -> bool {
    sizes.iter().all(|&size| size >= 0)
}

/// Where each block starts, and where the last one ends.
pub fn offsets(sizes: &[i64]) -> Vec<usize> {
    let mut at = 0;
    let mut offsets = Vec::with_capacity(sizes.len() + 1);
    offsets.push(0);
    for &size in sizes {
        at += size.max(0) as usize;
        offsets.push(at);
    }
    offsets
}

/// An axis of `length` in blocks of `size`, the last one shorter.
pub fn regular(length: i64, size: i64) -> Sizes {
    if length == 0 || size <= 0 {
        return Arc::from([0_i64.max(length)]);
    }
    let (whole, rest) = (length / size, length % size);
    let mut sizes = vec![size; whole as usize];
    if rest > 0 {
        sizes.push(rest);
    }
    sizes.into()
}

/// The common cut of axes of equal length: all their boundaries. Unknown lengths must be cut alike
/// (as many blocks each).
pub fn unify_axis(all: &[&Sizes]) -> Result<Sizes, ChunkError> {
    let mut distinct: Vec<&Sizes> = Vec::new();
    for &sizes in all {
        if !distinct.contains(&sizes) {
            distinct.push(sizes);
        }
    }
    let Some((&first, rest)) = distinct.split_first() else {
        return Ok(Arc::from([]));
    };
    if rest.is_empty() {
        return Ok(first.clone());
    }
    if distinct.iter().any(|sizes| !is_known(sizes)) {
        let alike = distinct.iter().all(|sizes| sizes.len() == first.len());
        return alike.then(|| first.clone()).ok_or(ChunkError::Unknown);
    }
    let mut boundaries: Vec<usize> = distinct.iter().flat_map(|sizes| offsets(sizes)).collect();
    boundaries.sort_unstable();
    boundaries.dedup();
    let sizes: Vec<i64> = boundaries
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as i64)
        .collect();
    Ok(if sizes.is_empty() {
        Arc::from([0_i64])
    } else {
        sizes.into()
    })
}
