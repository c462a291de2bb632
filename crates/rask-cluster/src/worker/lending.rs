//! Values that move into shared memory when a process of this host asks for them.

use std::sync::Arc;

use bytes::Bytes;
use foldhash::HashMap;
use parking_lot::Mutex;
use rask_proto::{Packed, PeerData};
use rask_value::ValueRef;

use super::Shared;
use super::job::{Fetched, Found};
use crate::segments::{self, BUFFER_BYTES_MIN};

/// A value moves if at least this share of it is in large buffers: the rest would be held twice.
const LARGE_PERCENT_MIN: u64 = 90;

/// What has been lent over a connection and not been mapped yet, by request.
#[derive(Clone, Default)]
pub(super) struct Lendings(Arc<Mutex<HashMap<u64, Vec<Bytes>>>>);

impl Lendings {
    /// Takes what can be lent out of an answer, and keeps it until it is mapped.
    pub fn lend(&self, data: &mut PeerData) {
        let kept = segments::lend(data);
        if !kept.is_empty() {
            self.0.lock().insert(data.id, kept);
        }
    }

    /// What was lent in the answer to `request` is mapped.
    pub fn end(&self, request: u64) {
        let kept = self.0.lock().remove(&request);
        drop(kept);
    }
}

impl Shared {
    /// Moves a value that is held here into shared memory, once, and holds it there from now on.
    /// Where that cannot be done the value stays, and is returned, as it was.
    pub(super) fn put_into_segment(
        &self,
        key: (u32, u32),
        value: ValueRef,
        packed: Packed,
    ) -> Packed {
        if !is_worth_it(&value, &packed) {
            return packed;
        }
        let filling = self.filling.lock();
        let held = self.core.lock().find_value(key);
        let Some(Found::Memory(held)) = held else {
            return packed;
        };
        if !Arc::ptr_eq(&held, &value) {
            // Another request has moved it in the meantime.
            let moved = held.downcast_ref::<Fetched>();
            return moved.map_or(packed, |Fetched(moved)| moved.clone());
        }
        let Some(moved) = try_move(&packed) else {
            return packed;
        };
        let new: ValueRef = Arc::new(Fetched(moved.clone()));
        let replaced = self.core.lock().replace_value(key, &value, new);
        drop(filling);
        drop((replaced, held, value, packed));
        moved
    }
}

fn is_worth_it(value: &ValueRef, packed: &Packed) -> bool {
    let large = packed.buffers.iter().filter(|buffer| is_large(buffer));
    let is_to_move = large.clone().any(|buffer| !segments::is_mapped(buffer));
    let large_bytes: u64 = large.map(|buffer| buffer.len() as u64).sum();
    is_to_move && large_bytes >= value.nbytes() / 100 * LARGE_PERCENT_MIN
}

fn is_large(buffer: &Bytes) -> bool {
    buffer.len() >= BUFFER_BYTES_MIN
}

/// The value with its large buffers in a segment.
fn try_move(packed: &Packed) -> Option<Packed> {
    let large = packed.buffers.iter().filter(|buffer| is_large(buffer));
    let large: Vec<Bytes> = large.cloned().collect();
    let copies = match segments::try_copy(&large) {
        Ok(copies) => copies,
        Err(error) => {
            tracing::debug!(%error, "a value goes through the socket");
            return None;
        }
    };
    let mut moved = packed.clone();
    let places = moved.buffers.iter_mut().filter(|buffer| is_large(buffer));
    for (buffer, copy) in places.zip(copies) {
        *buffer = copy;
    }
    Some(moved)
}
