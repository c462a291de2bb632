//! Callables from outside: functions on blocks, and readers of regions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use rask_value::{CodecError, Encoded, Frames, Scope, TaskError, ValueRef};

/// An input of a callable: a block, or a list of blocks along a contracted axis, of lists.
#[derive(Clone, Debug)]
pub enum Nested {
    One(ValueRef),
    List(Vec<Nested>),
}

/// A region of an array along one axis: elements `start`, `start + step`, … before `stop`.
/// With a negative step `stop` may be -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Region {
    pub start: i64,
    pub stop: i64,
    pub step: i64,
}

/// What a callable is told.
#[derive(Debug)]
pub struct Call<'a> {
    /// The output block's coordinates.
    pub coords: &'a [u32],
    /// The output block's shape; -1 where unknown.
    pub shape: &'a [i64],
    /// For readers: which part of the whole to read; empty for functions.
    pub region: &'a [Region],
    pub inputs: Vec<Nested>,
}

/// A callable that blocks are made with.
pub trait Opaque: Send + Sync + std::fmt::Debug {
    /// For people.
    fn name(&self) -> &str;
    fn call(&self, call: Call<'_>) -> Result<ValueRef, TaskError>;
    fn scope(&self) -> Option<&'static dyn Scope>;
    /// As frames that a decoder registered with [`register_opaque`] reads.
    fn encode(&self) -> Result<Encoded, CodecError>;
}

/// A shared callable.
pub type OpaqueRef = Arc<dyn Opaque>;

/// Reads callables of one kind.
pub type OpaqueDecoder = fn(&Frames) -> Result<OpaqueRef, CodecError>;

static DECODERS: LazyLock<RwLock<HashMap<&'static str, OpaqueDecoder>>> =
    LazyLock::new(Default::default);

/// Makes callables of this kind decodable in this process.
pub fn register_opaque(kind: &'static str, decoder: OpaqueDecoder) {
    let mut decoders = DECODERS.write().unwrap_or_else(|e| e.into_inner());
    decoders.insert(kind, decoder);
}

/// Reads a callable.
pub fn decode_opaque(encoded: &Encoded) -> Result<OpaqueRef, CodecError> {
    let decoders = DECODERS.read().unwrap_or_else(|e| e.into_inner());
    let decoder = decoders.get(&*encoded.kind).copied();
    drop(decoders);
    decoder.ok_or_else(|| CodecError::UnknownKind(encoded.kind.clone()))?(&encoded.frames)
}
