//! Options of readers and writers from Python.

use std::path::Path;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rask_frame::engine::csv::{CsvOptions, CsvWriteOptions, Separator};
use rask_frame::engine::parquet::{Compression, ParquetWriteOptions};
use rask_frame::engine::{DType, Label};
use rask_frame::{CsvPiece, WriteFormat};

use super::convert::to_py_err;
use super::scalar::label_of;

fn byte(value: &Bound<'_, PyAny>, what: &str) -> PyResult<u8> {
    let text: String = value.extract()?;
    match text.as_bytes() {
        [one] => Ok(*one),
        _ => Err(PyValueError::new_err(format!(
            "{what} has to be one character, not {text:?}"
        ))),
    }
}

fn labels(value: &Bound<'_, PyAny>) -> PyResult<Vec<Label>> {
    value.try_iter()?.map(|item| label_of(&item?)).collect()
}

fn dtype(value: &Bound<'_, PyAny>) -> PyResult<DType> {
    DType::from_name(value.str()?.to_cow()?.as_ref()).map_err(to_py_err)
}

/// The options of `read_csv` by pandas' names; those not given are pandas' defaults.
pub fn csv_options(given: &Bound<'_, PyDict>) -> PyResult<CsvOptions> {
    let mut options = CsvOptions::default();
    for (name, value) in given.iter() {
        let name: String = name.extract()?;
        if value.is_none() && name != "header" {
            continue;
        }
        match name.as_str() {
            "sep" => {
                let text: String = value.extract()?;
                options.separator = match text.as_str() {
                    r"\s+" => Separator::Whitespace,
                    _ => Separator::Byte(byte(&value, "sep")?),
                };
            }
            "quotechar" => options.quote = byte(&value, "quotechar")?,
            "escapechar" => options.escape = Some(byte(&value, "escapechar")?),
            "comment" => options.comment = Some(byte(&value, "comment")?),
            "decimal" => options.decimal = byte(&value, "decimal")?,
            "thousands" => options.thousands = Some(byte(&value, "thousands")?),
            "skipinitialspace" => options.skip_initial_space = value.extract()?,
            "skiprows" => options.skip_rows = value.extract()?,
            "header" => options.has_header = !value.is_none(),
            "names" => options.names = Some(labels(&value)?),
            "usecols" => options.usecols = Some(labels(&value)?),
            "parse_dates" => options.parse_dates = labels(&value)?,
            "na_values" => options.na_values = value.extract()?,
            "keep_default_na" => options.keep_default_na = value.extract()?,
            "na_filter" => options.na_filter = value.extract()?,
            "true_values" => options.true_values = value.extract()?,
            "false_values" => options.false_values = value.extract()?,
            "nrows" => options.rows_max = Some(value.extract()?),
            "dtype" => match value.cast::<PyDict>() {
                Ok(by_name) => {
                    for (label, name) in by_name.iter() {
                        options.dtypes.push((label_of(&label)?, dtype(&name)?));
                    }
                }
                Err(_) => options.dtype_for_all = Some(dtype(&value)?),
            },
            other => {
                return Err(PyValueError::new_err(format!(
                    "read_csv has no native option {other}"
                )));
            }
        }
    }
    Ok(options)
}

/// Ranges of about equal size over the files, none across two of them.
pub fn csv_pieces(paths: &[String], block_bytes: Option<u64>) -> PyResult<Vec<CsvPiece>> {
    let mut pieces = Vec::new();
    for path in paths {
        let size = std::fs::metadata(Path::new(path))?.len();
        let count = block_bytes.map_or(1, |bytes| size.div_ceil(bytes.max(1)).max(1));
        pieces.extend((0..count).map(|i| CsvPiece {
            path: path.clone(),
            start: i * size / count,
            end: if i + 1 == count {
                u64::MAX
            } else {
                (i + 1) * size / count
            },
        }));
    }
    Ok(pieces)
}

/// How partitions are written.
pub fn write_format(kind: &str, given: &Bound<'_, PyDict>) -> PyResult<WriteFormat> {
    if kind == "parquet" {
        let mut options = ParquetWriteOptions::default();
        for (name, value) in given.iter() {
            match name.extract::<String>()?.as_str() {
                "compression" => options.compression = compression(&value)?,
                "write_index" => options.has_index = value.extract()?,
                "row_group_size" => options.row_group_rows = value.extract()?,
                other => return Err(unknown("to_parquet", other)),
            }
        }
        return Ok(WriteFormat::Parquet(options));
    }
    let mut options = CsvWriteOptions::default();
    for (name, value) in given.iter() {
        match name.extract::<String>()?.as_str() {
            "sep" => options.separator = byte(&value, "sep")?,
            "quotechar" => options.quote = byte(&value, "quotechar")?,
            "header" => options.has_header = value.extract()?,
            "index" => options.has_index = value.extract()?,
            "na_rep" => options.missing = value.extract()?,
            "index_label" => options.index_labels = Some(value.extract()?),
            "lineterminator" => options.line_end = value.extract()?,
            other => return Err(unknown("to_csv", other)),
        }
    }
    Ok(WriteFormat::Csv(options))
}

fn unknown(function: &str, option: &str) -> PyErr {
    PyValueError::new_err(format!("{function} has no native option {option}"))
}

fn compression(value: &Bound<'_, PyAny>) -> PyResult<Compression> {
    if value.is_none() {
        return Ok(Compression::None);
    }
    Ok(match value.extract::<String>()?.as_str() {
        "none" | "uncompressed" => Compression::None,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        other => {
            return Err(PyValueError::new_err(format!(
                "compression has to be 'snappy', 'zstd', 'lz4' or None, not '{other}'"
            )));
        }
    })
}
