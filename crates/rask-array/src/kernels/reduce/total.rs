//! Reducing elements that come tile by tile.

use rask_value::array::{DType, NdArray};

use super::axes::identity_of;
use super::fold::fold_rows;
use super::op::ReduceOp;
use crate::kernels::KernelError;

/// A reduction to one element over tiles. Results of tiles are kept and reduced in turn, so sums
/// are pairwise at every scale.
pub struct Total {
    op: ReduceOp,
    dtype: DType,
    output: DType,
    /// Results of tiles, of the output's dtype.
    partials: Vec<u8>,
}

/// How many results of tiles are kept before they are reduced to one.
const PARTIALS_MAX: usize = 1024;

impl Total {
    /// A reduction of elements of `dtype`.
    pub fn new(op: ReduceOp, dtype: DType) -> Result<Self, KernelError> {
        let output = op.output(dtype).ok_or(KernelError::NoLoop {
            op: op.name(),
            dtype,
        })?;
        Ok(Total {
            op,
            dtype,
            output,
            partials: Vec::new(),
        })
    }

    /// Takes a tile's elements.
    pub fn add(&mut self, tile: &[u8]) {
        if tile.is_empty() {
            return;
        }
        let mut result = [0_u128; 1];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut result);
        let bytes = &mut bytes[..self.output.itemsize()];
        fold_rows(
            self.op,
            self.dtype,
            tile,
            tile.len() / self.dtype.itemsize(),
            bytes,
        );
        self.partials.extend_from_slice(bytes);
        if self.partials.len() >= PARTIALS_MAX * self.output.itemsize() {
            let reduced = self.reduced();
            self.partials.clear();
            self.partials
                .extend_from_slice(reduced.bytes().unwrap_or_default());
        }
    }

    fn reduced(&self) -> NdArray {
        let count = self.partials.len() / self.output.itemsize();
        let mut aligned = NdArray::new(self.output, &[count]);
        if let Some(bytes) = aligned.bytes_mut() {
            bytes.copy_from_slice(&self.partials);
        }
        let mut out = NdArray::zeros(self.output, &[]);
        if let Some(target) = out.bytes_mut() {
            let rows = aligned.bytes().unwrap_or_default();
            fold_rows(self.op.combine(), self.output, rows, count, target);
        }
        out
    }

    /// The result, a zero-dimensional array.
    pub fn finish(self) -> Result<NdArray, KernelError> {
        if self.partials.is_empty() {
            let empty = KernelError::Empty { op: self.op.name() };
            return identity_of(self.op, self.output).ok_or(empty);
        }
        Ok(self.reduced())
    }
}
