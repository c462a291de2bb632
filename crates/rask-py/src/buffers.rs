//! Memory shared between frames and Python's buffer protocol, without copies in either direction.

use std::ffi::{c_int, c_void};

use bytes::Bytes;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// Memory that a [`Bytes`] refers to. It is dropped by threads that may hold locks, which threads in
/// the interpreter may wait for: so it is a view that is held and not a buffer, which can be released
/// in the interpreter only. A reference to an object is given up there when somebody is there next.
struct Exported {
    _view: Py<PyMemoryView>,
    pointer: *const u8,
    length: usize,
}

// SAFETY: the memory is only read, and stays where it is while the view is held.
unsafe impl Send for Exported {}
// SAFETY: as above; nothing is written through it.
unsafe impl Sync for Exported {}

impl AsRef<[u8]> for Exported {
    fn as_ref(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: a contiguous buffer (checked in `bytes_of`) has `length` readable bytes at its
        // pointer for as long as the view, which nobody else has, is not released.
        unsafe { std::slice::from_raw_parts(self.pointer, self.length) }
    }
}

/// The memory of a contiguous Python buffer as bytes, shared.
pub fn bytes_of(object: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let view = PyMemoryView::from(object)?;
    let buffer = PyUntypedBuffer::get(view.as_any())?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("the buffer is not contiguous"));
    }
    Ok(Bytes::from_owner(Exported {
        pointer: buffer.buf_ptr().cast(),
        length: buffer.len_bytes(),
        _view: view.unbind(),
    }))
}

/// Bytes as a Python buffer.
#[pyclass(frozen, module = "rask._core")]
pub struct FrameBuffer {
    bytes: Bytes,
    is_read_only: bool,
}

impl FrameBuffer {
    /// Shares `bytes` with Python, which only reads them.
    pub fn new(bytes: Bytes) -> Self {
        FrameBuffer {
            bytes,
            is_read_only: true,
        }
    }

    /// Gives `bytes` to Python, which may write to them.
    ///
    /// # Safety
    /// The memory can be written to, and nobody else reads or writes it.
    pub unsafe fn own(bytes: Bytes) -> Self {
        FrameBuffer {
            bytes,
            is_read_only: false,
        }
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
        let FrameBuffer {
            bytes,
            is_read_only,
        } = slf.get();
        // SAFETY: `view` comes from the interpreter; the bytes live as long as the object, to which
        // the view takes a reference, and are immutable or Python's alone.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                bytes.as_ptr().cast_mut().cast::<c_void>(),
                bytes.len() as ffi::Py_ssize_t,
                c_int::from(*is_read_only),
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
