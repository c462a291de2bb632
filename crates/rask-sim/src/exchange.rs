//! What workers and clients do, and what follows for others.

use rask_exec::{Job, Pace};

use crate::client::{SimClient, Wishes};
use crate::network::{Asked, Happening, Message, Party};
use crate::simulation::Simulation;
use crate::worker::{Effects, SimWorker};

/// What a task takes that takes long.
const STRAGGLING_MICROS: u64 = 200_000;

impl Simulation {
    pub(crate) fn with_worker(
        &mut self,
        number: u32,
        body: impl FnOnce(&mut SimWorker, &mut Effects),
    ) {
        let Some(worker) = self.workers.get_mut(&number) else {
            return;
        };
        let mut effects = Effects::default();
        body(worker, &mut effects);
        self.report.held_most = self.report.held_most.max(worker.held_most);
        let micros = effects.jobs.iter().map(|job| worker.find_micros(job));
        let micros: Vec<Option<u64>> = micros.collect();
        let crawls = worker.pace() == Pace::OneByOne;
        self.note_held(number);
        let party = Party::Worker(number);
        for message in effects.tell {
            self.send(party, Party::Scheduler, Message::FromWorker(message));
        }
        for (holder, keys) in effects.ask {
            self.ask(party, holder, keys);
        }
        for (job, said) in effects.jobs.into_iter().zip(micros) {
            match job {
                Job::Run { .. } => {
                    self.report.tasks_run += 1;
                    self.report.tasks_crawled += u64::from(crawls);
                }
                Job::Spill { .. } => self.report.values_spilled += 1,
                Job::Unspill { .. } => {}
            }
            let drawn = 1 + self.random.below(2000);
            let mut micros = said.unwrap_or(drawn);
            let straggling = self.settings.faults.straggling_percent;
            if straggling > 0 && matches!(job, Job::Run { .. }) && self.random.chance(straggling) {
                micros += STRAGGLING_MICROS;
            }
            match job {
                Job::Run { .. } => {
                    let ends = self.network.now + micros;
                    self.report.computed_micros = self.report.computed_micros.max(ends);
                }
                _ => micros += self.decide_disk_delay(),
            }
            let worker = number;
            self.network
                .after(micros, Happening::JobEnds { worker, job });
        }
    }

    fn ask(&mut self, party: Party, holder: u32, keys: Vec<Asked>) {
        let to = self.connections.party_of(holder);
        let asked = self.network.now;
        let question = Message::Ask {
            holder,
            keys,
            asked,
        };
        self.send(party, to, question);
    }

    pub(crate) fn with_client(
        &mut self,
        number: u32,
        body: impl FnOnce(&mut SimClient, &mut Wishes),
    ) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        let mut wishes = Wishes::default();
        let was_done = client.is_done();
        body(client, &mut wishes);
        if client.is_done() && !was_done {
            self.report.done_micros = self.network.now;
        }
        let party = Party::Client(number);
        for message in wishes.tell {
            if message.is_kept() {
                let said = self.connections.said.entry(number).or_default();
                said.push(message.clone());
            }
            self.send(party, Party::Scheduler, Message::FromClient(message));
        }
        for (holder, keys) in wishes.ask {
            self.ask(party, holder, keys);
        }
        if wishes.retry {
            let retries = Happening::ClientRetries { client: number };
            self.network.after(20_000, retries);
        }
    }
}
