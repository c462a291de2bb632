//! What passes between the books and the threads.

use std::sync::Arc;

use rask_proto::Packed;
use rask_store::{Extent, Spilled};
use rask_value::{CodecError, Encoded, Value, ValueRef};
use smallvec::SmallVec;

use super::core::{Key, Slot};
use super::layer::RunLayer;
use crate::convert::unpack;

/// A value as it came from a peer; decoded by the first task that needs it.
#[derive(Debug)]
pub(super) struct Fetched(pub Packed);

impl Value for Fetched {
    fn nbytes(&self) -> u64 {
        self.0.nbytes()
    }

    fn type_name(&self) -> String {
        self.0.kind.clone()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(unpack(self.0.clone()))
    }

    fn encode_at_once(&self) -> Option<Encoded> {
        self.encode().ok()
    }
}

/// Something for a compute thread, with what it needs.
pub(super) enum Job {
    Run(RunJob),
    Spill { slot: Slot, value: ValueRef },
    Unspill { slot: Slot, extent: Extent },
}

/// A task to run, with its inputs.
pub(super) struct RunJob {
    pub slot: Slot,
    pub key: Key,
    pub layer: Arc<RunLayer>,
    pub inputs: SmallVec<[(Slot, ValueRef); 4]>,
    pub wanted: bool,
}

/// Where a value is.
pub(super) enum Found {
    Memory(ValueRef),
    Disk(Extent),
}

/// What follows from an event, for the caller to do after it has let go of the lock.
#[derive(Default)]
pub(super) struct Effects {
    /// Values that are here now, with their sizes.
    pub arrived: Vec<(Key, u64)>,
    /// Tasks that cannot be run here.
    pub given_back: Vec<Key>,
    /// Values to let go of, which may need the interpreter for it.
    pub garbage: Vec<Spilled>,
    /// Layers to let go of; the same holds for them.
    pub layers: Vec<Arc<RunLayer>>,
}
