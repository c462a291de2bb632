//! What is in the books of a worker, for those who ask.

use std::sync::Arc;

use rask_proto::{Blocks, WorkerLayer};
use rask_value::{SpanPath, ValueRef};

use super::{Core, Key, key_of, number_of};
use crate::worker::history::{Choice, Told};
use crate::worker::job::Found;
use crate::worker::layer::{Kin, RunLayer};

impl Core {
    /// What tasks went through last.
    pub fn told(&self, wanted: Choice<'_>) -> Vec<Told> {
        self.history.told(self.own_number, &self.layers, wanted)
    }

    /// The name of a layer, and whether numbers are part of its blocks' keys.
    pub fn find_layer_name(&self, number: u32) -> Option<(String, bool)> {
        let layer = self.layers.get(&number)?;
        Some((layer.name.to_string(), !layer.grid.0.is_empty()))
    }

    /// The layer, if it is known.
    pub fn find_run_layer(&self, number: u32) -> Option<Arc<RunLayer>> {
        self.layers.get(&number).cloned()
    }

    /// The span that the tasks of a layer belong to, unless that is the default one.
    pub fn find_span(&self, number: u32) -> Option<Arc<SpanPath>> {
        self.layers.get(&number)?.span.clone()
    }

    /// The layer, or one without an op, whose tasks fail.
    pub(super) fn find_layer(&self, number: u32) -> Arc<RunLayer> {
        let forgotten = || {
            let layer = WorkerLayer {
                id: number,
                name: "a layer that was forgotten".to_owned(),
                ..WorkerLayer::default()
            };
            Arc::new(RunLayer::new(layer, &mut Kin::default()))
        };
        self.layers.get(&number).cloned().unwrap_or_else(forgotten)
    }

    /// The value of a block, if it is here.
    pub fn find_value(&self, key: Key) -> Option<Found> {
        let slot = self.tasks.find(number_of(key))?;
        match self.slots.find(slot) {
            Some(value) => Some(Found::Memory(value.clone())),
            None => self.slots.find_extent(slot).cloned().map(Found::Disk),
        }
    }

    /// The numbers of layers by name, as far as they are known here.
    pub fn numbers_of(&self, names: &[String]) -> Vec<Option<u32>> {
        let number_of = |name: &String| {
            let mut layers = self.layers.iter();
            layers
                .find(|(_, layer)| *layer.name == **name)
                .map(|(number, _)| *number)
        };
        names.iter().map(number_of).collect()
    }

    /// The name of a layer, and whether numbers are part of its blocks' keys.
    pub fn describe_layer(&self, number: u32) -> (String, bool) {
        let layer = self.find_layer(number);
        (layer.name.to_string(), !layer.grid.0.is_empty())
    }

    /// Tasks running now.
    pub fn running(&self) -> Blocks {
        self.tasks.running_keys().map(key_of).collect()
    }

    /// Names of the layers whose tasks run now, and the blocks.
    pub fn running_names(&self) -> Vec<(String, u32)> {
        let keys = self.tasks.running_keys().map(key_of);
        keys.map(|(layer, block)| (self.find_layer(layer).name.to_string(), block))
            .collect()
    }

    /// Whether the task runs now, and its outcome is wanted.
    pub fn is_running(&self, key: Key) -> bool {
        let slot = self.tasks.find(number_of(key));
        slot.is_some_and(|slot| self.tasks.is_running(slot) && !self.tasks.is_cancelled(slot))
    }

    /// Whether the task runs and takes no thread.
    pub fn is_absent(&self, key: Key) -> bool {
        self.tasks.is_absent(number_of(key))
    }

    /// How many tasks could run and have not begun.
    pub fn ready_count(&self) -> usize {
        self.tasks.machine().ready_count()
    }

    /// Whether there may be jobs for a thread.
    pub fn has_ready(&self) -> bool {
        self.tasks.machine().ready_count() > 0
    }

    /// The number of tasks running now.
    pub fn running_count(&self) -> u32 {
        self.tasks.executing()
    }

    /// What is held here: names of layers, blocks, whether these are parts of their keys, and the
    /// values that are in memory.
    pub fn held_values(&self) -> Vec<(String, u32, bool, Option<ValueRef>)> {
        let keys = self.tasks.value_keys();
        keys.map(|(slot, number)| {
            let (layer, block) = key_of(number);
            let (name, numbered) = self.describe_layer(layer);
            (name, block, numbered, self.slots.find(slot).cloned())
        })
        .collect()
    }

    /// Bytes of values in memory.
    pub fn held_bytes(&self) -> u64 {
        self.tasks.machine().held_bytes()
    }

    /// Whether values may stay in memory for longer than they have to.
    pub fn has_ample_memory(&self) -> bool {
        self.tasks.machine().has_ample_memory()
    }

    /// Bytes of values on disk.
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes
    }
}
