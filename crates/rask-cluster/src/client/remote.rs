//! Blocks that a cluster holds, as layers of further plans.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use rask_graph::Layer;
use rask_value::{
    CodecError, Encoded, Inputs, LayerOp, Op, OpRef, Plan, TaskContext, TaskError, ValueRef, codec,
};

use super::{BlockKey, ClusterClient, Gathered, SubmitOptions};
use crate::ClusterError;
use crate::convert::task_from_failure;

/// Between looks whether the connection has ended.
const WAIT: Duration = Duration::from_secs(1);

/// The op of a layer whose blocks a cluster holds or will hold. As long as a plan has it, the
/// blocks are kept there; run locally, it fetches them.
pub(super) struct RemoteOp {
    client: ClusterClient,
    /// With the numbers of the blocks in the layer, by which they are sorted.
    keys: Vec<(u32, BlockKey)>,
}

impl std::fmt::Debug for RemoteOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "RemoteOp({} blocks at {})",
            self.keys.len(),
            self.client.address()
        )
    }
}

impl Drop for RemoteOp {
    fn drop(&mut self) {
        for &(_, key) in &self.keys {
            self.client.release_later(key);
        }
    }
}

impl RemoteOp {
    /// Blocks that the client refers to, one reference each, which become the op's.
    pub fn new(client: ClusterClient, mut keys: Vec<(u32, BlockKey)>) -> Self {
        keys.sort_unstable();
        keys.dedup_by(|later, earlier| {
            let again = later.0 == earlier.0;
            if again {
                client.release_later(later.1);
            }
            again
        });
        RemoteOp { client, keys }
    }

    /// The numbers of the blocks in their layer, in order.
    pub fn blocks_in_order(&self) -> impl Iterator<Item = u32> {
        self.keys.iter().map(|&(block, _)| block)
    }

    fn find_key(&self, block: u32) -> Option<BlockKey> {
        let at = self.keys.binary_search_by_key(&block, |&(block, _)| block);
        at.ok().map(|at| self.keys[at].1)
    }

    /// The scheduler is told of the blocks now: others are about to ask it for them.
    pub fn flush(&self) {
        self.client.flush();
    }

    /// Whether the blocks are at the cluster of `client`.
    pub fn belongs_to(&self, client: &ClusterClient) -> bool {
        Arc::ptr_eq(&self.client.shared, &client.shared)
    }
}

impl Op for RemoteOp {
    fn name(&self) -> &str {
        "remote"
    }

    fn run(&self, context: TaskContext<'_>, _: Inputs) -> Result<ValueRef, TaskError> {
        let key = self.find_key(context.block);
        let key = key.ok_or_else(|| TaskError::new("the cluster was not asked for this block"))?;
        loop {
            let outcomes = self.client.gather(&[key], WAIT);
            let outcomes = outcomes.map_err(|error| TaskError::new(error.to_string()))?;
            match outcomes.and_then(|mut outcomes| outcomes.pop()) {
                None => {}
                Some(Gathered::Value(value)) => return Ok(codec::decode_own_value(value)?),
                Some(Gathered::Failed(failure)) => return Err(task_from_failure(&failure)),
                Some(Gathered::Cancelled) => return Err(TaskError::new("it was cancelled")),
            }
        }
    }

    fn unite(&self, other: &dyn Op) -> Option<OpRef> {
        let other = other.downcast_ref::<RemoteOp>()?;
        if !other.belongs_to(&self.client) {
            return None;
        }
        let keys: Vec<_> = self.keys.iter().chain(&other.keys).copied().collect();
        keys.iter().for_each(|&(_, key)| self.client.refer(key));
        Some(Arc::new(RemoteOp::new(self.client.clone(), keys)))
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Err(CodecError::NotSerialisable {
            what: "a block that another cluster holds".to_owned(),
            reason: "fetch it first, with compute()".to_owned(),
        })
    }
}

impl ClusterClient {
    /// The blocks of a plan that this client's cluster holds, with their layers, referred to once
    /// more each.
    pub fn remote_blocks<'a>(&self, plan: &'a Plan) -> Vec<(&'a Layer, BlockKey)> {
        let mut blocks = Vec::new();
        for (layer, op) in plan.graph.layers.iter().zip(&plan.ops) {
            let LayerOp::Run(op) = op else { continue };
            let remote = op.downcast_ref::<RemoteOp>();
            let Some(remote) = remote.filter(|op| op.belongs_to(self)) else {
                continue;
            };
            for &(_, key) in &remote.keys {
                self.refer(key);
                blocks.push((layer, key));
            }
        }
        blocks
    }

    /// A plan of blocks that the cluster holds or will hold: names and grids of their layers, and for
    /// each wanted block its layer, its number there and its key. Each is referred to once more.
    pub fn plan_of_blocks(
        &self,
        layers: &[(String, Vec<u32>)],
        blocks: &[(u32, u32, BlockKey)],
    ) -> Plan {
        let mut keys: Vec<Vec<(u32, BlockKey)>> = vec![Vec::new(); layers.len()];
        let mut plan = Plan::default();
        for &(layer, block, key) in blocks {
            let Some(keys) = keys.get_mut(layer as usize) else {
                continue;
            };
            self.refer(key);
            keys.push((block, key));
            plan.graph.wanted.push(rask_graph::Block {
                layer: rask_graph::LayerId(layer),
                block,
            });
        }
        for ((name, grid), keys) in layers.iter().zip(keys) {
            let layer = Layer {
                name: name.as_str().into(),
                grid: rask_graph::Grid::new(grid.iter().copied()),
                inputs: Default::default(),
            };
            let op = RemoteOp::new(self.clone(), keys);
            plan.add(layer, LayerOp::Run(Arc::new(op)), None);
        }
        plan
    }

    /// Submits a plan, and returns one of the same wanted blocks, held by the cluster.
    pub fn persist_plan(&self, plan: &Plan, options: &SubmitOptions) -> Result<Plan, ClusterError> {
        let keys = self.submit_plan(plan, options)?;
        let mut held = Plan::default();
        let mut layers: HashMap<u32, Vec<(u32, BlockKey)>> = HashMap::default();
        let mut order = Vec::new();
        let mut keys = keys.into_iter();
        for run in plan
            .wanted()
            .chunk_by(|left, right| left.layer == right.layer)
        {
            let blocks = layers.entry(run[0].layer.0).or_insert_with(|| {
                order.push(run[0].layer);
                Vec::with_capacity(run.len())
            });
            blocks.extend(run.iter().map(|at| at.block).zip(keys.by_ref()));
        }
        let mut numbers = HashMap::default();
        for id in order {
            let layer = &plan.graph.layers[id.0 as usize];
            let keys = layers.remove(&id.0).unwrap_or_default();
            let op = RemoteOp::new(self.clone(), keys);
            let layer = Layer {
                name: layer.name.clone(),
                grid: layer.grid.clone(),
                inputs: Default::default(),
            };
            let origin = plan.origins[id.0 as usize].clone();
            let number = held.add(layer, LayerOp::Run(Arc::new(op)), origin);
            numbers.insert(id, number);
        }
        let wanted = plan.wanted().iter();
        held.graph.wanted = wanted
            .map(|block| rask_graph::Block {
                layer: numbers[&block.layer],
                block: block.block,
            })
            .collect();
        Ok(held)
    }
}
