//! The user's line that makes a layer: the innermost frame outside of the package.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use rask_value::Origin;

static PACKAGE: PyOnceLock<String> = PyOnceLock::new();
/// Frames looked at before giving up.
const DEPTH_MAX: usize = 64;

thread_local! {
    /// The place found last: most calls of a loop are made by one line.
    static LAST: RefCell<Option<Found>> = const { RefCell::new(None) };
}

/// A place in code of the user's.
struct Found {
    code: Py<PyAny>,
    instruction: i32,
    file: Arc<str>,
    line: u32,
    function: Arc<str>,
}

impl Found {
    fn read(frame: &Bound<'_, PyAny>, code: Bound<'_, PyAny>, instruction: i32) -> PyResult<Self> {
        let py = frame.py();
        let text = |name| -> PyResult<Arc<str>> {
            let text = code.getattr(name)?;
            Ok(Arc::from(text.cast::<PyString>()?.to_cow()?.as_ref()))
        };
        let line = frame.getattr(pyo3::intern!(py, "f_lineno"))?;
        Ok(Found {
            instruction,
            file: text(pyo3::intern!(py, "co_filename"))?,
            line: line.extract().unwrap_or(0),
            function: text(pyo3::intern!(py, "co_qualname"))?,
            code: code.unbind(),
        })
    }

    fn origin(&self, py: Python<'_>) -> Origin {
        Origin {
            file: self.file.clone(),
            line: self.line,
            function: self.function.clone(),
            span: crate::spans::current(py),
            annotations: None,
        }
    }
}

/// Where the user is: file, line and function of the first frame outside `rask`, with the span and
/// the annotations there.
pub fn capture(py: Python<'_>) -> Option<Origin> {
    let annotations = crate::annotations::current(py);
    match find_frame(py).ok().flatten() {
        Some(origin) => Some(Origin {
            annotations,
            ..origin
        }),
        None => annotations.map(|annotations| Origin {
            file: "<unknown>".into(),
            line: 0,
            function: "<unknown>".into(),
            span: crate::spans::current(py),
            annotations: Some(annotations),
        }),
    }
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
        if !is_internal(file.cast::<PyString>()?.to_cow()?.as_ref(), package) {
            return find_origin(&frame, code).map(Some);
        }
        frame = frame.getattr(pyo3::intern!(py, "f_back"))?;
        if frame.is_none() {
            break;
        }
    }
    Ok(None)
}

fn find_origin(frame: &Bound<'_, PyAny>, code: Bound<'_, PyAny>) -> PyResult<Origin> {
    let py = frame.py();
    let instruction: i32 = frame.getattr(pyo3::intern!(py, "f_lasti"))?.extract()?;
    let known = LAST.with_borrow(|last| {
        let same = |found: &&Found| found.instruction == instruction && found.code.is(&code);
        last.as_ref().filter(same).map(|found| found.origin(py))
    });
    if let Some(origin) = known {
        return Ok(origin);
    }
    let found = Found::read(frame, code, instruction)?;
    let origin = found.origin(py);
    let before = LAST.replace(Some(found));
    // Not within the cell: freeing code may run code.
    drop(before);
    Ok(origin)
}

fn is_internal(file: &str, package: &str) -> bool {
    file.starts_with(package) || file.starts_with("<frozen ")
}
