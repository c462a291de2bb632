//! How a CSV file is to be read, and what is known of its columns.

use serde::{Deserialize, Serialize};

use crate::engine::{DType, EngineError, Label, Result, Schema};

/// What stands between fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Separator {
    Byte(u8),
    /// Any run of spaces and tabs: `sep=r"\s+"`.
    Whitespace,
}

/// The options of `read_csv`; the default is pandas'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CsvOptions {
    pub separator: Separator,
    pub quote: u8,
    pub escape: Option<u8>,
    /// Lines starting with, and rests of lines after, this byte are ignored.
    pub comment: Option<u8>,
    /// Whether spaces after a separator are ignored.
    pub skip_initial_space: bool,
    /// Lines ignored at the start of the file.
    pub skip_rows: usize,
    /// Whether the first line (after those skipped) has the names.
    pub has_header: bool,
    /// Names in place of the header's.
    pub names: Option<Vec<Label>>,
    /// Only these columns.
    pub usecols: Option<Vec<Label>>,
    /// Dtypes that the user gave.
    pub dtypes: Vec<(Label, DType)>,
    /// A dtype for all other columns.
    pub dtype_for_all: Option<DType>,
    /// Columns to read as datetimes.
    pub parse_dates: Vec<Label>,
    /// More texts that mean a missing value.
    pub na_values: Vec<String>,
    pub keep_default_na: bool,
    /// Whether texts can mean a missing value at all.
    pub na_filter: bool,
    pub true_values: Vec<String>,
    pub false_values: Vec<String>,
    pub decimal: u8,
    pub thousands: Option<u8>,
    /// At most so many rows.
    pub rows_max: Option<usize>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions {
            separator: Separator::Byte(b','),
            quote: b'"',
            escape: None,
            comment: None,
            skip_initial_space: false,
            skip_rows: 0,
            has_header: true,
            names: None,
            usecols: None,
            dtypes: Vec::new(),
            dtype_for_all: None,
            parse_dates: Vec::new(),
            na_values: Vec::new(),
            keep_default_na: true,
            na_filter: true,
            true_values: Vec::new(),
            false_values: Vec::new(),
            decimal: b'.',
            thousands: None,
            rows_max: None,
        }
    }
}

impl CsvOptions {
    /// Whether a block without quotes can be read by the fast scan.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.separator, Separator::Byte(_))
            && self.escape.is_none()
            && self.comment.is_none()
            && !self.skip_initial_space
    }

    /// The dtype that the user gave a column.
    pub(super) fn find_dtype(&self, label: &Label) -> Option<&DType> {
        let own = self.dtypes.iter().find(|(known, _)| known == label);
        own.map(|(_, dtype)| dtype).or(self.dtype_for_all.as_ref())
    }
}

/// A column of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CsvColumn {
    pub label: Label,
    pub dtype: DType,
    /// The number of its field in a record.
    pub position: usize,
    /// Whether the dtype was inferred from a sample (and not given).
    pub is_inferred: bool,
}

/// The columns of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CsvSchema {
    pub columns: Vec<CsvColumn>,
    /// The number of fields in a record, wanted or not.
    pub field_count: usize,
}

impl CsvSchema {
    /// The labels and dtypes of the table that reading gives.
    pub fn schema(&self) -> Schema {
        Schema::new(
            self.columns
                .iter()
                .map(|c| (c.label.clone(), c.dtype.clone()))
                .collect(),
        )
    }

    /// The columns of these labels, in this order.
    pub(super) fn project(&self, labels: Option<&[Label]>) -> Result<Vec<CsvColumn>> {
        let Some(labels) = labels else {
            return Ok(self.columns.clone());
        };
        labels
            .iter()
            .map(|label| {
                let found = self.columns.iter().find(|c| c.label == *label);
                found.cloned().ok_or_else(|| EngineError::UnknownColumn {
                    label: label.clone(),
                    known: self.columns.iter().map(|c| c.label.clone()).collect(),
                })
            })
            .collect()
    }
}
