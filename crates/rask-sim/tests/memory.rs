//! Graphs that are known to take more memory than they need: how much is held at most, beside what
//! the order of the graph needs.

use rask_sim::{StudyCluster, blow_up_shapes, study};

/// Of what the order needs.
const RATIO_MAX: f64 = 1.3;

/// Of `seeds`, on so many workers of two threads each.
fn check(workers: u32, seeds: u64) {
    let cluster = StudyCluster {
        workers,
        ..StudyCluster::FOUR_OF_TWO
    };
    for shape in blow_up_shapes() {
        for seed in 0..seeds {
            let studied = study(&shape.layers, &cluster, seed);
            println!("{:>30} {workers:>3} {studied}", shape.name);
            let (name, peak) = (shape.name, &studied.peak);
            let is_near = studied.ratio() < RATIO_MAX;
            assert!(
                is_near,
                "{name}, {workers} workers, seed {seed}: {studied}: {peak:?}"
            );
        }
    }
}

#[test]
fn memory_stays_near_what_the_order_needs() {
    check(4, 6);
}

#[test]
fn few_workers_hold_little_more_than_the_order_needs() {
    check(2, 6);
}

#[test]
fn many_workers_hold_little_more_than_the_order_needs() {
    check(16, 2);
    check(64, 1);
}
