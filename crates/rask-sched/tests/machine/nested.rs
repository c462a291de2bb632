//! Tasks that submit tasks, and wait for them.

use rask_proto::{Blocks, FromClient, FromWorker, Hello, QueryBody, Submit, TaskNumber, ToClient};
use rask_sched::{ClientId, Event};

use crate::double::{CLIENT, Double, source, submission};

/// The client of a worker's tasks.
const INNER: ClientId = ClientId(2);

fn submit_from(double: &mut Double, (layer, block): (u32, u32), name: &str) {
    let message = FromClient::Submit(Submit {
        submitted_by: Some(TaskNumber { layer, block }),
        ..submission(vec![source(name, 1)])
    });
    double.event(Event::FromClient {
        client: INNER,
        message,
    });
}

fn say(double: &mut Double, number: u32, task: (u32, u32), is_absent: bool) {
    let blocks = Blocks::from_iter([task]);
    double.hear_worker(
        number,
        match is_absent {
            true => FromWorker::Seceded(blocks),
            false => FromWorker::Rejoined(blocks),
        },
    );
}

#[test]
fn what_a_task_submits_goes_before_what_was_submitted_with_it() {
    let mut double = Double::new(1);
    double.event(Event::ClientJoined { client: INNER });
    double.submit(submission(vec![source("outer", 3)]));
    double.submit(submission(vec![source("later", 1)]));
    let outer = double.take_assigned(1);
    assert_eq!(outer, [(0, 0)]);
    submit_from(&mut double, outer[0], "inner");
    say(&mut double, 1, outer[0], true);
    let inner = double.take_assigned(1);
    assert_eq!(inner, [(2, 0)]);
    submit_from(&mut double, inner[0], "innermost");
    say(&mut double, 1, inner[0], true);
    let innermost = double.take_assigned(1);
    assert_eq!(innermost, [(3, 0)]);
    double.forget_all();
}

#[test]
fn a_task_that_goes_on_takes_its_place_again() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 3)]));
    let first = double.take_assigned(1);
    say(&mut double, 1, first[0], true);
    let second = double.take_assigned(1);
    assert_eq!(second.len(), 1);
    say(&mut double, 1, first[0], false);
    double.finish(1, &second);
    assert!(double.take_assigned(1).is_empty());
    double.finish(1, &first);
    assert_eq!(double.take_assigned(1).len(), 1);
    double.forget_all();
}

#[test]
fn what_a_task_submits_is_counted_for_its_share() {
    let mut double = Double::new(1);
    double.client(FromClient::Hello(Hello {
        share: "astronomy".to_owned(),
        ..Hello::default()
    }));
    double.event(Event::ClientJoined { client: INNER });
    double.submit(submission(vec![source("outer", 1)]));
    let outer = double.take_assigned(1);
    submit_from(&mut double, outer[0], "inner");
    double.forget_all();
    double.client(FromClient::Query(rask_proto::Query {
        id: 1,
        body: Some(QueryBody::Shares(())),
    }));
    let told = double.take_client();
    let shares = told.iter().find_map(|message| match message {
        ToClient::Answer(answer) => match &answer.body {
            Some(rask_proto::AnswerBody::Shares(shares)) => Some(shares.shares.clone()),
            _ => None,
        },
        _ => None,
    });
    let shares = shares.expect("an answer with shares");
    let own = shares.iter().find(|share| share.name == "astronomy");
    assert_eq!(own.map(|share| share.tasks), Some(2), "{shares:?}");
    assert_eq!(CLIENT, ClientId(1));
    double.forget_all();
}
