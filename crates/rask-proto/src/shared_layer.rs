//! A layer as all workers are told of it: in memory once, however many messages have it.

use std::ops::Deref;
use std::sync::Arc;

use bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};

use crate::{Packed, WorkerLayer};

/// See the module. It is read and written as the [`WorkerLayer`] that it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedLayer(Arc<WorkerLayer>);

impl SharedLayer {
    /// The layer by itself, copied if others share it.
    pub fn into_layer(self) -> WorkerLayer {
        Arc::unwrap_or_clone(self.0)
    }

    /// The op to be changed, if it has buffers beside it; nobody else sees the change.
    pub(crate) fn op_with_buffers(&mut self) -> Option<&mut Packed> {
        let op = self.0.op.as_ref()?;
        if op.buffers.is_empty() && op.buffer_count == 0 {
            return None;
        }
        Arc::make_mut(&mut self.0).op.as_mut()
    }
}

impl From<WorkerLayer> for SharedLayer {
    fn from(layer: WorkerLayer) -> Self {
        SharedLayer(Arc::new(layer))
    }
}

impl Deref for SharedLayer {
    type Target = WorkerLayer;

    fn deref(&self) -> &WorkerLayer {
        &self.0
    }
}

impl Message for SharedLayer {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.0.encode_raw(buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        Arc::make_mut(&mut self.0).merge_field(tag, wire_type, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    fn clear(&mut self) {
        *self = SharedLayer::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_and_writes_as_the_layer_itself() {
        let layer = WorkerLayer {
            id: 7,
            name: "sum".to_owned(),
            grid: vec![3, 4],
            op: Some(Packed::default()),
            timeout_millis: 5,
            ..WorkerLayer::default()
        };
        let shared = SharedLayer::from(layer.clone());
        let written = shared.encode_to_vec();
        assert_eq!(written, layer.encode_to_vec());
        assert_eq!(SharedLayer::decode(&written[..]), Ok(shared.clone()));
        assert_eq!(shared.clone().into_layer(), layer);
        assert_eq!(shared.name, "sum");
    }

    #[test]
    fn buffers_that_leave_one_message_stay_in_others() {
        let layer = WorkerLayer {
            op: Some(Packed {
                buffers: vec![vec![1; 9].into()],
                ..Packed::default()
            }),
            ..WorkerLayer::default()
        };
        let shared = SharedLayer::from(layer);
        let mut other = shared.clone();
        if let Some(op) = other.op_with_buffers() {
            op.buffers.clear();
        }
        let count = |layer: &SharedLayer| layer.op.as_ref().map(|op| op.buffers.len());
        assert_eq!((count(&shared), count(&other)), (Some(1), Some(0)));
    }
}
