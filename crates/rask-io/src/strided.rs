//! Picking every so-manieth element out of a C-ordered buffer.

use crate::Region;

/// Copies what `region` selects out of `bytes`, the C-ordered elements of the region's bounding box.
pub(crate) fn select(bytes: &[u8], itemsize: usize, region: &[Region]) -> Vec<u8> {
    let count: usize = region.iter().map(|axis| axis.count() as usize).product();
    let mut selected = Vec::with_capacity(count * itemsize);
    if count == 0 {
        return selected;
    }
    let mut strides = vec![itemsize; region.len()];
    for axis in (1..region.len()).rev() {
        let extent = region[axis].covering().count() as usize;
        strides[axis - 1] = strides[axis] * extent;
    }
    copy_axis(bytes, itemsize, region, &strides, &mut selected);
    selected
}

fn copy_axis(
    bytes: &[u8],
    itemsize: usize,
    region: &[Region],
    strides: &[usize],
    selected: &mut Vec<u8>,
) {
    let [axis, inner @ ..] = region else {
        selected.extend_from_slice(&bytes[..itemsize]);
        return;
    };
    let count = axis.count() as usize;
    if inner.is_empty() && axis.step == 1 {
        selected.extend_from_slice(&bytes[..count * itemsize]);
        return;
    }
    let step = strides[0] * axis.step as usize;
    for position in 0..count {
        copy_axis(
            &bytes[position * step..],
            itemsize,
            inner,
            &strides[1..],
            selected,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_steps_along_both_axes() {
        let bytes: Vec<u8> = (0..20).collect();
        let region = [Region::with_step(0, 4, 2), Region::with_step(0, 5, 3)];
        // The box of the region is 3 rows of 4 elements.
        assert_eq!(select(&bytes[..12], 1, &region), [0, 3, 8, 11]);
        assert_eq!(select(&bytes[..2], 2, &[]), [0, 1]);
    }
}
