//! Labels, operators and keys of operations from Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use rask_frame::engine::expr::BinaryOp;
use rask_frame::engine::join::JoinHow;
use rask_frame::engine::sort::{Key, SortKey, SortSpec};
use rask_frame::engine::{Expr, Label, Schema};

use super::scalar::label_of;

/// Labels of any iterable.
pub fn labels_of(objects: &Bound<'_, PyAny>) -> PyResult<Vec<Label>> {
    objects.try_iter()?.map(|item| label_of(&item?)).collect()
}

/// The operator of a symbol.
pub fn binary_op(symbol: &str) -> PyResult<BinaryOp> {
    use BinaryOp::*;
    [
        Add, Sub, Mul, TrueDiv, FloorDiv, Mod, Pow, Eq, Ne, Lt, Le, Gt, Ge, And, Or, Xor,
    ]
    .into_iter()
    .find(|op| op.symbol() == symbol)
    .ok_or_else(|| PyValueError::new_err(format!("no operator {symbol}")))
}

/// A key of a sort or join: a label, or an index level as a one-element list.
pub fn key_of(object: &Bound<'_, PyAny>) -> PyResult<Key> {
    match object.cast::<PyList>() {
        Ok(level) => Ok(Key::Index(level.get_item(0)?.extract()?)),
        Err(_) => Ok(Key::Column(label_of(object)?)),
    }
}

/// Several keys.
pub fn keys_of(objects: &Bound<'_, PyAny>) -> PyResult<Vec<Key>> {
    objects.try_iter()?.map(|item| key_of(&item?)).collect()
}

/// The kind of a join of this name.
pub fn join_how(name: &str) -> PyResult<JoinHow> {
    Ok(match name {
        "inner" => JoinHow::Inner,
        "left" => JoinHow::Left,
        "right" => JoinHow::Right,
        "outer" => JoinHow::Outer,
        "cross" => JoinHow::Cross,
        "leftsemi" => JoinHow::LeftSemi,
        "leftanti" => JoinHow::LeftAnti,
        other => {
            return Err(PyValueError::new_err(format!(
                "how has to be one of inner, left, right, outer, cross, leftsemi, not {other}"
            )));
        }
    })
}

/// A sort by keys, each with its direction.
pub fn sort_spec(keys: Vec<Key>, ascending: Vec<bool>, na_last: bool) -> PyResult<SortSpec> {
    if keys.len() != ascending.len() {
        return Err(PyValueError::new_err(format!(
            "Length of ascending ({}) != length of by ({})",
            ascending.len(),
            keys.len()
        )));
    }
    let keys = keys.into_iter().zip(ascending);
    Ok(SortSpec {
        keys: keys
            .map(|(key, ascending)| SortKey { key, ascending })
            .collect(),
        na_last,
    })
}

/// The columns of a schema as expressions.
pub fn own_columns(schema: &Schema) -> Vec<(Label, Expr)> {
    let labels = schema.labels().into_iter();
    labels.map(|l| (l.clone(), Expr::Column(l))).collect()
}
