//! Topics: what peers, and the scheduler itself, tell whoever wants to know.

use crate::{Packed, ProtoError};

/// Something to be told under each of some topics.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LogEvent {
    #[prost(string, repeated, tag = "1")]
    pub topics: Vec<String>,
    /// Opaque to the scheduler.
    #[prost(message, optional, tag = "2")]
    pub value: Option<Packed>,
}

/// A topic, and the serial of the last event of it that the asker knows.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TopicAfter {
    #[prost(string, tag = "1")]
    pub topic: String,
    #[prost(uint64, tag = "2")]
    pub after: u64,
}

/// Topics that a client follows.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Follow {
    #[prost(message, repeated, tag = "1")]
    pub topics: Vec<TopicAfter>,
}

/// What may be asked of topics.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum EventOp {
    /// Answered without events.
    #[prost(message, tag = "1")]
    Log(LogEvent),
    /// The events of this topic that are remembered.
    #[prost(string, tag = "2")]
    Of(String),
    /// The events of all topics that are remembered.
    #[prost(message, tag = "3")]
    All(()),
    /// Events after those that the asker knows: answered as soon as there are any, or when the asker
    /// follows anew. Nothing is kept for one who does not ask.
    #[prost(message, tag = "4")]
    Follow(Follow),
}

/// A request about topics.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EventRequest {
    #[prost(oneof = "EventOp", tags = "1, 2, 3, 4")]
    pub op: Option<EventOp>,
}

/// An event of one topic.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EventRecord {
    /// Position in the names of the answer.
    #[prost(uint32, tag = "1")]
    pub topic: u32,
    /// When it came, in microseconds since the epoch by the scheduler's clock. No two events have
    /// the same.
    #[prost(uint64, tag = "2")]
    pub serial: u64,
    /// Counts the events of the topic, from 1: a gap is of events that are forgotten.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// What a peer logged.
    #[prost(message, optional, tag = "4")]
    pub value: Option<Packed>,
    /// What the scheduler itself says, where there is no value.
    #[prost(message, repeated, tag = "5")]
    pub fields: Vec<EventField>,
}

/// A part of what the scheduler says.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EventField {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub text: String,
    /// Instead of a text.
    #[prost(uint64, optional, tag = "3")]
    pub count: Option<u64>,
}

/// Events, each topic's in the order in which they came.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Events {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub events: Vec<EventRecord>,
    /// The serial of the last event of any topic.
    #[prost(uint64, tag = "3")]
    pub last: u64,
}

type Visit<'a> = &'a mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>;

impl LogEvent {
    pub(crate) fn for_each_packed(&mut self, visit: Visit<'_>) -> Result<(), ProtoError> {
        self.value.iter_mut().try_for_each(visit)
    }
}

impl EventRequest {
    pub(crate) fn for_each_packed(&mut self, visit: Visit<'_>) -> Result<(), ProtoError> {
        match &mut self.op {
            Some(EventOp::Log(event)) => event.for_each_packed(visit),
            _ => Ok(()),
        }
    }
}

impl Events {
    pub(crate) fn for_each_packed(&mut self, visit: Visit<'_>) -> Result<(), ProtoError> {
        let values = self.events.iter_mut();
        values
            .filter_map(|event| event.value.as_mut())
            .try_for_each(visit)
    }
}
