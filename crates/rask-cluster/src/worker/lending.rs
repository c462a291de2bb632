//! Values that move into shared memory when a process of this host asks for them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::HashMap;
use parking_lot::Mutex;
use rask_proto::{Packed, PeerData};
use rask_value::{Encoded, ValueRef};

use super::Shared;
use super::job::{Fetched, Found};
use super::parts::Wanted;
use crate::convert::pack;
use crate::segments::{self, BUFFER_BYTES_MIN, Effort};

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

    /// What was lent in the answer to `request` is mapped: returned, for [`settle`].
    pub fn end(&self, request: u64) -> Vec<Bytes> {
        self.0.lock().remove(&request).unwrap_or_default()
    }
}

/// Lets go of what was lent and is mapped. Memory that was lent for the first time has lost its pages
/// here; finding them takes longer than all else about lending, so the asker does not wait for it.
pub(super) fn settle(lent: Vec<Bytes>) {
    lent.iter().for_each(segments::find_pages);
}

/// Values that somebody of this host has asked for lately, and that went through the socket.
#[derive(Default)]
pub(super) struct Asked(VecDeque<(u32, u32)>);

/// Most that are remembered.
const ASKED_COUNT_MAX: usize = 256;

impl Asked {
    /// A slow copy is worth it for those who ask later, so not for the first.
    fn note(&mut self, key: (u32, u32)) -> Effort {
        if let Some(at) = self.0.iter().position(|&asked| asked == key) {
            self.0.remove(at);
            return Effort::Any;
        }
        if self.0.len() == ASKED_COUNT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(key);
        Effort::Quick
    }
}

/// Values that are lent whole in an answer instead of the parts that are wanted of them.
pub(super) struct Wholes {
    is_allowed: bool,
    /// Whether what was looked at is lent.
    known: HashMap<(u32, u32), bool>,
}

/// Of a value that is lent whole, at most this share may travel, since it lies in no segment.
const TRAVELLING_PERCENT_MAX: usize = 25;

fn is_mostly_lent(encoded: &Encoded) -> bool {
    let buffers = encoded.frames.buffers.iter();
    let (mut all, mut travelling) = (0, 0);
    for buffer in buffers {
        all += buffer.len();
        if !is_large(buffer) || !segments::is_in_segment(buffer) {
            travelling += buffer.len();
        }
    }
    travelling * 100 <= all * TRAVELLING_PERCENT_MAX
}

impl Wholes {
    pub fn new(is_allowed: bool) -> Self {
        Wholes {
            is_allowed,
            known: HashMap::default(),
        }
    }

    /// Puts the whole value into the answer, once, if it can be lent. Whether it is there.
    pub fn try_lend(
        &mut self,
        key: (u32, u32),
        found: &Found,
        wanted: Wanted,
        at: u32,
        data: &mut PeerData,
    ) -> bool {
        let (true, Found::Memory(value), Wanted::Part(_)) = (self.is_allowed, found, wanted) else {
            return false;
        };
        if let Some(&is_lent) = self.known.get(&key) {
            return is_lent;
        }
        let whole = value.encode_in_place().filter(is_mostly_lent);
        self.known.insert(key, whole.is_some());
        let Some(whole) = whole else {
            return false;
        };
        data.found.push(at);
        data.values.push(pack(whole));
        data.wholes.push(at);
        true
    }
}

impl Shared {
    /// Whether values may stay in memory for longer than they have to.
    pub(super) fn has_ample_memory(&self) -> bool {
        self.core.lock().has_ample_memory()
    }

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
        let effort = self.asked.lock().note(key);
        let Some(moved) = try_move(&packed, effort) else {
            return packed;
        };
        let new: ValueRef = Arc::new(Fetched(moved.clone()));
        let replaced = self.core.lock().replace_value(key, &value, new);
        drop(filling);
        drop((replaced, held, value, packed));
        moved
    }
}

/// Whether the value goes through shared memory as it is, but for what is small.
pub(super) fn is_lendable(packed: &Packed) -> bool {
    let mut large = packed
        .buffers
        .iter()
        .filter(|buffer| is_large(buffer))
        .peekable();
    large.peek().is_some() && large.all(segments::is_lendable)
}

fn is_worth_it(value: &ValueRef, packed: &Packed) -> bool {
    let large = packed.buffers.iter().filter(|buffer| is_large(buffer));
    let is_to_move = large.clone().any(|buffer| !segments::is_lendable(buffer));
    let large_bytes: u64 = large.map(|buffer| buffer.len() as u64).sum();
    is_to_move && large_bytes >= value.nbytes() / 100 * LARGE_PERCENT_MIN
}

fn is_large(buffer: &Bytes) -> bool {
    buffer.len() >= BUFFER_BYTES_MIN
}

/// The value with its large buffers in a segment.
fn try_move(packed: &Packed, effort: Effort) -> Option<Packed> {
    let large = packed.buffers.iter().filter(|buffer| is_large(buffer));
    let large: Vec<Bytes> = large.cloned().collect();
    let copies = match segments::try_copy(&large, effort) {
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
