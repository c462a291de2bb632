//! Integer labels that are near each other, in half the memory.
//!
//! Rows that are shuffled or sorted carry the labels of the range that they had: each is a whole
//! number not far from the others.

use arrow_array::Array;
use arrow_array::types::UInt32Type;

use super::{Column, DType, EngineError, Number, Result};

const STEP_DTYPE: DType = DType::Number(Number::UInt32);

/// Labels, each of which is so much more than the least.
#[derive(Clone, Debug)]
pub struct NearLabels {
    least: i64,
    steps: Column,
}

impl NearLabels {
    /// Labels that are this much more than the least.
    pub fn new(least: i64, steps: Vec<u32>) -> Self {
        let steps = Column::from_values::<UInt32Type>(steps);
        NearLabels { least, steps }
    }

    /// The labels of a range, if they are near each other.
    pub(crate) fn of_range(start: i64, step: i64, len: usize) -> Option<Self> {
        let spanned = step.checked_mul(i64::try_from(len).ok()?)?;
        let least = start.min(start.checked_add(spanned)?);
        least.checked_add(i64::from(u32::MAX))?;
        u32::try_from(spanned.unsigned_abs()).ok()?;
        let steps = (0..len as i64).map(|row| (start - least + step * row) as u32);
        Some(Self::new(least, steps.collect()))
    }

    /// As [`NearLabels::new`], of a column that may hold anything.
    pub(crate) fn from_column(least: i64, steps: Column) -> Result<Self> {
        let is_whole = *steps.dtype() == STEP_DTYPE && steps.array().null_count() == 0;
        if !is_whole || least.checked_add(i64::from(u32::MAX)).is_none() {
            return Err(EngineError::value("labels that are not near each other"));
        }
        Ok(NearLabels { least, steps })
    }

    /// The least that any label can be.
    pub fn least(&self) -> i64 {
        self.least
    }

    /// How much more than the least each label is.
    pub fn steps(&self) -> &Column {
        &self.steps
    }

    /// The labels as they are.
    pub fn to_column(&self) -> Column {
        let steps = self.steps.values::<UInt32Type>().iter();
        Column::from_i64(steps.map(|step| self.least + i64::from(*step)).collect())
    }

    /// Other rows of these.
    pub(crate) fn map(&self, pick: impl Fn(&Column) -> Column) -> Self {
        NearLabels {
            least: self.least,
            steps: pick(&self.steps),
        }
    }
}
