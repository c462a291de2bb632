//! Expands and orders `(z + z.T).sum()` on 1000 × 1000 chunks and prints time and memory a task.

use std::time::Instant;

use rask_graph::{AxisMap, Graph, Grid, Input, InputMap, Layer, LayerId, TaskTable, order};

fn main() {
    let side: u32 = std::env::args()
        .nth(1)
        .map_or(1000, |a| a.parse().expect("a number"));
    let graph = sum_of_z_and_its_transpose(side, 4);
    let started = Instant::now();
    let table = TaskTable::expand(&graph).expect("a valid graph");
    let expanded = started.elapsed();
    let sequence = order(&table);
    let ordered = started.elapsed() - expanded;
    let bytes = table.heap_bytes() + sequence.capacity() * 4;
    println!(
        "{} tasks, {} edges: expanded in {expanded:.2?}, ordered in {ordered:.2?}, \
         {:.0} ns and {:.1} bytes a task",
        table.len(),
        table.edge_count(),
        (expanded + ordered).as_nanos() as f64 / table.len() as f64,
        bytes as f64 / table.len() as f64,
    );
}

fn sum_of_z_and_its_transpose(side: u32, split_every: u32) -> Graph {
    let mut graph = Graph::default();
    let mut add = |name: &str, grid: [u32; 2], inputs: Vec<Input>| {
        graph.add(Layer {
            name: name.into(),
            grid: Grid::new(grid),
            inputs: inputs.into(),
        })
    };
    let z = add("z", [side; 2], vec![]);
    let swapped = InputMap::Axes([AxisMap::Same(1), AxisMap::Same(0)].into_iter().collect());
    let transposed = add(
        "transpose",
        [side; 2],
        vec![Input {
            layer: z,
            map: swapped,
        }],
    );
    let sum = add(
        "add",
        [side; 2],
        vec![Input::same(z, 2), Input::same(transposed, 2)],
    );
    let mut last: LayerId = add("partial", [side; 2], vec![Input::same(sum, 2)]);
    let mut length = side;
    while length > 1 {
        let shorter = length.div_ceil(split_every);
        let along = |axis| AxisMap::Ranges {
            axis,
            ranges: (0..shorter)
                .map(|c| (c * split_every, ((c + 1) * split_every).min(length)))
                .collect(),
        };
        let map = InputMap::Axes([along(0), along(1)].into_iter().collect());
        last = add("aggregate", [shorter; 2], vec![Input { layer: last, map }]);
        length = shorter;
    }
    graph.want_all(last);
    graph
}
