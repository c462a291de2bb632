//! What tasks went through, and the whole of what a scheduler knows.

use crate::{BlockName, Blocks, ProtoError};

/// Which changes of tasks' states are asked for: those of these tasks, and those that came from
/// these stimuli.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StoryQuery {
    /// Names of layers, for all their blocks.
    #[prost(string, repeated, tag = "1")]
    pub layers: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub keys: Vec<BlockName>,
    #[prost(string, repeated, tag = "3")]
    pub stimuli: Vec<String>,
    /// Those of all tasks.
    #[prost(bool, tag = "4")]
    pub all: bool,
    /// From the change of this number on.
    #[prost(uint64, tag = "5")]
    pub from: u64,
}

/// Changes of tasks' states, as columns, in their order. Names are positions in `names`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Story {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    #[prost(uint32, repeated, tag = "2")]
    pub layers: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    pub blocks: Vec<u32>,
    /// The number of the block is part of the key.
    #[prost(bool, repeated, tag = "4")]
    pub numbered: Vec<bool>,
    /// States before and after.
    #[prost(uint32, repeated, tag = "5")]
    pub starts: Vec<u32>,
    #[prost(uint32, repeated, tag = "6")]
    pub finishes: Vec<u32>,
    /// Address of the worker concerned, or nothing.
    #[prost(uint32, repeated, tag = "7")]
    pub workers: Vec<u32>,
    #[prost(uint32, repeated, tag = "8")]
    pub stimuli: Vec<u32>,
    /// Since the epoch, by the scheduler's clock.
    #[prost(uint64, repeated, tag = "9")]
    pub micros: Vec<u64>,
    /// How many changes there were so far.
    #[prost(uint64, tag = "10")]
    pub written: u64,
    /// How many of these are not remembered any more.
    #[prost(uint64, tag = "11")]
    pub forgotten: u64,
}

/// All that a scheduler knows of tasks and layers, as columns. Names are positions in `names`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateDump {
    /// Names of layers and of their operations, and of states.
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    /// Each task's layer and block.
    #[prost(message, optional, tag = "2")]
    pub tasks: Option<Blocks>,
    #[prost(uint32, repeated, tag = "3")]
    pub operations: Vec<u32>,
    #[prost(bool, repeated, tag = "4")]
    pub numbered: Vec<bool>,
    #[prost(uint32, repeated, tag = "5")]
    pub states: Vec<u32>,
    #[prost(uint64, repeated, tag = "6")]
    pub nbytes: Vec<u64>,
    #[prost(uint64, repeated, tag = "7")]
    pub priorities: Vec<u64>,
    #[prost(uint32, repeated, tag = "8")]
    pub retries: Vec<u32>,
    #[prost(uint32, repeated, tag = "9")]
    pub deaths: Vec<u32>,
    /// How many of its inputs are not in memory.
    #[prost(uint32, repeated, tag = "10")]
    pub missing: Vec<u32>,
    /// How many inputs each task has; positions of these among the tasks follow in `inputs`.
    #[prost(uint32, repeated, tag = "11")]
    pub input_counts: Vec<u32>,
    #[prost(uint32, repeated, tag = "12")]
    pub inputs: Vec<u32>,
    /// How many workers hold each task's value, or were given it; their numbers follow in `workers`.
    #[prost(uint32, repeated, tag = "13")]
    pub worker_counts: Vec<u32>,
    #[prost(uint32, repeated, tag = "14")]
    pub workers: Vec<u32>,
    /// How many clients want each task; their numbers follow in `clients`.
    #[prost(uint32, repeated, tag = "15")]
    pub client_counts: Vec<u32>,
    #[prost(uint32, repeated, tag = "16")]
    pub clients: Vec<u32>,
    /// Why the tasks failed that did: positions among the tasks, and messages.
    #[prost(uint32, repeated, tag = "17")]
    pub failed: Vec<u32>,
    #[prost(string, repeated, tag = "18")]
    pub failures: Vec<String>,
    /// Further figures by name.
    #[prost(message, repeated, tag = "19")]
    pub figures: Vec<crate::EventField>,
}

impl StateDump {
    pub(crate) fn check(&self) -> Result<(), ProtoError> {
        self.tasks.as_ref().map_or(Ok(()), Blocks::check)
    }
}
