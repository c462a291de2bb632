//! How long it takes to move values from one worker to another.
//!
//! Workers measure what they fetch and say so with their heartbeats. Of each pair of hosts there is
//! a figure, in which later transfers count for more; a pair of which little or nothing is known is
//! taken to be like others of its kind: within a process, within a host (shared memory), or over the
//! network.

use std::hash::BuildHasher;

use rask_proto::{Register, Transfers};

use crate::HashMap;
use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::host_of;

/// Where a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Stands for the name of its host.
    host: u64,
    process: u32,
}

/// From one host to another.
type Pair = (u64, u64);

/// Pairs of hosts with a figure: of the least recently measured ones it is dropped.
const PAIRS_MAX: usize = 1 << 17;
/// What counts of all there was before, when there is more.
const KEPT: f32 = 0.75;
/// A pair is taken to be like others of its kind as if so much had been measured.
const LIKE_OTHERS_BYTES: f32 = 5e5;
const LIKE_OTHERS_COUNT: f32 = 2.0;
/// Before anything is measured.
const PRIOR_LATENCY_MICROS: f32 = 200.0;
const PRIOR_HOST_BYTES_PER_SECOND: f32 = 2e9;
/// No measurement is believed that says more, or less.
const MICROS_PER_BYTE_MIN: f32 = 1e-6;
const MICROS_PER_BYTE_MAX: f32 = 1e3;
const LATENCY_MICROS_MAX: f32 = 1e7;

/// What a transfer takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub latency_micros: f32,
    pub micros_per_byte: f32,
}

/// Sums of what was measured, the earlier the less, and what follows from them.
#[derive(Clone, Copy, Debug)]
struct Figure {
    nbytes: f32,
    micros: f32,
    small_count: f32,
    small_micros: f32,
    rate: Rate,
}

/// Where two workers are, seen from each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Process,
    Host,
    Network,
}

/// All figures.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    kinds: [Figure; 3],
    /// Pairs measured lately, and before that.
    recent: HashMap<Pair, Figure>,
    older: HashMap<Pair, Figure>,
}

impl Place {
    /// Where the worker says that it is.
    pub fn of(register: &Register) -> Self {
        let host = host_of(&register.address).unwrap_or(&register.address);
        Place {
            host: foldhash::fast::FixedState::default().hash_one(host),
            process: register.process,
        }
    }

    /// Whether memory can be shared between the two.
    pub fn is_same_host(self, other: Place) -> bool {
        self.host == other.host
    }

    fn kind_to(self, to: Place) -> Kind {
        match (self.host == to.host, self.process == to.process) {
            (true, true) => Kind::Process,
            (true, false) => Kind::Host,
            (false, _) => Kind::Network,
        }
    }

    fn pair_to(self, to: Place) -> Pair {
        // Within a process it is not as between two of a host.
        let within = u64::from(self.kind_to(to) == Kind::Process);
        (self.host, to.host ^ within)
    }
}

impl Rate {
    /// How long it takes to move so much.
    pub fn micros_of(self, nbytes: u64) -> u64 {
        (self.latency_micros + nbytes as f32 * self.micros_per_byte) as u64
    }
}

impl Figure {
    fn new(rate: Rate) -> Self {
        Figure {
            nbytes: 0.0,
            micros: 0.0,
            small_count: 0.0,
            small_micros: 0.0,
            rate,
        }
    }

    /// Takes in what was measured; `like` is what others are like.
    fn learn(&mut self, columns: [u64; 4], like: Rate) {
        let [nbytes, micros, small_count, small_micros] = columns.map(|sum| sum as f32);
        if small_count > 0.0 {
            self.small_count = self.small_count * KEPT + small_count;
            self.small_micros = self.small_micros * KEPT + small_micros;
        }
        if nbytes > 0.0 {
            self.nbytes = self.nbytes * KEPT + nbytes;
            self.micros = self.micros * KEPT + micros;
        }
        let latency_micros = (self.small_micros + LIKE_OTHERS_COUNT * like.latency_micros)
            / (self.small_count + LIKE_OTHERS_COUNT);
        let micros_per_byte = (self.micros + LIKE_OTHERS_BYTES * like.micros_per_byte)
            / (self.nbytes + LIKE_OTHERS_BYTES);
        self.rate = Rate {
            latency_micros: latency_micros.clamp(1.0, LATENCY_MICROS_MAX),
            micros_per_byte: micros_per_byte.clamp(MICROS_PER_BYTE_MIN, MICROS_PER_BYTE_MAX),
        };
    }
}

impl Bandwidth {
    /// Nothing measured; so many bytes a second go over a network.
    pub fn new(network_bytes_per_second: u64) -> Self {
        let prior = |bytes_per_second: f32| {
            Figure::new(Rate {
                latency_micros: PRIOR_LATENCY_MICROS,
                micros_per_byte: 1e6 / bytes_per_second.max(1.0),
            })
        };
        let network = network_bytes_per_second as f32;
        let host = PRIOR_HOST_BYTES_PER_SECOND.max(network);
        Bandwidth {
            kinds: [prior(host), prior(host), prior(network)],
            recent: HashMap::default(),
            older: HashMap::default(),
        }
    }

    /// What transfers take from one worker to another.
    pub fn rate(&self, from: Place, to: Place) -> Rate {
        if !self.recent.is_empty() {
            let pair = from.pair_to(to);
            let known = self.recent.get(&pair).or_else(|| self.older.get(&pair));
            if let Some(figure) = known {
                return figure.rate;
            }
        }
        self.kinds[from.kind_to(to) as usize].rate
    }

    /// What transfers take between hosts that are not known.
    pub fn network(&self) -> Rate {
        self.kinds[Kind::Network as usize].rate
    }

    /// The least that moving so much may take.
    pub fn micros_at_least(&self, nbytes: u64) -> u64 {
        let rates = self
            .kinds
            .iter()
            .map(|figure| figure.rate.micros_of(nbytes));
        rates.min().unwrap_or(0)
    }

    /// Takes in what was measured of transfers from one worker to another.
    pub fn learn(&mut self, from: Place, to: Place, columns: [u64; 4]) {
        let kind = &mut self.kinds[from.kind_to(to) as usize];
        let like = kind.rate;
        kind.learn(columns, like);
        let pair = from.pair_to(to);
        if self.recent.len() >= PAIRS_MAX / 2 && !self.recent.contains_key(&pair) {
            self.older = std::mem::take(&mut self.recent);
        }
        let before = self.older.remove(&pair);
        let figure = self.recent.entry(pair);
        let figure = figure.or_insert_with(|| before.unwrap_or(Figure::new(like)));
        figure.learn(columns, like);
    }
}

impl Scheduler {
    /// A worker says how long it took to fetch what it has fetched.
    pub(crate) fn on_transfers(&mut self, worker: WorkerId, transfers: &Transfers) {
        let Some(to) = self.workers.find(worker).map(|worker| worker.place) else {
            return;
        };
        for (peer, columns) in transfers.iter() {
            if let Some(from) = self.workers.find(WorkerId(peer)) {
                self.bandwidth.learn(from.place, to, columns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str, process: u32) -> Place {
        Place::of(&Register {
            address: format!("tcp://{host}:1"),
            process,
            ..Register::default()
        })
    }

    /// A megabyte at so many bytes a second.
    fn large(bytes_per_second: u64) -> [u64; 4] {
        [1_000_000, 1_000_000_000_000 / bytes_per_second, 0, 0]
    }

    fn seconds(bandwidth: &Bandwidth, from: Place, to: Place) -> f64 {
        bandwidth.rate(from, to).micros_of(100_000_000) as f64 / 1e6
    }

    #[test]
    fn a_pair_is_like_its_kind_until_it_is_measured() {
        let mut bandwidth = Bandwidth::new(500_000_000);
        let (a, b, c) = (place("a", 1), place("b", 2), place("c", 3));
        assert!((seconds(&bandwidth, a, b) - 0.2).abs() < 0.01);
        assert!(seconds(&bandwidth, a, place("a", 9)) < 0.06);
        for _ in 0..40 {
            bandwidth.learn(a, b, large(10_000_000));
        }
        assert!((seconds(&bandwidth, a, b) - 10.0).abs() < 1.0);
        assert!(seconds(&bandwidth, a, c) > 1.0, "networks are slow here");
        for _ in 0..40 {
            bandwidth.learn(a, c, large(1_000_000_000));
        }
        assert!((seconds(&bandwidth, a, b) - 10.0).abs() < 5.0);
        assert!(seconds(&bandwidth, a, c) < 0.3);
        assert!(
            seconds(&bandwidth, b, a) < 1.0,
            "the other way was not measured"
        );
    }

    #[test]
    fn latency_is_learned_from_small_answers() {
        let mut bandwidth = Bandwidth::new(500_000_000);
        let (a, b) = (place("a", 1), place("b", 2));
        for _ in 0..20 {
            bandwidth.learn(a, b, [0, 0, 10, 500_000]);
        }
        assert!(bandwidth.rate(a, b).micros_of(0) > 40_000);
        assert!(bandwidth.rate(a, place("a", 2)).micros_of(0) <= 200);
    }

    #[test]
    fn nonsense_changes_little_and_pairs_are_limited() {
        let mut bandwidth = Bandwidth::new(500_000_000);
        let a = place("a", 1);
        bandwidth.learn(a, a, [u64::MAX; 4]);
        bandwidth.learn(a, a, [u64::MAX, 0, 0, u64::MAX]);
        bandwidth.learn(a, a, [0, u64::MAX, u64::MAX, 0]);
        assert!(bandwidth.rate(a, a).micros_of(u64::MAX) > 0);
        for number in 0..2 * PAIRS_MAX {
            bandwidth.learn(a, place(&number.to_string(), 1), large(1_000_000));
        }
        let count = bandwidth.recent.len() + bandwidth.older.len();
        assert!((PAIRS_MAX / 2..=PAIRS_MAX).contains(&count), "{count}");
    }
}
