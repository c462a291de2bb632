//! From a plan to a machine ready to run, with the values that are there already.

use rask_exec::{Limits, Machine, TableTopology};
use rask_graph::{TaskId, TaskTable, order};
use rask_store::Slots;
use rask_value::{LayerOp, OpRef, Plan, Scope, TaskError};

use crate::RunError;

/// Known from the plan before any task ran.
pub(crate) type PredictBytes<'a> = Box<dyn Fn(&TaskTable, TaskId) -> Option<u64> + Send + 'a>;

pub(crate) type LocalMachine<'a> = Machine<TableTopology<PredictBytes<'a>>>;

pub(crate) struct Setup<'a> {
    pub(crate) machine: LocalMachine<'a>,
    pub(crate) slots: Slots,
    pub(crate) wanted: Vec<TaskId>,
    /// Scope of each lane; lane 0 has none.
    pub(crate) scopes: Vec<Option<&'static dyn Scope>>,
    /// Tasks of each layer that are to be run.
    pub(crate) counts: Vec<u32>,
}

/// Expands and orders the plan.
pub(crate) fn set_up<'a>(plan: &'a Plan, limits: Limits) -> Result<Setup<'a>, RunError> {
    let table = TaskTable::expand(&plan.graph)?;
    let sequence = order(&table);
    let wanted = table.wanted().to_vec();
    let mut slots = Slots::with_count(table.len());
    let (held, counts) = hold_values(plan, &table, &mut slots)?;
    let (lanes, scopes) = assign_lanes(plan);
    let groups = assign_groups(plan);
    let predict: PredictBytes<'a> = Box::new(|table, task| {
        let at = table.block_of(task);
        find_op(plan, at.layer.0 as usize)?.output_bytes(at.block)
    });
    let topology = TableTopology::new(table, &sequence, groups, lanes, predict);
    let mut machine = Machine::new(topology, limits);
    held.into_iter().for_each(|task| machine.supply(task));
    wanted.iter().for_each(|&task| machine.keep(task));
    machine.begin(&sequence);
    Ok(Setup {
        machine,
        slots,
        wanted,
        scopes,
        counts,
    })
}

pub(crate) fn find_op(plan: &Plan, layer: usize) -> Option<&OpRef> {
    match plan.ops.get(layer) {
        Some(LayerOp::Run(op)) => Some(op),
        _ => None,
    }
}

/// Puts the values of held layers into their slots. Returns their tasks, and for every layer the
/// number of tasks to run.
fn hold_values(
    plan: &Plan,
    table: &TaskTable,
    slots: &mut Slots,
) -> Result<(Vec<TaskId>, Vec<u32>), RunError> {
    let mut held = Vec::new();
    let mut counts = vec![0; plan.graph.layers.len()];
    for (index, layer) in plan.graph.layers.iter().enumerate() {
        let tasks = table.tasks_of(rask_graph::LayerId(index as u32));
        if tasks.is_empty() {
            continue;
        }
        match &plan.ops[index] {
            LayerOp::Run(_) => counts[index] = tasks.len() as u32,
            LayerOp::Remote => {
                let layer = layer.name.to_string();
                return Err(RunError::Remote { layer });
            }
            LayerOp::Held(values) => {
                for task in tasks {
                    let block = table.block_of(task).block;
                    let value = values.get(block as usize).ok_or_else(|| RunError::Task {
                        layer: layer.name.to_string(),
                        block,
                        error: Box::new(TaskError::new("the layer holds no value for this block")),
                    })?;
                    slots.put(task, value.clone());
                    held.push(task);
                }
            }
        }
    }
    Ok((held, counts))
}

/// A lane for each scope that ops of the plan run in. Lane 0 is for those without.
fn assign_lanes(plan: &Plan) -> (Vec<u8>, Vec<Option<&'static dyn Scope>>) {
    let mut scopes: Vec<Option<&'static dyn Scope>> = vec![None];
    let lanes = (0..plan.graph.layers.len()).map(|layer| {
        let Some(scope) = find_op(plan, layer).and_then(|op| op.scope()) else {
            return 0;
        };
        let same = |other: &Option<&'static dyn Scope>| {
            other.is_some_and(|other| std::ptr::addr_eq(other, scope))
        };
        let lane = scopes.iter().position(same).unwrap_or_else(|| {
            scopes.push(Some(scope));
            scopes.len() - 1
        });
        lane as u8
    });
    (lanes.collect(), scopes)
}

/// Layers whose ops have the same name are expected to take like times and memory.
fn assign_groups(plan: &Plan) -> Vec<u32> {
    let mut groups = std::collections::HashMap::new();
    let names = (0..plan.graph.layers.len()).map(|layer| find_op(plan, layer).map(|op| op.name()));
    names
        .map(|name| {
            let next = groups.len() as u32;
            *groups.entry(name).or_insert(next)
        })
        .collect()
}
