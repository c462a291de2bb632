//! Admission by memory against the recording double.

use rask_proto::{LayerSpec, ToClient};

use crate::double::{Double, needing, sized, source, sparse, submission};

/// Values may take 600,000 bytes of it.
const LIMIT: u64 = 1_000_000;

/// One worker of two threads.
fn limited() -> Double {
    let mut double = Double::new(0);
    double.join_limited(1, 2, LIMIT);
    double.forget_peers();
    double
}

/// Two sums of two blocks each, of which three fit no worker at a time.
fn two_sums() -> Vec<LayerSpec> {
    let needs: [&[(u32, u32)]; 2] = [&[(0, 0), (0, 1)], &[(0, 2), (0, 3)]];
    vec![
        sized(source("load", 4), 250_000),
        sized(needing("sum", &needs), 10),
    ]
}

#[test]
fn sources_wait_until_what_they_would_add_to_is_freed() {
    let mut double = limited();
    double.submit(submission(two_sums()));
    assert_eq!(double.take_assigned(1), [(0, 0), (0, 1)]);
    // Two blocks of 250,000 are there or being made: no room for a third, though a thread is free.
    double.finish_with(1, &[(0, 0)], 250_000);
    assert_eq!(double.take_assigned(1), []);
    double.finish_with(1, &[(0, 1)], 250_000);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.finish_with(1, &[(1, 0)], 10);
    assert_eq!(double.take_freed(1), [(0, 1), (0, 0)]);
    assert_eq!(double.take_assigned(1), [(0, 2), (0, 3)]);
    double.take_client();
}

#[test]
fn a_worker_without_tasks_is_given_one_whatever_it_holds() {
    let mut double = limited();
    let needs: [&[(u32, u32)]; 1] = [&[(0, 0), (0, 1), (0, 2)]];
    double.submit(submission(vec![
        sized(source("load", 3), 330_000),
        sized(needing("sum", &needs), 10),
    ]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish_with(1, &[(0, 0)], 330_000);
    assert_eq!(double.take_assigned(1), [(0, 1)]);
    double.finish_with(1, &[(0, 1)], 330_000);
    // More is needed later than there is room for: nothing is gained by waiting.
    assert_eq!(double.take_assigned(1), [(0, 2)]);
    double.finish_with(1, &[(0, 2)], 330_000);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
}

#[test]
fn results_that_no_task_needs_hold_nothing_back() {
    let mut double = limited();
    double.submit(submission(vec![sized(source("persisted", 6), 250_000)]));
    for first in [0, 2, 4] {
        let pair = [(0, first), (0, first + 1)];
        assert_eq!(double.take_assigned(1), pair);
        double.finish_with(1, &pair, 250_000);
    }
    double.take_client();
}

#[test]
fn bytes_that_were_not_declared_are_learned() {
    let mut double = limited();
    let needs: [&[(u32, u32)]; 1] = [&[(0, 0), (0, 1), (0, 2), (0, 3)]];
    let layers = vec![source("load", 4), needing("sum", &needs)];
    double.submit(submission(layers));
    // Nothing is known of the first ones.
    assert_eq!(double.take_assigned(1), [(0, 0), (0, 1)]);
    double.finish_with(1, &[(0, 0)], 250_000);
    assert_eq!(double.take_assigned(1), [(0, 2)]);
    double.finish_with(1, &[(0, 1)], 250_000);
    assert_eq!(double.take_assigned(1), []);
    double.finish_with(1, &[(0, 2)], 250_000);
    assert_eq!(double.take_assigned(1), [(0, 3)]);
}

#[test]
fn what_fits_no_worker_fails_before_anything_is_done_for_it() {
    let mut double = limited();
    let needs: [&[(u32, u32)]; 1] = [&[(0, 0)]];
    let origin = rask_proto::OriginSpec {
        file: "analysis.py".to_owned(),
        line: 7,
        function: "main".to_owned(),
    };
    let large = LayerSpec {
        origin: Some(origin.clone()),
        ..sized(needing("large", &needs), 5 << 20)
    };
    double.submit(submission(vec![sized(source("small", 1), 100), large]));
    let failures = double.take_failures();
    assert_eq!(failures.len(), 1);
    let failure = &failures[0];
    assert_eq!(failure.origin.as_ref(), Some(&origin));
    for part in [
        "MemoryError: block 0 of \"large\"",
        "5.0 MiB (5242880 bytes)",
        "976.6 KiB (1000000 bytes)",
        "w1",
    ] {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
}

#[test]
fn what_fits_one_worker_only_goes_there() {
    let mut double = Double::new(0);
    double.join_limited(1, 1, LIMIT);
    double.join_limited(2, 1, 100 * LIMIT);
    double.forget_peers();
    double.submit(submission(vec![sized(source("large", 2), 2 * LIMIT)]));
    assert_eq!(double.take_assigned(1), []);
    assert_eq!(double.take_assigned(2).len(), 1);
    double.finish_with(2, &[(0, 0)], 2 * LIMIT);
    assert_eq!(double.take_assigned(2), [(0, 1)]);
    double.take_client();
}

/// Sparse arrays, and whatever else Python makes, may take less than is declared.
#[test]
fn what_may_be_smaller_is_not_refused() {
    let mut double = limited();
    let layer = sparse(sized(source("sparse", 1), 5 * LIMIT));
    let needs: [&[(u32, u32)]; 1] = [&[(0, 0)]];
    let of_sparse = sized(needing("of-sparse", &needs), 5 * LIMIT);
    double.submit(submission(vec![layer, of_sparse]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish_with(1, &[(0, 0)], 1000);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
}

#[test]
fn sizes_that_do_not_fit_the_grid_are_refused() {
    let mut double = limited();
    let mut layer = sized(source("crooked", 3), 10);
    layer.sizes.as_mut().unwrap().axes[0].counts = vec![2];
    double.submit(submission(vec![layer]));
    let messages = double.take_client();
    let [ToClient::Rejected(rejected)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert!(
        rejected.reason.contains("blocks along an axis"),
        "{}",
        rejected.reason
    );
}
