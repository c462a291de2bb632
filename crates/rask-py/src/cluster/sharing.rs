//! Futures that are given to a client: those of several clients in one call, and those that stand
//! for nothing any more.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rask_cluster::client::{BlockKey, ClusterClient};

use super::errors;
use super::future::PyFuture;

/// Positions of futures by their clients; mostly there is but `own`.
pub fn by_client(
    own: &ClusterClient,
    futures: &[Bound<'_, PyFuture>],
) -> Vec<(ClusterClient, Vec<usize>)> {
    let mut groups = vec![(own.clone(), Vec::with_capacity(futures.len()))];
    let mut last = 0;
    for (at, future) in futures.iter().enumerate() {
        let core = &future.get().core;
        if !groups[last].0.is_same(core) {
            let known = groups.iter().position(|(group, _)| group.is_same(core));
            last = known.unwrap_or_else(|| {
                groups.push((core.clone(), Vec::new()));
                groups.len() - 1
            });
        }
        groups[last].1.push(at);
    }
    groups.retain(|(_, places)| !places.is_empty());
    groups
}

/// The blocks of futures in the numbering of one client, which refers to those of other clients'
/// futures as long as this is there.
pub struct OwnBlocks {
    core: ClusterClient,
    pub keys: Vec<BlockKey>,
    borrowed: Vec<BlockKey>,
}

impl OwnBlocks {
    /// Of futures that have not been released.
    pub fn try_new(
        py: Python<'_>,
        core: &ClusterClient,
        futures: &[Bound<'_, PyFuture>],
    ) -> PyResult<Self> {
        refuse_released(py, futures.iter().map(Bound::get))?;
        let mut own = OwnBlocks {
            core: core.clone(),
            keys: Vec::with_capacity(futures.len()),
            borrowed: Vec::new(),
        };
        for future in futures.iter().map(Bound::get) {
            if future.core.is_same(core) {
                own.keys.push(future.block);
            } else {
                check_usable(core, future)?;
                let borrowed = core.known(&future.name, future.block.1);
                own.keys.extend(borrowed);
                own.borrowed.extend(borrowed);
            }
        }
        Ok(own)
    }
}

impl Drop for OwnBlocks {
    fn drop(&mut self) {
        for &key in &self.borrowed {
            self.core.release_later(key);
        }
    }
}

/// Refuses a future, as an argument of a call, of a client that is closed or of another cluster.
pub fn check_usable(client: &ClusterClient, future: &PyFuture) -> PyResult<()> {
    if future.core.is_same(client) {
        return Ok(());
    }
    let key = future.key_text();
    if let Some(reason) = future.core.closed() {
        return Err(PyValueError::new_err(format!(
            "the future {key} cannot be an argument: its client's connection ended: {reason}"
        )));
    }
    if future.core.address() != client.address() {
        return Err(PyValueError::new_err(format!(
            "the future {key} belongs to the scheduler at {}, the call goes to that at {}",
            future.core.address(),
            client.address()
        )));
    }
    Ok(())
}

/// Refuses futures that were released, so that their values are kept no longer.
pub fn refuse_released<'a>(
    py: Python<'_>,
    futures: impl IntoIterator<Item = &'a PyFuture>,
) -> PyResult<()> {
    let mut futures = futures.into_iter();
    match futures.find(|future| future.is_released()) {
        Some(future) => Err(released(py, future)),
        None => Ok(()),
    }
}

/// What is raised for a future that was released.
pub fn released(py: Python<'_>, future: &PyFuture) -> PyErr {
    let key = future.key_text();
    let text = format!(
        "{key} was released with Future.release(), and no other future of it is left here: the \
         cluster keeps its value no longer. Keep the future for as long as it is needed, or submit \
         its call again"
    );
    errors::cancelled(py, &text)
}
