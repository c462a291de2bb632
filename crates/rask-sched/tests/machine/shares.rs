//! Shares: whose task is next, and quotas.

use rask_proto::{Answer, AnswerBody, FromClient, Hello, Query, QueryBody, ShareFigures, ToClient};
use rask_sched::{ClientId, Event, Settings, ShareSettings};

use crate::double::{Double, finished, needing, source, submission};

const OTHER: ClientId = ClientId(2);

fn cluster(shares: &[&str], workers: u32) -> Double {
    let shares = ShareSettings::try_all(shares.iter().copied());
    let settings = Settings {
        shares: shares.expect("shares as they are written"),
        ..Settings::default()
    };
    Double::with(settings, workers)
}

fn hello(share: &str) -> FromClient {
    FromClient::Hello(Hello {
        share: share.to_owned(),
        ..Hello::default()
    })
}

fn join_other(double: &mut Double, share: &str) {
    double.event(Event::ClientJoined { client: OTHER });
    double.forget_peers();
    say(double, hello(share));
}

fn say(double: &mut Double, message: FromClient) {
    double.event(Event::FromClient {
        client: OTHER,
        message,
    });
}

/// A submission under other names than the first client's.
fn others(count: u32) -> FromClient {
    FromClient::Submit(submission(vec![source("other", count)]))
}

fn figures(double: &mut Double) -> Vec<ShareFigures> {
    double.client(FromClient::Query(Query {
        id: 7,
        body: Some(QueryBody::Shares(())),
    }));
    let answers = double.take_client().into_iter();
    let mut shares = answers.filter_map(|message| match message {
        ToClient::Answer(Answer {
            body: Some(AnswerBody::Shares(shares)),
            ..
        }) => Some(shares.shares),
        _ => None,
    });
    shares.next().expect("an answer")
}

/// Runs what is assigned to worker 1 one by one; the layers of the tasks, in order.
fn run(double: &mut Double, count: usize) -> Vec<u32> {
    let mut layers = Vec::new();
    while layers.len() < count {
        let tasks = double.take_assigned(1);
        assert!(!tasks.is_empty(), "nothing is handed out after {layers:?}");
        for task in tasks {
            layers.push(task.0);
            double.finish(1, &[task]);
        }
    }
    double.take_client();
    layers
}

#[test]
fn a_short_job_goes_on_beside_a_long_one() {
    let mut double = cluster(&[], 1);
    double.submit(submission(vec![source("long", 100)]));
    join_other(&mut double, "");
    say(&mut double, others(3));
    let layers = run(&mut double, 8);
    assert_eq!(layers, [0, 1, 0, 1, 0, 1, 0, 0]);
    run(&mut double, 95);
    double.forget_layers();
    double.client(FromClient::Release(
        (0..100).map(|block| (1, block)).collect(),
    ));
    say(
        &mut double,
        FromClient::Release((0..3).map(|block| (1, block)).collect()),
    );
    assert_eq!(double.take_freed(1).len(), 103);
    double.forget_layers();
}

#[test]
fn weights_say_how_much_of_the_work_is_whose() {
    let mut double = cluster(&["a:weight=3", "b:weight=1"], 1);
    double.client(hello("a"));
    double.submit(submission(vec![source("of-a", 100)]));
    join_other(&mut double, "b");
    say(&mut double, others(100));
    let layers = run(&mut double, 80);
    let of_a = layers.iter().filter(|layer| **layer == 0).count();
    assert!((59..=61).contains(&of_a), "{of_a} of 80");
    let shares = figures(&mut double);
    assert_eq!(shares.len(), 2);
    assert_eq!(shares[0].ended + shares[1].ended, 80);
    assert!(shares[0].is_own && !shares[1].is_own);
    double.take_assigned(1);
}

/// Tasks that need others wait for their worker, and are served as fairly.
#[test]
fn tasks_in_the_queue_of_a_worker_take_turns_too() {
    let mut double = cluster(&[], 1);
    let needs: Vec<&[(u32, u32)]> = vec![&[(0, 0)]; 20];
    double.submit(submission(vec![
        source("long", 1),
        needing("users", &needs),
    ]));
    assert_eq!(run(&mut double, 2), [0, 1]);
    join_other(&mut double, "");
    say(&mut double, others(4));
    // One is with the worker already.
    let layers = run(&mut double, 9);
    assert_eq!(layers, [1, 1, 2, 1, 2, 1, 2, 1, 2]);
    double.take_assigned(1);
}

#[test]
fn a_quota_of_tasks_leaves_threads_to_others() {
    let mut double = cluster(&["a:tasks=1"], 3);
    double.client(hello("a"));
    double.submit(submission(vec![source("of-a", 5)]));
    let taken: Vec<_> = (1..=3)
        .flat_map(|worker| double.take_assigned(worker))
        .collect();
    assert_eq!(taken.len(), 1);
    let shares = figures(&mut double);
    assert_eq!((shares[0].running, shares[0].ready), (1, 4));
    assert_eq!(shares[0].held_back_by, "tasks");
    join_other(&mut double, "b");
    say(&mut double, others(5));
    let taken: Vec<_> = (1..=3)
        .flat_map(|worker| double.take_assigned(worker))
        .collect();
    assert_eq!(taken.len(), 2, "the other share takes what is free");
}

#[test]
fn a_share_that_holds_its_quota_goes_on_when_values_are_released() {
    let mut double = cluster(&["a:memory=150"], 1);
    double.client(hello("a"));
    double.submit(submission(vec![source("kept", 4)]));
    assert_eq!(run(&mut double, 2), [0, 0]);
    assert_eq!(figures(&mut double)[0].held_back_by, "memory");
    assert!(
        double.take_assigned(1).is_empty(),
        "two values of 100 bytes are held"
    );
    double.client(FromClient::Release([(1, 0)].into_iter().collect()));
    assert_eq!(double.take_freed(1), [(0, 0)]);
    assert_eq!(double.take_assigned(1).len(), 1);
}

#[test]
fn tasks_that_use_what_is_held_go_on_beyond_the_quota() {
    let mut double = cluster(&["a:memory=250"], 1);
    double.client(hello("a"));
    let layers = vec![
        source("read", 4),
        needing("half", &[&[(0, 0), (0, 1)], &[(0, 2), (0, 3)]]),
    ];
    double.submit(submission(layers));
    let mut layers = Vec::new();
    for _ in 0..6 {
        let tasks = double.take_assigned(1);
        layers.extend(tasks.iter().map(|task| task.0));
        double.finish(1, &tasks);
        double.take_freed(1);
    }
    // The last one begins while three values of 100 bytes are held.
    assert_eq!(layers, [0, 0, 1, 0, 0, 1]);
    assert_eq!(finished(&double.take_client()).len(), 2);
}

#[test]
fn a_quota_that_cannot_be_met_is_an_error_with_the_figures() {
    let mut double = cluster(&["a:memory=150"], 1);
    double.client(hello("a"));
    let all: Vec<(u32, u32)> = (0..3).map(|block| (0, block)).collect();
    double.submit(submission(vec![source("read", 3), needing("sum", &[&all])]));
    for _ in 0..2 {
        let tasks = double.take_assigned(1);
        double.finish(1, &tasks);
    }
    let messages = double.take_client();
    let failure = messages.iter().find_map(|message| match message {
        ToClient::Erred(erred) => erred.failure.clone(),
        _ => None,
    });
    let text = failure.expect("the sum fails").message;
    assert!(
        text.contains("\"a\" may hold 150 bytes and holds 200 bytes"),
        "{text}"
    );
    assert_eq!(
        double.take_freed(1).len(),
        2,
        "what was made for it is dropped"
    );
    assert!(finished(&messages).is_empty());
}

/// What only clients could release is waited for, and then it is an error too.
#[test]
fn a_share_that_keeps_its_quota_full_is_told_after_a_while() {
    let mut double = cluster(&["a:memory=150"], 1);
    double.client(hello("a"));
    double.submit(submission(vec![source("kept", 4)]));
    run(&mut double, 2);
    let deadline = double.scheduler.next_deadline().expect("it is waited for");
    assert!(deadline.micros > 60_000_000, "{deadline:?}");
    double.now = deadline.micros;
    double.event(Event::TimePassed);
    let erred = double
        .take_client()
        .into_iter()
        .filter_map(|message| match message {
            ToClient::Erred(erred) => erred.blocks.map(|blocks| blocks.len()),
            _ => None,
        });
    assert_eq!(erred.sum::<usize>(), 2);
}

/// A task that two shares want is not held back by the quota of the one it counts for.
#[test]
fn what_others_want_too_goes_on_beyond_the_quota() {
    let mut double = cluster(&["a:memory=150"], 1);
    double.client(hello("a"));
    double.submit(submission(vec![source("kept", 4)]));
    run(&mut double, 2);
    join_other(&mut double, "b");
    let mut wish = submission(vec![source("kept", 4)]);
    wish.wanted = Some([(0, 3)].into_iter().collect());
    say(&mut double, FromClient::Submit(wish));
    assert_eq!(double.take_assigned(1), [(0, 3)]);
    double.finish(1, &[(0, 3)]);
    assert!(double.take_assigned(1).is_empty());
    double.take_client();
}

/// A share that nobody uses is forgotten, and its record used again.
#[test]
fn shares_end_with_their_clients_and_tasks() {
    let mut double = cluster(&[], 1);
    join_other(&mut double, "team");
    say(&mut double, others(2));
    double.event(Event::ClientLeft { client: OTHER });
    let names: Vec<String> = figures(&mut double).into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["client-1"]);
    double.take_assigned(1);
    double.take_unassigned(1);
    double.forget_layers();
}
