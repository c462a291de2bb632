//! What the compute threads run at this moment, for who profiles.

use super::WorkerHandle;

/// A thread that runs a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadSample {
    /// What the system calls the thread.
    pub thread: u64,
    /// The operation that its task runs.
    pub operation: String,
    /// The task runs in a scope: in the interpreter.
    pub has_scope: bool,
}

impl WorkerHandle {
    /// What each compute thread that runs a task runs; those whose op has just come are left out.
    pub fn sample_threads(&self) -> Vec<ThreadSample> {
        let running = self.shared.threads.running();
        if running.is_empty() {
            return Vec::new();
        }
        let layers: Vec<_> = {
            let core = self.shared.core.lock();
            let found = running.into_iter();
            found
                .filter_map(|(thread, (layer, _))| Some((thread, core.find_run_layer(layer)?)))
                .collect()
        };
        let samples = layers.into_iter().filter_map(|(thread, layer)| {
            let op = layer.find_op()?;
            Some(ThreadSample {
                thread,
                operation: op.name().to_owned(),
                has_scope: op.scope().is_some(),
            })
        });
        samples.collect()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.shared.end.lock().is_some()
    }
}
