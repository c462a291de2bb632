//! Fusion: block nodes that are read block by block by one reader run inside the reader's tasks.
//!
//! Nodes are visited readers first. A node joins the group of its readers if all of them are in
//! one group and read it at the same coordinates, each block once; cheap nodes join every reader.
//! Every group becomes a layer.

use std::collections::HashMap;
use std::sync::Arc;

use rask_graph::{AxisMap, Block, Grid, Input, InputMap, Layer, LayerId};
use rask_value::{LayerOp, Plan};
use smallvec::SmallVec;

use crate::block::{Argument, BlockOp, ChunkOp, Coordinate, Edge, FusedStep};
use crate::kernels::elementwise::{Program, Register};
use crate::lower::{BlockNode, NodeId, Work};
use crate::opaque::OpaqueRef;

/// Steps beyond which a group takes no more nodes.
const STEPS_MAX: usize = 128;

type Coordinates = SmallVec<[Coordinate; 4]>;

/// A node inside a group.
struct Member {
    node: NodeId,
    coordinates: Coordinates,
    arguments: Vec<Option<Given>>,
}

#[derive(Clone, Copy)]
enum Given {
    Member(usize),
    Edge(usize),
}

struct Group {
    root: NodeId,
    members: Vec<Member>,
    edges: Vec<(NodeId, InputMap)>,
    scoped: bool,
}

/// A reader of a node: which argument of which member, and how its map reads in the group.
#[derive(Clone)]
struct Reader {
    group: usize,
    member: usize,
    argument: usize,
    /// `None` where the map cannot be said in the group's coordinates: never happens for members
    /// that are their group's root.
    map: InputMap,
    coordinates: Option<Coordinates>,
}

struct Fusion<'a> {
    nodes: &'a [BlockNode],
    groups: Vec<Group>,
    readers: Vec<Vec<Reader>>,
    group_of: Vec<Option<usize>>,
}

/// The plan of these nodes, of which all blocks of the roots are wanted.
pub(crate) fn fuse(nodes: Vec<BlockNode>, roots: &[NodeId]) -> Plan {
    let mut fusion = Fusion {
        nodes: &nodes,
        groups: Vec::new(),
        readers: vec![Vec::new(); nodes.len()],
        group_of: vec![None; nodes.len()],
    };
    for id in (0..nodes.len()).rev() {
        fusion.visit(id, roots.contains(&id));
    }
    fusion.emit(roots)
}

impl Fusion<'_> {
    fn visit(&mut self, id: NodeId, wanted: bool) {
        let readers = std::mem::take(&mut self.readers[id]);
        if readers.is_empty() && !wanted {
            return;
        }
        let node = &self.nodes[id];
        let mut places: Vec<(usize, Coordinates, Vec<Reader>)> = Vec::new();
        let mut apart: Vec<Reader> = Vec::new();
        for reader in readers {
            let Some(coordinates) = self.joinable(id, &reader) else {
                apart.push(reader);
                continue;
            };
            let same = |place: &&mut (usize, Coordinates, Vec<Reader>)| {
                place.0 == reader.group && place.1 == coordinates
            };
            match places.iter_mut().find(same) {
                Some(place) => place.2.push(reader),
                None => places.push((reader.group, coordinates, vec![reader])),
            }
        }
        let one = places.len() == 1 && apart.is_empty() && !wanted;
        let fits = one && self.reads_once(places[0].0, &places[0].1);
        if !node.cheap && !fits {
            apart.extend(places.drain(..).flat_map(|(_, _, readers)| readers));
        }
        for (group, coordinates, readers) in places {
            self.join(id, group, coordinates, &readers);
        }
        if wanted || !apart.is_empty() {
            self.stand_alone(id, &apart);
        }
    }

    /// The coordinates of the node in the reader's group, if it may join it.
    fn joinable(&self, id: NodeId, reader: &Reader) -> Option<Coordinates> {
        let node = &self.nodes[id];
        let group = &self.groups[reader.group];
        let runs = matches!(node.work, Work::Op(_));
        let scope = node.cheap || node.is_scoped() == group.scoped;
        if !runs || !scope || group.members.len() >= STEPS_MAX {
            return None;
        }
        let coordinates = reader.coordinates.clone()?;
        let moved = |edge: &crate::lower::NodeEdge| move_map(&edge.map, &coordinates).is_some();
        node.edges.iter().all(moved).then_some(coordinates)
    }

    /// Whether different blocks of the group read different blocks of the node.
    fn reads_once(&self, group: usize, coordinates: &Coordinates) -> bool {
        let grid = &self.nodes[self.groups[group].root].grid;
        let used = |axis: u32| coordinates.contains(&Coordinate::Axis(axis));
        grid.0
            .iter()
            .enumerate()
            .all(|(axis, &count)| count <= 1 || used(axis as u32))
    }

    fn join(&mut self, id: NodeId, group: usize, coordinates: Coordinates, readers: &[Reader]) {
        let member = self.groups[group].members.len();
        for reader in readers {
            let place = &mut self.groups[group].members[reader.member];
            place.arguments[reader.argument] = Some(Given::Member(member));
        }
        self.add_member(id, group, coordinates);
    }

    fn stand_alone(&mut self, id: NodeId, readers: &[Reader]) {
        for reader in readers {
            let group = &mut self.groups[reader.group];
            group.edges.push((id, reader.map.clone()));
            let edge = Given::Edge(group.edges.len() - 1);
            group.members[reader.member].arguments[reader.argument] = Some(edge);
        }
        let group = self.groups.len();
        self.group_of[id] = Some(group);
        let node = &self.nodes[id];
        self.groups.push(Group {
            root: id,
            members: Vec::new(),
            edges: Vec::new(),
            scoped: node.is_scoped(),
        });
        let axes = 0..node.grid.0.len() as u32;
        self.add_member(id, group, axes.map(Coordinate::Axis).collect());
    }

    fn add_member(&mut self, id: NodeId, group: usize, coordinates: Coordinates) {
        let nodes = self.nodes;
        let node = &nodes[id];
        let member = self.groups[group].members.len();
        for (argument, edge) in node.edges.iter().enumerate() {
            let Some(map) = move_map(&edge.map, &coordinates) else {
                continue;
            };
            self.readers[edge.node].push(Reader {
                group,
                member,
                argument,
                coordinates: pointwise(&map),
                map,
            });
        }
        self.groups[group].members.push(Member {
            node: id,
            coordinates,
            arguments: vec![None; node.edges.len()],
        });
    }

    fn emit(self, roots: &[NodeId]) -> Plan {
        let mut order: Vec<&Group> = self.groups.iter().collect();
        order.sort_by_key(|group| group.root);
        let mut plan = Plan::default();
        let mut known: HashMap<Arc<str>, LayerId> = HashMap::new();
        let mut layers: Vec<Option<LayerId>> = vec![None; self.nodes.len()];
        for group in order {
            let node = &self.nodes[group.root];
            layers[group.root] = Some(match &node.work {
                Work::Held(values) => {
                    let held = LayerOp::Held(values.clone().into());
                    add_layer(&mut plan, &mut known, node, SmallVec::new(), held)
                }
                Work::External(external) => add_external(&mut plan, &mut known, node, external),
                Work::Op(_) => {
                    let edges = group.edges.iter().map(|(source, map)| Input {
                        layer: layers[*source].unwrap_or(LayerId(0)),
                        map: map.clone(),
                    });
                    let inputs: SmallVec<[Input; 2]> = edges.collect();
                    let op = LayerOp::Run(Arc::new(self.block_op(group)));
                    add_layer(&mut plan, &mut known, node, inputs, op)
                }
            });
        }
        for &root in roots {
            if let Some(layer) = layers[root] {
                plan.graph.want_all(layer);
            }
        }
        plan
    }

    fn block_op(&self, group: &Group) -> BlockOp {
        let last = group.members.len() - 1;
        let mut opaques: Vec<OpaqueRef> = Vec::new();
        let mut steps = Vec::with_capacity(group.members.len());
        let mut names: Vec<&str> = Vec::new();
        for member in group.members.iter().rev() {
            let node = &self.nodes[member.node];
            let Work::Op(op) = &node.work else { continue };
            let mut op = op.clone();
            if let Some(opaque) = &node.opaque {
                set_opaque(&mut op, opaques.len());
                opaques.push(opaque.clone());
            }
            let arguments = member.arguments.iter().flatten().map(|given| match given {
                Given::Member(number) => Argument::Step(last - number),
                Given::Edge(number) => Argument::Edge(*number),
            });
            steps.push(FusedStep {
                op,
                coordinates: member.coordinates.clone(),
                arguments: arguments.collect(),
            });
            names.push(prefix(&node.name));
        }
        names.dedup();
        let shapes: Vec<_> = group
            .members
            .iter()
            .rev()
            .map(|m| &self.nodes[m.node].shapes)
            .collect();
        let same_shape = |a: usize, b: usize| shapes[a].0 == shapes[b].0;
        let steps = merge_programs(steps, same_shape);
        let root = &self.nodes[group.root];
        let edges = group.edges.iter().map(|(source, map)| Edge {
            map: map.clone(),
            grid: self.nodes[*source].grid.clone(),
        });
        BlockOp {
            name: names.join("-"),
            steps,
            edges: edges.collect(),
            opaques,
            predicted: Some((root.itemsize, root.shapes.clone())),
            grid: root.grid.clone(),
        }
    }
}

/// A layer's name without its token.
fn prefix(name: &str) -> &str {
    let end = name
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(name.len());
    let cut = name[..end].trim_end_matches('-');
    match name.split_once('-') {
        Some((first, rest)) if rest.len() >= 32 && !first.is_empty() => first,
        _ if !cut.is_empty() => cut,
        _ => name,
    }
}

fn set_opaque(op: &mut ChunkOp, number: usize) {
    match op {
        ChunkOp::Read { opaque, .. }
        | ChunkOp::Make { opaque, .. }
        | ChunkOp::UserReduce { opaque, .. }
        | ChunkOp::Blockwise { opaque, .. } => *opaque = number,
        _ => {}
    }
}

/// The coordinates that a map names, if it names exactly one block by plain coordinates.
fn pointwise(map: &InputMap) -> Option<Coordinates> {
    let InputMap::Axes(maps) = map else {
        return None;
    };
    maps.iter()
        .map(|map| match map {
            AxisMap::Same(axis) => Some(Coordinate::Axis(*axis)),
            AxisMap::Fixed(at) => Some(Coordinate::Fixed(*at)),
            _ => None,
        })
        .collect()
}

/// A map of a node whose own coordinates are these of its group, in the group's coordinates.
fn move_map(map: &InputMap, coordinates: &Coordinates) -> Option<InputMap> {
    let InputMap::Axes(maps) = map else {
        return None;
    };
    let axis_of = |axis: &u32| match coordinates[*axis as usize] {
        Coordinate::Axis(axis) => Some(axis),
        Coordinate::Fixed(_) => None,
    };
    let maps: Option<SmallVec<[AxisMap; 4]>> = maps
        .iter()
        .map(|map| {
            Some(match map {
                AxisMap::Same(axis) => match coordinates[*axis as usize] {
                    Coordinate::Axis(axis) => AxisMap::Same(axis),
                    Coordinate::Fixed(at) => AxisMap::Fixed(at),
                },
                AxisMap::Fixed(at) => AxisMap::Fixed(*at),
                AxisMap::All => AxisMap::All,
                AxisMap::Shift { axis, offset } => AxisMap::Shift {
                    axis: axis_of(axis)?,
                    offset: *offset,
                },
                AxisMap::Ranges { axis, ranges } => AxisMap::Ranges {
                    axis: axis_of(axis)?,
                    ranges: ranges.clone(),
                },
                AxisMap::Lists {
                    axis,
                    offsets,
                    items,
                } => AxisMap::Lists {
                    axis: axis_of(axis)?,
                    offsets: offsets.clone(),
                    items: items.clone(),
                },
            })
        })
        .collect();
    maps.map(InputMap::Axes)
}

/// Programs whose only reader is a program on blocks of the same shape become part of it.
fn merge_programs(
    mut steps: Vec<FusedStep>,
    same_shape: impl Fn(usize, usize) -> bool,
) -> Vec<FusedStep> {
    let mut readers = vec![0; steps.len()];
    for argument in steps.iter().flat_map(|step| &step.arguments) {
        if let Argument::Step(number) = argument {
            readers[*number] += 1;
        }
    }
    let mut gone = vec![false; steps.len()];
    for at in 0..steps.len() {
        let ChunkOp::Program(outer) = &steps[at].op else {
            continue;
        };
        let inner_of = |argument: &Argument| match argument {
            Argument::Step(number) if readers[*number] == 1 && same_shape(*number, at) => {
                match &steps[*number].op {
                    ChunkOp::Program(inner) => Some((*number, inner.clone())),
                    _ => None,
                }
            }
            _ => None,
        };
        let mut program = Program::new();
        let mut arguments: SmallVec<[Argument; 2]> = SmallVec::new();
        let mut registers: Vec<Register> = Vec::with_capacity(outer.inputs.len());
        let mut merged = Vec::new();
        for (argument, &dtype) in steps[at].arguments.iter().zip(&outer.inputs) {
            match inner_of(argument) {
                None => registers.push(input(&mut program, &mut arguments, *argument, dtype)),
                Some((number, inner)) => {
                    let inputs: Vec<Register> = steps[number]
                        .arguments
                        .iter()
                        .zip(&inner.inputs)
                        .map(|(a, &dtype)| input(&mut program, &mut arguments, *a, dtype))
                        .collect();
                    let output = program.append(&inner, &inputs);
                    registers.push(program.cast(output, dtype));
                    merged.push(number);
                }
            }
        }
        let output = program.append(outer, &registers);
        program.finish(output);
        // What the merged steps read once each, the new step reads once for each of its inputs.
        for number in merged {
            gone[number] = true;
        }
        steps[at].arguments = arguments;
        steps[at].op = ChunkOp::Program(Arc::new(program));
        readers = count_readers(&steps, &gone);
    }
    compact(steps, &gone)
}

fn count_readers(steps: &[FusedStep], gone: &[bool]) -> Vec<usize> {
    let mut readers = vec![0; steps.len()];
    let alive = steps.iter().zip(gone).filter(|(_, gone)| !**gone);
    for argument in alive.flat_map(|(step, _)| &step.arguments) {
        if let Argument::Step(number) = argument {
            readers[*number] += 1;
        }
    }
    readers
}

/// An input of the program for an argument; steps that are read already are read once.
fn input(
    program: &mut Program,
    arguments: &mut SmallVec<[Argument; 2]>,
    argument: Argument,
    dtype: rask_value::array::DType,
) -> Register {
    let same = |(at, known): (usize, &Argument)| {
        (*known == argument && program.inputs[at] == dtype).then_some(at)
    };
    match arguments.iter().enumerate().find_map(same) {
        Some(at) => Register::Input(at as u16),
        None => {
            arguments.push(argument);
            program.input(dtype)
        }
    }
}

fn compact(steps: Vec<FusedStep>, gone: &[bool]) -> Vec<FusedStep> {
    let mut places = Vec::with_capacity(steps.len());
    let mut next = 0;
    for gone in gone {
        places.push(next);
        next += usize::from(!gone);
    }
    let kept = steps.into_iter().zip(gone).filter(|(_, gone)| !**gone);
    kept.map(|(mut step, _)| {
        for argument in &mut step.arguments {
            if let Argument::Step(number) = argument {
                *number = places[*number];
            }
        }
        step
    })
    .collect()
}

fn add_layer(
    plan: &mut Plan,
    known: &mut HashMap<Arc<str>, LayerId>,
    node: &BlockNode,
    inputs: SmallVec<[Input; 2]>,
    op: LayerOp,
) -> LayerId {
    if let Some(&id) = known.get(&node.name) {
        return id;
    }
    let layer = Layer {
        name: node.name.clone(),
        grid: node.grid.clone(),
        inputs,
    };
    let id = plan.add(layer, op, node.origin.clone());
    known.insert(node.name.clone(), id);
    id
}

/// The layers of another plan; its wanted blocks as one layer of the node's grid.
fn add_external(
    plan: &mut Plan,
    known: &mut HashMap<Arc<str>, LayerId>,
    node: &BlockNode,
    external: &Plan,
) -> LayerId {
    let mut places: Vec<LayerId> = Vec::with_capacity(external.graph.layers.len());
    for (number, layer) in external.graph.layers.iter().enumerate() {
        if let Some(&id) = known.get(&layer.name) {
            places.push(id);
            continue;
        }
        let own = LayerId(plan.graph.layers.len() as u32);
        places.push(own);
        let inputs = layer.inputs.iter().map(|input| Input {
            layer: places[input.layer.0 as usize],
            map: input.map.clone(),
        });
        let layer = Layer {
            name: layer.name.clone(),
            grid: layer.grid.clone(),
            inputs: inputs.collect(),
        };
        known.insert(layer.name.clone(), own);
        plan.add(
            layer,
            external.ops[number].clone(),
            external.origins[number].clone(),
        );
    }
    let wanted: Vec<Block> = external
        .wanted()
        .iter()
        .map(|block| Block {
            layer: places[block.layer.0 as usize],
            block: block.block,
        })
        .collect();
    if let Some(id) = find_whole(plan, &wanted, &node.grid) {
        return id;
    }
    alias(plan, known, node, &wanted)
}

fn find_whole(plan: &Plan, wanted: &[Block], grid: &Grid) -> Option<LayerId> {
    let first = wanted.first()?.layer;
    let in_order = wanted
        .iter()
        .enumerate()
        .all(|(at, block)| block.layer == first && block.block == at as u32);
    (in_order && plan.graph.layers[first.0 as usize].grid == *grid).then_some(first)
}

/// A layer whose blocks are blocks of other layers.
fn alias(
    plan: &mut Plan,
    known: &mut HashMap<Arc<str>, LayerId>,
    node: &BlockNode,
    wanted: &[Block],
) -> LayerId {
    let mut sources: Vec<LayerId> = wanted.iter().map(|block| block.layer).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut inputs: SmallVec<[Input; 2]> = SmallVec::new();
    let mut edges = Vec::new();
    for &layer in &sources {
        let mut offsets = vec![0];
        let mut blocks = Vec::new();
        for block in wanted {
            if block.layer == layer {
                blocks.push(block.block);
            }
            offsets.push(blocks.len() as u32);
        }
        let map = InputMap::Explicit {
            offsets: offsets.into(),
            blocks: blocks.into(),
        };
        edges.push(Edge {
            map: map.clone(),
            grid: plan.graph.layers[layer.0 as usize].grid.clone(),
        });
        inputs.push(Input { layer, map });
    }
    let arguments = (0..edges.len()).map(Argument::Edge).collect();
    let op = BlockOp {
        name: "block".into(),
        steps: vec![FusedStep {
            op: ChunkOp::Same,
            coordinates: (0..node.grid.0.len() as u32)
                .map(Coordinate::Axis)
                .collect(),
            arguments,
        }],
        edges,
        opaques: Vec::new(),
        predicted: None,
        grid: node.grid.clone(),
    };
    add_layer(plan, known, node, inputs, LayerOp::Run(Arc::new(op)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::same_map;

    #[test]
    fn maps_move_through_permuted_coordinates() {
        let turned: Coordinates = [Coordinate::Axis(1), Coordinate::Axis(0)]
            .into_iter()
            .collect();
        let moved = move_map(&same_map(2), &turned);
        let expected = InputMap::Axes([AxisMap::Same(1), AxisMap::Same(0)].into_iter().collect());
        assert_eq!(moved, Some(expected));
    }
}
