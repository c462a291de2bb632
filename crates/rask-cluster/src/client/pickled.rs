//! Plans as bytes: how collections are pickled. Blocks that a cluster holds are named, not copied.

use std::sync::Arc;

use rask_graph::LayerId;
use rask_proto::{Blocks, LayerSpec, PlanSpec, ProtoError};
use rask_value::{CodecError, LayerOp, Origin, Plan, codec};

use super::remote::RemoteOp;
use super::{ClusterClient, SubmitOptions};
use crate::ClusterError;
use crate::convert::{
    annotate, find_annotations, pack, pack_origin, pack_span, unpack, unpack_origin, unpack_span,
};

fn malformed(reason: impl Into<String>) -> ClusterError {
    let reason = reason.into();
    ClusterError::Codec(CodecError::Malformed {
        kind: "plan",
        reason,
    })
}

fn unreadable(error: ProtoError) -> ClusterError {
    malformed(error.to_string())
}

/// A plan as bytes, and whether a cluster holds blocks of it.
pub fn plan_to_bytes(plan: &Plan) -> Result<(Vec<u8>, bool), ClusterError> {
    let mut spec = PlanSpec::default();
    let mut held = Blocks::default();
    for (at, layer) in plan.graph.layers.iter().enumerate() {
        let mut written = LayerSpec::from_layer(layer);
        let origin = plan.origins[at].as_ref();
        written.origin = origin.map(pack_origin);
        written.span = origin.and_then(|origin| origin.span.as_deref().map(pack_span));
        let annotations = origin.and_then(|origin| origin.annotations.as_deref());
        annotate(&mut written, annotations);
        match &plan.ops[at] {
            LayerOp::Run(op) => match op.downcast_ref::<RemoteOp>() {
                Some(remote) => {
                    written.remote = true;
                    remote.flush();
                    let blocks = remote.blocks_in_order();
                    blocks.for_each(|block| held.push(at as u32, block));
                }
                None => written.op = Some(pack(op.encode()?)),
            },
            LayerOp::Held(values) => {
                written.page_blocks = 1;
                for value in values.iter() {
                    written.pages.push(pack(value.encode()?));
                }
            }
            LayerOp::Remote => written.remote = true,
        }
        spec.layers.push(written);
    }
    let wanted = plan.wanted().iter();
    spec.wanted = Some(wanted.map(|block| (block.layer.0, block.block)).collect());
    let is_held = !held.is_empty();
    spec.held = Some(held);
    Ok((spec.to_bytes(), is_held))
}

/// Reads what [`plan_to_bytes`] wrote; `client` is one of the cluster that holds blocks of it.
pub fn plan_from_bytes(bytes: &[u8], client: Option<&ClusterClient>) -> Result<Plan, ClusterError> {
    let spec = PlanSpec::try_from_bytes(bytes).map_err(unreadable)?;
    let held = spec.held.unwrap_or_default();
    let wanted = spec.wanted.unwrap_or_default();
    held.check()
        .and_then(|()| wanted.check())
        .map_err(unreadable)?;
    let mut plan = Plan::default();
    let mut numbers: Vec<LayerId> = Vec::with_capacity(spec.layers.len());
    for (at, layer) in spec.layers.into_iter().enumerate() {
        let read = layer
            .try_layer(|number| numbers.get(number as usize).copied())
            .map_err(unreadable)?;
        let span = layer.span.clone().map(|span| Arc::new(unpack_span(span)));
        let annotations = find_annotations(&layer).map(Arc::new);
        let origin = layer.origin.as_ref().map(|origin| Origin {
            span,
            annotations,
            ..unpack_origin(origin)
        });
        let op = if layer.remote {
            let client =
                client.ok_or_else(|| malformed("blocks of a cluster, without a client of it"))?;
            let blocks = held.iter().filter(|(layer, _)| *layer as usize == at);
            adopt(
                client,
                &layer.name,
                blocks.map(|(_, block)| block).collect(),
            )
        } else if let Some(op) = layer.op {
            LayerOp::Run(codec::decode_op(&unpack(op))?)
        } else {
            let pages = layer.pages.into_iter();
            let values = pages.map(|page| codec::decode_value(&unpack(page)));
            LayerOp::Held(values.collect::<Result<Vec<_>, _>>()?.into())
        };
        numbers.push(plan.add(read, op, origin));
    }
    for (layer, block) in wanted.iter() {
        let layer = numbers.get(layer as usize).copied();
        let layer = layer.ok_or_else(|| malformed("a wanted block of no layer"))?;
        if u64::from(block) >= plan.graph.layers[layer.0 as usize].block_count() {
            return Err(malformed("a wanted block that is not there"));
        }
        plan.graph.wanted.push(rask_graph::Block { layer, block });
    }
    Ok(plan)
}

/// Blocks of a layer that the scheduler knows by name, wanted by this client too.
fn adopt(client: &ClusterClient, name: &str, blocks: Vec<u32>) -> LayerOp {
    let mut submit = SubmitOptions::default().to_submit();
    submit.layers.push(ClusterClient::remote_layer(name));
    submit.wanted = Some(blocks.iter().map(|&block| (0, block)).collect());
    let keys = client.submit(submit);
    let keys = blocks.into_iter().zip(keys).collect();
    LayerOp::Run(Arc::new(RemoteOp::new(client.clone(), keys)))
}
