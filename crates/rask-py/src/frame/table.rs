//! Lazy frames in Python: a node and the columns computed from it.

use std::path::Path;
use std::sync::Arc;

use pyo3::exceptions::{PyNotImplementedError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rask_frame::engine::expr::{BinaryOp, Function, UnaryOp};
use rask_frame::engine::groupby::{AggFunction, Aggregation, GroupbySpec};
use rask_frame::engine::join::JoinSpec;
use rask_frame::engine::unique::Keep;
use rask_frame::engine::{self, DType, Expr, IndexSchema, Label, Schema, Table};
use rask_frame::{Kind, Node, NodeRef, ParquetPiece, Step};
use rask_value::ValueRef;

use super::call::function_of;
use super::convert::{table_of_python, to_py_err};
use super::group::aggregation_of;
use super::keys::{binary_op, join_how, keys_of, labels_of, own_columns, sort_spec};
use super::read::{csv_options, csv_pieces, write_format};
use super::scalar::{label_of, label_to_python, scalar_of};
use crate::callable::{Arg, PyCallable};
use crate::origin;
use crate::plan::PyPlan;

/// A lazy table: columns that are expressions over one node.
#[pyclass(frozen, name = "Frame", module = "rask._core")]
pub struct PyFrame {
    node: NodeRef,
    columns: Vec<(Label, Expr)>,
}

impl PyFrame {
    fn of(node: NodeRef) -> PyFrame {
        let columns = own_columns(&node.schema);
        PyFrame { node, columns }
    }

    fn made_of(py: Python<'_>, kind: Kind, schema: Schema, partitions: u32) -> PyFrame {
        PyFrame::of(Node::new(kind, schema, partitions, origin::capture(py)))
    }

    fn with_columns(&self, columns: Vec<(Label, Expr)>) -> PyResult<PyFrame> {
        for (_, expr) in &columns {
            expr.dtype(&self.node.schema).map_err(to_py_err)?;
        }
        Ok(PyFrame {
            node: self.node.clone(),
            columns,
        })
    }

    /// The frame as a node of its own.
    fn materialised(&self, py: Python<'_>) -> PyResult<NodeRef> {
        Node::select(&self.node, &self.columns, origin::capture(py)).map_err(to_py_err)
    }

    fn step(&self, py: Python<'_>, step: Step) -> PyResult<PyFrame> {
        let node = self.materialised(py)?;
        let node = Node::step(&node, step, origin::capture(py)).map_err(to_py_err)?;
        Ok(PyFrame::of(node))
    }

    fn find(&self, label: &Label) -> PyResult<&Expr> {
        let found = self.columns.iter().find(|(known, _)| known == label);
        found.map(|(_, expr)| expr).ok_or_else(|| {
            to_py_err(engine::EngineError::UnknownColumn {
                label: label.clone(),
                known: self
                    .columns
                    .iter()
                    .map(|(label, _)| label.clone())
                    .collect(),
            })
        })
    }

    fn check_labels<'a>(&self, labels: impl IntoIterator<Item = &'a Label>) -> PyResult<()> {
        for label in labels {
            self.find(label)?;
        }
        Ok(())
    }

    /// The expression of an operand over this frame's node: a series of it, or a single value.
    fn operand(&self, object: &Bound<'_, PyAny>) -> PyResult<Expr> {
        let Ok(other) = object.cast::<PyFrame>() else {
            return Ok(Expr::Literal(scalar_of(object)?));
        };
        let other = other.get();
        if !Arc::ptr_eq(&self.node, &other.node) {
            return Err(PyNotImplementedError::new_err(
                "an operation on columns of two different tables: their rows would have to be \
                 aligned by index; merge the tables first",
            ));
        }
        match other.columns.as_slice() {
            [(_, expr)] => Ok(expr.clone()),
            _ => Err(PyTypeError::new_err(
                "expected a series, got a frame of several columns",
            )),
        }
    }

    fn map_exprs(&self, f: impl Fn(&Expr) -> Expr) -> PyResult<PyFrame> {
        let columns = self.columns.iter();
        self.with_columns(columns.map(|(l, e)| (l.clone(), f(e))).collect())
    }
}

type AggregationParts<'py> = (
    Option<Bound<'py, PyFrame>>,
    String,
    Option<f64>,
    Bound<'py, PyAny>,
    bool,
    u32,
);

#[pymethods]
impl PyFrame {
    /// Tables (pandas objects) that are there already, one a partition.
    #[staticmethod]
    fn from_tables(
        py: Python<'_>,
        tables: Vec<Bound<'_, PyAny>>,
        token: String,
    ) -> PyResult<PyFrame> {
        let tables = tables
            .iter()
            .map(table_of_python)
            .collect::<PyResult<Vec<Table>>>()?;
        let Some(first) = tables.first() else {
            return Err(PyValueError::new_err("no partitions"));
        };
        let schema = first.schema();
        let count = tables.len() as u32;
        let values: Arc<[ValueRef]> = tables
            .into_iter()
            .map(|table| Arc::new(table) as ValueRef)
            .collect();
        let kind = Kind::Held { values, token };
        Ok(PyFrame::made_of(py, kind, schema, count))
    }

    /// The wanted blocks of a plan, with an example for the schema.
    #[staticmethod]
    fn from_plan(
        py: Python<'_>,
        plan: &Bound<'_, PyPlan>,
        meta: &Bound<'_, PyAny>,
    ) -> PyResult<PyFrame> {
        let schema = table_of_python(meta)?.schema();
        let plan = plan.get().shared();
        let count = plan.wanted().len() as u32;
        let node = Node::new(Kind::Plan(plan), schema, count, origin::capture(py));
        Ok(PyFrame::of(node))
    }

    /// The wanted blocks of a plan, which are partitions of tables like this one.
    fn over_plan(&self, py: Python<'_>, plan: &Bound<'_, PyPlan>) -> PyResult<PyFrame> {
        let schema = self.materialised(py)?.schema.clone();
        let plan = plan.get().shared();
        let count = plan.wanted().len() as u32;
        let node = Node::new(Kind::Plan(plan), schema, count, origin::capture(py));
        Ok(PyFrame::of(node))
    }

    #[staticmethod]
    fn read_csv(
        py: Python<'_>,
        paths: Vec<String>,
        options: &Bound<'_, PyDict>,
        block_bytes: Option<u64>,
        sample_bytes: usize,
        token: String,
    ) -> PyResult<PyFrame> {
        let options = csv_options(options)?;
        let Some(first) = paths.first() else {
            return Err(PyValueError::new_err("no files"));
        };
        let csv = py.detach(|| {
            let sample = engine::csv::read_sample(Path::new(first), sample_bytes.max(4096))?;
            engine::csv::infer(&sample, first, &options)
        });
        let csv = csv.map_err(to_py_err)?;
        let pieces = csv_pieces(&paths, block_bytes)?;
        let count = pieces.len() as u32;
        let schema = csv.schema();
        let kind = Kind::ReadCsv {
            pieces: pieces.into(),
            csv,
            options,
            token,
        };
        Ok(PyFrame::made_of(py, kind, schema, count))
    }

    #[staticmethod]
    fn read_parquet(
        py: Python<'_>,
        paths: Vec<String>,
        split_row_groups: bool,
        token: String,
    ) -> PyResult<PyFrame> {
        let Some(first) = paths.first() else {
            return Err(PyValueError::new_err("no files"));
        };
        let meta = engine::parquet::metadata(Path::new(first)).map_err(to_py_err)?;
        let mut pieces = Vec::new();
        for path in &paths {
            if !split_row_groups {
                pieces.push(ParquetPiece {
                    path: path.clone(),
                    row_groups: None,
                });
                continue;
            }
            let own = engine::parquet::metadata(Path::new(path)).map_err(to_py_err)?;
            pieces.extend((0..own.row_groups.len()).map(|group| ParquetPiece {
                path: path.clone(),
                row_groups: Some(vec![group]),
            }));
        }
        let count = pieces.len() as u32;
        let kind = Kind::ReadParquet {
            pieces: pieces.into(),
            token,
        };
        Ok(PyFrame::made_of(py, kind, meta.schema, count))
    }

    /// The partitions of all frames, one frame after the other.
    #[staticmethod]
    fn concat(py: Python<'_>, frames: Vec<Bound<'_, PyFrame>>) -> PyResult<PyFrame> {
        let nodes = frames
            .iter()
            .map(|frame| frame.get().materialised(py))
            .collect::<PyResult<Vec<_>>>()?;
        let node = Node::concat(nodes, origin::capture(py)).map_err(to_py_err)?;
        Ok(PyFrame::of(node))
    }

    /// One plan of several frames; their partitions are wanted, one frame after the other.
    #[staticmethod]
    fn to_plan(py: Python<'_>, frames: Vec<Bound<'_, PyFrame>>) -> PyResult<(PyPlan, Vec<u32>)> {
        let nodes = frames
            .iter()
            .map(|frame| frame.get().materialised(py))
            .collect::<PyResult<Vec<_>>>()?;
        let plan = py.detach(|| rask_frame::lower(&nodes)).map_err(to_py_err)?;
        let counts = nodes.iter().map(|node| node.partitions).collect();
        Ok((PyPlan::new(plan), counts))
    }

    #[getter]
    fn npartitions(&self) -> u32 {
        self.node.partitions
    }

    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let labels = self.columns.iter();
        labels.map(|(l, _)| label_to_python(py, l)).collect()
    }

    #[getter]
    fn index_names<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let levels = self.node.schema.index.levels();
        levels.iter().map(|(l, _)| label_to_python(py, l)).collect()
    }

    /// Whether two frames are columns of the same table.
    fn is_kin(&self, other: &Bound<'_, PyFrame>) -> bool {
        Arc::ptr_eq(&self.node, &other.get().node)
    }

    /// An empty pandas frame with the columns' dtypes.
    fn meta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let schema = Schema {
            columns: self
                .columns
                .iter()
                .map(|(label, expr)| Ok((label.clone(), expr.dtype(&self.node.schema)?)))
                .collect::<engine::Result<_>>()
                .map_err(to_py_err)?,
            index: self.node.schema.index.clone(),
        };
        super::convert::table_to_pandas(py, Table::empty(&schema))
    }

    /// The column of a label.
    fn column(&self, label: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        let label = label_of(label)?;
        let expr = self.find(&label)?.clone();
        self.with_columns(vec![(label, expr)])
    }

    /// An index level as a series.
    fn index_level(&self, level: usize) -> PyResult<PyFrame> {
        let levels = self.node.schema.index.levels();
        let name = levels
            .get(level)
            .map_or(Label::None, |(name, _)| name.clone());
        self.with_columns(vec![(name, Expr::Index(level))])
    }

    /// The columns of these labels.
    fn select(&self, labels: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        let columns = labels_of(labels)?.into_iter().map(|label| {
            let expr = self.find(&label)?.clone();
            Ok((label, expr))
        });
        self.with_columns(columns.collect::<PyResult<_>>()?)
    }

    /// A column set or added.
    fn assign(&self, label: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        let label = label_of(label)?;
        let expr = self.operand(value)?;
        let mut columns = self.columns.clone();
        match columns.iter_mut().find(|(known, _)| *known == label) {
            Some((_, place)) => *place = expr,
            None => columns.push((label, expr)),
        }
        self.with_columns(columns)
    }

    /// All columns named anew.
    fn rename(&self, labels: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        let labels = labels_of(labels)?;
        if labels.len() != self.columns.len() {
            return Err(PyValueError::new_err(format!(
                "Length mismatch: Expected axis has {} elements, new values have {} elements",
                self.columns.len(),
                labels.len()
            )));
        }
        let exprs = self.columns.iter().map(|(_, e)| e.clone());
        self.with_columns(labels.into_iter().zip(exprs).collect())
    }

    /// `self op other`, or `other op self`.
    fn binary(&self, op: &str, other: &Bound<'_, PyAny>, reflected: bool) -> PyResult<PyFrame> {
        let op = binary_op(op)?;
        if let Ok(frame) = other.cast::<PyFrame>()
            && frame.get().columns.len() > 1
        {
            return self.binary_frames(op, frame.get(), reflected);
        }
        let theirs = self.operand(other)?;
        let mut out = self.map_exprs(|own| match reflected {
            false => Expr::binary(op, own.clone(), theirs.clone()),
            true => Expr::binary(op, theirs.clone(), own.clone()),
        })?;
        // A series of two that are named differently has no name.
        if let (Ok(other), [(label, _)]) = (other.cast::<PyFrame>(), out.columns.as_mut_slice())
            && other.get().columns[0].0 != *label
        {
            *label = Label::None;
        }
        Ok(out)
    }

    fn unary(&self, op: &str) -> PyResult<PyFrame> {
        let op = match op {
            "-" => UnaryOp::Neg,
            "~" => UnaryOp::Invert,
            "abs" => UnaryOp::Abs,
            other => return Err(PyValueError::new_err(format!("no operator {other}"))),
        };
        self.map_exprs(|own| Expr::unary(op, own.clone()))
    }

    /// Each column in another dtype, given for all or by label.
    fn cast(&self, dtype: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        let read = |name: &Bound<'_, PyAny>| -> PyResult<DType> {
            DType::from_name(name.str()?.to_cow()?.as_ref()).map_err(to_py_err)
        };
        let Ok(by_label) = dtype.cast::<PyDict>() else {
            let dtype = read(dtype)?;
            return self.map_exprs(|own| own.clone().cast(dtype.clone()));
        };
        let mut columns = self.columns.clone();
        for (label, name) in by_label.iter() {
            let label = label_of(&label)?;
            self.find(&label)?;
            for (known, expr) in &mut columns {
                if *known == label {
                    *expr = expr.clone().cast(read(&name)?);
                }
            }
        }
        self.with_columns(columns)
    }

    /// A function of each column, by name, with further operands and parameters.
    fn call(
        &self,
        name: &str,
        operands: Vec<Bound<'_, PyAny>>,
        params: &Bound<'_, PyTuple>,
    ) -> PyResult<PyFrame> {
        let function = function_of(name, params)?;
        let operands = operands
            .iter()
            .map(|operand| self.operand(operand))
            .collect::<PyResult<Vec<_>>>()?;
        self.map_exprs(|own| {
            let mut inputs = vec![own.clone()];
            inputs.extend(operands.iter().cloned());
            if function == Function::Where {
                // pandas names the condition second.
                inputs.swap(0, 1);
            }
            Expr::call(function.clone(), inputs)
        })
    }

    /// The rows where a series of the same table is true.
    fn filter(&self, py: Python<'_>, mask: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        let mask = self.operand(mask)?;
        let step = Step::Filter(mask);
        let node = Node::step(&self.node, step, origin::capture(py)).map_err(to_py_err)?;
        Ok(PyFrame {
            node,
            columns: self.columns.clone(),
        })
    }

    /// A groupby with keys, a reduction without. Each aggregation is (series, function, parameter,
    /// label of the result, skipna, least count). Groups go to `split_out` partitions.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (keys, aggregations, dropna, sort, split_out=1))]
    fn aggregate(
        &self,
        py: Python<'_>,
        keys: Vec<Bound<'_, PyFrame>>,
        aggregations: Vec<AggregationParts<'_>>,
        dropna: bool,
        sort: bool,
        split_out: u32,
    ) -> PyResult<PyFrame> {
        let mut spec = GroupbySpec::reduction(Vec::new());
        spec.dropna = dropna;
        spec.sort = sort;
        for key in &keys {
            spec.keys.push(self.operand(key.as_any())?);
            spec.key_names.push(key.get().columns[0].0.clone());
        }
        for (input, function, parameter, label, skipna, count_min) in aggregations {
            let function: AggFunction = aggregation_of(&function, parameter)?;
            let input = match input {
                Some(frame) => self.operand(frame.as_any())?,
                None => Expr::Literal(0i64.into()),
            };
            let mut aggregation = Aggregation::new(input, function, label_of(&label)?);
            aggregation.skipna = skipna;
            aggregation.count_min = count_min;
            spec.aggregations.push(aggregation);
        }
        let origin = origin::capture(py);
        let node = Node::group(&self.node, spec, split_out, origin).map_err(to_py_err)?;
        Ok(PyFrame::of(node))
    }

    #[allow(clippy::too_many_arguments)]
    fn merge(
        &self,
        py: Python<'_>,
        right: &Bound<'_, PyFrame>,
        how: &str,
        left_on: &Bound<'_, PyAny>,
        right_on: &Bound<'_, PyAny>,
        suffixes: (Option<String>, Option<String>),
        indicator: &Bound<'_, PyAny>,
        partitions: Option<u32>,
    ) -> PyResult<PyFrame> {
        let how = join_how(how)?;
        let indicator = match indicator.extract::<bool>() {
            Ok(true) => Some(Label::from("_merge")),
            Ok(false) => None,
            Err(_) if indicator.is_none() => None,
            Err(_) => Some(label_of(indicator)?),
        };
        let spec = JoinSpec {
            how,
            left_on: keys_of(left_on)?,
            right_on: keys_of(right_on)?,
            suffixes,
            indicator,
        };
        let left = self.materialised(py)?;
        let right = right.get().materialised(py)?;
        let node = Node::join(&left, &right, spec, partitions, origin::capture(py));
        Ok(PyFrame::of(node.map_err(to_py_err)?))
    }

    fn sort_values(
        &self,
        py: Python<'_>,
        by: &Bound<'_, PyAny>,
        ascending: Vec<bool>,
        na_last: bool,
        partitions: Option<u32>,
    ) -> PyResult<PyFrame> {
        let spec = sort_spec(keys_of(by)?, ascending, na_last)?;
        let node = Node::sort(
            &self.materialised(py)?,
            spec,
            partitions,
            origin::capture(py),
        );
        Ok(PyFrame::of(node.map_err(to_py_err)?))
    }

    fn set_index(
        &self,
        py: Python<'_>,
        labels: &Bound<'_, PyAny>,
        drop: bool,
    ) -> PyResult<PyFrame> {
        let labels = labels_of(labels)?;
        self.check_labels(&labels)?;
        self.step(py, Step::SetIndex { labels, drop })
    }

    fn reset_index(&self, py: Python<'_>, drop: bool) -> PyResult<PyFrame> {
        self.step(py, Step::ResetIndex { drop })
    }

    fn rename_index(&self, py: Python<'_>, names: &Bound<'_, PyAny>) -> PyResult<PyFrame> {
        self.step(py, Step::RenameIndex(labels_of(names)?))
    }

    fn drop_duplicates(
        &self,
        py: Python<'_>,
        subset: Option<Bound<'_, PyAny>>,
        keep: &str,
    ) -> PyResult<PyFrame> {
        let subset = subset.map(|labels| labels_of(&labels)).transpose()?;
        self.check_labels(subset.iter().flatten())?;
        let keep = match keep {
            "first" => Keep::First,
            "last" => Keep::Last,
            _ => Keep::Neither,
        };
        self.step(py, Step::DropDuplicates { subset, keep })
    }

    fn head(&self, py: Python<'_>, rows: i64) -> PyResult<PyFrame> {
        self.step(py, Step::Head(rows))
    }

    fn tail(&self, py: Python<'_>, rows: i64) -> PyResult<PyFrame> {
        self.step(py, Step::Tail(rows))
    }

    fn top(
        &self,
        py: Python<'_>,
        by: &Bound<'_, PyAny>,
        ascending: bool,
        rows: usize,
    ) -> PyResult<PyFrame> {
        let keys = keys_of(by)?;
        let directions = vec![ascending; keys.len()];
        let spec = sort_spec(keys, directions, true)?;
        self.step(py, Step::Top { spec, rows })
    }

    fn sort_index(&self, py: Python<'_>, ascending: bool) -> PyResult<PyFrame> {
        let one = self.repartition(py, 1, None)?;
        one.step(py, Step::SortIndex { ascending })
    }

    /// Another number of partitions; with keys, rows with equal ones in the same partition.
    #[pyo3(signature = (partitions, keys=None))]
    fn repartition(
        &self,
        py: Python<'_>,
        partitions: u32,
        keys: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyFrame> {
        let (node, origin) = (self.materialised(py)?, origin::capture(py));
        let node = match keys.map(keys_of).transpose()? {
            None => Ok(Node::repartition(&node, partitions.max(1), origin)),
            Some(keys) => Node::shuffle(&node, keys, partitions.max(1), origin),
        };
        Ok(PyFrame::of(node.map_err(to_py_err)?))
    }

    /// Some of the partitions.
    fn pick(&self, partitions: Vec<u32>) -> PyResult<PyFrame> {
        let count = self.node.partitions;
        if let Some(bad) = partitions.iter().find(|p| **p >= count) {
            let reason = format!("there is no partition {bad} of {count}");
            return Err(pyo3::exceptions::PyIndexError::new_err(reason));
        }
        Ok(PyFrame {
            node: Node::pick(&self.node, partitions, self.node.origin.clone()),
            columns: self.columns.clone(),
        })
    }

    /// A Python function of each partition (as pandas objects) and those of further frames.
    #[allow(clippy::too_many_arguments)]
    fn map_partitions(
        &self,
        py: Python<'_>,
        name: String,
        function: Py<PyAny>,
        others: Vec<Bound<'_, PyFrame>>,
        meta: &Bound<'_, PyAny>,
        token: String,
        partitions: Option<u32>,
    ) -> PyResult<PyFrame> {
        let mut inputs = vec![self.materialised(py)?];
        for other in &others {
            inputs.push(other.get().materialised(py)?);
        }
        let count = partitions.unwrap_or_else(|| {
            let counts = inputs.iter().map(|node| node.partitions);
            counts.max().unwrap_or(1)
        });
        if inputs
            .iter()
            .any(|n| n.partitions != count && n.partitions != 1)
            && count != 1
        {
            return Err(PyValueError::new_err(
                "map_partitions needs frames with equal numbers of partitions",
            ));
        }
        let schema = table_of_python(meta)?.schema();
        let op = PyCallable::new(name, function, vec![Arg::Inputs], None);
        let kind = Kind::Call {
            inputs,
            op: Arc::new(op),
            token,
        };
        Ok(PyFrame::made_of(py, kind, schema, count))
    }

    /// Each partition written to its file.
    fn write(
        &self,
        py: Python<'_>,
        paths: Vec<String>,
        kind: &str,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<PyFrame> {
        let input = self.materialised(py)?;
        let (schema, count) = (input.schema.clone(), input.partitions);
        let kind = Kind::Write {
            input,
            paths: paths.into(),
            format: write_format(kind, options)?,
        };
        Ok(PyFrame::made_of(py, kind, schema, count))
    }

    /// Whether the index is a range.
    #[getter]
    fn has_range_index(&self) -> bool {
        matches!(self.node.schema.index, IndexSchema::Range { .. })
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let labels: Vec<String> = self.columns.iter().map(|(l, _)| l.to_string()).collect();
        let text = format!(
            "<Frame of {} partitions: {}>",
            self.node.partitions,
            labels.join(", ")
        );
        Ok(PyString::new(py, &text))
    }
}

impl PyFrame {
    fn binary_frames(&self, op: BinaryOp, other: &PyFrame, reflected: bool) -> PyResult<PyFrame> {
        let is_kin = Arc::ptr_eq(&self.node, &other.node);
        if !is_kin || self.columns.len() != other.columns.len() {
            return Err(PyNotImplementedError::new_err(
                "an operation on two frames that are not columns of one table",
            ));
        }
        let columns = self.columns.iter().map(|(label, own)| {
            let theirs = other.find(label)?.clone();
            let (a, b) = match reflected {
                false => (own.clone(), theirs),
                true => (theirs, own.clone()),
            };
            Ok((label.clone(), Expr::binary(op, a, b)))
        });
        self.with_columns(columns.collect::<PyResult<_>>()?)
    }
}
