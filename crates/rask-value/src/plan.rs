//! A graph with what its layers run.

use std::collections::HashMap;
use std::sync::Arc;

use rask_graph::{Block, Graph, Grid, Input, Layer, LayerId};

use crate::{OpRef, Origin, ValueRef};

/// Where the blocks of a layer come from.
#[derive(Clone, Debug)]
pub enum LayerOp {
    /// Each block is made by running the op.
    Run(OpRef),
    /// The values are already here, one a block, in order (persisted results, small literals).
    Held(Arc<[ValueRef]>),
    /// A cluster holds, or will hold, a layer of this name: futures and persisted collections.
    Remote,
}

/// What an engine is given: a graph, and for each of its layers the op and the user's line.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub graph: Graph,
    /// One a layer, in the order of `graph.layers`.
    pub ops: Vec<LayerOp>,
    /// One a layer, in the order of `graph.layers`.
    pub origins: Vec<Option<Origin>>,
}

/// Layers of a plan by their names.
pub type LayerNames = HashMap<Arc<str>, LayerId>;

impl Plan {
    /// Adds a layer with its op.
    pub fn add(&mut self, layer: Layer, op: LayerOp, origin: Option<Origin>) -> LayerId {
        self.ops.push(op);
        self.origins.push(origin);
        self.graph.add(layer)
    }

    /// The wanted blocks.
    pub fn wanted(&self) -> &[Block] {
        &self.graph.wanted
    }

    /// The layers by their names.
    pub fn layer_names(&self) -> LayerNames {
        let layers = self.graph.layers.iter().enumerate();
        layers
            .map(|(number, layer)| (layer.name.clone(), LayerId(number as u32)))
            .collect()
    }

    /// Adds the layers of `from` whose names are not `known`, which become known; returns the wanted
    /// blocks of `from` as they are numbered here, without wanting them. Of layers that both have,
    /// the one that need not be run is kept.
    pub fn graft(&mut self, known: &mut LayerNames, from: &Plan) -> Vec<Block> {
        let mut places: Vec<LayerId> = Vec::with_capacity(from.graph.layers.len());
        for (number, layer) in from.graph.layers.iter().enumerate() {
            if let Some(&id) = known.get(&layer.name)
                && self.take_over(id, layer, &from.ops[number])
            {
                places.push(id);
                continue;
            }
            // Before its inputs: a layer may read itself.
            let id = LayerId(self.graph.layers.len() as u32);
            places.push(id);
            let inputs = layer.inputs.iter().map(|input| Input {
                layer: places[input.layer.0 as usize],
                map: input.map.clone(),
            });
            let layer = Layer {
                name: layer.name.clone(),
                grid: layer.grid.clone(),
                inputs: inputs.collect(),
            };
            let (name, op) = (layer.name.clone(), from.ops[number].clone());
            self.add(layer, op, from.origins[number].clone());
            known.insert(name, id);
        }
        let place = |block: &Block| Block {
            layer: places[block.layer.0 as usize],
            block: block.block,
        };
        from.wanted().iter().map(place).collect()
    }

    /// Lets a layer of this plan stand for one of another that has its name: it is not run if the
    /// other is held, and blocks that both hold are held together. `false` if the other has blocks
    /// that this one has no numbers for.
    fn take_over(&mut self, id: LayerId, other: &Layer, op: &LayerOp) -> bool {
        let position = id.0 as usize;
        let layer = &mut self.graph.layers[position];
        match (&self.ops[position], op) {
            (LayerOp::Run(own), LayerOp::Run(other_op)) => {
                // Plans of futures that were asked for together hold them together already.
                if !Arc::ptr_eq(own, other_op)
                    && let Some(united) = own.unite(&**other_op)
                {
                    if !has_numbers_of(&layer.grid, &other.grid) {
                        return false;
                    }
                    self.ops[position] = LayerOp::Run(united);
                }
            }
            (LayerOp::Run(_), held) => {
                self.ops[position] = held.clone();
                layer.inputs.clear();
            }
            _ => {}
        }
        true
    }
}

/// Whether blocks of the second grid have the same numbers in the first.
fn has_numbers_of(grid: &Grid, other: &Grid) -> bool {
    match (grid.0.as_slice(), other.0.as_slice()) {
        ([count], [other]) => count >= other,
        _ => grid == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CodecError, Encoded, Inputs, Op, TaskContext, TaskError};

    /// Holds some blocks.
    #[derive(Debug)]
    struct Holds(Vec<u32>);

    impl Op for Holds {
        fn name(&self) -> &str {
            "holds"
        }

        fn run(&self, _: TaskContext<'_>, _: Inputs) -> Result<ValueRef, TaskError> {
            Err(TaskError::new("nothing is run"))
        }

        fn encode(&self) -> Result<Encoded, CodecError> {
            Err(CodecError::UnknownKind("holds".into()))
        }

        fn unite(&self, other: &dyn Op) -> Option<OpRef> {
            let other = other.downcast_ref::<Holds>()?;
            Some(Arc::new(Holds([&self.0[..], &other.0].concat())))
        }
    }

    fn plan(blocks: &[u32], count: u32) -> Plan {
        let mut plan = Plan::default();
        let layer = Layer {
            name: "x".into(),
            grid: Grid::new([count]),
            inputs: Default::default(),
        };
        let id = plan.add(layer, LayerOp::Run(Arc::new(Holds(blocks.to_vec()))), None);
        let wanted = blocks.iter().map(|&block| Block { layer: id, block });
        plan.graph.wanted.extend(wanted);
        plan
    }

    fn held(plan: &Plan, layer: usize) -> &[u32] {
        match &plan.ops[layer] {
            LayerOp::Run(op) => &op.downcast_ref::<Holds>().unwrap().0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn blocks_that_two_plans_hold_are_held_together() {
        let mut merged = plan(&[3], 4);
        let mut known = merged.layer_names();
        let wanted = merged.graft(&mut known, &plan(&[1], 2));
        assert_eq!(merged.graph.layers.len(), 1);
        assert_eq!(held(&merged, 0), [3, 1]);
        assert_eq!((wanted[0].layer, wanted[0].block), (LayerId(0), 1));
    }

    #[test]
    fn a_layer_whose_numbers_do_not_fit_stays_apart() {
        let mut merged = plan(&[0], 1);
        let mut known = merged.layer_names();
        let wanted = merged.graft(&mut known, &plan(&[5], 6));
        assert_eq!(wanted[0].layer, LayerId(1));
        let wanted = merged.graft(&mut known, &plan(&[2], 3));
        assert_eq!((wanted[0].layer, wanted[0].block), (LayerId(1), 2));
        assert_eq!(
            (held(&merged, 0), held(&merged, 1)),
            (&[0][..], &[5, 2][..])
        );
    }

    #[test]
    fn what_is_held_is_not_run() {
        let mut merged = plan(&[0], 1);
        let mut known = merged.layer_names();
        let mut other = plan(&[0], 1);
        other.ops[0] = LayerOp::Remote;
        merged.graft(&mut known, &other);
        assert!(matches!(merged.ops[0], LayerOp::Remote));
    }
}
