//! Bindings of `rask.distributed`.

mod call;
mod client;
mod coordination;
mod diagnostics;
mod errors;
mod events;
mod future;
mod gather;
mod helper;
mod inspect;
mod memory_manager;
mod names;
mod outcome;
mod payload;
mod plugins;
mod process;
mod profile;
mod quick;
mod replicas;
mod report;
mod reports;
mod samples;
mod service;
mod shares;
mod sharing;
mod small;
mod spans;
mod submission;

use pyo3::prelude::*;

/// Adds this area's classes and functions to `rask._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    rask_cluster::client::register_codecs();
    call::register_codec();
    small::register_codec();
    module.add_class::<client::PyClusterClient>()?;
    module.add_class::<future::PyFuture>()?;
    module.add_class::<future::PyCompletionQueue>()?;
    module.add_class::<process::PySecurity>()?;
    module.add_class::<process::PyScheduler>()?;
    module.add_class::<process::PyWorker>()?;
    module.add_class::<process::PySupervisor>()?;
    helper::register(module)?;
    service::register(module)?;
    plugins::register(module)?;
    outcome::register(module)?;
    report::register(module)?;
    reports::register(module)?;
    events::register(module)?;
    module.add_class::<payload::PyPayload>()?;
    module.add_class::<coordination::PyCoordination>()?;
    module.add_class::<diagnostics::PyDiagnostics>()?;
    module.add_class::<replicas::PyReplicas>()?;
    module.add_class::<memory_manager::PyMemoryManager>()?;
    module.add_class::<inspect::PyInspector>()?;
    module.add_function(wrap_pyfunction!(shares::share_figures, module)?)?;
    module.add_class::<spans::PySpanTable>()?;
    module.add_class::<profile::PyThreadSampler>()?;
    module.add_class::<samples::PyMemorySamples>()?;
    module.add_function(wrap_pyfunction!(names::call_name, module)?)?;
    module.add_function(wrap_pyfunction!(quick::submit_call, module)?)?;
    module.add_function(wrap_pyfunction!(process::set_timeouts, module)?)?;
    module.add_function(wrap_pyfunction!(process::run_cli, module)?)?;
    module.add_function(wrap_pyfunction!(process::secede, module)?)?;
    module.add_function(wrap_pyfunction!(process::rejoin, module)?)?;
    module.add_function(wrap_pyfunction!(process::flush_outcomes, module)?)?;
    module.add_function(wrap_pyfunction!(process::forbid_shared_memory, module)?)?;
    module.add_function(wrap_pyfunction!(future::set_actor_class, module)?)?;
    Ok(())
}

pub(crate) use outcome::conclude;
pub(crate) use small::try_encode as try_encode_small;
