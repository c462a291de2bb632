//! What is wrong with an operation on arrays, known before any work starts.

use crate::chunks::ChunkError;

/// A mistake in an operation; messages are NumPy's where NumPy has one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ArrayPlanError {
    /// A `ValueError` in Python.
    #[error("{0}")]
    Value(String),
    /// An `IndexError` in Python.
    #[error("{0}")]
    Index(String),
    /// A `TypeError` in Python.
    #[error("{0}")]
    Type(String),
    /// An `AxisError` in Python.
    #[error("axis {axis} is out of bounds for array of dimension {ndim}")]
    Axis { axis: i64, ndim: usize },
    #[error(transparent)]
    Chunks(#[from] ChunkError),
}

/// A shape as NumPy writes it: `(3,)`.
pub fn shape_text(shape: &[i64]) -> String {
    let length = |&length: &i64| match length {
        ..0 => "nan".to_owned(),
        known => known.to_string(),
    };
    match shape {
        [only] => format!("({},)", length(only)),
        _ => format!(
            "({})",
            shape.iter().map(length).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The error of shapes that do not broadcast.
pub fn broadcast_error(shapes: &[Vec<i64>]) -> ArrayPlanError {
    let shapes: Vec<String> = shapes.iter().map(|shape| shape_text(shape)).collect();
    ArrayPlanError::Value(format!(
        "operands could not be broadcast together with shapes {}",
        shapes.join(" ")
    ))
}
