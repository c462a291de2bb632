//! Joins of two tables by equal keys, in pandas' order of rows. Missing keys equal each other.

use arrow_array::UInt32Array;
use serde::{Deserialize, Serialize};

use super::groupby::sort_by_index;
use super::hash::group_chunks;
use super::sort::{Key, sort_rows};
use super::{Column, DType, EngineError, Groups, Index, Label, Result, Schema, Table};

/// Which rows a join keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JoinHow {
    Inner,
    Left,
    Right,
    Outer,
    Cross,
    /// Left rows that have a partner, once.
    LeftSemi,
    /// Left rows that have none.
    LeftAnti,
}

/// How to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinSpec {
    pub how: JoinHow,
    pub left_on: Vec<Key>,
    pub right_on: Vec<Key>,
    /// What is appended to names that both tables have.
    pub suffixes: (Option<String>, Option<String>),
    /// The name of a column that says where a row comes from.
    pub indicator: Option<Label>,
}

impl JoinSpec {
    /// A join by columns that both tables have.
    pub fn on(how: JoinHow, labels: &[Label]) -> JoinSpec {
        let keys: Vec<Key> = labels.iter().cloned().map(Key::Column).collect();
        JoinSpec {
            how,
            left_on: keys.clone(),
            right_on: keys,
            suffixes: (Some("_x".into()), Some("_y".into())),
            indicator: None,
        }
    }

    fn by_index(keys: &[Key]) -> bool {
        !keys.is_empty() && keys.iter().all(|k| matches!(k, Key::Index(_)))
    }

    /// The labels of keys that are one column in the result.
    fn shared_keys(&self) -> Vec<Label> {
        let pairs = self.left_on.iter().zip(&self.right_on);
        pairs
            .filter_map(|(left, right)| match (left, right) {
                (Key::Column(a), Key::Column(b)) if a == b => Some(a.clone()),
                _ => None,
            })
            .collect()
    }
}

/// Marks a row without a partner.
const NONE: u32 = u32::MAX;

/// Pairs of rows: a left and a right one, either may be `NONE`.
#[derive(Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
}

/// The labels and dtypes of a join, columns that missing values enter aside: integers become
/// floats where rows have no partner, which only the data say.
pub fn schema(left: &Schema, right: &Schema, spec: &JoinSpec) -> Result<Schema> {
    Ok(join(&Table::empty(left), &Table::empty(right), spec)?.schema())
}

/// Joins two tables.
pub fn join(left: &Table, right: &Table, spec: &JoinSpec) -> Result<Table> {
    if spec.how == JoinHow::Cross {
        return assemble(left, right, spec, &cross_pairs(left.len(), right.len())?);
    }
    if spec.left_on.len() != spec.right_on.len() || spec.left_on.is_empty() {
        return Err(EngineError::value(
            "len(right_on) must equal len(left_on), and there must be a key",
        ));
    }
    let keys = key_pairs(left, right, spec)?;
    let chunks: Vec<Vec<&Column>> = keys.iter().map(|(a, b)| vec![a, b]).collect();
    let groups = group_chunks(&chunks, false)?;
    let (left_ids, right_ids) = groups.ids.split_at(left.len());
    let pairs = match spec.how {
        JoinHow::Inner => ordered_pairs(left_ids, right_ids, groups.len(), false),
        JoinHow::Left => ordered_pairs(left_ids, right_ids, groups.len(), true),
        JoinHow::Right => {
            let turned = ordered_pairs(right_ids, left_ids, groups.len(), true);
            Pairs {
                left: turned.right,
                right: turned.left,
            }
        }
        JoinHow::Outer => outer_pairs(&keys, &groups, left.len())?,
        JoinHow::LeftSemi | JoinHow::LeftAnti => {
            let wanted = spec.how == JoinHow::LeftSemi;
            return filter_left(left, left_ids, right_ids, groups.len(), wanted);
        }
        JoinHow::Cross => unreachable!("handled above"),
    };
    assemble(left, right, spec, &pairs)
}

/// The key columns of both tables in common dtypes.
fn key_pairs(left: &Table, right: &Table, spec: &JoinSpec) -> Result<Vec<(Column, Column)>> {
    spec.left_on
        .iter()
        .zip(&spec.right_on)
        .map(|(a, b)| {
            let (x, y) = (a.of(left)?, b.of(right)?);
            let dtype = key_dtype(&x, &y).ok_or_else(|| {
                EngineError::value(format!(
                    "You are trying to merge on {} and {} columns for key {}; convert one of \
                     them with astype first",
                    x.dtype(),
                    y.dtype(),
                    key_name(a)
                ))
            })?;
            Ok((x.cast(&dtype)?, y.cast(&dtype)?))
        })
        .collect()
}

fn key_name(key: &Key) -> String {
    match key {
        Key::Column(label) => label.to_string(),
        Key::Index(level) => format!("index level {level}"),
    }
}

fn key_dtype(left: &Column, right: &Column) -> Option<DType> {
    let plain = |dtype: &DType| match dtype {
        DType::ObjectBool => DType::NullableBool,
        other => other.clone(),
    };
    plain(left.dtype()).common(&plain(right.dtype())).ok()
}

/// The rows of each id: `rows[starts[id]..starts[id + 1]]`.
struct Buckets {
    rows: Vec<u32>,
    starts: Vec<u32>,
}

impl Buckets {
    fn new(ids: &[u32], count: usize) -> Buckets {
        let groups = Groups {
            ids: ids.to_vec(),
            representatives: vec![0; count],
        };
        let (rows, starts) = groups.rows_by_group();
        Buckets { rows, starts }
    }

    #[inline]
    fn of(&self, id: u32) -> &[u32] {
        &self.rows[self.starts[id as usize] as usize..self.starts[id as usize + 1] as usize]
    }

    fn is_unique(&self) -> bool {
        self.starts.windows(2).all(|w| w[1] - w[0] <= 1)
    }
}

/// Pairs in the order of the first side; its rows without partner too, if they are kept.
fn ordered_pairs(first: &[u32], second: &[u32], count: usize, keeps_single: bool) -> Pairs {
    let buckets = Buckets::new(second, count);
    if buckets.is_unique() {
        return unique_pairs(first, second, count, keeps_single);
    }
    let mut pairs = Pairs::default();
    pairs.left.reserve(first.len());
    pairs.right.reserve(first.len());
    for (row, id) in first.iter().enumerate() {
        let partners = buckets.of(*id);
        if partners.is_empty() && keeps_single {
            pairs.left.push(row as u32);
            pairs.right.push(NONE);
        }
        for partner in partners {
            pairs.left.push(row as u32);
            pairs.right.push(*partner);
        }
    }
    pairs
}

/// As `ordered_pairs` when each id has at most one row on the second side.
fn unique_pairs(first: &[u32], second: &[u32], count: usize, keeps_single: bool) -> Pairs {
    let mut partner = vec![NONE; count];
    for (row, id) in second.iter().enumerate() {
        partner[*id as usize] = row as u32;
    }
    let right: Vec<u32> = first.iter().map(|id| partner[*id as usize]).collect();
    if keeps_single || !right.contains(&NONE) {
        return Pairs {
            left: (0..first.len() as u32).collect(),
            right,
        };
    }
    let found = || right.iter().enumerate().filter(|(_, r)| **r != NONE);
    Pairs {
        left: found().map(|(row, _)| row as u32).collect(),
        right: found().map(|(_, r)| *r).collect(),
    }
}

/// All rows, by sorted key; among equal keys in the order of the tables.
fn outer_pairs(keys: &[(Column, Column)], groups: &Groups, left_len: usize) -> Result<Pairs> {
    let (left_ids, right_ids) = groups.ids.split_at(left_len);
    let left = Buckets::new(left_ids, groups.len());
    let right = Buckets::new(right_ids, groups.len());
    let firsts: Vec<Column> = keys
        .iter()
        .map(|(a, b)| Ok(Column::concat(&[a, b])?.take(&groups.representatives)))
        .collect::<Result<_>>()?;
    let sort_keys: Vec<(&Column, bool)> = firsts.iter().map(|c| (c, true)).collect();
    let mut pairs = Pairs::default();
    for id in sort_rows(&sort_keys, true)? {
        let (a, b) = (left.of(id), right.of(id));
        for x in if a.is_empty() { &[NONE] } else { a } {
            for y in if b.is_empty() { &[NONE] } else { b } {
                pairs.left.push(*x);
                pairs.right.push(*y);
            }
        }
    }
    Ok(pairs)
}

fn cross_pairs(left: usize, right: usize) -> Result<Pairs> {
    if left.saturating_mul(right) > u32::MAX as usize {
        return Err(EngineError::value(format!(
            "a cross join of {left} and {right} rows is too long for one partition"
        )));
    }
    let mut pairs = Pairs::default();
    for row in 0..left as u32 {
        pairs.left.extend(std::iter::repeat_n(row, right));
        pairs.right.extend(0..right as u32);
    }
    Ok(pairs)
}

fn filter_left(
    left: &Table,
    left_ids: &[u32],
    right_ids: &[u32],
    count: usize,
    wanted: bool,
) -> Result<Table> {
    let mut is_there = vec![false; count];
    for id in right_ids {
        is_there[*id as usize] = true;
    }
    let mask: Vec<bool> = left_ids
        .iter()
        .map(|id| is_there[*id as usize] == wanted)
        .collect();
    left.filter(&mask.into())
}

/// Row numbers of one side for taking.
struct Rows {
    rows: UInt32Array,
    is_identity: bool,
}

impl Rows {
    fn new(rows: &[u32], len: usize) -> Rows {
        let is_identity =
            rows.len() == len && rows.iter().enumerate().all(|(i, row)| i as u32 == *row);
        let rows = if rows.contains(&NONE) {
            rows.iter().map(|r| (*r != NONE).then_some(*r)).collect()
        } else {
            UInt32Array::from(rows.to_vec())
        };
        Rows { rows, is_identity }
    }

    fn take(&self, column: &Column) -> Result<Column> {
        if self.is_identity {
            return Ok(column.clone());
        }
        column.take_optional(&self.rows)
    }
}

fn assemble(left: &Table, right: &Table, spec: &JoinSpec, pairs: &Pairs) -> Result<Table> {
    let left_rows = Rows::new(&pairs.left, left.len());
    let right_rows = Rows::new(&pairs.right, right.len());
    let shared = spec.shared_keys();
    let (left_names, right_names) = result_names(left, right, spec, &shared)?;
    let mut columns = Vec::new();
    for (name, (label, column)) in left_names.into_iter().zip(left.columns()) {
        let taken = if shared.contains(label) {
            key_column(column, right.column(label)?, spec.how, pairs, &left_rows)?
        } else {
            find_index_key(label, left, right, spec, pairs)?
                .map_or_else(|| left_rows.take(column), Ok)?
        };
        columns.push((name, taken));
    }
    let unshared = right
        .columns()
        .iter()
        .filter(|(label, _)| !shared.contains(label));
    for (name, (_, column)) in right_names.into_iter().zip(unshared) {
        columns.push((name, right_rows.take(column)?));
    }
    if let Some(label) = &spec.indicator {
        columns.push((label.clone(), indicator(pairs)?));
    }
    let index = result_index(left, right, spec, pairs, &left_rows, &right_rows)?;
    let table = Table::new(columns, index, pairs.left.len())?;
    let is_sorted_by_index = spec.how == JoinHow::Outer
        && JoinSpec::by_index(&spec.left_on)
        && JoinSpec::by_index(&spec.right_on);
    if is_sorted_by_index {
        sort_by_index(&table)
    } else {
        Ok(table)
    }
}

/// The names of the left columns, and of the right ones that are not shared keys.
fn result_names(
    left: &Table,
    right: &Table,
    spec: &JoinSpec,
    shared: &[Label],
) -> Result<(Vec<Label>, Vec<Label>)> {
    let own = |table: &Table| -> Vec<Label> {
        let labels = table.labels().into_iter();
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

/// A key that both tables have: from whichever has the row.
fn key_column(
    left: &Column,
    right: &Column,
    how: JoinHow,
    pairs: &Pairs,
    left_rows: &Rows,
) -> Result<Column> {
    match how {
        JoinHow::Right | JoinHow::Outer => either(left, right, pairs),
        _ => {
            let taken = left_rows.take(left)?;
            match left.dtype().common(right.dtype()) {
                Ok(dtype) if left.dtype().number().is_some() => taken.cast(&dtype),
                _ => Ok(taken),
            }
        }
    }
}

/// Values of the left row, or of the right one where there is no left.
fn either(left: &Column, right: &Column, pairs: &Pairs) -> Result<Column> {
    let both = Column::concat(&[left, right])?;
    let offset = left.len() as u32;
    let rows: Vec<u32> = pairs
        .left
        .iter()
        .zip(&pairs.right)
        .map(|(l, r)| if *l == NONE { offset + r } else { *l })
        .collect();
    Ok(both.take(&rows))
}

/// A left key column whose partner is the right index: filled from it where there is no left row.
fn find_index_key(
    label: &Label,
    left: &Table,
    right: &Table,
    spec: &JoinSpec,
    pairs: &Pairs,
) -> Result<Option<Column>> {
    if !matches!(spec.how, JoinHow::Right | JoinHow::Outer) {
        return Ok(None);
    }
    for (a, b) in spec.left_on.iter().zip(&spec.right_on) {
        if let (Key::Column(key), Key::Index(_)) = (a, b)
            && key == label
        {
            return Ok(Some(either(left.column(label)?, &b.of(right)?, pairs)?));
        }
    }
    Ok(None)
}

/// The category column of a merge's `indicator`.
fn indicator(pairs: &Pairs) -> Result<Column> {
    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Int32Array};
    let codes: Int32Array = pairs
        .left
        .iter()
        .zip(&pairs.right)
        .map(|(l, r)| match (*l == NONE, *r == NONE) {
            (false, true) => 0,
            (true, _) => 1,
            _ => 2,
        })
        .collect::<Vec<i32>>()
        .into();
    let names = Column::from_texts([Some("left_only"), Some("right_only"), Some("both")]);
    let array = DictionaryArray::<Int32Type>::try_new(codes, names.array().clone())?;
    Column::new(DType::category_of_str(), std::sync::Arc::new(array))
}

fn result_index(
    left: &Table,
    right: &Table,
    spec: &JoinSpec,
    pairs: &Pairs,
    left_rows: &Rows,
    right_rows: &Rows,
) -> Result<Index> {
    let take = |table: &Table, rows: &Rows| -> Result<Index> {
        let levels = table.index_columns().into_iter();
        let levels = levels.map(|(name, column)| Ok((name, rows.take(&column)?)));
        Ok(Index::Columns(levels.collect::<Result<_>>()?))
    };
    match (
        JoinSpec::by_index(&spec.left_on),
        JoinSpec::by_index(&spec.right_on),
    ) {
        (true, true) => joined_index(left, right, spec, pairs),
        (false, true) => take(left, left_rows),
        (true, false) => take(right, right_rows),
        (false, false) => Ok(Index::default_range()),
    }
}

fn joined_index(left: &Table, right: &Table, spec: &JoinSpec, pairs: &Pairs) -> Result<Index> {
    let names = left.index().names();
    let right_names = right.index().names();
    let levels = spec
        .left_on
        .iter()
        .zip(&spec.right_on)
        .enumerate()
        .map(|(i, (a, b))| {
            let name = match (names.get(i), right_names.get(i)) {
                (Some(x), Some(y)) if x == y => x.clone(),
                _ => Label::None,
            };
            Ok((name, either(&a.of(left)?, &b.of(right)?, pairs)?))
        })
        .collect::<Result<_>>()?;
    Ok(Index::Columns(levels))
}
