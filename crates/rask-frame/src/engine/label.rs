//! Labels of columns and names of index levels: strings mostly, but any pandas label.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A column label, the name of a series or of an index level.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Label {
    /// No name.
    None,
    Bool(bool),
    Int(i64),
    /// A float by its bits.
    Float(u64),
    Str(Arc<str>),
    /// A label of a column MultiIndex: `("delay", "mean")`.
    Tuple(Vec<Label>),
}

impl Label {
    /// The text of a string label.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Label::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is no name.
    pub fn is_none(&self) -> bool {
        matches!(self, Label::None)
    }

    /// The label with a suffix appended to its text, as a join does with clashing names.
    pub fn with_suffix(&self, suffix: &str) -> Label {
        match self {
            Label::Str(text) => Label::from(format!("{text}{suffix}")),
            other => Label::from(format!("{}{suffix}", other.to_text())),
        }
    }

    /// The label as a file header shows it.
    pub fn to_text(&self) -> String {
        match self {
            Label::None => String::new(),
            Label::Str(text) => text.to_string(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::None => f.write_str("None"),
            Label::Bool(true) => f.write_str("True"),
            Label::Bool(false) => f.write_str("False"),
            Label::Int(value) => write!(f, "{value}"),
            Label::Float(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Label::Str(text) => write!(f, "'{text}'"),
            Label::Tuple(parts) => {
                f.write_str("(")?;
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{part}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Label::Str(text.into())
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Label::Str(text.into())
    }
}

impl From<i64> for Label {
    fn from(value: i64) -> Self {
        Label::Int(value)
    }
}
