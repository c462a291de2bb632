//! Tasks for which no worker's memory is large enough.

use rask_proto::{Failure, LayerSpec, Packed};

use crate::double::{Double, needing, sized, source, sparse, submission};

const LIMIT: u64 = 1_000_000;
const ALL: [&[(u32, u32)]; 1] = [&[(0, 0), (0, 1), (0, 2), (0, 3)]];

/// Workers of one thread each, on hosts of their own.
fn limited(workers: u32) -> Double {
    let mut double = Double::new(0);
    for number in 1..=workers {
        double.join_limited(number, 1, LIMIT);
    }
    double.forget_peers();
    double
}

fn assert_told(failures: &[Failure], parts: &[&str]) {
    let [failure] = failures else {
        panic!("{failures:?}");
    };
    for part in parts {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
}

/// Runs what is handed out, each task a value of so many bytes, until nothing is.
fn run_all(double: &mut Double, workers: u32, nbytes: u64) -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        for number in 1..=workers {
            let tasks = double.take_assigned(number);
            if !tasks.is_empty() {
                double.finish_with(number, &tasks, nbytes);
            }
            all.extend(tasks);
        }
        if all.len() == before {
            return all;
        }
    }
}

#[test]
fn inputs_that_are_declared_to_be_too_many_are_refused_at_once() {
    let mut double = limited(2);
    let blocks = sized(source("block", 4), 300_000);
    double.submit(submission(vec![blocks, needing("all", &ALL)]));
    assert_told(
        &double.take_failures(),
        &[
            "MemoryError: block 0 of \"all\" needs 4 values at once",
            "1.1 MiB (1200000 bytes)",
            "976.6 KiB (1000000 bytes)",
        ],
    );
    assert_eq!(double.take_assigned(1), []);
    assert_eq!(double.take_assigned(2), []);
}

#[test]
fn inputs_that_turn_out_to_be_too_many_are_refused_before_they_move() {
    let mut double = limited(2);
    let layers = vec![source("block", 4), needing("all", &ALL)];
    double.submit(submission(layers));
    let run = run_all(&mut double, 2, 300_000);
    assert_eq!(run.len(), 4, "{run:?}");
    assert_told(&double.take_failures(), &["needs 4 values at once"]);
    let freed = double.take_freed(1).len() + double.take_freed(2).len();
    assert_eq!(freed, 4);
}

#[test]
fn parts_of_them_are_not_too_many() {
    let mut double = limited(2);
    let all = LayerSpec {
        part_modulo: 4,
        part_count: 4,
        ..needing("all", &ALL)
    };
    double.submit(submission(vec![source("block", 4), all]));
    let run = run_all(&mut double, 2, 300_000);
    assert_eq!(run.len(), 5, "{run:?}");
    double.take_client();
    double.take_freed(1);
    double.take_freed(2);
}

/// Native blocks of Python's arrays: nothing is certain before these are there.
#[test]
fn what_is_made_from_values_as_large_as_declared_is_refused() {
    let mut double = limited(1);
    let needs: [&[(u32, u32)]; 1] = [&[(0, 0)]];
    let load = sparse(sized(source("load", 1), 400_000));
    let outer = sized(needing("outer", &needs), 4 * LIMIT);
    double.submit(submission(vec![load, outer]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish_with(1, &[(0, 0)], 400_000);
    assert_told(
        &double.take_failures(),
        &["block 0 of \"outer\" would take 3.8 MiB (4000000 bytes)"],
    );
    double.take_freed(1);
}

#[test]
fn a_value_that_a_client_sends_whole_is_refused_if_it_is_too_large() {
    let mut double = limited(1);
    let page = Packed::new("array", Default::default(), vec![vec![0; 2_000_000].into()]);
    let held = LayerSpec {
        page_blocks: 1,
        pages: vec![page],
        ..source("held", 1)
    };
    double.submit(submission(vec![held]));
    assert_told(&double.take_failures(), &["1.9 MiB (2000000 bytes)"]);
}

/// It may have been less than declared, but was not.
#[test]
fn a_worker_that_dies_of_what_was_declared_is_the_only_one() {
    let mut double = limited(1);
    double.submit(submission(vec![sparse(sized(
        source("make", 1),
        5 * LIMIT,
    ))]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.lose(1);
    assert_told(
        &double.take_failures(),
        &[
            "MemoryError: block 0 of \"make\" would take 4.8 MiB (5000000 bytes)",
            "It was running on worker \"w1\" when that died: signal 9",
        ],
    );
}

#[test]
fn what_is_too_much_for_the_worker_where_most_of_it_is_goes_elsewhere_at_once() {
    let mut double = Double::new(0);
    double.join_limited(1, 1, LIMIT);
    double.join_limited(2, 1, 10 * LIMIT);
    double.forget_peers();
    let both: [&[(u32, u32)]; 1] = [&[(0, 0), (0, 1)]];
    double.submit(submission(vec![source("block", 2), needing("both", &both)]));
    let (here, there) = (double.take_assigned(1), double.take_assigned(2));
    assert_eq!((here.len(), there.len()), (1, 1));
    double.finish_with(2, &there, 600_000);
    // The last thing that happens is about the worker that is too small.
    double.finish_with(1, &here, 700_000);
    assert_eq!(double.take_assigned(1), []);
    assert_eq!(double.take_assigned(2).len(), 1);
}
