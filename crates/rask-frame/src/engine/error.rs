//! What can go wrong inside a partition. Messages are what the user reads.

use rask_value::TaskError;

use super::Label;

/// A refused or failed operation on a table.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// A column that is not there, with the closest name that is.
    #[error("{}", unknown_column(.label, .known))]
    UnknownColumn { label: Label, known: Vec<Label> },
    /// An operation that the dtypes do not have.
    #[error("{0}")]
    Type(String),
    /// A value that cannot be used.
    #[error("{0}")]
    Value(String),
    /// Reading or writing a file.
    #[error("{path}: {reason}")]
    Io { path: String, reason: String },
    /// A file that is not there.
    #[error("no such file: {0}")]
    NotFound(String),
    /// Something pandas can do and this engine cannot (yet).
    #[error("{0}")]
    Unsupported(String),
}

/// What the functions of the engine return.
pub type Result<T> = std::result::Result<T, EngineError>;

impl EngineError {
    /// The Python exception that pandas would raise.
    pub fn python_kind(&self) -> &'static str {
        match self {
            EngineError::UnknownColumn { .. } => "KeyError",
            EngineError::Type(_) => "TypeError",
            EngineError::Value(_) => "ValueError",
            EngineError::Io { .. } => "OSError",
            EngineError::NotFound(_) => "FileNotFoundError",
            EngineError::Unsupported(_) => "NotImplementedError",
        }
    }

    pub(crate) fn type_error(message: impl Into<String>) -> Self {
        EngineError::Type(message.into())
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        EngineError::Value(message.into())
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        EngineError::Unsupported(message.into())
    }

    pub(crate) fn io(path: &std::path::Path, error: std::io::Error) -> Self {
        let path = path.display().to_string();
        if error.kind() == std::io::ErrorKind::NotFound {
            return EngineError::NotFound(path);
        }
        EngineError::Io {
            path,
            reason: error.to_string(),
        }
    }
}

impl From<EngineError> for TaskError {
    fn from(error: EngineError) -> Self {
        TaskError::new(format!("{}: {error}", error.python_kind()))
    }
}

impl From<arrow_schema::ArrowError> for EngineError {
    fn from(error: arrow_schema::ArrowError) -> Self {
        EngineError::Value(error.to_string())
    }
}

fn unknown_column(label: &Label, known: &[Label]) -> String {
    let mut text = format!("no column {label}");
    if let Some(near) = find_near_match(label, known) {
        text.push_str(&format!("; did you mean {near}?"));
    }
    let names: Vec<String> = known.iter().take(20).map(|l| l.to_string()).collect();
    let more = if known.len() > 20 { ", …" } else { "" };
    text.push_str(&format!(" The columns are {}{more}", names.join(", ")));
    text
}

/// The known label that is closest to a misspelt one.
pub fn find_near_match<'a>(label: &Label, known: &'a [Label]) -> Option<&'a Label> {
    let Label::Str(wanted) = label else {
        return None;
    };
    let limit = wanted.chars().count().div_ceil(3).max(1);
    known
        .iter()
        .filter_map(|candidate| match candidate {
            Label::Str(text) => Some((edit_distance(wanted, text), candidate)),
            _ => None,
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance; letters that differ only by case cost nothing.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
