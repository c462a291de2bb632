//! Graphs that are known to take more memory than they need: how much is held at most, beside what
//! the order of the graph needs.

use rask_sim::{StudyCluster, blow_up_shapes, study};

/// Of what the order needs.
const RATIO_MAX: f64 = 1.3;

#[test]
fn memory_stays_near_what_the_order_needs() {
    for shape in blow_up_shapes() {
        for seed in 0..3 {
            let studied = study(&shape.layers, &StudyCluster::FOUR_OF_TWO, seed);
            println!("{:>30} {studied}", shape.name);
            let (name, peak) = (shape.name, &studied.peak);
            assert!(studied.ratio() < RATIO_MAX, "{name}, seed {seed}: {peak:?}");
        }
    }
}
