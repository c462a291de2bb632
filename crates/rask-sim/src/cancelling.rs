//! Clients that cancel what they want, and want it again: blocks that are waited for, that run, that
//! are there, that were cancelled or released before, of one client or of all.
//!
//! A client whose blocks of a layer are all cancelled gives the layer a new number when it submits it
//! again, so that what is still on its way to it about the old ones is told apart.

use std::collections::{BTreeMap, BTreeSet};

use rask_proto::{Blocks, Cancel, FromClient};
use rask_sched::ClientId;

use crate::client::{SimClient, Status, Wishes};
use crate::network::Happening;
use crate::random::Random;
use crate::simulation::{FAULT_MICROS, Simulation};

/// Of 100 cancellations, how many are for all clients.
const FORCE_PERCENT: u64 = 25;
/// Of 100 cancellations, how many are followed by another submission.
const ANEW_PERCENT: u64 = 70;
/// It comes within this time.
const ANEW_MICROS: u64 = 20_000;
/// Of 100 blocks, how many a cancellation is about: some, or all.
const PART_PERCENTS: [u64; 3] = [20, 60, 100];

/// Who has cancelled which blocks for all clients.
pub(crate) type Forced = BTreeMap<(u32, u32), BTreeSet<u32>>;

impl SimClient {
    /// Cancels some of what it wants, whatever has become of it. Blocks that are cancelled for all.
    fn cancel(&mut self, random: &mut Random, wishes: &mut Wishes) -> Vec<(u32, u32)> {
        let percent = PART_PERCENTS[random.below(3) as usize];
        let force = random.chance(FORCE_PERCENT);
        let mut blocks = Blocks::default();
        let mut forced = Vec::new();
        for (&(layer, block), status) in &mut self.wanted {
            // What was released has no number any more.
            if let Some(&number) = self.numbers.get(&layer)
                && random.chance(percent)
            {
                *status = Status::Cancelled;
                blocks.push(number, block);
                if force {
                    forced.push((layer, block));
                }
            }
        }
        wishes.tell.push(FromClient::Cancel(Cancel {
            blocks: Some(blocks),
            force,
            by_another: false,
        }));
        self.drop_numbers();
        // What is all cancelled need not be released.
        let mut statuses = self.wanted.values();
        if !statuses.all(|status| *status == Status::Cancelled) || random.chance(50) {
            self.release_if_done(wishes);
        }
        forced
    }

    /// Others, or the scheduler, have cancelled blocks.
    pub(crate) fn on_cancelled(&mut self, blocks: &Blocks, wishes: &mut Wishes) {
        // The scheduler is told at some later time what is not needed any more.
        for key in blocks.iter() {
            if let Some(at) = self.find(key)
                && let Some(status) = self.wanted.get_mut(&at)
                && *status != Status::Cancelled
            {
                *status = Status::CancelledByOther;
            }
        }
        self.drop_numbers();
        if blocks.len().is_multiple_of(2) {
            self.forget_dropped(wishes);
        }
    }

    /// Layers of which everything is cancelled get new numbers if they are submitted again.
    fn drop_numbers(&mut self) {
        let wanted = &self.wanted;
        let is_cancelled = |layer: u32| {
            let mut blocks = wanted.range((layer, 0)..=(layer, u32::MAX));
            blocks.all(|(_, status)| status.is_cancelled())
        };
        let dropped = &mut self.dropped;
        self.numbers.retain(|&layer, &mut number| {
            let is_dropped = is_cancelled(layer);
            if is_dropped {
                dropped.push(number, 0);
            }
            !is_dropped
        });
    }

    /// Tells the scheduler which numbers are not used any more.
    pub(crate) fn forget_dropped(&mut self, wishes: &mut Wishes) {
        if !self.dropped.is_empty() {
            let dropped = std::mem::take(&mut self.dropped);
            wishes.tell.push(FromClient::ForgetLayers(dropped));
        }
    }

    /// Submits some of the blocks again that it has cancelled or released.
    fn submit_anew(&mut self, random: &mut Random, wishes: &mut Wishes) {
        let percent = PART_PERCENTS[random.below(3) as usize];
        let mut blocks = Blocks::default();
        for (&(layer, block), status) in &mut self.wanted {
            let is_given_up = status.is_cancelled() || self.released;
            if is_given_up && random.chance(percent) {
                *status = Status::Pending;
                blocks.push(layer, block);
            } else if self.released {
                *status = Status::Cancelled;
            }
        }
        if blocks.is_empty() {
            return;
        }
        self.released = false;
        if random.chance(50) {
            self.forget_dropped(wishes);
        }
        let submit = self.submit_blocks(blocks);
        wishes.tell.push(submit);
    }
}

impl Simulation {
    pub(crate) fn plan_cancellations(&mut self) {
        for _ in 0..self.settings.faults.cancellations {
            let micros = self.random.below(FAULT_MICROS);
            let client = 1 + self.random.below(u64::from(self.settings.clients)) as u32;
            let cancels = Happening::ClientCancels { client };
            self.network.after(micros, cancels);
        }
    }

    pub(crate) fn on_client_cancels(&mut self, client: u32) {
        let mut random = self.fork_random();
        let mut forced = Vec::new();
        self.with_client(client, |client, wishes| {
            forced = client.cancel(&mut random, wishes);
        });
        if self.clients.contains_key(&client) {
            self.report.cancellations += 1;
        }
        for at in forced {
            self.forced.entry(at).or_default().insert(client);
        }
        if self.random.chance(ANEW_PERCENT) {
            let micros = self.random.below(ANEW_MICROS);
            let anew = Happening::ClientSubmitsAnew { client };
            self.network.after(micros, anew);
        }
    }

    pub(crate) fn on_client_submits_anew(&mut self, client: u32) {
        let mut random = self.fork_random();
        self.with_client(client, |client, wishes| {
            client.submit_anew(&mut random, wishes);
        });
    }

    fn fork_random(&mut self) -> Random {
        Random::new(self.random.next())
    }

    /// Clients are told only what others have cancelled.
    pub(crate) fn check_told(&self, number: u32, blocks: &Blocks) {
        let client = self.clients.get(&number);
        for at in blocks.iter().filter_map(|key| client?.find(key)) {
            let forced = self.forced.get(&at);
            let by_others =
                forced.is_some_and(|clients| clients.iter().any(|&client| client != number));
            assert!(
                by_others,
                "client {number} is told that {at:?} is cancelled"
            );
        }
    }

    /// What a client has cancelled, the scheduler does not want for it.
    pub(crate) fn check_cancelled(&self, client: ClientId, cancel: &Cancel) {
        for (number, block) in cancel.blocks.iter().flat_map(Blocks::iter) {
            assert!(
                !self.scheduler.is_wanted_by(client, number, block),
                "block {block} of layer {number} of {client:?} is cancelled and wanted"
            );
        }
    }

    /// After a restart every client wants what it has said that it wants, and nothing that it has
    /// cancelled.
    pub(crate) fn check_remembered(&self) {
        for (&number, client) in &self.clients {
            let id = ClientId(number);
            let said = self.connections.said.get(&number).map_or(0, Vec::len);
            // What another has cancelled may not have been told.
            let is_alone = self.clients.len() == 1 && self.settings.clients == 1;
            if self.journal.count(id) < said {
                continue;
            }
            for (&(layer, block), &status) in &client.wanted {
                let number = client.numbers.get(&layer);
                let is_wanted =
                    number.is_some_and(|&number| self.scheduler.is_wanted_by(id, number, block));
                match status {
                    Status::Cancelled => assert!(!is_wanted, "cancelled, and wanted again"),
                    Status::CancelledByOther => {}
                    _ if client.released => assert!(!is_wanted, "released, and wanted again"),
                    _ => assert!(is_wanted || !is_alone, "wanted, and not any more"),
                }
            }
        }
    }
}
