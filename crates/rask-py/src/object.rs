//! A Python object as a value: pickle protocol 5, large buffers out of band.

use bytes::Bytes;
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use rask_value::array::NdArray;
use rask_value::{CodecError, Encoded, Frames, OwnEncoded, Value, ValueRef};
use std::sync::Arc;

use crate::buffers::{FrameBuffer, bytes_of};
use crate::ndarray::from_numpy;
use crate::numpy_memory::is_numpy_here;
use crate::pickled::with_writable_buffers;
use crate::sizeof::{find_buffer, sizeof};

/// The kind of encoded Python objects.
pub const KIND: &str = "pickle";

/// Smaller arrays are pickled, into one frame.
const NATIVE_BYTES_MIN: u64 = 4096;

/// A Python object held as a task's value.
pub struct PyValue {
    object: Py<PyAny>,
    nbytes: u64,
    /// See [`find_buffer`].
    buffer: Option<(u64, u64)>,
    /// The object's memory, if it is an array that has a native form: such values are encoded without
    /// the interpreter, which another task may have for long.
    native: Option<NdArray>,
}

impl PyValue {
    /// Takes a Python object.
    pub fn new(object: Bound<'_, PyAny>) -> Self {
        let nbytes = sizeof(&object);
        PyValue {
            buffer: find_buffer(&object),
            native: (nbytes >= NATIVE_BYTES_MIN)
                .then(|| find_native(&object))
                .flatten(),
            object: object.unbind(),
            nbytes,
        }
    }

    /// Takes a Python object as a shared value.
    pub fn wrap(object: Bound<'_, PyAny>) -> ValueRef {
        Arc::new(Self::new(object))
    }

    /// The object.
    pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.object.bind(py)
    }
}

impl std::fmt::Debug for PyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PyValue({} bytes)", self.nbytes)
    }
}

impl Value for PyValue {
    fn nbytes(&self) -> u64 {
        self.nbytes
    }

    fn buffers(&self) -> Vec<(u64, u64)> {
        self.buffer.into_iter().collect()
    }

    fn type_name(&self) -> String {
        Python::attach(|py| type_name_of(self.bind(py)))
    }

    fn describe(&self) -> String {
        Python::attach(|py| {
            let described = py
                .import("rask.distributed._errors")
                .and_then(|module| module.call_method1("describe", (self.bind(py),)))
                .and_then(|text| text.extract::<String>());
            described.unwrap_or_else(|_| type_name_of(self.bind(py)))
        })
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        if let Some(native) = &self.native {
            return native.encode();
        }
        Python::attach(|py| {
            let object = self.bind(py);
            if let Some(small) = crate::cluster::try_encode_small(object) {
                return Ok(small);
            }
            Ok(Encoded {
                kind: KIND.to_owned(),
                frames: dumps(object)?,
            })
        })
    }

    fn encode_at_once(&self) -> Option<Encoded> {
        self.native.as_ref()?.encode_at_once()
    }
}

/// A contiguous NumPy array's memory as a native array, unless its dtype says more than a native one
/// can.
fn find_native(object: &Bound<'_, PyAny>) -> Option<NdArray> {
    let py = object.py();
    if !is_numpy_here(py) {
        return None;
    }
    let array = object.cast_exact::<PyUntypedArray>().ok()?;
    let metadata = array.dtype().getattr(pyo3::intern!(py, "metadata"));
    if !metadata.is_ok_and(|metadata| metadata.is_none()) {
        return None;
    }
    from_numpy(array).filter(NdArray::is_contiguous)
}

/// `"module.Type"` of an object, without the module for builtins.
pub fn type_name_of(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .fully_qualified_name()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

/// Pickles an object: header and out-of-band buffers that share its memory.
pub fn dumps(object: &Bound<'_, PyAny>) -> Result<Frames, CodecError> {
    try_dumps(object).map_err(|error| CodecError::NotSerialisable {
        what: type_name_of(object),
        reason: error.to_string(),
    })
}

fn try_dumps(object: &Bound<'_, PyAny>) -> PyResult<Frames> {
    let py = object.py();
    let serialise = py
        .import(pyo3::intern!(py, "rask._pickle"))?
        .getattr(pyo3::intern!(py, "dumps"))?;
    let (header, buffers): (Bound<'_, PyBytes>, Bound<'_, PyList>) =
        serialise.call1((object,))?.extract()?;
    let buffers = buffers.iter().map(|buffer| bytes_of(&buffer));
    Ok(Frames {
        header: bytes_of(header.as_any())?,
        buffers: buffers.collect::<PyResult<_>>()?,
    })
}

/// Reads what [`dumps`] wrote; large buffers are shared with the frames and read-only.
pub fn loads<'py>(py: Python<'py>, frames: &Frames) -> PyResult<Bound<'py, PyAny>> {
    loads_over(py, &frames.header, &frames.buffers, FrameBuffer::new)
}

/// The same of frames that nobody else has: large buffers may be written to, also those of arrays
/// that could not be where they were pickled.
pub fn loads_own(py: Python<'_>, encoded: OwnEncoded) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: by the contract of `OwnEncoded`.
    let share = |bytes| unsafe { FrameBuffer::own(bytes) };
    let Frames { header, buffers } = encoded.frames();
    match buffers.is_empty() {
        true => loads_over(py, header, buffers, share),
        false => loads_over(py, &with_writable_buffers(header), buffers, share),
    }
}

fn loads_over<'py>(
    py: Python<'py>,
    header: &Bytes,
    buffers: &[Bytes],
    share: impl Fn(Bytes) -> FrameBuffer,
) -> PyResult<Bound<'py, PyAny>> {
    let shared = PyList::empty(py);
    for buffer in buffers {
        shared.append(Bound::new(py, share(buffer.clone()))?)?;
    }
    let header = Bound::new(py, FrameBuffer::new(header.clone()))?;
    py.import(pyo3::intern!(py, "rask._pickle"))?
        .getattr(pyo3::intern!(py, "loads"))?
        .call1((header, shared))
}

fn value_of(loaded: PyResult<Bound<'_, PyAny>>) -> Result<ValueRef, CodecError> {
    let object = loaded.map_err(|error| CodecError::Malformed {
        kind: KIND,
        reason: error.to_string(),
    })?;
    Ok(PyValue::wrap(object))
}

/// Makes Python objects decodable in this process.
pub fn register_codec() {
    use rask_value::codec;
    codec::register_value(KIND, |frames| {
        Python::attach(|py| value_of(loads(py, frames)))
    });
    codec::register_own_value(KIND, |encoded| {
        Python::attach(|py| value_of(loads_own(py, encoded)))
    });
}
