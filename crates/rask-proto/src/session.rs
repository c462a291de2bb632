//! Connections that end and come back: who a client is over several of them, what a worker brings
//! with it, and what a scheduler writes down to be itself after a restart.

use bytes::Bytes;

use crate::frame::{Parts, impl_wire};
use crate::{Blocks, Failure, Packed, ProtoError};

/// The first message of a client.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Hello {
    /// Chosen by the client at random, and the same over all its connections.
    #[prost(bytes = "bytes", tag = "1")]
    pub session: Bytes,
    /// What its user calls it.
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, tag = "3")]
    pub user: String,
    /// Whom its work is counted for.
    #[prost(string, tag = "4")]
    pub share: String,
    /// Versions of what it runs on, by package.
    #[prost(message, repeated, tag = "5")]
    pub versions: Vec<Version>,
    /// The session is to be gone on with.
    #[prost(bool, tag = "6")]
    pub resumes: bool,
}

impl crate::FromClient {
    /// Whether it changes what is to be done, so that it must not be lost with a connection.
    pub fn is_kept(&self) -> bool {
        match self {
            crate::FromClient::Submit(_)
            | crate::FromClient::Release(_)
            | crate::FromClient::Cancel(_)
            | crate::FromClient::Retry(_)
            | crate::FromClient::ForgetLayers(_) => true,
            crate::FromClient::Query(query) => matches!(
                query.body,
                Some(
                    crate::QueryBody::PutPlugin(_)
                        | crate::QueryBody::RemovePlugin(_)
                        | crate::QueryBody::Restart(())
                        | crate::QueryBody::Coordinate(_)
                )
            ),
            _ => false,
        }
    }
}

/// The version of a package.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Version {
    #[prost(string, tag = "1")]
    pub package: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

/// The scheduler's answer to [`Hello`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SessionWelcome {
    /// How many messages of the session, hellos aside, it has taken in.
    #[prost(uint64, tag = "1")]
    pub received: u64,
    /// The session was to be gone on with, and is not known.
    #[prost(bool, tag = "2")]
    pub is_lost: bool,
    /// Try for this long to come back when the connection ends.
    #[prost(uint32, tag = "3")]
    pub reconnect_millis: u32,
}

/// How many messages of the session the scheduler has taken in.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Received {
    #[prost(uint64, tag = "1")]
    pub count: u64,
}

/// What a worker that comes back has. Layers are in the scheduler's numbering.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Holdings {
    #[prost(message, optional, tag = "1")]
    pub held: Option<Blocks>,
    #[prost(uint64, repeated, tag = "2")]
    pub nbytes: Vec<u64>,
    #[prost(message, optional, tag = "3")]
    pub running: Option<Blocks>,
    /// Layers of which it has the op.
    #[prost(uint32, repeated, tag = "4")]
    pub layers: Vec<u32>,
    /// Of those running, the ones that wait for others and take no thread.
    #[prost(message, optional, tag = "220")]
    pub absent: Option<Blocks>,
}

impl Holdings {
    pub(crate) fn check(&self) -> Result<(), ProtoError> {
        let held = self.held.as_ref();
        held.map_or(Ok(()), Blocks::check)?;
        let count = held.map_or(0, Blocks::len);
        crate::error::check_columns("holdings", count, self.nbytes.len())?;
        self.absent.as_ref().map_or(Ok(()), Blocks::check)?;
        self.running.as_ref().map_or(Ok(()), Blocks::check)
    }
}

/// What a scheduler writes down.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Record {
    /// A client began a session.
    #[prost(message, tag = "1")]
    Began(Hello),
    /// The client of a session left for good.
    #[prost(message, tag = "2")]
    Ended(SessionId),
    #[prost(message, tag = "3")]
    Said(Said),
    #[prost(message, tag = "4")]
    WorkerJoined(WorkerNumber),
    #[prost(message, tag = "5")]
    WorkerLeft(WorkerNumber),
    /// A task failed for good.
    #[prost(message, tag = "6")]
    Failed(TaskFailed),
    /// Tasks that nobody waits for ended.
    #[prost(message, tag = "7")]
    Forgotten(Blocks),
    /// So many messages of a session had been taken in.
    #[prost(message, tag = "8")]
    Counted(Counted),
    /// A plugin, whoever registered it.
    #[prost(message, tag = "320")]
    Plugin(crate::Plugin),
    /// A task raised, or a worker died while it ran, and it is run again.
    #[prost(message, tag = "360")]
    Troubled(TaskTroubles),
}

/// A session.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SessionId {
    #[prost(bytes = "bytes", tag = "1")]
    pub session: Bytes,
}

/// Messages of a session so far.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Counted {
    #[prost(bytes = "bytes", tag = "1")]
    pub session: Bytes,
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// A message of a client, as it came.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Said {
    #[prost(bytes = "bytes", tag = "1")]
    pub session: Bytes,
    #[prost(message, optional, tag = "2")]
    pub message: Option<Packed>,
    /// The numbers that the layers of a submission got.
    #[prost(uint32, repeated, tag = "3")]
    pub numbers: Vec<u32>,
}

/// A worker's number and name.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WorkerNumber {
    #[prost(uint32, tag = "1")]
    pub worker: u32,
    #[prost(string, tag = "2")]
    pub name: String,
}

/// A task, and why it failed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskFailed {
    #[prost(uint32, tag = "1")]
    pub layer: u32,
    #[prost(uint32, tag = "2")]
    pub block: u32,
    #[prost(message, optional, tag = "3")]
    pub failure: Option<Failure>,
}

/// What a task that is run again has been through.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskTroubles {
    #[prost(uint32, tag = "1")]
    pub layer: u32,
    #[prost(uint32, tag = "2")]
    pub block: u32,
    /// How many times it may raise yet, and how many times it has.
    #[prost(uint32, tag = "3")]
    pub retries: u32,
    #[prost(uint32, tag = "4")]
    pub raised: u32,
    /// How many workers died while it ran.
    #[prost(uint32, tag = "380")]
    pub deaths: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RecordEnvelope {
    #[prost(oneof = "Record", tags = "1, 2, 3, 4, 5, 6, 7, 8, 320, 360")]
    body: Option<Record>,
}

impl_wire!(Record, RecordEnvelope);

impl Parts for Record {
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        match self {
            Record::Said(said) => said.message.iter_mut().try_for_each(visit),
            Record::Plugin(plugin) => plugin.content.iter_mut().try_for_each(visit),
            Record::Failed(failed) => {
                let failure = failed.failure.iter_mut();
                failure
                    .filter_map(|failure| failure.exception.as_mut())
                    .try_for_each(visit)
            }
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ProtoError> {
        match self {
            Record::Forgotten(blocks) => blocks.check(),
            _ => Ok(()),
        }
    }
}
