//! Joins of two tables by equal keys, in pandas' order of rows. Missing keys equal each other.

mod pairs;
mod result;
mod side;

use serde::{Deserialize, Serialize};

use self::pairs::{Pairs, cross_pairs, ordered_pairs, outer_pairs};
use self::result::Match;
use self::side::Side;
use super::hash::group_chunks;
use super::sort::Key;
use super::{Column, DType, EngineError, Groups, Label, Piece, Result, Schema, Table};

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

/// The labels and dtypes of a join, columns that missing values enter aside: integers become
/// floats where rows have no partner, which only the data say.
pub fn schema(left: &Schema, right: &Schema, spec: &JoinSpec) -> Result<Schema> {
    Ok(join(&Table::empty(left), &Table::empty(right), spec)?.schema())
}

/// Joins two tables.
pub fn join(left: &Table, right: &Table, spec: &JoinSpec) -> Result<Table> {
    join_sides(&Side::of(left), &Side::of(right), spec)
}

/// Joins tables that lie in pieces.
pub fn join_pieces(left: &[Piece], right: &[Piece], spec: &JoinSpec) -> Result<Table> {
    let (left, right) = (Side::of_pieces(left)?, Side::of_pieces(right)?);
    join_sides(&left, &right, spec)
}

fn join_sides(left: &Side, right: &Side, spec: &JoinSpec) -> Result<Table> {
    let pairs = match spec.how {
        JoinHow::Cross => cross_pairs(left.len(), right.len())?,
        JoinHow::LeftSemi | JoinHow::LeftAnti => return filter_left(left, right, spec),
        _ => find_pairs(left, right, spec)?,
    };
    Match::new(left, right, spec, pairs).to_table()
}

fn find_pairs(left: &Side, right: &Side, spec: &JoinSpec) -> Result<Pairs> {
    let keys = key_pairs(left, right, spec)?;
    let groups = group_keys(&keys)?;
    if spec.how == JoinHow::Outer {
        return outer_pairs(&keys, &groups, left.len());
    }
    drop(keys);
    let count = groups.len();
    let (left_ids, right_ids) = groups.ids.split_at(left.len());
    Ok(match spec.how {
        JoinHow::Right => {
            let turned = ordered_pairs(right_ids, left_ids, count, true);
            Pairs {
                left: turned.right,
                right: turned.left,
            }
        }
        how => ordered_pairs(left_ids, right_ids, count, how == JoinHow::Left),
    })
}

/// Equal keys of both sides, the left one's rows first.
fn group_keys(keys: &[(Column, Column)]) -> Result<Groups> {
    let chunks: Vec<Vec<&Column>> = keys.iter().map(|(a, b)| vec![a, b]).collect();
    group_chunks(&chunks, false)
}

/// The key columns of both sides in common dtypes.
fn key_pairs(left: &Side, right: &Side, spec: &JoinSpec) -> Result<Vec<(Column, Column)>> {
    if spec.left_on.len() != spec.right_on.len() || spec.left_on.is_empty() {
        return Err(EngineError::value(
            "len(right_on) must equal len(left_on), and there must be a key",
        ));
    }
    spec.left_on
        .iter()
        .zip(&spec.right_on)
        .map(|(a, b)| {
            let (x, y) = (left.key(a)?, right.key(b)?);
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

/// The left rows that have a partner, or those that have none.
fn filter_left(left: &Side, right: &Side, spec: &JoinSpec) -> Result<Table> {
    let wanted = spec.how == JoinHow::LeftSemi;
    let groups = group_keys(&key_pairs(left, right, spec)?)?;
    let (left_ids, right_ids) = groups.ids.split_at(left.len());
    let mut is_there = vec![false; groups.len()];
    for id in right_ids {
        is_there[*id as usize] = true;
    }
    let mask: Vec<bool> = left_ids
        .iter()
        .map(|id| is_there[*id as usize] == wanted)
        .collect();
    left.filter(&mask.into())
}
