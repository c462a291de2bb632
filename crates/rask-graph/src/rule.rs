//! A layer's rules, checked once and prepared so that the inputs of a block are found quickly.

use smallvec::SmallVec;

use crate::check::check_map;
use crate::windows::{Window, Windows};
use crate::{AxisMap, Graph, GraphError, Grid, InputMap, Layer, LayerId};

/// Above this number of inputs, inputs with a window are looked up by the block's coordinate, so
/// that a block of a long concatenation does not look at every input.
const INPUTS_SCANNED_MAX: usize = 8;

/// The prepared rules of one layer.
pub(crate) struct Rule<'a> {
    grid: &'a Grid,
    inputs: SmallVec<[PreparedInput<'a>; 2]>,
    windows: Option<Windows>,
}

struct PreparedInput<'a> {
    layer: LayerId,
    map: PreparedMap<'a>,
    /// Whether every block of the input is named by some block of this layer.
    covers: bool,
}

enum PreparedMap<'a> {
    /// Exactly one block: `base` plus the weighted sum of the output's coordinates.
    Linear {
        base: u32,
        weights: SmallVec<[u32; 4]>,
    },
    Product {
        maps: &'a [AxisMap],
        lengths: &'a [u32],
    },
    Explicit {
        offsets: &'a [u32],
        blocks: &'a [u32],
    },
}

impl<'a> Rule<'a> {
    /// Checks and prepares the rules of layer number `id`.
    pub(crate) fn new(graph: &'a Graph, id: LayerId) -> Result<Self, GraphError> {
        let layer = &graph.layers[id.0 as usize];
        let inputs = layer
            .inputs
            .iter()
            .map(|input| {
                let explicit = matches!(input.map, InputMap::Explicit { .. });
                if input.layer > id || (input.layer == id && !explicit) {
                    return Err(GraphError::UnknownLayer {
                        layer: layer.name.to_string(),
                        input: input.layer.0,
                    });
                }
                let source = &graph.layers[input.layer.0 as usize];
                PreparedInput::new(layer, source, input.layer, &input.map)
            })
            .collect::<Result<SmallVec<_>, _>>()?;
        let windows = (inputs.len() > INPUTS_SCANNED_MAX)
            .then(|| {
                Windows::new(
                    &layer.grid,
                    inputs
                        .iter()
                        .map(|input: &PreparedInput<'_>| find_window(&input.map)),
                )
            })
            .filter(|windows| !windows.is_empty());
        Ok(Rule {
            grid: &layer.grid,
            inputs,
            windows,
        })
    }

    /// Inputs of which all blocks are surely needed when all blocks of this layer are.
    pub(crate) fn covered_inputs(&self) -> impl Iterator<Item = LayerId> {
        self.inputs.iter().filter(|i| i.covers).map(|i| i.layer)
    }

    /// Whether marking the covered inputs is all there is to do when all blocks are needed.
    pub(crate) fn covers_all_inputs(&self) -> bool {
        self.inputs.iter().all(|input| input.covers)
    }

    /// An estimate from above of the edges into `count` blocks of the layer.
    pub(crate) fn edges_max(&self, count: u32) -> u64 {
        let edges = self.inputs.iter().map(|input| {
            let reached = input.reached_max(self.grid).min(u64::from(count));
            reached.saturating_mul(input.fan_in_max())
        });
        edges.fold(0, u64::saturating_add)
    }

    /// Calls `f(layer, block)` with each block that `block` needs, in the order of its inputs.
    /// `cursor` carries the coordinates from one call to the next.
    #[inline]
    pub(crate) fn for_each(
        &self,
        cursor: &mut Cursor,
        block: u32,
        mut f: impl FnMut(LayerId, u32),
    ) {
        cursor.move_to(self.grid, block);
        match &self.windows {
            None => {
                for input in &self.inputs {
                    input.for_each(&cursor.coords, block, |b| f(input.layer, b));
                }
            }
            Some(windows) => {
                for index in windows.inputs_at(&cursor.coords) {
                    let input = &self.inputs[index as usize];
                    input.for_each(&cursor.coords, block, |b| f(input.layer, b));
                }
            }
        }
    }
}

impl<'a> PreparedInput<'a> {
    fn new(
        layer: &Layer,
        source: &'a Layer,
        id: LayerId,
        map: &'a InputMap,
    ) -> Result<Self, GraphError> {
        check_map(layer, source, map)?;
        let prepared = match map {
            InputMap::Explicit { offsets, blocks } => PreparedMap::Explicit { offsets, blocks },
            InputMap::Axes(maps) => {
                find_linear(&layer.grid, &source.grid, maps).unwrap_or(PreparedMap::Product {
                    maps,
                    lengths: &source.grid.0,
                })
            }
        };
        let covers = match map {
            InputMap::Explicit { .. } => false,
            InputMap::Axes(maps) => covers_input(&layer.grid, &source.grid, maps),
        };
        Ok(PreparedInput {
            layer: id,
            map: prepared,
            covers,
        })
    }

    /// How many blocks of the layer are given any block of this input, at most.
    fn reached_max(&self, grid: &Grid) -> u64 {
        match find_window(&self.map) {
            None => u64::MAX,
            Some((axis, from, to)) => {
                let length = u64::from(grid.0.get(axis).copied().unwrap_or(0));
                let others = grid.block_count() / length.max(1);
                others.saturating_mul(u64::from(to - from))
            }
        }
    }

    /// No block is given more blocks of this input than this.
    fn fan_in_max(&self) -> u64 {
        match &self.map {
            PreparedMap::Linear { .. } => 1,
            PreparedMap::Explicit { offsets, .. } => longest_list(offsets),
            PreparedMap::Product { maps, lengths } => maps
                .iter()
                .zip(*lengths)
                .map(|(map, &length)| longest_span(map, length))
                .fold(1, u64::saturating_mul),
        }
    }

    #[inline]
    fn for_each(&self, coords: &[u32], block: u32, mut f: impl FnMut(u32)) {
        match &self.map {
            PreparedMap::Linear { base, weights } => f(weights
                .iter()
                .zip(coords)
                .fold(*base, |sum, (&weight, &coord)| sum + weight * coord)),
            PreparedMap::Explicit { offsets, blocks } => {
                let (from, to) = (offsets[block as usize], offsets[block as usize + 1]);
                blocks[from as usize..to as usize]
                    .iter()
                    .copied()
                    .for_each(f);
            }
            PreparedMap::Product { maps, lengths } => product(maps, lengths, coords, &mut f),
        }
    }
}

impl InputMap {
    /// How many blocks of an input with this grid the block of number `block` is given. The map must
    /// be one that expansion accepts.
    pub fn count_at(&self, source: &Grid, grid: &Grid, block: u32) -> usize {
        match self {
            InputMap::Explicit { offsets, .. } => {
                (offsets[block as usize + 1] - offsets[block as usize]) as usize
            }
            InputMap::Axes(maps) => {
                let coords = grid.coords_of(block);
                let axes = maps.iter().zip(&source.0);
                axes.map(|(map, &length)| span_of(map, length, &coords).len() as usize)
                    .product()
            }
        }
    }

    /// Whether every block is given exactly one block of the input.
    pub fn is_one_each(&self) -> bool {
        match self {
            InputMap::Explicit { .. } => false,
            InputMap::Axes(maps) => maps
                .iter()
                .all(|map| matches!(map, AxisMap::Same(_) | AxisMap::Fixed(_))),
        }
    }
}

/// What an axis map names at the coordinates of one block.
#[derive(Clone, Copy)]
enum Span<'a> {
    Range(u32, u32),
    List(&'a [u32]),
}

impl Span<'_> {
    fn len(&self) -> u32 {
        match self {
            Span::Range(from, to) => to - from,
            Span::List(items) => items.len() as u32,
        }
    }

    fn get(&self, index: u32) -> u32 {
        match self {
            Span::Range(from, _) => from + index,
            Span::List(items) => items[index as usize],
        }
    }
}

/// The most that an axis map names at any coordinates.
fn longest_span(map: &AxisMap, length: u32) -> u64 {
    match map {
        AxisMap::Same(_) | AxisMap::Fixed(_) | AxisMap::Shift { .. } => 1,
        AxisMap::All => u64::from(length),
        AxisMap::Ranges { ranges, .. } => {
            let lengths = ranges.iter().map(|(from, to)| to.saturating_sub(*from));
            u64::from(lengths.max().unwrap_or(0))
        }
        AxisMap::Lists { offsets, .. } => longest_list(offsets),
    }
}

fn longest_list(offsets: &[u32]) -> u64 {
    let lengths = offsets
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]));
    u64::from(lengths.max().unwrap_or(0))
}

fn span_of<'a>(map: &'a AxisMap, length: u32, coords: &[u32]) -> Span<'a> {
    match map {
        AxisMap::Same(axis) => Span::Range(coords[*axis as usize], coords[*axis as usize] + 1),
        AxisMap::Fixed(at) => Span::Range(*at, *at + 1),
        AxisMap::All => Span::Range(0, length),
        AxisMap::Shift { axis, offset } => match coords[*axis as usize].checked_sub(*offset) {
            Some(at) if at < length => Span::Range(at, at + 1),
            _ => Span::Range(0, 0),
        },
        AxisMap::Ranges { axis, ranges } => {
            let (from, to) = ranges[coords[*axis as usize] as usize];
            Span::Range(from, to.max(from))
        }
        AxisMap::Lists {
            axis,
            offsets,
            items,
        } => {
            let at = coords[*axis as usize] as usize;
            Span::List(&items[offsets[at] as usize..offsets[at + 1] as usize])
        }
    }
}

/// The cartesian product of the axes' spans, as block numbers in row-major order.
fn product(maps: &[AxisMap], lengths: &[u32], coords: &[u32], f: &mut impl FnMut(u32)) {
    let mut spans: SmallVec<[Span<'_>; 4]> = SmallVec::new();
    for (map, &length) in maps.iter().zip(lengths) {
        let span = span_of(map, length, coords);
        if span.len() == 0 {
            return;
        }
        spans.push(span);
    }
    let Some((&last, outer)) = spans.split_last() else {
        return f(0);
    };
    let last_length = lengths[lengths.len() - 1];
    let mut at: SmallVec<[u32; 4]> = SmallVec::from_elem(0, outer.len());
    loop {
        let row = outer
            .iter()
            .zip(&at)
            .zip(lengths)
            .fold(0, |row, ((span, &i), &length)| row * length + span.get(i));
        match last {
            Span::Range(from, to) => (from..to).for_each(|c| f(row * last_length + c)),
            Span::List(items) => items.iter().for_each(|&c| f(row * last_length + c)),
        }
        if !advance(outer, &mut at) {
            return;
        }
    }
}

/// Moves `at` to the next combination; `false` after the last.
fn advance(spans: &[Span<'_>], at: &mut [u32]) -> bool {
    for axis in (0..spans.len()).rev() {
        at[axis] += 1;
        if at[axis] < spans[axis].len() {
            return true;
        }
        at[axis] = 0;
    }
    false
}

/// The output axis and the half-open range along it outside of which the input has no blocks.
fn find_window(map: &PreparedMap<'_>) -> Option<Window> {
    let PreparedMap::Product { maps, lengths } = map else {
        return None;
    };
    maps.iter()
        .zip(*lengths)
        .find_map(|(map, &length)| match map {
            AxisMap::Shift { axis, offset } => {
                Some((*axis as usize, *offset, offset.saturating_add(length)))
            }
            _ => None,
        })
}

/// The weights of a map that names exactly one block, whatever the coordinates.
fn find_linear<'a>(grid: &Grid, source: &Grid, maps: &[AxisMap]) -> Option<PreparedMap<'a>> {
    let mut base = 0u32;
    let mut weights: SmallVec<[u32; 4]> = SmallVec::from_elem(0, grid.0.len());
    // A grid with an axis of length 0 has no blocks, and its strides mean nothing.
    let mut stride = 1u32;
    for (map, &length) in maps.iter().zip(&source.0).rev() {
        match map {
            AxisMap::Same(axis) => {
                weights[*axis as usize] = weights[*axis as usize].wrapping_add(stride);
            }
            AxisMap::Fixed(at) => base = at.wrapping_mul(stride).wrapping_add(base),
            AxisMap::All if length == 1 => {}
            _ => return None,
        }
        stride = stride.wrapping_mul(length);
    }
    Some(PreparedMap::Linear { base, weights })
}

/// Whether the blocks of the whole output grid together name every block of the input.
fn covers_input(grid: &Grid, source: &Grid, maps: &[AxisMap]) -> bool {
    let mut used: SmallVec<[u32; 4]> = SmallVec::new();
    grid.block_count() > 0
        && maps.iter().zip(&source.0).all(|(map, &length)| match map {
            AxisMap::Same(axis) => {
                let fresh = !used.contains(axis);
                used.push(*axis);
                fresh && grid.0[*axis as usize] == length
            }
            AxisMap::All => true,
            AxisMap::Fixed(_) => length == 1,
            _ => false,
        })
}

/// The coordinates of a block, moved cheaply from one block to the next.
#[derive(Default)]
pub(crate) struct Cursor {
    coords: SmallVec<[u32; 4]>,
    block: Option<u32>,
}

impl Cursor {
    #[inline]
    fn move_to(&mut self, grid: &Grid, block: u32) {
        if self.block.is_some_and(|at| at + 1 == block) {
            for (coord, &length) in self.coords.iter_mut().zip(&grid.0).rev() {
                *coord += 1;
                if *coord < length {
                    break;
                }
                *coord = 0;
            }
        } else {
            self.coords = grid.coords_of(block);
        }
        self.block = Some(block);
    }
}
