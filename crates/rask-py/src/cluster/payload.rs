//! Pickled parts of calls.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rask_value::Frames;

use crate::object::dumps;

/// A pickled object, to be sent.
#[pyclass(frozen, name = "Payload", module = "rask._core")]
pub struct PyPayload {
    pub frames: Frames,
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
