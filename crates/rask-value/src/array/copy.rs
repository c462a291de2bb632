//! Copying strided elements into row-major memory.

use smallvec::SmallVec;

use super::NdArray;

/// Writes the elements of `array` in row-major order to `target`, which has exactly their bytes.
pub fn copy_strided(array: &NdArray, target: &mut [u8]) {
    let itemsize = array.dtype().itemsize();
    assert_eq!(
        target.len(),
        array.size() * itemsize,
        "the target has room for all elements"
    );
    match itemsize {
        1 => copy_items::<[u8; 1]>(array, target),
        2 => copy_items::<[u8; 2]>(array, target),
        4 => copy_items::<[u8; 4]>(array, target),
        8 => copy_items::<[u8; 8]>(array, target),
        _ => copy_items::<[u8; 16]>(array, target),
    }
}

/// Side of the square blocks in which a transposed plane is copied: 32 x 32 elements of 8 bytes
/// read and written fit in L1.
const BLOCK: usize = 32;

fn copy_items<T: bytemuck::Pod>(array: &NdArray, target: &mut [u8]) {
    if array.size() == 0 {
        return;
    }
    let target: &mut [T] = bytemuck::cast_slice_mut(target);
    let ndim = array.ndim();
    let rows = if ndim >= 2 {
        array.shape()[ndim - 2]
    } else {
        1
    };
    let columns = if ndim >= 1 {
        array.shape()[ndim - 1]
    } else {
        1
    };
    let row_stride = if ndim >= 2 {
        array.strides()[ndim - 2]
    } else {
        0
    };
    let column_stride = if ndim >= 1 {
        array.strides()[ndim - 1]
    } else {
        0
    };
    for (plane, written) in target.chunks_exact_mut(rows * columns).enumerate() {
        let start = plane_start(array, plane);
        copy_plane(start, (row_stride, column_stride), columns, written);
    }
}

/// Address of the first element of the `plane`-th plane of the last two axes.
fn plane_start(array: &NdArray, mut plane: usize) -> *const u8 {
    let outer = array.ndim().saturating_sub(2);
    let mut offset = 0;
    for axis in (0..outer).rev() {
        let length = array.shape()[axis];
        offset += (plane % length) as isize * array.strides()[axis];
        plane /= length;
    }
    array.as_ptr().wrapping_offset(offset)
}

fn copy_plane<T: bytemuck::Pod>(
    start: *const u8,
    (row_stride, column_stride): (isize, isize),
    columns: usize,
    target: &mut [T],
) {
    let rows = target.len() / columns;
    let read = |row: usize, column: usize| {
        let at = start
            .wrapping_offset(row as isize * row_stride)
            .wrapping_offset(column as isize * column_stride);
        // SAFETY: (row, column) lies inside the array's shape, so by `NdArray`'s invariant the
        // element lies inside the buffer; it is plain bytes, read unaligned.
        unsafe { at.cast::<T>().read_unaligned() }
    };
    if column_stride == size_of::<T>() as isize {
        for (row, line) in target.chunks_exact_mut(columns).enumerate() {
            for (column, item) in line.iter_mut().enumerate() {
                *item = read(row, column);
            }
        }
        return;
    }
    let blocks: SmallVec<[usize; 64]> = (0..columns).step_by(BLOCK).collect();
    for row_block in (0..rows).step_by(BLOCK) {
        for &column_block in &blocks {
            for row in row_block..rows.min(row_block + BLOCK) {
                let last = columns.min(column_block + BLOCK);
                let line = &mut target[row * columns + column_block..row * columns + last];
                for (column, item) in (column_block..last).zip(line) {
                    *item = read(row, column);
                }
            }
        }
    }
}
