//! `rask._core.ArrayExpr`: array expressions in Python.

use numpy::{PyReadonlyArray1, PyUntypedArray};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rask_array::kernels::elementwise::ElementOp;
use rask_array::{ArrayExpr, ArrayPlanError, lower_many};

use super::blockwise::{self, Blockwise};
use super::parse::{self, to_exception};
use super::reduction;
use super::sources;
use crate::convert::to_python;
use crate::object::PyValue;
use crate::origin;
use crate::plan::PyPlan;

/// A lazy array as the native side sees it. `rask.array.Array` is a thin layer over it.
#[pyclass(frozen, name = "ArrayExpr", module = "rask._core")]
pub struct PyArrayExpr {
    expr: ArrayExpr,
}

type Result<T> = std::result::Result<T, ArrayPlanError>;

impl PyArrayExpr {
    /// The expression.
    pub fn expr(&self) -> &ArrayExpr {
        &self.expr
    }

    /// A new expression, made at the user's current line.
    pub fn wrap(py: Python<'_>, made: Result<ArrayExpr>) -> PyResult<Self> {
        let expr = made.map_err(|error| to_exception(py, error))?;
        let expr = match expr.origin() {
            Some(_) => expr,
            None => expr.with_origin(origin::capture(py)),
        };
        Ok(PyArrayExpr { expr })
    }

    /// The same where there may be no native kernel.
    pub fn wrap_found(py: Python<'_>, made: Result<Option<ArrayExpr>>) -> PyResult<Option<Self>> {
        match made.map_err(|error| to_exception(py, error))? {
            Some(expr) => Self::wrap(py, Ok(expr)).map(Some),
            None => Ok(None),
        }
    }
}

/// Gives an expression its name and the type of its foreign blocks.
pub fn named(
    made: Result<ArrayExpr>,
    name: Option<&str>,
    meta: Option<&Bound<'_, PyAny>>,
) -> Result<ArrayExpr> {
    let mut expr = made?;
    if let Some(name) = name {
        expr = expr.with_name(name);
    }
    let meta = meta.filter(|meta| !meta.is_none());
    Ok(expr.with_meta(meta.map(|meta| PyValue::wrap(meta.clone()))))
}

#[pymethods]
impl PyArrayExpr {
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        parse::lengths_to_python(py, &self.expr.shape())
    }

    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        parse::chunks_to_python(py, self.expr.chunks())
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parse::dtype_of(py, self.expr.element())
    }

    #[getter]
    fn name(&self) -> &str {
        self.expr.name()
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.expr.ndim()
    }

    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.expr.meta().map(|meta| to_python(py, meta)).transpose()
    }

    #[staticmethod]
    #[pyo3(signature = (array, chunks, name=None))]
    fn from_numpy(
        array: &Bound<'_, PyUntypedArray>,
        chunks: &Bound<'_, PyAny>,
        name: Option<&str>,
    ) -> PyResult<Self> {
        sources::from_numpy(array, parse::chunks(chunks)?, name)
    }

    #[staticmethod]
    fn full(
        shape: &Bound<'_, PyAny>,
        chunks: &Bound<'_, PyAny>,
        dtype: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let _ = shape;
        sources::full(parse::chunks(chunks)?, dtype, value)
    }

    #[staticmethod]
    fn arange(
        start: &Bound<'_, PyAny>,
        step: &Bound<'_, PyAny>,
        length: usize,
        chunks: &Bound<'_, PyAny>,
        dtype: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let _ = length;
        sources::arange(start, step, parse::chunks(chunks)?, dtype)
    }

    #[staticmethod]
    fn linspace(
        start: &Bound<'_, PyAny>,
        stop: &Bound<'_, PyAny>,
        num: u64,
        endpoint: bool,
        chunks: &Bound<'_, PyAny>,
        dtype: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Self>> {
        sources::linspace(start, stop, num, endpoint, parse::chunks(chunks)?, dtype)
    }

    #[staticmethod]
    fn eye(
        rows: i64,
        columns: i64,
        k: i64,
        chunks: &Bound<'_, PyAny>,
        dtype: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let py = dtype.py();
        let element = parse::element_of(dtype)?;
        let native = element
            .native()
            .ok_or_else(|| pyo3::exceptions::PyTypeError::new_err("eye makes arrays of numbers"))?;
        Self::wrap(
            py,
            ArrayExpr::eye(rows, columns, k, parse::chunks(chunks)?, native),
        )
    }

    #[staticmethod]
    fn random(
        distribution: &str,
        params: Vec<Bound<'_, PyAny>>,
        key: Vec<u64>,
        shape: &Bound<'_, PyAny>,
        chunks: &Bound<'_, PyAny>,
        dtype: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Self>> {
        let _ = shape;
        sources::random(distribution, &params, &key, parse::chunks(chunks)?, dtype)
    }

    #[staticmethod]
    #[pyo3(signature = (source, chunks, dtype, name, meta=None))]
    fn from_source(
        source: &Bound<'_, PyAny>,
        chunks: &Bound<'_, PyAny>,
        dtype: &Bound<'_, PyAny>,
        name: &str,
        meta: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let made = sources::from_source(source, parse::chunks(chunks)?, dtype, name)?;
        Self::wrap(source.py(), named(made, Some(name), meta))
    }

    #[staticmethod]
    #[pyo3(signature = (plan, chunks, dtype, name=None, meta=None))]
    fn from_plan(
        plan: &Bound<'_, PyPlan>,
        chunks: &Bound<'_, PyAny>,
        dtype: &Bound<'_, PyAny>,
        name: Option<&str>,
        meta: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let token = name.map_or_else(blockwise::fresh_token, str::to_owned);
        let element = parse::element_of(dtype)?;
        let plan = plan.get().shared();
        let made = ArrayExpr::external(plan, &token, parse::chunks(chunks)?, element);
        Self::wrap(dtype.py(), named(made, name, meta))
    }

    #[staticmethod]
    #[pyo3(signature = (name, inputs, dtype=None))]
    fn elementwise(
        py: Python<'_>,
        name: &str,
        inputs: Vec<Bound<'_, PyAny>>,
        dtype: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Self>> {
        let (Some(op), Ok(dtype)) = (ElementOp::find(name), parse::native_of(dtype)?) else {
            return Ok(None);
        };
        let operands: Option<Vec<_>> = inputs.iter().map(parse::operand).collect();
        match operands {
            Some(operands) => Self::wrap_found(py, ArrayExpr::elementwise(op, &operands, dtype)),
            None => Ok(None),
        }
    }

    #[pyo3(name = "where")]
    #[staticmethod]
    fn choose(
        condition: Bound<'_, PyAny>,
        x: Bound<'_, PyAny>,
        y: Bound<'_, PyAny>,
    ) -> PyResult<Option<Self>> {
        let py = condition.py();
        Self::elementwise(py, ElementOp::Where.name(), vec![condition, x, y], None)
    }

    #[pyo3(signature = (dtype, casting="unsafe"))]
    fn astype(&self, dtype: &Bound<'_, PyAny>, casting: &str) -> PyResult<Option<Self>> {
        let _ = casting;
        match parse::element_of(dtype)?.native() {
            Some(native) => Self::wrap_found(dtype.py(), self.expr.astype(native)),
            None => Ok(None),
        }
    }

    #[staticmethod]
    #[pyo3(signature = (func, out_ind, args, kwargs, dtype, name, token=None, meta=None, new_axes=None, adjust_chunks=None, concatenate=None, block_id=false))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of Dask's blockwise"
    )]
    fn blockwise(
        func: &Bound<'_, PyAny>,
        out_ind: Vec<u32>,
        args: Vec<(Bound<'_, PyAny>, Option<Vec<u32>>)>,
        kwargs: Option<&Bound<'_, PyDict>>,
        dtype: &Bound<'_, PyAny>,
        name: &str,
        token: Option<&str>,
        meta: Option<&Bound<'_, PyAny>>,
        new_axes: Option<&Bound<'_, PyDict>>,
        adjust_chunks: Option<&Bound<'_, PyDict>>,
        concatenate: Option<bool>,
        block_id: bool,
    ) -> PyResult<Self> {
        let asked = Blockwise {
            function: func.clone().unbind(),
            name,
            out_index: out_ind,
            keywords: kwargs.map(|kwargs| kwargs.clone().unbind()),
            element: parse::element_of(dtype)?,
            new_axes: blockwise::axis_lengths(new_axes)?,
            adjust_chunks: blockwise::axis_lengths(adjust_chunks)?,
            concatenate: concatenate == Some(true),
            block_id,
        };
        let made = asked.make(args, token);
        Self::wrap(func.py(), named(made, token, meta))
    }

    #[staticmethod]
    fn unify(py: Python<'_>, args: Vec<(Py<PyArrayExpr>, Vec<u32>)>) -> PyResult<Vec<Self>> {
        let pairs: Vec<_> = args
            .into_iter()
            .map(|(array, index)| (array.get().expr.clone(), index))
            .collect();
        let made = ArrayExpr::unify(&pairs).map_err(|error| to_exception(py, error))?;
        made.into_iter()
            .map(|expr| Self::wrap(py, Ok(expr)))
            .collect()
    }

    #[pyo3(signature = (name, axes, keepdims, dtype=None, ddof=0.0, split_every=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of NumPy's reductions"
    )]
    fn reduce(
        &self,
        py: Python<'_>,
        name: &str,
        axes: Vec<usize>,
        keepdims: bool,
        dtype: Option<&Bound<'_, PyAny>>,
        ddof: f64,
        split_every: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Self>> {
        let Ok(dtype) = parse::native_of(dtype)? else {
            return Ok(None);
        };
        let split = reduction::split(split_every, &axes)?;
        let made = self
            .expr
            .reduce(name, &axes, keepdims, dtype, ddof, split.as_deref());
        Self::wrap_found(py, made)
    }

    #[pyo3(signature = (chunk, combine, aggregate, axes, keepdims, dtype, name, meta=None, split_every=None, concatenate=true, output_size=1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of Dask's reduction"
    )]
    fn reduce_opaque(
        &self,
        chunk: &Bound<'_, PyAny>,
        combine: &Bound<'_, PyAny>,
        aggregate: &Bound<'_, PyAny>,
        axes: Vec<usize>,
        keepdims: bool,
        dtype: &Bound<'_, PyAny>,
        name: &str,
        meta: Option<&Bound<'_, PyAny>>,
        split_every: Option<&Bound<'_, PyAny>>,
        concatenate: bool,
        output_size: i64,
    ) -> PyResult<Self> {
        let asked = reduction::UserFunctions {
            chunk,
            combine,
            aggregate,
            name,
            concatenate,
            output_size,
        };
        let reduction = asked.reduction(&axes, keepdims)?;
        let split = reduction::split(split_every, &axes)?;
        let element = parse::element_of(dtype)?;
        let made = self
            .expr
            .reduce_user(reduction, &axes, keepdims, split.as_deref(), element);
        Self::wrap(chunk.py(), named(made, None, meta))
    }

    #[pyo3(signature = (name, axis, dtype=None))]
    fn cumulative(
        &self,
        py: Python<'_>,
        name: &str,
        axis: usize,
        dtype: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Self>> {
        match parse::native_of(dtype)? {
            Ok(dtype) => Self::wrap_found(py, self.expr.cumulate(name, axis, dtype)),
            Err(()) => Ok(None),
        }
    }

    fn getitem(&self, py: Python<'_>, index: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let items = index.iter().map(parse::index_item);
        let items = items.collect::<PyResult<Vec<_>>>()?;
        Self::wrap(py, self.expr.getitem(&items))
    }

    fn take(
        &self,
        py: Python<'_>,
        indices: PyReadonlyArray1<'_, i64>,
        axis: usize,
    ) -> PyResult<Self> {
        let indices: Vec<i64> = indices.as_array().iter().copied().collect();
        Self::wrap(py, self.expr.take(&indices, axis))
    }

    fn blocks(&self, py: Python<'_>, ranges: Vec<Vec<u32>>) -> PyResult<Self> {
        Self::wrap(py, self.expr.blocks(&ranges))
    }

    fn transpose(&self, py: Python<'_>, axes: Vec<usize>) -> PyResult<Self> {
        Self::wrap(py, self.expr.transpose(&axes))
    }

    #[pyo3(signature = (shape, merge_chunks=true))]
    fn reshape(&self, py: Python<'_>, shape: Vec<i64>, merge_chunks: bool) -> PyResult<Self> {
        let _ = merge_chunks;
        Self::wrap(py, self.expr.reshape(&shape))
    }

    #[pyo3(signature = (shape, chunks=None))]
    fn broadcast_to(
        &self,
        shape: &Bound<'_, PyAny>,
        chunks: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let shape_given = parse::lengths(shape)?;
        let chunks = chunks.filter(|c| !c.is_none()).map(parse::chunks);
        let made = self.expr.broadcast_to(&shape_given, chunks.transpose()?);
        Self::wrap(shape.py(), made)
    }

    fn rechunk(&self, chunks: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::wrap(chunks.py(), self.expr.rechunk(parse::chunks(chunks)?))
    }

    #[staticmethod]
    fn concatenate(py: Python<'_>, parts: Vec<Py<PyArrayExpr>>, axis: usize) -> PyResult<Self> {
        let parts: Vec<_> = parts.iter().map(|part| part.get().expr.clone()).collect();
        Self::wrap(py, ArrayExpr::concatenate(&parts, axis))
    }

    #[staticmethod]
    fn stack(py: Python<'_>, parts: Vec<Py<PyArrayExpr>>, axis: usize) -> PyResult<Self> {
        let parts: Vec<_> = parts.iter().map(|part| part.get().expr.clone()).collect();
        Self::wrap(py, ArrayExpr::stack(&parts, axis))
    }

    #[staticmethod]
    fn tensordot(
        py: Python<'_>,
        a: &Bound<'_, PyArrayExpr>,
        b: &Bound<'_, PyArrayExpr>,
        axes_a: Vec<usize>,
        axes_b: Vec<usize>,
    ) -> PyResult<Option<Self>> {
        let (a, b) = (&a.get().expr, &b.get().expr);
        Self::wrap_found(py, ArrayExpr::tensordot(a, b, &axes_a, &axes_b))
    }

    #[staticmethod]
    fn matmul(
        py: Python<'_>,
        a: &Bound<'_, PyArrayExpr>,
        b: &Bound<'_, PyArrayExpr>,
    ) -> PyResult<Option<Self>> {
        Self::wrap_found(py, ArrayExpr::matmul(&a.get().expr, &b.get().expr))
    }

    fn overlap(
        &self,
        py: Python<'_>,
        depth: Vec<(usize, usize)>,
        boundary: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let kinds = boundary.iter().map(parse::boundary);
        let kinds = kinds.collect::<PyResult<Vec<_>>>()?;
        Self::wrap(py, self.expr.overlap(&depth, &kinds))
    }

    fn trim(
        &self,
        py: Python<'_>,
        depth: Vec<(usize, usize)>,
        boundary: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let kinds = boundary.iter().map(parse::boundary);
        let kinds = kinds.collect::<PyResult<Vec<_>>>()?;
        Self::wrap(py, self.expr.trim(&depth, &kinds))
    }

    #[pyo3(signature = (chunks, dtype=None, meta=None))]
    fn with_chunks(
        &self,
        chunks: &Bound<'_, PyAny>,
        dtype: Option<&Bound<'_, PyAny>>,
        meta: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let element = dtype.map(parse::element_of).transpose()?;
        let made = self.expr.with_chunks(parse::chunks(chunks)?, element);
        let made = match meta {
            Some(_) => named(made, None, meta),
            None => made,
        };
        Self::wrap(chunks.py(), made)
    }

    #[staticmethod]
    #[pyo3(signature = (exprs, optimize=true))]
    fn to_plan(
        py: Python<'_>,
        exprs: Vec<Py<PyArrayExpr>>,
        optimize: bool,
    ) -> PyResult<(PyPlan, Vec<usize>)> {
        let exprs: Vec<_> = exprs.iter().map(|expr| expr.get().expr.clone()).collect();
        let lowered = py.detach(|| lower_many(&exprs, optimize));
        let (plan, counts) = lowered.map_err(|error| to_exception(py, error))?;
        Ok((PyPlan::new(plan), counts))
    }

    fn __repr__(&self) -> String {
        format!("<ArrayExpr {} {:?}>", self.expr.name(), self.expr.shape())
    }
}
