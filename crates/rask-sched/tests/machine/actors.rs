//! Objects that stay on the worker that made them, against the recording double.

use rask_proto::{Blocks, FromClient, FromWorker, LayerSpec, ToClient};

use crate::double::{Double, finished, needing, source, submission};

fn actor(name: &str) -> LayerSpec {
    LayerSpec {
        actor: true,
        grid: Vec::new(),
        ..source(name, 1)
    }
}

/// An actor on worker 1, wanted by the client.
fn with_actor(workers: u32) -> Double {
    let mut double = Double::new(workers);
    let mut submit = submission(vec![actor("counter")]);
    submit.workers = vec!["w1".to_owned()];
    double.submit(submit);
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish(1, &[(0, 0)]);
    assert_eq!(finished(&double.take_client()), [(1, 0)]);
    double
}

fn failures(messages: &[ToClient]) -> Vec<((u32, u32), String)> {
    let erred = messages.iter().filter_map(|message| match message {
        ToClient::Erred(erred) => Some(erred),
        _ => None,
    });
    erred
        .flat_map(|erred| {
            let message = erred.failure.as_ref().unwrap().message.clone();
            let blocks = erred.blocks.iter().flat_map(Blocks::iter);
            blocks
                .map(move |block| (block, message.clone()))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn an_actor_is_not_made_again_when_its_worker_dies() {
    let mut double = with_actor(2);
    double.lose(1);
    let failed = failures(&double.take_client());
    assert_eq!(failed.len(), 1);
    let (key, message) = &failed[0];
    assert_eq!(*key, (1, 0));
    assert!(
        message.contains("actor counter was on w1") && message.contains("signal 9"),
        "{message}"
    );
    assert_eq!(double.take_assigned(2), []);
}

#[test]
fn a_lost_actor_is_made_anew_when_it_is_retried() {
    let mut double = Double::new(2);
    double.submit(submission(vec![actor("counter")]));
    let (made_on, other) = match double.take_assigned(1).len() {
        1 => (1, 2),
        _ => (2, 1),
    };
    double.take_assigned(made_on);
    double.finish(made_on, &[(0, 0)]);
    double.lose(made_on);
    assert_eq!(failures(&double.take_client()).len(), 1);
    double.client(FromClient::Retry(Blocks::from_iter([(1, 0)])));
    assert_eq!(double.take_assigned(other), [(0, 0)]);
    double.finish(other, &[(0, 0)]);
    assert_eq!(finished(&double.take_client()), [(1, 0)]);
}

#[test]
fn what_waits_for_a_lost_actor_fails_with_it() {
    let mut double = Double::new(1);
    double.submit(submission(vec![
        actor("counter"),
        source("slow", 1),
        needing("use", &[&[(0, 0), (1, 0)]]),
    ]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish(1, &[(0, 0)]);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.lose(1);
    let failed = failures(&double.take_client());
    assert_eq!(failed.len(), 1);
    assert!(failed[0].1.contains("actor counter"), "{}", failed[0].1);
}

#[test]
fn copies_of_an_actor_do_not_count() {
    let mut double = with_actor(2);
    double.hear_worker(2, FromWorker::Fetched(Blocks::from_iter([(0, 0)])));
    assert_eq!(double.take_freed(2), [(0, 0)]);
    double.lose(1);
    assert_eq!(failures(&double.take_client()).len(), 1);
}

#[test]
fn an_actor_that_nobody_wants_is_forgotten_with_its_worker() {
    let mut double = with_actor(2);
    double.client(FromClient::Release(Blocks::from_iter([(1, 0)])));
    double.lose(1);
    assert_eq!(failures(&double.take_client()), []);
    double.take_freed(1);
    double.forget_layers();
}
