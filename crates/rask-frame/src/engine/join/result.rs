//! The table that a join makes of its pairs of rows.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{DictionaryArray, Int32Array};

use super::pairs::{NONE, Pairs, Rows};
use super::side::Side;
use super::{JoinHow, JoinSpec};
use crate::engine::groupby::sort_by_index;
use crate::engine::sort::Key;
use crate::engine::{Column, DType, EngineError, Index, Label, Result, Table};

/// The rows of two sides that belong together.
pub(super) struct Match<'a> {
    left: &'a Side<'a>,
    right: &'a Side<'a>,
    spec: &'a JoinSpec,
    left_rows: Rows,
    right_rows: Rows,
}

impl<'a> Match<'a> {
    pub fn new(left: &'a Side, right: &'a Side, spec: &'a JoinSpec, pairs: Pairs) -> Self {
        Match {
            left,
            right,
            spec,
            left_rows: Rows::new(pairs.left, left.len()),
            right_rows: Rows::new(pairs.right, right.len()),
        }
    }

    pub fn to_table(&self) -> Result<Table> {
        let shared = self.spec.shared_keys();
        let (left_names, right_names) = result_names(self.left, self.right, self.spec, &shared)?;
        let mut columns = Vec::new();
        for (at, (name, label)) in left_names.into_iter().zip(self.left.labels()).enumerate() {
            let column = match shared.contains(&label) {
                true => self.shared_key(at, &label)?,
                false => self.left_column(at, &label)?,
            };
            columns.push((name, column));
        }
        let unshared = self.right.labels().into_iter().enumerate();
        let unshared = unshared.filter(|(_, label)| !shared.contains(label));
        for (name, (at, _)) in right_names.into_iter().zip(unshared) {
            columns.push((name, self.right_rows.take(&self.right.column_at(at)?)?));
        }
        if let Some(label) = &self.spec.indicator {
            columns.push((label.clone(), self.indicator()?));
        }
        let table = Table::new(columns, self.index()?, self.left_rows.numbers().len())?;
        let is_sorted_by_index =
            self.spec.how == JoinHow::Outer && self.keys_are_indexes() == (true, true);
        match is_sorted_by_index {
            true => sort_by_index(&table),
            false => Ok(table),
        }
    }

    /// A key that both sides have: from whichever has the row.
    fn shared_key(&self, at: usize, label: &Label) -> Result<Column> {
        if matches!(self.spec.how, JoinHow::Right | JoinHow::Outer) {
            return self.either(&self.left.column_at(at)?, &self.right.column(label)?);
        }
        let left = self.left.column_at(at)?;
        let taken = self.left_rows.take(&left)?;
        match left.dtype().common(self.right.dtype(label)?) {
            Ok(dtype) if left.dtype().number().is_some() => taken.cast(&dtype),
            _ => Ok(taken),
        }
    }

    /// A column of the left; where there is no left row, a key has what its partner, the right index, has.
    fn left_column(&self, at: usize, label: &Label) -> Result<Column> {
        let column = self.left.column_at(at)?;
        if matches!(self.spec.how, JoinHow::Right | JoinHow::Outer) {
            for (a, b) in self.spec.left_on.iter().zip(&self.spec.right_on) {
                if let (Key::Column(key), Key::Index(_)) = (a, b)
                    && key == label
                {
                    return self.either(&column, &self.right.key(b)?);
                }
            }
        }
        self.left_rows.take(&column)
    }

    /// Values of the left row, or of the right one where there is no left.
    fn either(&self, left: &Column, right: &Column) -> Result<Column> {
        let both = Column::concat(&[left, right])?;
        let offset = left.len() as u32;
        let pick = |(l, r): (&u32, &u32)| if *l == NONE { offset + r } else { *l };
        Ok(both.take(&self.pairs().map(pick).collect::<Vec<_>>()))
    }

    fn pairs(&self) -> impl Iterator<Item = (&u32, &u32)> {
        let (left, right) = (self.left_rows.numbers(), self.right_rows.numbers());
        left.iter().zip(right)
    }

    /// The category column of a merge's `indicator`.
    fn indicator(&self) -> Result<Column> {
        let code = |(l, r): (&u32, &u32)| match (*l == NONE, *r == NONE) {
            (false, true) => 0,
            (true, _) => 1,
            _ => 2,
        };
        let codes = Int32Array::from(self.pairs().map(code).collect::<Vec<i32>>());
        let names = Column::from_texts([Some("left_only"), Some("right_only"), Some("both")]);
        let array = DictionaryArray::<Int32Type>::try_new(codes, names.array().clone())?;
        Column::new(DType::category_of_str(), Arc::new(array))
    }

    fn keys_are_indexes(&self) -> (bool, bool) {
        (
            JoinSpec::by_index(&self.spec.left_on),
            JoinSpec::by_index(&self.spec.right_on),
        )
    }

    fn index(&self) -> Result<Index> {
        let take = |side: &Side, rows: &Rows| -> Result<Index> {
            let levels = side.index_columns()?.into_iter();
            let levels = levels.map(|(name, column)| Ok((name, rows.take(&column)?)));
            Ok(Index::Columns(levels.collect::<Result<_>>()?))
        };
        match self.keys_are_indexes() {
            (true, true) => self.joined_index(),
            (false, true) => take(self.left, &self.left_rows),
            (true, false) => take(self.right, &self.right_rows),
            (false, false) => Ok(Index::default_range()),
        }
    }

    fn joined_index(&self) -> Result<Index> {
        let names = self.left.index_names();
        let right_names = self.right.index_names();
        let keys = self.spec.left_on.iter().zip(&self.spec.right_on);
        let levels = keys.enumerate().map(|(i, (a, b))| {
            let name = match (names.get(i), right_names.get(i)) {
                (Some(x), Some(y)) if x == y => x.clone(),
                _ => Label::None,
            };
            let column = self.either(&self.left.key(a)?, &self.right.key(b)?)?;
            Ok((name, column))
        });
        Ok(Index::Columns(levels.collect::<Result<_>>()?))
    }
}

/// The names of the left columns, and of the right ones that are not shared keys.
fn result_names(
    left: &Side,
    right: &Side,
    spec: &JoinSpec,
    shared: &[Label],
) -> Result<(Vec<Label>, Vec<Label>)> {
    let own = |side: &Side| -> Vec<Label> {
        let labels = side.labels().into_iter();
        labels.filter(|label| !shared.contains(label)).collect()
    };
    let (left_own, right_own) = (own(left), own(right));
    let overlap: Vec<&Label> = left_own.iter().filter(|l| right_own.contains(l)).collect();
    let (x, y) = &spec.suffixes;
    if !overlap.is_empty() && x == y {
        let names: Vec<String> = overlap.iter().map(|l| l.to_string()).collect();
        return Err(EngineError::value(format!(
            "columns overlap but no suffix specified: [{}]",
            names.join(", ")
        )));
    }
    let named = |label: &Label, suffix: &Option<String>| match suffix {
        Some(suffix) if overlap.contains(&label) => label.with_suffix(suffix),
        _ => label.clone(),
    };
    let left_names: Vec<Label> = left.labels().iter().map(|l| named(l, x)).collect();
    let right_names: Vec<Label> = right_own.iter().map(|l| named(l, y)).collect();
    if let Some(twice) = right_names.iter().find(|name| left_names.contains(name)) {
        return Err(EngineError::value(format!(
            "Passing 'suffixes' which cause duplicate columns {{{twice}}} is not allowed"
        )));
    }
    Ok((left_names, right_names))
}
