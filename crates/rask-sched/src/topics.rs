//! Topics: what clients, workers and the scheduler itself log, for those who want to know.
//!
//! Everything is bounded: events of a topic, topics, bytes of all of them. A follower asks for what
//! comes after the events that it knows; while it does not ask nothing is kept for it, and events
//! that are forgotten meanwhile show as a gap in their numbers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rask_proto::{
    Answer, AnswerBody, EventField, EventOp, EventRecord, EventRequest, Events, LogEvent, Packed,
    ToClient, TopicAfter,
};

use crate::HashMap;
use crate::event::{ClientId, Command, Time};
use crate::scheduler::Scheduler;

/// How much of what was logged is remembered.
#[derive(Clone, Debug)]
pub struct TopicLimits {
    pub events_per_topic_max: usize,
    pub topics_max: usize,
    /// Of the values of all events.
    pub bytes_max: u64,
    /// An event with a larger value is dropped.
    pub event_bytes_max: u64,
    /// Of the values in one answer, beyond the first.
    pub answer_bytes_max: u64,
}

impl Default for TopicLimits {
    fn default() -> Self {
        TopicLimits {
            events_per_topic_max: 1000,
            topics_max: 10_000,
            bytes_max: 64 << 20,
            event_bytes_max: 4 << 20,
            answer_bytes_max: 1 << 20,
        }
    }
}

/// For the books of an event beside its value.
const EVENT_BYTES: u64 = 64;

/// What an event says.
#[derive(Debug)]
enum Body {
    Logged(Packed),
    Own(Vec<EventField>),
}

impl Body {
    fn nbytes(&self) -> u64 {
        EVENT_BYTES
            + match self {
                Body::Logged(value) => value.nbytes(),
                Body::Own(fields) => {
                    let fields = fields.iter();
                    let lengths = fields.map(|field| field.name.len() + field.text.len());
                    lengths.sum::<usize>() as u64
                }
            }
    }
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    number: u64,
    body: Arc<Body>,
}

#[derive(Debug, Default)]
struct Topic {
    entries: VecDeque<Entry>,
    /// Events so far.
    count: u64,
}

/// A question that waits for events.
#[derive(Debug)]
struct Waiting {
    question: u64,
    topics: Vec<TopicAfter>,
}

/// All topics, and who waits for which.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    limits: TopicLimits,
    topics: HashMap<Arc<str>, Topic>,
    /// The topics of the remembered events, by serial.
    order: BTreeMap<u64, Arc<str>>,
    nbytes: u64,
    last_serial: u64,
    waiting: BTreeMap<ClientId, Waiting>,
    waiting_by_topic: HashMap<String, Vec<ClientId>>,
}

impl Topics {
    pub fn new(limits: TopicLimits) -> Self {
        Topics {
            limits,
            ..Topics::default()
        }
    }

    /// Adds an event; the clients that wait for it, with their questions.
    fn add(&mut self, micros: u64, topic: &str, body: Arc<Body>) -> Vec<ClientId> {
        self.last_serial = micros.max(self.last_serial + 1);
        let serial = self.last_serial;
        let name = match self.topics.get_key_value(topic) {
            Some((name, _)) => name.clone(),
            None => {
                let name: Arc<str> = topic.into();
                self.topics.insert(name.clone(), Topic::default());
                name
            }
        };
        self.nbytes += body.nbytes();
        self.order.insert(serial, name.clone());
        let Some(known) = self.topics.get_mut(&name) else {
            return Vec::new();
        };
        known.count += 1;
        let number = known.count;
        known.entries.push_back(Entry {
            serial,
            number,
            body,
        });
        if known.entries.len() > self.limits.events_per_topic_max {
            self.forget_first_of(&name);
        }
        self.keep_limits(serial);
        let waiting = self.waiting_by_topic.get(topic);
        waiting.cloned().unwrap_or_default()
    }

    fn forget_first_of(&mut self, name: &Arc<str>) {
        let topic = self.topics.get_mut(name);
        if let Some(entry) = topic.and_then(|topic| topic.entries.pop_front()) {
            self.nbytes -= entry.body.nbytes();
            self.order.remove(&entry.serial);
        }
    }

    /// Forgets the oldest events, but not the one that has just come.
    fn keep_limits(&mut self, newest: u64) {
        while self.nbytes > self.limits.bytes_max || self.topics.len() > self.limits.topics_max {
            let Some((&serial, name)) = self.order.first_key_value() else {
                return;
            };
            if serial == newest {
                return;
            }
            let name = name.clone();
            self.forget_first_of(&name);
            if self
                .topics
                .get(&name)
                .is_some_and(|topic| topic.entries.is_empty())
            {
                self.topics.remove(&name);
            }
        }
    }

    /// Events of topics after these serials; further ones are left for the next time once the
    /// values have so many bytes.
    fn events_of<'a>(&self, names: impl Iterator<Item = (&'a str, u64)>, bytes_max: u64) -> Events {
        let mut events = self.no_events();
        let mut nbytes = 0;
        for (name, after) in names {
            let Some(topic) = self.topics.get(name) else {
                continue;
            };
            let from = topic.entries.partition_point(|entry| entry.serial <= after);
            if from == topic.entries.len() {
                continue;
            }
            let position = events.names.len() as u32;
            events.names.push(name.to_owned());
            for entry in topic.entries.range(from..) {
                if nbytes > bytes_max {
                    break;
                }
                nbytes += entry.body.nbytes();
                events.events.push(record_of(position, entry));
            }
        }
        events
    }

    fn no_events(&self) -> Events {
        Events {
            last: self.last_serial,
            ..Events::default()
        }
    }

    /// The events that a follower does not know, at most an answer's worth; the oldest first.
    fn news_for(&self, topics: &[TopicAfter]) -> Option<Events> {
        let asked = topics.iter();
        let asked = asked.map(|asked| (asked.topic.as_str(), self.known_serial(asked.after)));
        let events = self.events_of(asked, self.limits.answer_bytes_max);
        (!events.events.is_empty()).then_some(events)
    }

    /// What a follower knows. One who knows of later events than there were knew another scheduler,
    /// whose clock was ahead: it gets whatever there is.
    fn known_serial(&self, after: u64) -> u64 {
        if after > self.last_serial { 0 } else { after }
    }

    fn wait(&mut self, client: ClientId, question: u64, topics: Vec<TopicAfter>) {
        for asked in &topics {
            let waiting = self.waiting_by_topic.entry(asked.topic.clone());
            waiting.or_default().push(client);
        }
        self.waiting.insert(client, Waiting { question, topics });
    }

    /// The question of a client that waits for events, which does not wait any longer.
    fn end_wait(&mut self, client: ClientId) -> Option<Waiting> {
        let ended = self.waiting.remove(&client)?;
        for asked in &ended.topics {
            if let Some(waiting) = self.waiting_by_topic.get_mut(&asked.topic) {
                waiting.retain(|other| *other != client);
                if waiting.is_empty() {
                    self.waiting_by_topic.remove(&asked.topic);
                }
            }
        }
        Some(ended)
    }

    /// Whether the books fit each other.
    pub fn check(&self) -> Result<(), String> {
        let entries = || self.topics.values().flat_map(|topic| &topic.entries);
        let nbytes: u64 = entries().map(|entry| entry.body.nbytes()).sum();
        if nbytes != self.nbytes || entries().count() != self.order.len() {
            return Err("the books of the topics do not fit their events".to_owned());
        }
        let over = self.order.len() > 1 && self.nbytes > self.limits.bytes_max;
        match over || self.topics.len() > self.limits.topics_max.max(1) {
            true => Err("more events are remembered than may be".to_owned()),
            false => Ok(()),
        }
    }
}

fn record_of(topic: u32, entry: &Entry) -> EventRecord {
    let mut record = EventRecord {
        topic,
        serial: entry.serial,
        number: entry.number,
        ..EventRecord::default()
    };
    match &*entry.body {
        Body::Logged(value) => record.value = Some(value.clone()),
        Body::Own(fields) => record.fields.clone_from(fields),
    }
    record
}

/// A part of what the scheduler says of itself.
pub(crate) fn text(name: &str, text: impl Into<String>) -> EventField {
    EventField {
        name: name.to_owned(),
        text: text.into(),
        count: None,
    }
}

/// As `text`, for numbers.
pub(crate) fn count(name: &str, count: u64) -> EventField {
    EventField {
        name: name.to_owned(),
        count: Some(count),
        ..EventField::default()
    }
}

impl Scheduler {
    /// The topics' part of a client's question.
    pub(crate) fn on_events(&mut self, client: ClientId, question: u64, request: EventRequest) {
        let events = match request.op {
            None => return,
            Some(EventOp::Log(event)) => {
                self.on_log_event(event);
                self.topics.no_events()
            }
            Some(EventOp::Of(topic)) => self
                .topics
                .events_of([(topic.as_str(), 0)].into_iter(), u64::MAX),
            Some(EventOp::All(())) => {
                let mut names: Vec<&str> = self.topics.topics.keys().map(|name| &**name).collect();
                names.sort_unstable();
                let names = names.into_iter().map(|name| (name, 0));
                self.topics.events_of(names, u64::MAX)
            }
            Some(EventOp::Follow(follow)) => {
                self.end_following(client, Some(question));
                match self.topics.news_for(&follow.topics) {
                    Some(news) => news,
                    None => return self.topics.wait(client, question, follow.topics),
                }
            }
        };
        self.answer_events(client, question, events);
    }

    /// A client or a worker logs something.
    pub(crate) fn on_log_event(&mut self, event: LogEvent) {
        let value = event.value.unwrap_or_default();
        if value.nbytes() <= self.settings.topic_limits.event_bytes_max {
            let body = Arc::new(Body::Logged(value));
            let topics: Vec<&str> = event.topics.iter().map(String::as_str).collect();
            self.publish(&topics, body);
        }
    }

    /// The scheduler itself says that something has happened that people may want to know: a dict
    /// with this `action`.
    pub(crate) fn log_action(
        &mut self,
        topics: &[&str],
        action: &str,
        mut fields: Vec<EventField>,
    ) {
        fields.insert(0, text("action", action));
        self.publish(topics, Arc::new(Body::Own(fields)));
    }

    fn publish(&mut self, topics: &[&str], body: Arc<Body>) {
        let Time { micros } = self.now;
        let micros = self.settings.epoch_micros + micros;
        for topic in topics {
            let waiting = self.topics.add(micros, topic, body.clone());
            for client in waiting {
                let Some(ended) = self.topics.end_wait(client) else {
                    continue;
                };
                let news = self.topics.news_for(&ended.topics);
                let news = news.unwrap_or_else(|| self.topics.no_events());
                self.answer_events(client, ended.question, news);
            }
        }
    }

    /// The client waits for no events any more. If it asks anew, its question of before is answered.
    pub(crate) fn end_following(&mut self, client: ClientId, next: Option<u64>) {
        let Some(ended) = self.topics.end_wait(client) else {
            return;
        };
        if next.is_some_and(|next| next != ended.question) {
            let nothing = self.topics.no_events();
            self.answer_events(client, ended.question, nothing);
        }
    }

    fn answer_events(&mut self, client: ClientId, question: u64, events: Events) {
        let answer = Answer {
            id: question,
            body: Some(AnswerBody::Events(events)),
        };
        self.out.push(Command::ToClient {
            client,
            message: ToClient::Answer(answer),
        });
    }
}
