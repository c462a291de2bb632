//! From layers to tasks: backwards from the wanted blocks to find what is needed, then forwards to
//! number it and write down the edges. Linear in the tasks and edges that are needed.

use smallvec::SmallVec;

use crate::members::{Members, Needed};
use crate::rule::{Cursor, Rule};
use crate::table::{Column, Edges, TaskTable};
use crate::{Graph, GraphError, LayerId};

/// The largest graph that is expanded. Whoever takes graphs from others sets limits, since a rule of
/// a few bytes may stand for any number of tasks and edges.
#[derive(Clone, Copy, Debug)]
pub struct ExpansionLimits {
    pub tasks_max: u32,
    /// Compared with an estimate from above that is made before any edge is.
    pub edges_max: u64,
}

impl Default for ExpansionLimits {
    fn default() -> Self {
        ExpansionLimits {
            tasks_max: u32::MAX,
            edges_max: u64::from(u32::MAX),
        }
    }
}

impl TaskTable {
    /// The tasks needed for the wanted blocks of `graph`.
    pub fn expand(graph: &Graph) -> Result<TaskTable, GraphError> {
        TaskTable::expand_within(graph, &ExpansionLimits::default())
    }

    /// The tasks needed for the wanted blocks of `graph`, which is refused if it is larger than
    /// `limits`, before memory or time is spent on it.
    pub fn expand_within(graph: &Graph, limits: &ExpansionLimits) -> Result<TaskTable, GraphError> {
        let mut size = Size::new(*limits);
        let mut needed = collect_wanted(graph)?;
        let layers = graph.layers.iter();
        let mut rules: SmallVec<[Option<Rule<'_>>; 2]> = layers.map(|_| None).collect();
        let mut members: SmallVec<[Members; 2]> =
            SmallVec::from_elem(Members::All(0), graph.layers.len());
        let mut edge_count = 0;
        for index in (0..graph.layers.len()).rev() {
            if needed[index].is_empty() {
                continue;
            }
            let rule = Rule::new(graph, LayerId(index as u32))?;
            close_over_itself(graph, index, &rule, &mut needed);
            let set = std::mem::replace(&mut needed[index], Needed::complete());
            let all = set.is_all();
            members[index] = set.freeze();
            size.add(members[index].len(), &rule)?;
            edge_count += mark_inputs(&rule, all, &members[index], &mut needed);
            rules[index] = Some(rule);
        }
        build(graph, members, &rules, edge_count)
    }
}

/// How large a graph has been found to be so far.
struct Size {
    limits: ExpansionLimits,
    tasks: u64,
    edges: u64,
}

impl Size {
    fn new(limits: ExpansionLimits) -> Self {
        Size {
            limits,
            tasks: 0,
            edges: 0,
        }
    }

    /// Counts a layer's tasks and their inputs.
    fn add(&mut self, tasks: u32, rule: &Rule<'_>) -> Result<(), GraphError> {
        self.tasks += u64::from(tasks);
        self.edges = self.edges.saturating_add(rule.edges_max(tasks));
        let ExpansionLimits {
            tasks_max,
            edges_max,
        } = self.limits;
        if self.tasks > u64::from(tasks_max) {
            return Err(GraphError::TooManyTasks {
                count: self.tasks,
                max: tasks_max,
            });
        }
        if self.edges > edges_max {
            return Err(GraphError::TooManyEdges {
                count: self.edges,
                max: edges_max,
            });
        }
        Ok(())
    }
}

fn collect_wanted(graph: &Graph) -> Result<SmallVec<[Needed; 2]>, GraphError> {
    let mut needed: SmallVec<[Needed; 2]> = SmallVec::with_capacity(graph.layers.len());
    for layer in &graph.layers {
        let count = layer.block_count();
        let count = u32::try_from(count).map_err(|_| too_many_tasks(count))?;
        needed.push(Needed::new(count));
    }
    for block in &graph.wanted {
        let layer = graph.layers.get(block.layer.0 as usize);
        if layer.is_none_or(|layer| u64::from(block.block) >= layer.block_count()) {
            return Err(GraphError::UnknownBlock {
                layer: block.layer.0,
                block: block.block,
            });
        }
        needed[block.layer.0 as usize].insert(block.block);
    }
    Ok(needed)
}

fn too_many_tasks(count: u64) -> GraphError {
    GraphError::TooManyTasks {
        count,
        max: u32::MAX,
    }
}

/// Adds the blocks of a layer that its own needed blocks lead to.
fn close_over_itself(graph: &Graph, index: usize, rule: &Rule<'_>, needed: &mut [Needed]) {
    if !refers_to_itself(graph, index) || needed[index].is_all() {
        return;
    }
    let count = graph.layers[index].block_count() as u32;
    let start = std::mem::replace(&mut needed[index], Needed::new(count)).freeze();
    let mut seen = vec![false; count as usize];
    let mut open = Vec::new();
    start.for_each(|block| {
        seen[block as usize] = true;
        open.push(block);
    });
    while let Some(block) = open.pop() {
        needed[index].insert(block);
        rule.for_each(&mut Cursor::default(), block, |layer, input| {
            if layer.0 as usize == index && !std::mem::replace(&mut seen[input as usize], true) {
                open.push(input);
            }
        });
    }
}

fn refers_to_itself(graph: &Graph, index: usize) -> bool {
    let layer = &graph.layers[index];
    layer
        .inputs
        .iter()
        .any(|input| input.layer.0 as usize == index)
}

/// Marks what the members of a layer need in earlier layers; returns how many edges there are, as
/// far as that was counted.
fn mark_inputs(rule: &Rule<'_>, all: bool, members: &Members, needed: &mut [Needed]) -> usize {
    let complete = all || matches!(members, Members::All(_));
    if complete {
        rule.covered_inputs()
            .for_each(|layer| needed[layer.0 as usize].insert_all());
        if rule.covers_all_inputs() {
            return 0;
        }
    }
    let mut edges = 0;
    let mut cursor = Cursor::default();
    members.for_each(|block| {
        rule.for_each(&mut cursor, block, |layer, input| {
            edges += 1;
            needed[layer.0 as usize].insert(input);
        });
    });
    edges
}

fn build(
    graph: &Graph,
    members: SmallVec<[Members; 2]>,
    rules: &[Option<Rule<'_>>],
    edge_count: usize,
) -> Result<TaskTable, GraphError> {
    let total: u64 = members.iter().map(|set| u64::from(set.len())).sum();
    let count = u32::try_from(total).map_err(|_| too_many_tasks(total))? as usize;
    let mut layer_offsets = Column::with_capacity(members.len() + 1);
    let mut next = 0;
    for set in &members {
        layer_offsets.push(next);
        next += set.len();
    }
    layer_offsets.push(next);

    let mut layers = Column::with_capacity(count);
    let mut blocks = Column::with_capacity(count);
    let mut offsets = Column::with_capacity(count + 1);
    let mut tasks = Column::with_capacity(edge_count);
    offsets.push(0);
    for (index, set) in members.iter().enumerate() {
        let Some(rule) = &rules[index] else { continue };
        let mut cursor = Cursor::default();
        set.for_each(|block| {
            layers.push(index as u32);
            blocks.push(block);
            rule.for_each(&mut cursor, block, |layer, input| {
                let layer = layer.0 as usize;
                tasks.push(layer_offsets[layer] + members[layer].position(input));
            });
            offsets.push(tasks.len() as u32);
        });
    }
    tasks.shrink_to_fit();
    let deps = Edges { offsets, tasks };
    let dependents = deps.reversed();
    let wanted = graph
        .wanted
        .iter()
        .map(|at| {
            let layer = at.layer.0 as usize;
            layer_offsets[layer] + members[layer].position(at.block)
        })
        .collect();
    let table = TaskTable {
        layer_offsets,
        members,
        layers,
        blocks,
        deps,
        dependents,
        wanted,
    };
    check_cycles(graph, &table)?;
    Ok(table)
}

/// Only a layer that refers to itself can have a cycle: takes away blocks that need nothing more of
/// the layer, until none is left or none can be taken.
fn check_cycles(graph: &Graph, table: &TaskTable) -> Result<(), GraphError> {
    for index in (0..graph.layers.len()).filter(|&index| refers_to_itself(graph, index)) {
        let tasks = table.tasks_of(LayerId(index as u32));
        let mut waiting: Vec<u32> = tasks
            .clone()
            .map(|t| table.deps(t).iter().filter(|d| tasks.contains(d)).count() as u32)
            .collect();
        let mut free: Vec<u32> = tasks
            .clone()
            .filter(|t| waiting[(t - tasks.start) as usize] == 0)
            .collect();
        let mut taken = 0;
        while let Some(task) = free.pop() {
            taken += 1;
            for &user in table.dependents(task).iter().filter(|u| tasks.contains(u)) {
                let left = &mut waiting[(user - tasks.start) as usize];
                *left -= 1;
                if *left == 0 {
                    free.push(user);
                }
            }
        }
        if taken < tasks.len() {
            let stuck = waiting.iter().position(|&left| left > 0).unwrap_or(0) as u32;
            let block = table.block_of(tasks.start + stuck).block;
            let name = &graph.layers[index].name;
            return Err(GraphError::Cycle(format!("block {block} of {name:?}")));
        }
    }
    Ok(())
}
