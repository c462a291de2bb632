//! Topics as a client sees them: logging, reading what is remembered, following.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use foldhash::HashMap;
use parking_lot::Mutex;
use rask_proto::{
    Answer, AnswerBody, Capabilities, EventOp, EventRequest, Events, Follow, LogEvent, LogLines,
    Packed, QueryBody, TopicAfter,
};

use super::ClusterClient;
use crate::ClusterError;

/// For answers of the scheduler.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

impl ClusterClient {
    /// Has the scheduler tell those who follow any of `topics`.
    pub fn log_event(&self, topics: Vec<String>, value: Packed) -> Result<(), ClusterError> {
        let event = LogEvent {
            topics,
            value: Some(value),
        };
        self.ask_events(EventOp::Log(event)).map(drop)
    }

    /// The events that are remembered, of one topic or of all.
    pub fn events(&self, topic: Option<String>) -> Result<Events, ClusterError> {
        self.ask_events(topic.map_or(EventOp::All(()), EventOp::Of))
    }

    /// The last `count` lines that the scheduler logged; all that are kept if 0.
    pub fn scheduler_logs(&self, count: u64) -> Result<LogLines, ClusterError> {
        match self.ask(QueryBody::Logs(count), ANSWER_LIMIT)? {
            AnswerBody::Logs(lines) => Ok(lines),
            _ => Err(ClusterError::Unexpected("an answer to another question")),
        }
    }

    /// Whether the scheduler knows of topics.
    pub fn has_events(&self) -> bool {
        let capabilities = self.shared.state.lock().capabilities;
        capabilities.has(Capabilities::EVENTS)
    }

    fn ask_events(&self, op: EventOp) -> Result<Events, ClusterError> {
        if !self.has_events() {
            return Err(ClusterError::TooOld("events"));
        }
        let request = EventRequest { op: Some(op) };
        match self.ask(QueryBody::Events(request), ANSWER_LIMIT)? {
            AnswerBody::Events(events) => Ok(events),
            _ => Err(ClusterError::Unexpected("an answer to another question")),
        }
    }
}

/// An event as its followers get it.
#[derive(Clone, Debug)]
pub struct Followed {
    pub topic: String,
    pub record: rask_proto::EventRecord,
    /// Events of the topic right before this one that were forgotten before they could be told.
    pub missed: u64,
}

/// Follows topics. Nothing is asked of the scheduler while events have not been taken.
pub struct Follower {
    client: ClusterClient,
    state: Mutex<State>,
    answers: Mutex<Receiver<Answer>>,
}

struct State {
    sender: Sender<Answer>,
    topics: HashMap<String, Known>,
    /// The question whose answer is awaited.
    question: u64,
}

/// The last event of a topic that was taken.
#[derive(Clone, Copy, Default)]
struct Known {
    serial: u64,
    /// 0 before the first.
    number: u64,
}

impl Follower {
    /// Follows nothing yet.
    pub fn new(client: &ClusterClient) -> Self {
        let (sender, answers) = channel();
        Follower {
            client: client.clone(),
            state: Mutex::new(State {
                sender,
                topics: HashMap::default(),
                question: 0,
            }),
            answers: Mutex::new(answers),
        }
    }

    /// Follows further topics: their events from now on.
    pub fn add(&self, topics: &[&str]) -> Result<(), ClusterError> {
        // An event of no topic: its answer says how far the scheduler is.
        let nothing = EventOp::Log(LogEvent::default());
        let serial = self.client.ask_events(nothing)?.last;
        let mut state = self.state.lock();
        for topic in topics {
            let known = Known { serial, number: 0 };
            state.topics.entry((*topic).to_owned()).or_insert(known);
        }
        self.ask(&mut state);
        Ok(())
    }

    /// Follows a topic no longer.
    pub fn remove(&self, topic: &str) {
        let mut state = self.state.lock();
        state.topics.remove(topic);
        self.ask(&mut state);
    }

    /// The next events, waiting for them; `None` when the client is closed.
    pub fn next(&self) -> Option<Vec<Followed>> {
        let answers = self.answers.lock();
        loop {
            let answer = answers.recv().ok()?;
            let mut state = self.state.lock();
            // Whatever came with the answer to an earlier question counts; but then the next is on
            // its way already.
            let is_latest = answer.id == state.question;
            let Some(AnswerBody::Events(events)) = answer.body else {
                return None;
            };
            let news = state.take_in(events);
            if is_latest {
                self.ask(&mut state);
            }
            if !news.is_empty() {
                return Some(news);
            }
        }
    }

    /// Asks for what comes after the events that are known.
    fn ask(&self, state: &mut State) {
        let topics = state.topics.iter().map(|(topic, known)| TopicAfter {
            topic: topic.clone(),
            after: known.serial,
        });
        let request = EventRequest {
            op: Some(EventOp::Follow(Follow {
                topics: topics.collect(),
            })),
        };
        let body = QueryBody::Events(request);
        state.question = self.client.begin_routed(body, state.sender.clone());
    }
}

impl State {
    fn take_in(&mut self, events: Events) -> Vec<Followed> {
        let mut news = Vec::new();
        for record in events.events {
            let topic = events.names.get(record.topic as usize);
            let Some((topic, known)) = topic.and_then(|topic| {
                let known = self.topics.get_mut(topic)?;
                Some((topic, known))
            }) else {
                continue;
            };
            let is_known = record.serial <= known.serial && record.number <= known.number;
            if is_known {
                continue;
            }
            let missed = match known.number {
                0 => 0,
                last => record.number.saturating_sub(last + 1),
            };
            *known = Known {
                serial: record.serial,
                number: record.number,
            };
            news.push(Followed {
                topic: topic.clone(),
                record,
                missed,
            });
        }
        news
    }
}

impl ClusterClient {
    /// Asks a question whose answer goes to `sender`, so that waiting for it takes part in nothing
    /// else; its number.
    fn begin_routed(&self, body: QueryBody, sender: Sender<Answer>) -> u64 {
        let query = self.shared.state.lock().begin_routed(body, sender);
        let id = query.id;
        self.shared.say(rask_proto::FromClient::Query(query));
        id
    }
}

/// Where answers go that no caller waits for on its own.
pub(super) type Routes = HashMap<u64, Sender<Answer>>;
