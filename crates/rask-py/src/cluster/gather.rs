//! Results as Python objects.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use rask_cluster::client::{BlockKey, ClusterClient, Gathered};
use rask_cluster::unpack;
use rask_cluster::worker::{Absence, current_worker};
use rask_proto::Packed;
use rask_value::{OwnEncoded, codec};

use super::{errors, small};
use crate::convert::to_python_owned;

/// Between looks for signals while waiting.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// Waits, off the interpreter, until `attempt` is done or the time is up; Ctrl-C interrupts.
pub fn wait_for<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    mut attempt: impl FnMut(Duration) -> PyResult<Option<T>> + Send,
) -> PyResult<T> {
    let started = Instant::now();
    loop {
        let left = match timeout {
            None => SIGNAL_CHECK,
            Some(seconds) => limit_of(seconds)
                .saturating_sub(started.elapsed())
                .min(SIGNAL_CHECK),
        };
        if let Some(done) = py.detach(|| attempt(left))? {
            return Ok(done);
        }
        py.check_signals()?;
        if timeout.is_some_and(|seconds| started.elapsed().as_secs_f64() >= seconds) {
            return Err(PyTimeoutError::new_err(format!(
                "not done after {} seconds",
                timeout.unwrap_or_default()
            )));
        }
    }
}

/// For an answer that nothing has to happen for.
const PROMPT: Duration = Duration::from_millis(5);

/// As [`wait_for`], for what other tasks have to do first: a task that waits gives up its place, so
/// that these may run in it.
pub fn wait_for_tasks<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    attempt: impl FnMut(Duration) -> PyResult<Option<T>> + Send,
) -> PyResult<T> {
    wait_away(py, timeout, Duration::ZERO, Absence::begin, attempt)
}

/// As [`wait_for`], for something that tasks share: a task that has to wait for more than the answer
/// gives up its place, unless very many of its worker do.
pub fn wait_for_shared<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    attempt: impl FnMut(Duration) -> PyResult<Option<T>> + Send,
) -> PyResult<T> {
    wait_away(py, timeout, PROMPT, Absence::begin_sharing, attempt)
}

/// As [`wait_for`]; a task that waits for longer than `prompt` is absent as long as it does.
fn wait_away<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    prompt: Duration,
    begin: fn() -> Option<Absence>,
    mut attempt: impl FnMut(Duration) -> PyResult<Option<T>> + Send,
) -> PyResult<T> {
    let started = Instant::now();
    let mut absence = None;
    if current_worker().is_some() {
        let prompt = timeout.map_or(prompt, |seconds| limit_of(seconds).min(prompt));
        if let Some(done) = py.detach(|| attempt(prompt))? {
            return Ok(done);
        }
        absence = py.detach(begin);
    }
    let left = timeout.map(|seconds| seconds - started.elapsed().as_secs_f64());
    let done = wait_for(py, left, attempt);
    py.detach(|| drop(absence));
    done
}

fn limit_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// The outcomes of blocks, waiting for those that are not done.
pub fn gather_outcomes(
    py: Python<'_>,
    client: &ClusterClient,
    keys: &[BlockKey],
    timeout: Option<f64>,
) -> PyResult<Vec<Gathered>> {
    wait_for_tasks(py, timeout, |limit| {
        client.gather(keys, limit).map_err(errors::to_py_err)
    })
}

/// A received value that others may have as well, as a Python object with memory of its own.
pub fn to_object<'py>(py: Python<'py>, packed: Packed) -> PyResult<Bound<'py, PyAny>> {
    to_own_object(py, OwnEncoded::copy_of(unpack(packed)))
}

/// A received value as a Python object, which may be written to.
pub fn to_own_object(py: Python<'_>, encoded: OwnEncoded) -> PyResult<Bound<'_, PyAny>> {
    if encoded.kind() == small::KIND
        && let Some(object) = small::try_read(py, &encoded.frames().header)
    {
        return Ok(object);
    }
    let value = codec::decode_own_value(encoded);
    let value = value.map_err(|error| pyo3::exceptions::PyTypeError::new_err(error.to_string()))?;
    to_python_owned(py, value)
}
