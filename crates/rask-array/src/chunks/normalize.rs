//! From what a user writes for `chunks=` to the lengths of blocks.

use std::sync::Arc;

use super::{Chunks, Sizes, axis_length, is_known, regular};

/// What a user wants along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AxisSpec {
    /// Blocks of this length, the last one shorter.
    Size(i64),
    /// These blocks.
    Sizes(Vec<i64>),
    /// One block.
    Whole,
    /// As it was before; one block if there was nothing before.
    Keep,
    /// As large as the byte limit allows.
    Auto,
}

/// Chunks that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("Chunks do not add up to shape. Got chunks={chunks:?}, shape={shape:?}")]
    Sum {
        chunks: Vec<Vec<i64>>,
        shape: Vec<i64>,
    },
    #[error("chunks are given for {found} axes, the array has {expected}: shape={shape:?}")]
    AxisCount {
        found: usize,
        expected: usize,
        shape: Vec<i64>,
    },
    #[error("chunks must be positive, got {0}")]
    NotPositive(i64),
    #[error(
        "arrays with unknown chunk sizes must have the same number of blocks along an axis that they share; call compute_chunk_sizes() first"
    )]
    Unknown,
    #[error("chunks='auto' needs known lengths and a dtype of fixed size")]
    AutoUnknown,
}

/// The lengths of blocks that `specs` ask for an array of `shape`. `limit_bytes` bounds the blocks
/// along the axes that are `Auto`; there `previous` chunks are kept whole where possible.
pub fn normalize(
    specs: &[AxisSpec],
    shape: &[i64],
    limit_bytes: u64,
    itemsize: usize,
    previous: Option<&[Sizes]>,
) -> Result<Chunks, ChunkError> {
    if specs.len() != shape.len() {
        return Err(ChunkError::AxisCount {
            found: specs.len(),
            expected: shape.len(),
            shape: shape.to_vec(),
        });
    }
    let mut chunks: Vec<Option<Sizes>> = Vec::with_capacity(specs.len());
    for (axis, (spec, &length)) in specs.iter().zip(shape).enumerate() {
        chunks.push(fixed_axis(spec, length, previous.map(|all| &all[axis]))?);
    }
    fill_auto(&mut chunks, shape, limit_bytes, itemsize, previous)?;
    let chunks: Chunks = chunks.into_iter().flatten().collect();
    let fits = |(sizes, &length): (&Sizes, &i64)| {
        length < 0 || !is_known(sizes) || axis_length(sizes) == length
    };
    if !chunks.iter().zip(shape).all(fits) {
        return Err(ChunkError::Sum {
            chunks: chunks.iter().map(|sizes| sizes.to_vec()).collect(),
            shape: shape.to_vec(),
        });
    }
    Ok(chunks)
}

fn fixed_axis(
    spec: &AxisSpec,
    length: i64,
    previous: Option<&Sizes>,
) -> Result<Option<Sizes>, ChunkError> {
    Ok(Some(match spec {
        AxisSpec::Auto => return Ok(None),
        AxisSpec::Size(size) if *size <= 0 && length > 0 => {
            return Err(ChunkError::NotPositive(*size));
        }
        AxisSpec::Size(size) => regular(length, *size),
        AxisSpec::Sizes(sizes) => match sizes.iter().find(|&&size| size < -1) {
            Some(&size) => return Err(ChunkError::NotPositive(size)),
            None => Arc::from(&sizes[..]),
        },
        AxisSpec::Keep => match previous {
            Some(sizes) => sizes.clone(),
            None => Arc::from([length]),
        },
        AxisSpec::Whole => Arc::from([length]),
    }))
}

fn fill_auto(
    chunks: &mut [Option<Sizes>],
    shape: &[i64],
    limit_bytes: u64,
    itemsize: usize,
    previous: Option<&[Sizes]>,
) -> Result<(), ChunkError> {
    let mut open: Vec<usize> = (0..chunks.len()).filter(|&a| chunks[a].is_none()).collect();
    if open.is_empty() {
        return Ok(());
    }
    let unknown = |sizes: &Sizes| !is_known(sizes);
    if open.iter().any(|&axis| shape[axis] < 0) || chunks.iter().flatten().any(unknown) {
        return Err(ChunkError::AutoUnknown);
    }
    let fixed: f64 = chunks
        .iter()
        .flatten()
        .map(|sizes| sizes.iter().copied().max().unwrap_or(1).max(1) as f64)
        .product();
    let mut room = (limit_bytes as f64 / itemsize.max(1) as f64 / fixed).max(1.0);
    let weight = |axis: usize| median(previous.map(|all| &all[axis]));
    loop {
        let factor = open.iter().map(|&axis| weight(axis)).product::<f64>();
        let scale = (room / factor).powf(1.0 / open.len() as f64);
        let small = open
            .iter()
            .position(|&axis| shape[axis] as f64 <= (scale * weight(axis)).max(1.0));
        if let Some(position) = small {
            let axis = open.swap_remove(position);
            chunks[axis] = Some(Arc::from([shape[axis]]));
            room = (room / shape[axis].max(1) as f64).max(1.0);
            if open.is_empty() {
                return Ok(());
            }
            continue;
        }
        for &axis in &open {
            let ideal = (scale * weight(axis)).max(1.0);
            let size = match previous {
                Some(_) => round_to_blocks(ideal, weight(axis)),
                None => round_to_factor(ideal, shape[axis]),
            };
            chunks[axis] = Some(regular(shape[axis], size));
        }
        return Ok(());
    }
}

fn median(sizes: Option<&Sizes>) -> f64 {
    let mut sizes: Vec<i64> = match sizes {
        Some(sizes) => sizes.to_vec(),
        None => return 1.0,
    };
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or(1).max(1) as f64
}

/// A length near `ideal` that holds whole old blocks, or a whole part of one.
fn round_to_blocks(ideal: f64, block: f64) -> i64 {
    if ideal >= block {
        ((ideal / block).floor() * block) as i64
    } else {
        round_to_factor(ideal, block as i64)
    }
}

/// The largest factor of `length` between half of `ideal` and `ideal`, or `ideal` itself.
fn round_to_factor(ideal: f64, length: i64) -> i64 {
    let ideal = ideal.floor() as i64;
    let half = (ideal + 1) / 2;
    let pieces = (length / ideal.max(1)).max(1)..=(length / half.max(1)).max(1);
    let factor = pieces
        .take(100_000)
        .filter(|&count| length % count == 0 && length / count <= ideal)
        .map(|count| length / count)
        .next();
    factor.filter(|&size| size >= half).unwrap_or(ideal.max(1))
}
