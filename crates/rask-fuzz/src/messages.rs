//! Frames as messages of every conversation.

use bytes::Bytes;
use rask_proto::{
    Frame, FromClient, FromPeer, FromWorker, Inline, ToClient, ToPeer, ToWorker, Wire,
};

use crate::source::Source;

/// The first byte says which conversation; pieces follow: payloads, and the rest is the control
/// part. A message that is read must survive being written and read again.
pub(crate) fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let kind = source.byte();
    let payloads = source.some(4, |source| Bytes::copy_from_slice(source.piece()));
    let control = Bytes::copy_from_slice(source.rest());
    let frame = Frame { control, payloads };
    match kind % 7 {
        0 => round_trip::<FromClient>(frame),
        1 => read_client(frame),
        2 => round_trip::<FromWorker>(frame),
        3 => round_trip::<ToWorker>(frame),
        4 => round_trip::<FromPeer>(frame),
        5 => round_trip::<ToPeer>(frame),
        _ => read_inline(frame.control),
    }
}

fn round_trip<M: Wire + Clone + std::fmt::Debug>(frame: Frame) {
    if let Ok(message) = M::try_from_frame(frame) {
        let again = M::try_from_frame(message.into_frame());
        assert!(again.is_ok(), "a message that was read can be read again");
    }
}

fn read_client(frame: Frame) {
    round_trip::<ToClient>(frame.clone());
    if let Ok(ToClient::Finished(finished)) = ToClient::try_from_frame(frame) {
        for (_, _, inline) in finished.try_entries().unwrap_or_default() {
            inline.map(Inline::read);
        }
    }
}

fn read_inline(bytes: Bytes) {
    // What matters is that it returns.
    let _ = Inline::read(bytes);
}
