//! Reading Parquet.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use serde::{Deserialize, Serialize};

use super::{Bounds, can_match, failed};
use crate::engine::interchange::schema_of;
use crate::engine::{
    Column, DType, EngineError, Expr, Index, IndexSchema, Label, Result, Schema, Table,
};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 64 << 10;

/// What is known of a file without reading rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParquetMeta {
    pub schema: Schema,
    pub row_groups: Vec<RowGroup>,
}

/// A group of rows that can be read alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowGroup {
    pub rows: u64,
    /// Bytes in memory, about.
    pub bytes: u64,
    pub bounds: Vec<Bounds>,
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| EngineError::io(path, e))
}

/// Reads the footer, asking for texts as the engine holds them.
fn load(file: &File, path: &Path) -> Result<ArrowReaderMetadata> {
    let plain =
        ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(|e| failed(path, e))?;
    let options = ArrowReaderOptions::new().with_schema(widened(plain.schema()));
    Ok(ArrowReaderMetadata::load(file, options).unwrap_or(plain))
}

/// The schema with all texts as `LargeUtf8`.
fn widened(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 | DataType::Utf8View => {
                field.as_ref().clone().with_data_type(DataType::LargeUtf8)
            }
            _ => field.as_ref().clone(),
        })
        .collect();
    Arc::new(ArrowSchema::new_with_metadata(
        fields,
        schema.metadata().clone(),
    ))
}

/// Reads the schema, and the sizes and statistics of the row groups.
pub fn metadata(path: &Path) -> Result<ParquetMeta> {
    let file = open(path)?;
    let loaded = load(&file, path)?;
    let schema = schema_of(loaded.schema())?;
    let bounds = all_bounds(&loaded, &schema, path)?;
    let groups = loaded.metadata().row_groups();
    let row_groups: Vec<RowGroup> = groups
        .iter()
        .enumerate()
        .map(|(i, group)| RowGroup {
            rows: group.num_rows() as u64,
            bytes: group.total_byte_size() as u64,
            bounds: bounds.iter().filter_map(|b| b[i].clone()).collect(),
        })
        .collect();
    Ok(ParquetMeta {
        schema: with_missing(schema, &row_groups),
        row_groups,
    })
}

/// The dtypes that columns with missing values get.
fn with_missing(mut schema: Schema, groups: &[RowGroup]) -> Schema {
    let has_missing = |label: &Label| {
        let own = groups.iter().flat_map(|g| &g.bounds);
        own.filter(|b| b.label == *label)
            .any(|b| b.missing_count.is_some_and(|n| n > 0))
    };
    let levels = match &mut schema.index {
        IndexSchema::Columns(levels) => levels.as_mut_slice(),
        IndexSchema::Range { .. } => &mut [],
    };
    for (label, dtype) in schema.columns.iter_mut().chain(levels) {
        if has_missing(label) {
            *dtype = dtype.with_missing();
        }
    }
    schema
}

/// For each field the bounds in each row group.
fn all_bounds(
    loaded: &ArrowReaderMetadata,
    schema: &Schema,
    path: &Path,
) -> Result<Vec<Vec<Option<Bounds>>>> {
    let groups = loaded.metadata().row_groups();
    let levels = match &schema.index {
        IndexSchema::Columns(levels) => levels.as_slice(),
        IndexSchema::Range { .. } => &[],
    };
    let by_name = |name: &str| {
        let mut all = schema.columns.iter().chain(levels);
        all.find(|(label, _)| label.to_text() == name)
    };
    let mut out = Vec::new();
    for field in loaded.schema().fields() {
        let Some((label, _)) = by_name(field.name()) else {
            continue;
        };
        let Ok(converter) =
            StatisticsConverter::try_new(field.name(), loaded.schema(), loaded.parquet_schema())
        else {
            continue;
        };
        let (Ok(lows), Ok(highs)) = (
            converter.row_group_mins(groups),
            converter.row_group_maxes(groups),
        ) else {
            continue;
        };
        let missing = converter
            .row_group_null_counts(groups)
            .map_err(|e| failed(path, e))?;
        out.push(column_bounds(label, lows, highs, &missing));
    }
    Ok(out)
}

fn column_bounds(
    label: &Label,
    lows: Arc<dyn Array>,
    highs: Arc<dyn Array>,
    missing: &UInt64Array,
) -> Vec<Option<Bounds>> {
    let (Ok(lows), Ok(highs)) = (plain(lows), plain(highs)) else {
        return vec![None; missing.len()];
    };
    (0..missing.len())
        .map(|i| {
            Some(Bounds {
                label: label.clone(),
                low: lows.get(i),
                high: highs.get(i),
                missing_count: missing.is_valid(i).then(|| missing.value(i)),
            })
        })
        .collect()
}

/// A statistics array without losing integers to NaN.
fn plain(array: Arc<dyn Array>) -> Result<Column> {
    let dtype = crate::engine::column::dtype_of_arrow(array.data_type())?;
    match dtype {
        DType::Number(n) => Column::from_arrow_as(array, DType::NullableNumber(n)),
        DType::Bool => Column::from_arrow_as(array, DType::NullableBool),
        other => Column::from_arrow_as(array, other),
    }
}

/// Reads row groups (all, if `None`): these columns, in this order (all, if `None`), and the index
/// with them. Groups that cannot match the filter are passed over, rows that do not are left out.
pub fn read(
    path: &Path,
    row_groups: Option<&[usize]>,
    columns: Option<&[Label]>,
    predicate: Option<&Expr>,
) -> Result<Table> {
    let file = open(path)?;
    let loaded = load(&file, path)?;
    let schema = schema_of(loaded.schema())?;
    if let Some(labels) = columns {
        for label in labels {
            schema.find(label)?;
        }
    }
    let wanted = wanted_labels(&schema, columns, predicate);
    let groups = chosen_groups(&loaded, &schema, row_groups, predicate, path)?;
    let batch = read_batch(&file, &loaded, &wanted, &schema, &groups, path)?;
    let mut table = Table::from_record_batch(&batch)?;
    table = with_group_range(table, &loaded, &groups)?;
    if let Some(predicate) = predicate {
        table = table.filter(&predicate.predicate(&table)?)?;
    }
    match columns {
        Some(labels) => table.select(labels),
        None => Ok(table),
    }
}

/// Columns to read: those wanted and those that the filter reads.
fn wanted_labels(
    schema: &Schema,
    columns: Option<&[Label]>,
    predicate: Option<&Expr>,
) -> Vec<Label> {
    let Some(columns) = columns else {
        return schema.labels();
    };
    let mut wanted: std::collections::BTreeSet<Label> = columns.iter().cloned().collect();
    if let Some(predicate) = predicate {
        predicate.columns(&mut wanted);
    }
    let labels = schema.labels().into_iter();
    labels.filter(|label| wanted.contains(label)).collect()
}

fn chosen_groups(
    loaded: &ArrowReaderMetadata,
    schema: &Schema,
    row_groups: Option<&[usize]>,
    predicate: Option<&Expr>,
    path: &Path,
) -> Result<Vec<usize>> {
    let count = loaded.metadata().num_row_groups();
    let mut groups: Vec<usize> = match row_groups {
        Some(groups) => groups.to_vec(),
        None => (0..count).collect(),
    };
    if let Some(bad) = groups.iter().find(|g| **g >= count) {
        return Err(failed(path, format!("there is no row group {bad}")));
    }
    if let Some(predicate) = predicate {
        let bounds = all_bounds(loaded, schema, path)?;
        groups.retain(|group| {
            let own: Vec<Bounds> = bounds.iter().filter_map(|b| b[*group].clone()).collect();
            can_match(&own, predicate)
        });
    }
    Ok(groups)
}

fn read_batch(
    file: &File,
    loaded: &ArrowReaderMetadata,
    wanted: &[Label],
    schema: &Schema,
    groups: &[usize],
    path: &Path,
) -> Result<RecordBatch> {
    let columns: Vec<String> = schema.labels().iter().map(Label::to_text).collect();
    let is_wanted = |name: &str| {
        // Index levels are not among the columns and always come along.
        !columns.iter().any(|c| c == name) || wanted.iter().any(|l| l.to_text() == name)
    };
    let fields = loaded.schema().fields();
    let roots = (0..fields.len()).filter(|i| is_wanted(fields[*i].name()));
    let mask = ProjectionMask::roots(loaded.parquet_schema(), roots);
    let file = file.try_clone().map_err(|e| EngineError::io(path, e))?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, loaded.clone())
        .with_row_groups(groups.to_vec())
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| failed(path, e))?;
    let arrow = Arc::new(ArrowSchema::new_with_metadata(
        arrow_array::RecordBatchReader::schema(&reader)
            .fields()
            .clone(),
        loaded.schema().metadata().clone(),
    ));
    let mut rows = 0;
    let mut batches = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| failed(path, e))?;
        rows += batch.num_rows();
        batches.push(batch);
    }
    let arrays = (0..arrow.fields().len())
        .map(|i| {
            let parts: Vec<&dyn Array> = batches.iter().map(|b| b.column(i).as_ref()).collect();
            match parts.is_empty() {
                true => Ok(arrow_array::new_empty_array(arrow.field(i).data_type())),
                false => arrow_select::concat::concat(&parts),
            }
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(arrow, arrays, &options)?)
}

/// The part of a file's range index that the groups have; a fresh one if they do not follow one
/// another.
fn with_group_range(table: Table, loaded: &ArrowReaderMetadata, groups: &[usize]) -> Result<Table> {
    let Index::Range { start, step, name } = table.index().clone() else {
        return Ok(table);
    };
    let is_run = groups.windows(2).all(|w| w[1] == w[0] + 1);
    let first = groups.first().copied().unwrap_or(0);
    let before: i64 = loaded.metadata().row_groups()
        [..first.min(loaded.metadata().num_row_groups())]
        .iter()
        .map(|g| g.num_rows())
        .sum();
    if is_run {
        return table.with_index(Index::Range {
            start: start + step * before,
            step,
            name,
        });
    }
    let mut labels = Vec::with_capacity(table.len());
    let mut at = 0;
    for (i, group) in loaded.metadata().row_groups().iter().enumerate() {
        if groups.contains(&i) {
            labels.extend((at..at + group.num_rows()).map(|row| start + step * row));
        }
        at += group.num_rows();
    }
    table.with_index(Index::Columns(vec![(name, Column::from_i64(labels))]))
}
