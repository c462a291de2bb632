//! Pickled parts of calls.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rask_value::Frames;

use crate::object::dumps;

/// A pickled object, to be sent. Large buffers are the object's memory.
#[pyclass(frozen, name = "Payload", module = "rask._core")]
pub struct PyPayload {
    pub frames: Frames,
}

impl PyPayload {
    /// As it is now: what it shares with the object may be written to before it has left.
    pub fn to_frames(&self) -> Frames {
        self.frames.clone().copied()
    }
}

#[pymethods]
impl PyPayload {
    #[new]
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let frames = dumps(object).map_err(|error| PyTypeError::new_err(error.to_string()))?;
        Ok(PyPayload { frames })
    }

    #[getter]
    fn nbytes(&self) -> u64 {
        self.frames.nbytes()
    }
}
