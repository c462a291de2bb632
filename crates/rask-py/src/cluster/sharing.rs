//! Futures of several clients in one call.

use pyo3::prelude::*;
use rask_cluster::client::ClusterClient;

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
