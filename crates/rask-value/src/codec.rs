//! Decoders by kind. Each crate that defines a value or an op registers its decoder once, when its
//! process starts; registering twice replaces.

use std::collections::HashMap;
use std::sync::{LazyLock, RwLock};

use bytes::Bytes;

use crate::{CodecError, Encoded, Frames, OpRef, OwnEncoded, PartPlace, ValueRef, fused};

/// Reads a value of one kind.
pub type ValueDecoder = fn(&Frames) -> Result<ValueRef, CodecError>;
/// Reads a value of one kind whose memory may be written to.
pub type OwnDecoder = fn(OwnEncoded) -> Result<ValueRef, CodecError>;
/// Reads an op of one kind.
pub type OpDecoder = fn(&Frames) -> Result<OpRef, CodecError>;

/// Finds a part of values of one kind by their header.
pub type PartFinder = fn(&Bytes, u32) -> Result<PartPlace, CodecError>;

static PARTS: LazyLock<RwLock<HashMap<&'static str, PartFinder>>> = LazyLock::new(Default::default);
static VALUES: LazyLock<RwLock<HashMap<&'static str, ValueDecoder>>> =
    LazyLock::new(Default::default);
static OWN_VALUES: LazyLock<RwLock<HashMap<&'static str, OwnDecoder>>> =
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

/// Says how values of this kind are read so that their memory may be written to. Without that they
/// are read as those are that others have as well.
pub fn register_own_value(kind: &'static str, decoder: OwnDecoder) {
    OWN_VALUES
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

/// Makes parts of values of this kind be found without decoding the whole.
pub fn register_parts(kind: &'static str, finder: PartFinder) {
    PARTS
        .write()
        .unwrap_or_else(|e| e.into_inner())
        .insert(kind, finder);
}

/// Where a part lies among the frames of an encoded value; `None` if values of this kind have no
/// parts.
pub fn find_part(kind: &str, header: &Bytes, number: u32) -> Result<Option<PartPlace>, CodecError> {
    let finder = PARTS
        .read()
        .unwrap_or_else(|e| e.into_inner())
        .get(kind)
        .copied();
    finder.map(|find| find(header, number)).transpose()
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

/// Reads a value that nobody else has.
pub fn decode_own_value(encoded: OwnEncoded) -> Result<ValueRef, CodecError> {
    let decoder = OWN_VALUES
        .read()
        .unwrap_or_else(|e| e.into_inner())
        .get(encoded.kind())
        .copied();
    match decoder {
        Some(decode) => decode(encoded),
        None => decode_value(&encoded.into_shared()),
    }
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
