//! What a task was made of, for running it again elsewhere; plans as they are pickled.

use crate::{Blocks, LayerSpec, OriginSpec, Packed, ProtoError};

/// A block by the name of its layer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BlockName {
    #[prost(string, tag = "1")]
    pub layer: String,
    #[prost(uint32, tag = "2")]
    pub block: u32,
}

/// What a task runs and is given.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Recipe {
    /// Absent if the scheduler does not know the task, or only its name.
    #[prost(message, optional, tag = "1")]
    pub op: Option<Packed>,
    /// The arguments of the block, after the inputs.
    #[prost(message, optional, tag = "2")]
    pub page: Option<Packed>,
    #[prost(uint32, repeated, tag = "3")]
    pub grid: Vec<u32>,
    /// Positions in `names`, and blocks there, in the order in which they are passed.
    #[prost(message, optional, tag = "4")]
    pub inputs: Option<Blocks>,
    #[prost(string, repeated, tag = "5")]
    pub names: Vec<String>,
    #[prost(message, optional, tag = "6")]
    pub origin: Option<OriginSpec>,
}

impl Recipe {
    /// Moves large buffers out of the message and back.
    pub(crate) fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError> {
        self.op.iter_mut().try_for_each(&mut *visit)?;
        self.page.iter_mut().try_for_each(visit)
    }
}

/// A plan: its layers, the blocks wanted of them, and those that the cluster holds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlanSpec {
    #[prost(message, repeated, tag = "1")]
    pub layers: Vec<LayerSpec>,
    /// Positions in `layers` and blocks there.
    #[prost(message, optional, tag = "2")]
    pub wanted: Option<Blocks>,
    /// Blocks of the layers that are `remote`.
    #[prost(message, optional, tag = "3")]
    pub held: Option<Blocks>,
}

impl PlanSpec {
    /// The plan as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        prost::Message::encode_to_vec(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
        Ok(<Self as prost::Message>::decode(bytes)?)
    }
}
