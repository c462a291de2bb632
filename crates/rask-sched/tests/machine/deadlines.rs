//! What happens because time passes, at the time that the scheduler said.

use rask_proto::{FromWorker, Missing, TasksFinished, ToWorker};
use rask_sched::{Event, Time};

use crate::double::{Double, finished, source, submission};

fn finish_quickly(double: &mut Double, number: u32, tasks: &[(u32, u32)]) {
    let report = TasksFinished {
        blocks: Some(tasks.iter().copied().collect()),
        nbytes: vec![100; tasks.len()],
        duration_micros: vec![10; tasks.len()],
        ..TasksFinished::default()
    };
    double.hear_worker(number, FromWorker::Finished(report));
}

/// The worker finishes these tasks, and what it is given then.
fn finish_all(double: &mut Double, number: u32, mut tasks: Vec<(u32, u32)>) {
    while !tasks.is_empty() {
        finish_quickly(double, number, &tasks);
        tasks = double.take_assigned(number);
    }
}

/// Lets time pass until the scheduler wants to be told.
fn wait(double: &mut Double) {
    let Time { micros } = double.scheduler.next_deadline().expect("it has a deadline");
    assert!(micros > double.now);
    double.now = micros;
    double.event(Event::TimePassed);
}

/// Lets time pass until worker 1 is asked to give tasks back.
fn wait_until_asked(double: &mut Double) {
    for _ in 0..10 {
        if double.take_from(1, |message| matches!(message, ToWorker::GiveBack(_))) > 0 {
            return;
        }
        wait(double);
    }
    panic!("worker 1 is not asked to give anything back");
}

#[test]
fn tasks_behind_one_that_takes_long_are_asked_back_without_any_other_event() {
    let mut double = Double::new(2);
    double.submit(submission(vec![source("a", 9)]));
    let (first, second) = (double.take_assigned(1), double.take_assigned(2));
    assert_eq!(double.scheduler.next_deadline(), None);
    finish_quickly(&mut double, 1, &first);
    let behind = double.take_assigned(1);
    assert!(behind.len() > 1, "{behind:?}");
    finish_all(&mut double, 2, second);
    wait_until_asked(&mut double);
    let given_back = Missing {
        tasks: Some(behind[1..].iter().copied().collect()),
        ..Missing::default()
    };
    double.hear_worker(1, FromWorker::Missing(given_back));
    let taken_over = double.take_assigned(2);
    assert!(!taken_over.is_empty());
    let again = double.take_assigned(1);
    finish_quickly(&mut double, 2, &taken_over);
    finish_quickly(&mut double, 1, &behind[..1]);
    finish_quickly(&mut double, 1, &again);
    let done = finished(&double.take_client());
    assert_eq!(done.len(), 9);
    wait(&mut double);
    assert_eq!(double.scheduler.next_deadline(), None);
}

/// Worker 1 has tasks behind one that takes long, and is asked for them, since worker 2 has none.
fn with_a_worker_that_is_asked() -> Double {
    let mut double = Double::new(2);
    double.submit(submission(vec![source("a", 9)]));
    let (first, second) = (double.take_assigned(1), double.take_assigned(2));
    finish_quickly(&mut double, 1, &first);
    double.take_assigned(1);
    finish_all(&mut double, 2, second);
    wait_until_asked(&mut double);
    double
}

#[test]
fn a_worker_with_nothing_to_give_back_is_not_asked_at_once_again() {
    let mut double = with_a_worker_that_is_asked();
    let asked_at = double.now;
    double.hear_worker(1, FromWorker::Missing(Missing::default()));
    wait_until_asked(&mut double);
    assert!(
        double.now > asked_at + 1_000_000,
        "asked after {asked_at}, then {}",
        double.now
    );
    double.take_client();
}

#[test]
fn a_worker_that_answers_late_that_it_has_nothing_is_asked_again() {
    let mut double = with_a_worker_that_is_asked();
    while double.scheduler.next_deadline().is_some() {
        wait(&mut double);
    }
    double.hear_worker(1, FromWorker::Missing(Missing::default()));
    wait_until_asked(&mut double);
    double.take_client();
}
