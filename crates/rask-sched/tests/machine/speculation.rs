//! Second copies of tasks that take long.

use rask_proto::{Submit, ToWorker};
use rask_sched::{Event, Settings, Speculation, Time};

use crate::double::{Double, finished, source, submission};

/// Two workers, of which one has finished all its tasks of a layer of four, and the other runs its
/// first for so long that there is a copy, if there is one: its task, and the worker that has it.
fn stuck(impure: bool, speculation: Option<Speculation>) -> (Double, (u32, u32), u32, u32) {
    let settings = Settings {
        speculation,
        ..Settings::default()
    };
    let mut double = Double::with(settings, 2);
    double.submit(Submit {
        impure,
        ..submission(vec![source("a", 4)])
    });
    let [slow] = double.take_assigned(1)[..] else {
        panic!("one task each");
    };
    let mut tasks = double.take_assigned(2);
    while !tasks.is_empty() {
        double.now += 1000;
        double.finish(2, &tasks);
        tasks = double.take_assigned(2);
    }
    double.take_client();
    for _ in 0..10 {
        double.now += 1_000_000;
        if let Some(Time { micros }) = double.scheduler.next_deadline() {
            assert!(micros <= double.now);
        }
        double.event(Event::TimePassed);
    }
    (double, slow, 1, 2)
}

fn wishes() -> Option<Speculation> {
    Some(Speculation::default())
}

#[test]
fn a_copy_of_a_slow_task_runs_elsewhere_and_the_first_result_counts() {
    let (mut double, slow, at, copy_at) = stuck(false, wishes());
    assert_eq!(double.take_assigned(copy_at), [slow], "once");
    double.finish(copy_at, &[slow]);
    assert_eq!(double.take_unassigned(at), [slow]);
    assert_eq!(finished(&double.take_client()), [(1, slow.1)]);

    let (mut double, slow, at, copy_at) = stuck(false, wishes());
    assert_eq!(double.take_assigned(copy_at), [slow]);
    double.finish(at, &[slow]);
    assert_eq!(double.take_unassigned(copy_at), [slow]);
    assert_eq!(finished(&double.take_client()), [(1, slow.1)]);
}

#[test]
fn what_becomes_of_the_copy_alone_is_nobodys_business() {
    let (mut double, slow, at, copy_at) = stuck(false, wishes());
    assert_eq!(double.take_assigned(copy_at), [slow]);
    double.fail(copy_at, slow);
    double.finish(at, &[slow]);
    assert_eq!(finished(&double.take_client()), [(1, slow.1)]);

    let (mut double, slow, at, copy_at) = stuck(false, wishes());
    assert_eq!(double.take_assigned(copy_at), [slow]);
    double.lose(copy_at);
    double.take_client();
    double.finish(at, &[slow]);
    assert!(finished(&double.take_client()).contains(&(1, slow.1)));
    double.forget_all();
}

#[test]
fn a_copy_takes_the_place_of_a_task_whose_worker_is_lost() {
    let (mut double, slow, at, copy_at) = stuck(false, wishes());
    assert_eq!(double.take_assigned(copy_at), [slow]);
    double.lose(at);
    assert!(
        double.take_assigned(copy_at).is_empty(),
        "it runs there already"
    );
    double.finish(copy_at, &[slow]);
    assert_eq!(finished(&double.take_client()), [(1, slow.1)]);
}

#[test]
fn what_may_not_run_twice_has_no_copy_nor_has_anything_by_default() {
    for (impure, speculation) in [(true, wishes()), (false, None)] {
        let (mut double, ..) = stuck(impure, speculation);
        let assigned = |message: &ToWorker| matches!(message, ToWorker::Assign(_));
        assert_eq!(double.take_from(2, assigned), 0);
    }
}
