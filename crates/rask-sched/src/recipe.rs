//! What a task was made of.

use rask_proto::{BlockName, Blocks, Recipe};

use crate::HashMap;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// The op and the inputs of a task, which a client runs again to find out what went wrong.
    pub(crate) fn recipe(&self, name: &BlockName) -> Recipe {
        let number = self.layers.find_number(&name.layer);
        let task = number.and_then(|layer| self.find_task(layer, name.block));
        let (Some(number), Some(id)) = (number, task) else {
            return Recipe::default();
        };
        let layer = self.layers.get(number);
        let page = layer.page_of(name.block);
        let (names, inputs) = self.name_blocks(self.tasks.deps(id));
        Recipe {
            op: layer.op.clone(),
            page: page.and_then(|page| layer.pages.get(page).cloned()),
            grid: layer.grid.clone(),
            inputs: Some(inputs),
            names,
            origin: layer.origin.clone(),
        }
    }

    /// Tasks as positions in a list of names of layers, and blocks.
    fn name_blocks(&self, tasks: &[crate::state::TaskId]) -> (Vec<String>, Blocks) {
        let mut names = Vec::new();
        let mut positions: HashMap<u32, u32> = HashMap::default();
        let mut blocks = Blocks::default();
        for &id in tasks {
            let task = self.tasks.get(id);
            let position = *positions.entry(task.layer).or_insert_with(|| {
                names.push(self.layers.get(task.layer).name.to_string());
                names.len() as u32 - 1
            });
            blocks.push(position, task.block);
        }
        (names, blocks)
    }
}
