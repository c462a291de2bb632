//! Names and dtypes from the beginning of a file.

use super::builder::Rules;
use super::read::{Header, read_header};
use super::scan::Fields;
use super::{CsvColumn, CsvOptions, CsvSchema};
use crate::engine::{DType, EngineError, Label, Number, Result, TimeUnit, calendar};

/// Infers the columns from a sample: whole lines from the start of the file. The name of the file
/// is for error messages.
pub fn infer(sample: &[u8], path: &str, options: &CsvOptions) -> Result<CsvSchema> {
    let header = read_header(sample, path, options)?;
    check_known(&header.labels, options, path)?;
    let body = &sample[header.body_start..];
    let body = match memchr::memrchr(b'\n', body) {
        Some(end) => &body[..=end],
        None => body,
    };
    let mut padded = body.to_vec();
    if padded.last().is_some_and(|b| *b != b'\n') {
        padded.push(b'\n');
    }
    let field_count = header.labels.len();
    let mut fields = Fields::default();
    fields
        .scan(&padded, options, field_count)
        .map_err(|e| super::read::ragged(path, sample, header.body_start, e, field_count))?;
    let rules = Rules::new(options);
    let wanted = wanted_columns(&header, options);
    let columns = wanted
        .into_iter()
        .map(|position| {
            let label = header.labels[position].clone();
            let given = options.find_dtype(&label);
            let dtype = if options.parse_dates.contains(&label) {
                infer_datetime(&padded, &fields, field_count, position, &rules)
            } else {
                match given {
                    Some(dtype) => dtype.clone(),
                    None => infer_column(&padded, &fields, field_count, position, &rules),
                }
            };
            CsvColumn {
                label,
                dtype,
                position,
                is_inferred: given.is_none(),
            }
        })
        .collect();
    Ok(CsvSchema {
        columns,
        field_count,
    })
}

fn check_known(labels: &[Label], options: &CsvOptions, path: &str) -> Result<()> {
    let dtypes = options.dtypes.iter().map(|(label, _)| label);
    let asked = options
        .usecols
        .iter()
        .flatten()
        .chain(&options.parse_dates)
        .chain(dtypes);
    for label in asked {
        if !labels.contains(label) {
            let error = EngineError::UnknownColumn {
                label: label.clone(),
                known: labels.to_vec(),
            };
            return Err(EngineError::value(format!("{path}: {error}")));
        }
    }
    Ok(())
}

fn wanted_columns(header: &Header, options: &CsvOptions) -> Vec<usize> {
    let is_wanted = |label: &Label| {
        options
            .usecols
            .as_ref()
            .is_none_or(|wanted| wanted.contains(label))
    };
    (0..header.labels.len())
        .filter(|i| is_wanted(&header.labels[*i]))
        .collect()
}

fn field<'a>(
    block: &'a [u8],
    fields: &'a Fields,
    field_count: usize,
    row: usize,
    position: usize,
) -> &'a [u8] {
    let place = row * field_count + position;
    let end = fields.ends[place] as usize;
    let start = match position {
        0 => fields.starts[row] as usize,
        _ => (fields.ends[place - 1] as usize + 1).min(end),
    };
    &fields.bytes(block)[start..end]
}

fn infer_column(
    block: &[u8],
    fields: &Fields,
    field_count: usize,
    position: usize,
    rules: &Rules,
) -> DType {
    let (mut is_integer, mut is_float, mut is_bool) = (true, true, true);
    let (mut has_missing, mut has_value) = (false, false);
    for row in 0..fields.len() {
        let text = field(block, fields, field_count, row, position);
        if rules.missing.contains(text) {
            has_missing = true;
            continue;
        }
        has_value = true;
        is_bool = is_bool && rules.parse_bool(text).is_some();
        is_integer = is_integer && rules.parse_integer(text).is_some();
        is_float = is_float && (is_integer || rules.parse_float(text).is_some());
        if !is_float && !is_bool {
            return DType::Str;
        }
    }
    match (has_value, is_bool, is_integer) {
        (false, ..) => DType::FLOAT64,
        (true, true, _) if has_missing => DType::ObjectBool,
        (true, true, _) => DType::Bool,
        (true, false, true) if !has_missing => DType::Number(Number::Int64),
        _ => DType::FLOAT64,
    }
}

/// Microseconds, as pandas gives texts; UTC if the texts say an offset.
fn infer_datetime(
    block: &[u8],
    fields: &Fields,
    field_count: usize,
    position: usize,
    rules: &Rules,
) -> DType {
    let first = (0..fields.len())
        .map(|row| field(block, fields, field_count, row, position))
        .find(|text| !rules.missing.contains(text));
    let parsed = first.and_then(calendar::parse_datetime);
    let zone = parsed.and_then(|(_, _, has_offset)| has_offset.then(|| "UTC".into()));
    DType::Datetime(TimeUnit::Microsecond, zone)
}
