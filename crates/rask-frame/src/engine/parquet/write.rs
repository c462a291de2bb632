//! Writing Parquet.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use super::failed;
use crate::engine::{EngineError, Index, Result, Table};

/// How columns are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    None,
    Snappy,
    Lz4,
    Zstd,
}

/// The options of `to_parquet`; the default is pandas'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParquetWriteOptions {
    pub compression: Compression,
    /// At most so many rows in a row group.
    pub row_group_rows: usize,
    pub has_index: bool,
}

impl Default for ParquetWriteOptions {
    fn default() -> Self {
        ParquetWriteOptions {
            compression: Compression::Snappy,
            row_group_rows: 1 << 20,
            has_index: true,
        }
    }
}

/// Writes a file; a half-written one is not left behind.
pub fn write(table: &Table, path: &Path, options: &ParquetWriteOptions) -> Result<()> {
    let file = File::create(path).map_err(|e| EngineError::io(path, e))?;
    write_to(table, file, path, options).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Writes to anything; the path is for error messages.
pub fn write_to(
    table: &Table,
    out: impl Write + Send,
    path: &Path,
    options: &ParquetWriteOptions,
) -> Result<()> {
    let table = if options.has_index {
        table.clone()
    } else {
        table.with_index(Index::default_range())?
    };
    let batch = table.to_record_batch()?;
    let schema = batch.schema();
    let metadata = schema
        .metadata()
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    let properties = WriterProperties::builder()
        .set_compression(codec(options.compression))
        .set_max_row_group_row_count(Some(options.row_group_rows.max(1)))
        .set_key_value_metadata(Some(metadata))
        .build();
    let mut writer =
        ArrowWriter::try_new(out, schema, Some(properties)).map_err(|e| failed(path, e))?;
    writer.write(&batch).map_err(|e| failed(path, e))?;
    writer.close().map_err(|e| failed(path, e))?;
    Ok(())
}

fn codec(compression: Compression) -> Codec {
    match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
    }
}
