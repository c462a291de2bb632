//! Random graphs against a plain evaluator: any threads, budgets that force spilling, scopes.

mod common;

use common::{explicit, layer, mix, number_of, register, sized_op};
use proptest::prelude::*;
use rask_graph::{Block, LayerId};
use rask_local::{Options, run};
use rask_value::{Plan, Scope};

/// A scope that only one thread is in at a time, as with an interpreter's lock.
struct Door {
    lock: parking_lot::ReentrantMutex<()>,
}

impl Scope for Door {
    fn enter(&self, body: &mut dyn FnMut()) {
        let _guard = self.lock.lock();
        body();
    }
}

static DOOR: Door = Door {
    lock: parking_lot::ReentrantMutex::new(()),
};

#[derive(Clone, Debug)]
struct RandomLayer {
    /// For each input layer (as a number modulo those before), for each block its input blocks.
    inputs: Vec<(usize, Vec<Vec<u32>>)>,
    blocks: u32,
    nbytes: u64,
    scoped: bool,
}

fn random_layer() -> impl Strategy<Value = RandomLayer> {
    (1u32..12, 0u64..5000, any::<bool>()).prop_flat_map(|(blocks, nbytes, scoped)| {
        let list = proptest::collection::vec(0u32..1000, 0..4);
        let lists = proptest::collection::vec(list, blocks as usize);
        proptest::collection::vec((0usize..100, lists), 0..3).prop_map(move |inputs| RandomLayer {
            inputs,
            blocks,
            nbytes,
            scoped,
        })
    })
}

fn build(layers: &[RandomLayer], wanted: &[(usize, u32)]) -> Plan {
    let mut plan = Plan::default();
    for (index, random) in layers.iter().enumerate() {
        let inputs = random.inputs.iter().filter(|_| index > 0);
        let inputs = inputs.map(|(input, lists)| {
            let input = input % index;
            let count = layers[input].blocks;
            let lists: Vec<Vec<u32>> = lists
                .iter()
                .map(|list| list.iter().map(|block| block % count).collect())
                .collect();
            explicit(LayerId(input as u32), &lists)
        });
        let scope: Option<&'static dyn Scope> = if random.scoped { Some(&DOOR) } else { None };
        let name = "x".repeat(index + 1);
        let layer = layer(&name, random.blocks, inputs.collect());
        plan.add(layer, sized_op(random.nbytes, scope, mix), None);
    }
    for &(layer, block) in wanted {
        let layer = layer % layers.len();
        plan.graph.wanted.push(Block {
            layer: LayerId(layer as u32),
            block: block % layers[layer].blocks,
        });
    }
    plan
}

/// The value of a block by recursion, remembering what was made.
fn evaluate(plan: &Plan, at: Block, known: &mut std::collections::HashMap<Block, u64>) -> u64 {
    if let Some(&value) = known.get(&at) {
        return value;
    }
    let layer = &plan.graph.layers[at.layer.0 as usize];
    let mut inputs = Vec::new();
    for input in &layer.inputs {
        let rask_graph::InputMap::Explicit { offsets, blocks } = &input.map else {
            unreachable!("the graphs here are explicit");
        };
        let (from, to) = (offsets[at.block as usize], offsets[at.block as usize + 1]);
        for &block in &blocks[from as usize..to as usize] {
            let layer = input.layer;
            inputs.push(evaluate(plan, Block { layer, block }, known));
        }
    }
    let context = rask_value::TaskContext {
        layer: &layer.name,
        grid: &layer.grid,
        block: at.block,
    };
    let value = mix(context, &inputs).expect("mixing does not fail");
    known.insert(at, value);
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn values_equal_those_of_plain_evaluation(
        layers in proptest::collection::vec(random_layer(), 1..8),
        wanted in proptest::collection::vec((0usize..100, 0u32..1000), 0..6),
        threads in 0usize..5,
        memory in prop_oneof![Just(None), (0u64..20_000).prop_map(Some)],
    ) {
        register();
        let plan = build(&layers, &wanted);
        let options = Options { threads, memory_bytes_max: memory, ..Options::default() };
        let values = run(&plan, &options, &()).unwrap();
        let mut known = std::collections::HashMap::new();
        let expected: Vec<u64> =
            plan.wanted().iter().map(|&at| evaluate(&plan, at, &mut known)).collect();
        let found: Vec<u64> = values.iter().map(number_of).collect();
        prop_assert_eq!(found, expected);
    }
}
