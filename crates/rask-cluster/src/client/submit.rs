//! From plans to submissions.

use std::sync::Arc;

use bytes::Bytes;
use rask_proto::{LayerSpec, Packed, Resource, Submit, TaskNumber};
use rask_value::{CodecError, ValueRef, codec};
use rask_value::{
    Encoded, Frames, Inputs, LayerOp, Op, OpRef, Plan, SpanPath, TaskContext, TaskError,
};

use super::remote::RemoteOp;
use super::{BlockKey, ClusterClient};
use crate::ClusterError;
use crate::convert::{annotate, pack, pack_origin, pack_sizes, pack_span};

/// How a submission is to be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubmitOptions {
    pub priority: i32,
    pub retries: u32,
    pub workers: Vec<String>,
    pub allow_other_workers: bool,
    pub resources: Vec<(String, f64)>,
    pub fire_and_forget: bool,
    /// A task that runs for longer fails; 0 is without limit.
    pub timeout_millis: u32,
    /// These tasks may not run twice without need.
    pub impure: bool,
    /// Time until a task that raised is run again the first time, and the longest of these times; 0
    /// is without limit.
    pub retry_millis: u32,
    pub retry_millis_max: u32,
    /// Where what was made in no span belongs.
    pub span: Option<Arc<SpanPath>>,
    /// The blocks are objects that stay on the workers that make them.
    pub actor: bool,
    /// The task that submits it, in the scheduler's numbering.
    pub submitted_by: Option<(u32, u32)>,
}

impl SubmitOptions {
    /// A submission without layers.
    pub fn to_submit(&self) -> Submit {
        let resources = self.resources.iter();
        Submit {
            priority: self.priority,
            retries: self.retries,
            workers: self.workers.clone(),
            allow_other_workers: self.allow_other_workers,
            resources: resources
                .map(|(name, amount)| Resource {
                    name: name.clone(),
                    amount: *amount,
                })
                .collect(),
            fire_and_forget: self.fire_and_forget,
            timeout_millis: self.timeout_millis,
            impure: self.impure,
            retry_millis: self.retry_millis,
            retry_millis_max: self.retry_millis_max,
            submitted_by: self
                .submitted_by
                .map(|(layer, block)| TaskNumber { layer, block }),
            span: self.span.as_deref().map(pack_span),
            ..Submit::default()
        }
    }
}

impl ClusterClient {
    /// Submits a plan; returns its wanted blocks in order, each referred to once (once for each
    /// time it is wanted). Nothing is submitted if an op cannot be encoded.
    pub fn submit_plan(
        &self,
        plan: &Plan,
        options: &SubmitOptions,
    ) -> Result<Vec<BlockKey>, ClusterError> {
        let mut submit = options.to_submit();
        for (at, layer) in plan.graph.layers.iter().enumerate() {
            let mut spec = LayerSpec::from_layer(layer);
            let origin = plan.origins[at].as_ref();
            spec.origin = origin.map(pack_origin);
            spec.span = origin.and_then(|origin| origin.span.as_deref().map(pack_span));
            self.describe_op(&mut spec, &plan.ops[at])?;
            if matches!(plan.ops[at], LayerOp::Run(_)) && !spec.remote {
                let annotations = origin.and_then(|origin| origin.annotations.as_deref());
                annotate(&mut spec, annotations);
            }
            submit.layers.push(spec);
        }
        let wanted = plan.wanted().iter();
        submit.wanted = Some(wanted.map(|block| (block.layer.0, block.block)).collect());
        Ok(self.submit(submit))
    }

    fn describe_op(&self, spec: &mut LayerSpec, op: &LayerOp) -> Result<(), ClusterError> {
        match op {
            LayerOp::Run(op) if self.holds(op) => spec.remote = true,
            LayerOp::Run(op) => {
                spec.operation = op.name().to_owned();
                spec.op = Some(pack(op.encode()?));
                spec.sizes = op.output_sizes().as_ref().map(pack_sizes);
                if let Some(parts) = op.takes_parts() {
                    spec.part_modulo = parts.modulo;
                    spec.part_count = parts.count;
                }
            }
            LayerOp::Held(values) => {
                spec.operation = "held".to_owned();
                spec.op = Some(held_op());
                spec.page_blocks = 1;
                let pages = values.iter().map(|value| Ok(pack(value.encode()?)));
                spec.pages = pages.collect::<Result<_, CodecError>>()?;
            }
            LayerOp::Remote => spec.remote = true,
        }
        Ok(())
    }

    /// Whether these are blocks that this client's cluster holds.
    fn holds(&self, op: &OpRef) -> bool {
        op.downcast_ref::<RemoteOp>()
            .is_some_and(|remote| remote.belongs_to(self))
    }

    /// Runs a block to its end even if nobody refers to it any more.
    pub fn keep(&self, name: &str, block: u32) {
        let options = SubmitOptions {
            fire_and_forget: true,
            ..SubmitOptions::default()
        };
        let mut submit = options.to_submit();
        submit.layers.push(Self::remote_layer(name));
        submit.wanted = Some([(0, block)].into_iter().collect());
        for key in self.submit(submit) {
            self.release_later(key);
        }
    }
}

/// The kind of [`HeldOp`] when it is encoded.
pub(crate) const HELD_KIND: &str = "held";

/// Gives its page: how values that a client has become values that the cluster has.
#[derive(Debug)]
struct HeldOp;

impl Op for HeldOp {
    fn name(&self) -> &str {
        HELD_KIND
    }

    fn run(&self, _: TaskContext<'_>, mut inputs: Inputs) -> Result<ValueRef, TaskError> {
        inputs
            .pop()
            .ok_or_else(|| TaskError::new("the value of the block did not come"))
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(Encoded {
            kind: HELD_KIND.to_owned(),
            frames: Frames::default(),
        })
    }
}

/// [`HeldOp`] as it travels.
pub fn held_op() -> Packed {
    Packed::new(HELD_KIND, Bytes::new(), Vec::new())
}

/// Makes the ops of this crate decodable in this process.
pub fn register_codecs() {
    codec::register_op(HELD_KIND, |_| {
        let op: OpRef = Arc::new(HeldOp);
        Ok(op)
    });
}
