//! Values that are held here, or parts of them, for whoever asks: a peer, a client, or the books
//! themselves.

use std::sync::Arc;

use bytes::Bytes;
use rask_proto::Packed;
use rask_store::Disk;
use rask_value::{CodecError, Encoded, ValueRef, codec};

use super::job::{Fetched, Found};
use crate::convert::{pack, unpack};

/// What is wanted of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    /// This part, or the whole value if it has no parts.
    Part(u32),
}

impl Wanted {
    /// As in `GetData::parts` and [`rask_exec::Source::part`]: 0 is the whole value.
    pub fn from_number(number: u32) -> Self {
        number.checked_sub(1).map_or(Wanted::Whole, Wanted::Part)
    }
}

/// Why a value cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnavailableError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("reading it back from disk failed: {0}")]
    Disk(#[from] std::io::Error),
}

/// What is wanted, as bytes. Encoding may need an interpreter.
pub(super) fn try_pack(
    disk: &Disk,
    found: &Found,
    wanted: Wanted,
) -> Result<Packed, UnavailableError> {
    let encoded = match (found, wanted) {
        (Found::Memory(value), Wanted::Whole) => value.encode()?,
        (Found::Memory(value), Wanted::Part(number)) => view_of(value, number)?.encode()?,
        (Found::Disk(extent), Wanted::Whole) => disk.read(extent)?,
        (Found::Disk(extent), Wanted::Part(number)) => read_part(disk, extent, number)?,
    };
    Ok(pack(encoded))
}

/// What is wanted, for a task here; parts are decoded by the task. A view keeps all of the value in
/// memory.
pub(super) fn try_take(
    disk: &Disk,
    found: &Found,
    wanted: Wanted,
    may_view: bool,
) -> Result<ValueRef, UnavailableError> {
    match (found, wanted) {
        (Found::Memory(value), Wanted::Whole) => Ok(value.clone()),
        (Found::Memory(value), Wanted::Part(number)) => match may_view {
            true => view_of(value, number),
            false => part_of(value, number),
        },
        (Found::Disk(_), _) => Ok(Arc::new(Fetched(try_pack(disk, found, wanted)?))),
    }
}

/// The part in the memory of the whole, where that can be.
fn view_of(value: &ValueRef, number: u32) -> Result<ValueRef, UnavailableError> {
    let view = value.view_of_part(number);
    view.map_or_else(|| part_of(value, number), Ok)
}

fn part_of(value: &ValueRef, number: u32) -> Result<ValueRef, UnavailableError> {
    if let Some(Fetched(packed)) = value.downcast_ref::<Fetched>() {
        let encoded = unpack(packed.clone());
        let place = codec::find_part(&encoded.kind, &encoded.frames.header, number)?;
        return Ok(match place {
            Some(place) => Arc::new(Fetched(pack(place.take(&encoded.frames.buffers)?))),
            None => value.clone(),
        });
    }
    Ok(value.part(number).unwrap_or_else(|| value.clone()))
}

/// The part alone, without reading the rest.
fn read_part(
    disk: &Disk,
    extent: &rask_store::Extent,
    number: u32,
) -> Result<Encoded, UnavailableError> {
    let header = disk.read_header(extent)?;
    match codec::find_part(extent.kind(), &header, number)? {
        Some(place) => {
            let buffers = disk.read_buffers(extent, place.buffers.clone())?;
            let place = rask_value::PartPlace {
                // The part shall not keep the header of all parts.
                header: Bytes::copy_from_slice(&place.header),
                buffers: 0..buffers.len(),
                ..place
            };
            Ok(place.take(&buffers)?)
        }
        None => Ok(disk.read(extent)?),
    }
}
