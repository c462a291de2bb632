//! A client: submits a graph, waits, fetches, compares, releases.

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
enum Status {
    Pending,
    /// In memory, as the scheduler says, of this worker.
    Finished(u32),
    /// Asked of this worker.
    Asked,
    Failed,
    Compared,
}

/// One client. Its numbers of layers are their positions in the graph, plus 1.
pub(crate) struct SimClient {
    graph: Graph,
    made: HashMap<(u32, u32), Made>,
    unfitting: Unfitting,
    wanted: BTreeMap<(u32, u32), Status>,
    released: bool,
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
        let wanted = wanted.map(|at| ((at.layer.0 + 1, at.block), Status::Pending));
        SimClient {
            wanted: wanted.collect(),
            graph,
            made,
            unfitting,
            released: false,
            costs,
            follower: SimFollower::default(),
        }
    }

    pub(crate) fn submit(&self) -> FromClient {
        let layers = self.graph.layers.iter().enumerate();
        let part_count = |index| match takes_parts(index) {
            true if !self.costs.is_study() => PARTS,
            _ => 0,
        };
        let layers = layers.map(|(index, layer)| LayerSpec {
            id: index as u32 + 1,
            operation: "simulated".to_owned(),
            op: Some(Packed::default()),
            // Every third layer takes parts.
            part_modulo: part_count(index),
            part_count: part_count(index),
            sizes: self.declare(index, layer),
            ..LayerSpec::from_layer(layer)
        });
        let wanted = self.graph.wanted.iter();
        FromClient::Submit(Submit {
            layers: layers.collect(),
            wanted: Some(wanted.map(|at| (at.layer.0, at.block)).collect()),
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
                    assert!(self.made_of(key).is_some(), "{key:?} should have failed");
                    self.advance(key, Status::Finished(worker));
                }
            }
            ToClient::Lost(blocks) => {
                blocks
                    .iter()
                    .for_each(|key| self.advance(key, Status::Pending));
            }
            ToClient::Erred(erred) => {
                for key in erred.blocks.iter().flat_map(Blocks::iter) {
                    let failure = erred.failure.as_ref();
                    let is_refused = failure.is_some_and(|f| f.message.starts_with("MemoryError"));
                    assert!(
                        self.made_of(key).is_none()
                            || is_refused && self.unfitting.may_be_refused((key.0 - 1, key.1)),
                        "{key:?} should not have failed: {failure:?}"
                    );
                    self.advance(key, Status::Failed);
                }
            }
            ToClient::Rejected(rejected) => panic!("rejected: {}", rejected.reason),
            ToClient::Cancelled(_) => panic!("nobody cancels"),
            ToClient::Peers(_)
            | ToClient::Answer(_)
            | ToClient::Welcome(_)
            | ToClient::Received(_) => {}
        }
        self.ask(wishes);
    }

    fn made_of(&self, (layer, block): (u32, u32)) -> Made {
        self.made[&(layer - 1, block)]
    }

    fn advance(&mut self, key: (u32, u32), status: Status) {
        if let Some(entry) = self.wanted.get_mut(&key)
            && *entry != Status::Compared
        {
            *entry = status;
        }
    }

    /// Asks workers for what is there.
    pub(crate) fn ask(&mut self, wishes: &mut Wishes) {
        for (&(layer, block), status) in &mut self.wanted {
            if let Status::Finished(worker) = *status {
                let name = &self.graph.layers[layer as usize - 1].name;
                wishes.ask.entry(worker).or_default().push(Asked {
                    layer: LayerRef::Name(name.to_string()),
                    block,
                    note: Note::Layer(layer),
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
            let Note::Layer(layer) = asked.note else {
                unreachable!("a client's note");
            };
            let key = (layer, asked.block);
            match value {
                Some((value, _)) => {
                    assert_eq!(Some(*value), self.made_of(key), "a wrong value of {key:?}");
                    self.advance(key, Status::Compared);
                }
                None => {
                    failed.push(key.0, key.1);
                    if self.wanted.get(&key) == Some(&Status::Asked) {
                        self.advance(key, Status::Pending);
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

    /// Whether every wanted block was compared, or failed as it had to.
    pub(crate) fn is_done(&self) -> bool {
        let mut statuses = self.wanted.values();
        statuses.all(|status| matches!(status, Status::Compared | Status::Failed))
    }

    pub(crate) fn release_if_done(&mut self, wishes: &mut Wishes) {
        if self.released || !self.is_done() {
            return;
        }
        self.released = true;
        let keys = self.wanted.keys().copied().collect();
        wishes.tell.push(FromClient::Release(keys));
        let layers = (1..=self.graph.layers.len() as u32).map(|layer| (layer, 0));
        wishes.tell.push(FromClient::ForgetLayers(layers.collect()));
    }

    /// What is not done yet, for messages.
    pub(crate) fn describe(&self) -> String {
        let open = self.wanted.iter();
        let open: Vec<_> = open
            .filter(|(_, status)| !matches!(status, Status::Compared | Status::Failed))
            .take(5)
            .collect();
        format!("{open:?}")
    }
}
