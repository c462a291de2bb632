//! Fused plans give the values of the plans they were made from.

mod common;

use common::{mix, number_of, op, register};
use proptest::prelude::*;
use rask_graph::{AxisMap, Grid, Input, InputMap, Layer, LayerId};
use rask_local::{Options, run};
use rask_value::{LayerOp, Plan, codec, fuse_plan};

#[derive(Clone, Debug)]
struct Link {
    /// How many layers back, and how its axes are named.
    inputs: Vec<(usize, u8)>,
    swapped: bool,
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    let inputs = proptest::collection::vec((1usize..4, 0u8..6), 0..3);
    let link = (inputs, any::<bool>()).prop_map(|(inputs, swapped)| Link { inputs, swapped });
    proptest::collection::vec(link, 1..12)
}

/// Grids are 2 × 3 or 3 × 2; inputs are mostly block by block, sometimes rows or everything.
fn build(links: &[Link]) -> Plan {
    let mut plan = Plan::default();
    for (index, link) in links.iter().enumerate() {
        let grid = if link.swapped { [3, 2] } else { [2, 3] };
        let inputs = link.inputs.iter().filter(|(back, _)| *back <= index);
        let inputs = inputs.map(|&(back, kind)| {
            let source = index - back;
            let same = links[source].swapped == link.swapped;
            let maps = match kind {
                0 => [AxisMap::All, AxisMap::Fixed(1)],
                1 => [AxisMap::Fixed(0), AxisMap::All],
                _ if same => [AxisMap::Same(0), AxisMap::Same(1)],
                _ => [AxisMap::Same(1), AxisMap::Same(0)],
            };
            Input {
                layer: LayerId(source as u32),
                map: InputMap::Axes(maps.into_iter().collect()),
            }
        });
        let layer = Layer {
            name: "x".repeat(index + 1).into(),
            grid: Grid::new(grid),
            inputs: inputs.collect(),
        };
        plan.add(layer, op(mix), None);
    }
    plan.graph.want_all(LayerId(links.len() as u32 - 1));
    plan
}

fn values_of(plan: &Plan, optimize: bool) -> Vec<u64> {
    let options = Options {
        threads: 2,
        optimize,
        ..Options::default()
    };
    let values = run(plan, &options, &()).unwrap();
    values.iter().map(number_of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn fusing_changes_no_value(links in links()) {
        register();
        let plan = build(&links);
        let expected = values_of(&plan, false);
        prop_assert_eq!(&values_of(&plan, true), &expected);
        if let Some(mut fused) = fuse_plan(&plan) {
            prop_assert!(fused.graph.layers.len() < plan.graph.layers.len());
            for op in &mut fused.ops {
                if let LayerOp::Run(run) = op {
                    *op = LayerOp::Run(codec::decode_op(&run.encode().unwrap()).unwrap());
                }
            }
            prop_assert_eq!(&values_of(&fused, false), &expected);
        }
    }
}
