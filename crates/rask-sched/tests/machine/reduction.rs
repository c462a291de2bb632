//! Superfluous copies of values.

use rask_proto::{FromClient, FromWorker, MemoryManager, MemoryManagerOp, Query, QueryBody};
use rask_sched::{Event, Time};

use crate::double::{Double, needing, source, submission};

fn ask(double: &mut Double, op: MemoryManagerOp) {
    let body = QueryBody::MemoryManager(MemoryManager {
        op: op.into(),
        running: false,
    });
    double.client(FromClient::Query(Query {
        id: 1,
        body: Some(body),
    }));
    double.take_client();
}

/// A value that worker 1 has made and workers 2 and 3 have fetched.
fn held_by_three() -> Double {
    let mut double = Double::new(3);
    double.submit(submission(vec![source("a", 1)]));
    let maker = (1..=3).find(|&number| !double.take_assigned(number).is_empty());
    double.finish(maker.unwrap(), &[(0, 0)]);
    for number in 1..=3 {
        let fetched = [(0, 0)].into_iter().collect();
        double.hear_worker(number, FromWorker::Fetched(fetched));
    }
    double.take_client();
    double
}

fn freed(double: &mut Double) -> usize {
    (1..=3).map(|number| double.take_freed(number).len()).sum()
}

#[test]
fn copies_that_nobody_needs_are_dropped_but_one() {
    let mut double = held_by_three();
    ask(&mut double, MemoryManagerOp::RunOnce);
    assert_eq!(freed(&mut double), 2);
    ask(&mut double, MemoryManagerOp::RunOnce);
    assert_eq!(freed(&mut double), 0);
    assert_eq!(double.scheduler.next_deadline(), None, "it was not started");
}

#[test]
fn what_is_started_looks_again_and_again() {
    let mut double = held_by_three();
    ask(&mut double, MemoryManagerOp::Start);
    assert_eq!(freed(&mut double), 0);
    let Time { micros } = double
        .scheduler
        .next_deadline()
        .expect("there is something");
    double.now = micros;
    double.event(Event::TimePassed);
    assert_eq!(freed(&mut double), 2);
    assert_eq!(
        double.scheduler.next_deadline(),
        None,
        "nothing is left to drop"
    );
    ask(&mut double, MemoryManagerOp::Stop);
}

#[test]
fn copies_stay_where_tasks_need_them() {
    let mut double = held_by_three();
    let known = rask_proto::LayerSpec {
        remote: true,
        op: None,
        ..source("a", 1)
    };
    let mut submit = submission(vec![known, needing("b", &[[(0, 0)].as_slice(); 2])]);
    submit.layers[1].id = 2;
    double.submit(submit);
    let busy: Vec<u32> = (1..=3)
        .filter(|&n| !double.take_assigned(n).is_empty())
        .collect();
    ask(&mut double, MemoryManagerOp::RunOnce);
    let still: usize = busy.iter().map(|&n| double.take_freed(n).len()).sum();
    assert_eq!(still, 0, "workers {busy:?} need it");
    assert_eq!(freed(&mut double), 3 - busy.len());
    double.forget_all();
}
