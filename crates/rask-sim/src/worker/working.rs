//! What a worker does: it begins what its threads can take, and obeys its machine.

use rask_exec::{Command, Job, Pull};
use rask_proto::{FromWorker, Missing, TasksFinished};

use super::{Effects, SimWorker, key_of};
use crate::network::{Asked, LayerRef, Note};

/// While a graph is studied a worker's books are checked once in so many times.
const PULLS_CHECKED: u64 = 64;

impl SimWorker {
    /// Takes jobs and fetches as long as there are threads.
    pub(super) fn pull(&mut self, effects: &mut Effects) {
        while self.busy < self.threads {
            let job = self.tasks.pull(Pull::Any, &mut self.commands);
            self.obey(effects, None);
            let Some(job) = job else { break };
            self.check_job(&job);
            if !self.leave_place(&job, effects) {
                self.busy += 1;
            }
            effects.jobs.push(job);
        }
        // One more thread writes values to disk.
        while self.busy <= self.threads {
            let Some(job) = self.tasks.pull_spill() else {
                break;
            };
            self.check_job(&job);
            self.busy += 1;
            effects.jobs.push(job);
        }
        while let Some(fetch) = self.tasks.pull_fetch(&mut self.commands) {
            self.obey(effects, None);
            let is_told = self.peers.contains(&fetch.holder) || self.gone.contains(&fetch.holder);
            assert!(
                is_told || fetch.holder == self.number,
                "a peer at no address"
            );
            // What is here is asked of oneself over the network too: it may be gone by then.
            let (layer, block) = key_of(fetch.key);
            effects.ask.entry(fetch.holder).or_default().push(Asked {
                layer: LayerRef::Number(layer),
                block,
                note: Note::Fetch(fetch),
            });
        }
        self.obey(effects, None);
        self.pulls += 1;
        // Large graphs are studied, small ones are tested.
        if !self.costs.is_study() || self.pulls.is_multiple_of(PULLS_CHECKED) {
            self.tasks.check_invariants();
        }
        let held = self.tasks.machine().held_bytes();
        self.held_most = self.held_most.max(held);
    }

    fn check_job(&self, job: &Job) {
        match job {
            Job::Run { task } => {
                for input in self.tasks.inputs(*task) {
                    assert!(self.memory.contains_key(input), "an input is not in memory");
                }
            }
            Job::Spill { task } => assert!(self.memory.contains_key(task)),
            Job::Unspill { task } => assert!(self.disk.contains_key(task)),
        }
    }

    /// Does what the machine says. `lacking` is who should have had what cannot be had.
    pub(super) fn obey(&mut self, effects: &mut Effects, lacking: Option<u32>) {
        for command in std::mem::take(&mut self.commands) {
            match command {
                Command::Drop { task } => {
                    self.memory.remove(&task);
                    self.disk.remove(&task);
                }
                Command::Evict { task } => {
                    assert!(self.disk.contains_key(&task), "a value would be lost");
                    self.memory.remove(&task);
                }
                Command::Report { task } => {
                    let key = key_of(self.tasks.key_of(task));
                    effects
                        .tell
                        .push(finished([(key, self.tasks.nbytes_of(task))], 1));
                }
                Command::GiveBack { task, input } => {
                    let task = key_of(self.tasks.key_of(task));
                    effects.tell.push(FromWorker::Missing(Missing {
                        tasks: Some([task].into_iter().collect()),
                        inputs: lacking.map(|_| [key_of(input)].into_iter().collect()),
                        holders: lacking.into_iter().collect(),
                    }));
                }
            }
        }
    }
}

/// Tasks that ended, after so long.
pub(super) fn finished(
    tasks: impl IntoIterator<Item = ((u32, u32), u64)>,
    micros: u32,
) -> FromWorker {
    let (blocks, nbytes): (Vec<(u32, u32)>, Vec<u64>) = tasks.into_iter().unzip();
    FromWorker::Finished(TasksFinished {
        duration_micros: vec![micros; nbytes.len()],
        blocks: Some(blocks.into_iter().collect()),
        nbytes,
        inline: None,
        working_bytes: Vec::new(),
    })
}
