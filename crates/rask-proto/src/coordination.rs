//! What clients share through the scheduler: leases (locks, semaphores), events, queues, variables,
//! datasets and metadata.

use crate::{Blocks, Packed, ProtoError};

/// One thing to do. Answered with a [`CoordinationReply`], some only when it can be done.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CoordinationRequest {
    #[prost(
        oneof = "CoordinationOp",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20"
    )]
    pub op: Option<CoordinationOp>,
}

/// What is to be done.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum CoordinationOp {
    /// Answered when the lease is granted; the question's number names it from then on.
    #[prost(message, tag = "1")]
    Acquire(Acquire),
    /// Give a lease back, by its number.
    #[prost(uint64, tag = "2")]
    Release(u64),
    /// How many leases of a name are granted.
    #[prost(string, tag = "3")]
    LeaseCount(String),
    #[prost(string, tag = "4")]
    EventSet(String),
    #[prost(string, tag = "5")]
    EventClear(String),
    /// Answered when the event is set.
    #[prost(string, tag = "6")]
    EventWait(String),
    #[prost(string, tag = "7")]
    EventIsSet(String),
    /// Answered when there is room.
    #[prost(message, tag = "8")]
    QueuePut(QueuePut),
    /// Answered when there are as many items.
    #[prost(message, tag = "9")]
    QueueGet(QueueGet),
    #[prost(string, tag = "10")]
    QueueSize(String),
    #[prost(message, tag = "11")]
    VariableSet(NamedItem),
    /// Answered when there is a value.
    #[prost(string, tag = "12")]
    VariableGet(String),
    #[prost(string, tag = "13")]
    VariableDelete(String),
    #[prost(message, tag = "14")]
    DatasetPut(DatasetPut),
    #[prost(string, tag = "15")]
    DatasetGet(String),
    #[prost(string, tag = "16")]
    DatasetDelete(String),
    /// Names that begin with this.
    #[prost(string, tag = "17")]
    DatasetList(String),
    /// The asker does not want an answer to this question any more. The question is answered: with
    /// what it asked for if that came first, else as withdrawn.
    #[prost(uint64, tag = "18")]
    Withdraw(u64),
    /// The asker refers to the blocks in the answer to this question by itself now.
    #[prost(uint64, tag = "19")]
    Unhold(u64),
    /// Forget a queue and what is in it.
    #[prost(string, tag = "20")]
    QueueDelete(String),
}

/// Leases of one name each, at most `limit` of a name at a time.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Acquire {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    /// Of how many of the names a lease is needed; all at once.
    #[prost(uint32, tag = "2")]
    pub needed: u32,
    #[prost(uint32, tag = "3")]
    pub limit: u32,
    /// Do not wait.
    #[prost(bool, tag = "4")]
    pub at_once: bool,
}

/// An item for a queue.
#[derive(Clone, PartialEq, prost::Message)]
pub struct QueuePut {
    #[prost(string, tag = "1")]
    pub name: String,
    /// Items that the queue holds at most; 0 is without limit.
    #[prost(uint32, tag = "2")]
    pub size_max: u32,
    #[prost(message, optional, tag = "3")]
    pub item: Option<Item>,
}

/// Items from a queue.
#[derive(Clone, PartialEq, prost::Message)]
pub struct QueueGet {
    #[prost(string, tag = "1")]
    pub name: String,
    /// So many, or all there are if 0.
    #[prost(uint32, tag = "2")]
    pub count: u32,
}

/// An item with a name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamedItem {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub item: Option<Item>,
}

/// A dataset to publish.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DatasetPut {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub item: Option<Item>,
    #[prost(bool, tag = "3")]
    pub replaces: bool,
}

/// Something that clients hand each other: an encoded object, and the blocks that it refers to,
/// which are kept as long as the item is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Item {
    #[prost(message, optional, tag = "1")]
    pub value: Option<Packed>,
    /// In a request: in the client's numbering. In a reply: positions in `layers`.
    #[prost(message, optional, tag = "2")]
    pub blocks: Option<Blocks>,
    /// Names of layers, in a reply.
    #[prost(string, repeated, tag = "3")]
    pub layers: Vec<String>,
}

impl Item {
    pub(crate) fn check(&self) -> Result<(), ProtoError> {
        self.blocks.as_ref().map_or(Ok(()), Blocks::check)
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Outcome {
    Done = 0,
    /// There is nothing of that name, or it is not so.
    Missing = 1,
    /// It was withdrawn before it could be done.
    Withdrawn = 2,
    /// There is something of that name already, or no room at once.
    Taken = 3,
}

/// The answer to a request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CoordinationReply {
    #[prost(enumeration = "Outcome", tag = "1")]
    pub outcome: i32,
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<Item>,
    #[prost(string, repeated, tag = "3")]
    pub names: Vec<String>,
    #[prost(uint64, tag = "4")]
    pub count: u64,
}

impl CoordinationReply {
    /// A reply without contents.
    pub fn of(outcome: Outcome) -> Self {
        CoordinationReply {
            outcome: outcome as i32,
            ..CoordinationReply::default()
        }
    }
}

impl CoordinationRequest {
    /// The item in the request, if it has one.
    pub fn item_mut(&mut self) -> Option<&mut Item> {
        match self.op.as_mut()? {
            CoordinationOp::QueuePut(put) => put.item.as_mut(),
            CoordinationOp::VariableSet(set) => set.item.as_mut(),
            CoordinationOp::DatasetPut(put) => put.item.as_mut(),
            _ => None,
        }
    }

    /// See [`item_mut`](Self::item_mut).
    pub fn item(&self) -> Option<&Item> {
        match self.op.as_ref()? {
            CoordinationOp::QueuePut(put) => put.item.as_ref(),
            CoordinationOp::VariableSet(set) => set.item.as_ref(),
            CoordinationOp::DatasetPut(put) => put.item.as_ref(),
            _ => None,
        }
    }
}
