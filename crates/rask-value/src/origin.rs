//! Where in the user's code a layer was made.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Annotations;

/// The user's line that made a layer, for error messages and diagnostics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub file: Arc<str>,
    pub line: u32,
    pub function: Arc<str>,
    /// The span in which this happened.
    #[serde(skip)]
    pub span: Option<Arc<SpanPath>>,
    /// How the tasks are to be run.
    #[serde(skip)]
    pub annotations: Option<Arc<Annotations>>,
}

/// Whether what was made there and there is to be run on the same terms, so that it may be one task.
pub fn are_annotated_alike(one: Option<&Origin>, other: Option<&Origin>) -> bool {
    let annotations = |origin: &Origin| origin.annotations.clone();
    let (one, other) = (one.and_then(annotations), other.and_then(annotations));
    match (&one, &other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        (None, None) => true,
        _ => false,
    }
}

/// A span by the names of all that it is inside of, the outermost first, and its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanPath {
    pub names: Vec<String>,
    /// Unique; the last one names the span.
    pub ids: Vec<String>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} in {}", self.file, self.line, self.function)
    }
}
