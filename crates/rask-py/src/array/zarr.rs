//! `rask._core.ZarrArray`: local Zarr arrays, read and written off the interpreter.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use numpy::PyUntypedArray;
use pyo3::exceptions::{PyNotImplementedError, PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PySlice, PyTuple};
use rask_array::opaque::{Call, Opaque, OpaqueRef, Region as Wanted};
use rask_io::{IoError, Region, ZarrArray, ZarrCreate};
use rask_value::array::{Buffer, DType, NdArray, contiguous_strides};
use rask_value::{CodecError, Encoded, Frames, Scope, TaskError, ValueRef};

use crate::ndarray::from_numpy;

/// The kind of encoded readers.
const KIND: &str = "array-zarr";

/// Reads regions of a local array. Another process opens the array by its path when it first reads.
#[derive(Debug)]
struct ZarrReader {
    path: PathBuf,
    array: OnceLock<Arc<ZarrArray>>,
}

impl ZarrReader {
    fn opened(&self) -> Result<&ZarrArray, TaskError> {
        if let Some(array) = self.array.get() {
            return Ok(array);
        }
        let array = ZarrArray::open(&self.path)
            .map_err(|error| TaskError::new(format!("OSError: {error}")))?;
        Ok(self.array.get_or_init(|| Arc::new(array)))
    }
}

/// A region with positive steps, and whether each axis has to be turned around afterwards.
fn forwards(wanted: &[Wanted]) -> (Vec<Region>, Vec<bool>) {
    let axis = |axis: &Wanted| {
        let step = axis.step.unsigned_abs().max(1);
        let reach = match axis.step > 0 {
            true => axis.stop - axis.start,
            false => axis.start - axis.stop,
        };
        let count = (reach.max(0) as u64).div_ceil(step);
        let span = count.saturating_sub(1) * step;
        let first = match axis.step > 0 {
            true => axis.start.max(0) as u64,
            false => (axis.start.max(0) as u64).saturating_sub(span),
        };
        let stop = first + span + u64::from(count > 0);
        (Region::with_step(first, stop, step), axis.step < 0)
    };
    wanted.iter().map(axis).unzip()
}

impl Opaque for ZarrReader {
    fn name(&self) -> &str {
        "from-zarr"
    }

    fn call(&self, call: Call<'_>) -> Result<ValueRef, TaskError> {
        let array = self.opened()?;
        let (region, turned) = forwards(call.region);
        let bytes = array
            .read(&region)
            .map_err(|error| TaskError::new(format!("OSError: {error}")))?;
        let dtype = DType::find(array.data_type())
            .ok_or_else(|| TaskError::new("TypeError: the array's elements are not native"))?;
        let shape: Vec<usize> = region.iter().map(|axis| axis.count() as usize).collect();
        let mut strides = contiguous_strides(&shape, dtype.itemsize());
        let mut offset = 0;
        for (axis, &turn) in turned.iter().enumerate() {
            if turn && shape[axis] > 0 {
                offset += (shape[axis] - 1) * strides[axis] as usize;
                strides[axis] = -strides[axis];
            }
        }
        let buffer = Arc::new(Buffer::from_bytes(Bytes::from(bytes)));
        let array = NdArray::from_parts(dtype, shape.into(), strides, offset, buffer)
            .map_err(|error| TaskError::new(error.to_string()))?;
        Ok(Arc::new(array))
    }

    fn scope(&self) -> Option<&'static dyn Scope> {
        None
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let path = self
            .path
            .to_str()
            .ok_or_else(|| CodecError::NotSerialisable {
                what: "a Zarr array".to_owned(),
                reason: "its path is not Unicode".to_owned(),
            })?;
        Ok(Encoded {
            kind: KIND.to_owned(),
            frames: Frames {
                header: Bytes::copy_from_slice(path.as_bytes()),
                buffers: Vec::new(),
            },
        })
    }
}

fn decode(frames: &Frames) -> Result<OpaqueRef, CodecError> {
    let path = std::str::from_utf8(&frames.header).map_err(|error| CodecError::Malformed {
        kind: KIND,
        reason: error.to_string(),
    })?;
    Ok(Arc::new(ZarrReader {
        path: PathBuf::from(path),
        array: OnceLock::new(),
    }))
}

/// Makes readers decodable in this process.
pub fn register() {
    rask_array::opaque::register_opaque(KIND, decode);
}

fn to_exception(error: IoError) -> PyErr {
    match error {
        IoError::UnsupportedType { .. } => PyNotImplementedError::new_err(error.to_string()),
        IoError::OutOfBounds { .. } | IoError::WrongSize { .. } => {
            PyValueError::new_err(error.to_string())
        }
        other => PyOSError::new_err(other.to_string()),
    }
}

/// A Zarr array in a local directory.
#[pyclass(frozen, name = "ZarrArray", module = "rask._core")]
pub struct PyZarrArray {
    array: Arc<ZarrArray>,
}

impl PyZarrArray {
    /// What reads its regions in tasks.
    pub fn reader(&self) -> OpaqueRef {
        Arc::new(ZarrReader {
            path: self.array.path().to_owned(),
            array: OnceLock::from(self.array.clone()),
        })
    }
}

#[pymethods]
impl PyZarrArray {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let array = py.detach(|| ZarrArray::open(&path)).map_err(to_exception)?;
        Ok(PyZarrArray {
            array: Arc::new(array),
        })
    }

    #[staticmethod]
    fn create(
        py: Python<'_>,
        path: PathBuf,
        shape: Vec<u64>,
        chunks: Vec<u64>,
        dtype: &str,
        fill_value: Vec<u8>,
    ) -> PyResult<Self> {
        let new = ZarrCreate {
            shape: &shape,
            chunk_shape: &chunks,
            data_type: dtype,
            fill_value: &fill_value,
        };
        let array = py.detach(|| ZarrArray::create(&path, &new));
        Ok(PyZarrArray {
            array: Arc::new(array.map_err(to_exception)?),
        })
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.array.path().to_owned()
    }

    /// When the metadata was last written, in nanoseconds: part of the name of what is read.
    #[getter]
    fn stamp(&self) -> u128 {
        let modified = |name: &str| {
            let file = std::fs::metadata(self.array.path().join(name)).ok()?;
            let since = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(since.as_nanos())
        };
        modified("zarr.json")
            .or_else(|| modified(".zarray"))
            .unwrap_or_default()
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.shape())
    }

    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.array.chunk_shape())
    }

    #[getter]
    fn dtype(&self) -> &str {
        self.array.data_type()
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.array.shape().len()
    }

    /// Writes an array to a region: `array[1:3, 0:4] = block`.
    fn __setitem__(&self, index: &Bound<'_, PyAny>, block: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = block.py();
        let region = region_of(index, self.array.shape())?;
        let numpy = py.import(pyo3::intern!(py, "numpy"))?;
        let shape: Vec<u64> = region.iter().map(Region::count).collect();
        let block = numpy.call_method1("asarray", (block, self.array.data_type()))?;
        let block = numpy.call_method1("broadcast_to", (block, PyTuple::new(py, shape)?))?;
        let native = from_numpy(&block.cast_into::<PyUntypedArray>()?)
            .ok_or_else(|| PyTypeError::new_err("the block's elements are not native"))?;
        py.detach(|| {
            let contiguous = native.to_contiguous();
            let bytes = contiguous.bytes().unwrap_or_default();
            self.array.write(&region, bytes)
        })
        .map_err(to_exception)
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let arguments = PyTuple::new(slf.py(), [slf.get().path()])?;
        Ok((slf.get_type().into_any(), arguments))
    }
}

fn region_of(index: &Bound<'_, PyAny>, shape: &[u64]) -> PyResult<Vec<Region>> {
    let entries: Vec<Bound<'_, PyAny>> = match index.cast::<PyTuple>() {
        Ok(tuple) => tuple.iter().collect(),
        Err(_) => vec![index.clone()],
    };
    if entries.len() > shape.len() {
        return Err(PyValueError::new_err("too many indices"));
    }
    let mut region: Vec<Region> = shape.iter().map(|&length| Region::new(0, length)).collect();
    for (axis, entry) in entries.iter().enumerate() {
        region[axis] = if entry.cast::<PyInt>().is_ok() {
            let at: u64 = entry.extract()?;
            Region::new(at, at + 1)
        } else {
            let slice = entry.cast::<PySlice>()?;
            let found = slice.indices(shape[axis] as isize)?;
            if found.step != 1 {
                return Err(PyValueError::new_err(
                    "regions with steps cannot be written",
                ));
            }
            Region::new(found.start as u64, found.stop.max(found.start) as u64)
        };
    }
    Ok(region)
}
