//! From submitted layers to tasks.

use rask_graph::{Block, Graph, LayerId, TaskTable};
use rask_proto::{BlockSizes, Blocks, LayerSpec, ProtoError, Rejected, Submit, ToClient};
use smallvec::SmallVec;

use crate::event::{ClientId, Command};
use crate::scheduler::{NOBODY, Scheduler};
use crate::standing::Terms;
use crate::state::{Layer, NO_TASK, ShareId, TaskId, TaskState, UNLIKE};

/// Why a submission is refused.
#[derive(Debug, thiserror::Error)]
enum SubmitError {
    #[error(transparent)]
    Graph(#[from] rask_graph::GraphError),
    #[error(transparent)]
    Proto(#[from] ProtoError),
    #[error("a layer named {name:?} is known with {known} blocks, and now has {given}")]
    OtherShape {
        name: String,
        known: usize,
        given: u64,
    },
    #[error("nothing named {0:?} is known here: it was released, or never submitted")]
    Unknown(String),
    #[error("layer {0:?} has nothing to run")]
    NoOp(String),
    #[error("layer {name:?} refers to block {block} of layer number {layer}, which is not there")]
    UnknownReference {
        name: String,
        layer: u32,
        block: u32,
    },
    #[error("layer {0:?} has fewer pages than its blocks need")]
    Pages(String),
    #[error("a task cannot take {amount} of resource {name:?}")]
    Resource { name: String, amount: f64 },
}

/// Base priorities of a layer's tasks, and how often each may raise.
struct TaskTerms {
    of_all: (u64, u8),
    /// Where they differ by block.
    of_kinds: Vec<(u64, u8)>,
}

/// One of each of the layers or tasks of a submission, of which there are mostly few.
type Few<T> = SmallVec<[T; 4]>;

impl Scheduler {
    /// Adds layers and what is wanted of them; a submission that makes no sense is refused whole.
    pub(crate) fn on_submit(&mut self, client: ClientId, submit: Submit) {
        if let Err(error) = self.try_submit(client, &submit) {
            let wanted = submit.wanted.iter().flat_map(Blocks::iter);
            let blocks = wanted.filter_map(|(layer, block)| {
                let id = submit.layers.get(layer as usize)?.id;
                Some((id, block))
            });
            let rejected = Rejected {
                blocks: Some(blocks.collect()),
                reason: error.to_string(),
            };
            self.out.push(Command::ToClient {
                client,
                message: ToClient::Rejected(rejected),
            });
        }
    }

    fn try_submit(&mut self, client: ClientId, submit: &Submit) -> Result<(), SubmitError> {
        check_resources(submit)?;
        check_spans(submit)?;
        let graph = self.try_graph(submit)?;
        let table = TaskTable::expand_within(&graph, &self.settings.graph_limits)?;
        self.check_remote(submit, &table)?;
        let sequence = rask_graph::order(&table);
        let numbers = self.add_layers(client, submit, &graph);
        let wanted_count = submit.wanted.as_ref().map_or(0, Blocks::len);
        let tasks = self.add_tasks(client, submit, &numbers, &table, &sequence);
        for &task in tasks.iter().take(wanted_count) {
            self.want(client, task, submit.fire_and_forget);
        }
        self.refuse_unfitting(&numbers, fan_in_max(submit, &table));
        for number in numbers {
            if self.layers.find(number).is_some() {
                self.forget_layer_if_unused(number);
            }
        }
        Ok(())
    }

    /// The submission as a graph, checked against what is known. Nothing is changed.
    fn try_graph(&self, submit: &Submit) -> Result<Graph, SubmitError> {
        let mut graph = Graph {
            layers: Vec::with_capacity(submit.layers.len()),
            wanted: Vec::with_capacity(submit.wanted.as_ref().map_or(0, Blocks::len)),
        };
        for (position, spec) in submit.layers.iter().enumerate() {
            let layer = self.try_layer(spec, position, &graph)?;
            graph.add(layer);
        }
        let wanted = submit.wanted.iter().flat_map(Blocks::iter);
        graph.wanted.extend(wanted.map(block));
        for spec in &submit.layers {
            for (layer, at) in reference_pairs(spec) {
                graph.wanted.push(block((layer, at)));
            }
        }
        Ok(graph)
    }

    fn try_layer(
        &self,
        spec: &LayerSpec,
        position: usize,
        graph: &Graph,
    ) -> Result<rask_graph::Layer, SubmitError> {
        let known = self.layers.find_number(&spec.name);
        if spec.remote {
            let number = known.ok_or_else(|| SubmitError::Unknown(spec.name.clone()))?;
            let layer = self.layers.get(number);
            return Ok(rask_graph::Layer {
                name: layer.name.clone(),
                grid: rask_graph::Grid::new(layer.grid.iter().copied()),
                inputs: SmallVec::new(),
            });
        }
        let layer = spec.try_layer(|number| Some(LayerId(number)))?;
        let max = self.settings.graph_limits.tasks_max;
        if layer.block_count() > u64::from(max) {
            let count = layer.block_count();
            return Err(rask_graph::GraphError::TooManyTasks { count, max }.into());
        }
        if spec.op.is_none() {
            return Err(SubmitError::NoOp(spec.name.clone()));
        }
        self.check_known(spec, known, layer.block_count())?;
        if let Some(sizes) = &spec.sizes {
            BlockSizes::try_from_spec(sizes, &spec.grid)?;
        }
        check_references(spec, position, graph, layer.block_count())?;
        check_pages(spec, layer.block_count())?;
        if let Some(varied) = &spec.varied {
            varied.check(layer.block_count())?;
        }
        Ok(layer)
    }

    /// Blocks of layers that are only named must exist: their rules are not kept.
    fn check_remote(&self, submit: &Submit, table: &TaskTable) -> Result<(), SubmitError> {
        for (position, spec) in submit.layers.iter().enumerate().filter(|(_, s)| s.remote) {
            let number = self.layers.find_number(&spec.name);
            let layer = number.map(|number| self.layers.get(number));
            let mut tasks = table.tasks_of(LayerId(position as u32));
            let known = tasks.all(|task| {
                let block = table.block_of(task).block;
                layer.is_some_and(|layer| layer.find_task(block).is_some())
            });
            if !known {
                return Err(SubmitError::Unknown(spec.name.clone()));
            }
        }
        Ok(())
    }

    fn check_known(
        &self,
        spec: &LayerSpec,
        known: Option<u32>,
        given: u64,
    ) -> Result<(), SubmitError> {
        // What has no tasks is made anew, and so is what was before a restart.
        let known = known.map(|number| self.layers.get(number));
        let known = known.filter(|layer| layer.task_count > 0 && self.known_numbers.is_none());
        match known.map(|layer| layer.slots.len()) {
            Some(known) if known as u64 != given => Err(SubmitError::OtherShape {
                name: spec.name.clone(),
                known,
                given,
            }),
            _ => Ok(()),
        }
    }

    /// Adds the layers that are not known yet, and the client's numbers.
    fn add_layers(&mut self, client: ClientId, submit: &Submit, graph: &Graph) -> Few<u32> {
        let common = Terms::of(submit);
        let mut numbers = Few::with_capacity(submit.layers.len());
        let before = self.known_numbers.take().unwrap_or_default();
        for (position, (spec, layer)) in submit.layers.iter().zip(&graph.layers).enumerate() {
            let before = before.get(position).copied();
            let known = self.find_layer_for(spec, before, &numbers);
            let number = known.unwrap_or_else(|| {
                let span = self.enter_span(submit, spec);
                let mut layer = new_layer(spec, layer, common.of_layer(submit, spec));
                layer.restrict_blocks(spec, common.of_blocks(submit, spec));
                layer.span = span;
                let keeps_dense = spec.page_blocks == 0
                    && spec.sizes.as_ref().is_some_and(|sizes| sizes.is_dense);
                layer.set_sizes(self.find_sizes(spec, &numbers), keeps_dense);
                layer.is_impure = submit.impure;
                match before {
                    Some(number) => self.layers.add_as(number, layer),
                    None => self.layers.add(layer),
                }
            });
            if spec.id != 0 {
                self.number_layer(client, spec.id, number);
            }
            numbers.push(number);
        }
        if self.settings.journal {
            self.given_numbers.clear();
            self.given_numbers.extend_from_slice(&numbers);
        }
        numbers
    }

    /// The layer of a submission, if it is known. One without tasks, all of which were released or
    /// cancelled, is made anew: what is to run may be something else now. `before` is the number that
    /// the layer had before a restart; `numbers` are those of the submission's layers so far.
    fn find_layer_for(
        &mut self,
        spec: &LayerSpec,
        before: Option<u32>,
        numbers: &[u32],
    ) -> Option<u32> {
        let known = self.layers.find_number(&spec.name)?;
        if spec.remote || numbers.contains(&known) {
            return Some(known);
        }
        let is_other = before.is_some_and(|before| before != known);
        let is_empty = self.layers.get(known).task_count == 0;
        if !is_empty && !is_other {
            return Some(known);
        }
        self.layers.unname(known);
        if is_empty {
            self.remove_layer(known);
        }
        None
    }

    /// The client calls a layer by this number from now on.
    fn number_layer(&mut self, client: ClientId, number: u32, layer: u32) {
        let Some(record) = self.clients.by_id.get_mut(&client) else {
            return;
        };
        let before = record.layers.insert(number, layer);
        if before == Some(layer) {
            return;
        }
        record.numbers.insert(layer, number);
        self.layers.get_mut(layer).client_count += 1;
        if let Some(before) = before {
            if record.numbers.get(&before) == Some(&number) {
                record.numbers.remove(&before);
            }
            self.drop_client_number(before);
        }
    }

    /// The declared bytes of a layer's blocks. Whoever makes values from others' makes dense arrays
    /// only of dense arrays.
    fn find_sizes(&self, spec: &LayerSpec, numbers: &[u32]) -> Option<BlockSizes> {
        let mut sizes = BlockSizes::try_from_spec(spec.sizes.as_ref()?, &spec.grid).ok()?;
        let by_rule = spec.inputs.iter().map(|input| input.layer);
        let by_list = spec
            .refs
            .iter()
            .flat_map(|refs| refs.layers.iter().copied());
        let mut inputs = by_rule.chain(by_list);
        sizes.is_dense &= spec.page_blocks == 0
            && inputs.all(|input| {
                let number = numbers.get(input as usize);
                let layer = number.and_then(|&number| self.layers.find(number));
                let sizes = layer.and_then(|layer| layer.sizes.as_ref());
                sizes.is_some_and(|sizes| sizes.is_dense)
            });
        Some(sizes)
    }

    /// Finds the tasks that are needed and known, of layers that have some; returns those of others
    /// that are needed, which is all if none is known.
    fn find_known(
        &mut self,
        share: ShareId,
        numbers: &[u32],
        table: &TaskTable,
        made: &mut [TaskId],
    ) -> Option<Vec<bool>> {
        let is_empty = |number: &u32| self.layers.get(*number).task_count == 0;
        if numbers.iter().all(is_empty) {
            return None;
        }
        let mut is_needed = vec![false; table.len()];
        let mut stack: Few<u32> = table.wanted().into();
        while let Some(index) = stack.pop() {
            if made[index as usize] != NO_TASK || is_needed[index as usize] {
                continue;
            }
            let at = table.block_of(index);
            let number = numbers[at.layer.0 as usize];
            if let Some(known) = self.layers.get(number).find_task(at.block) {
                self.share_task(known, share);
                made[index as usize] = known;
                continue;
            }
            is_needed[index as usize] = true;
            stack.extend_from_slice(table.deps(index));
        }
        Some(is_needed)
    }

    /// Adds the tasks that are needed and not known; returns those of `graph.wanted`. They have their
    /// records in the order in which they will be run, so that what is needed at a time is together.
    fn add_tasks(
        &mut self,
        client: ClientId,
        submit: &Submit,
        numbers: &[u32],
        table: &TaskTable,
        sequence: &[u32],
    ) -> Few<TaskId> {
        let standing = self.decide_standing(client, submit);
        let share = standing.share;
        let common = Terms::of(submit);
        let terms = submit.layers.iter().map(|spec| {
            let terms = common.of_layer(submit, spec);
            let of = |terms: &Terms| (standing.base_priority(terms.priority), terms.retries);
            let varied = common.of_blocks(submit, spec);
            TaskTerms {
                of_all: of(&terms),
                of_kinds: varied.iter().map(of).collect(),
            }
        });
        let terms: Few<TaskTerms> = terms.collect();
        self.tasks.reserve(table.len());
        let mut made: Few<TaskId> = SmallVec::from_elem(NO_TASK, table.len());
        let mut fresh = Few::with_capacity(table.len());
        let needed = self.find_known(share, numbers, table, &mut made);
        let is_needed = |index: u32| {
            let needed = needed.as_ref();
            needed.is_none_or(|needed| needed[index as usize])
        };
        for (rank, &index) in (0u64..).zip(sequence) {
            if !is_needed(index) {
                continue;
            }
            let at = table.block_of(index);
            let number = numbers[at.layer.0 as usize];
            let position = at.layer.0 as usize;
            let varied = submit.layers[position].varied.as_ref();
            let kind = varied.and_then(|varied| varied.place_of(at.block));
            let (base, retries) = match kind {
                Some(kind) => terms[position].of_kinds[kind],
                None => terms[position].of_all,
            };
            let priority = base + rank;
            let id = self.tasks.add((number, at.block), share, priority, retries);
            self.shares.on_task_added(share);
            let layer = self.layers.get_mut(number);
            layer.slots[at.block as usize] = id;
            layer.task_count += 1;
            made[index as usize] = id;
            fresh.push((index, id));
        }
        let ranks = rask_graph::ranks(sequence);
        self.sketch(table, &ranks, numbers, &fresh);
        for (index, id) in fresh {
            self.add_edges(submit, numbers, table, &made, (index, id));
        }
        let wanted = table.wanted().iter();
        wanted.map(|&index| made[index as usize]).collect()
    }

    fn add_edges(
        &mut self,
        submit: &Submit,
        numbers: &[u32],
        table: &TaskTable,
        made: &[TaskId],
        (index, id): (u32, TaskId),
    ) {
        let at = table.block_of(index);
        let mut deps: SmallVec<[TaskId; 8]> = table
            .deps(index)
            .iter()
            .map(|&dep| made[dep as usize])
            .collect();
        if let Some(references) = &submit.layers[at.layer.0 as usize].refs {
            let from = references.offsets[at.block as usize] as usize;
            let to = references.offsets[at.block as usize + 1] as usize;
            for entry in from..to {
                let layer = numbers[references.layers[entry] as usize];
                deps.push(self.layers.get(layer).slots[references.blocks[entry] as usize]);
            }
        }
        self.tasks.set_deps(id, &deps);
        self.settle.push(id);
    }

    /// A client wants a task's value.
    fn want(&mut self, client: ClientId, id: TaskId, fire_and_forget: bool) {
        let state = self.tasks.state(id);
        if fire_and_forget && !matches!(state, TaskState::Memory | TaskState::Erred) {
            self.tasks.push_wanted_by(id, NOBODY);
        }
        if !self.tasks.wanted_by(id).contains(&client) {
            self.tasks.push_wanted_by(id, client);
            let task = self.tasks.get(id);
            let number = self.clients.find_number(client, task.layer);
            if let (Some(number), Some(client)) = (number, self.clients.by_id.get_mut(&client)) {
                client.cancelled.remove(&(number, task.block));
            }
            if self.clients.find_number(client, task.layer).is_none()
                && let Some(client) = self.clients.by_id.get_mut(&client)
            {
                client.unnumbered.push((id, task.serial));
            }
        }
        match state {
            TaskState::Released => self.transition_released_waiting(id),
            TaskState::Memory => self.tell_again(client, id),
            TaskState::Erred => self.tell_erred(id),
            _ => {}
        }
    }

    /// Tells one client that a value is in memory.
    pub(crate) fn tell_again(&mut self, client: ClientId, id: TaskId) {
        let task = self.tasks.get(id);
        let number = self.clients.find_number(client, task.layer);
        if let (Some(number), Some(&holder)) = (number, self.tasks.holders(id).first()) {
            self.out
                .finished(client, (number, task.block), holder, None);
        }
    }
}

fn block((layer, block): (u32, u32)) -> Block {
    Block {
        layer: LayerId(layer),
        block,
    }
}

/// The blocks that a layer refers to by list.
fn reference_pairs(spec: &LayerSpec) -> impl Iterator<Item = (u32, u32)> + '_ {
    let refs = spec.refs.iter();
    refs.flat_map(|refs| refs.layers.iter().copied().zip(refs.blocks.iter().copied()))
}

/// No task is given more values than this.
fn fan_in_max(submit: &Submit, table: &TaskTable) -> usize {
    let by_rule = (0..table.len() as u32).map(|index| table.deps(index).len());
    let lists = submit.layers.iter().filter_map(|spec| spec.refs.as_ref());
    let by_list = lists.flat_map(|refs| refs.offsets.windows(2));
    let by_list = by_list.map(|pair| (pair[1] - pair[0]) as usize);
    by_rule.max().unwrap_or(0) + by_list.max().unwrap_or(0)
}

fn check_references(
    spec: &LayerSpec,
    position: usize,
    graph: &Graph,
    block_count: u64,
) -> Result<(), SubmitError> {
    let Some(references) = &spec.refs else {
        return Ok(());
    };
    references.check(block_count)?;
    for (layer, at) in reference_pairs(spec) {
        let target = graph.layers.get(layer as usize);
        let there = (layer as usize) < position
            && target.is_some_and(|target| u64::from(at) < target.block_count());
        if !there {
            return Err(SubmitError::UnknownReference {
                name: spec.name.clone(),
                layer,
                block: at,
            });
        }
    }
    Ok(())
}

fn check_pages(spec: &LayerSpec, block_count: u64) -> Result<(), SubmitError> {
    let needed = match u64::from(spec.page_blocks) {
        0 => 0,
        blocks => block_count.div_ceil(blocks),
    };
    if (spec.pages.len() as u64) < needed {
        return Err(SubmitError::Pages(spec.name.clone()));
    }
    Ok(())
}

fn check_resources(submit: &Submit) -> Result<(), SubmitError> {
    let layers = submit.layers.iter().flat_map(|layer| {
        let varied = layer.varied.iter().flat_map(|varied| &varied.options);
        layer.options.as_deref().into_iter().chain(varied)
    });
    let own = layers.flat_map(|options| &options.resources);
    let mut resources = submit.resources.iter().chain(own);
    let wrong = resources.find(|resource| !(resource.amount.is_finite() && resource.amount >= 0.0));
    wrong.map_or(Ok(()), |resource| {
        Err(SubmitError::Resource {
            name: resource.name.clone(),
            amount: resource.amount,
        })
    })
}

fn check_spans(submit: &Submit) -> Result<(), ProtoError> {
    let layers = submit.layers.iter();
    let mut spans = layers
        .filter_map(|layer| layer.span.as_ref())
        .chain(&submit.span);
    spans.try_for_each(rask_proto::SpanPath::check)
}

fn new_layer(spec: &LayerSpec, layer: &rask_graph::Layer, terms: Terms) -> Layer {
    let pages_shipped = match spec.page_blocks {
        0 | 1 => Vec::new(),
        _ => vec![SmallVec::new(); spec.pages.len()],
    };
    Layer {
        name: layer.name.clone(),
        grid: spec.grid.clone(),
        op: spec.op.clone(),
        pages: spec.pages.clone(),
        page_blocks: spec.page_blocks,
        origin: spec.origin.clone(),
        operation: spec.operation.as_str().into(),
        operation_number: 0,
        restriction: terms.restriction,
        varied: None,
        message: None,
        timeout_millis: terms.timeout_millis,
        retry_millis: terms.retry_millis,
        retry_millis_max: terms.retry_millis_max,
        actor: spec.actor,
        is_impure: false,
        part_modulo: spec.part_modulo,
        part_count: spec.part_count,
        slots: vec![NO_TASK; layer.block_count() as usize],
        task_count: 0,
        client_count: 0,
        shipped: Default::default(),
        pages_shipped,
        mean_micros: 0.0,
        ended_count: 0,
        begun_count: 0,
        began: None,
        span: 0,
        ended: Default::default(),
        sizes: None,
        keeps_dense: false,
        certain_bytes_max: 0,
        large_bytes_max: 0,
        output: Default::default(),
        made_bytes: UNLIKE,
        working: Default::default(),
    }
}
