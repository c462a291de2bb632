//! Tables to pandas and back, over Arrow record batches.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use pyo3_arrow::PyRecordBatch;
use rask_frame::engine::{Column, DType, EngineError, Index, Label, Table};
use rask_value::{TaskError, ValueRef};

use super::scalar::{label_of, label_to_python};
use crate::buffers::{FrameBuffer, bytes_of};

/// An engine's error as the exception that pandas would raise.
pub fn to_py_err(error: EngineError) -> PyErr {
    Python::attach(|py| crate::error::to_py_err(py, &TaskError::from(error)))
}

/// A table as a pandas data frame, which may be written to.
pub fn table_to_pandas<'py>(py: Python<'py>, table: Table) -> PyResult<Bound<'py, PyAny>> {
    match has_plain_numbers_only(&table) {
        true => numbers_to_pandas(py, table),
        false => batch_to_pandas(py, &table),
    }
}

/// Whether there are columns and rows, and all are NumPy's numbers with texts as labels.
fn has_plain_numbers_only(table: &Table) -> bool {
    let levels_are_plain = match table.index() {
        Index::Range { .. } | Index::Near { .. } => true,
        Index::Columns(levels) => levels.len() == 1 && levels[0].1.is_plain_numbers(),
    };
    let columns = table.columns();
    let is_plain = |(at, (label, column)): (usize, &(Label, Column))| {
        let is_first = columns[..at].iter().all(|(known, _)| known != label);
        is_first && matches!(label, Label::Str(_)) && column.is_plain_numbers()
    };
    let is_empty = columns.is_empty() || table.is_empty();
    !is_empty && levels_are_plain && columns.iter().enumerate().all(is_plain)
}

/// A frame over the memory of the table if nobody else has it, or else over a copy.
fn numbers_to_pandas<'py>(py: Python<'py>, table: Table) -> PyResult<Bound<'py, PyAny>> {
    let rows = table.len();
    let name = table.index().names().remove(0);
    let name = label_to_python(py, &name)?;
    let index = match table.index() {
        &Index::Range { start, step, .. } => (start, start + step * rows as i64, step)
            .into_pyobject(py)?
            .into_any(),
        _ => array_of(py, table.index_column(0).map_err(to_py_err)?)?.0,
    };
    let columns = PyDict::new(py);
    let mut is_alone = true;
    for (label, column) in table.into_columns() {
        let (array, is_its_own) = array_of(py, column)?;
        is_alone &= is_its_own;
        columns.set_item(label_to_python(py, &label)?, array)?;
    }
    py.import(pyo3::intern!(py, "rask.dataframe._convert"))?
        .call_method1(
            pyo3::intern!(py, "of_numbers"),
            (columns, index, name, !is_alone),
        )
}

/// A NumPy array over the memory of a column of numbers, and whether it may be written to.
fn array_of(py: Python<'_>, column: Column) -> PyResult<(Bound<'_, PyAny>, bool)> {
    let numbers = column.into_numbers();
    let numbers = numbers.ok_or_else(|| PyTypeError::new_err("not a column of plain numbers"))?;
    let buffer = match numbers.is_alone {
        // SAFETY: nobody else has the memory.
        true => unsafe { FrameBuffer::own(numbers.bytes) },
        false => FrameBuffer::new(numbers.bytes),
    };
    let array = py.import(pyo3::intern!(py, "numpy"))?.call_method1(
        pyo3::intern!(py, "frombuffer"),
        (buffer, numbers.kind.numpy_name()),
    )?;
    Ok((array, numbers.is_alone))
}

fn batch_to_pandas<'py>(py: Python<'py>, table: &Table) -> PyResult<Bound<'py, PyAny>> {
    let batch = table.to_record_batch().map_err(to_py_err)?;
    let batch = PyRecordBatch::new(batch).into_pyarrow(py)?;
    let labels = table.labels();
    let labels = labels.iter().map(|label| label_to_python(py, label));
    let labels = PyList::new(py, labels.collect::<PyResult<Vec<_>>>()?)?;
    let names = table.index().names();
    let names = names.iter().map(|label| label_to_python(py, label));
    let names = PyList::new(py, names.collect::<PyResult<Vec<_>>>()?)?;
    py.import(pyo3::intern!(py, "rask.dataframe._convert"))?
        .call_method1(pyo3::intern!(py, "to_pandas"), (batch, labels, names))
}

/// A table of a pandas object, or of an Arrow record batch.
pub fn table_of_python(object: &Bound<'_, PyAny>) -> PyResult<Table> {
    let py = object.py();
    let convert = py.import(pyo3::intern!(py, "rask.dataframe._convert"))?;
    let numbers = convert.call_method1(pyo3::intern!(py, "find_numbers"), (object,))?;
    if !numbers.is_none() {
        return table_of_numbers(&numbers);
    }
    let batch = convert.call_method1(pyo3::intern!(py, "to_batch"), (object,))?;
    let (batch, labels): (PyRecordBatch, Bound<'_, PyAny>) = batch.extract()?;
    let table = Table::from_record_batch(&batch.into_inner()).map_err(to_py_err)?;
    if labels.is_none() {
        return Ok(table);
    }
    let labels = labels
        .try_iter()?
        .map(|label| label_of(&label?))
        .collect::<PyResult<Vec<_>>>()?;
    table.with_labels(labels).map_err(to_py_err)
}

/// A table over the memory of NumPy's arrays: labels, arrays, the index and its name.
fn table_of_numbers(found: &Bound<'_, PyAny>) -> PyResult<Table> {
    type Found<'py> = (
        Vec<Bound<'py, PyAny>>,
        Vec<Bound<'py, PyAny>>,
        Bound<'py, PyAny>,
        Bound<'py, PyAny>,
    );
    let (labels, arrays, index, name): Found<'_> = found.extract()?;
    let name = label_of(&name)?;
    let (index, rows) = match index.extract::<(i64, i64)>() {
        Ok((start, step)) => (Index::Range { start, step, name }, None),
        Err(_) => {
            let level = column_of_numbers(&index)?;
            let rows = level.len();
            (Index::Columns(vec![(name, level)]), Some(rows))
        }
    };
    let columns = labels
        .iter()
        .zip(&arrays)
        .map(|(label, array)| Ok((label_of(label)?, column_of_numbers(array)?)))
        .collect::<PyResult<Vec<_>>>()?;
    let rows = rows.or_else(|| Some(columns.first()?.1.len()));
    Table::new(columns, index, rows.unwrap_or(0)).map_err(to_py_err)
}

fn column_of_numbers(array: &Bound<'_, PyAny>) -> PyResult<Column> {
    let py = array.py();
    let dtype = array.getattr(pyo3::intern!(py, "dtype"))?;
    let name: String = dtype.getattr(pyo3::intern!(py, "name"))?.extract()?;
    let dtype = DType::from_name(&name).map_err(to_py_err)?;
    Column::from_bytes(dtype, bytes_of(array)?).map_err(to_py_err)
}

/// How the engine reads values that Python made.
pub fn read_table(value: &ValueRef) -> Result<Table, TaskError> {
    Python::attach(|py| {
        crate::convert::to_python(py, value)
            .and_then(|object| table_of_python(&object))
            .map_err(|error| crate::error::task_error(py, error))
    })
}
