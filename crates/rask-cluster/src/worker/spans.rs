//! The spans that tasks belong to.

use std::sync::Arc;

use rask_value::SpanPath;

use super::compute::with_current;

/// The span of the task that runs on the calling thread, unless that is the default one.
pub fn current_span() -> Option<Arc<SpanPath>> {
    with_current(|shared, (layer, _), _| shared.core.lock().find_span(layer)).flatten()
}
