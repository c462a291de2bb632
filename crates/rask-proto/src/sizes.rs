//! How large the values of a layer's blocks are, where that is known before any of them was made: a
//! rule over the layer's grid, so that a layer of a million blocks is described by its axes.

use crate::ProtoError;
use crate::error::check_columns;

/// As it travels, see [`BlockSizes`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SizeSpec {
    /// Bytes of an element.
    #[prost(uint64, tag = "1")]
    pub item_bytes: u64,
    /// One an axis of the grid.
    #[prost(message, repeated, tag = "2")]
    pub axes: Vec<LengthSpec>,
    /// The values are dense arrays of Rask's own if the inputs are: no Python object decides how
    /// many bytes they take.
    #[prost(bool, tag = "3")]
    pub is_dense: bool,
}

/// Lengths of the blocks along one axis: `counts[i]` blocks of `lengths[i]` elements each.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LengthSpec {
    #[prost(uint64, repeated, tag = "1")]
    pub lengths: Vec<u64>,
    #[prost(uint32, repeated, tag = "2")]
    pub counts: Vec<u32>,
}

impl LengthSpec {
    /// From the length of each block.
    pub fn from_lengths(lengths: impl IntoIterator<Item = u64>) -> Self {
        let mut spec = LengthSpec::default();
        for length in lengths {
            match (spec.lengths.last(), spec.counts.last_mut()) {
                (Some(&last), Some(count)) if last == length => *count += 1,
                _ => {
                    spec.lengths.push(length);
                    spec.counts.push(1);
                }
            }
        }
        spec
    }
}

/// Bytes of each block of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSizes {
    item_bytes: u64,
    axes: Vec<AxisLengths>,
    /// See [`SizeSpec::is_dense`].
    pub is_dense: bool,
}

/// One axis: number of blocks, and for each run of equal blocks where it ends and how long they are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AxisLengths {
    count: u32,
    runs: Vec<(u32, u64)>,
}

impl AxisLengths {
    fn at(&self, position: u32) -> u64 {
        let run = self.runs.partition_point(|&(end, _)| end <= position);
        self.runs.get(run).map_or(0, |&(_, length)| length)
    }

    fn max(&self) -> u64 {
        let lengths = self.runs.iter().map(|&(_, length)| length);
        lengths.max().unwrap_or(0)
    }
}

impl BlockSizes {
    /// From what a peer sent, for a layer of this grid.
    pub fn try_from_spec(spec: &SizeSpec, grid: &[u32]) -> Result<Self, ProtoError> {
        check_columns("axes of sizes", spec.axes.len(), grid.len())?;
        let axes = spec.axes.iter().zip(grid).map(|(axis, &count)| {
            check_columns("lengths of blocks", axis.lengths.len(), axis.counts.len())?;
            let mut end = 0u32;
            let runs = axis.lengths.iter().zip(&axis.counts);
            let runs = runs.map(|(&length, &count)| {
                end = end.saturating_add(count);
                (end, length)
            });
            let runs = runs.collect();
            check_columns("blocks along an axis", end as usize, count as usize)?;
            Ok(AxisLengths { count, runs })
        });
        Ok(BlockSizes {
            item_bytes: spec.item_bytes,
            axes: axes.collect::<Result<_, ProtoError>>()?,
            is_dense: spec.is_dense,
        })
    }

    /// Bytes of the block of this number, row-major.
    #[inline]
    pub fn at(&self, block: u32) -> u64 {
        let mut rest = block;
        let axes = self.axes.iter().rev();
        axes.fold(self.item_bytes, |bytes, axis| {
            let position = rest % axis.count.max(1);
            rest /= axis.count.max(1);
            bytes.saturating_mul(axis.at(position))
        })
    }

    /// Bytes of the largest block there could be.
    pub fn max(&self) -> u64 {
        let axes = self.axes.iter();
        axes.fold(self.item_bytes, |bytes, axis| {
            bytes.saturating_mul(axis.max())
        })
    }

    /// As it travels.
    pub fn to_spec(&self) -> SizeSpec {
        let axes = self.axes.iter().map(|axis| {
            let mut before = 0;
            let runs = axis.runs.iter().map(|&(end, length)| {
                let count = end - std::mem::replace(&mut before, end);
                (length, count)
            });
            let (lengths, counts) = runs.unzip();
            LengthSpec { lengths, counts }
        });
        SizeSpec {
            item_bytes: self.item_bytes,
            axes: axes.collect(),
            is_dense: self.is_dense,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(axes: &[&[u64]]) -> SizeSpec {
        let axes = axes.iter();
        SizeSpec {
            item_bytes: 8,
            axes: axes
                .map(|lengths| LengthSpec::from_lengths(lengths.iter().copied()))
                .collect(),
            is_dense: true,
        }
    }

    #[test]
    fn every_block_has_the_product_of_its_lengths() {
        let spec = spec(&[&[10, 10, 3], &[5, 7]]);
        let sizes = BlockSizes::try_from_spec(&spec, &[3, 2]).unwrap();
        let bytes: Vec<u64> = (0..6).map(|block| sizes.at(block) / 8).collect();
        assert_eq!(bytes, [50, 70, 50, 70, 15, 21]);
        assert_eq!(sizes.max(), 70 * 8);
        assert_eq!(sizes.to_spec(), spec);
        // A block without axes is one element.
        let scalar = BlockSizes::try_from_spec(&self::spec(&[]), &[]).unwrap();
        assert_eq!(scalar.at(0), 8);
    }

    #[test]
    fn sizes_that_do_not_fit_the_grid_are_refused() {
        let spec = spec(&[&[10, 10, 3], &[5, 7]]);
        assert!(BlockSizes::try_from_spec(&spec, &[3]).is_err());
        assert!(BlockSizes::try_from_spec(&spec, &[3, 3]).is_err());
        let mut crooked = spec.clone();
        crooked.axes[0].counts.push(1);
        assert!(BlockSizes::try_from_spec(&crooked, &[3, 2]).is_err());
    }

    #[test]
    fn bytes_beyond_all_bounds_are_the_most_there_can_be() {
        let spec = spec(&[&[u64::MAX], &[3]]);
        let sizes = BlockSizes::try_from_spec(&spec, &[1, 1]).unwrap();
        assert_eq!(sizes.at(0), u64::MAX);
    }
}
