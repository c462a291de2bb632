//! Answers about what tasks went through, and about everything at once.

use rask_proto::{Blocks, StateDump, Story, StoryQuery};

use crate::scheduler::{NOBODY, Scheduler};
use crate::state::{LayerName, LayerNames, Task, TaskId, TaskState};
use crate::stimulus;
use crate::task_stream::Names;
use crate::topics::count;
use crate::view::name_of;
use crate::{HashMap, HashSet};

/// What is asked for, by number.
struct Wanted {
    all: bool,
    layers: HashSet<u32>,
    keys: HashSet<(u32, u32)>,
    stimuli: HashSet<u64>,
}

impl Wanted {
    fn new(query: &StoryQuery, names: &LayerNames<'_>) -> Self {
        let of_layers = |name: &str| query.layers.iter().any(|layer| layer == name);
        let mut keys = HashSet::default();
        let mut blocks: HashMap<&str, Vec<u32>> = HashMap::default();
        for key in &query.keys {
            blocks.entry(&key.layer).or_default().push(key.block);
        }
        for (name, blocks) in blocks {
            for number in names.numbers(|layer| layer == name) {
                keys.extend(blocks.iter().map(|&block| (number, block)));
            }
        }
        let layers = match query.layers.is_empty() {
            true => HashSet::default(),
            false => names.numbers(of_layers).into_iter().collect(),
        };
        Wanted {
            all: query.all,
            layers,
            keys,
            stimuli: query
                .stimuli
                .iter()
                .filter_map(|name| stimulus::find_number(name))
                .collect(),
        }
    }

    fn has(&self, layer: u32, block: u32, event: u64) -> bool {
        self.all
            || self.layers.contains(&layer)
            || self.keys.contains(&(layer, block))
            || self.stimuli.contains(&event)
    }
}

impl Scheduler {
    /// What some tasks went through, as far as it is remembered.
    pub(crate) fn story(&self, query: &StoryQuery) -> Story {
        let history = &self.tasks.history;
        let names = self.gone_layers.names(&self.layers);
        let wanted = Wanted::new(query, &names);
        let mut story = Story {
            written: history.written(),
            forgotten: history.forgotten(),
            ..Story::default()
        };
        let mut texts = Names::default();
        let mut known: HashMap<u32, LayerName> = HashMap::default();
        for change in history.changes(query.from) {
            let (start, finish) = (name_of(change.from), name_of(change.to));
            if start == finish || !wanted.has(change.layer, change.block, change.event) {
                continue;
            }
            let layer = known
                .entry(change.layer)
                .or_insert_with(|| names.name(change.layer));
            story.layers.push(texts.position(&layer.name));
            story.numbered.push(layer.numbered);
            story.blocks.push(change.block);
            story.starts.push(texts.position(start));
            story.finishes.push(texts.position(finish));
            let address = match change.worker.0 {
                u32::MAX => "",
                _ => self.stream.address(change.worker),
            };
            story.workers.push(texts.position(address));
            let stimulus = stimulus::describe(change.cause.kind, change.event);
            story.stimuli.push(texts.position(&stimulus));
            let micros = self.settings.epoch_micros + change.cause.micros;
            story.micros.push(micros);
        }
        story.names = texts.names;
        story
    }

    /// All tasks, with what they need, where they are and who wants them.
    pub(crate) fn dump(&self) -> StateDump {
        let mut dump = StateDump::default();
        let mut texts = Names::default();
        let mut blocks = Blocks::default();
        let tasks = self.tasks.iter().enumerate();
        let positions: HashMap<TaskId, u32> = tasks.map(|(at, (id, _))| (id, at as u32)).collect();
        for (id, task) in self.tasks.iter() {
            let layer = self.layers.get(task.layer);
            blocks.push(texts.position(&layer.name), task.block);
            dump.operations.push(texts.position(&layer.operation));
            dump.numbered.push(!layer.grid.is_empty());
            dump.states.push(texts.position(name_of(task.state)));
            dump.nbytes.push(task.nbytes());
            dump.priorities.push(task.priority);
            dump.retries.push(u32::from(task.retries));
            dump.deaths.push(u32::from(task.deaths));
            dump.missing.push(task.missing());
            self.dump_links(&mut dump, &positions, id, task);
        }
        dump.names = texts.names;
        dump.tasks = Some(blocks);
        dump.figures = vec![
            count("queued", self.queued_count as u64),
            count("submissions", self.submission_count),
            count("transition_counter", self.tasks.history.written()),
        ];
        dump
    }

    fn dump_links(
        &self,
        dump: &mut StateDump,
        positions: &HashMap<TaskId, u32>,
        id: TaskId,
        task: &Task,
    ) {
        let inputs = self.tasks.deps(id).iter();
        let inputs = inputs.filter_map(|dep| positions.get(dep).copied());
        dump.input_counts.push(extend(&mut dump.inputs, inputs));
        let workers: Vec<u32> = match task.state {
            TaskState::Memory => self.tasks.holders(id).iter().map(|w| w.0).collect(),
            TaskState::Placed | TaskState::Assigned => vec![task.worker().0],
            _ => Vec::new(),
        };
        let workers = workers.into_iter();
        dump.worker_counts.push(extend(&mut dump.workers, workers));
        let clients = self.tasks.wanted_by(id).iter();
        let clients = clients.filter(|client| **client != NOBODY);
        let clients = clients.map(|client| client.0);
        dump.client_counts.push(extend(&mut dump.clients, clients));
        if let Some(failure) = self.tasks.failure(id) {
            dump.failed.extend(positions.get(&id));
            dump.failures.push(failure.message.clone());
        }
    }
}

/// Adds items; how many they were.
fn extend(list: &mut Vec<u32>, items: impl Iterator<Item = u32>) -> u32 {
    let before = list.len();
    list.extend(items);
    (list.len() - before) as u32
}
