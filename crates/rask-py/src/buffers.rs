//! Memory shared between frames and Python's buffer protocol, without copies in either direction.

use std::ffi::{c_int, c_void};

use bytes::Bytes;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// A Python buffer that keeps its exporter alive while a [`Bytes`] refers to its memory.
struct Exported {
    buffer: PyUntypedBuffer,
}

// SAFETY: the buffer is only read, its memory stays put while it is held, and `PyUntypedBuffer`
// attaches to the interpreter when it is dropped.
unsafe impl Send for Exported {}
// SAFETY: as above; nothing is written through it.
unsafe impl Sync for Exported {}

impl AsRef<[u8]> for Exported {
    fn as_ref(&self) -> &[u8] {
        let length = self.buffer.len_bytes();
        if length == 0 {
            return &[];
        }
        // SAFETY: a held contiguous buffer (checked in `bytes_of`) has `length` readable bytes at
        // its pointer for as long as it is held.
        unsafe { std::slice::from_raw_parts(self.buffer.buf_ptr().cast::<u8>(), length) }
    }
}

/// The memory of a contiguous Python buffer as bytes, shared.
pub fn bytes_of(object: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let buffer = PyUntypedBuffer::get(object)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("the buffer is not contiguous"));
    }
    Ok(Bytes::from_owner(Exported { buffer }))
}

/// Bytes as a read-only Python buffer.
#[pyclass(frozen, module = "rask._core")]
pub struct FrameBuffer {
    bytes: Bytes,
}

impl FrameBuffer {
    /// Shares `bytes` with Python.
    pub fn new(bytes: Bytes) -> Self {
        FrameBuffer { bytes }
    }
}

#[pymethods]
impl FrameBuffer {
    fn __len__(&self) -> usize {
        self.bytes.len()
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = &slf.get().bytes;
        // SAFETY: `view` comes from the interpreter; the bytes are immutable and live as long as
        // the object, to which the view takes a reference.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                bytes.as_ptr().cast_mut().cast::<c_void>(),
                bytes.len() as ffi::Py_ssize_t,
                1,
                flags,
            )
        };
        if status == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }
}
