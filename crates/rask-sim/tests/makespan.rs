//! How long graphs of the usual shapes take, of what they take at least on as many threads.

use rask_sim::usual_shapes::{map, random, shuffle, stencil, tree};
use rask_sim::{Cost, Hosts, StudyCluster, StudyLayer, study, study_between};

const CLUSTER: StudyCluster = StudyCluster {
    workers: 8,
    threads: 2,
    budget_bytes: None,
    latency_micros: 200,
    bytes_per_second: 1_000_000_000,
    spread_percent: 0,
    declares_sizes: false,
};

const COST: Cost = Cost {
    bytes: 1_000_000,
    micros: 10_000,
};

fn check(shapes: &[(&str, Vec<StudyLayer>, f64)], cluster: &StudyCluster) {
    for (shape, layers, most) in shapes {
        let ratio = study(layers, cluster, 0).bound_ratio();
        assert!(ratio < *most, "{shape} took {ratio:.2} of what it must");
    }
}

#[test]
fn graphs_take_little_more_than_they_must() {
    let shapes = [
        ("map", map(COST, 400), 1.15),
        ("tree", tree(COST, 512), 1.35),
        ("stencil", stencil(COST, 64, 20), 1.35),
        ("shuffle", shuffle(COST, 32), 1.5),
        ("random", random(COST, 100, 10, 7), 1.3),
    ];
    check(&shapes, &CLUSTER);
}

#[test]
fn so_they_do_on_many_workers() {
    let cluster = StudyCluster {
        workers: 64,
        ..CLUSTER
    };
    let shapes = [
        ("map", map(COST, 2000), 1.2),
        ("tree", tree(COST, 2048), 1.6),
        ("stencil", stencil(COST, 512, 10), 1.4),
        ("random", random(COST, 512, 10, 7), 1.35),
    ];
    check(&shapes, &cluster);
}

/// What moves slowly is left where it is, once that is known.
#[test]
fn between_hosts_that_are_far_apart() {
    let cluster = StudyCluster {
        workers: 6,
        ..CLUSTER
    };
    let layers = random(COST, 60, 20, 7);
    let (mut measured, mut unmeasured) = (0, 0);
    for seed in 0..2 {
        for are_unmeasured in [false, true] {
            let hosts = Hosts {
                count: 3,
                slow_nanos_per_byte: 50,
                value_scale: 1,
                are_unmeasured,
            };
            let took = study_between(hosts, &layers, &cluster, seed)
                .report
                .done_micros;
            *if are_unmeasured {
                &mut unmeasured
            } else {
                &mut measured
            } += took;
        }
    }
    assert!(
        measured < unmeasured / 100 * 80,
        "{measured} µs where transfers are measured, {unmeasured} µs without"
    );
}
