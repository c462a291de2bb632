//! Copies that policies of users want made, or let go of.

use rask_proto::{
    FromClient, FromWorker, MemoryManager, MemoryManagerOp, Query, QueryBody, Suggestion,
    Suggestions, ToWorker,
};
use rask_sched::Event;

use crate::double::{Double, source, submission};

fn wish(worker: u32) -> Vec<Suggestion> {
    vec![Suggestion {
        layer: "a".to_owned(),
        block: 0,
        worker,
    }]
}

fn suggest(double: &mut Double, copies: Vec<Suggestion>, drops: Vec<Suggestion>) {
    let suggestions = Suggestions { copies, drops };
    double.event(Event::Suggested { suggestions });
}

/// A value, and the worker that holds it.
fn held_by_one() -> (Double, u32) {
    let mut double = Double::new(3);
    double.submit(submission(vec![source("a", 1)]));
    let maker = (1..=3).find(|&number| !double.take_assigned(number).is_empty());
    let maker = maker.expect("somebody makes it");
    double.finish(maker, &[(0, 0)]);
    double.take_client();
    (double, maker)
}

/// How often a worker is told to hold values; with what it has to know for that.
fn told_to_hold(double: &mut Double, number: u32) -> usize {
    double.take_from(number, |message| {
        matches!(message, ToWorker::Peers(_) | ToWorker::Layer(_))
    });
    double.take_from(number, |message| matches!(message, ToWorker::Replicate(_)))
}

fn has_fetched(double: &mut Double, number: u32) {
    let fetched = [(0, 0)].into_iter().collect();
    double.hear_worker(number, FromWorker::Fetched(fetched));
}

#[test]
fn a_copy_is_made_and_let_go_of() {
    let (mut double, maker) = held_by_one();
    let other = maker % 3 + 1;
    suggest(&mut double, wish(other), Vec::new());
    assert_eq!(told_to_hold(&mut double, other), 1);
    suggest(&mut double, wish(other), Vec::new());
    assert_eq!(told_to_hold(&mut double, other), 0, "it is on its way");
    has_fetched(&mut double, other);
    suggest(&mut double, Vec::new(), wish(maker));
    assert_eq!(double.take_freed(maker), [(0, 0)]);
    suggest(&mut double, Vec::new(), wish(other));
    assert_eq!(double.take_freed(other), [], "it is the last one");
}

#[test]
fn a_copy_that_is_on_its_way_keeps_its_origin() {
    let (mut double, maker) = held_by_one();
    let (second, third) = (maker % 3 + 1, (maker + 1) % 3 + 1);
    suggest(&mut double, wish(second), Vec::new());
    assert_eq!(told_to_hold(&mut double, second), 1);
    has_fetched(&mut double, second);
    suggest(&mut double, wish(third), wish(maker));
    assert_eq!(told_to_hold(&mut double, third), 1);
    assert_eq!(double.take_freed(maker), []);
    has_fetched(&mut double, third);
    suggest(&mut double, Vec::new(), wish(maker));
    assert_eq!(double.take_freed(maker), [(0, 0)]);
}

#[test]
fn what_was_suggested_is_not_superfluous_until_it_is_let_go_of() {
    let (mut double, maker) = held_by_one();
    let other = maker % 3 + 1;
    suggest(&mut double, wish(other), Vec::new());
    assert_eq!(told_to_hold(&mut double, other), 1);
    has_fetched(&mut double, other);
    let run = Query {
        id: 1,
        body: Some(QueryBody::MemoryManager(MemoryManager {
            op: MemoryManagerOp::RunOnce.into(),
            running: false,
        })),
    };
    double.client(FromClient::Query(run));
    double.take_client();
    assert_eq!(
        double.take_freed(maker).len() + double.take_freed(other).len(),
        0
    );
    suggest(&mut double, Vec::new(), wish(other));
    assert_eq!(double.take_freed(other), [(0, 0)]);
}

#[test]
fn nonsense_is_left_alone() {
    let (mut double, maker) = held_by_one();
    let of = |layer: &str, block, worker| Suggestion {
        layer: layer.to_owned(),
        block,
        worker,
    };
    let wishes = vec![
        of("a", 7, maker % 3 + 1),
        of("b", 0, maker % 3 + 1),
        of("a", 0, 99),
        of("a", 0, maker),
    ];
    suggest(&mut double, wishes.clone(), wishes);
    for number in 1..=3 {
        assert_eq!(told_to_hold(&mut double, number), 0);
        assert_eq!(double.take_freed(number), []);
    }
}
