//! Native n-dimensional arrays: a shape and strides over a shared buffer.

use std::sync::Arc;

use smallvec::SmallVec;

use super::DType;
use super::buffer::{Buffer, SharedBuffer};
use super::element::Element;

/// Lengths of the axes.
pub type Shape = SmallVec<[usize; 4]>;
/// Distances between neighbours along the axes, in bytes; may be zero or negative.
pub type Strides = SmallVec<[isize; 4]>;

/// A strided array over a shared buffer. Clones and views share the memory.
///
/// Invariant: every element that the shape and strides name lies inside the buffer.
#[derive(Clone, Debug)]
pub struct NdArray {
    dtype: DType,
    shape: Shape,
    strides: Strides,
    /// Byte offset of the first element in the buffer.
    offset: usize,
    buffer: Arc<Buffer>,
}

/// An array that cannot be made or viewed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrayError {
    #[error("an array of shape {shape:?} with strides {strides:?} does not fit in {bytes} bytes")]
    OutOfBounds {
        shape: Vec<usize>,
        strides: Vec<isize>,
        bytes: usize,
    },
    #[error("expected elements of {expected}, found {found}")]
    WrongDType { expected: DType, found: DType },
    #[error("cannot reshape array of size {size} into shape {shape:?}")]
    Reshape { size: usize, shape: Vec<usize> },
    #[error("could not broadcast shape {from:?} to {to:?}")]
    Broadcast { from: Vec<usize>, to: Vec<usize> },
    #[error("the array is not contiguous")]
    NotContiguous,
    #[error("axes {axes:?} are not a permutation of the {ndim} axes")]
    BadAxes { axes: Vec<usize>, ndim: usize },
}

/// Whether offsets into an array of this shape can be computed, as NumPy asks too: the lengths other
/// than zero multiply to a number of bytes that an `isize` holds.
pub(super) fn is_countable(shape: &[usize], itemsize: usize) -> bool {
    let nbytes = shape.iter().try_fold(itemsize, |nbytes, &length| {
        nbytes.checked_mul(length.max(1))
    });
    nbytes.is_some_and(|nbytes| isize::try_from(nbytes).is_ok())
}

/// Row-major strides of a shape.
pub fn contiguous_strides(shape: &[usize], itemsize: usize) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(0, shape.len());
    let mut step = itemsize as isize;
    for axis in (0..shape.len()).rev() {
        strides[axis] = step;
        step *= shape[axis].max(1) as isize;
    }
    strides
}

impl NdArray {
    /// An array over a buffer.
    pub fn from_parts(
        dtype: DType,
        shape: Shape,
        strides: Strides,
        offset: usize,
        buffer: Arc<Buffer>,
    ) -> Result<NdArray, ArrayError> {
        let array = NdArray {
            dtype,
            shape,
            strides,
            offset,
            buffer,
        };
        if array.fits() {
            Ok(array)
        } else {
            Err(array.out_of_bounds())
        }
    }

    fn out_of_bounds(&self) -> ArrayError {
        ArrayError::OutOfBounds {
            shape: self.shape.to_vec(),
            strides: self.strides.to_vec(),
            bytes: self.buffer.len(),
        }
    }

    /// Checks the invariant, in arithmetic that cannot overflow.
    fn fits(&self) -> bool {
        if self.shape.len() != self.strides.len() {
            return false;
        }
        if !is_countable(&self.shape, self.dtype.itemsize()) {
            return false;
        }
        if self.shape.contains(&0) {
            return true;
        }
        let (mut low, mut high) = (self.offset as i128, self.offset as i128);
        for (&length, &stride) in self.shape.iter().zip(&self.strides) {
            let reach = (length as i128 - 1) * stride as i128;
            if reach < 0 {
                low += reach
            } else {
                high += reach
            }
        }
        low >= 0 && high + self.dtype.itemsize() as i128 <= self.buffer.len() as i128
    }

    /// A new row-major array whose contents must be overwritten.
    pub fn new(dtype: DType, shape: &[usize]) -> NdArray {
        Self::over(Buffer::new(byte_count(dtype, shape)), dtype, shape)
    }

    /// A new row-major array of zeros.
    pub fn zeros(dtype: DType, shape: &[usize]) -> NdArray {
        Self::over(Buffer::zeroed(byte_count(dtype, shape)), dtype, shape)
    }

    fn over(buffer: Buffer, dtype: DType, shape: &[usize]) -> NdArray {
        NdArray {
            dtype,
            shape: shape.into(),
            strides: contiguous_strides(shape, dtype.itemsize()),
            offset: 0,
            buffer: Arc::new(buffer),
        }
    }

    /// A row-major array of these elements.
    pub fn from_slice<T: Element>(elements: &[T], shape: &[usize]) -> Result<NdArray, ArrayError> {
        if shape.iter().product::<usize>() != elements.len() {
            return Err(ArrayError::Reshape {
                size: elements.len(),
                shape: shape.to_vec(),
            });
        }
        Ok(Self::over(
            Buffer::copy_of(bytemuck::cast_slice(elements)),
            T::DTYPE,
            shape,
        ))
    }

    /// A zero-dimensional array of one element.
    pub fn scalar<T: Element>(element: T) -> NdArray {
        Self::over(Buffer::copy_of(bytemuck::bytes_of(&element)), T::DTYPE, &[])
    }

    /// The dtype of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The strides in bytes.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The buffer, shared with other views.
    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    /// Byte offset of the first element in the buffer.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The address of the first element.
    pub fn as_ptr(&self) -> *const u8 {
        self.buffer.as_ptr().wrapping_add(self.offset)
    }

    /// The same memory read as another dtype of the same size.
    pub fn view_as(&self, dtype: DType) -> Result<NdArray, ArrayError> {
        if dtype.itemsize() != self.dtype.itemsize() {
            return Err(ArrayError::WrongDType {
                expected: dtype,
                found: self.dtype,
            });
        }
        Ok(NdArray {
            dtype,
            ..self.clone()
        })
    }

    /// Whether the elements lie one after the other in row-major order.
    pub fn is_contiguous(&self) -> bool {
        let mut step = self.dtype.itemsize() as isize;
        for (&length, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if length > 1 && stride != step {
                return self.size() == 0;
            }
            step *= length as isize;
        }
        true
    }

    /// The bytes of a contiguous array.
    pub fn bytes(&self) -> Option<&[u8]> {
        let length = self.size() * self.dtype.itemsize();
        if length == 0 {
            // Of the buffer, so that it is aligned like every other.
            return Some(&self.buffer.as_slice()[..0]);
        }
        self.is_contiguous()
            .then(|| &self.buffer.as_slice()[self.offset..self.offset + length])
    }

    /// The bytes of a contiguous array as a shared handle, without a copy.
    pub fn shared_bytes(&self) -> Option<bytes::Bytes> {
        let length = self.size() * self.dtype.itemsize();
        self.is_contiguous().then(|| {
            let all = bytes::Bytes::from_owner(SharedBuffer(self.buffer.clone()));
            if length == 0 {
                bytes::Bytes::new()
            } else {
                all.slice(self.offset..self.offset + length)
            }
        })
    }

    /// The elements of a contiguous array.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], ArrayError> {
        self.check_dtype(T::DTYPE)?;
        let bytes = self.bytes().ok_or(ArrayError::NotContiguous)?;
        bytemuck::try_cast_slice(bytes).map_err(|_| ArrayError::NotContiguous)
    }

    /// The elements of a contiguous array that nobody else holds, to write to.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T], ArrayError> {
        self.check_dtype(T::DTYPE)?;
        let bytes = self.bytes_mut().ok_or(ArrayError::NotContiguous)?;
        bytemuck::try_cast_slice_mut(bytes).map_err(|_| ArrayError::NotContiguous)
    }

    /// The bytes of a contiguous array that nobody else holds, to write to.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if !self.is_contiguous() {
            return None;
        }
        let (offset, length) = (self.offset, self.size() * self.dtype.itemsize());
        let all = Arc::get_mut(&mut self.buffer)?.as_mut_slice()?;
        if length == 0 {
            Some(&mut all[..0])
        } else {
            Some(&mut all[offset..offset + length])
        }
    }

    /// Whether this is the only reference to memory that Rask allocated.
    pub fn is_unique(&mut self) -> bool {
        self.buffer.is_ours() && Arc::get_mut(&mut self.buffer).is_some()
    }

    fn check_dtype(&self, expected: DType) -> Result<(), ArrayError> {
        // Datetimes and timedeltas are read as their ticks.
        let same = self.dtype == expected
            || (expected == DType::Int64
                && matches!(
                    self.dtype,
                    DType::DateTime64 { .. } | DType::TimeDelta64 { .. }
                ));
        if same {
            Ok(())
        } else {
            Err(ArrayError::WrongDType {
                expected,
                found: self.dtype,
            })
        }
    }

    /// The only element of an array of size one.
    pub fn item<T: Element>(&self) -> Result<T, ArrayError> {
        if self.size() != 1 {
            return Err(ArrayError::Reshape {
                size: self.size(),
                shape: Vec::new(),
            });
        }
        let one = NdArray {
            shape: SmallVec::new(),
            strides: SmallVec::new(),
            ..self.clone()
        };
        one.check_dtype(T::DTYPE)?;
        Ok(bytemuck::pod_read_unaligned(
            one.bytes().ok_or(ArrayError::NotContiguous)?,
        ))
    }
}

fn byte_count(dtype: DType, shape: &[usize]) -> usize {
    shape
        .iter()
        .try_fold(dtype.itemsize(), |bytes, &length| bytes.checked_mul(length))
        .expect("an array's size in bytes fits in a usize")
}

mod views {
    use super::{ArrayError, NdArray, Shape, SmallVec, Strides, contiguous_strides};

    /// One step of basic indexing along an axis of the array.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum AxisIndex {
        /// Elements `start, start + step, …`, `length` of them.
        Range {
            start: usize,
            step: isize,
            length: usize,
        },
        /// One element; the axis goes away.
        At(usize),
        /// A new axis of length one (consumes no axis of the array).
        New,
    }

    impl NdArray {
        /// A view by basic indexing; axes that are not named are kept whole.
        ///
        /// # Errors
        /// If an index names elements outside the array.
        pub fn index(&self, index: &[AxisIndex]) -> Result<NdArray, ArrayError> {
            let (mut shape, mut strides) = (Shape::new(), Strides::new());
            let mut offset = self.offset() as isize;
            let mut axis = 0;
            for item in index {
                if *item == AxisIndex::New {
                    shape.push(1);
                    strides.push(0);
                    continue;
                }
                let (length, stride) = match (self.shape.get(axis), self.strides.get(axis)) {
                    (Some(&length), Some(&stride)) => (length, stride),
                    _ => return Err(self.out_of_bounds()),
                };
                axis += 1;
                match *item {
                    AxisIndex::At(position) if position < length => {
                        offset += position as isize * stride;
                    }
                    AxisIndex::Range {
                        length: 0, step, ..
                    } => {
                        shape.push(0);
                        strides.push(stride * step);
                    }
                    AxisIndex::Range {
                        start,
                        step,
                        length: count,
                    } if start < length => {
                        offset += start as isize * stride;
                        shape.push(count);
                        strides.push(stride * step);
                    }
                    _ => return Err(self.out_of_bounds()),
                }
            }
            shape.extend_from_slice(&self.shape[axis..]);
            strides.extend_from_slice(&self.strides[axis..]);
            let empty = shape.contains(&0);
            let offset = if empty { self.offset } else { offset as usize };
            NdArray::from_parts(self.dtype, shape, strides, offset, self.buffer.clone())
        }

        /// The elements `start..stop` along each axis.
        pub fn window(&self, ranges: &[std::ops::Range<usize>]) -> Result<NdArray, ArrayError> {
            let index: SmallVec<[AxisIndex; 4]> = ranges
                .iter()
                .map(|range| AxisIndex::Range {
                    start: range.start,
                    step: 1,
                    length: range.len(),
                })
                .collect();
            self.index(&index)
        }

        /// The axes in another order.
        pub fn transpose(&self, axes: &[usize]) -> Result<NdArray, ArrayError> {
            let mut seen: SmallVec<[bool; 8]> = SmallVec::from_elem(false, self.ndim());
            for &axis in axes {
                match seen.get_mut(axis) {
                    Some(flag) if !*flag => *flag = true,
                    _ => return Err(self.bad_axes(axes)),
                }
            }
            if axes.len() != self.ndim() {
                return Err(self.bad_axes(axes));
            }
            let shape = axes.iter().map(|&axis| self.shape[axis]).collect();
            let strides = axes.iter().map(|&axis| self.strides[axis]).collect();
            Ok(NdArray {
                shape,
                strides,
                ..self.clone()
            })
        }

        fn bad_axes(&self, axes: &[usize]) -> ArrayError {
            ArrayError::BadAxes {
                axes: axes.to_vec(),
                ndim: self.ndim(),
            }
        }

        /// The array repeated along axes of length one, and new axes in front, without a copy.
        pub fn broadcast_to(&self, to: &[usize]) -> Result<NdArray, ArrayError> {
            let refuse = || ArrayError::Broadcast {
                from: self.shape.to_vec(),
                to: to.to_vec(),
            };
            let new = to.len().checked_sub(self.ndim()).ok_or_else(refuse)?;
            let mut strides: Strides = SmallVec::from_elem(0, to.len());
            for axis in 0..self.ndim() {
                let length = self.shape[axis];
                if length == to[new + axis] {
                    strides[new + axis] = self.strides[axis];
                } else if length != 1 {
                    return Err(refuse());
                }
            }
            Ok(NdArray {
                shape: to.into(),
                strides,
                ..self.clone()
            })
        }

        /// The same elements in row-major order with another shape; a view where possible.
        pub fn reshape(&self, shape: &[usize]) -> Result<NdArray, ArrayError> {
            if shape.iter().product::<usize>() != self.size() {
                return Err(ArrayError::Reshape {
                    size: self.size(),
                    shape: shape.to_vec(),
                });
            }
            if let Some(strides) = self.find_reshaped_strides(shape) {
                return Ok(NdArray {
                    shape: shape.into(),
                    strides,
                    ..self.clone()
                });
            }
            let whole = self.to_contiguous();
            let strides = contiguous_strides(shape, self.dtype.itemsize());
            Ok(NdArray {
                shape: shape.into(),
                strides,
                ..whole
            })
        }

        /// Strides that give `shape` without a copy: each run of old axes that can be walked with
        /// one stride is split into new axes.
        fn find_reshaped_strides(&self, shape: &[usize]) -> Option<Strides> {
            if self.is_contiguous() {
                return Some(contiguous_strides(shape, self.dtype.itemsize()));
            }
            let kept: SmallVec<[(usize, isize); 4]> = (0..self.ndim())
                .filter(|&axis| self.shape[axis] != 1)
                .map(|axis| (self.shape[axis], self.strides[axis]))
                .collect();
            let mut strides: Strides = SmallVec::from_elem(0, shape.len());
            let (mut old, mut new) = (kept.len(), shape.len());
            while old > 0 {
                let (mut length, stride) = kept[old - 1];
                old -= 1;
                while old > 0 && kept[old - 1].1 == stride * length as isize {
                    length *= kept[old - 1].0;
                    old -= 1;
                }
                let mut step = stride;
                while length > 1 {
                    new = new.checked_sub(1)?;
                    if shape[new] == 0 || length % shape[new] != 0 {
                        return None;
                    }
                    strides[new] = step;
                    step *= shape[new] as isize;
                    length /= shape[new];
                }
            }
            Some(strides)
        }

        /// The same elements, one after the other in row-major order; a copy if they are not.
        pub fn to_contiguous(&self) -> NdArray {
            if self.is_contiguous() {
                return self.clone();
            }
            let mut copy = NdArray::new(self.dtype, &self.shape);
            super::super::copy::copy_strided(self, copy.bytes_mut().expect("a new array is ours"));
            copy
        }
    }
}

pub use views::AxisIndex;
