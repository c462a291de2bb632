//! Spans: names under which users put parts of their work, and what became of it.

use crate::{OriginSpec, ProtoError};

/// Most names of a span inside of spans.
const DEPTH_MAX: usize = 64;
/// Longest name and identifier, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// A span by the names of all that it is inside of, the outermost first, and its own.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SpanPath {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    /// Unique; the last one names the span.
    #[prost(string, repeated, tag = "2")]
    pub ids: Vec<String>,
}

impl SpanPath {
    /// Refuses what can be no path.
    pub fn check(&self) -> Result<(), ProtoError> {
        crate::error::check_columns("names of a span", self.names.len(), self.ids.len())?;
        let texts = self.names.iter().chain(&self.ids);
        let longest = texts.map(String::len).max().unwrap_or(0);
        for (what, value, most) in [
            ("depth of a span", self.ids.len(), DEPTH_MAX),
            ("length of a span's name", longest, NAME_BYTES_MAX),
        ] {
            if value == 0 || value > most {
                return Err(ProtoError::OutOfRange {
                    what,
                    value: value as u64,
                });
            }
        }
        Ok(())
    }
}

/// Which spans are asked for, with all that they are in and all that is in them; all if nothing is
/// named.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SpanQuery {
    #[prost(string, repeated, tag = "1")]
    pub ids: Vec<String>,
    /// Spans that have one of these in their paths.
    #[prost(string, repeated, tag = "2")]
    pub names: Vec<String>,
}

/// Something to keep with a span.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SpanNote {
    #[prost(string, tag = "1")]
    pub id: String,
    /// JSON.
    #[prost(string, tag = "2")]
    pub text: String,
}

/// Spans, those that began first before others.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Spans {
    #[prost(message, repeated, tag = "1")]
    pub spans: Vec<SpanFigures>,
    /// Spans that are not remembered any more.
    #[prost(uint64, tag = "2")]
    pub forgotten: u64,
    /// When the number of the workers' threads changed, in microseconds since the epoch, and to what.
    #[prost(uint64, repeated, tag = "3")]
    pub thread_micros: Vec<u64>,
    #[prost(uint32, repeated, tag = "4")]
    pub thread_counts: Vec<u32>,
    /// The scheduler's time now, in microseconds since the epoch.
    #[prost(uint64, tag = "5")]
    pub now_micros: u64,
}

/// One span, without those inside of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SpanFigures {
    #[prost(message, optional, tag = "1")]
    pub path: Option<SpanPath>,
    /// When the first of its tasks came, in microseconds since the epoch.
    #[prost(uint64, tag = "2")]
    pub enqueued_micros: u64,
    #[prost(message, repeated, tag = "3")]
    pub groups: Vec<SpanGroup>,
    /// Lines that made layers.
    #[prost(message, repeated, tag = "4")]
    pub origins: Vec<OriginSpec>,
    /// What users noted, as JSON.
    #[prost(string, repeated, tag = "5")]
    pub notes: Vec<String>,
    /// What its tasks did besides computing, as workers have told.
    #[prost(message, repeated, tag = "6")]
    pub activities: Vec<SpanActivity>,
}

/// Tasks of one layer, or of all calls of one function.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SpanGroup {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub operation: String,
    /// How many tasks are released, waiting, queued, processing, in memory, erred and forgotten.
    #[prost(uint64, repeated, tag = "3")]
    pub states: Vec<u64>,
    /// How often a task ended.
    #[prost(uint64, tag = "4")]
    pub ended: u64,
    #[prost(uint64, tag = "5")]
    pub nbytes: u64,
    /// When the first task that ended began and the last one ended, since the epoch; 0 if none has.
    #[prost(uint64, tag = "6")]
    pub start_micros: u64,
    #[prost(uint64, tag = "7")]
    pub stop_micros: u64,
    #[prost(uint64, tag = "8")]
    pub compute_micros: u64,
}

/// What measured tasks of one operation did with their time, in a span.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LayerActivity {
    /// Identifier of the span; empty for the default one.
    #[prost(string, tag = "1")]
    pub span: String,
    #[prost(string, tag = "2")]
    pub operation: String,
    /// Running on a processor, and not on one.
    #[prost(uint64, tag = "3")]
    pub cpu_micros: u64,
    #[prost(uint64, tag = "4")]
    pub noncpu_micros: u64,
    /// Waiting for other tasks, without a place.
    #[prost(uint64, tag = "5")]
    pub waited_micros: u64,
    /// Decoding inputs, before that.
    #[prost(uint64, tag = "6")]
    pub decode_micros: u64,
}

/// An amount of something that happened for tasks of one operation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SpanActivity {
    #[prost(string, tag = "1")]
    pub operation: String,
    /// "thread-cpu", "deserialize", …
    #[prost(string, tag = "2")]
    pub activity: String,
    /// "seconds", "bytes" or "count".
    #[prost(string, tag = "3")]
    pub unit: String,
    #[prost(double, tag = "4")]
    pub amount: f64,
}
