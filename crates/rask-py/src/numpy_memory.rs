//! Memory of NumPy's arrays in a worker's process: large ones are born in segments, so that they can
//! be lent to other processes of the host. NumPy takes such an allocator for a thread
//! (`PyDataMem_SetHandler`); what is small, or freed by another thread, goes the way it went before.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};
use rask_cluster::segments;

const CAPSULE: &CStr = c"mem_handler";
/// Places of `PyDataMem_SetHandler` and `PyDataMem_GetHandler` in NumPy's table of functions.
const SET_HANDLER: usize = 304;
const GET_HANDLER: usize = 305;
const NAME_BYTES: usize = 127;

/// NumPy's `PyDataMemAllocator`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Allocator {
    context: *mut c_void,
    malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

/// NumPy's `PyDataMem_Handler`.
#[repr(C)]
struct Handler {
    name: [c_char; NAME_BYTES],
    version: u8,
    allocator: Allocator,
}

// SAFETY: only read, and its functions may be called from any thread.
unsafe impl Send for Allocator {}
// SAFETY: as above.
unsafe impl Sync for Allocator {}

/// What NumPy did before, and the handler that it is given.
static HANDLERS: OnceLock<(Allocator, OnceLock<Handler>)> = OnceLock::new();

thread_local! {
    static IS_USED: Cell<bool> = const { Cell::new(false) };
}

/// From now on large arrays that this thread makes are born in segments, if this is a worker's
/// process and NumPy is in it.
pub fn use_on_this_thread(py: Python<'_>) {
    if IS_USED.get() || !segments::is_on() {
        return;
    }
    if let Some(module) = find_numpy(py) {
        IS_USED.set(true);
        // A NumPy without such functions keeps its own memory, and its arrays are copied.
        let _ = try_use(&module);
    }
}

/// Whether NumPy is in this process: before that, nothing is an array.
pub fn is_numpy_here(py: Python<'_>) -> bool {
    static IS_HERE: AtomicBool = AtomicBool::new(false);
    if !IS_HERE.load(Ordering::Relaxed) {
        IS_HERE.store(find_numpy(py).is_some(), Ordering::Relaxed);
    }
    IS_HERE.load(Ordering::Relaxed)
}

fn find_numpy(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    let names = [
        pyo3::intern!(py, "numpy._core._multiarray_umath"),
        pyo3::intern!(py, "numpy.core._multiarray_umath"),
    ];
    names.into_iter().find_map(|name| {
        // SAFETY: attached; a new reference, or null without an exception if it is not imported.
        unsafe {
            let module = ffi::PyImport_GetModule(name.as_ptr());
            Bound::from_owned_ptr_or_opt(py, module).or_else(|| {
                ffi::PyErr_Clear();
                None
            })
        }
    })
}

fn try_use(module: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = module.py();
    let version: String = py.import("numpy")?.getattr("__version__")?.extract()?;
    let mut numbers = version.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(PyRuntimeError::new_err("an unknown NumPy"));
    };
    if (major, minor) < (1, 22) {
        return Err(PyRuntimeError::new_err("this NumPy has no such functions"));
    }
    let table = module.getattr("_ARRAY_API")?.cast_into::<PyCapsule>()?;
    let table = table
        .pointer_checked(None)?
        .as_ptr()
        .cast::<*const c_void>();
    // SAFETY: since version 1.22 these places of the table have these functions, which want the
    // interpreter's lock and return new references. The handler that is in use is as NumPy declares.
    unsafe {
        let get = *table.add(GET_HANDLER);
        let get: extern "C" fn() -> *mut ffi::PyObject = std::mem::transmute(get);
        let set = *table.add(SET_HANDLER);
        let set: extern "C" fn(*mut ffi::PyObject) -> *mut ffi::PyObject = std::mem::transmute(set);
        let before = Bound::from_owned_ptr_or_err(py, get())?.cast_into::<PyCapsule>()?;
        let before = before.pointer_checked(Some(CAPSULE))?.cast::<Handler>();
        let (default, ours) = HANDLERS.get_or_init(|| (before.as_ref().allocator, OnceLock::new()));
        let ours = ours.get_or_init(|| handler(default));
        let pointer = std::ptr::from_ref(ours).cast_mut().cast();
        let capsule = ffi::PyCapsule_New(pointer, CAPSULE.as_ptr(), None);
        let capsule = Bound::from_owned_ptr_or_err(py, capsule)?;
        Bound::from_owned_ptr_or_err(py, set(capsule.as_ptr()))?;
    }
    Ok(())
}

fn handler(default: &'static Allocator) -> Handler {
    let mut name = [0; NAME_BYTES];
    for (place, byte) in name.iter_mut().zip(*b"rask_segments") {
        *place = byte as c_char;
    }
    Handler {
        name,
        version: 1,
        allocator: Allocator {
            context: std::ptr::from_ref(default).cast_mut().cast(),
            malloc,
            calloc,
            realloc,
            free,
        },
    }
}

/// # Safety
/// `context` is that of [`handler`].
unsafe fn default_of(context: *mut c_void) -> &'static Allocator {
    // SAFETY: by the caller.
    unsafe { &*context.cast::<Allocator>() }
}

unsafe extern "C" fn malloc(context: *mut c_void, size: usize) -> *mut c_void {
    if let Some(born) = segments::try_allocate(size, false) {
        return born.as_ptr().cast();
    }
    // SAFETY: NumPy calls this with the context of `handler`.
    unsafe {
        let default = default_of(context);
        (default.malloc)(default.context, size)
    }
}

unsafe extern "C" fn calloc(context: *mut c_void, count: usize, size: usize) -> *mut c_void {
    let length = count.saturating_mul(size);
    if let Some(born) = segments::try_allocate(length, true) {
        return born.as_ptr().cast();
    }
    // SAFETY: NumPy calls this with the context of `handler`.
    unsafe {
        let default = default_of(context);
        (default.calloc)(default.context, count, size)
    }
}

unsafe extern "C" fn realloc(
    context: *mut c_void,
    pointer: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: NumPy calls this with the context of `handler`, and with memory that came from it.
    unsafe {
        let Some(capacity) = segments::find_capacity(pointer.cast()) else {
            let default = default_of(context);
            return (default.realloc)(default.context, pointer, size);
        };
        let moved = malloc(context, size);
        if !moved.is_null() {
            std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), moved.cast(), capacity.min(size));
            segments::try_free(pointer.cast());
        }
        moved
    }
}

unsafe extern "C" fn free(context: *mut c_void, pointer: *mut c_void, size: usize) {
    // SAFETY: NumPy calls this with the context of `handler`, and with memory that came from it and
    // that nobody uses any more.
    unsafe {
        if !segments::try_free(pointer.cast()) {
            let default = default_of(context);
            (default.free)(default.context, pointer, size);
        }
    }
}
