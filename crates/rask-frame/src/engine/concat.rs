//! Tables and columns one after the other.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array};

use super::hash::encode_one;
use super::{Column, DType, EngineError, Index, Label, Result, Table};

pub(crate) fn concat_columns(columns: &[&Column]) -> Result<Column> {
    let Some((first, rest)) = columns.split_first() else {
        return Err(EngineError::value("no columns to concatenate"));
    };
    if rest.is_empty() {
        return Ok((*first).clone());
    }
    let dtype = rest
        .iter()
        .try_fold(first.dtype().clone(), |dtype, column| {
            common_for_concat(&dtype, column.dtype())
        })?;
    if let DType::Category { values, .. } = &dtype {
        return concat_categories(columns, values, &dtype);
    }
    let cast: Vec<Column> = columns
        .iter()
        .map(|column| column.cast(&dtype))
        .collect::<Result<_>>()?;
    let arrays: Vec<&dyn Array> = cast.iter().map(|c| c.array().as_ref()).collect();
    Column::new(dtype, arrow_select::concat::concat(&arrays)?)
}

fn common_for_concat(a: &DType, b: &DType) -> Result<DType> {
    match (a, b) {
        (DType::Bool, DType::ObjectBool) | (DType::ObjectBool, DType::Bool) => {
            Ok(DType::ObjectBool)
        }
        _ => a.common(b),
    }
}

/// Concatenates categoricals over the union of their categories, those of the first ones first.
fn concat_categories(columns: &[&Column], values: &DType, dtype: &DType) -> Result<Column> {
    let parts: Vec<Column> = columns
        .iter()
        .map(|column| column.cast(dtype))
        .collect::<Result<_>>()?;
    let dictionaries: Vec<&DictionaryArray<Int32Type>> =
        parts.iter().map(|p| p.array().as_dictionary()).collect();
    let ordered = columns
        .iter()
        .all(|c| matches!(c.dtype(), DType::Category { ordered: true, .. }));
    let out = DType::Category {
        ordered,
        values: Box::new(values.clone()),
    };
    if let Some(shared) = find_shared_values(&dictionaries) {
        let keys: Vec<&dyn Array> = dictionaries
            .iter()
            .map(|d| d.keys() as &dyn Array)
            .collect();
        let keys = arrow_select::concat::concat(&keys)?;
        let keys = keys.as_primitive::<Int32Type>().clone();
        return Column::new(out, Arc::new(DictionaryArray::try_new(keys, shared)?));
    }
    let categories: Vec<Column> = dictionaries
        .iter()
        .map(|d| Column::new(values.clone(), d.values().clone()))
        .collect::<Result<_>>()?;
    let all = concat_columns(&categories.iter().collect::<Vec<_>>())?;
    let encoded = encode_one(&all)?;
    let union = all.take(&encoded.representatives);
    let mut keys: Vec<Option<i32>> = Vec::new();
    let mut offset = 0;
    for dictionary in &dictionaries {
        let codes = &encoded.codes[offset..];
        keys.extend(
            dictionary
                .keys()
                .iter()
                .map(|key| key.map(|k| codes[k as usize] as i32)),
        );
        offset += dictionary.values().len();
    }
    let array = DictionaryArray::try_new(Int32Array::from(keys), union.array().clone())?;
    Column::new(out, Arc::new(array))
}

fn find_shared_values(dictionaries: &[&DictionaryArray<Int32Type>]) -> Option<ArrayRef> {
    let first = dictionaries[0].values();
    let same = |d: &&DictionaryArray<Int32Type>| {
        Arc::ptr_eq(first, d.values()) || first.to_data() == d.values().to_data()
    };
    dictionaries.iter().all(same).then(|| first.clone())
}

pub(crate) fn concat_tables(tables: &[&Table], ignore_index: bool) -> Result<Table> {
    let Some(first) = tables.first() else {
        return Err(EngineError::value("No objects to concatenate"));
    };
    if tables.len() == 1 && !ignore_index {
        return Ok((*first).clone());
    }
    let len = tables.iter().map(|t| t.len()).sum();
    let mut labels: Vec<Label> = Vec::new();
    for table in tables {
        for (label, _) in table.columns() {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
    }
    let same_labels = tables.iter().all(|t| {
        t.columns().len() == first.columns().len()
            && t.columns()
                .iter()
                .zip(first.columns())
                .all(|(a, b)| a.0 == b.0)
    });
    let columns = if same_labels {
        (0..first.columns().len())
            .map(|i| {
                let parts: Vec<&Column> = tables.iter().map(|t| t.column_at(i)).collect();
                let label = first.columns()[i].0.clone();
                Ok((label.clone(), named(&label, concat_columns(&parts))?))
            })
            .collect::<Result<Vec<_>>>()?
    } else {
        labels
            .into_iter()
            .map(|label| {
                let column = named(&label, concat_with_gaps(tables, &label))?;
                Ok((label, column))
            })
            .collect::<Result<Vec<_>>>()?
    };
    let index = if ignore_index {
        Index::default_range()
    } else {
        concat_indexes(tables)?
    };
    Table::new(columns, index, len)
}

/// Says which column an error is about.
fn named(label: &Label, result: Result<Column>) -> Result<Column> {
    result.map_err(|error| match error {
        EngineError::Type(text) => EngineError::Type(format!("column {label}: {text}")),
        other => other,
    })
}

fn concat_with_gaps(tables: &[&Table], label: &Label) -> Result<Column> {
    let dtype = tables
        .iter()
        .find_map(|t| t.column(label).ok())
        .map_or(DType::FLOAT64, |column| column.dtype().clone());
    let parts: Vec<Column> = tables
        .iter()
        .filter(|table| !table.is_empty() || table.column(label).is_ok())
        .map(|table| match table.column(label) {
            Ok(column) => column.clone(),
            Err(_) => Column::missing(&dtype, table.len()),
        })
        .collect();
    concat_columns(&parts.iter().collect::<Vec<_>>())
}

fn concat_indexes(tables: &[&Table]) -> Result<Index> {
    if let Some(range) = find_joint_range(tables) {
        return Ok(range);
    }
    let filled: Vec<&&Table> = tables.iter().filter(|t| !t.is_empty()).collect();
    let tables: Vec<&Table> = if filled.is_empty() {
        tables[..1].to_vec()
    } else {
        filled.into_iter().copied().collect()
    };
    let levels: Vec<Vec<(Label, Column)>> = tables.iter().map(|t| t.index_columns()).collect();
    let count = levels[0].len();
    if levels.iter().any(|l| l.len() != count) {
        return Err(EngineError::value(
            "cannot concatenate tables whose indexes have different numbers of levels",
        ));
    }
    let joined = (0..count)
        .map(|i| {
            let parts: Vec<&Column> = levels.iter().map(|l| &l[i].1).collect();
            let name = &levels[0][i].0;
            let same = levels.iter().all(|l| l[i].0 == *name);
            let name = if same { name.clone() } else { Label::None };
            Ok((name, concat_columns(&parts)?))
        })
        .collect::<Result<_>>()?;
    Ok(Index::Columns(joined))
}

/// The range that consecutive ranges make together.
fn find_joint_range(tables: &[&Table]) -> Option<Index> {
    let mut joint: Option<(i64, i64, i64, Label)> = None;
    for table in tables {
        let Index::Range { start, step, name } = table.index() else {
            return None;
        };
        if table.is_empty() {
            continue;
        }
        let end = start + step * table.len() as i64;
        joint = match joint {
            None => Some((*start, *step, end, name.clone())),
            Some((first, s, next, n)) if next == *start && s == *step && n == *name => {
                Some((first, s, end, n))
            }
            _ => return None,
        };
    }
    match joint {
        Some((start, step, _, name)) => Some(Index::Range { start, step, name }),
        None => Some(tables[0].index().clone()),
    }
}
