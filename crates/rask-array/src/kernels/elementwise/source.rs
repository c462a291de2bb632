//! Where a program's inputs come from: arrays, or generators that make any tile on the spot.

use rask_value::array::{DType, NdArray, Scalar, Shape, contiguous_strides};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::kernels::random::{Distribution, Key};

/// An input of a program.
#[derive(Clone, Debug)]
pub enum Source {
    /// Broadcast to the shape of the output.
    Array(NdArray),
    Generator(Generator),
}

/// Elements as a function of their position in a whole array, of which the output is a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    pub dtype: DType,
    pub kind: GeneratorKind,
    /// Position in the whole array of the output's first element, and distance between neighbours,
    /// in row-major elements, along each axis of the output.
    pub start: u64,
    pub steps: SmallVec<[i64; 4]>,
}

/// What a generator makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GeneratorKind {
    /// The same everywhere.
    Fill(Scalar),
    /// `first + position * step`, in the arithmetic of the dtype's kind.
    Arange { first: Scalar, step: Scalar },
    /// `first + position * step`, and `last` itself at position `count - 1`.
    Linspace {
        first: f64,
        step: f64,
        last: Option<f64>,
        count: u64,
    },
    Random {
        distribution: Distribution,
        key: Key,
    },
}

impl Generator {
    /// A generator of the part of a whole array of shape `whole` that starts at `start` and takes
    /// every `steps`-th element along each axis.
    pub fn part(
        dtype: DType,
        kind: GeneratorKind,
        whole: &[usize],
        start: &[usize],
        steps: &[isize],
    ) -> Generator {
        let strides = contiguous_strides(whole, 1);
        let first = start
            .iter()
            .zip(&strides)
            .map(|(&at, &stride)| at as u64 * stride as u64);
        let steps = steps
            .iter()
            .zip(&strides)
            .map(|(&step, &stride)| (step * stride) as i64);
        Generator {
            dtype,
            kind,
            start: first.sum(),
            steps: steps.collect(),
        }
    }

    /// Writes `count` elements from flat position `flat` on, in row-major order of `shape`.
    pub(super) fn fill(&self, shape: &Shape, flat: usize, out: &mut [u8]) {
        let itemsize = self.dtype.itemsize();
        let mut runs = Runs::new(shape, flat, out.len() / itemsize);
        while let Some((coordinates, offset, length)) = runs.next_run() {
            let position = coordinates
                .iter()
                .zip(&self.steps)
                .fold(self.start, |at, (&i, &step)| {
                    at.wrapping_add_signed(i as i64 * step)
                });
            let step = self.steps.last().copied().unwrap_or(1);
            let run = &mut out[offset * itemsize..(offset + length) * itemsize];
            self.fill_run(position, step, run);
        }
    }

    fn fill_run(&self, position: u64, step: i64, out: &mut [u8]) {
        match (&self.kind, self.dtype) {
            (GeneratorKind::Random { distribution, key }, DType::Float64) => {
                distribution.fill_f64(*key, position, step as u64, bytemuck::cast_slice_mut(out));
            }
            (GeneratorKind::Random { distribution, key }, DType::Int64) => {
                distribution.fill_i64(*key, position, step as u64, bytemuck::cast_slice_mut(out));
            }
            (GeneratorKind::Random { distribution, key }, dtype) => {
                let count = out.len() / dtype.itemsize();
                if distribution.is_discrete() {
                    let mut values = vec![0_i64; count];
                    distribution.fill_i64(*key, position, step as u64, &mut values);
                    cast_into(DType::Int64, bytemuck::cast_slice(&values), dtype, out);
                } else {
                    let mut values = vec![0_f64; count];
                    distribution.fill_f64(*key, position, step as u64, &mut values);
                    cast_into(DType::Float64, bytemuck::cast_slice(&values), dtype, out);
                }
            }
            (GeneratorKind::Fill(value), dtype) => {
                let element = value.to_array(dtype);
                let bytes = element.bytes().unwrap_or_default();
                for item in out.chunks_exact_mut(dtype.itemsize()) {
                    item.copy_from_slice(bytes);
                }
            }
            (GeneratorKind::Arange { first, step: by }, dtype) => {
                let positions = (0..).map(|i| position.wrapping_add_signed(step.wrapping_mul(i)));
                write_scalars(dtype, out, positions, |at| match (first, by) {
                    (Scalar::Float(_), _) | (_, Scalar::Float(_)) => {
                        Scalar::Float(first.as_f64() + at as f64 * by.as_f64())
                    }
                    _ => Scalar::Int(first.as_i128() + i128::from(at) * by.as_i128()),
                });
            }
            (
                GeneratorKind::Linspace {
                    first,
                    step: by,
                    last,
                    count,
                },
                dtype,
            ) => {
                let positions = (0..).map(|i| position.wrapping_add_signed(step.wrapping_mul(i)));
                write_scalars(dtype, out, positions, |at| match last {
                    Some(last) if at + 1 == *count => Scalar::Float(*last),
                    _ => Scalar::Float(first + at as f64 * by),
                });
            }
        }
    }
}

/// Elements that are a number of their position, through the widest type of their kind.
fn write_scalars(
    dtype: DType,
    out: &mut [u8],
    positions: impl Iterator<Item = u64>,
    value: impl Fn(u64) -> Scalar,
) {
    match dtype {
        DType::Float64 => {
            let out: &mut [f64] = bytemuck::cast_slice_mut(out);
            out.iter_mut()
                .zip(positions)
                .for_each(|(item, at)| *item = value(at).as_f64());
        }
        DType::Int64 => {
            let out: &mut [i64] = bytemuck::cast_slice_mut(out);
            out.iter_mut()
                .zip(positions)
                .for_each(|(item, at)| *item = value(at).as_i128() as i64);
        }
        _ => {
            for (item, at) in out.chunks_exact_mut(dtype.itemsize()).zip(positions) {
                item.copy_from_slice(value(at).to_array(dtype).bytes().unwrap_or_default());
            }
        }
    }
}

fn cast_into(from: DType, values: &[u8], to: DType, out: &mut [u8]) {
    let cast = super::cast::cast_tile(from, to, values, out);
    debug_assert!(cast, "numbers are cast to every dtype");
}

/// The rows that a range of flat positions crosses: coordinates of a run's first element, its
/// offset in the range, and its length.
pub(super) struct Runs<'a> {
    shape: &'a Shape,
    coordinates: SmallVec<[usize; 4]>,
    done: usize,
    count: usize,
    pending: usize,
}

impl<'a> Runs<'a> {
    pub(super) fn new(shape: &'a Shape, flat: usize, count: usize) -> Self {
        let mut coordinates: SmallVec<[usize; 4]> = SmallVec::from_elem(0, shape.len());
        let mut rest = flat;
        for axis in (0..shape.len()).rev() {
            coordinates[axis] = rest % shape[axis].max(1);
            rest /= shape[axis].max(1);
        }
        Runs {
            shape,
            coordinates,
            done: 0,
            count,
            pending: 0,
        }
    }

    pub(super) fn next_run(&mut self) -> Option<(&[usize], usize, usize)> {
        self.advance();
        if self.done >= self.count {
            return None;
        }
        let row = match (self.shape.last(), self.coordinates.last()) {
            (Some(length), Some(at)) => length - at,
            _ => 1,
        };
        let (offset, length) = (self.done, row.min(self.count - self.done));
        self.pending = length;
        self.done += length;
        Some((&self.coordinates, offset, length))
    }

    /// Moves past the last run.
    fn advance(&mut self) {
        let mut carry = std::mem::take(&mut self.pending);
        for axis in (0..self.shape.len()).rev() {
            if carry == 0 {
                return;
            }
            self.coordinates[axis] += carry;
            carry = 0;
            if self.coordinates[axis] >= self.shape[axis] {
                self.coordinates[axis] = 0;
                carry = 1;
            }
        }
    }
}
