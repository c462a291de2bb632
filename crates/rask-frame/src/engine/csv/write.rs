//! Writing CSV as pandas does: shortest floats, missing as nothing, quotes where needed.

use std::io::Write;

use arrow_array::Array;
use arrow_array::types::{Float32Type, Float64Type};
use serde::{Deserialize, Serialize};

use crate::engine::{Column, DType, EngineError, Label, Number, Result, Table, text};

/// The options of `to_csv`; the default is pandas'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CsvWriteOptions {
    pub separator: u8,
    pub quote: u8,
    pub has_header: bool,
    pub has_index: bool,
    /// Headings of the index levels in place of their names.
    pub index_labels: Option<Vec<String>>,
    /// What a missing value is written as.
    pub missing: String,
    /// Quotes around all fields that are not numbers.
    pub quote_texts: bool,
    /// Quotes around all fields.
    pub quote_all: bool,
    pub line_end: String,
    /// Digits after the point.
    pub float_decimals: Option<usize>,
}

impl Default for CsvWriteOptions {
    fn default() -> Self {
        CsvWriteOptions {
            separator: b',',
            quote: b'"',
            has_header: true,
            has_index: true,
            index_labels: None,
            missing: String::new(),
            quote_texts: false,
            quote_all: false,
            line_end: "\n".into(),
            float_decimals: None,
        }
    }
}

/// Rows formatted before they are written out.
const BATCH_ROWS: usize = 4096;

/// Writes the header (if asked for) and the rows.
pub fn write(table: &Table, out: &mut impl Write, options: &CsvWriteOptions) -> Result<()> {
    if options.has_header {
        write_header(table, out, options)?;
    }
    let mut columns: Vec<Column> = Vec::new();
    if options.has_index {
        columns.extend(table.index_columns().into_iter().map(|(_, c)| c));
    }
    columns.extend(table.columns().iter().map(|(_, c)| c.clone()));
    let mut start = 0;
    let mut line = Vec::new();
    while start < table.len() {
        let rows = BATCH_ROWS.min(table.len() - start);
        let texts = columns
            .iter()
            .map(|column| Cells::new(&column.slice(start, rows), column, options))
            .collect::<Result<Vec<_>>>()?;
        line.clear();
        for row in 0..rows {
            for (i, cells) in texts.iter().enumerate() {
                if i > 0 {
                    line.push(options.separator);
                }
                cells.write(row, &mut line, options);
            }
            line.extend_from_slice(options.line_end.as_bytes());
        }
        out.write_all(&line).map_err(failed)?;
        start += rows;
    }
    Ok(())
}

fn failed(error: std::io::Error) -> EngineError {
    EngineError::value(format!("cannot write CSV: {error}"))
}

/// Writes the line of names.
pub fn write_header(table: &Table, out: &mut impl Write, options: &CsvWriteOptions) -> Result<()> {
    let mut names: Vec<String> = Vec::new();
    if options.has_index {
        match &options.index_labels {
            Some(labels) => names.extend(labels.iter().cloned()),
            None => names.extend(table.index().names().iter().map(Label::to_text)),
        }
    }
    names.extend(table.columns().iter().map(|(label, _)| label.to_text()));
    let mut line = Vec::new();
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            line.push(options.separator);
        }
        write_text(name.as_bytes(), &mut line, options, options.quote_texts);
    }
    line.extend_from_slice(options.line_end.as_bytes());
    out.write_all(&line).map_err(failed)
}

/// The texts of a run of rows of a column.
struct Cells {
    texts: Column,
    is_text: bool,
}

impl Cells {
    fn new(part: &Column, whole: &Column, options: &CsvWriteOptions) -> Result<Cells> {
        let is_text = matches!(
            part.dtype(),
            DType::Str | DType::Category { .. } | DType::Datetime(..) | DType::Timedelta(_)
        );
        let texts = match part.dtype() {
            // Whether times are written at all depends on the whole column.
            DType::Datetime(unit, zone) => datetime_texts(part, whole, *unit, zone.is_some())?,
            DType::Number(n) | DType::NullableNumber(n)
                if n.is_float() && options.float_decimals.is_some() =>
            {
                fixed_texts(part, options.float_decimals.unwrap_or(6))?
            }
            DType::Number(Number::Float64) => float_texts(part),
            _ => part.cast(&DType::Str)?,
        };
        Ok(Cells { texts, is_text })
    }

    fn write(&self, row: usize, line: &mut Vec<u8>, options: &CsvWriteOptions) {
        let Ok(texts) = self.texts.as_str() else {
            return;
        };
        if texts.is_null(row) {
            line.extend_from_slice(options.missing.as_bytes());
            return;
        }
        let text = texts.value(row).as_bytes();
        if self.is_text {
            write_text(text, line, options, options.quote_texts);
        } else if options.quote_all {
            write_text(text, line, options, true);
        } else {
            line.extend_from_slice(text);
        }
    }
}

fn write_text(text: &[u8], line: &mut Vec<u8>, options: &CsvWriteOptions, is_quoted: bool) {
    let needs =
        |b: &u8| *b == options.separator || *b == options.quote || *b == b'\n' || *b == b'\r';
    if !is_quoted && !options.quote_all && !text.iter().any(needs) {
        line.extend_from_slice(text);
        return;
    }
    line.push(options.quote);
    for byte in text {
        if *byte == options.quote {
            line.push(options.quote);
        }
        line.push(*byte);
    }
    line.push(options.quote);
}

fn datetime_texts(
    part: &Column,
    whole: &Column,
    unit: crate::engine::TimeUnit,
    has_zone: bool,
) -> Result<Column> {
    use crate::engine::calendar::DatetimeStyle;
    let all = whole.ticks()?;
    let style = DatetimeStyle::of(all.iter().flatten(), unit);
    let ticks = part.ticks()?;
    let texts = ticks.iter().map(|tick| {
        tick.map(|tick| {
            let mut text = String::new();
            style.write(&mut text, tick, unit);
            if has_zone {
                text.push_str("+00:00");
            }
            text
        })
    });
    Ok(Column::from_strings(texts.collect()))
}

fn float_texts(part: &Column) -> Column {
    let texts = part.values::<Float64Type>().iter().map(|value| {
        (!value.is_nan()).then(|| {
            let mut out = String::new();
            text::write_float(&mut out, *value);
            out
        })
    });
    Column::from_strings(texts.collect())
}

fn fixed_texts(part: &Column, decimals: usize) -> Result<Column> {
    let floats = match part.dtype() {
        DType::Number(Number::Float32) => {
            let values = part.values::<Float32Type>().iter().map(|v| f64::from(*v));
            Column::from_f64(values.collect())
        }
        _ => part.cast(&DType::FLOAT64)?,
    };
    let texts = floats
        .values::<Float64Type>()
        .iter()
        .map(|v| (!v.is_nan()).then(|| format!("{v:.decimals$}")));
    Ok(Column::from_strings(texts.collect()))
}
