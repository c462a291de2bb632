//! The interpreter as a scope, and threads that keep their place in it.

use std::cell::OnceCell;

use pyo3::{Python, ffi};
use rask_value::Scope;

use crate::numpy_memory;

/// Attached to the interpreter: tasks run one after another without letting go of it.
#[derive(Debug)]
pub struct GilScope;

impl Scope for GilScope {
    fn enter(&self, body: &mut dyn FnMut()) {
        KEPT.with(|kept| {
            kept.get_or_init(KeptThreadState::new);
        });
        Python::attach(|py| {
            numpy_memory::use_on_this_thread(py);
            body();
        });
    }
}

/// What ops that need the interpreter return from `scope()`.
pub static GIL: &GilScope = &GilScope;

thread_local! {
    static KEPT: OnceCell<KeptThreadState> = const { OnceCell::new() };
}

/// The interpreter's record of a thread that it did not start. The interpreter makes one whenever
/// such a thread enters and there is none, and frees it, with its stack, when the thread leaves:
/// 20 µs for a task of one. So it is kept until the thread ends.
struct KeptThreadState {
    /// `None` for a thread that has one anyway.
    state: Option<(ffi::PyGILState_STATE, *mut ffi::PyThreadState)>,
}

impl KeptThreadState {
    fn new() -> Self {
        // SAFETY: these may be called from any thread. `PyGILState_Ensure` makes the record and
        // takes the lock, which `PyEval_SaveThread` lets go of; the record stays this thread's.
        let state = unsafe {
            ffi::PyGILState_GetThisThreadState().is_null().then(|| {
                let state = ffi::PyGILState_Ensure();
                (state, ffi::PyEval_SaveThread())
            })
        };
        KeptThreadState { state }
    }
}

impl Drop for KeptThreadState {
    fn drop(&mut self) {
        if let Some((state, thread)) = self.state.take() {
            // SAFETY: the reverse of what `new` did, on the same thread; an interpreter that has
            // ended has freed the record itself.
            unsafe {
                if ffi::Py_IsInitialized() != 0 {
                    ffi::PyEval_RestoreThread(thread);
                    ffi::PyGILState_Release(state);
                }
            }
        }
    }
}
