//! Explicit layers of which some tasks were annotated: a layer for what is run on the same terms.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use rask_graph::LayerId;
use rask_value::{Origin, Plan, are_annotated_alike};

use super::assembler::{Assembler, OWN, Source, unique_name};
use crate::program::Step;

/// A block of a source of an assembler.
type Input = (Source, u32);

/// A layer of the plan, and the block there, that a task has become.
pub type Place = (LayerId, u32);

impl Assembler {
    /// Adds the tasks to a plan: one layer if they are annotated alike, else as few as there may be
    /// where each refers to earlier ones only. Returns where each task is.
    pub fn add_by_annotations(
        self,
        py: Python<'_>,
        plan: &mut Plan,
        op: &str,
        origin: Option<Origin>,
    ) -> PyResult<Vec<Place>> {
        let groups = self.group_by_annotations();
        if let [only] = &groups[..] {
            let origin = annotated_like(origin, self.origin_of(only[0]));
            let count = self.task_count();
            let layer = self.add_to(plan, unique_name(py, op)?, op, origin);
            return Ok((0..count).map(|block| (layer, block)).collect());
        }
        let mut places: Vec<Place> = vec![(LayerId(0), 0); self.task_count() as usize];
        for tasks in groups {
            let own = LayerId(plan.graph.layers.len() as u32);
            let mut part = Assembler::new();
            for (block, &task) in tasks.iter().enumerate() {
                places[task as usize] = (own, block as u32);
            }
            let mut sources = BTreeMap::new();
            for &task in &tasks {
                self.copy_task(py, task, &mut part, &mut |part: &mut Assembler, input| {
                    let (layer, block) = match input {
                        (OWN, task) => places[task as usize],
                        (source, block) => (self.source(source), block),
                    };
                    if layer == own {
                        return (OWN, block);
                    }
                    let source = sources
                        .entry(layer)
                        .or_insert_with(|| part.add_source(layer));
                    (*source, block)
                });
            }
            let origin = annotated_like(origin.clone(), self.origin_of(tasks[0]));
            part.add_to(plan, unique_name(py, op)?, op, origin);
        }
        Ok(places)
    }

    /// Tasks that are annotated alike and may be one layer, in an order in which each group needs
    /// only earlier ones and itself.
    fn group_by_annotations(&self) -> Vec<Vec<u32>> {
        let count = self.task_count();
        let mut kinds: Vec<u32> = Vec::new();
        let kind_of = |task: u32| {
            let origin = self.origin_of(task);
            let known = kinds
                .iter()
                .position(|&other| are_annotated_alike(self.origin_of(other), origin));
            known.unwrap_or_else(|| {
                kinds.push(task);
                kinds.len() - 1
            })
        };
        let kinds: Vec<usize> = (0..count).map(kind_of).collect();
        let mut groups: BTreeMap<(u32, usize), Vec<u32>> = BTreeMap::new();
        let levels = self.levels(&kinds);
        for task in 0..count {
            let group = (levels[task as usize], kinds[task as usize]);
            groups.entry(group).or_default().push(task);
        }
        groups.into_values().collect()
    }

    /// For each task, how many times what it is made from, and that from, is of another kind.
    fn levels(&self, kinds: &[usize]) -> Vec<u32> {
        let count = kinds.len();
        let mut needed_by: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut missing: Vec<usize> = vec![0; count];
        for task in 0..count as u32 {
            for &(_, input) in self.inputs_of(task).iter().filter(|input| input.0 == OWN) {
                needed_by[input as usize].push(task);
                missing[task as usize] += 1;
            }
        }
        let mut levels = vec![0; count];
        let mut ready: Vec<u32> = (0..count as u32)
            .filter(|&t| missing[t as usize] == 0)
            .collect();
        while let Some(task) = ready.pop() {
            let (level, kind) = (levels[task as usize], kinds[task as usize]);
            for &user in &needed_by[task as usize] {
                let user = user as usize;
                levels[user] = levels[user].max(level + u32::from(kinds[user] != kind));
                missing[user] -= 1;
                if missing[user] == 0 {
                    ready.push(user as u32);
                }
            }
        }
        levels
    }

    /// Emits a task into another assembler; `place` says what its inputs are there.
    fn copy_task(
        &self,
        py: Python<'_>,
        task: u32,
        part: &mut Assembler,
        place: &mut dyn FnMut(&mut Assembler, Input) -> Input,
    ) {
        let inputs = self.inputs_of(task);
        for step in self.steps_of(task) {
            match step {
                Step::Input(number) => {
                    let (source, block) = place(part, inputs[*number as usize]);
                    part.input(source, block);
                }
                Step::Constant(number) => part.constant(self.constant_of(*number).bind(py)),
                other => part.step(*other),
            }
        }
        part.finish_task(self.origin_of(task).cloned());
    }
}

/// The line of one with the annotations of another.
fn annotated_like(origin: Option<Origin>, other: Option<&Origin>) -> Option<Origin> {
    let annotations = other.and_then(|other| other.annotations.clone());
    match (origin, annotations) {
        (Some(origin), annotations) => Some(Origin {
            annotations,
            ..origin
        }),
        (None, Some(_)) => other.cloned(),
        (None, None) => None,
    }
}
