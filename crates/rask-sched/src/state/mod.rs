//! Tables of what the scheduler knows: tasks, layers, workers, clients.

mod arena;
mod charge;
mod client;
mod estimate;
mod gone;
mod history;
mod layer;
mod lists;
mod peer_set;
mod placed;
mod queue;
mod restriction;
mod share;
mod slot_set;
mod task;
mod tasks;
mod worker;
mod worker_table;

pub(crate) use charge::{ByValue, Charge};
pub(crate) use client::{Client, Clients};
pub(crate) use estimate::Estimate;
pub(crate) use gone::{GoneLayers, LayerName, LayerNames, Written};
use history::History;
pub(crate) use layer::{Ended, Layer, Layers, NO_TASK};
pub(crate) use peer_set::PeerSet;
pub(crate) use placed::PlacedQueues;
pub(crate) use queue::SourceQueue;
pub(crate) use restriction::Restriction;
pub(crate) use share::{COMMON, ShareId, Shares};
pub(crate) use slot_set::SlotSet;
pub(crate) use task::{Task, TaskId, TaskState};
pub(crate) use tasks::Tasks;
pub(crate) use worker::{QueueEntry, Worker, Workers, host_of};
use worker_table::WorkerTable;
