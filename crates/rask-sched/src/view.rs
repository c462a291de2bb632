//! Read-only looks at the tables, for those who watch.

use rask_proto::{
    HelperState, HelperTask, Info, Load, SpanQuery, Spans, TaskStream, TaskStreamQuery,
};

use crate::event::Time;
use crate::scheduler::{NOBODY, Scheduler};
use crate::state::TaskState;

impl Scheduler {
    /// The state at this moment; with every task, if asked for.
    pub fn view(&self, with_tasks: bool) -> HelperState {
        let mut clients: Vec<u32> = self.clients.by_id.keys().map(|client| client.0).collect();
        clients.sort_unstable();
        HelperState {
            info: Some(self.info()),
            address: String::new(),
            clients,
            tasks: match with_tasks {
                true => self.view_tasks(),
                false => Vec::new(),
            },
        }
    }

    fn view_tasks(&self) -> Vec<HelperTask> {
        let tasks = self.tasks.iter().map(|(id, task)| {
            let layer = self.layers.get(task.layer);
            let workers = match task.state {
                TaskState::Memory => {
                    let holders = self.tasks.holders(id).iter();
                    holders.map(|worker| worker.0).collect()
                }
                TaskState::Placed | TaskState::Assigned => vec![task.worker().0],
                _ => Vec::new(),
            };
            let wanting = self
                .tasks
                .wanted_by(id)
                .iter()
                .filter(|client| **client != NOBODY);
            HelperTask {
                name: layer.name.to_string(),
                block: task.block,
                numbered: !layer.grid.is_empty(),
                state: name_of(task.state).to_owned(),
                nbytes: task.nbytes(),
                workers,
                wanted_by: wanting.map(|client| client.0).collect(),
            }
        });
        tasks.collect()
    }

    /// How much there is to do.
    pub(crate) fn load(&self) -> Load {
        let mut load = Load::default();
        for (_, task) in self
            .tasks
            .iter()
            .filter(|(_, task)| task.state.is_pending())
        {
            load.pending += 1;
            load.ready += u64::from(task.state != TaskState::Waiting);
            load.pending_micros += u64::from(self.predict_micros(task.layer));
        }
        load
    }

    /// The tasks that ended since then, the spans, and what is known of the workers.
    pub fn figures_since(&self, now: Time, since: Time) -> (TaskStream, Spans, Info) {
        let query = TaskStreamQuery {
            since_micros: since.micros,
            count: 0,
        };
        let layers = self.gone_layers.names(&self.layers);
        let stream = self.stream.answer(now, query, &layers);
        let spans = self.describe_spans(&SpanQuery::default());
        (stream, spans, self.info())
    }

    /// The name of a layer, and whether numbers are part of its blocks' keys.
    pub fn find_layer_name(&self, number: u32) -> Option<(&str, bool)> {
        let layer = self.layers.find(number)?;
        Some((&layer.name, !layer.grid.is_empty()))
    }

    /// The state of a task as users know it; `None` for one that is forgotten.
    pub fn find_state_name(&self, layer: u32, block: u32) -> Option<&'static str> {
        let id = self.find_task(layer, block)?;
        Some(name_of(self.tasks.get(id).state))
    }

    /// Where a worker listens.
    pub fn find_worker_address(&self, worker: crate::WorkerId) -> Option<&str> {
        let worker = self.workers.find(worker)?;
        Some(&worker.register.address)
    }

    /// All plugins, in the order of their registration.
    pub fn plugins(&self) -> impl Iterator<Item = rask_proto::Plugin> {
        self.plugins.iter().cloned()
    }

    /// Keeps a plugin.
    pub fn put_plugin(&mut self, plugin: rask_proto::Plugin) {
        self.plugins.put(plugin);
    }

    /// The plugins for the helper process.
    pub fn helper_plugins(&self) -> rask_proto::Plugins {
        let plugins = self.plugins.of_kind(rask_proto::PluginKind::Scheduler);
        plugins.unwrap_or_default()
    }
}

/// A state as users know it.
pub(crate) fn name_of(state: TaskState) -> &'static str {
    match state {
        TaskState::Released => "released",
        TaskState::Waiting => "waiting",
        TaskState::Queued | TaskState::Placed => "queued",
        TaskState::Assigned => "processing",
        TaskState::Memory => "memory",
        TaskState::Erred => "erred",
        TaskState::Forgotten => "forgotten",
    }
}
