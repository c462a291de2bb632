//! Decoders by kind. Each crate that defines a value or an op registers its decoder once, when its
//! process starts; registering twice replaces.

use std::collections::HashMap;
use std::sync::{LazyLock, RwLock};

use crate::{CodecError, Encoded, Frames, OpRef, ValueRef, fused};

/// Reads a value of one kind.
pub type ValueDecoder = fn(&Frames) -> Result<ValueRef, CodecError>;
/// Reads an op of one kind.
pub type OpDecoder = fn(&Frames) -> Result<OpRef, CodecError>;

static VALUES: LazyLock<RwLock<HashMap<&'static str, ValueDecoder>>> =
    LazyLock::new(Default::default);
static OPS: LazyLock<RwLock<HashMap<&'static str, OpDecoder>>> = LazyLock::new(|| {
    let fused: OpDecoder = fused::decode;
    RwLock::new(HashMap::from([(fused::KIND, fused)]))
});

/// Makes values of this kind decodable in this process.
pub fn register_value(kind: &'static str, decoder: ValueDecoder) {
    VALUES
        .write()
        .unwrap_or_else(|e| e.into_inner())
        .insert(kind, decoder);
}

/// Makes ops of this kind decodable in this process.
pub fn register_op(kind: &'static str, decoder: OpDecoder) {
    OPS.write()
        .unwrap_or_else(|e| e.into_inner())
        .insert(kind, decoder);
}

/// Reads a value.
pub fn decode_value(encoded: &Encoded) -> Result<ValueRef, CodecError> {
    let decoder = VALUES
        .read()
        .unwrap_or_else(|e| e.into_inner())
        .get(&*encoded.kind)
        .copied();
    decoder.ok_or_else(|| CodecError::UnknownKind(encoded.kind.clone()))?(&encoded.frames)
}

/// Reads an op.
pub fn decode_op(encoded: &Encoded) -> Result<OpRef, CodecError> {
    let decoder = OPS
        .read()
        .unwrap_or_else(|e| e.into_inner())
        .get(&*encoded.kind)
        .copied();
    decoder.ok_or_else(|| CodecError::UnknownKind(encoded.kind.clone()))?(&encoded.frames)
}
