//! Count, mean and sum of squared deviations, in a form that merges without cancellation.

use rask_value::array::{DType, Kind, NdArray};
use smallvec::SmallVec;

use super::axes::Layout;
use crate::kernels::KernelError;
use crate::kernels::elementwise::{Program, Source, run};

/// Count, mean and sum of squared deviations along `axes`: `float64` of shape `[3, …]`, the reduced
/// axes kept with length one if `keepdims`. Empty rows have count 0 and mean 0.
///
/// With `skip_nan`, NaN elements are left out.
pub fn moments(
    array: &NdArray,
    axes: &[usize],
    keepdims: bool,
    skip_nan: bool,
) -> Result<NdArray, KernelError> {
    let layout = Layout::new(array, axes);
    let rows = as_f64(&layout.rows(array, axes)?)?;
    let values: &[f64] = rows.as_slice()?;
    let count: usize = layout.kept_shape.iter().product();
    let mut out = NdArray::zeros(DType::Float64, &[3, count]);
    let target: &mut [f64] = out.as_mut_slice()?;
    for i in 0..count {
        let row = &values[i * layout.row..(i + 1) * layout.row];
        let [n, mean, squares] = moments_of(row, skip_nan);
        target[i] = n;
        target[count + i] = mean;
        target[2 * count + i] = squares;
    }
    let kept = if keepdims {
        &layout.full_shape
    } else {
        &layout.kept_shape
    };
    let shape: SmallVec<[usize; 5]> = std::iter::once(3).chain(kept.iter().copied()).collect();
    Ok(out.reshape(&shape)?)
}

fn as_f64(array: &NdArray) -> Result<NdArray, KernelError> {
    if array.dtype() == DType::Float64 {
        return Ok(array.clone());
    }
    let mut program = Program::new();
    let input = program.input(array.dtype());
    let output = program.cast(input, DType::Float64);
    program.finish(output);
    run(&program, vec![Source::Array(array.clone())], array.shape())
}

/// Two passes: the mean first, then the squares of the distances from it.
fn moments_of(row: &[f64], skip_nan: bool) -> [f64; 3] {
    let kept = |x: &f64| !(skip_nan && x.is_nan());
    let n = if skip_nan {
        row.iter().filter(|x| kept(x)).count()
    } else {
        row.len()
    } as f64;
    if n == 0.0 {
        return [0.0; 3];
    }
    let zero_if_skipped = |x: f64| if kept(&x) { x } else { 0.0 };
    let mean = pairwise_sum(row, &zero_if_skipped) / n;
    let square = |x: f64| {
        if kept(&x) {
            (x - mean) * (x - mean)
        } else {
            0.0
        }
    };
    [n, mean, pairwise_sum(row, &square)]
}

fn pairwise_sum(row: &[f64], map: &impl Fn(f64) -> f64) -> f64 {
    const LANES: usize = 8;
    if row.len() <= 512 {
        let mut lanes = [0.0; LANES];
        for chunk in row.chunks(LANES) {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += map(x);
            }
        }
        return lanes.iter().sum();
    }
    let half = (row.len() / 2).next_multiple_of(LANES);
    pairwise_sum(&row[..half], map) + pairwise_sum(&row[half..], map)
}

/// Merges moments of equal shapes `[3, …]`.
///
/// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
/// variances" (1979).
pub fn merge_moments(parts: &[NdArray]) -> Result<NdArray, KernelError> {
    let Some((first, rest)) = parts.split_first() else {
        return Err(KernelError::Empty { op: "var" });
    };
    let mut merged = NdArray::new(DType::Float64, first.shape());
    let target: &mut [f64] = merged.as_mut_slice()?;
    target.copy_from_slice(first.to_contiguous().as_slice()?);
    let count = target.len() / 3;
    for part in rest {
        let part = part.broadcast_to(first.shape())?.to_contiguous();
        let other: &[f64] = part.as_slice()?;
        for i in 0..count {
            let (n_a, n_b) = (target[i], other[i]);
            let n = n_a + n_b;
            if n_b == 0.0 {
                continue;
            }
            let delta = other[count + i] - target[count + i];
            target[i] = n;
            target[count + i] += delta * (n_b / n);
            target[2 * count + i] += other[2 * count + i] + delta * delta * (n_a * n_b / n);
        }
    }
    Ok(merged)
}

/// Whether [`moments`] has a native form for a dtype.
pub fn has_moments(dtype: DType) -> bool {
    matches!(
        dtype.kind(),
        Kind::Bool | Kind::Int | Kind::UInt | Kind::Float
    )
}
