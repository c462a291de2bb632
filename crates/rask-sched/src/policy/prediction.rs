//! How many bytes a task's value will take, and how many it takes while it runs: declared where the
//! client knows them, else learned by layer as its tasks end, else guessed from the inputs.

use super::unfitting::bytes_of_page;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, TaskState};

impl Scheduler {
    /// Bytes that the value of a task is thought to take: nothing or as much as its largest input,
    /// where nothing is known.
    pub(crate) fn predict_output_bytes(&self, id: TaskId) -> u64 {
        self.find_output_bytes(id).unwrap_or_else(|| {
            let layer = self.layers.get(self.tasks.get(id).layer);
            let deps = self.tasks.deps(id).iter();
            let taken = deps.map(|&dep| layer.bytes_taken_of(self.tasks.get(dep).nbytes()));
            taken.max().unwrap_or(0)
        })
    }

    /// Bytes that the value of a task will take, if anything is known of it.
    pub(crate) fn find_output_bytes(&self, id: TaskId) -> Option<u64> {
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        if let Some(bytes) = layer.predict_bytes(task.block) {
            return Some(bytes);
        }
        if !self.tasks.get(id).is_source() {
            return None;
        }
        let known = self.layers.operation(layer).output;
        known.find().map(|bytes| bytes as u64)
    }

    /// Bytes that a task of this layer is thought to take while it runs, beyond its inputs and its
    /// value.
    pub(crate) fn predict_working_bytes(&self, layer: u32) -> u64 {
        let layer = self.layers.get(layer);
        layer.working.find().unwrap_or(0.0) as u64
    }

    /// Bytes of a task's value, where no measurement is needed to be sure: native arrays made from
    /// such, or from values that turned out to take all that was declared of them, and what is given
    /// to the cluster as it is.
    pub(crate) fn find_certain_bytes(&self, id: TaskId) -> Option<u64> {
        let task = self.tasks.get(id);
        let layer = self.layers.get(task.layer);
        if let Some(page) = layer.page_of(task.block) {
            return layer.pages.get(page).map(bytes_of_page);
        }
        let sizes = layer.sizes.as_ref()?;
        let is_certain = sizes.is_dense || (layer.keeps_dense && self.has_dense_inputs(id));
        is_certain.then(|| sizes.at(task.block))
    }

    fn has_dense_inputs(&self, id: TaskId) -> bool {
        self.tasks.deps(id).iter().all(|&dep| {
            let task = self.tasks.get(dep);
            let sizes = self.layers.get(task.layer).sizes.as_ref();
            let is_whole = sizes.is_some_and(|sizes| task.nbytes() >= sizes.at(task.block));
            task.state == TaskState::Memory && is_whole
        })
    }
}
