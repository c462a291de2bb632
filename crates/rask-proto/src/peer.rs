//! Between a worker and whoever fetches from it: another worker, or a client.

use crate::error::check_columns;
use crate::frame::{Parts, impl_wire};
use crate::{Blocks, Failure, Lent, Packed, ProtoError};

/// What a worker or client asks a worker.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum FromPeer {
    #[prost(message, tag = "1")]
    GetData(GetData),
    /// Run something once, outside the graph (`Client.run`).
    #[prost(message, tag = "2")]
    Run(RunRequest),
    #[prost(message, tag = "320")]
    Call(crate::Call),
    /// What was lent in the answer to this request is mapped, or given up.
    #[prost(uint64, tag = "260")]
    Mapped(u64),
}

/// Asks for values. Layers are numbered by the scheduler, or named where the asker has no numbers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetData {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, optional, tag = "2")]
    pub blocks: Option<Blocks>,
    /// If not empty, `blocks.layers` are positions in this list.
    #[prost(string, repeated, tag = "3")]
    pub layer_names: Vec<String>,
    /// If not empty, what is wanted of each block: 0 the whole value, else one part, numbered
    /// from 1.
    #[prost(uint32, repeated, tag = "280")]
    pub parts: Vec<u32>,
    /// The asker's host, if it can map what is lent to it; else empty.
    #[prost(string, tag = "260")]
    pub host: String,
    /// Values of which parts are wanted may be lent whole.
    #[prost(bool, tag = "440")]
    pub takes_wholes: bool,
}

/// Asks to run an op.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RunRequest {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, optional, tag = "2")]
    pub op: Option<Packed>,
}

/// What a worker answers.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ToPeer {
    #[prost(message, tag = "1")]
    Data(PeerData),
    #[prost(message, tag = "2")]
    Ran(RunReply),
    #[prost(message, tag = "320")]
    Called(crate::CallReply),
}

/// Values, in the order asked for; those that are not there are left out.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PeerData {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Positions in the request of the values that follow.
    #[prost(uint32, repeated, tag = "2")]
    pub found: Vec<u32>,
    #[prost(message, repeated, tag = "3")]
    pub values: Vec<Packed>,
    /// Positions in the request of values that are held but cannot be encoded, and why.
    #[prost(uint32, repeated, tag = "4")]
    pub failed: Vec<u32>,
    #[prost(string, repeated, tag = "5")]
    pub reasons: Vec<String>,
    /// Buffers that do not travel. They stay until the asker says that it has mapped them.
    #[prost(message, repeated, tag = "260")]
    pub lent: Vec<Lent>,
    /// Positions in the request of parts for which the whole value has been lent, as the value found
    /// there.
    #[prost(uint32, repeated, tag = "441")]
    pub wholes: Vec<u32>,
}

/// The outcome of a [`RunRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct RunReply {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, optional, tag = "2")]
    pub value: Option<Packed>,
    #[prost(message, optional, tag = "3")]
    pub failure: Option<Failure>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FromPeerEnvelope {
    #[prost(oneof = "FromPeer", tags = "1, 2, 260, 320")]
    body: Option<FromPeer>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ToPeerEnvelope {
    #[prost(oneof = "ToPeer", tags = "1, 2, 320")]
    body: Option<ToPeer>,
}

impl_wire!(FromPeer, FromPeerEnvelope);
impl_wire!(ToPeer, ToPeerEnvelope);

impl Parts for FromPeer {
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        match self {
            FromPeer::Run(run) => run.op.iter_mut().try_for_each(visit),
            FromPeer::Call(call) => call.for_each_packed(visit),
            FromPeer::GetData(_) | FromPeer::Mapped(_) => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ProtoError> {
        match self {
            FromPeer::GetData(get) => get.blocks.as_ref().map_or(Ok(()), Blocks::check),
            FromPeer::Run(_) | FromPeer::Call(_) | FromPeer::Mapped(_) => Ok(()),
        }
    }
}

impl Parts for ToPeer {
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        match self {
            ToPeer::Data(data) => data.values.iter_mut().try_for_each(visit),
            ToPeer::Ran(reply) => {
                reply.value.iter_mut().try_for_each(&mut *visit)?;
                let failure = reply.failure.iter_mut();
                failure
                    .filter_map(|failure| failure.exception.as_mut())
                    .try_for_each(visit)
            }
            ToPeer::Called(reply) => reply.for_each_packed(visit),
        }
    }

    fn check(&self) -> Result<(), ProtoError> {
        match self {
            ToPeer::Data(data) => {
                check_columns("fetched values", data.found.len(), data.values.len())?;
                check_columns("refused values", data.failed.len(), data.reasons.len())?;
                data.lent.iter().try_for_each(Lent::check)
            }
            ToPeer::Ran(_) | ToPeer::Called(_) => Ok(()),
        }
    }
}
