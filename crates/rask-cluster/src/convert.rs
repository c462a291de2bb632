//! Between values in memory and what travels.

use rask_proto::{Failure, OriginSpec, Packed};
use rask_value::{Encoded, Frames, Origin, TaskError, codec};

/// An encoded value or op, to be sent.
pub fn pack(encoded: Encoded) -> Packed {
    Packed::new(encoded.kind, encoded.frames.header, encoded.frames.buffers)
}

/// A received value or op, to be decoded.
pub fn unpack(packed: Packed) -> Encoded {
    Encoded {
        kind: packed.kind,
        frames: Frames {
            header: packed.header,
            buffers: packed.buffers,
        },
    }
}

/// The user's line, to be sent.
pub(crate) fn pack_origin(origin: &Origin) -> OriginSpec {
    OriginSpec {
        file: origin.file.to_string(),
        line: origin.line,
        function: origin.function.to_string(),
    }
}

/// The user's line, received.
pub(crate) fn unpack_origin(origin: &OriginSpec) -> Origin {
    Origin {
        file: origin.file.as_str().into(),
        line: origin.line,
        function: origin.function.as_str().into(),
    }
}

/// A task's error, to be sent. An exception that cannot be encoded travels as text only.
pub fn failure_from_task(error: &TaskError, layer: &str, block: u32) -> Failure {
    let exception = error.exception.as_ref();
    Failure {
        message: error.message.clone(),
        traceback: error.traceback.clone(),
        exception: exception.and_then(|value| value.encode().ok()).map(pack),
        origin: error.origin.as_ref().map(pack_origin),
        layer: layer.to_owned(),
        block,
        killed_workers: Vec::new(),
    }
}

/// A task's error, received. An exception that cannot be decoded here is left out; the text stays.
pub fn task_from_failure(failure: &Failure) -> TaskError {
    let exception = failure.exception.clone().map(unpack);
    TaskError {
        message: failure.message.clone(),
        traceback: failure.traceback.clone(),
        exception: exception.and_then(|encoded| codec::decode_value(&encoded).ok()),
        origin: failure.origin.as_ref().map(unpack_origin),
    }
}
