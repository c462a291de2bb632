//! Tasks with large values go where there is room for them, and what they need goes with them.

use rask_proto::{Blocks, FromClient, FromWorker, LayerSpec, Submit, TasksFinished};
use rask_sched::{Event, Time};

use crate::double::{Double, needing, sized, source, submission};

const MIB: u64 = 1 << 20;
/// Values may take 60 MiB of it.
const LIMIT: u64 = 100 * MIB;

/// Workers of so many threads each, with so much memory.
fn cluster(threads: &[u32], limit: u64) -> Double {
    let mut double = Double::new(0);
    for (number, &count) in (1..).zip(threads) {
        double.join_limited(number, count, limit);
    }
    double.forget_peers();
    double
}

/// Layers as one submission, of which the client wants the last; its number of that is `id`.
fn numbered(layers: Vec<LayerSpec>, id: u32) -> Submit {
    let mut submit = submission(layers);
    submit.layers.last_mut().unwrap().id = id;
    submit
}

/// A layer that was submitted before.
fn known(name: &str) -> LayerSpec {
    LayerSpec {
        remote: true,
        ..source(name, 1)
    }
}

/// The value of a task that took so long.
fn finish(double: &mut Double, worker: u32, task: (u32, u32), (bytes, micros): (u64, u32)) {
    let finished = TasksFinished {
        blocks: Some(Blocks::from_iter([task])),
        nbytes: vec![bytes],
        duration_micros: vec![micros],
        ..TasksFinished::default()
    };
    double.hear_worker(worker, FromWorker::Finished(finished));
}

/// Makes a layer of one block at a worker. Layers get their numbers in turn; clients have others,
/// by 10 more.
fn make_at(double: &mut Double, worker: u32, (name, layer): (&str, u32), bytes: u64, micros: u32) {
    let submit = Submit {
        workers: vec![format!("w{worker}")],
        ..numbered(vec![sized(source(name, 1), bytes)], layer + 10)
    };
    double.submit(submit);
    assert_eq!(double.take_assigned(worker), [(layer, 0)]);
    finish(double, worker, (layer, 0), (bytes, micros));
    double.take_client();
}

fn release(double: &mut Double, layer: u32) {
    let blocks = Blocks::from_iter([(layer + 10, 0)]);
    double.client(FromClient::Release(blocks));
}

fn fetched(double: &mut Double, worker: u32, block: (u32, u32)) {
    let blocks = Blocks::from_iter([block]);
    double.hear_worker(worker, FromWorker::Fetched(blocks));
}

#[test]
fn siblings_go_to_one_worker() {
    let mut double = cluster(&[1, 1], 100 * LIMIT);
    let needs: [&[(u32, u32)]; 4] = [
        &[(0, 0), (0, 1)],
        &[(0, 2), (0, 3)],
        &[(0, 4), (0, 5)],
        &[(0, 6), (0, 7)],
    ];
    let load = sized(source("load", 8), 10 * MIB);
    double.submit(submission(vec![load, sized(needing("sum", &needs), 10)]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    assert_eq!(double.take_assigned(2), [(0, 2)]);
    double.finish_with(1, &[(0, 0)], 10 * MIB);
    assert_eq!(double.take_assigned(1), [(0, 1)]);
    double.finish_with(2, &[(0, 2)], 10 * MIB);
    assert_eq!(double.take_assigned(2), [(0, 3)]);
    double.finish_with(1, &[(0, 1)], 10 * MIB);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.forget_all();
}

#[test]
fn sources_of_large_values_are_handed_out_one_a_thread() {
    let mut double = cluster(&[2], 100 * LIMIT);
    double.submit(submission(vec![sized(source("load", 10), 10 * MIB)]));
    assert_eq!(double.take_assigned(1).len(), 2);
    finish(&mut double, 1, (0, 0), (10 * MIB, 100));
    // Small ones of a tenth of a millisecond would travel by the hundred.
    assert_eq!(double.take_assigned(1).len(), 1);
    double.forget_all();
}

/// Worker 1 holds a block of 10 MiB, of which a task makes 40 MiB, and one of `other` bytes that is
/// needed together with one that is long in coming.
fn large_from_first(other: u64) -> Double {
    let mut double = cluster(&[1, 2], LIMIT);
    make_at(&mut double, 1, ("input", 0), 10 * MIB, 1000);
    make_at(&mut double, 1, ("other", 1), other, 1000);
    let later = sized(needing("later", &[&[(0, 0), (1, 0)]]), 10);
    let submit = Submit {
        workers: vec!["w2".to_owned()],
        ..numbered(
            vec![known("other"), sized(source("long", 1), 10), later],
            13,
        )
    };
    double.submit(submit);
    assert_eq!(double.take_assigned(2), [(2, 0)]);
    let large = sized(needing("large", &[&[(0, 0)]]), 40 * MIB);
    double.submit(numbered(vec![known("input"), large], 14));
    double
}

#[test]
fn a_large_value_is_made_where_its_input_is_if_there_is_room() {
    let mut double = large_from_first(MIB);
    assert_eq!(double.take_assigned(1), [(4, 0)]);
    double.forget_all();
}

/// 10 MiB and 20 MiB are needed at worker 1, and 40 MiB more are no 60 MiB. At worker 2 they are.
#[test]
fn a_large_value_is_made_where_there_is_room_for_it() {
    let mut double = large_from_first(20 * MIB);
    assert_eq!(double.take_assigned(1), []);
    assert_eq!(double.take_assigned(2), [(4, 0)]);
    double.forget_all();
}

/// Worker 2 has nothing to do, and worker 1 a queue of tasks that need a block of 1 MiB there and
/// make 20 MiB each. Worker 2 holds `held` bytes that are needed later.
fn queue_beside_idle(held: u64) -> Double {
    let mut double = cluster(&[1, 1], LIMIT);
    make_at(&mut double, 1, ("input", 0), MIB, 1000);
    make_at(&mut double, 2, ("held", 1), held, 1000);
    let later = sized(needing("later", &[&[(0, 0), (1, 0)]]), 10);
    let submit = Submit {
        workers: vec!["w1".to_owned()],
        ..numbered(vec![known("held"), sized(source("long", 1), 10), later], 13)
    };
    double.submit(submit);
    assert_eq!(double.take_assigned(1), [(2, 0)]);
    let needs: [&[(u32, u32)]; 3] = [&[(0, 0)]; 3];
    let large = sized(needing("large", &needs), 20 * MIB);
    double.submit(numbered(vec![known("input"), large], 14));
    double
}

#[test]
fn an_idle_worker_takes_over_what_it_has_room_for() {
    let mut double = queue_beside_idle(10 * MIB);
    assert_eq!(double.take_assigned(2).len(), 1);
    double.forget_all();
}

/// Nor is it asked to: it holds 50 of 60 MiB, and is busy with a task that needs no room.
#[test]
fn a_full_worker_takes_nothing_over() {
    let mut double = cluster(&[1, 2], LIMIT);
    make_at(&mut double, 1, ("input", 0), MIB, 1000);
    make_at(&mut double, 2, ("held", 1), 50 * MIB, 1000);
    let later = sized(needing("later", &[&[(0, 0), (1, 0)]]), 10);
    let submit = Submit {
        workers: vec!["w2".to_owned()],
        ..numbered(vec![known("held"), sized(source("long", 1), 10), later], 13)
    };
    double.submit(submit);
    assert_eq!(double.take_assigned(2), [(2, 0)]);
    let needs: [&[(u32, u32)]; 3] = [&[(0, 0)]; 3];
    let large = sized(needing("large", &needs), 20 * MIB);
    double.submit(numbered(vec![known("input"), large], 14));
    assert_eq!(double.take_assigned(1).len(), 1);
    assert_eq!(
        double.take_assigned(2),
        [],
        "one of its threads has nothing to do"
    );
    double.forget_all();
}

/// A chain of short tasks goes ahead to the worker that makes what they need, as far as it has room.
#[test]
fn nothing_is_handed_ahead_to_a_full_worker() {
    for (held, ahead) in [(MIB, 2), (45 * MIB, 1)] {
        let mut double = cluster(&[2], LIMIT);
        make_at(&mut double, 1, ("held", 0), held, 100);
        make_at(&mut double, 1, ("first", 1), MIB, 100);
        release(&mut double, 1);
        double.take_freed(1);
        double.forget_all();
        let mut double = double;
        let chain = vec![
            known("held"),
            LayerSpec {
                operation: "first".to_owned(),
                ..sized(source("one", 1), 10)
            },
            LayerSpec {
                operation: "first".to_owned(),
                ..sized(needing("two", &[&[(0, 0), (1, 0)]]), 20 * MIB)
            },
        ];
        double.submit(numbered(chain, 15));
        assert_eq!(double.take_assigned(1).len(), ahead, "beside {held} bytes");
        double.forget_all();
    }
}

/// Worker 2 is to make a value of 20 MiB that is there and of one of 10 MiB of worker 1, which took
/// `micros` to make. Nobody else needs these.
fn sum_at_second(micros: u32) -> Double {
    let mut double = cluster(&[1, 1], 100 * LIMIT);
    make_at(&mut double, 1, ("left", 0), 10 * MIB, micros);
    make_at(&mut double, 2, ("right", 1), 20 * MIB, micros);
    let sum = sized(needing("sum", &[&[(0, 0), (1, 0)]]), 10);
    double.submit(numbered(vec![known("left"), known("right"), sum], 12));
    assert_eq!(double.take_assigned(2), [(2, 0)]);
    double
}

#[test]
fn an_input_that_is_moved_is_dropped_where_it_came_from() {
    let mut double = sum_at_second(1000);
    release(&mut double, 0);
    release(&mut double, 1);
    fetched(&mut double, 2, (0, 0));
    assert_eq!(double.take_freed(1), [(0, 0)]);
    // The worker dies: both are made again.
    double.lose(2);
    assert_eq!(double.take_assigned(1).len(), 1);
    double.forget_all();
}

#[test]
fn an_input_stays_where_it_came_from_if_it_is_wanted_or_took_long() {
    let mut double = sum_at_second(1000);
    fetched(&mut double, 2, (0, 0));
    assert_eq!(double.take_freed(1), [], "the client wants it");
    double.forget_all();
    let mut double = sum_at_second(5_000_000);
    release(&mut double, 0);
    fetched(&mut double, 2, (0, 0));
    assert_eq!(double.take_freed(1), [], "it took five seconds");
    double.forget_all();
}

/// Of three blocks of 100 MiB two are on their way to the sum of them, when a thread is free.
#[test]
fn sources_wait_for_transfers() {
    let mut double = cluster(&[1, 1, 1], 0);
    for (layer, name) in (0..).zip(["a", "b", "c"]) {
        make_at(&mut double, layer + 1, (name, layer), 100 * MIB, 1000);
    }
    let sum = sized(needing("sum", &[&[(0, 0), (1, 0), (2, 0)]]), 10);
    double.submit(numbered(vec![known("a"), known("b"), known("c"), sum], 13));
    let maker = (1..=3).find(|&number| !double.take_assigned(number).is_empty());
    let maker = maker.unwrap();
    let assigned = |double: &mut Double| -> usize {
        (1..=3)
            .map(|number| double.take_assigned(number).len())
            .sum()
    };
    double.submit(numbered(vec![sized(source("more", 4), 10 * MIB)], 14));
    assert_eq!(assigned(&mut double), 0);
    for layer in (0..3).filter(|layer| layer + 1 != maker) {
        fetched(&mut double, maker, (layer, 0));
    }
    assert_eq!(assigned(&mut double), 2);
    double.forget_all();
}

/// Transfers that do not come to an end do not hold anything up for long.
#[test]
fn sources_go_on_when_transfers_do_not() {
    let mut double = cluster(&[1, 1], 0);
    make_at(&mut double, 1, ("a", 0), 100 * MIB, 1000);
    make_at(&mut double, 2, ("b", 1), 100 * MIB, 1000);
    let sum = sized(needing("sum", &[&[(0, 0), (1, 0)]]), 10);
    double.submit(numbered(vec![known("a"), known("b"), sum], 12));
    let maker = if double.take_assigned(1).is_empty() {
        2
    } else {
        1
    };
    double.take_assigned(maker);
    double.submit(numbered(vec![sized(source("more", 4), 10 * MIB)], 13));
    let other = 3 - maker;
    assert_eq!(double.take_assigned(other), []);
    let Time { micros } = double.scheduler.next_deadline().expect("it is waited for");
    double.now = micros;
    double.event(Event::TimePassed);
    assert_eq!(double.take_assigned(other).len(), 1);
    double.forget_all();
}
