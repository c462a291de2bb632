//! Fusion: layers whose blocks correspond one to one become one layer.
//!
//! A layer is taken into its consumer if that is the only one, wants each of its blocks exactly
//! once, and nobody else wants any. What remains is a smaller graph with the same wanted blocks, and
//! for each layer that took others in, the steps that a task of it goes through.

use smallvec::SmallVec;

use crate::{AxisMap, Graph, Grid, Input, InputMap, Layer, LayerId};

/// A task goes through at most this many steps; longer chains become several layers.
const STEPS_MAX: usize = 32;

/// A graph with fewer layers.
#[derive(Clone, Debug)]
pub struct Fusion {
    pub graph: Graph,
    /// For each layer of `graph`, the layers of the original graph that it stands for.
    pub groups: Vec<Vec<FusedStep>>,
}

/// One step of a task of a fused layer. The last one gives the task's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusedStep {
    /// Which layer of the original graph the step is.
    pub layer: LayerId,
    /// For each axis of the step's grid, the axis of the fused layer's grid that it is.
    pub axes: SmallVec<[u32; 4]>,
    /// Where the step's inputs come from, in order.
    pub inputs: SmallVec<[StepInput; 2]>,
}

/// Where an input of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepInput {
    /// The value of an earlier step.
    Step(u32),
    /// All values that the fused layer's input of this number gives.
    Outer(u32),
}

/// Fuses the layers of `graph`. `may_fuse(producer, consumer)` says whether two layers can be run in
/// one task. Returns `None` if there is nothing to fuse.
pub fn fuse(graph: &Graph, may_fuse: impl Fn(LayerId, LayerId) -> bool) -> Option<Fusion> {
    let uses = count_uses(graph);
    let count = graph.layers.len();
    let mut taken_in = vec![false; count];
    let mut groups: Vec<Option<Group>> = Vec::new();
    groups.resize_with(count, || None);
    for root in (0..count as u32).rev().map(LayerId) {
        let index = root.0 as usize;
        if taken_in[index] || uses[index] == 0 {
            continue;
        }
        let mut group = Group::default();
        let layer = &graph.layers[index];
        let identity: SmallVec<[u32; 4]> = (0..layer.grid.0.len() as u32).collect();
        let mut fuser = Fuser {
            graph,
            uses: &uses,
            may_fuse: &may_fuse,
            taken_in: &mut taken_in,
            root,
            members: 1,
        };
        fuser.add_step(&mut group, root, identity);
        groups[index] = Some(group);
    }
    if !taken_in.contains(&true) {
        return None;
    }
    Some(rebuild(graph, groups))
}

/// How often each layer is used by layers that are needed: wanted ones count as used often.
fn count_uses(graph: &Graph) -> Vec<u32> {
    let mut uses = vec![0u32; graph.layers.len()];
    for at in &graph.wanted {
        uses[at.layer.0 as usize] = 2;
    }
    for index in (0..graph.layers.len()).rev() {
        if uses[index] == 0 {
            continue;
        }
        for input in &graph.layers[index].inputs {
            let uses = &mut uses[input.layer.0 as usize];
            *uses = uses.saturating_add(1);
        }
    }
    uses
}

#[derive(Default)]
struct Group {
    steps: Vec<FusedStep>,
    inputs: SmallVec<[Input; 2]>,
}

struct Fuser<'a, F> {
    graph: &'a Graph,
    uses: &'a [u32],
    may_fuse: &'a F,
    taken_in: &'a mut [bool],
    root: LayerId,
    members: usize,
}

impl<F: Fn(LayerId, LayerId) -> bool> Fuser<'_, F> {
    /// Adds the steps that `layer` needs, and then its own. Returns the number of the latter.
    /// `axes` says which axis of the root each axis of `layer` is.
    fn add_step(&mut self, group: &mut Group, layer: LayerId, axes: SmallVec<[u32; 4]>) -> u32 {
        let mut inputs = SmallVec::new();
        for input in &self.graph.layers[layer.0 as usize].inputs {
            inputs.push(match self.find_axes(layer, input) {
                Some(inner) => {
                    self.taken_in[input.layer.0 as usize] = true;
                    self.members += 1;
                    let inner = inner.iter().map(|&axis| axes[axis as usize]).collect();
                    StepInput::Step(self.add_step(group, input.layer, inner))
                }
                None => {
                    group.inputs.push(Input {
                        layer: input.layer,
                        map: rename_axes(&input.map, &axes),
                    });
                    StepInput::Outer(group.inputs.len() as u32 - 1)
                }
            });
        }
        group.steps.push(FusedStep {
            layer,
            axes,
            inputs,
        });
        group.steps.len() as u32 - 1
    }

    /// If the input's layer can be taken into `consumer`: which axis of the consumer each of its
    /// axes is.
    fn find_axes(&self, consumer: LayerId, input: &Input) -> Option<SmallVec<[u32; 4]>> {
        let producer = &self.graph.layers[input.layer.0 as usize];
        let fits = input.layer != consumer
            && self.uses[input.layer.0 as usize] == 1
            && self.members < STEPS_MAX
            && !refers_to_itself(producer, input.layer)
            && (self.may_fuse)(input.layer, self.root);
        let axes = find_permutation(
            &self.graph.layers[consumer.0 as usize].grid,
            producer,
            input,
        )?;
        let ordered = axes.iter().enumerate().all(|(at, &axis)| at as u32 == axis);
        let explicit = |input: &Input| matches!(input.map, InputMap::Explicit { .. });
        let renamed = ordered && self.graph.layers[self.root.0 as usize].grid == producer.grid;
        let fits = fits && (renamed || !producer.inputs.iter().any(explicit));
        fits.then_some(axes)
    }
}

fn refers_to_itself(layer: &Layer, id: LayerId) -> bool {
    layer.inputs.iter().any(|input| input.layer == id)
}

/// The axes of a map that takes every block of the producer to one block of its consumer.
fn find_permutation(grid: &Grid, producer: &Layer, input: &Input) -> Option<SmallVec<[u32; 4]>> {
    let InputMap::Axes(maps) = &input.map else {
        return None;
    };
    if maps.len() != producer.grid.0.len() || producer.block_count() != grid.block_count() {
        return None;
    }
    let mut axes: SmallVec<[u32; 4]> = SmallVec::new();
    for (map, &length) in maps.iter().zip(&producer.grid.0) {
        let AxisMap::Same(axis) = map else {
            return None;
        };
        if axes.contains(axis) || grid.0.get(*axis as usize) != Some(&length) {
            return None;
        }
        axes.push(*axis);
    }
    Some(axes)
}

/// The map as the fused layer has it.
fn rename_axes(map: &InputMap, axes: &[u32]) -> InputMap {
    let InputMap::Axes(maps) = map else {
        return map.clone();
    };
    let renamed = |axis: &u32| axes.get(*axis as usize).copied().unwrap_or(u32::MAX);
    let maps = maps.iter().map(|map| match map {
        AxisMap::Same(axis) => AxisMap::Same(renamed(axis)),
        AxisMap::Fixed(at) => AxisMap::Fixed(*at),
        AxisMap::All => AxisMap::All,
        AxisMap::Shift { axis, offset } => AxisMap::Shift {
            axis: renamed(axis),
            offset: *offset,
        },
        AxisMap::Ranges { axis, ranges } => AxisMap::Ranges {
            axis: renamed(axis),
            ranges: ranges.clone(),
        },
        AxisMap::Lists {
            axis,
            offsets,
            items,
        } => AxisMap::Lists {
            axis: renamed(axis),
            offsets: offsets.clone(),
            items: items.clone(),
        },
    });
    InputMap::Axes(maps.collect())
}

/// The graph of the groups, in the order of the original.
fn rebuild(graph: &Graph, groups: Vec<Option<Group>>) -> Fusion {
    let mut numbers = vec![LayerId(0); graph.layers.len()];
    let mut fusion = Fusion {
        graph: Graph::default(),
        groups: Vec::new(),
    };
    for (index, group) in groups.into_iter().enumerate() {
        let Some(group) = group else { continue };
        let id = LayerId(fusion.graph.layers.len() as u32);
        numbers[index] = id;
        let layer = &graph.layers[index];
        let inputs = group.inputs.into_iter().map(|input| Input {
            layer: numbers[input.layer.0 as usize],
            map: input.map,
        });
        fusion.graph.add(Layer {
            name: layer.name.clone(),
            grid: layer.grid.clone(),
            inputs: inputs.collect(),
        });
        fusion.groups.push(group.steps);
    }
    let wanted = graph.wanted.iter().map(|at| crate::Block {
        layer: numbers[at.layer.0 as usize],
        block: at.block,
    });
    fusion.graph.wanted = wanted.collect();
    fusion
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(graph: &mut Graph, name: &str, grid: [u32; 2], inputs: Vec<Input>) -> LayerId {
        graph.add(Layer {
            name: name.into(),
            grid: Grid::new(grid),
            inputs: inputs.into(),
        })
    }

    fn transposed(layer: LayerId) -> Input {
        let maps = [AxisMap::Same(1), AxisMap::Same(0)];
        Input {
            layer,
            map: InputMap::Axes(maps.into_iter().collect()),
        }
    }

    #[test]
    fn a_chain_becomes_one_layer_and_a_shared_layer_stays() {
        let mut graph = Graph::default();
        let z = add(&mut graph, "z", [2, 3], vec![]);
        let t = add(&mut graph, "transpose", [3, 2], vec![transposed(z)]);
        let inc = add(&mut graph, "inc", [3, 2], vec![Input::same(t, 2)]);
        let back = add(&mut graph, "back", [2, 3], vec![transposed(inc)]);
        let sum = add(
            &mut graph,
            "add",
            [2, 3],
            vec![Input::same(z, 2), Input::same(back, 2)],
        );
        graph.want_all(sum);
        let fusion = fuse(&graph, |_, _| true).expect("something to fuse");
        let names: Vec<&str> = fusion.graph.layers.iter().map(|l| &*l.name).collect();
        assert_eq!(names, ["z", "add"]);
        let steps = &fusion.groups[1];
        let layers: Vec<LayerId> = steps.iter().map(|step| step.layer).collect();
        assert_eq!(layers, [t, inc, back, sum]);
        assert_eq!(steps[0].axes.as_slice(), [1, 0]);
        assert_eq!(steps[0].inputs.as_slice(), [StepInput::Outer(1)]);
        assert_eq!(
            steps[3].inputs.as_slice(),
            [StepInput::Outer(0), StepInput::Step(2)]
        );
        // Transposed twice: both inputs are the block of the same number.
        assert_eq!(fusion.graph.layers[1].inputs[1].map, Input::same(z, 2).map);
        assert_eq!(fusion.graph.wanted.len(), 6);
    }

    #[test]
    fn broadcasts_wanted_layers_and_refused_ones_stay() {
        let mut graph = Graph::default();
        let row = add(&mut graph, "row", [1, 3], vec![]);
        let maps = [AxisMap::Fixed(0), AxisMap::Same(1)];
        let spread = Input {
            layer: row,
            map: InputMap::Axes(maps.into_iter().collect()),
        };
        let wide = add(&mut graph, "wide", [2, 3], vec![spread]);
        let next = add(&mut graph, "next", [2, 3], vec![Input::same(wide, 2)]);
        graph.want_all(next);
        assert!(fuse(&graph, |_, _| false).is_none());
        assert_eq!(fuse(&graph, |_, _| true).unwrap().graph.layers.len(), 2);
        graph.want_all(wide);
        assert!(fuse(&graph, |_, _| true).is_none());
    }

    #[test]
    fn long_chains_are_cut() {
        let mut graph = Graph::default();
        let mut last = add(&mut graph, "0", [1, 1], vec![]);
        for index in 1..100 {
            let name = index.to_string();
            last = add(&mut graph, &name, [1, 1], vec![Input::same(last, 2)]);
        }
        graph.want_all(last);
        let fusion = fuse(&graph, |_, _| true).unwrap();
        let lengths: Vec<usize> = fusion.groups.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4, 32, 32, 32]);
    }
}
