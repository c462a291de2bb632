//! A client: submits a graph, waits, fetches, compares, releases. What it cancels: `cancelling`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rask_graph::Graph;
use rask_proto::{
    Blocks, FetchFailed, FromClient, LayerSpec, LengthSpec, Packed, SizeSpec, Submit, ToClient,
};

use crate::costs::Costs;
use crate::flakes::{RETRIES, RETRY_MILLIS, RETRY_MILLIS_MAX};
use crate::graphs::Made;
use crate::network::{Asked, LayerRef, Note};
use crate::topics::SimFollower;
use crate::unfitting::{PARTS, Unfitting, declared, takes_parts};

/// How far a wanted block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    /// In memory, as the scheduler says, of this worker.
    Finished(u32),
    /// Asked of this worker.
    Asked,
    Failed,
    Compared,
    /// By this client.
    Cancelled,
    /// By another, as the scheduler says.
    CancelledByOther,
}

impl Status {
    /// Whether nothing more is to come.
    pub(crate) fn is_done(self) -> bool {
        !matches!(self, Status::Pending | Status::Finished(_) | Status::Asked)
    }

    pub(crate) fn is_cancelled(self) -> bool {
        matches!(self, Status::Cancelled | Status::CancelledByOther)
    }
}

/// One client. Blocks are named by the position of their layer in the graph.
pub(crate) struct SimClient {
    graph: Graph,
    made: HashMap<(u32, u32), Made>,
    unfitting: Unfitting,
    pub(crate) wanted: BTreeMap<(u32, u32), Status>,
    pub(crate) released: bool,
    /// Its numbers of the layers of which it wants blocks; not used twice.
    pub(crate) numbers: BTreeMap<u32, u32>,
    pub(crate) last_number: u32,
    /// Numbers of layers that are not used any more, of which the scheduler has not been told.
    pub(crate) dropped: Blocks,
    costs: Arc<Costs>,
    pub(crate) follower: SimFollower,
}

/// What a client wants to be done.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) tell: Vec<FromClient>,
    /// By worker.
    pub(crate) ask: BTreeMap<u32, Vec<Asked>>,
    pub(crate) retry: bool,
}

impl SimClient {
    pub(crate) fn new(
        graph: Graph,
        (made, unfitting): (HashMap<(u32, u32), Made>, Unfitting),
        costs: Arc<Costs>,
    ) -> Self {
        let wanted = graph.wanted.iter();
        let wanted = wanted.map(|at| ((at.layer.0, at.block), Status::Pending));
        SimClient {
            wanted: wanted.collect(),
            graph,
            made,
            unfitting,
            released: false,
            numbers: BTreeMap::new(),
            last_number: 0,
            dropped: Blocks::default(),
            costs,
            follower: SimFollower::default(),
        }
    }

    /// Submits everything.
    pub(crate) fn submit(&mut self) -> FromClient {
        let wanted = self.graph.wanted.iter();
        let wanted = wanted.map(|at| (at.layer.0, at.block)).collect();
        self.submit_blocks(wanted)
    }

    /// Submits the graph for some of its blocks.
    pub(crate) fn submit_blocks(&mut self, wanted: Blocks) -> FromClient {
        for (layer, _) in wanted.iter() {
            self.numbers.entry(layer).or_insert_with(|| {
                self.last_number += 1;
                self.last_number
            });
        }
        let layers = self.graph.layers.iter().enumerate();
        let part_count = |index| match takes_parts(index) {
            true if !self.costs.is_study() => PARTS,
            _ => 0,
        };
        let layers = layers.map(|(index, layer)| LayerSpec {
            id: self.numbers.get(&(index as u32)).copied().unwrap_or(0),
            operation: "simulated".to_owned(),
            op: Some(Packed::default()),
            // Every third layer takes parts.
            part_modulo: part_count(index),
            part_count: part_count(index),
            sizes: self.declare(index, layer),
            ..LayerSpec::from_layer(layer)
        });
        FromClient::Submit(Submit {
            layers: layers.collect(),
            wanted: Some(wanted),
            retries: if self.costs.is_study() { 0 } else { RETRIES },
            retry_millis: RETRY_MILLIS,
            retry_millis_max: RETRY_MILLIS_MAX,
            ..Submit::default()
        })
    }

    /// The bytes of a layer's blocks: as the study has them, or wrong ones for some of the layers,
    /// which is what a sparse array's are.
    fn declare(&self, index: usize, layer: &rask_graph::Layer) -> Option<SizeSpec> {
        let (item_bytes, is_dense) = match self.costs.find_declared(&layer.name) {
            Some(bytes) => (bytes, true),
            None if self.costs.is_study() => return None,
            None => declared(index, layer)?,
        };
        let axes = layer.grid.0.iter();
        let ones = axes.map(|&count| LengthSpec {
            lengths: vec![1],
            counts: vec![count],
        });
        Some(SizeSpec {
            item_bytes,
            axes: ones.collect(),
            is_dense,
        })
    }

    pub(crate) fn on_message(&mut self, message: ToClient, wishes: &mut Wishes) {
        wishes.tell.extend(self.follower.on_message(&message));
        match message {
            ToClient::Finished(finished) => {
                let keys = finished.blocks.iter().flat_map(Blocks::iter);
                for (key, &worker) in keys.zip(&finished.workers) {
                    let Some(at) = self.find(key) else { continue };
                    assert!(self.made[&at].is_some(), "{at:?} should have failed");
                    self.advance(at, Status::Finished(worker));
                }
            }
            ToClient::Lost(blocks) => self.advance_all(&blocks, Status::Pending),
            ToClient::Erred(erred) => {
                let failure = erred.failure.as_ref();
                let is_refused = failure.is_some_and(|f| f.message.starts_with("MemoryError"));
                let blocks = erred.blocks.unwrap_or_default();
                for at in blocks.iter().filter_map(|key| self.find(key)) {
                    assert!(
                        self.made[&at].is_none() || is_refused && self.unfitting.may_be_refused(at),
                        "{at:?} should not have failed: {failure:?}"
                    );
                }
                self.advance_all(&blocks, Status::Failed);
            }
            ToClient::Rejected(rejected) => panic!("rejected: {}", rejected.reason),
            ToClient::Cancelled(blocks) => self.on_cancelled(&blocks, wishes),
            ToClient::Peers(_)
            | ToClient::Answer(_)
            | ToClient::Welcome(_)
            | ToClient::Received(_) => {}
        }
        self.ask(wishes);
    }

    /// The block of a key in the client's present numbering.
    pub(crate) fn find(&self, (number, block): (u32, u32)) -> Option<(u32, u32)> {
        let mut numbers = self.numbers.iter();
        let (&layer, _) = numbers.find(|&(_, &known)| known == number)?;
        Some((layer, block))
    }

    fn advance_all(&mut self, blocks: &Blocks, status: Status) {
        for at in blocks
            .iter()
            .filter_map(|key| self.find(key))
            .collect::<Vec<_>>()
        {
            self.advance(at, status);
        }
    }

    fn advance(&mut self, at: (u32, u32), status: Status) {
        if let Some(entry) = self.wanted.get_mut(&at)
            && *entry != Status::Compared
            && !entry.is_cancelled()
        {
            *entry = status;
        }
    }

    /// Asks workers for what is there.
    pub(crate) fn ask(&mut self, wishes: &mut Wishes) {
        for (&(layer, block), status) in &mut self.wanted {
            if let Status::Finished(worker) = *status {
                let name = &self.graph.layers[layer as usize].name;
                wishes.ask.entry(worker).or_default().push(Asked {
                    layer: LayerRef::Name(name.to_string()),
                    block,
                    note: Note::Layer(self.numbers[&layer]),
                });
                *status = Status::Asked;
            }
        }
    }

    /// A worker answered, or is gone.
    pub(crate) fn on_given(
        &mut self,
        worker: u32,
        keys: &[Asked],
        values: &[Option<(u64, u64)>],
        wishes: &mut Wishes,
    ) {
        let mut failed = Blocks::default();
        for (asked, value) in keys.iter().zip(values) {
            let Note::Layer(number) = asked.note else {
                unreachable!("a client's note");
            };
            let key = (number, asked.block);
            // What was asked for may have been cancelled meanwhile.
            let Some(at) = self.find(key) else { continue };
            match value {
                Some((value, _)) => {
                    assert_eq!(Some(*value), self.made[&at], "a wrong value of {at:?}");
                    self.advance(at, Status::Compared);
                }
                None => {
                    failed.push(key.0, key.1);
                    if self.wanted.get(&at) == Some(&Status::Asked) {
                        self.advance(at, Status::Pending);
                    }
                }
            }
        }
        if !failed.is_empty() && !self.released {
            wishes.tell.push(FromClient::FetchFailed(FetchFailed {
                blocks: Some(failed),
                worker,
            }));
            wishes.retry = true;
        }
        self.release_if_done(wishes);
    }

    /// Whether every wanted block was compared or cancelled, or failed as it had to.
    pub(crate) fn is_done(&self) -> bool {
        self.wanted.values().all(|status| status.is_done())
    }

    pub(crate) fn release_if_done(&mut self, wishes: &mut Wishes) {
        if self.released || !self.is_done() {
            return;
        }
        self.released = true;
        self.forget_dropped(wishes);
        // What was cancelled is not wanted any more.
        let wanted = self
            .wanted
            .iter()
            .filter(|(_, status)| !status.is_cancelled());
        let keys = wanted.map(|(&(layer, block), _)| (self.numbers[&layer], block));
        wishes.tell.push(FromClient::Release(keys.collect()));
        let numbers = std::mem::take(&mut self.numbers).into_values();
        let numbers = numbers.map(|number| (number, 0)).collect();
        wishes.tell.push(FromClient::ForgetLayers(numbers));
    }

    /// What is not done yet, for messages.
    pub(crate) fn describe(&self) -> String {
        let open = self.wanted.iter();
        let open: Vec<_> = open
            .filter(|(_, status)| !status.is_done())
            .take(5)
            .collect();
        format!("{open:?}")
    }
}
