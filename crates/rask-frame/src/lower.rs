//! From nodes to layers.

use std::collections::HashMap;
use std::sync::Arc;

use rask_graph::{AxisMap, Block, Grid, Input, InputMap, Layer, LayerId};
use rask_value::{LayerNames, LayerOp, Op, Origin, Plan, are_annotated_alike};
use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::xxh3_128;

use crate::engine::groupby::{self, GroupbySpec};
use crate::engine::join::JoinSpec;
use crate::engine::sort::{Key, SortSpec};
use crate::engine::{Expr, Result};
use crate::node::{Kind, Node, NodeRef, Side, broadcast_side};
use crate::op::FrameOp;
use crate::required::Required;
use crate::step::Step;

/// States that one task of a tree combines.
const FAN_IN: u32 = 16;
/// Sampled keys a partition of a sort.
const SAMPLE_ROWS: usize = 256;

/// Lowers nodes to one plan; the wanted blocks are the partitions of the first node, then those
/// of the second, and so on.
pub fn lower(roots: &[NodeRef]) -> Result<Plan> {
    let mut lowering = Lowering {
        plan: Plan::default(),
        names: HashMap::new(),
        nodes: HashMap::new(),
        required: Required::of(roots),
    };
    for root in roots {
        let place = lowering.node(root)?;
        let blocks = (0..root.partitions).map(|i| place.block(i));
        lowering.plan.graph.wanted.extend(blocks);
    }
    Ok(lowering.plan)
}

/// Where the partitions of a node are.
#[derive(Clone, Debug)]
enum Place {
    /// All blocks of a layer, in order.
    Layer(LayerId),
    /// These blocks.
    Blocks(Arc<[Block]>),
}

impl Place {
    fn block(&self, partition: u32) -> Block {
        match self {
            Place::Layer(layer) => Block {
                layer: *layer,
                block: partition,
            },
            Place::Blocks(blocks) => blocks[partition as usize],
        }
    }
}

struct Lowering {
    plan: Plan,
    names: LayerNames,
    nodes: HashMap<*const Node, Place>,
    required: Required,
}

/// Which partitions of an input each block takes.
enum Takes {
    Same,
    All,
    /// The run from `starts[block]` to `starts[block + 1]`.
    Runs(Vec<u32>),
    /// For each block one partition.
    Each(Vec<u32>),
}

impl Lowering {
    fn node(&mut self, node: &NodeRef) -> Result<Place> {
        if let Some(place) = self.nodes.get(&Arc::as_ptr(node)) {
            return Ok(place.clone());
        }
        let place = self.make(node)?;
        self.nodes.insert(Arc::as_ptr(node), place.clone());
        Ok(place)
    }

    fn make(&mut self, node: &NodeRef) -> Result<Place> {
        let origin = &node.origin;
        let count = node.partitions;
        match &node.kind {
            Kind::ReadCsv { .. } | Kind::ReadParquet { .. } => {
                let op = self.read_op(node, None);
                Ok(self.layer(op, count, &[], origin))
            }
            Kind::Held { values, token } => {
                let name: Arc<str> = format!("from_pandas-{token}").into();
                let op = LayerOp::Held(values.clone());
                Ok(self.named_layer(name, op, count, &[], origin))
            }
            Kind::Plan(plan) => Ok(self.graft(plan)),
            Kind::Call { inputs, op, token } => {
                let places = self.inputs(inputs)?;
                let takes = |n: &NodeRef| match n.partitions == count {
                    true => Takes::Same,
                    false => Takes::All,
                };
                let inputs: Vec<_> = inputs
                    .iter()
                    .zip(&places)
                    .map(|(node, place)| (place, node.partitions, takes(node)))
                    .collect();
                let name: Arc<str> = format!("{}-{token}", op.name()).into();
                Ok(self.named_layer(name, LayerOp::Run(op.clone()), count, &inputs, origin))
            }
            Kind::Step { input, step } => self.step(node, input, step),
            Kind::Group { input, spec } => self.group(node, input, spec),
            Kind::Join { left, right, spec } => self.join(node, left, right, spec),
            Kind::Sort { input, spec } => self.sort(node, input, spec),
            Kind::Shuffle { input, keys } => self.shuffle(node, input, keys),
            Kind::Concat(inputs) => {
                let places = self.inputs(inputs)?;
                let all = inputs.iter().zip(&places);
                let blocks = all.flat_map(|(n, p)| (0..n.partitions).map(|i| p.block(i)));
                Ok(Place::Blocks(blocks.collect()))
            }
            Kind::Repartition(input) => {
                let place = self.node(input)?;
                Ok(self.repartition(&place, input.partitions, count, origin))
            }
            Kind::Pick { input, partitions } => {
                let place = self.node(input)?;
                Ok(Place::Blocks(
                    partitions.iter().map(|i| place.block(*i)).collect(),
                ))
            }
            Kind::Write {
                input,
                paths,
                format,
            } => {
                let place = self.node(input)?;
                let op = FrameOp::Write {
                    paths: paths.clone(),
                    format: format.clone(),
                };
                Ok(self.layer(op, count, &[(&place, count, Takes::Same)], origin))
            }
        }
    }

    fn inputs(&mut self, inputs: &[NodeRef]) -> Result<Vec<Place>> {
        inputs.iter().map(|input| self.node(input)).collect()
    }

    fn read_op(&self, node: &NodeRef, predicate: Option<&Expr>) -> FrameOp {
        let columns = self.required.ordered(node);
        match &node.kind {
            Kind::ReadCsv {
                pieces,
                csv,
                options,
                token,
            } => FrameOp::ReadCsv {
                pieces: pieces.clone(),
                schema: csv.clone(),
                options: options.clone(),
                columns,
                token: token.clone(),
            },
            Kind::ReadParquet { pieces, token } => FrameOp::ReadParquet {
                pieces: pieces.clone(),
                columns,
                predicate: predicate.cloned(),
                token: token.clone(),
            },
            _ => FrameOp::Concat,
        }
    }

    fn step(&mut self, node: &NodeRef, input: &NodeRef, step: &Step) -> Result<Place> {
        let count = node.partitions;
        if let (Step::Filter(predicate), Kind::ReadParquet { .. }) = (step, &input.kind)
            && !predicate.reads_index()
            && are_annotated_alike(node.origin.as_ref(), input.origin.as_ref())
        {
            let op = self.read_op(input, Some(predicate));
            return Ok(self.layer(op, count, &[], &node.origin));
        }
        let place = self.node(input)?;
        let step = match step {
            Step::Select(columns) => {
                let own = self.required.get(node);
                let needed = columns.iter().filter(|(label, _)| own.contains(label));
                Step::Select(needed.cloned().collect())
            }
            other => other.clone(),
        };
        let takes = (&place, count, Takes::Same);
        Ok(self.layer(FrameOp::Step(step), count, &[takes], &node.origin))
    }

    fn group(&mut self, node: &NodeRef, input: &NodeRef, spec: &GroupbySpec) -> Result<Place> {
        let (mut width, count, origin) = (input.partitions, node.partitions, &node.origin);
        let place = self.node(input)?;
        let op = FrameOp::Partial(spec.clone());
        let mut place = self.layer(op, width, &[(&place, width, Takes::Same)], origin);
        if count > 1 {
            let key = |number| Key::Column(groupby::key_label(number));
            let op = FrameOp::SplitByHash {
                keys: (0..spec.keys.len()).map(key).collect(),
                parts: count,
            };
            let parts = self.layer(op, width, &[(&place, width, Takes::Same)], origin);
            let op = FrameOp::CombineParts {
                spec: spec.clone(),
                schema: input.schema.clone(),
                parts: count,
            };
            return Ok(self.layer(op, count, &[(&parts, width, Takes::All)], origin));
        }
        while width > 1 {
            let next = width.div_ceil(FAN_IN);
            let starts = (0..=next).map(|i| (i * FAN_IN).min(width)).collect();
            let takes = (&place, width, Takes::Runs(starts));
            place = self.layer(FrameOp::Combine(spec.clone()), next, &[takes], origin);
            width = next;
        }
        let op = FrameOp::Finalize(spec.clone(), input.schema.clone());
        Ok(self.layer(op, 1, &[(&place, 1, Takes::Same)], origin))
    }

    fn join(
        &mut self,
        node: &NodeRef,
        left: &NodeRef,
        right: &NodeRef,
        spec: &JoinSpec,
    ) -> Result<Place> {
        let origin = &node.origin;
        let count = node.partitions;
        let (lefts, rights) = (left.partitions, right.partitions);
        let (left_place, right_place) = (self.node(left)?, self.node(right)?);
        if let Some(side) = broadcast_side(left, right, spec) {
            let (a, b) = match side {
                Side::Right => (Takes::Same, Takes::All),
                Side::Left => (Takes::All, Takes::Same),
            };
            let inputs = [(&left_place, lefts, a), (&right_place, rights, b)];
            return Ok(self.layer(FrameOp::Join(spec.clone()), count, &inputs, origin));
        }
        let mut split = |place: &Place, width: u32, keys: &[Key]| {
            let op = FrameOp::SplitByHash {
                keys: keys.to_vec(),
                parts: count,
            };
            self.layer(op, width, &[(place, width, Takes::Same)], origin)
        };
        let left_parts = split(&left_place, lefts, &spec.left_on);
        let right_parts = split(&right_place, rights, &spec.right_on);
        let op = FrameOp::JoinParts {
            spec: spec.clone(),
            lefts,
            parts: count,
        };
        let inputs = [
            (&left_parts, lefts, Takes::All),
            (&right_parts, rights, Takes::All),
        ];
        Ok(self.layer(op, count, &inputs, origin))
    }

    fn shuffle(&mut self, node: &NodeRef, input: &NodeRef, keys: &[Key]) -> Result<Place> {
        let (from, to, origin) = (input.partitions, node.partitions, &node.origin);
        let place = self.node(input)?;
        if to == 1 {
            return Ok(self.repartition(&place, from, 1, origin));
        }
        let op = FrameOp::SplitByHash {
            keys: keys.to_vec(),
            parts: to,
        };
        let parts = self.layer(op, from, &[(&place, from, Takes::Same)], origin);
        let op = FrameOp::ConcatParts { parts: to };
        Ok(self.layer(op, to, &[(&parts, from, Takes::All)], origin))
    }

    fn sort(&mut self, node: &NodeRef, input: &NodeRef, spec: &SortSpec) -> Result<Place> {
        let origin = &node.origin;
        let (count, to) = (input.partitions, node.partitions);
        let place = self.node(input)?;
        if to == 1 {
            let place = self.repartition(&place, count, 1, origin);
            let op = FrameOp::Step(Step::Sort(spec.clone()));
            return Ok(self.layer(op, 1, &[(&place, 1, Takes::Same)], origin));
        }
        let op = FrameOp::BeginRun {
            spec: spec.clone(),
            sampled: SAMPLE_ROWS,
        };
        let runs = self.layer(op, count, &[(&place, count, Takes::Same)], origin);
        let op = FrameOp::Borders {
            spec: spec.clone(),
            partitions: to as usize,
        };
        let borders = self.layer(op, 1, &[(&runs, count, Takes::All)], origin);
        let op = FrameOp::SplitByBorders {
            spec: spec.clone(),
            parts: to,
        };
        let inputs = [(&runs, count, Takes::Same), (&borders, 1, Takes::All)];
        let parts = self.layer(op, count, &inputs, origin);
        let op = FrameOp::SortParts {
            spec: spec.clone(),
            parts: to,
        };
        Ok(self.layer(op, to, &[(&parts, count, Takes::All)], origin))
    }

    /// Runs of partitions are joined, or each is cut into equal parts, or first joined and cut.
    fn repartition(&mut self, place: &Place, from: u32, to: u32, origin: &Option<Origin>) -> Place {
        if from == to {
            return place.clone();
        }
        if to < from {
            let starts = (0..=to)
                .map(|i| (u64::from(i) * u64::from(from) / u64::from(to)) as u32)
                .collect();
            let takes = (place, from, Takes::Runs(starts));
            return self.layer(FrameOp::Concat, to, &[takes], origin);
        }
        if !to.is_multiple_of(from) {
            let one = self.repartition(place, from, 1, origin);
            return self.repartition(&one, 1, to, origin);
        }
        let count = to / from;
        let op = FrameOp::SplitEvenly { parts: count };
        let parts = self.layer(op, from, &[(place, from, Takes::Same)], origin);
        let each = (0..to).map(|i| i / count).collect();
        let op = FrameOp::TakePart { count };
        self.layer(op, to, &[(&parts, from, Takes::Each(each))], origin)
    }

    /// A layer named after its op and what it reads: equal names mean equal values.
    fn layer(
        &mut self,
        op: FrameOp,
        count: u32,
        inputs: &[(&Place, u32, Takes)],
        origin: &Option<Origin>,
    ) -> Place {
        let mut bytes = op.encode().map_or_else(
            |_| format!("{op:?}").into_bytes(),
            |encoded| encoded.frames.header.to_vec(),
        );
        bytes.extend(count.to_le_bytes());
        for (place, width, takes) in inputs {
            for i in 0..*width {
                let block = place.block(i);
                let layer = &self.plan.graph.layers[block.layer.0 as usize];
                bytes.extend(layer.name.as_bytes());
                bytes.extend(block.block.to_le_bytes());
                if matches!(place, Place::Layer(_)) {
                    break;
                }
            }
            match takes {
                Takes::Same => bytes.push(0),
                Takes::All => bytes.push(1),
                Takes::Runs(items) | Takes::Each(items) => {
                    bytes.push(2);
                    bytes.extend(items.iter().flat_map(|i| i.to_le_bytes()));
                }
            }
        }
        let name: Arc<str> = format!("{}-{:032x}", op.name(), xxh3_128(&bytes)).into();
        self.named_layer(name, LayerOp::Run(Arc::new(op)), count, inputs, origin)
    }

    fn named_layer(
        &mut self,
        name: Arc<str>,
        op: LayerOp,
        count: u32,
        inputs: &[(&Place, u32, Takes)],
        origin: &Option<Origin>,
    ) -> Place {
        if let Some(id) = self.names.get(&name) {
            return Place::Layer(*id);
        }
        let inputs = inputs
            .iter()
            .flat_map(|(place, width, takes)| input_maps(place, *width, takes, count))
            .collect();
        let layer = Layer {
            name: name.clone(),
            grid: Grid::new([count]),
            inputs,
        };
        let id = self.plan.add(layer, op, origin.clone());
        self.names.insert(name, id);
        Place::Layer(id)
    }

    /// Takes over the layers of another plan; its wanted blocks are the partitions.
    fn graft(&mut self, plan: &Plan) -> Place {
        Place::Blocks(self.plan.graft(&mut self.names, plan).into())
    }
}

/// The inputs of a layer for one place: one for a layer, for scattered blocks one for each layer
/// they are of. Scattered blocks of several layers keep their order only if a task takes one of
/// them, or those of one layer after those of another; that is how concatenation makes them.
fn input_maps(place: &Place, width: u32, takes: &Takes, count: u32) -> SmallVec<[Input; 2]> {
    if let Place::Layer(layer) = place {
        let map = match takes {
            Takes::Same => AxisMap::Same(0),
            Takes::All => AxisMap::All,
            Takes::Runs(starts) => AxisMap::Ranges {
                axis: 0,
                ranges: starts.windows(2).map(|w| (w[0], w[1])).collect(),
            },
            Takes::Each(items) => AxisMap::Lists {
                axis: 0,
                offsets: (0..=items.len() as u32).collect(),
                items: items.clone().into(),
            },
        };
        return smallvec![Input {
            layer: *layer,
            map: InputMap::Axes(smallvec![map]),
        }];
    }
    let partitions_of = |block: u32| -> Vec<u32> {
        match takes {
            Takes::Same => vec![block],
            Takes::All => (0..width).collect(),
            Takes::Runs(starts) => (starts[block as usize]..starts[block as usize + 1]).collect(),
            Takes::Each(items) => vec![items[block as usize]],
        }
    };
    let mut layers: Vec<LayerId> = Vec::new();
    for i in 0..width {
        let layer = place.block(i).layer;
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    let explicit = |layer: LayerId| {
        let mut offsets = vec![0];
        let mut blocks = Vec::new();
        for block in 0..count {
            let own = partitions_of(block).into_iter().map(|i| place.block(i));
            blocks.extend(own.filter(|b| b.layer == layer).map(|b| b.block));
            offsets.push(blocks.len() as u32);
        }
        Input {
            layer,
            map: InputMap::Explicit {
                offsets: offsets.into(),
                blocks: blocks.into(),
            },
        }
    };
    layers.into_iter().map(explicit).collect()
}
