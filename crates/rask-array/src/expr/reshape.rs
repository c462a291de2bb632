//! Reshaping: rechunk until whole blocks become whole blocks, then reshape each.

use super::{ArrayExpr, Kind, Operands};
use crate::chunks::{Chunks, Sizes, offsets};
use crate::error::{ArrayPlanError, shape_text};

type Result<T> = std::result::Result<T, ArrayPlanError>;

impl ArrayExpr {
    /// The elements in row-major order in another shape; one length may be -1.
    ///
    /// # Errors
    /// A shape of another size, unknown lengths.
    pub fn reshape(&self, shape: &[i64]) -> Result<Self> {
        let own = self.shape();
        if own.iter().any(|&length| length < 0) {
            return Err(ArrayPlanError::Value(format!(
                "Array chunk size or shape is unknown. shape: {}. Possible solution: call \
                 compute_chunk_sizes() first",
                shape_text(&own)
            )));
        }
        let shape = infer(&own, shape)?;
        if shape == own {
            return Ok(self.clone());
        }
        let plan = plan(self.chunks(), &own, &shape);
        let input = self.rechunk(plan.input)?;
        let kind = Kind::Reshape {
            follows: plan.follows.clone(),
        };
        let inputs = Operands::from_iter([input]);
        let element = self.element().clone();
        Ok(Self::new(
            "reshape",
            &plan.follows,
            kind,
            inputs,
            plan.output,
            element,
        ))
    }
}

fn infer(own: &[i64], shape: &[i64]) -> Result<Vec<i64>> {
    let size: i64 = own.iter().product();
    let refuse = || {
        ArrayPlanError::Value(format!(
            "cannot reshape array of size {size} into shape {}",
            shape_text(shape)
        ))
    };
    let open = shape.iter().filter(|&&length| length < 0).count();
    let rest: i64 = shape.iter().filter(|&&length| length >= 0).product();
    if open > 1 {
        return Err(ArrayPlanError::Value(
            "can only specify one unknown dimension".into(),
        ));
    }
    if open == 1 && (rest == 0 || size % rest != 0) || open == 0 && rest != size {
        return Err(refuse());
    }
    let length = |&length: &i64| if length < 0 { size / rest } else { length };
    Ok(shape.iter().map(length).collect())
}

struct ReshapePlan {
    /// Chunks of the input before it is reshaped.
    input: Chunks,
    output: Chunks,
    /// For each output axis the input axis whose blocks it follows; `None` has one block.
    follows: Vec<Option<usize>>,
}

/// Splits both shapes into groups of axes of equal size; inside a group only the first axis that is
/// longer than one stays cut, at borders that fall between elements of the other side's first axis.
fn plan(chunks: &[Sizes], own: &[i64], shape: &[i64]) -> ReshapePlan {
    let whole = |shape: &[i64]| -> Chunks { shape.iter().map(|&n| Sizes::from([n])).collect() };
    let mut plan = ReshapePlan {
        input: whole(own),
        output: whole(shape),
        follows: vec![None; shape.len()],
    };
    if own.contains(&0) {
        return plan;
    }
    let old: Vec<usize> = (0..own.len()).filter(|&axis| own[axis] != 1).collect();
    let new: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] != 1).collect();
    let (mut i, mut j) = (0, 0);
    while i < old.len() && j < new.len() {
        let (first, second) = (i, j);
        let (mut left, mut right) = (own[old[i]], shape[new[j]]);
        while left != right {
            if left < right {
                i += 1;
                left *= own[old[i]];
            } else {
                j += 1;
                right *= shape[new[j]];
            }
        }
        (i, j) = (i + 1, j + 1);
        let (from, to) = (old[first], new[second]);
        let row = left / own[from];
        let new_row = right / shape[to];
        let (input, output) = aligned(&chunks[from], row, new_row);
        plan.input[from] = input;
        plan.output[to] = output;
        plan.follows[to] = Some(from);
    }
    plan
}

/// The cut of a first axis of rows of `row` elements, moved to borders that are also borders of
/// rows of `new_row` elements; and the same cut in the latter.
fn aligned(sizes: &Sizes, row: i64, new_row: i64) -> (Sizes, Sizes) {
    let multiple = new_row / gcd(row, new_row);
    let borders = offsets(sizes);
    let last = *borders.last().unwrap_or(&0) as i64;
    let mut cuts: Vec<i64> = borders
        .iter()
        .map(|&border| (border as i64 + multiple / 2) / multiple * multiple)
        .filter(|&cut| cut < last)
        .collect();
    cuts.push(last);
    cuts.dedup();
    let input: Vec<i64> = cuts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let output = input.iter().map(|size| size * row / new_row).collect();
    (input.into(), output)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
