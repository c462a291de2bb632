//! The scheduler against a recording double: events in, every command asserted. The scheduler
//! numbers layers from 0 in the order in which they come.

#[path = "machine/actors.rs"]
mod actors;
#[path = "machine/admission.rs"]
mod admission;
#[path = "machine/bandwidth.rs"]
mod bandwidth;
#[path = "machine/cancel.rs"]
mod cancel;
#[path = "machine/deadlines.rs"]
mod deadlines;
mod double;
#[path = "machine/layer_options.rs"]
mod layer_options;
#[path = "machine/nested.rs"]
mod nested;
#[path = "machine/reduction.rs"]
mod reduction;
#[path = "machine/retries.rs"]
mod retries;
#[path = "machine/room.rs"]
mod room;
#[path = "machine/shares.rs"]
mod shares;
#[path = "machine/spans.rs"]
mod spans;
#[path = "machine/speculation.rs"]
mod speculation;
#[path = "machine/story.rs"]
mod story;
#[path = "machine/suggestions.rs"]
mod suggestions;
#[path = "machine/topics.rs"]
mod topics;
#[path = "machine/unfitting.rs"]
mod unfitting;

use double::{Double, finished, needing, source, submission};
use rask_proto::{AnswerBody, BlockName, Blocks, FromClient, FromWorker, Query, QueryBody};
use rask_proto::{Recipe, ToClient};

const ONE: (u32, u32) = (1, 0);

fn release(blocks: &[(u32, u32)]) -> FromClient {
    FromClient::Release(blocks.iter().copied().collect())
}

#[test]
fn a_task_runs_and_its_client_is_told() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1)]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish(1, &[(0, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
}

#[test]
fn what_nobody_wants_is_dropped_and_forgotten() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1)]));
    double.take_assigned(1);
    double.finish(1, &[(0, 0)]);
    double.take_client();
    double.client(release(&[ONE]));
    assert_eq!(double.take_freed(1), [(0, 0)]);
    assert_eq!(double.scheduler.task_count(), 0);
    double.client(FromClient::ForgetLayers(Blocks::from_iter([ONE])));
    assert_eq!(double.take_forgotten(), 1);
}

#[test]
fn inputs_are_dropped_when_what_needed_them_is_there() {
    let mut double = Double::new(1);
    let layers = vec![source("a", 2), needing("b", &[&[(0, 0), (0, 1)]])];
    double.submit(submission(layers));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish(1, &[(0, 0)]);
    assert_eq!(double.take_assigned(1), [(0, 1)]);
    double.finish(1, &[(0, 1)]);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.finish(1, &[(1, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
    let mut freed = double.take_freed(1);
    freed.sort_unstable();
    assert_eq!(freed, [(0, 0), (0, 1)]);
}

#[test]
fn sources_go_to_idle_workers_one_by_one() {
    let mut double = Double::new(2);
    double.submit(submission(vec![source("a", 3)]));
    let first = double.take_assigned(1);
    let second = double.take_assigned(2);
    assert_eq!((first.len(), second.len()), (1, 1));
    double.finish(2, &second);
    let third = double.take_assigned(2);
    assert_eq!(third.len(), 1);
    double.finish(1, &first);
    double.finish(2, &third);
    assert_eq!(finished(&double.take_client()).len(), 3);
}

#[test]
fn a_task_goes_where_its_input_is() {
    let mut double = Double::new(2);
    double.submit(submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])]));
    let (holder, other) = match double.take_assigned(1).len() {
        1 => (1, 2),
        _ => (2, 1),
    };
    double.take_assigned(other);
    double.finish(holder, &[(0, 0)]);
    assert_eq!(double.take_assigned(holder), [(1, 0)]);
    double.finish(holder, &[(1, 0)]);
    double.take_freed(holder);
    double.take_client();
}

#[test]
fn a_failure_reaches_everything_that_needs_it() {
    let mut double = Double::new(1);
    let layers = vec![
        source("a", 1),
        needing("b", &[&[(0, 0)]]),
        needing("c", &[&[(1, 0)]]),
    ];
    double.submit(submission(layers));
    double.take_assigned(1);
    double.fail(1, (0, 0));
    let messages = double.take_client();
    let [ToClient::Erred(erred)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(erred.blocks, Some(Blocks::from_iter([ONE])));
    assert_eq!(erred.failure.as_ref().unwrap().message, "ValueError: no");
}

#[test]
fn retries_are_counted() {
    let mut double = Double::new(1);
    let mut submit = submission(vec![source("a", 1)]);
    submit.retries = 2;
    double.submit(submit);
    for _ in 0..3 {
        assert_eq!(double.take_assigned(1), [(0, 0)]);
        assert!(double.take_client().is_empty());
        double.fail(1, (0, 0));
    }
    assert!(matches!(&double.take_client()[..], [ToClient::Erred(_)]));
}

#[test]
fn a_failed_block_can_be_tried_again() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])]));
    double.take_assigned(1);
    double.fail(1, (0, 0));
    double.take_client();
    double.client(FromClient::Retry(Blocks::from_iter([ONE])));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish(1, &[(0, 0)]);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.finish(1, &[(1, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
    double.take_freed(1);
}

#[test]
fn lost_values_are_made_again_from_what_made_them() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])]));
    double.take_assigned(1);
    double.finish(1, &[(0, 0)]);
    double.take_assigned(1);
    double.finish(1, &[(1, 0)]);
    double.take_client();
    double.take_freed(1);
    double.lose(1);
    let messages = double.take_client();
    assert!(messages.contains(&ToClient::Lost(Blocks::from_iter([ONE]))));
    double.join(2, 1);
    double.take_client();
    assert_eq!(double.take_assigned(2), [(0, 0)]);
    double.finish(2, &[(0, 0)]);
    assert_eq!(double.take_assigned(2), [(1, 0)]);
    double.finish(2, &[(1, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
    double.take_freed(2);
    double.forget_peers();
}

#[test]
fn a_task_that_kills_its_workers_is_given_up() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1)]));
    for number in 1..=4 {
        assert_eq!(double.take_assigned(number), [(0, 0)]);
        double.lose(number);
        if number < 4 {
            double.join(number + 1, 1);
        }
        double.forget_peers();
    }
    let messages = double.take_client();
    let [ToClient::Erred(erred)] = &messages[..] else {
        panic!("{messages:?}");
    };
    let failure = erred.failure.as_ref().unwrap();
    assert_eq!(failure.killed_workers, ["w4"]);
    assert!(failure.message.contains("signal 9"), "{}", failure.message);
}

#[test]
fn a_worker_that_cannot_fetch_gives_the_task_back() {
    let mut double = Double::new(2);
    double.submit(submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])]));
    let holder = if double.take_assigned(1).is_empty() {
        2
    } else {
        1
    };
    double.take_assigned(holder);
    double.finish(holder, &[(0, 0)]);
    assert_eq!(double.take_assigned(holder), [(1, 0)]);
    double.missing(holder, (1, 0), (0, 0), holder);
    assert_eq!(double.take_freed(holder), [(0, 0)]);
    let again: Vec<_> = [double.take_assigned(1), double.take_assigned(2)].concat();
    assert_eq!(again, [(0, 0)]);
    double.client(release(&[ONE]));
    let called_back = [double.take_unassigned(1), double.take_unassigned(2)].concat();
    assert_eq!(called_back, [(0, 0)]);
    double.forget_layers();
}

#[test]
fn a_layer_known_by_name_is_not_run_again() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1)]));
    double.take_assigned(1);
    double.finish(1, &[(0, 0)]);
    double.take_client();
    double.submit(submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])]));
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.finish(1, &[(1, 0)]);
    double.take_client();
}

#[test]
fn short_tasks_travel_by_the_hundred() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1000)]));
    let first = double.take_assigned(1);
    assert_eq!(first.len(), 1);
    let mut inline = rask_proto::InlineBuilder::default();
    inline.push_none();
    double.hear_worker(
        1,
        FromWorker::Finished(rask_proto::TasksFinished {
            blocks: Some(first.into_iter().collect()),
            nbytes: vec![8],
            duration_micros: vec![1],
            inline: Some(inline.finish()),
            working_bytes: Vec::new(),
        }),
    );
    double.take_client();
    assert!(double.take_assigned(1).len() > 400);
}

#[test]
fn a_submission_that_makes_no_sense_is_refused_whole() {
    let mut double = Double::new(1);
    let mut unknown = source("a", 1);
    unknown.remote = true;
    for layers in [
        vec![unknown],
        vec![needing("b", &[&[(7, 0)]])],
        vec![source("a", 1), needing("b", &[&[(0, 5)]])],
    ] {
        double.submit(submission(layers));
        let messages = double.take_client();
        assert!(
            matches!(&messages[..], [ToClient::Rejected(_)]),
            "{messages:?}"
        );
        assert_eq!(double.scheduler.task_count(), 0);
    }
}

#[test]
fn nonsense_from_workers_is_survived() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1)]));
    double.take_assigned(1);
    double.finish(1, &[(99, 0), (0, 99)]);
    assert_eq!(double.take_freed(1), [(99, 0), (0, 99)]);
    double.fail(1, (99, 0));
    double.missing(1, (3, 3), (4, 4), 17);
    double.finish(1, &[(0, 0)]);
    double.finish(1, &[(0, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
}

#[test]
fn restricted_tasks_wait_for_their_worker() {
    let mut double = Double::new(1);
    let mut submit = submission(vec![source("a", 1)]);
    submit.workers = vec!["w2".to_owned()];
    double.submit(submit);
    double.join(2, 1);
    double.forget_peers();
    assert_eq!(double.take_assigned(2), [(0, 0)]);
    double.finish(2, &[(0, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
}

#[test]
fn a_client_that_leaves_wants_nothing() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 3)]));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.event(rask_sched::Event::ClientLeft {
        client: double::CLIENT,
    });
    assert_eq!(double.take_unassigned(1), [(0, 0)]);
    assert_eq!(double.scheduler.task_count(), 0);
    double.forget_layers();
}

#[test]
fn a_task_that_asks_to_run_elsewhere_tries_every_worker_before_one_again() {
    let mut double = Double::new(3);
    double.submit(submission(vec![source("a", 1)]));
    let mut tried = Vec::new();
    for _ in 0..4 {
        let worker = (1..=3)
            .find(|&worker| double.take_assigned(worker) == [(0, 0)])
            .unwrap();
        tried.push(worker);
        double.hear_worker(
            worker,
            FromWorker::Erred(rask_proto::TaskErred {
                layer: 0,
                block: 0,
                failure: None,
                reschedule: true,
            }),
        );
    }
    let mut first: Vec<u32> = tried[..3].to_vec();
    first.sort_unstable();
    assert_eq!(first, [1, 2, 3]);
    assert_ne!(tried[3], tried[2]);
    let last = (1..=3)
        .find(|&worker| double.take_assigned(worker) == [(0, 0)])
        .unwrap();
    double.finish(last, &[(0, 0)]);
    assert_eq!(finished(&double.take_client()), [ONE]);
}

/// The answer to a question.
fn ask(double: &mut Double, body: QueryBody) -> AnswerBody {
    let query = Query {
        id: 7,
        body: Some(body),
    };
    double.client(FromClient::Query(query));
    let answers = double.take_client().into_iter();
    let mut answers = answers.filter_map(|message| match message {
        ToClient::Answer(answer) => answer.body,
        _ => None,
    });
    answers.next().expect("every question is answered")
}

fn recipe(double: &mut Double, layer: &str, block: u32) -> Recipe {
    let layer = layer.to_owned();
    match ask(double, QueryBody::Recipe(BlockName { layer, block })) {
        AnswerBody::Recipe(recipe) => recipe,
        other => panic!("an answer to another question: {other:?}"),
    }
}

#[test]
fn a_task_that_failed_can_be_asked_what_it_was_made_of() {
    let mut double = Double::new(1);
    let layers = vec![source("a", 2), needing("b", &[&[(0, 1), (0, 0), (0, 1)]])];
    double.submit(submission(layers));
    while let Some(&task) = double.take_assigned(1).first() {
        match task {
            (1, 0) => double.fail(1, task),
            _ => double.finish(1, &[task]),
        }
    }
    assert_eq!(
        double.take_freed(1).len(),
        2,
        "what it was given is not held for it"
    );
    let made = recipe(&mut double, "b", 0);
    assert!(made.op.is_some());
    assert_eq!(made.names, ["a"]);
    let inputs: Vec<_> = made.inputs.iter().flat_map(Blocks::iter).collect();
    assert_eq!(inputs, [(0, 1), (0, 0), (0, 1)]);
    assert_eq!(recipe(&mut double, "b", 9), Recipe::default());
    assert_eq!(recipe(&mut double, "never seen", 0), Recipe::default());
}

#[test]
fn what_workers_run_and_hold_is_told_by_name() {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1)]));
    let assigned = double.take_assigned(1);
    let contents = |answer| match answer {
        AnswerBody::Contents(contents) => (contents.names, contents.workers),
        other => panic!("an answer to another question: {other:?}"),
    };
    let there = (vec!["a".to_owned()], vec![1]);
    assert_eq!(contents(ask(&mut double, QueryBody::Processing(()))), there);
    double.finish(1, &assigned);
    let none = (Vec::new(), Vec::new());
    assert_eq!(contents(ask(&mut double, QueryBody::Processing(()))), none);
    assert_eq!(contents(ask(&mut double, QueryBody::Contents(()))), there);
}
