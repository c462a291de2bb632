//! From messages to frames and back.

use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::packed::Payloads;
use crate::{Packed, ProtoError};

/// A control part with the payloads that travel beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub control: Bytes,
    pub payloads: Vec<Bytes>,
}

impl Frame {
    /// Bytes of control and payloads.
    pub fn nbytes(&self) -> u64 {
        self.control.len() as u64 + self.payloads.iter().map(|p| p.len() as u64).sum::<u64>()
    }
}

/// A message that travels as a [`Frame`].
pub trait Wire: Sized {
    /// The message as a frame.
    fn into_frame(mut self) -> Frame {
        self.take_frame()
    }

    /// The message as a frame, which has its large buffers from then on.
    fn take_frame(&mut self) -> Frame;

    /// Reads a message.
    fn try_from_frame(frame: Frame) -> Result<Self, ProtoError>;
}

/// What `messages!` needs of each enum: its packed parts and its consistency.
pub(crate) trait Parts {
    /// Calls `visit` for each packed part, always in the same order.
    fn for_each_packed(
        &mut self,
        visit: &mut dyn FnMut(&mut Packed) -> Result<(), ProtoError>,
    ) -> Result<(), ProtoError>;

    /// Checks what the encoding cannot express.
    fn check(&self) -> Result<(), ProtoError>;
}

/// Moves the large buffers of `message` into payloads.
pub(crate) fn detach(message: &mut impl Parts) -> Vec<Bytes> {
    let mut payloads = Vec::new();
    let moved = message.for_each_packed(&mut |packed| {
        packed.detach(&mut payloads);
        Ok(())
    });
    debug_assert!(moved.is_ok(), "moving buffers out does not fail");
    payloads
}

/// Decodes the envelope and puts the payloads back where they belong.
pub(crate) fn open<E: Message + Default, B: Parts>(
    frame: Frame,
    body: impl FnOnce(E) -> Option<B>,
) -> Result<B, ProtoError> {
    let envelope = E::decode(frame.control)?;
    let mut message = body(envelope).ok_or(ProtoError::UnknownMessage)?;
    let mut payloads = Payloads::new(frame.payloads);
    message.for_each_packed(&mut |packed| packed.attach(&mut payloads))?;
    message.check()?;
    Ok(message)
}

/// Freezes what `write` writes into a buffer of `length` bytes.
pub(crate) fn encode(length: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut buffer = BytesMut::with_capacity(length);
    write(&mut buffer);
    buffer.freeze()
}

/// Implements [`Wire`] for an enum and its envelope.
macro_rules! impl_wire {
    ($body:ident, $envelope:ident) => {
        impl $crate::Wire for $body {
            fn take_frame(&mut self) -> $crate::Frame {
                let payloads = $crate::frame::detach(self);
                let control =
                    $crate::frame::encode(self.encoded_len(), |buffer| self.encode(buffer));
                $crate::Frame { control, payloads }
            }

            fn try_from_frame(frame: $crate::Frame) -> Result<Self, $crate::ProtoError> {
                $crate::frame::open(frame, |envelope: $envelope| envelope.body)
            }
        }
    };
}
pub(crate) use impl_wire;
