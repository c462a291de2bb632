//! Events of workers, and clients that follow them: nobody gets one twice, each worker's come in
//! their order, and where nothing goes wrong everybody gets all.

use std::collections::{BTreeMap, BTreeSet};

use rask_proto::{
    AnswerBody, EventOp, EventRequest, Events, Follow, FromClient, FromWorker, LogEvent, Packed,
    Query, QueryBody, ToClient, TopicAfter,
};

use crate::network::{Message, Party};
use crate::simulation::Simulation;

const TOPIC: &str = "simulated";
/// Of 100 tasks, how many log an event.
const LOGGING_PERCENT: u64 = 20;

/// What a client knows of the topic.
#[derive(Default)]
pub(crate) struct SimFollower {
    /// The question that waits for an answer.
    question: u64,
    after: u64,
    seen: BTreeSet<(u32, u32)>,
    /// The last event of each worker.
    last: BTreeMap<u32, u32>,
}

impl SimFollower {
    /// Asks for what comes next.
    pub(crate) fn ask_next(&mut self) -> FromClient {
        self.question += 1;
        self.ask()
    }

    /// Asks the same again, on another connection.
    pub(crate) fn ask(&self) -> FromClient {
        let topics = vec![TopicAfter {
            topic: TOPIC.to_owned(),
            after: self.after,
        }];
        let request = EventRequest {
            op: Some(EventOp::Follow(Follow { topics })),
        };
        FromClient::Query(Query {
            id: self.question,
            body: Some(QueryBody::Events(request)),
        })
    }

    /// Takes an answer in; the next question, if it was one about events.
    pub(crate) fn on_message(&mut self, message: &ToClient) -> Option<FromClient> {
        let ToClient::Answer(answer) = message else {
            return None;
        };
        let Some(AnswerBody::Events(events)) = &answer.body else {
            return None;
        };
        if answer.id != self.question {
            // It was asked again on another connection, and answered twice.
            return None;
        }
        self.take_in(events);
        Some(self.ask_next())
    }

    fn take_in(&mut self, events: &Events) {
        assert!(!events.events.is_empty(), "an answer that tells nothing");
        for event in &events.events {
            assert_eq!(events.names[event.topic as usize], TOPIC);
            let value = event.value.as_ref().expect("workers log values");
            let (worker, number) = value_of(&value.header);
            assert!(self.seen.insert((worker, number)), "an event is told twice");
            let last = self.last.insert(worker, number);
            assert!(last.is_none_or(|last| last < number), "out of order");
            self.after = event.serial;
        }
    }
}

fn value_of(header: &[u8]) -> (u32, u32) {
    let part = |range: std::ops::Range<usize>| {
        u32::from_le_bytes(header[range].try_into().expect("four bytes"))
    };
    (part(0..4), part(4..8))
}

/// How many events each worker has logged.
#[derive(Default)]
pub(crate) struct Logged {
    counts: BTreeMap<u32, u32>,
}

impl Simulation {
    /// A task of a worker ended, and may have logged an event.
    pub(crate) fn log_event(&mut self, worker: u32) {
        if !self.random.chance(LOGGING_PERCENT) {
            return;
        }
        let count = self.logged.counts.entry(worker).or_default();
        *count += 1;
        let header = [worker.to_le_bytes(), count.to_le_bytes()].concat();
        let event = FromWorker::Event(LogEvent {
            topics: vec![TOPIC.to_owned()],
            value: Some(Packed::new("simulated", header.into(), Vec::new())),
        });
        let from = Party::Worker(worker);
        self.send(from, Party::Scheduler, Message::FromWorker(event));
    }

    /// Without faults every client that follows from the beginning has seen every event.
    pub(crate) fn check_followers(&self) {
        if self.settings.faults != crate::Faults::default() {
            return;
        }
        let logged: u32 = self.logged.counts.values().sum();
        for client in self.clients.values() {
            assert_eq!(
                client.follower.seen.len(),
                logged as usize,
                "events are lost"
            );
        }
    }
}
