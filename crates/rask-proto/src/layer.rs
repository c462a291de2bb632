//! Layers as they travel: rules, not tasks.

use std::sync::Arc;

use rask_graph::{AxisMap, Grid, Input, InputMap, Layer, LayerId};

use crate::error::check_columns;
use crate::{Packed, ProtoError};

/// Most axes that a grid may have.
const AXES_MAX: usize = 64;

/// The user's line that made a layer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OriginSpec {
    #[prost(string, tag = "1")]
    pub file: String,
    #[prost(uint32, tag = "2")]
    pub line: u32,
    #[prost(string, tag = "3")]
    pub function: String,
}

/// One layer of a submission.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LayerSpec {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint32, repeated, tag = "2")]
    pub grid: Vec<u32>,
    /// Inputs by rule; their layers are positions in the submission.
    #[prost(message, repeated, tag = "3")]
    pub inputs: Vec<InputSpec>,
    /// Inputs by list, after those by rule: futures given as arguments.
    #[prost(message, optional, tag = "4")]
    pub refs: Option<RefColumns>,
    /// What the blocks run; nothing if `remote`.
    #[prost(message, optional, tag = "5")]
    pub op: Option<Packed>,
    /// Arguments that belong to single blocks: block `b` is given page `b / page_blocks` as its
    /// last input. Pages go to a worker only when it runs a block that needs them.
    #[prost(message, repeated, tag = "6")]
    pub pages: Vec<Packed>,
    #[prost(uint32, tag = "7")]
    pub page_blocks: u32,
    #[prost(message, optional, tag = "8")]
    pub origin: Option<OriginSpec>,
    /// The scheduler knows a layer of this name already.
    #[prost(bool, tag = "9")]
    pub remote: bool,
    /// The client's own number for the layer in later messages; 0 if it needs none.
    #[prost(uint32, tag = "10")]
    pub id: u32,
    /// Name of the operation, by which durations are learned.
    #[prost(string, tag = "11")]
    pub operation: String,
    /// Block `b` needs only part `b % part_modulo` of each of its inputs, of which there are about
    /// `part_count`. Both are 0 where blocks need whole values.
    #[prost(uint32, tag = "280")]
    pub part_modulo: u32,
    #[prost(uint32, tag = "281")]
    pub part_count: u32,
    /// The span in which it was made, if in any.
    #[prost(message, optional, tag = "300")]
    pub span: Option<crate::SpanPath>,
    /// The blocks are objects with a state, which stay on the workers that make them.
    #[prost(bool, tag = "340")]
    pub actor: bool,
    /// Bytes of the blocks' values, where they are known.
    #[prost(message, optional, tag = "200")]
    pub sizes: Option<crate::SizeSpec>,
    /// How its tasks are to be run, where it was annotated.
    #[prost(message, optional, boxed, tag = "220")]
    pub options: Option<Box<crate::LayerOptions>>,
    /// In place of `options` where they differ between blocks, but for times.
    #[prost(message, optional, boxed, tag = "380")]
    pub varied: Option<Box<crate::VariedOptions>>,
}

/// One input by rule, see [`rask_graph::Input`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InputSpec {
    #[prost(uint32, tag = "1")]
    pub layer: u32,
    /// One an axis of the input; `explicit` is used instead if present.
    #[prost(message, repeated, tag = "2")]
    pub axes: Vec<AxisSpec>,
    #[prost(bool, tag = "3")]
    pub explicit: bool,
    #[prost(uint32, repeated, tag = "4")]
    pub offsets: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    pub blocks: Vec<u32>,
}

/// One axis of an input's rule, see [`rask_graph::AxisMap`]; `kind` says which fields mean what.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AxisSpec {
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(uint32, tag = "2")]
    pub axis: u32,
    #[prost(uint32, tag = "3")]
    pub value: u32,
    #[prost(uint32, repeated, tag = "4")]
    pub first: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    pub second: Vec<u32>,
}

/// Inputs by list: block `b` needs entries `offsets[b]..offsets[b + 1]`, each a position in the
/// submission and a block there.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RefColumns {
    #[prost(uint32, repeated, tag = "1")]
    pub offsets: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    pub layers: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    pub blocks: Vec<u32>,
}

impl LayerSpec {
    /// The grid.
    pub fn try_grid(&self) -> Result<Grid, ProtoError> {
        if self.grid.len() > AXES_MAX {
            return Err(out_of_range("number of axes", self.grid.len()));
        }
        let count = self
            .grid
            .iter()
            .try_fold(1u64, |product, &n| product.checked_mul(u64::from(n)));
        match count {
            Some(count) if count < u64::from(u32::MAX) => Ok(Grid::new(self.grid.iter().copied())),
            _ => Err(out_of_range("number of blocks", usize::MAX)),
        }
    }

    /// The rule part as a layer whose inputs are numbered by `number`.
    pub fn try_layer(
        &self,
        mut number: impl FnMut(u32) -> Option<LayerId>,
    ) -> Result<Layer, ProtoError> {
        let inputs = self.inputs.iter().map(|input| {
            let layer = number(input.layer)
                .ok_or_else(|| out_of_range("layer of an input", input.layer as usize))?;
            Ok(Input {
                layer,
                map: input.try_map()?,
            })
        });
        Ok(Layer {
            name: Arc::from(self.name.as_str()),
            grid: self.try_grid()?,
            inputs: inputs.collect::<Result<_, ProtoError>>()?,
        })
    }

    /// The grid and inputs of `layer`, layer numbers as they are.
    pub fn from_layer(layer: &Layer) -> Self {
        LayerSpec {
            name: layer.name.to_string(),
            grid: layer.grid.0.to_vec(),
            inputs: layer.inputs.iter().map(InputSpec::from_input).collect(),
            ..LayerSpec::default()
        }
    }
}

impl RefColumns {
    /// Checks that the columns fit each other and a layer of `block_count` blocks.
    pub fn check(&self, block_count: u64) -> Result<(), ProtoError> {
        check_columns("references", self.layers.len(), self.blocks.len())?;
        check_columns(
            "offsets of references",
            self.offsets.len(),
            block_count as usize + 1,
        )?;
        check_offsets(&self.offsets, self.blocks.len())
    }
}

impl InputSpec {
    fn from_input(input: &Input) -> Self {
        let mut spec = InputSpec {
            layer: input.layer.0,
            ..InputSpec::default()
        };
        match &input.map {
            InputMap::Axes(axes) => spec.axes = axes.iter().map(AxisSpec::from_map).collect(),
            InputMap::Explicit { offsets, blocks } => {
                spec.explicit = true;
                spec.offsets = offsets.to_vec();
                spec.blocks = blocks.to_vec();
            }
        }
        spec
    }

    fn try_map(&self) -> Result<InputMap, ProtoError> {
        if self.explicit {
            check_offsets(&self.offsets, self.blocks.len())?;
            return Ok(InputMap::Explicit {
                offsets: self.offsets.as_slice().into(),
                blocks: self.blocks.as_slice().into(),
            });
        }
        if self.axes.len() > AXES_MAX {
            return Err(out_of_range("number of axes", self.axes.len()));
        }
        let axes = self.axes.iter().map(AxisSpec::try_map);
        Ok(InputMap::Axes(axes.collect::<Result<_, _>>()?))
    }
}

impl AxisSpec {
    fn from_map(map: &AxisMap) -> Self {
        let mut spec = AxisSpec::default();
        match map {
            AxisMap::Same(axis) => (spec.kind, spec.axis) = (0, *axis),
            AxisMap::Fixed(value) => (spec.kind, spec.value) = (1, *value),
            AxisMap::All => spec.kind = 2,
            AxisMap::Shift { axis, offset } => {
                (spec.kind, spec.axis, spec.value) = (3, *axis, *offset);
            }
            AxisMap::Ranges { axis, ranges } => {
                (spec.kind, spec.axis) = (4, *axis);
                (spec.first, spec.second) = ranges.iter().copied().unzip();
            }
            AxisMap::Lists {
                axis,
                offsets,
                items,
            } => {
                (spec.kind, spec.axis) = (5, *axis);
                (spec.first, spec.second) = (offsets.to_vec(), items.to_vec());
            }
        }
        spec
    }

    fn try_map(&self) -> Result<AxisMap, ProtoError> {
        let axis = self.axis;
        Ok(match self.kind {
            0 => AxisMap::Same(axis),
            1 => AxisMap::Fixed(self.value),
            2 => AxisMap::All,
            3 => AxisMap::Shift {
                axis,
                offset: self.value,
            },
            4 => {
                check_columns("ranges", self.first.len(), self.second.len())?;
                let ranges = self.first.iter().copied().zip(self.second.iter().copied());
                AxisMap::Ranges {
                    axis,
                    ranges: ranges.collect(),
                }
            }
            5 => {
                check_offsets(&self.first, self.second.len())?;
                AxisMap::Lists {
                    axis,
                    offsets: self.first.as_slice().into(),
                    items: self.second.as_slice().into(),
                }
            }
            other => return Err(out_of_range("kind of an axis rule", other as usize)),
        })
    }
}

/// Checks that `offsets` rise from 0 to `length`.
fn check_offsets(offsets: &[u32], length: usize) -> Result<(), ProtoError> {
    let rising = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let ends = offsets.first() == Some(&0) && offsets.last().map(|&n| n as usize) == Some(length);
    if rising && ends {
        Ok(())
    } else {
        Err(out_of_range("offsets of a list", length))
    }
}

fn out_of_range(what: &'static str, value: usize) -> ProtoError {
    ProtoError::OutOfRange {
        what,
        value: value as u64,
    }
}
