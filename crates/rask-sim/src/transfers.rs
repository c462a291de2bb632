//! Values on their way between workers of several hosts, of which two may be far apart.

use rask_proto::Transfers;

use crate::network::{Asked, Message, Party};
use crate::simulation::Simulation;

/// What was asked for: a token of the value and its size, where it was to be had.
type Values<'a> = &'a [Option<(u64, u64)>];

/// The hosts of the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Workers are spread over so many; 0 is one host each.
    pub count: u32,
    /// Between the first two hosts a byte takes so long.
    pub slow_nanos_per_byte: u64,
    /// A value has so many times as many bytes as without.
    pub value_scale: u64,
    /// Workers do not say how long transfers took.
    pub are_unmeasured: bool,
}

impl Hosts {
    /// The number of a worker's host.
    pub(crate) fn host_of(&self, worker: u32) -> u32 {
        match self.count {
            0 => worker,
            count => worker % count,
        }
    }

    fn are_far_apart(&self, one: Party, other: Party) -> bool {
        let (Party::Worker(one), Party::Worker(other)) = (one, other) else {
            return false;
        };
        let mut hosts = [self.host_of(one), self.host_of(other)];
        hosts.sort_unstable();
        self.count > 1 && hosts == [0, 1]
    }
}

impl Simulation {
    /// Somebody asks a worker for values.
    pub(crate) fn on_ask(
        &mut self,
        asker: Party,
        number: u32,
        (holder, keys): (u32, Vec<Asked>),
        asked: u64,
    ) {
        let refused = self.settings.faults.refused_percent;
        let apart = self.are_apart(asker, Party::Worker(number));
        let values = match self.workers.get(&number) {
            Some(worker) if !apart => worker.give(&keys, &mut self.random, refused),
            _ => vec![None; keys.len()],
        };
        let holding = Party::Worker(number);
        let nbytes: u64 = values.iter().flatten().map(|(_, nbytes)| nbytes).sum();
        let far = self.settings.hosts.are_far_apart(asker, holding);
        let delay = if far { self.wait_for_link(nbytes) } else { 0 };
        let delay = delay + self.costs.moving_micros(nbytes);
        let message = Message::Given {
            holder,
            keys,
            values,
            asked,
        };
        self.network
            .send_slowly(&mut self.random, (holding, asker), message, delay);
    }

    /// How long it takes until so much has gone from one of the hosts that are far apart to the
    /// other: after what has been sent before.
    fn wait_for_link(&mut self, nbytes: u64) -> u64 {
        let begins = self.link_free_micros.max(self.network.now);
        let takes = nbytes * self.settings.hosts.slow_nanos_per_byte / 1000;
        self.link_free_micros = begins + takes;
        self.link_free_micros - self.network.now
    }

    /// The answer is there.
    pub(crate) fn on_given(
        &mut self,
        holder: u32,
        to: Party,
        (keys, values): (&[Asked], Values<'_>),
        asked: u64,
    ) {
        match to {
            Party::Worker(number) => {
                self.report.values_fetched += values.iter().flatten().count() as u64;
                let nbytes = values.iter().flatten().map(|(_, nbytes)| nbytes).sum();
                self.report.bytes_fetched += nbytes;
                let transfers = self.measure(holder, nbytes, asked);
                self.with_worker(number, |worker, effects| {
                    worker.on_given(holder, keys, values, effects);
                    if transfers.is_some() {
                        effects.tell.push(worker.heartbeat(transfers));
                    }
                });
            }
            Party::Client(number) => self.with_client(number, |client, wishes| {
                client.on_given(holder, keys, values, wishes);
            }),
            Party::Scheduler => unreachable!("the scheduler asks for no values"),
        }
    }

    /// How long it took, for the scheduler.
    fn measure(&self, holder: u32, nbytes: u64, asked: u64) -> Option<Transfers> {
        if nbytes == 0 || self.settings.hosts.are_unmeasured {
            return None;
        }
        let micros = self.network.now - asked;
        let mut transfers = Transfers::default();
        let columns = match nbytes < Transfers::LARGE_BYTES_MIN {
            true => [0, 0, 1, micros],
            false => [nbytes, micros, 0, 0],
        };
        transfers.push(holder, columns);
        Some(transfers)
    }
}
