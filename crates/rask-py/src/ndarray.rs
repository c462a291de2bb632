//! Between native arrays and NumPy's, sharing memory in both directions.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::{Arc, LazyLock, Mutex};

use numpy::npyffi::{NPY_ARRAY_OWNDATA, NPY_ARRAY_WRITEABLE, NpyTypes, PY_ARRAY_API, npy_intp};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::ffi;
use pyo3::prelude::*;
use rask_value::ValueRef;
use rask_value::array::{Buffer, DType, NdArray, Shape, Strides};

/// Keeps an array's memory alive for the NumPy array that shows it.
#[pyclass(frozen, module = "rask._core")]
struct BufferHolder {
    _buffer: Arc<Buffer>,
}

static DESCRIPTORS: LazyLock<Mutex<HashMap<DType, Py<PyArrayDescr>>>> =
    LazyLock::new(Default::default);

/// NumPy's dtype for a native one.
pub fn descriptor<'py>(py: Python<'py>, dtype: DType) -> PyResult<Bound<'py, PyArrayDescr>> {
    let known = || DESCRIPTORS.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(descriptor) = known().get(&dtype) {
        return Ok(descriptor.bind(py).clone());
    }
    let descriptor = PyArrayDescr::new(py, dtype.typestr())?;
    known().insert(dtype, descriptor.clone().unbind());
    Ok(descriptor)
}

/// The native dtype for NumPy's, if there is one and its bytes are in this machine's order.
pub fn find_dtype(descriptor: &Bound<'_, PyArrayDescr>) -> Option<DType> {
    if descriptor.has_object() || descriptor.has_fields() || descriptor.has_subarray() {
        return None;
    }
    if descriptor.is_native_byteorder() == Some(false) {
        return None;
    }
    let py = descriptor.py();
    let text = descriptor.getattr(pyo3::intern!(py, "str")).ok()?;
    DType::find(
        text.cast::<pyo3::types::PyString>()
            .ok()?
            .to_cow()
            .ok()?
            .as_ref(),
    )
}

/// A read-only NumPy array over the memory of a native one.
pub fn to_numpy<'py>(py: Python<'py>, array: &NdArray) -> PyResult<Bound<'py, PyAny>> {
    share(py, array, 0)
}

/// A NumPy array that may be written to if nobody else holds the memory, read-only otherwise.
pub fn to_numpy_owned(py: Python<'_>, value: ValueRef) -> PyResult<Bound<'_, PyAny>> {
    let mut value = value;
    let unique = Arc::get_mut(&mut value).is_some();
    let Some(array) = value.downcast_ref::<NdArray>() else {
        return Err(pyo3::exceptions::PyTypeError::new_err("not an array"));
    };
    let is_alone = unique && Arc::strong_count(array.buffer()) == 1;
    let is_writable = is_alone && (array.buffer().is_writable() || is_given_up(py, array.buffer()));
    share(py, array, if is_writable { NPY_ARRAY_WRITEABLE } else { 0 })
}

/// Whether this is the memory of a NumPy array to which nobody else refers.
fn is_given_up(py: Python<'_>, buffer: &Buffer) -> bool {
    let Some(keeper) = buffer.find_keeper::<Py<PyAny>>() else {
        return false;
    };
    let Ok(array) = keeper.bind(py).cast::<PyUntypedArray>() else {
        return false;
    };
    let needed = NPY_ARRAY_WRITEABLE | NPY_ARRAY_OWNDATA;
    // SAFETY: the fields of an array that is alive, read by a thread that is attached.
    let (flags, count) = unsafe {
        let flags = (*array.as_array_ptr()).fields.flags;
        (flags, ffi::Py_REFCNT(array.as_ptr()))
    };
    count == 1 && flags & needed == needed
}

fn share<'py>(py: Python<'py>, array: &NdArray, flags: c_int) -> PyResult<Bound<'py, PyAny>> {
    let holder = BufferHolder {
        _buffer: array.buffer().clone(),
    };
    let holder = Bound::new(py, holder)?.into_any();
    let descriptor = descriptor(py, array.dtype())?;
    let mut shape: Vec<npy_intp> = array.shape().iter().map(|&n| n as npy_intp).collect();
    let mut strides: Vec<npy_intp> = array.strides().iter().map(|&n| n as npy_intp).collect();
    // SAFETY: shape and strides stay inside the buffer (the array's invariant), which lives as
    // long as `holder`, to which the new array takes a reference; NumPy takes the descriptor's.
    unsafe {
        let made = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            numpy::npyffi::get_type_object(py, NpyTypes::PyArray_Type),
            descriptor.into_dtype_ptr(),
            shape.len() as c_int,
            shape.as_mut_ptr(),
            strides.as_mut_ptr(),
            array.as_ptr().cast_mut().cast(),
            flags,
            std::ptr::null_mut(),
        );
        let made = Bound::from_owned_ptr_or_err(py, made)?;
        let status =
            PY_ARRAY_API.PyArray_SetBaseObject(py, made.as_ptr().cast(), holder.into_ptr());
        if status < 0 {
            Err(PyErr::fetch(py))
        } else {
            Ok(made)
        }
    }
}

/// A native array over the memory of a NumPy one, which must not be written to from now on; None
/// for dtypes that are not native.
pub fn from_numpy(array: &Bound<'_, PyUntypedArray>) -> Option<NdArray> {
    let dtype = find_dtype(&array.dtype())?;
    let shape: Shape = array.shape().into();
    let strides: Strides = array.strides().into();
    let reach = |(&length, &stride): (&usize, &isize)| (length.max(1) as isize - 1) * stride;
    let reaches = || shape.iter().zip(&strides).map(reach);
    let below = reaches()
        .filter(|&bytes| bytes < 0)
        .sum::<isize>()
        .unsigned_abs();
    let above = reaches()
        .filter(|&bytes| bytes > 0)
        .sum::<isize>()
        .unsigned_abs();
    let empty = shape.contains(&0);
    let length = if empty {
        0
    } else {
        below + above + dtype.itemsize()
    };
    let keep: Arc<Py<PyAny>> = Arc::new(array.clone().into_any().unbind());
    // SAFETY: the array's elements lie from `below` bytes under its data pointer to `above` bytes
    // and an item beyond it, in memory that lives as long as the array object.
    let buffer = unsafe {
        let data = (*array.as_array_ptr())
            .fields
            .data
            .cast::<u8>()
            .cast_const();
        Buffer::foreign(data.wrapping_sub(below), length, keep)
    };
    NdArray::from_parts(
        dtype,
        shape,
        strides,
        if empty { 0 } else { below },
        Arc::new(buffer),
    )
    .ok()
}
