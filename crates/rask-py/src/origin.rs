//! The user's line that makes a layer: the innermost frame outside of the package.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use rask_value::Origin;

static PACKAGE: PyOnceLock<String> = PyOnceLock::new();
/// Frames looked at before giving up.
const DEPTH_MAX: usize = 64;

/// Where the user is: file, line and function of the first frame outside `rask`.
pub fn capture(py: Python<'_>) -> Option<Origin> {
    find_frame(py).ok().flatten()
}

fn package_folder(py: Python<'_>) -> PyResult<&str> {
    PACKAGE
        .get_or_try_init(py, || {
            let path = py.import("rask")?.getattr("__path__")?.get_item(0)?;
            Ok(format!(
                "{}{}",
                path.extract::<String>()?,
                std::path::MAIN_SEPARATOR
            ))
        })
        .map(String::as_str)
}

fn find_frame(py: Python<'_>) -> PyResult<Option<Origin>> {
    let package = package_folder(py)?;
    // SAFETY: attached to the interpreter; the frame is borrowed and may be null.
    let frame = unsafe {
        Bound::from_borrowed_ptr_or_opt(
            py,
            pyo3::ffi::PyEval_GetFrame().cast::<pyo3::ffi::PyObject>(),
        )
    };
    let mut frame = match frame {
        Some(frame) => frame,
        None => return Ok(None),
    };
    for _ in 0..DEPTH_MAX {
        let code = frame.getattr(pyo3::intern!(py, "f_code"))?;
        let file = code.getattr(pyo3::intern!(py, "co_filename"))?;
        let file = file.cast::<PyString>()?;
        if !is_internal(file.to_cow()?.as_ref(), package) {
            let line = frame.getattr(pyo3::intern!(py, "f_lineno"))?;
            let function = code.getattr(pyo3::intern!(py, "co_qualname"))?;
            return Ok(Some(Origin {
                file: Arc::from(file.to_cow()?.as_ref()),
                line: line.extract().unwrap_or(0),
                function: Arc::from(function.cast::<PyString>()?.to_cow()?.as_ref()),
                span: crate::spans::current(py),
            }));
        }
        frame = frame.getattr(pyo3::intern!(py, "f_back"))?;
        if frame.is_none() {
            break;
        }
    }
    Ok(None)
}

fn is_internal(file: &str, package: &str) -> bool {
    file.starts_with(package) || file.starts_with("<frozen ")
}
