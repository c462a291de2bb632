//! Encoded values and ops.

use std::sync::Once;

use bytes::Bytes;
use rask_value::{Encoded, Frames, codec};

use crate::source::Source;

/// Kinds of values that are made of plain data.
const VALUES: &[&str] = &[
    "ndarray",
    "table",
    "table-parts",
    "array-pair",
    "table-part",
    "array-parts",
    "array-part",
    "table-division",
    "table-run",
];
/// Kinds of ops that are.
const OPS: &[&str] = &["array-block", "frame", "fused"];

static REGISTERED: Once = Once::new();

fn register() {
    REGISTERED.call_once(|| {
        rask_array::register();
        rask_frame::register();
    });
}

/// A kind, up to eight buffers, and the rest as the header.
fn read(data: &[u8], kinds: &[&str]) -> Encoded {
    register();
    let mut source = Source::new(data);
    let kind = kinds[source.below(kinds.len() as u32) as usize].to_owned();
    let buffers = source.some(8, |source| Bytes::copy_from_slice(source.piece()));
    let header = Bytes::copy_from_slice(source.rest());
    Encoded {
        kind,
        frames: Frames { header, buffers },
    }
}

/// A value that is read can be measured and written again.
pub(crate) fn run_values(data: &[u8]) {
    if let Ok(value) = codec::decode_value(&read(data, VALUES)) {
        value.nbytes();
        // One that cannot be written says so.
        let _ = value.encode();
    }
}

/// An op that is read can say what it is and be written again. It is not run: what it does is the
/// user's.
pub(crate) fn run_ops(data: &[u8]) {
    if let Ok(op) = codec::decode_op(&read(data, OPS)) {
        assert!(op.name().len() <= data.len() + 64);
        let _ = op.encode();
    }
}
