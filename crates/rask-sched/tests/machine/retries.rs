//! Tasks that raised and are run again, at once or later.

use rask_proto::{FromClient, Submit, ToClient};
use rask_sched::{Event, Time};

use crate::double::{Double, finished, needing, source, submission};

/// Two tasks, the second made from the first, that may raise so many times.
fn patient(retries: u32, retry_millis: u32, retry_millis_max: u32) -> Submit {
    Submit {
        retries,
        retry_millis,
        retry_millis_max,
        ..submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])])
    }
}

/// Lets time pass until the scheduler wants to be told; how long that takes.
fn wait(double: &mut Double) -> u64 {
    let Time { micros } = double.scheduler.next_deadline().expect("it has a deadline");
    let before = std::mem::replace(&mut double.now, micros);
    double.event(Event::TimePassed);
    micros - before
}

#[test]
fn without_a_delay_a_task_that_raised_is_run_again_at_once() {
    let mut double = Double::new(1);
    double.submit(patient(1, 0, 0));
    let first = double.take_assigned(1);
    double.fail(1, first[0]);
    assert_eq!(double.take_assigned(1)[..1], first[..1]);
    double.fail(1, first[0]);
    assert!(double.take_assigned(1).is_empty());
    let told = double.take_client();
    assert!(matches!(told[..], [ToClient::Erred(_)]), "{told:?}");
}

#[test]
fn each_further_time_it_waits_about_twice_as_long_up_to_the_longest() {
    let mut double = Double::new(1);
    double.submit(patient(4, 100, 250));
    let mut assigned = double.take_assigned(1);
    let mut waited = Vec::new();
    for _ in 0..4 {
        double.fail(1, assigned[0]);
        assert!(double.take_assigned(1).is_empty());
        waited.push(wait(&mut double) / 1000);
        assigned = double.take_assigned(1);
        assert_eq!(assigned.len(), 1);
    }
    assert_eq!(waited, [100, 200, 250, 250]);
    assert_eq!(double.scheduler.next_deadline(), None);
    double.finish(1, &assigned);
    let made = double.take_assigned(1);
    double.finish(1, &made);
    assert_eq!(finished(&double.take_client()).len(), 1);
    double.forget_all();
}

#[test]
fn a_worker_that_dies_does_not_shorten_the_wait() {
    let mut double = Double::new(2);
    double.submit(patient(2, 1000, 0));
    let (first, second) = (double.take_assigned(1), double.take_assigned(2));
    let (number, other) = if first.is_empty() { (2, 1) } else { (1, 2) };
    let task = first
        .iter()
        .chain(&second)
        .next()
        .copied()
        .expect("one was handed out");
    double.fail(number, task);
    double.lose(number);
    assert!(double.take_assigned(other).is_empty());
    assert!(wait(&mut double) > 900_000);
    assert_eq!(double.take_assigned(other), [task]);
    double.forget_all();
}

#[test]
fn what_is_given_up_while_it_waits_is_not_run() {
    let mut double = Double::new(1);
    double.submit(patient(2, 1000, 0));
    let first = double.take_assigned(1);
    double.fail(1, first[0]);
    double.client(FromClient::Release([(1, 0)].into_iter().collect()));
    assert_eq!(double.scheduler.task_count(), 0);
    wait(&mut double);
    assert!(double.take_assigned(1).is_empty());
    assert_eq!(double.scheduler.next_deadline(), None);
    double.forget_layers();
}
