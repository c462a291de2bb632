//! Tables to and from Arrow record batches, with pandas' metadata in the schema: what pyarrow and
//! Parquet files use to say which columns are the index and which dtypes pandas had.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema as ArrowSchema};

use super::json::Json;
use super::{Column, DType, Index, IndexSchema, Label, Result, Schema, Table};

const KEY: &str = "pandas";

impl Table {
    /// The table as a record batch. Index levels that are columns follow the others; a range is
    /// in the metadata only.
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        if let Index::Near { .. } = self.index() {
            let widened = self.with_index(Index::Columns(self.index_columns()))?;
            return widened.to_record_batch();
        }
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (label, column) in self.columns() {
            fields.push(field(&field_name(label), column.dtype()));
            arrays.push(column.array().clone());
        }
        if let Index::Columns(levels) = self.index() {
            for (i, (name, column)) in levels.iter().enumerate() {
                fields.push(field(&level_name(i, name, self), column.dtype()));
                arrays.push(column.array().clone());
            }
        }
        let metadata = HashMap::from([(KEY.to_string(), describe(self).to_string())]);
        let schema = ArrowSchema::new_with_metadata(fields, metadata);
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::new(schema),
            arrays,
            &options,
        )?)
    }

    /// The table that a record batch means, by its pandas metadata if it has some.
    pub fn from_record_batch(batch: &RecordBatch) -> Result<Table> {
        let layout = Layout::of(&batch.schema());
        let mut columns = Vec::new();
        let mut levels = Vec::new();
        for (i, array) in batch.columns().iter().enumerate() {
            let column = match &layout.fields[i].dtype {
                Some(dtype) if fits(dtype, array) => {
                    Column::from_arrow_as(array.clone(), dtype.clone())?
                }
                _ => Column::from_arrow(array.clone())?,
            };
            let label = layout.fields[i].label.clone();
            match layout.fields[i].level {
                Some(level) => levels.push((level, (label, column))),
                None => columns.push((label, column)),
            }
        }
        levels.sort_by_key(|(level, _)| *level);
        let index = if levels.is_empty() {
            layout.range.clone()
        } else {
            Index::Columns(levels.into_iter().map(|(_, column)| column).collect())
        };
        Table::new(columns, index, batch.num_rows())
    }
}

/// The schema that an Arrow schema means, dtypes as if nothing were missing.
pub(crate) fn schema_of(arrow: &ArrowSchema) -> Result<Schema> {
    let layout = Layout::of(arrow);
    let mut columns = Vec::new();
    let mut levels = Vec::new();
    for (i, field) in arrow.fields().iter().enumerate() {
        let own = &layout.fields[i];
        let dtype = match &own.dtype {
            Some(dtype) => dtype.clone(),
            None => super::column::dtype_of_arrow(field.data_type())?,
        };
        match own.level {
            Some(level) => levels.push((level, (own.label.clone(), dtype))),
            None => columns.push((own.label.clone(), dtype)),
        }
    }
    levels.sort_by_key(|(level, _)| *level);
    let index = match (&layout.range, levels.is_empty()) {
        (Index::Range { name, .. }, true) => IndexSchema::Range { name: name.clone() },
        _ => IndexSchema::Columns(levels.into_iter().map(|(_, l)| l).collect()),
    };
    Ok(Schema { columns, index })
}

/// Whether the dtype of the metadata can hold the array: a NumPy integer cannot with nulls.
fn fits(dtype: &DType, array: &ArrayRef) -> bool {
    let holds_missing = dtype.has_validity() || dtype.is_nan_missing();
    let same_kind = super::column::dtype_of_arrow(array.data_type())
        .is_ok_and(|own| own.common(dtype).is_ok() || own.is_bool() == dtype.is_bool());
    same_kind && (holds_missing || array.null_count() == 0)
}

fn field(name: &str, dtype: &DType) -> Field {
    Field::new(name, dtype.arrow(), true)
}

/// The name of a column's field: pandas writes labels of other types as text.
fn field_name(label: &Label) -> String {
    label.to_text()
}

fn level_name(level: usize, name: &Label, table: &Table) -> String {
    let is_taken = table.columns().iter().any(|(label, _)| label == name);
    match name {
        Label::Str(text) if !is_taken => text.to_string(),
        _ => format!("__index_level_{level}__"),
    }
}

fn describe(table: &Table) -> Json {
    let mut columns: Vec<Json> = table
        .columns()
        .iter()
        .map(|(label, column)| describe_column(label, &field_name(label), column.dtype()))
        .collect();
    let index = match table.index() {
        Index::Range { start, step, name } => vec![Json::object(vec![
            ("kind", Json::text("range")),
            ("name", name_json(name)),
            ("start", Json::Number(*start as f64)),
            (
                "stop",
                Json::Number((start + step * table.len() as i64) as f64),
            ),
            ("step", Json::Number(*step as f64)),
        ])],
        // Written as a column, see `to_record_batch`.
        Index::Near { .. } => Vec::new(),
        Index::Columns(levels) => levels
            .iter()
            .enumerate()
            .map(|(i, (name, column))| {
                let field = level_name(i, name, table);
                columns.push(describe_column(name, &field, column.dtype()));
                Json::Text(field)
            })
            .collect(),
    };
    Json::object(vec![
        ("index_columns", Json::List(index)),
        ("column_indexes", Json::List(vec![labels_json(table)])),
        ("columns", Json::List(columns)),
        (
            "creator",
            Json::object(vec![
                ("library", Json::text("rask")),
                ("version", Json::text(env!("CARGO_PKG_VERSION"))),
            ]),
        ),
        ("pandas_version", Json::text("3.0.0")),
    ])
}

/// What pandas says of the labels' own type.
fn labels_json(table: &Table) -> Json {
    let is_integer = !table.columns().is_empty()
        && table
            .columns()
            .iter()
            .all(|(label, _)| matches!(label, Label::Int(_)));
    let (pandas, numpy) = if is_integer {
        ("int64", "int64")
    } else {
        ("unicode", "str")
    };
    Json::object(vec![
        ("name", Json::Null),
        ("field_name", Json::Null),
        ("pandas_type", Json::text(pandas)),
        ("numpy_type", Json::text(numpy)),
        ("metadata", Json::Null),
    ])
}

fn name_json(label: &Label) -> Json {
    match label {
        Label::None => Json::Null,
        other => Json::Text(other.to_text()),
    }
}

fn describe_column(label: &Label, field: &str, dtype: &DType) -> Json {
    let numpy = match dtype {
        DType::Datetime(unit, _) => format!("datetime64[{}]", unit.name()),
        DType::Category { .. } => "int32".into(),
        other => other.pandas_name(),
    };
    let pandas = match dtype {
        DType::Str => "unicode".to_string(),
        DType::Datetime(_, None) => "datetime".into(),
        DType::Datetime(_, Some(_)) => "datetimetz".into(),
        DType::Timedelta(_) => "timedelta".into(),
        DType::Category { .. } => "categorical".into(),
        DType::NullableNumber(n) | DType::Number(n) => n.numpy_name().into(),
        dtype if dtype.is_bool() => "bool".into(),
        _ => "object".into(),
    };
    let metadata = match dtype {
        DType::Datetime(_, Some(zone)) => {
            Json::object(vec![("timezone", Json::text(zone.to_string()))])
        }
        DType::Category { ordered, .. } => Json::object(vec![("ordered", Json::Bool(*ordered))]),
        _ => Json::Null,
    };
    Json::object(vec![
        ("name", name_json(label)),
        ("field_name", Json::text(field)),
        ("pandas_type", Json::text(pandas)),
        ("numpy_type", Json::text(numpy)),
        ("metadata", metadata),
    ])
}

/// What the metadata say of each field.
struct FieldLayout {
    label: Label,
    level: Option<usize>,
    dtype: Option<DType>,
}

struct Layout {
    fields: Vec<FieldLayout>,
    range: Index,
}

impl Layout {
    fn of(schema: &ArrowSchema) -> Layout {
        let metadata = schema
            .metadata()
            .get(KEY)
            .and_then(|text| Json::parse(text));
        let empty = Json::object(vec![]);
        let metadata = metadata.as_ref().unwrap_or(&empty);
        let index = metadata.get("index_columns").map_or(&[][..], Json::items);
        let described = metadata.get("columns").map_or(&[][..], Json::items);
        let has_integer_labels = metadata
            .get("column_indexes")
            .and_then(|c| c.items().first())
            .and_then(|c| c.get("pandas_type"))
            .is_some_and(|t| t.as_str() == Some("int64"));
        let fields = schema.fields().iter().map(|field| {
            let name = field.name().as_str();
            let level = index.iter().position(|i| i.as_str() == Some(name));
            let own = described
                .iter()
                .find(|c| c.get("field_name").and_then(Json::as_str) == Some(name));
            FieldLayout {
                label: label_of(name, own, level.is_some(), has_integer_labels),
                level,
                dtype: own.and_then(|own| dtype_of(own, field.data_type())),
            }
        });
        Layout {
            fields: fields.collect(),
            range: range_of(index).unwrap_or_else(Index::default_range),
        }
    }
}

fn label_of(name: &str, described: Option<&Json>, is_level: bool, is_integer: bool) -> Label {
    match described.and_then(|own| own.get("name")) {
        Some(Json::Null) if is_level => Label::None,
        Some(Json::Text(text)) if is_integer && !is_level => text
            .parse()
            .map_or_else(|_| Label::from(text.as_str()), Label::Int),
        Some(Json::Text(text)) => Label::from(text.as_str()),
        _ if is_level && name.starts_with("__index_level_") => Label::None,
        _ => Label::from(name),
    }
}

fn range_of(index: &[Json]) -> Option<Index> {
    let [only] = index else { return None };
    Some(Index::Range {
        start: only.get("start")?.as_i64()?,
        step: only.get("step")?.as_i64()?,
        name: match only.get("name") {
            Some(Json::Text(text)) => Label::from(text.as_str()),
            _ => Label::None,
        },
    })
}

fn dtype_of(described: &Json, arrow: &arrow_schema::DataType) -> Option<DType> {
    let own = super::column::dtype_of_arrow(arrow).ok()?;
    let name = described.get("numpy_type").and_then(Json::as_str)?;
    if let (DType::Category { values, .. }, Some(metadata)) = (&own, described.get("metadata")) {
        let ordered = metadata.get("ordered") == Some(&Json::Bool(true));
        return Some(DType::Category {
            ordered,
            values: values.clone(),
        });
    }
    match (&own, name) {
        (DType::Bool, "object") => Some(DType::ObjectBool),
        (DType::Number(_) | DType::Bool, _) => {
            let named = DType::from_name(name).ok()?;
            let is_kin = named.number().is_some() == own.number().is_some()
                && named.is_bool() == own.is_bool();
            is_kin.then_some(named)
        }
        _ => Some(own),
    }
}
