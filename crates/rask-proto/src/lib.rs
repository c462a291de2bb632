//! Messages between client, scheduler and worker.
//!
//! Every conversation has one closed enum for each direction ([`FromClient`], [`ToClient`],
//! [`FromWorker`], [`ToWorker`], [`FromPeer`], [`ToPeer`]). Control is encoded as Protocol Buffers
//! (by derive, no schema compiler), so that a newer peer may add fields; many tasks travel as
//! columns of packed integers; large buffers travel beside the control part as raw payloads that
//! are never copied to be parsed.
//!
//! Decoding arbitrary bytes returns an error or a message; it never panics, and it allocates no
//! more than a small multiple of the bytes it was given. What a message *means* (is this block in
//! range, are these columns of equal length) is checked by `check` and by the conversions here.

mod blocks;
mod client;
mod coordination;
mod diagnostics;
mod error;
mod events;
mod frame;
mod helper;
mod layer;
mod lent;
mod memory_manager;
mod options;
mod packed;
mod peer;
mod replicas;
mod report;
mod reports;
mod runtime;
mod samples;
mod session;
mod shared_layer;
mod shares;
mod sizes;
mod spans;
mod story;
mod suggestions;
mod transfers;
mod varied;
mod version;
mod versions;
mod worker;

pub use blocks::Blocks;
pub use client::{
    Answer, AnswerBody, Cancel, Contents, Erred, FetchFailed, Finished, FromClient, Holders, Info,
    Names, PeerAddress, Query, QueryBody, Rejected, Submit, ToClient,
};
pub use coordination::{
    Acquire, CoordinationOp, CoordinationReply, CoordinationRequest, DatasetPut, Item, NamedItem,
    Outcome, QueueGet, QueuePut,
};
pub use diagnostics::{LogLines, TaskStream, TaskStreamQuery};
pub use error::ProtoError;
pub use events::{
    EventField, EventOp, EventRecord, EventRequest, Events, Follow, LogEvent, TopicAfter,
};
pub use frame::{Frame, Wire};
pub use helper::{FromHelper, HelperEvent, HelperState, HelperTask, ToHelper};
pub use layer::{AxisSpec, InputSpec, LayerSpec, OriginSpec, RefColumns};
pub use lent::Lent;
pub use memory_manager::{MemoryManager, MemoryManagerOp};
pub use options::{LayerOptions, TaskNumber};
pub use packed::{Failure, Inline, InlineBuilder, Packed};
pub use peer::{FromPeer, GetData, PeerData, RunReply, RunRequest, ToPeer};
pub use replicas::{Rebalance, Replicate};
pub use report::{BlockName, PlanSpec, Recipe};
pub use reports::{ReportPage, ReportRequest};
pub use runtime::{Call, CallReply, HelperCall, Load, Plugin, PluginKind, PluginName, Plugins};
pub use samples::{SampleRequest, Samples};
pub use session::{
    Counted, Hello, Holdings, Received, Record, Said, SessionId, SessionWelcome, TaskFailed,
    TaskTroubles, Version, WorkerNumber,
};
pub use shared_layer::SharedLayer;
pub use shares::{ShareFigures, Shares};
pub use sizes::{BlockSizes, LengthSpec, SizeSpec};
pub use spans::{
    LayerActivity, SpanActivity, SpanFigures, SpanGroup, SpanNote, SpanPath, SpanQuery, Spans,
};
pub use story::{StateDump, Story, StoryQuery};
pub use suggestions::{Suggestion, Suggestions};
pub use transfers::Transfers;
pub use varied::VariedOptions;
pub use version::{Capabilities, Versions};
pub use versions::{ClusterVersions, VersionGroup};
pub use worker::{
    Assign, Death, FromWorker, GiveBack, Heartbeat, Missing, Pages, Peers, Register, Resource,
    Shutdown, TaskErred, TasksFinished, ToWorker, Welcome, WorkerLayer, WorkerPage, WorkerSummary,
};
