//! Pickled parts of calls, and names made of them.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rask_value::Frames;
use xxhash_rust::xxh3::Xxh3;

use super::future::PyFuture;
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

/// 32 hexadecimal digits that are equal for equal payloads and futures (XXH3, 128 bits).
#[pyfunction]
pub fn payload_token(
    payloads: Vec<Bound<'_, PyPayload>>,
    futures: Vec<Bound<'_, PyFuture>>,
) -> String {
    let mut hasher = Xxh3::new();
    for payload in &payloads {
        let frames = &payload.get().frames;
        hasher.update(&frames.nbytes().to_le_bytes());
        hasher.update(&frames.header);
        for buffer in &frames.buffers {
            hasher.update(buffer);
        }
    }
    for future in &futures {
        hasher.update(future.get().name.as_bytes());
        hasher.update(&future.get().block.1.to_le_bytes());
    }
    format!("{:032x}", hasher.digest128())
}
