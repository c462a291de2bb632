//! Expansion and order against plain definitions of both.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rask_graph::{
    AxisMap, Block, Graph, GraphError, Grid, Input, InputMap, Layer, LayerId, TaskTable, order,
};

/// The blocks that `block` needs, straight from the definition of the maps.
fn inputs_of(graph: &Graph, at: Block) -> Vec<Block> {
    let layer = &graph.layers[at.layer.0 as usize];
    let coords = layer.grid.coords_of(at.block);
    let mut found = Vec::new();
    for input in &layer.inputs {
        let grid = &graph.layers[input.layer.0 as usize].grid;
        let blocks = match &input.map {
            InputMap::Explicit { offsets, blocks } => {
                let (from, to) = (offsets[at.block as usize], offsets[at.block as usize + 1]);
                blocks[from as usize..to as usize].to_vec()
            }
            InputMap::Axes(maps) => {
                let mut rows: Vec<Vec<u32>> = vec![vec![]];
                for (map, &length) in maps.iter().zip(&grid.0) {
                    let named = coords_named(map, length, &coords);
                    rows = rows
                        .iter()
                        .flat_map(|row| named.iter().map(move |&c| [row.as_slice(), &[c]].concat()))
                        .collect();
                }
                rows.iter().map(|row| grid.block_at(row)).collect()
            }
        };
        let layer = input.layer;
        found.extend(blocks.into_iter().map(|block| Block { layer, block }));
    }
    found
}

fn coords_named(map: &AxisMap, length: u32, coords: &[u32]) -> Vec<u32> {
    match map {
        AxisMap::Same(axis) => vec![coords[*axis as usize]],
        AxisMap::Fixed(at) => vec![*at],
        AxisMap::All => (0..length).collect(),
        AxisMap::Shift { axis, offset } => {
            let at = i64::from(coords[*axis as usize]) - i64::from(*offset);
            let inside = (0..i64::from(length)).contains(&at);
            inside.then_some(at as u32).into_iter().collect()
        }
        AxisMap::Ranges { axis, ranges } => {
            let (from, to) = ranges[coords[*axis as usize] as usize];
            (from..to).collect()
        }
        AxisMap::Lists {
            axis,
            offsets,
            items,
        } => {
            let at = coords[*axis as usize] as usize;
            items[offsets[at] as usize..offsets[at + 1] as usize].to_vec()
        }
    }
}

fn needed(graph: &Graph) -> BTreeSet<Block> {
    let mut found = BTreeSet::new();
    let mut open = graph.wanted.clone();
    while let Some(at) = open.pop() {
        if found.insert(at) {
            open.extend(inputs_of(graph, at));
        }
    }
    found
}

/// Numbers from which a map is made that fits the grids.
#[derive(Clone, Debug)]
struct Seed {
    kind: u8,
    axis: u32,
    numbers: Vec<u32>,
}

fn seed() -> impl Strategy<Value = Seed> {
    let numbers = proptest::collection::vec(0u32..50, 12);
    (0u8..6, 0u32..4, numbers).prop_map(|(kind, axis, numbers)| Seed {
        kind,
        axis,
        numbers,
    })
}

fn map_of(seed: &Seed, grid: &Grid, length: u32) -> AxisMap {
    let pick = |index: usize| seed.numbers[index % seed.numbers.len()];
    if grid.0.is_empty() || length == 0 {
        return AxisMap::All;
    }
    let axis = seed.axis % grid.0.len() as u32;
    let count = grid.0[axis as usize];
    match seed.kind {
        0 if count <= length => AxisMap::Same(axis),
        1 => AxisMap::Fixed(pick(0) % length),
        2 => AxisMap::All,
        3 => AxisMap::Shift {
            axis,
            offset: pick(0) % 5,
        },
        4 => AxisMap::Ranges {
            axis,
            ranges: (0..count as usize)
                .map(|c| {
                    let from = pick(2 * c) % length;
                    (from, (from + pick(2 * c + 1) % 3).min(length))
                })
                .collect(),
        },
        _ => {
            let mut offsets = vec![0];
            let mut items = Vec::new();
            for c in 0..count as usize {
                items.extend((0..pick(c) as usize % 3).map(|i| pick(c + i) % length));
                offsets.push(items.len() as u32);
            }
            AxisMap::Lists {
                axis,
                offsets: offsets.into(),
                items: items.into(),
            }
        }
    }
}

type RandomLayer = (Vec<u32>, Vec<(usize, Vec<Seed>)>);

fn random_layer() -> impl Strategy<Value = RandomLayer> {
    let grid = proptest::collection::vec(1u32..6, 0..4);
    let inputs = (0usize..100, proptest::collection::vec(seed(), 4));
    (grid, proptest::collection::vec(inputs, 0..12))
}

fn build(layers: &[RandomLayer], wanted: &[(usize, u32)]) -> Graph {
    let mut graph = Graph::default();
    for (index, (grid, inputs)) in layers.iter().enumerate() {
        let grid = Grid::new(grid.iter().copied());
        let inputs = inputs.iter().filter(|_| index > 0).map(|(input, seeds)| {
            let input = input % index;
            let lengths = &graph.layers[input].grid.0;
            let maps = lengths.iter().zip(seeds);
            let maps = maps.map(|(&length, seed)| map_of(seed, &grid, length));
            Input {
                layer: LayerId(input as u32),
                map: InputMap::Axes(maps.collect()),
            }
        });
        let inputs = inputs.collect();
        graph.add(Layer {
            name: format!("layer-{index}").into(),
            grid,
            inputs,
        });
    }
    for &(layer, block) in wanted {
        let layer = layer % layers.len();
        let count = graph.layers[layer].block_count() as u32;
        graph.wanted.push(Block {
            layer: LayerId(layer as u32),
            block: block % count,
        });
    }
    graph
}

fn check_order(table: &TaskTable) {
    let sequence = order(table);
    let mut done = vec![false; table.len()];
    for &task in &sequence {
        assert!(table.deps(task).iter().all(|&dep| done[dep as usize]));
        assert!(!std::mem::replace(&mut done[task as usize], true));
    }
    assert!(done.iter().all(|&done| done));
}

/// The most values alive at a time when tasks run in the table's order.
fn most_alive(table: &TaskTable) -> usize {
    let mut users: Vec<usize> = (0..table.len() as u32)
        .map(|t| table.dependents(t).len())
        .collect();
    table
        .wanted()
        .iter()
        .for_each(|&task| users[task as usize] += 1);
    let (mut alive, mut most) = (0usize, 0);
    for task in order(table) {
        alive += 1;
        most = most.max(alive);
        for &dep in table.deps(task) {
            users[dep as usize] -= 1;
            alive -= usize::from(users[dep as usize] == 0);
        }
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_table_has_what_is_needed_and_nothing_else(
        layers in proptest::collection::vec(random_layer(), 1..7),
        wanted in proptest::collection::vec((0usize..100, 0u32..1000), 0..5),
    ) {
        let graph = build(&layers, &wanted);
        let table = TaskTable::expand(&graph).unwrap();
        let found: Vec<Block> = (0..table.len() as u32).map(|t| table.block_of(t)).collect();
        let expected: Vec<Block> = needed(&graph).into_iter().collect();
        prop_assert_eq!(&found, &expected);
        let mut edges = 0;
        for (task, &at) in found.iter().enumerate() {
            prop_assert_eq!(table.find_task(at), Some(task as u32));
            let deps: Vec<Block> =
                table.deps(task as u32).iter().map(|&dep| table.block_of(dep)).collect();
            edges += deps.len();
            prop_assert_eq!(deps, inputs_of(&graph, at));
            for &user in table.dependents(task as u32) {
                prop_assert!(table.deps(user).contains(&(task as u32)));
            }
        }
        let users: usize = (0..table.len() as u32).map(|t| table.dependents(t).len()).sum();
        prop_assert_eq!(users, edges);
        let wanted: Vec<Block> = table.wanted().iter().map(|&t| table.block_of(t)).collect();
        prop_assert_eq!(wanted, graph.wanted.clone());
        check_order(&table);
    }
}

fn add(graph: &mut Graph, name: &str, grid: &[u32], inputs: Vec<Input>) -> LayerId {
    graph.add(Layer {
        name: name.into(),
        grid: Grid::new(grid.iter().copied()),
        inputs: inputs.into(),
    })
}

fn axes(layer: LayerId, maps: impl IntoIterator<Item = AxisMap>) -> Input {
    Input {
        layer,
        map: InputMap::Axes(maps.into_iter().collect()),
    }
}

#[test]
fn tables_read_as_drawn() {
    let mut graph = Graph::default();
    let z = add(&mut graph, "z", &[2, 2], vec![]);
    let swapped = axes(z, [AxisMap::Same(1), AxisMap::Same(0)]);
    let sum = add(&mut graph, "add", &[2, 2], vec![Input::same(z, 2), swapped]);
    let total = add(
        &mut graph,
        "sum",
        &[],
        vec![axes(sum, [AxisMap::Fixed(1), AxisMap::All])],
    );
    graph.want_all(total);
    let table = TaskTable::expand(&graph).unwrap();
    let drawn = "\
z(0,1)
z(1,0)
z(1,1)
add(1,0) <- z(1,0) z(0,1)
add(1,1) <- z(1,1) z(1,1)
sum() <- add(1,0) add(1,1)
";
    assert_eq!(table.describe(&graph), drawn);
}

#[test]
fn a_concatenation_of_many_is_linear() {
    let count = 100_000;
    let mut graph = Graph::default();
    let parts: Vec<LayerId> = (0..count)
        .map(|i| add(&mut graph, &format!("part-{i}"), &[1], vec![]))
        .collect();
    let inputs = parts.iter().enumerate().map(|(offset, &part)| {
        let offset = offset as u32;
        axes(part, [AxisMap::Shift { axis: 0, offset }])
    });
    let inputs = inputs.collect();
    let all = add(&mut graph, "concatenate", &[count], inputs);
    graph.want_all(all);
    let table = TaskTable::expand(&graph).unwrap();
    assert_eq!(table.edge_count(), count as usize);
    let last = table.tasks_of(all).end - 1;
    let part = table.block_of(table.deps(last)[0]);
    assert_eq!(part.layer, parts[count as usize - 1]);
}

#[test]
fn few_blocks_of_a_huge_layer_cost_little() {
    let mut graph = Graph::default();
    let z = add(&mut graph, "z", &[60_000, 60_000], vec![]);
    let next = add(
        &mut graph,
        "next",
        &[60_000, 60_000],
        vec![Input::same(z, 2)],
    );
    graph.wanted.push(Block {
        layer: next,
        block: 3_599_999_999,
    });
    let table = TaskTable::expand(&graph).unwrap();
    assert_eq!(table.len(), 2);
    assert!(table.heap_bytes() < 10_000);
}

#[test]
fn a_matrix_plus_its_transpose_holds_few_blocks_at_a_time() {
    let side = 64;
    let mut graph = Graph::default();
    let z = add(&mut graph, "z", &[side, side], vec![]);
    let swapped = axes(z, [AxisMap::Same(1), AxisMap::Same(0)]);
    let sum = add(
        &mut graph,
        "add",
        &[side, side],
        vec![Input::same(z, 2), swapped],
    );
    let mut last = sum;
    let mut length = side;
    while length > 1 {
        length /= 4;
        let along = |axis| AxisMap::Ranges {
            axis,
            ranges: (0..length).map(|c| (4 * c, 4 * c + 4)).collect(),
        };
        last = add(
            &mut graph,
            "sum",
            &[length; 2],
            vec![axes(last, [along(0), along(1)])],
        );
    }
    graph.want_all(last);
    let table = TaskTable::expand(&graph).unwrap();
    check_order(&table);
    let most = most_alive(&table);
    // Sums of mirrored blocks wait for their partners: a share of the reduced grids, not of z.
    assert!(most < 64 * 64 / 4, "{most} of {} blocks at a time", 64 * 64);
}

#[test]
fn a_chain_of_reductions_holds_a_path() {
    let mut graph = Graph::default();
    let source = add(&mut graph, "source", &[4096], vec![]);
    let mut last = add(&mut graph, "square", &[4096], vec![Input::same(source, 1)]);
    let mut length = 4096u32;
    while length > 1 {
        length /= 8;
        let ranges = (0..length).map(|c| (8 * c, 8 * c + 8)).collect();
        last = add(
            &mut graph,
            "sum",
            &[length],
            vec![axes(last, [AxisMap::Ranges { axis: 0, ranges }])],
        );
    }
    graph.want_all(last);
    let table = TaskTable::expand(&graph).unwrap();
    let most = most_alive(&table);
    assert!(most <= 8 * 4 + 2, "{most} values at a time");
}

#[test]
fn a_layer_may_refer_to_itself() {
    let count = 100_000u32;
    for wanted in [vec![count - 1], vec![70], (0..count).collect()] {
        let mut graph = Graph::default();
        let map = InputMap::Explicit {
            offsets: (0..=count).map(|block| block.saturating_sub(1)).collect(),
            blocks: (0..count - 1).collect(),
        };
        let layer = LayerId(0);
        let chain = add(&mut graph, "chain", &[count], vec![Input { layer, map }]);
        let last = *wanted.iter().max().unwrap();
        let blocks = wanted.into_iter().map(|block| Block {
            layer: chain,
            block,
        });
        graph.wanted = blocks.collect();
        let table = TaskTable::expand(&graph).unwrap();
        assert_eq!(table.len() as u32, last + 1);
        assert_eq!(table.deps(last), [last - 1]);
        check_order(&table);
        assert_eq!(most_alive(&table).min(3), table.wanted().len().clamp(2, 3));
    }
}

#[test]
fn mistakes_are_named() {
    let mut graph = Graph::default();
    let x = add(&mut graph, "x", &[3], vec![]);
    let bad = add(&mut graph, "bad", &[4], vec![Input::same(x, 1)]);
    graph.want_all(bad);
    let error = TaskTable::expand(&graph).unwrap_err().to_string();
    assert_eq!(
        error,
        "layer \"bad\" needs block 3 of \"x\", which has 3 blocks"
    );

    let mut graph = Graph::default();
    let lists = InputMap::Explicit {
        offsets: [0, 1, 2, 2].into(),
        blocks: [1, 0].into(),
    };
    let layer = LayerId(0);
    let loops = add(&mut graph, "loop", &[3], vec![Input { layer, map: lists }]);
    graph.want_all(loops);
    let error = TaskTable::expand(&graph).unwrap_err();
    assert!(matches!(error, GraphError::Cycle(_)), "{error}");

    let mut graph = Graph::default();
    let x = add(&mut graph, "x", &[3], vec![]);
    graph.wanted.push(Block { layer: x, block: 3 });
    let error = TaskTable::expand(&graph).unwrap_err();
    assert!(matches!(error, GraphError::UnknownBlock { .. }), "{error}");
}

/// A chain within one explicit layer, longer than any set of blocks is kept as a list.
#[test]
fn long_chain_within_a_layer() {
    let count = 200_u32;
    let mut graph = Graph::default();
    let own = LayerId(0);
    let offsets: Vec<u32> = (0..=count).map(|task| task.saturating_sub(1)).collect();
    let blocks: Vec<u32> = (0..count - 1).collect();
    let map = InputMap::Explicit {
        offsets: offsets.into(),
        blocks: blocks.into(),
    };
    graph.add(Layer {
        name: "chain".into(),
        grid: Grid::new([count]),
        inputs: [Input { layer: own, map }].into_iter().collect(),
    });
    graph.wanted.push(Block {
        layer: own,
        block: count - 1,
    });
    let table = TaskTable::expand(&graph).expect("expands");
    assert_eq!((table.len(), table.edge_count()), (200, 199));
}
