//! Array expressions: what a user builds.
//!
//! A node says what is computed, of which shape, chunks and dtype. Making one takes microseconds,
//! whatever the number of blocks; everything that can be refused is refused here.

mod blocks;
mod contract;
mod cumulative;
mod elementwise;
mod kind;
mod overlap;
mod reduction;
mod reshape;
mod select;
mod source;
mod structure;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rask_value::array::DType;
use rask_value::{Origin, ValueRef};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::chunks::{Chunks, Sizes, axis_length};

pub use blocks::{BlockArgument, Blockwise, BlockwiseSpec, Contracted};
pub use elementwise::Operand;
pub use kind::Kind;
pub use overlap::Boundary;
pub use reduction::{Reduction, UserReduction};
pub use select::IndexItem;

/// The dtype of an array's elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ElementType {
    Native(DType),
    /// A dtype that only the foreign object knows, by a description of its owner's choice.
    Foreign(Arc<str>),
}

impl ElementType {
    /// The native dtype, if it is one.
    pub fn native(&self) -> Option<DType> {
        match self {
            ElementType::Native(dtype) => Some(*dtype),
            ElementType::Foreign(_) => None,
        }
    }

    /// Bytes of an element; eight for foreign ones.
    pub fn itemsize(&self) -> usize {
        self.native().map_or(8, DType::itemsize)
    }
}

impl From<DType> for ElementType {
    fn from(dtype: DType) -> Self {
        ElementType::Native(dtype)
    }
}

/// Inputs of a node.
pub type Operands = SmallVec<[ArrayExpr; 2]>;

/// A lazy n-dimensional array: a node of a graph of operations, shared.
#[derive(Clone, Debug)]
pub struct ArrayExpr(Arc<Node>);

#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    inputs: Operands,
    chunks: Chunks,
    element: ElementType,
    meta: Option<ValueRef>,
    token: u128,
    name: Arc<str>,
    origin: Option<Origin>,
}

impl ArrayExpr {
    /// A node; its token is made of the operation's name, of `parameters` and of the inputs.
    pub(crate) fn new(
        operation: &str,
        parameters: &impl Serialize,
        kind: Kind,
        inputs: Operands,
        chunks: Chunks,
        element: ElementType,
    ) -> ArrayExpr {
        let tokens: SmallVec<[u128; 2]> = inputs.iter().map(ArrayExpr::token).collect();
        let content = (operation, parameters, &tokens[..], &chunks, &element);
        let bytes = postcard::to_stdvec(&content).unwrap_or_default();
        let token = xxhash_rust::xxh3::xxh3_128(&bytes);
        let meta = inputs.iter().find_map(|input| input.0.meta.clone());
        ArrayExpr(Arc::new(Node {
            kind,
            inputs,
            chunks,
            element,
            meta,
            token,
            name: format!("{operation}-{token:032x}").into(),
            origin: None,
        }))
    }

    fn edit(self, change: impl FnOnce(&mut Node)) -> ArrayExpr {
        let mut node = Arc::try_unwrap(self.0).unwrap_or_else(|shared| (*shared).clone());
        change(&mut node);
        ArrayExpr(Arc::new(node))
    }

    /// The same with a name of the caller's choice, which stands for its contents.
    pub fn with_name(self, name: &str) -> ArrayExpr {
        self.edit(|node| {
            node.token = xxhash_rust::xxh3::xxh3_128(name.as_bytes());
            node.name = name.into();
        })
    }

    /// The same, made at this line of the user's.
    pub fn with_origin(self, origin: Option<Origin>) -> ArrayExpr {
        self.edit(|node| node.origin = origin)
    }

    /// The same, of blocks like `meta`, a foreign object; `None` for native or NumPy blocks.
    pub fn with_meta(self, meta: Option<ValueRef>) -> ArrayExpr {
        self.edit(|node| node.meta = meta)
    }

    /// Lengths of the axes; [`UNKNOWN`](crate::chunks::UNKNOWN) where blocks are.
    pub fn shape(&self) -> Vec<i64> {
        self.0
            .chunks
            .iter()
            .map(|sizes| axis_length(sizes))
            .collect()
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.0.chunks.len()
    }

    /// Lengths of the blocks along every axis.
    pub fn chunks(&self) -> &[Sizes] {
        &self.0.chunks
    }

    /// The dtype of the elements.
    pub fn element(&self) -> &ElementType {
        &self.0.element
    }

    /// The native dtype, unless dtype or blocks are foreign.
    pub fn native(&self) -> Option<DType> {
        match &self.0.meta {
            Some(_) => None,
            None => self.0.element.native(),
        }
    }

    /// The name of the layer that makes the array: a token of its contents.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The token of its contents.
    pub fn token(&self) -> u128 {
        self.0.token
    }

    /// An empty object of the blocks' foreign type.
    pub fn meta(&self) -> Option<&ValueRef> {
        self.0.meta.as_ref()
    }

    /// The user's line.
    pub fn origin(&self) -> Option<&Origin> {
        self.0.origin.as_ref()
    }

    /// What is computed.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// What it is computed from.
    pub fn inputs(&self) -> &[ArrayExpr] {
        &self.0.inputs
    }

    /// Numbers of blocks along the axes.
    pub fn grid(&self) -> rask_graph::Grid {
        rask_graph::Grid::new(self.0.chunks.iter().map(|sizes| sizes.len() as u32))
    }

    /// The same operation on other inputs, of the same chunks and values.
    pub(crate) fn with_inputs(&self, inputs: Operands) -> ArrayExpr {
        let mut node = (*self.0).clone();
        node.inputs = inputs;
        ArrayExpr(Arc::new(node))
    }

    /// The same values under another's name and line. What was annotated of the operation stays.
    pub(crate) fn named_like(self, other: &ArrayExpr) -> ArrayExpr {
        self.edit(|node| {
            node.token = other.0.token;
            node.name = other.0.name.clone();
            let before = node.origin.take();
            let own = before
                .as_ref()
                .and_then(|origin| origin.annotations.clone());
            node.origin = match (own, other.0.origin.clone().or(before)) {
                (Some(own), Some(origin)) => Some(Origin {
                    annotations: Some(own),
                    ..origin
                }),
                (_, origin) => origin,
            };
        })
    }
}
