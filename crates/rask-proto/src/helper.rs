//! Between the scheduler and the helper process beside it, which runs what users want run there.

use prost::Message;

use crate::{Call, CallReply, Info, ProtoError, Suggestions};

/// What the helper is told.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ToHelper {
    #[prost(message, tag = "1")]
    Call(Call),
    #[prost(message, tag = "2")]
    Event(HelperEvent),
    /// The answer to [`FromHelper::AskState`].
    #[prost(message, tag = "3")]
    State(HelperState),
    /// The scheduler ends.
    #[prost(message, tag = "4")]
    Close(()),
}

/// What the helper says.
#[derive(Clone, PartialEq, prost::Oneof)]
#[expect(
    clippy::large_enum_variant,
    reason = "messages are made and read one at a time"
)]
pub enum FromHelper {
    #[prost(message, tag = "1")]
    Reply(CallReply),
    /// Tell the state: with every task, or without.
    #[prost(bool, tag = "2")]
    AskState(bool),
    /// Tell events, or tell none any longer.
    #[prost(bool, tag = "3")]
    Watch(bool),
    /// What policies want done about copies of values.
    #[prost(message, tag = "4")]
    Suggest(Suggestions),
}

/// Something that happened in the scheduler.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelperEvent {
    /// "transition", "add_worker", "remove_worker", "add_client", "remove_client",
    /// "update_graph", "restart", "log_event", "memory_manager" (`name` is "start", "stop" or "run_once") or
    /// "lost" (`block` events were left out: the helper is too slow).
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Of a layer, worker or client.
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(uint32, tag = "3")]
    pub block: u32,
    /// The block is part of the key.
    #[prost(bool, tag = "4")]
    pub numbered: bool,
    #[prost(string, tag = "5")]
    pub start: String,
    #[prost(string, tag = "6")]
    pub finish: String,
    /// Address.
    #[prost(string, tag = "7")]
    pub worker: String,
    /// Layers of a graph.
    #[prost(string, repeated, tag = "8")]
    pub names: Vec<String>,
    /// Positions in `names` of what the client wants.
    #[prost(message, optional, tag = "9")]
    pub wanted: Option<crate::Blocks>,
    #[prost(uint64, tag = "10")]
    pub nbytes: u64,
    #[prost(uint32, tag = "11")]
    pub duration_micros: u32,
    /// What was logged under the topics `names`.
    #[prost(message, optional, tag = "340")]
    pub value: Option<crate::Packed>,
}

/// The scheduler's state at one moment.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelperState {
    #[prost(message, optional, tag = "1")]
    pub info: Option<Info>,
    #[prost(string, tag = "2")]
    pub address: String,
    #[prost(uint32, repeated, tag = "3")]
    pub clients: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    pub tasks: Vec<HelperTask>,
}

/// One task.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelperTask {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint32, tag = "2")]
    pub block: u32,
    #[prost(bool, tag = "3")]
    pub numbered: bool,
    /// As in `HelperEvent::finish`.
    #[prost(string, tag = "4")]
    pub state: String,
    #[prost(uint64, tag = "5")]
    pub nbytes: u64,
    /// Numbers of the workers that hold it, or that it was given to.
    #[prost(uint32, repeated, tag = "6")]
    pub workers: Vec<u32>,
    /// Numbers of the clients that want it.
    #[prost(uint32, repeated, tag = "7")]
    pub wanted_by: Vec<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ToHelperEnvelope {
    #[prost(oneof = "ToHelper", tags = "1, 2, 3, 4")]
    body: Option<ToHelper>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FromHelperEnvelope {
    #[prost(oneof = "FromHelper", tags = "1, 2, 3, 4")]
    body: Option<FromHelper>,
}

macro_rules! impl_bytes {
    ($body:ident, $envelope:ident) => {
        impl $body {
            /// The message as bytes.
            pub fn to_bytes(self) -> Vec<u8> {
                let envelope = $envelope { body: Some(self) };
                envelope.encode_to_vec()
            }

            /// Reads a message.
            pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
                let envelope = $envelope::decode(bytes)?;
                envelope.body.ok_or(ProtoError::UnknownMessage)
            }
        }
    };
}

impl_bytes!(ToHelper, ToHelperEnvelope);
impl_bytes!(FromHelper, FromHelperEnvelope);
