//! Small plain Python objects (None, bool, int, float, str, bytes) encoded without pickle: results
//! of tiny tasks are mostly of these, and pickle's fixed cost is many times theirs.

use bytes::{BufMut, Bytes, BytesMut};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};
use rask_value::{CodecError, Encoded, Frames, codec};

use crate::object::PyValue;

/// The kind of these values.
pub const KIND: &str = "s";

/// Longest text or bytes encoded so.
const LENGTH_MAX: usize = 512;

/// The object's encoding, if it is one of these; subclasses are not.
pub fn try_encode(object: &Bound<'_, PyAny>) -> Option<Encoded> {
    let header = try_write(object)?;
    Some(Encoded {
        kind: KIND.to_owned(),
        frames: Frames {
            header,
            buffers: Vec::new(),
        },
    })
}

fn try_write(object: &Bound<'_, PyAny>) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(9);
    if object.is_none() {
        out.put_u8(b'n');
    } else if let Ok(value) = object.cast_exact::<PyInt>() {
        out.put_u8(b'i');
        out.put_i64_le(value.extract().ok()?);
    } else if let Ok(value) = object.cast_exact::<PyFloat>() {
        out.put_u8(b'f');
        out.put_f64_le(value.value());
    } else if let Ok(value) = object.cast_exact::<PyBool>() {
        out.put_u8(if value.is_true() { b't' } else { b'o' });
    } else if let Ok(value) = object.cast_exact::<PyBytes>() {
        put_bytes(&mut out, b'b', value.as_bytes())?;
    } else if let Ok(value) = object.cast_exact::<PyString>() {
        put_bytes(&mut out, b'u', value.to_cow().ok()?.as_bytes())?;
    } else {
        return None;
    }
    Some(out.freeze())
}

fn put_bytes(out: &mut BytesMut, tag: u8, bytes: &[u8]) -> Option<()> {
    (bytes.len() <= LENGTH_MAX).then(|| {
        out.put_u8(tag);
        out.put_slice(bytes);
    })
}

/// Makes the object again.
pub fn try_read<'py>(py: Python<'py>, header: &[u8]) -> Option<Bound<'py, PyAny>> {
    let (&tag, rest) = header.split_first()?;
    let object = match tag {
        b'n' => py.None().into_bound(py),
        b'i' => i64::from_le_bytes(rest.try_into().ok()?)
            .into_pyobject(py)
            .ok()?
            .into_any(),
        b'f' => PyFloat::new(py, f64::from_le_bytes(rest.try_into().ok()?)).into_any(),
        b't' => PyBool::new(py, true).to_owned().into_any(),
        b'o' => PyBool::new(py, false).to_owned().into_any(),
        b'b' => PyBytes::new(py, rest).into_any(),
        b'u' => PyString::new(py, std::str::from_utf8(rest).ok()?).into_any(),
        _ => return None,
    };
    Some(object)
}

/// Makes these values decodable in this process.
pub fn register_codec() {
    codec::register_value(KIND, |frames| {
        Python::attach(|py| {
            try_read(py, &frames.header)
                .map(PyValue::wrap)
                .ok_or_else(|| CodecError::Malformed {
                    kind: KIND,
                    reason: "an unknown tag or a wrong length".to_owned(),
                })
        })
    });
}
