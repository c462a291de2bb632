//! Columns from fields: for each dtype a loop of its own over the fields of a block.

use std::sync::Arc;

use arrow_array::{BooleanArray, Int64Array, LargeStringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::missing::MissingTexts;
use super::number::{normalised, parse_f64, parse_i64};
use super::scan::Fields;
use super::{CsvColumn, CsvOptions};
use crate::engine::{Column, DType, EngineError, Number, Result, TimeUnit, calendar};

/// A field that is not of the column's dtype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadField {
    /// The number of the record in the block.
    pub(super) row: usize,
    pub(super) text: String,
    pub(super) is_missing: bool,
}

/// What all columns of a file share.
pub(super) struct Rules {
    pub(super) missing: MissingTexts,
    true_values: Vec<Vec<u8>>,
    false_values: Vec<Vec<u8>>,
    decimal: u8,
    thousands: Option<u8>,
}

impl Rules {
    pub(super) fn new(options: &CsvOptions) -> Rules {
        let texts = |defaults: [&str; 3], own: &[String]| -> Vec<Vec<u8>> {
            let all = defaults.iter().map(|t| t.as_bytes().to_vec());
            all.chain(own.iter().map(|t| t.as_bytes().to_vec()))
                .collect()
        };
        Rules {
            missing: MissingTexts::new(options),
            true_values: texts(["True", "TRUE", "true"], &options.true_values),
            false_values: texts(["False", "FALSE", "false"], &options.false_values),
            decimal: options.decimal,
            thousands: options.thousands,
        }
    }

    pub(super) fn parse_bool(&self, field: &[u8]) -> Option<bool> {
        if self.true_values.iter().any(|t| t == field) {
            Some(true)
        } else if self.false_values.iter().any(|t| t == field) {
            Some(false)
        } else {
            None
        }
    }

    fn has_plain_numbers(&self) -> bool {
        self.decimal == b'.' && self.thousands.is_none()
    }

    pub(super) fn parse_integer(&self, field: &[u8]) -> Option<i64> {
        if self.thousands.is_none() {
            return parse_i64(field);
        }
        parse_i64(normalised(field, b'.', self.thousands, &mut Vec::new()))
    }

    pub(super) fn parse_float(&self, field: &[u8]) -> Option<f64> {
        if self.has_plain_numbers() {
            return parse_f64(field);
        }
        parse_f64(normalised(
            field,
            self.decimal,
            self.thousands,
            &mut Vec::new(),
        ))
    }
}

/// A validity bitmap that is made when the first missing value comes.
#[derive(Default)]
struct Validity {
    bits: Option<BooleanBufferBuilder>,
}

impl Validity {
    fn push_missing(&mut self, len: usize) {
        let bits = self
            .bits
            .get_or_insert_with(|| BooleanBufferBuilder::new(len + 1));
        bits.append_n(len - bits.len(), true);
        bits.append(false);
    }

    fn finish(self, len: usize) -> Option<NullBuffer> {
        let mut bits = self.bits?;
        bits.append_n(len - bits.len(), true);
        Some(NullBuffer::new(bits.finish()))
    }
}

enum Values {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Bools(Vec<bool>),
    Texts { data: Vec<u8>, offsets: Vec<i64> },
    Ticks(Vec<i64>, TimeUnit),
}

/// A column being read.
pub(super) struct Builder {
    column: CsvColumn,
    values: Values,
    validity: Validity,
    can_miss: bool,
}

/// The fields of one column in a block.
struct Cells<'a> {
    bytes: &'a [u8],
    fields: &'a Fields,
    field_count: usize,
    position: usize,
}

impl<'a> Cells<'a> {
    #[inline]
    fn span(&self, row: usize) -> (usize, usize) {
        let place = row * self.field_count + self.position;
        let end = self.fields.ends[place] as usize;
        let start = match self.position {
            0 => self.fields.starts[row] as usize,
            _ => (self.fields.ends[place - 1] as usize + 1).min(end),
        };
        (start, end)
    }

    #[inline]
    fn get(&self, row: usize) -> &'a [u8] {
        let (start, end) = self.span(row);
        &self.bytes[start..end]
    }
}

impl Builder {
    pub(super) fn new(column: CsvColumn, rows: usize) -> Builder {
        let values = match &column.dtype {
            DType::Bool | DType::NullableBool | DType::ObjectBool => {
                Values::Bools(Vec::with_capacity(rows))
            }
            DType::Number(n) | DType::NullableNumber(n) if n.is_float() => {
                Values::Floats(Vec::with_capacity(rows))
            }
            DType::Number(_) | DType::NullableNumber(_) => {
                Values::Integers(Vec::with_capacity(rows))
            }
            DType::Datetime(unit, _) => Values::Ticks(Vec::with_capacity(rows), *unit),
            _ => {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                Values::Texts {
                    data: Vec::new(),
                    offsets,
                }
            }
        };
        Builder {
            can_miss: column.dtype.has_validity(),
            column,
            values,
            validity: Validity::default(),
        }
    }

    pub(super) fn column(&self) -> &CsvColumn {
        &self.column
    }

    /// Adds the column's fields of a block.
    pub(super) fn add(
        &mut self,
        block: &[u8],
        fields: &Fields,
        field_count: usize,
        rules: &Rules,
    ) -> std::result::Result<(), BadField> {
        let cells = Cells {
            bytes: fields.bytes(block),
            fields,
            field_count,
            position: self.column.position,
        };
        let rows = fields.len();
        let (validity, can_miss) = (&mut self.validity, self.can_miss);
        match &mut self.values {
            Values::Integers(out) => {
                add_each(&cells, rows, out, 0, validity, can_miss, rules, |field| {
                    rules.parse_integer(field)
                })
            }
            Values::Floats(out) if rules.has_plain_numbers() => {
                add_floats(&cells, rows, out, rules, parse_f64)
            }
            Values::Floats(out) => {
                add_floats(&cells, rows, out, rules, |field| rules.parse_float(field))
            }
            Values::Bools(out) => {
                add_each(&cells, rows, out, false, validity, can_miss, rules, |f| {
                    rules.parse_bool(f)
                })
            }
            Values::Ticks(out, unit) => {
                let unit = *unit;
                let mut last = LastDate::default();
                add_each(&cells, rows, out, 0, validity, true, rules, |field| {
                    last.parse(field, unit)
                })
            }
            Values::Texts { data, offsets } => {
                add_texts(&cells, rows, data, offsets, validity, rules);
                Ok(())
            }
        }
    }

    /// The column, in its dtype.
    pub(super) fn finish(self) -> Result<Column> {
        let dtype = self.column.dtype;
        let validity = self.validity;
        match self.values {
            Values::Floats(values) => Column::from_f64(values).cast(&dtype),
            Values::Bools(values) => {
                let len = values.len();
                let array = BooleanArray::new(values.into(), validity.finish(len));
                Column::new(dtype, Arc::new(array))
            }
            Values::Ticks(values, _) => {
                let nulls = validity.finish(values.len());
                Column::from_ticks(dtype, Int64Array::new(values.into(), nulls))
            }
            Values::Integers(values) => {
                let nulls = validity.finish(values.len());
                finish_integers(values, nulls, dtype)
            }
            Values::Texts { data, offsets } => {
                let nulls = validity.finish(offsets.len() - 1);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let array = LargeStringArray::try_new(offsets, Buffer::from_vec(data), nulls)
                    .map_err(|_| EngineError::value("the text is not UTF-8"))?;
                Column::from_strings(array).cast(&dtype)
            }
        }
    }
}

fn finish_integers(values: Vec<i64>, nulls: Option<NullBuffer>, dtype: DType) -> Result<Column> {
    if let Some(number) = dtype.number().filter(|n| *n != Number::Int64) {
        let low = values.iter().copied().min().unwrap_or(0);
        let high = values.iter().copied().max().unwrap_or(0);
        for bound in [low, high] {
            if !crate::engine::cast::fits(bound, number) {
                return Err(EngineError::value(format!(
                    "the value {bound} does not fit dtype {dtype}"
                )));
            }
        }
    }
    let array = Int64Array::new(values.into(), nulls);
    if dtype.has_validity() {
        let wide = Column::new(DType::NullableNumber(Number::Int64), Arc::new(array))?;
        return wide.cast(&dtype);
    }
    Column::new(DType::INT64, Arc::new(array))?.cast(&dtype)
}

fn bad(row: usize, field: &[u8], is_missing: bool) -> BadField {
    BadField {
        row,
        text: String::from_utf8_lossy(field).into_owned(),
        is_missing,
    }
}

#[allow(clippy::too_many_arguments)]
#[inline]
fn add_each<V: Copy>(
    cells: &Cells<'_>,
    rows: usize,
    out: &mut Vec<V>,
    filler: V,
    validity: &mut Validity,
    can_miss: bool,
    rules: &Rules,
    mut parse: impl FnMut(&[u8]) -> Option<V>,
) -> std::result::Result<(), BadField> {
    out.reserve(rows);
    for row in 0..rows {
        let field = cells.get(row);
        match parse(field) {
            Some(value) => out.push(value),
            None => {
                let is_missing = rules.missing.contains(field);
                if !is_missing || !can_miss {
                    return Err(bad(row, field, is_missing));
                }
                validity.push_missing(out.len());
                out.push(filler);
            }
        }
    }
    Ok(())
}

#[inline]
fn add_floats(
    cells: &Cells<'_>,
    rows: usize,
    out: &mut Vec<f64>,
    rules: &Rules,
    parse: impl Fn(&[u8]) -> Option<f64>,
) -> std::result::Result<(), BadField> {
    out.reserve(rows);
    for row in 0..rows {
        let field = cells.get(row);
        match parse(field) {
            Some(value) => out.push(value),
            None if rules.missing.contains(field) => out.push(f64::NAN),
            None => return Err(bad(row, field, false)),
        }
    }
    Ok(())
}

/// Copies of up to this many bytes are one vector move.
const SHORT: usize = 16;

fn add_texts(
    cells: &Cells<'_>,
    rows: usize,
    data: &mut Vec<u8>,
    offsets: &mut Vec<i64>,
    validity: &mut Validity,
    rules: &Rules,
) {
    offsets.reserve(rows);
    for row in 0..rows {
        let (start, end) = cells.span(row);
        let field = &cells.bytes[start..end];
        if rules.missing.contains(field) {
            validity.push_missing(offsets.len() - 1);
        } else if end - start <= SHORT && start + SHORT <= cells.bytes.len() {
            let len = data.len();
            data.extend_from_slice(&cells.bytes[start..start + SHORT]);
            data.truncate(len + (end - start));
        } else {
            data.extend_from_slice(field);
        }
        offsets.push(data.len() as i64);
    }
}

/// Datetimes of one day follow one another: the day is read once.
#[derive(Default)]
struct LastDate {
    text: [u8; 10],
    days: Option<i64>,
}

impl LastDate {
    fn parse(&mut self, field: &[u8], unit: TimeUnit) -> Option<i64> {
        if let Some(days) = self.days
            && field.len() >= 10
            && field[..10] == self.text
            && let Some(seconds) = clock_seconds(&field[10..])
        {
            return calendar::ticks_of(days * 86_400 + seconds, 0, unit);
        }
        let (seconds, nanoseconds, _) = calendar::parse_datetime(field)?;
        if field.len() >= 10 && field[4] == b'-' && field[7] == b'-' {
            self.text.copy_from_slice(&field[..10]);
            self.days = calendar::parse_datetime(&field[..10]).map(|(s, _, _)| s / 86_400);
        }
        calendar::ticks_of(seconds, nanoseconds, unit)
    }
}

/// Seconds of ` 05:15:07`, `T05:15:07Z` or nothing; `None` for any other form.
fn clock_seconds(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    if text.len() != 9 || !matches!(text[0], b' ' | b'T') || text[3] != b':' || text[6] != b':' {
        return None;
    }
    let two = |at: usize| {
        let (a, b) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (a <= 9 && b <= 9).then(|| i64::from(a) * 10 + i64::from(b))
    };
    let (hour, minute, second) = (two(1)?, two(4)?, two(7)?);
    (hour < 24 && minute < 60 && second < 60).then(|| hour * 3600 + minute * 60 + second)
}
