//! Fusion: block nodes that are read block by block by one reader run inside the reader's tasks.
//!
//! Nodes are visited readers first. A node joins the group of its readers if all of them are in
//! one group and read it at the same coordinates, each block once; cheap nodes join every reader.
//! Every group becomes a layer.

mod layers;
mod maps;
mod programs;

use std::sync::Arc;

use rask_graph::{Input, InputMap, LayerId};
use rask_value::{LayerNames, LayerOp, Plan, are_annotated_alike};
use smallvec::SmallVec;

use crate::block::{Argument, BlockOp, ChunkOp, Coordinate, Edge, FusedStep};
use crate::lower::{BlockNode, NodeId, Work};
use crate::opaque::OpaqueRef;
use layers::{add_external, add_layer};
use maps::{move_map, pointwise};
use programs::merge_programs;

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
        // What is annotated is not run on the terms of something else.
        let root = self.nodes[group.root].origin.as_ref();
        let is_plain = are_annotated_alike(node.origin.as_ref(), None);
        if !(node.cheap && is_plain || are_annotated_alike(node.origin.as_ref(), root)) {
            return None;
        }
        let coordinates = reader.coordinates.clone()?;
        let assembles = matches!(node.work, Work::Op(ChunkOp::Assemble { .. }));
        if assembles && !self.is_numbered_alike(id, reader.group, &coordinates) {
            return None;
        }
        let moved = |edge: &crate::lower::NodeEdge| move_map(&edge.map, &coordinates).is_some();
        node.edges.iter().all(moved).then_some(coordinates)
    }

    /// Whether the group's blocks have the numbers of those of the node that they read: a task is
    /// given the parts of its own number.
    fn is_numbered_alike(&self, id: NodeId, group: usize, coordinates: &Coordinates) -> bool {
        let own = self.nodes[id].grid.0.iter().zip(coordinates);
        let long = own.filter(|&(&length, _)| length > 1);
        let own = long.map(|(&length, &coordinate)| (length, coordinate));
        let grid = self.nodes[self.groups[group].root].grid.0.iter();
        let long = grid.enumerate().filter(|&(_, &length)| length > 1);
        own.eq(long.map(|(axis, &length)| (length, Coordinate::Axis(axis as u32))))
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
            scoped: self.is_scoped(node),
        });
        let axes = 0..node.grid.0.len() as u32;
        self.add_member(id, group, axes.map(Coordinate::Axis).collect());
    }

    /// Whether a group of this root runs in a scope. Cutting takes no time, so it is done where the
    /// block is made.
    fn is_scoped(&self, node: &BlockNode) -> bool {
        let cuts = matches!(node.work, Work::Op(ChunkOp::Cut { .. }));
        let source = node.edges.first().filter(|_| cuts);
        node.is_scoped() || source.is_some_and(|edge| self.nodes[edge.node].is_scoped())
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
        let mut known = LayerNames::new();
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
