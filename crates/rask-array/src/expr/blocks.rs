//! Callables on blocks.

use std::sync::Arc;

use super::{ArrayExpr, ElementType, Kind, Operands};
use crate::chunks::{Chunks, Sizes, axis_length, unify_axis};
use crate::error::{ArrayPlanError, broadcast_error};
use crate::opaque::OpaqueRef;

type Result<T> = std::result::Result<T, ArrayPlanError>;

/// An array given to a callable, with a letter (a number) for each of its axes.
#[derive(Clone, Debug)]
pub struct BlockArgument {
    pub array: ArrayExpr,
    pub index: Vec<u32>,
}

/// How a callable gets the blocks along letters that are not in its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contracted {
    Concatenate,
    Lists,
}

/// A callable on blocks that correspond by the letters of their axes.
#[derive(Clone, Debug)]
pub struct BlockwiseSpec {
    pub function: OpaqueRef,
    /// For people.
    pub name: String,
    /// Stands for the callable and its literal arguments.
    pub token: String,
    pub out_index: Vec<u32>,
    pub arguments: Vec<BlockArgument>,
    pub contracted: Contracted,
    /// Blocks along letters that no argument has.
    pub new_axes: Vec<(u32, Vec<i64>)>,
    /// Lengths of the output's blocks along letters where they differ from the arguments'.
    pub adjust_chunks: Vec<(u32, Vec<i64>)>,
    pub element: ElementType,
}

/// What a node keeps of a spec.
#[derive(Clone, Debug)]
pub struct Blockwise {
    pub function: OpaqueRef,
    pub out_index: Vec<u32>,
    /// Letters of the arguments' axes, in the order of the node's inputs.
    pub indices: Vec<Vec<u32>>,
    pub concatenate: bool,
}

impl ArrayExpr {
    /// A callable on blocks. Arguments are brought to common chunks first.
    ///
    /// # Errors
    /// Letters that nothing gives a length to, lengths that differ.
    pub fn blockwise(spec: BlockwiseSpec) -> Result<Self> {
        let pairs: Vec<(ArrayExpr, Vec<u32>)> = spec
            .arguments
            .iter()
            .map(|argument| (argument.array.clone(), argument.index.clone()))
            .collect();
        let (arrays, letters) = unify_letters(&pairs)?;
        let mut chunks: Chunks = Vec::with_capacity(spec.out_index.len());
        for letter in &spec.out_index {
            let found = |pairs: &[(u32, Vec<i64>)]| {
                let found = pairs.iter().find(|(known, _)| known == letter);
                found.map(|(_, sizes)| Sizes::from(&sizes[..]))
            };
            let own = letters.iter().find(|(known, _)| known == letter);
            let own = own
                .map(|(_, sizes)| sizes.clone())
                .or(found(&spec.new_axes));
            let own = own.ok_or_else(|| {
                ArrayPlanError::Value(format!(
                    "index {letter} of the output is in no argument and not new"
                ))
            })?;
            chunks.push(match found(&spec.adjust_chunks) {
                Some(sizes) if sizes.len() != own.len() => {
                    return Err(ArrayPlanError::Value(format!(
                        "adjust_chunks names {} blocks along an axis of {}",
                        sizes.len(),
                        own.len()
                    )));
                }
                Some(sizes) => sizes,
                None => own,
            });
        }
        let indices: Vec<Vec<u32>> = pairs.into_iter().map(|(_, index)| index).collect();
        let concatenate = spec.contracted == Contracted::Concatenate;
        let parameters = (&spec.token, &spec.out_index, indices.clone(), concatenate);
        let kind = Kind::Blockwise(Arc::new(Blockwise {
            function: spec.function,
            out_index: spec.out_index.clone(),
            indices: indices.clone(),
            concatenate,
        }));
        let inputs = Operands::from_vec(arrays);
        let node = Self::new(&spec.name, &parameters, kind, inputs, chunks, spec.element);
        Ok(node.with_meta(None))
    }

    /// The arrays in common chunks along axes of equal letters; axes of length one stay.
    ///
    /// # Errors
    /// Lengths that differ, unknown chunks that do not match.
    pub fn unify(pairs: &[(ArrayExpr, Vec<u32>)]) -> Result<Vec<ArrayExpr>> {
        unify_letters(pairs).map(|(arrays, _)| arrays)
    }
}

type Letters = Vec<(u32, Sizes)>;

fn unify_letters(pairs: &[(ArrayExpr, Vec<u32>)]) -> Result<(Vec<ArrayExpr>, Letters)> {
    let mut names: Vec<u32> = Vec::new();
    for (array, index) in pairs {
        if index.len() != array.ndim() {
            return Err(ArrayPlanError::Value(format!(
                "an array of {} dimensions is given {} indices",
                array.ndim(),
                index.len()
            )));
        }
        for letter in index {
            if !names.contains(letter) {
                names.push(*letter);
            }
        }
    }
    let mut letters: Letters = Vec::with_capacity(names.len());
    for letter in names {
        let all: Vec<&Sizes> = pairs
            .iter()
            .flat_map(|(array, index)| index.iter().zip(array.chunks()))
            .filter_map(|(known, sizes)| (*known == letter).then_some(sizes))
            .collect();
        let long: Vec<&Sizes> = all
            .iter()
            .copied()
            .filter(|s| axis_length(s) != 1)
            .collect();
        let lengths: Vec<i64> = long
            .iter()
            .map(|s| axis_length(s))
            .filter(|&n| n >= 0)
            .collect();
        if lengths.windows(2).any(|pair| pair[0] != pair[1]) {
            let shapes: Vec<Vec<i64>> = pairs.iter().map(|(array, _)| array.shape()).collect();
            return Err(broadcast_error(&shapes));
        }
        let sizes = match long.is_empty() {
            true => all[0].clone(),
            false => unify_axis(&long)?,
        };
        letters.push((letter, sizes));
    }
    let common = |letter: &u32| letters.iter().find(|(known, _)| known == letter);
    let arrays = pairs.iter().map(|(array, index)| {
        let target = index.iter().zip(array.chunks()).map(|(letter, own)| {
            let common = common(letter).map_or(own, |(_, sizes)| sizes);
            let stretched = axis_length(own) == 1 && axis_length(common) != 1;
            if stretched {
                own.clone()
            } else {
                common.clone()
            }
        });
        array.rechunk(target.collect())
    });
    let arrays: Result<Vec<ArrayExpr>> = arrays.collect();
    Ok((arrays?, letters))
}
