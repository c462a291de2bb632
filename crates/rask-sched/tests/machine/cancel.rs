//! Blocks that are cancelled, by their client or by another, and submitted again.

use rask_proto::{Blocks, Cancel, FromClient, LayerSpec, Packed, Submit, ToClient, ToWorker};
use rask_sched::{ClientId, Event};

use crate::ONE;
use crate::double::{CLIENT, Double, finished, needing, source, submission};

const OTHER: ClientId = ClientId(2);

fn cancel(blocks: &[(u32, u32)], force: bool) -> FromClient {
    FromClient::Cancel(Cancel {
        blocks: Some(blocks.iter().copied().collect()),
        force,
        by_another: false,
    })
}

fn say(double: &mut Double, client: ClientId, message: FromClient) {
    double.event(Event::FromClient { client, message });
}

/// Layer "a" of one block, under this number of the client's, to run this.
fn numbered(number: u32, kind: &str) -> Submit {
    let mut submit = submission(vec![LayerSpec {
        op: Some(Packed::new(kind, Default::default(), Vec::new())),
        ..source("a", 1)
    }]);
    submit.layers[0].id = number;
    submit
}

/// Two clients want block 0 of layer "a", which runs on worker 1.
fn wanted_by_two() -> Double {
    let mut double = Double::new(1);
    double.event(Event::ClientJoined { client: OTHER });
    double.forget_peers();
    for client in [CLIENT, OTHER] {
        let submit = FromClient::Submit(numbered(1, "test"));
        say(&mut double, client, submit);
    }
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double
}

#[test]
fn cancelling_calls_back_what_only_the_cancelled_needs() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.client(cancel(&[ONE], false));
    assert_eq!(double.take_unassigned(1), [(0, 0)]);
    // Who cancels knows.
    assert!(double.take_client().is_empty());
    double.finish(1, &[(0, 0)]);
    assert_eq!(double.take_freed(1), [(0, 0)]);
    double.forget_layers();
}

#[test]
fn what_another_wants_goes_on() {
    let mut double = wanted_by_two();
    double.client(cancel(&[ONE], false));
    double.finish(1, &[(0, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
    assert!(!double.scheduler.is_wanted_by(CLIENT, 1, 0));
}

#[test]
fn others_are_told_of_what_is_cancelled_for_all_until_they_speak_of_it() {
    let mut double = wanted_by_two();
    double.client(cancel(&[ONE], true));
    let is_killed = |message: &ToWorker| matches!(message, ToWorker::Kill(_));
    assert_eq!(double.take_from(1, is_killed), 1);
    assert_eq!(double.take_unassigned(1), [(0, 0)]);
    let told = [ToClient::Cancelled(Blocks::from_iter([ONE]))];
    assert_eq!(double.take_client(), told);
    double.event(Event::ClientResumed { client: CLIENT });
    double.forget_peers();
    assert!(double.take_client().is_empty());
    double.event(Event::ClientResumed { client: OTHER });
    double.forget_peers();
    assert_eq!(double.take_client(), told);
    assert_eq!(double.scheduler.cancelled_by_others(OTHER).len(), 1);
    say(
        &mut double,
        OTHER,
        FromClient::Release(Blocks::from_iter([ONE])),
    );
    double.event(Event::ClientResumed { client: OTHER });
    double.forget_peers();
    assert!(double.take_client().is_empty());
}

/// What has no task is made of what is submitted last, whatever it was before.
#[test]
fn what_is_submitted_again_runs_what_it_says_now() {
    let mut double = Double::new(1);
    double.submit(numbered(1, "first"));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.client(cancel(&[ONE], false));
    assert_eq!(double.take_unassigned(1), [(0, 0)]);
    double.submit(numbered(2, "second"));
    assert_eq!(double.take_forgotten(), 1);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    // Of the first, which had ended before it was called back.
    double.finish(1, &[(0, 0)]);
    assert_eq!(double.take_freed(1), [(0, 0)]);
    double.client(FromClient::ForgetLayers(Blocks::from_iter([ONE])));
    double.finish(1, &[(1, 0)]);
    assert_eq!(finished(&double.take_client()), [(2, 0)]);
    double.client(FromClient::ForgetLayers(Blocks::from_iter([(2, 0)])));
    assert_eq!(double.take_freed(1), [(1, 0)]);
    double.forget_layers();
    assert_eq!(double.scheduler.layer_count(), 0);
}

/// A layer that another client still wants keeps its number here, and has two with the client.
#[test]
fn a_number_that_is_not_used_any_more_takes_nothing_from_the_next() {
    let mut double = wanted_by_two();
    double.client(cancel(&[ONE], false));
    double.submit(numbered(2, "test"));
    double.client(FromClient::ForgetLayers(Blocks::from_iter([ONE])));
    assert!(double.scheduler.is_wanted_by(CLIENT, 2, 0));
    double.finish(1, &[(0, 0)]);
    let mut told = finished(&double.take_client());
    told.sort_unstable();
    assert_eq!(told, [ONE, (2, 0)]);
    for (client, number) in [(CLIENT, 2), (OTHER, 1)] {
        let forget = FromClient::ForgetLayers(Blocks::from_iter([(number, 0)]));
        say(&mut double, client, forget);
    }
    assert_eq!(double.take_freed(1), [(0, 0)]);
    double.forget_layers();
    assert_eq!(double.scheduler.layer_count(), 0);
}
