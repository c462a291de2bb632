//! Layers: what is common to many tasks, stored once.

use std::sync::Arc;

use rask_proto::{BlockSizes, OriginSpec, Packed, SharedLayer};
use smallvec::SmallVec;

use super::{Estimate, Operation, Restriction, SlotSet, TaskId};
use crate::event::{Time, WorkerId};
use crate::policy::unfitting::bytes_of_page;

/// In the place of bytes: they differ between blocks, or nothing is known.
pub(crate) const UNLIKE: u64 = u64::MAX;
/// After this many tasks of a layer, other layers of the same operation learn nothing more from it.
const TAUGHT_MAX: u32 = 4;
/// In [`Layer::slots`]: the block has no task.
pub(crate) const NO_TASK: TaskId = u32::MAX;

/// One layer. Its rules are not kept: they were expanded when it was submitted.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub name: Arc<str>,
    pub grid: Vec<u32>,
    /// `None` for a layer of which only the name has been seen.
    pub op: Option<Packed>,
    pub pages: Vec<Packed>,
    pub page_blocks: u32,
    pub origin: Option<OriginSpec>,
    pub operation: Arc<str>,
    /// The operation's number, given by [`Layers`](super::Layers).
    pub operation_number: u32,
    pub restriction: Option<Arc<Restriction>>,
    /// In its place where it differs between blocks.
    pub varied: Option<Box<VariedRestrictions>>,
    /// A task that runs for longer fails; 0 is without limit.
    pub timeout_millis: u32,
    /// Time until a task that raised is run again the first time, and the longest of these times; 0
    /// is without limit.
    pub retry_millis: u32,
    pub retry_millis_max: u32,
    /// Its values stay where they are made, see `policy::actors`.
    pub actor: bool,
    /// Its tasks may not run twice without need.
    pub is_impure: bool,
    /// See `LayerSpec::part_modulo`.
    pub part_modulo: u32,
    pub part_count: u32,
    /// The task of each block.
    pub slots: Vec<TaskId>,
    /// How many of `slots` have a task.
    pub task_count: u32,
    /// How many clients have a number for it.
    pub client_count: u32,
    /// What workers are told of it, once any was.
    pub message: Option<SharedLayer>,
    /// The places of the workers that have the op.
    pub shipped: SlotSet,
    /// For each page, the workers that have it; not kept for pages of a single block.
    pub pages_shipped: Vec<SmallVec<[WorkerId; 2]>>,
    /// Mean duration of its tasks that ended, and how many did.
    pub mean_micros: f32,
    pub ended_count: u32,
    /// Of its tasks that need nothing, those Placed on workers or Assigned to them.
    pub begun_count: u32,
    /// When the first of its tasks was with a worker, and all that it needs.
    pub began: Option<Time>,
    /// The span that its tasks belong to, and what became of these.
    pub span: u32,
    pub ended: Ended,
    /// Bytes of its values, where they were declared.
    pub sizes: Option<BlockSizes>,
    /// Its values are dense arrays if what they are made from are.
    pub keeps_dense: bool,
    /// Bytes of its largest block, where they are certain, else 0; and where they will be once what
    /// it is made from is there.
    pub certain_bytes_max: u64,
    pub large_bytes_max: u64,
    /// Bytes of its values so far; where sizes were declared, as a share of those.
    pub output: Estimate,
    /// What that and the next say together, if all blocks are thought to be alike; else `UNLIKE`.
    pub made_bytes: u64,
    /// Bytes that its tasks took beyond their inputs and their value while they ran, where that was
    /// measured.
    pub working: Estimate,
}

/// Restrictions of the blocks of a layer.
#[derive(Debug)]
pub(crate) struct VariedRestrictions {
    pub kinds: Vec<Option<Arc<Restriction>>>,
    /// For each block, which of these it has.
    pub of_blocks: Vec<u32>,
}

/// What became of tasks that ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    pub count: u64,
    pub nbytes: u64,
    pub compute_micros: u64,
    /// When the first began and the last one ended.
    pub start_micros: u64,
    pub stop_micros: u64,
    /// Tasks that are forgotten.
    pub forgotten: u64,
}

impl Ended {
    /// One more ended, at this time, after this long.
    #[inline]
    pub fn note(&mut self, stop_micros: u64, duration_micros: u32, nbytes: u64) {
        let start_micros = stop_micros.saturating_sub(u64::from(duration_micros));
        if self.count == 0 || start_micros < self.start_micros {
            self.start_micros = start_micros;
        }
        self.count += 1;
        self.nbytes = self.nbytes.saturating_add(nbytes);
        self.compute_micros += u64::from(duration_micros);
        self.stop_micros = self.stop_micros.max(stop_micros);
    }

    /// Those of another layer too.
    pub fn add(&mut self, other: &Ended) {
        if other.count > 0 && (self.count == 0 || other.start_micros < self.start_micros) {
            self.start_micros = other.start_micros;
        }
        self.count += other.count;
        self.nbytes = self.nbytes.saturating_add(other.nbytes);
        self.compute_micros += other.compute_micros;
        self.stop_micros = self.stop_micros.max(other.stop_micros);
        self.forgotten += other.forgotten;
    }
}

impl Layer {
    /// The bytes of its blocks were declared, or are known from its pages.
    pub fn set_sizes(&mut self, sizes: Option<BlockSizes>, keeps_dense: bool) {
        let pages = self.pages.iter().map(bytes_of_page).max().unwrap_or(0);
        let declared = sizes.as_ref().map_or(0, BlockSizes::max);
        let is_certain = sizes.as_ref().is_some_and(|sizes| sizes.is_dense);
        self.certain_bytes_max = if is_certain { declared } else { 0 }.max(pages);
        self.large_bytes_max = if keeps_dense { declared } else { 0 }.max(self.certain_bytes_max);
        self.keeps_dense = keeps_dense;
        self.sizes = sizes;
    }

    /// Where the task of `block` may run, and what it takes.
    #[inline]
    pub fn restriction_of(&self, block: u32) -> Option<&Arc<Restriction>> {
        match &self.varied {
            None => self.restriction.as_ref(),
            Some(varied) => {
                let kind = *varied.of_blocks.get(block as usize)?;
                varied.kinds.get(kind as usize)?.as_ref()
            }
        }
    }

    /// Bytes that the value of a block will take, as declared or learned.
    pub fn predict_bytes(&self, block: u32) -> Option<u64> {
        let learned = self.output.find();
        if let Some(sizes) = &self.sizes {
            let declared = sizes.at(block);
            return Some(match learned.filter(|_| !sizes.is_dense) {
                Some(share) => (declared as f64 * f64::from(share)) as u64,
                None => declared,
            });
        }
        // A page of a block's own is in memory with it.
        let page = match self.page_blocks {
            1 => self.pages.get(block as usize).map(bytes_of_page),
            _ => None,
        };
        learned.map(|bytes| bytes as u64).max(page)
    }

    /// The task of `block`, if there is one.
    #[inline]
    pub fn find_task(&self, block: u32) -> Option<TaskId> {
        let task = *self.slots.get(block as usize)?;
        (task != NO_TASK).then_some(task)
    }

    /// How much of an input of this many bytes a block needs.
    #[inline]
    pub fn bytes_taken_of(&self, nbytes: u64) -> u64 {
        match self.part_count {
            0 | 1 => nbytes,
            count => nbytes / u64::from(count),
        }
    }

    /// Whether blocks need parts of their inputs only.
    #[inline]
    pub fn takes_parts(&self) -> bool {
        self.part_modulo > 0
    }

    /// The page of `block`.
    pub fn page_of(&self, block: u32) -> Option<usize> {
        (self.page_blocks > 0).then(|| (block / self.page_blocks) as usize)
    }

    /// Learns from the value of one more task, and by how much its process grew for it, if that was
    /// measured and is not 0.
    #[inline]
    pub fn learn_bytes(&mut self, operation: &mut Operation, block: u32, nbytes: u64, grown: u64) {
        if grown > 0 {
            self.working.learn(grown.saturating_sub(nbytes) as f32);
        }
        self.learn_output(operation, block, nbytes);
        self.made_bytes = match (self.sizes.is_none(), self.page_blocks, self.output.find()) {
            (true, 0, Some(bytes)) => bytes as u64 + self.working.find().unwrap_or(0.0) as u64,
            _ => UNLIKE,
        };
    }

    #[inline]
    fn learn_output(&mut self, operation: &mut Operation, block: u32, nbytes: u64) {
        match &self.sizes {
            Some(sizes) if sizes.is_dense => {}
            Some(sizes) => {
                let declared = sizes.at(block).max(1);
                self.output.learn((nbytes as f64 / declared as f64) as f32);
            }
            None => {
                self.output.learn(nbytes as f32);
                if self.output.count() <= TAUGHT_MAX {
                    operation.output.learn(nbytes as f32);
                }
            }
        }
    }

    /// Learns from one more task that ended. Short durations count for more than long ones: the
    /// first task of a layer pays for what is made once, and a worker that was handed too much
    /// gives it back.
    pub fn learn(&mut self, micros: u32) {
        let micros = micros as f32;
        let weight = match (self.ended_count, micros < self.mean_micros) {
            (0, _) => 1.0,
            (_, true) => 0.5,
            (_, false) => 0.1,
        };
        self.ended_count = self.ended_count.saturating_add(1);
        self.mean_micros += (micros - self.mean_micros) * weight;
    }
}
