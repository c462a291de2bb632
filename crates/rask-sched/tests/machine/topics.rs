//! Topics against the recording double: what is remembered, who is told, and that all of it is
//! bounded.

use bytes::Bytes;
use rask_proto::{
    AnswerBody, EventOp, EventRequest, Events, Follow, FromClient, FromWorker, LogEvent, Packed,
    Query, QueryBody, ToClient, TopicAfter,
};
use rask_sched::{Event, Scheduler, Settings, TopicLimits};

use crate::double::{CLIENT, Double};

fn limited(limits: TopicLimits) -> Double {
    let mut double = Double::new(0);
    double.scheduler = Scheduler::new(Settings {
        topic_limits: limits,
        epoch_micros: 5_000_000,
        ..Settings::default()
    });
    double.event(Event::ClientJoined { client: CLIENT });
    double.forget_peers();
    double
}

fn ask(double: &mut Double, id: u64, op: EventOp) {
    let request = EventRequest { op: Some(op) };
    double.client(FromClient::Query(Query {
        id,
        body: Some(QueryBody::Events(request)),
    }));
}

/// The answers to questions about events: their numbers and what they say.
fn answers(double: &mut Double) -> Vec<(u64, Events)> {
    let messages = double.take_client().into_iter();
    let answers = messages.map(|message| match message {
        ToClient::Answer(answer) => match answer.body {
            Some(AnswerBody::Events(events)) => (answer.id, events),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    answers.collect()
}

fn answer(double: &mut Double, id: u64) -> Events {
    let mut all = answers(double);
    assert_eq!(all.len(), 1, "{all:?}");
    let (answered, events) = all.remove(0);
    assert_eq!(answered, id);
    events
}

fn value(nbytes: usize) -> Packed {
    Packed::new("test", Bytes::from(vec![1; nbytes]), Vec::new())
}

fn log(double: &mut Double, topics: &[&str], nbytes: usize) {
    let event = LogEvent {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        value: Some(value(nbytes)),
    };
    ask(double, 1000, EventOp::Log(event));
}

fn follow(double: &mut Double, id: u64, topics: &[(&str, u64)]) {
    let topics = topics.iter().map(|(topic, after)| TopicAfter {
        topic: (*topic).to_owned(),
        after: *after,
    });
    let topics = topics.collect();
    ask(double, id, EventOp::Follow(Follow { topics }));
}

fn numbers(events: &Events) -> Vec<u64> {
    events.events.iter().map(|event| event.number).collect()
}

#[test]
fn what_was_logged_is_remembered_with_its_time() {
    let mut double = limited(TopicLimits::default());
    log(&mut double, &["a", "b"], 3);
    answer(&mut double, 1000);
    ask(&mut double, 7, EventOp::Of("b".to_owned()));
    let events = answer(&mut double, 7);
    assert_eq!(events.names, ["b"]);
    assert_eq!(events.events.len(), 1);
    assert_eq!(events.events[0].value, Some(value(3)));
    assert!(events.events[0].serial > 5_000_000);
    ask(&mut double, 8, EventOp::All(()));
    let events = answer(&mut double, 8);
    // The scheduler itself has told of the client.
    assert_eq!(events.names, ["a", "all", "b"]);
    assert_eq!(events.events[1].fields[0].text, "add-client");
}

#[test]
fn a_follower_is_told_what_it_does_not_know_and_nothing_twice() {
    let mut double = limited(TopicLimits::default());
    log(&mut double, &["a"], 1);
    let first = answer(&mut double, 1000).last;
    follow(&mut double, 2, &[("a", first), ("c", first)]);
    assert!(answers(&mut double).is_empty());
    log(&mut double, &["b"], 1);
    assert_eq!(answer(&mut double, 1000).events, []);
    double.hear_worker_event("a");
    let news = answer(&mut double, 2);
    assert_eq!(numbers(&news), [2]);
    // Nobody asks: nothing is sent.
    double.hear_worker_event("a");
    assert!(answers(&mut double).is_empty());
    follow(&mut double, 3, &[("a", news.events[0].serial)]);
    assert_eq!(numbers(&answer(&mut double, 3)), [3]);
}

#[test]
fn one_who_follows_anew_is_not_told_of_the_topics_of_before() {
    let mut double = limited(TopicLimits::default());
    follow(&mut double, 2, &[("a", 0)]);
    follow(&mut double, 3, &[("b", 0)]);
    assert_eq!(answer(&mut double, 2).events, []);
    log(&mut double, &["a"], 1);
    answer(&mut double, 1000);
    log(&mut double, &["b"], 1);
    let told = answers(&mut double);
    let ids: Vec<u64> = told.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&3) && ids.contains(&1000));
}

#[test]
fn a_slow_follower_misses_events_and_can_tell_how_many() {
    let mut double = limited(TopicLimits {
        events_per_topic_max: 3,
        ..TopicLimits::default()
    });
    for _ in 0..10 {
        log(&mut double, &["a"], 1);
    }
    double.take_client();
    follow(&mut double, 2, &[("a", 1)]);
    assert_eq!(numbers(&answer(&mut double, 2)), [8, 9, 10]);
}

#[test]
fn bytes_topics_and_single_events_are_limited() {
    let mut double = limited(TopicLimits {
        bytes_max: 2000,
        topics_max: 4,
        event_bytes_max: 500,
        ..TopicLimits::default()
    });
    for number in 0..20 {
        // The invariants are checked after each.
        log(&mut double, &[&format!("topic-{number}")], 100);
        log(&mut double, &["large"], 501);
    }
    for _ in 0..20 {
        log(&mut double, &["many"], 400);
    }
    double.take_client();
    ask(&mut double, 2, EventOp::All(()));
    let events = answer(&mut double, 2);
    assert_eq!(events.names, ["many"]);
    assert_eq!(numbers(&events), [17, 18, 19, 20]);
}

#[test]
fn an_answer_to_a_follower_is_limited_and_the_rest_comes_next() {
    let mut double = limited(TopicLimits {
        answer_bytes_max: 500,
        ..TopicLimits::default()
    });
    for _ in 0..6 {
        log(&mut double, &["a"], 200);
    }
    double.take_client();
    let (mut after, mut seen) = (1, Vec::new());
    for id in 2..5 {
        follow(&mut double, id, &[("a", after)]);
        let events = answer(&mut double, id);
        assert!(events.events.len() <= 3);
        after = events.events.last().unwrap().serial;
        seen.extend(numbers(&events));
        if seen.len() == 6 {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_client_that_left_is_told_nothing() {
    let mut double = limited(TopicLimits::default());
    follow(&mut double, 2, &[("a", 0)]);
    double.event(Event::ClientLeft { client: CLIENT });
    double.hear_worker_event("a");
    assert!(double.take_client().is_empty());
}

trait HearWorkerEvent {
    fn hear_worker_event(&mut self, topic: &str);
}

impl HearWorkerEvent for Double {
    /// A worker logs an event.
    fn hear_worker_event(&mut self, topic: &str) {
        self.join(1, 1);
        self.forget_peers();
        let topics = vec![topic.to_owned()];
        let value = Some(value(1));
        self.hear_worker(1, FromWorker::Event(LogEvent { topics, value }));
        self.lose(1);
        self.forget_peers();
    }
}
