//! What a task needs, by where it is: what moving it to a worker takes.

use std::borrow::Cow;
use std::cmp::Reverse;

use smallvec::SmallVec;

use super::bandwidth::{Bandwidth, Place};
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::{TaskId, Worker, Workers};

/// Of many places, those from which most comes are looked at one by one.
const PLACES_MAX: usize = 16;
/// The holders of so few inputs are put in order one by one.
const ADDED_MAX: usize = 8;
/// Of many holders of one input, so many are compared.
const SENDERS_MAX: usize = 16;
/// A holder is preferred if it sends so many times as fast as another.
const FASTER_TIMES: u64 = 2;

/// Workers with bytes.
pub(crate) type ByWorker = SmallVec<[(WorkerId, u64); 8]>;

/// The inputs of one task.
pub(crate) struct Inputs {
    pub total_bytes: u64,
    /// For each holder, how many bytes it holds, in the order of the workers. What several hold
    /// counts at each.
    pub held: ByWorker,
    /// Where it comes from, once each: the most first.
    sources: SmallVec<[(WorkerId, Place, u64); 8]>,
    /// Bytes from elsewhere.
    rest_bytes: u64,
}

impl Scheduler {
    /// The inputs of a task. One that is named twice counts twice.
    pub(crate) fn inputs(&self, id: TaskId) -> Inputs {
        let mut held = ByWorker::new();
        let mut total_bytes = 0;
        let mut is_shared = false;
        let layer = self.layers.get(self.tasks.get(id).layer);
        let deps = self.tasks.deps(id);
        for &dep in deps {
            let nbytes = layer.bytes_taken_of(self.tasks.get(dep).nbytes()).max(1);
            total_bytes += nbytes;
            let holders = self.tasks.holders(dep);
            for &holder in holders {
                match deps.len() <= ADDED_MAX {
                    true => add(&mut held, holder, nbytes),
                    false => held.push((holder, nbytes)),
                }
            }
            is_shared |= holders.len() > 1;
        }
        if deps.len() > ADDED_MAX {
            sum_up(&mut held);
        }
        let first = match is_shared {
            true => self.first_holders(id),
            false => largest(&held, PLACES_MAX),
        };
        let mut sources = SmallVec::new();
        for &(id, nbytes) in first.iter() {
            if let Some(worker) = self.workers.find(id) {
                sources.push((id, worker.place, nbytes));
            }
        }
        let listed: u64 = sources.iter().map(|(_, _, nbytes)| *nbytes).sum();
        Inputs {
            total_bytes,
            held,
            sources,
            rest_bytes: total_bytes - listed,
        }
    }

    /// For each first holder of an input of a task how many bytes it holds as such.
    fn first_holders(&self, id: TaskId) -> Cow<'static, [(WorkerId, u64)]> {
        let layer = self.layers.get(self.tasks.get(id).layer);
        let mut first = ByWorker::new();
        for &dep in self.tasks.deps(id) {
            let nbytes = layer.bytes_taken_of(self.tasks.get(dep).nbytes()).max(1);
            if let Some(&holder) = self.tasks.holders(dep).first() {
                first.push((holder, nbytes));
            }
        }
        sum_up(&mut first);
        Cow::Owned(largest(&first, PLACES_MAX).into_owned())
    }

    /// How long it takes to have the inputs at a worker.
    pub(crate) fn moving_micros(&self, inputs: &Inputs, id: WorkerId, worker: &Worker) -> u64 {
        let missing = inputs.missing_bytes(id);
        if missing == 0 {
            return 0;
        }
        let network = self.bandwidth.network();
        let (mut latency, mut nbytes) = (0.0f32, inputs.rest_bytes);
        let mut micros = nbytes as f32 * network.micros_per_byte;
        if nbytes > 0 {
            latency = network.latency_micros;
        }
        for &(source, place, from_there) in &inputs.sources {
            if source == id {
                continue;
            }
            let rate = self.bandwidth.rate(place, worker.place);
            latency = latency.max(rate.latency_micros);
            micros += from_there as f32 * rate.micros_per_byte;
            nbytes += from_there;
        }
        // Of what several hold, some may be here although it would come from elsewhere.
        let part = missing as f32 / nbytes.max(1) as f32;
        (latency + micros * part) as u64
    }
}

impl Inputs {
    /// Bytes that are not at a worker.
    pub fn missing_bytes(&self, id: WorkerId) -> u64 {
        let here = self.held.binary_search_by_key(&id, |(holder, _)| *holder);
        self.total_bytes - here.map_or(0, |at| self.held[at].1)
    }
}

/// The holder that a worker has an input of this many bytes from: one from where it comes fast,
/// not the same for every task.
#[inline]
pub(crate) fn decide_sender(
    (workers, bandwidth): (&Workers, &Bandwidth),
    holders: &[WorkerId],
    to: WorkerId,
    nbytes: u64,
    spread: usize,
) -> Option<WorkerId> {
    if holders.len() <= 1 {
        return holders.first().copied();
    }
    let start = spread % holders.len();
    let place = workers.find(to)?.place;
    let from_start = holders[start..].iter().chain(&holders[..start]);
    let mut best: Option<(u64, WorkerId)> = None;
    for &holder in from_start.take(SENDERS_MAX) {
        let Some(worker) = workers.find(holder) else {
            continue;
        };
        let micros = bandwidth.rate(worker.place, place).micros_of(nbytes);
        if best.is_none_or(|(least, _)| micros.saturating_mul(FASTER_TIMES) < least) {
            best = Some((micros, holder));
        }
    }
    best.map(|(_, holder)| holder)
}

/// Those who hold most, no more than so many of them, in no order if there are more.
pub(crate) fn largest(held: &[(WorkerId, u64)], count_max: usize) -> Cow<'_, [(WorkerId, u64)]> {
    if held.len() <= count_max {
        return Cow::Borrowed(held);
    }
    let mut largest = held.to_vec();
    largest.select_nth_unstable_by_key(count_max, |&(id, bytes)| (Reverse(bytes), id));
    largest.truncate(count_max);
    Cow::Owned(largest)
}

/// So many bytes more are at a worker, of entries that are in the order of the workers.
#[inline]
fn add(entries: &mut ByWorker, worker: WorkerId, nbytes: u64) {
    let before = entries.iter().rposition(|(known, _)| *known <= worker);
    match before {
        Some(at) if entries[at].0 == worker => entries[at].1 += nbytes,
        Some(at) if at + 1 < entries.len() => entries.insert(at + 1, (worker, nbytes)),
        None if !entries.is_empty() => entries.insert(0, (worker, nbytes)),
        _ => entries.push((worker, nbytes)),
    }
}

/// One entry a worker, in the order of the workers.
fn sum_up(entries: &mut ByWorker) {
    entries.sort_unstable();
    entries.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        earlier.1 += if is_same { later.1 } else { 0 };
        is_same
    });
}
