//! Expressions without inputs: memory, fills, ranges, random numbers, and readers.

use std::sync::Arc;

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rask_array::chunks::Chunks;
use rask_array::kernels::elementwise::GeneratorKind;
use rask_array::kernels::random::Distribution;
use rask_array::{ArrayExpr, ArrayPlanError};
use rask_value::ValueRef;
use rask_value::array::{DType, Kind, NdArray, Scalar};
use xxhash_rust::xxh3::xxh3_128;

use super::blockwise::fresh_token;
use super::expr::PyArrayExpr;
use super::opaque::{PyFunction, Style};
use super::parse;
use super::zarr::PyZarrArray;
use crate::ndarray::from_numpy as share;
use crate::object::PyValue;

type Made = PyResult<PyArrayExpr>;

/// A NumPy array as it is.
pub fn from_numpy(array: &Bound<'_, PyUntypedArray>, chunks: Chunks, name: Option<&str>) -> Made {
    let py = array.py();
    let element = parse::element_of(array.dtype().as_any())?;
    let (value, token): (ValueRef, String) = match share(array) {
        Some(native) => {
            let token = match name {
                Some(name) => name.to_owned(),
                None => py.detach(|| token_of(&native)),
            };
            (Arc::new(native), token)
        }
        None => (PyValue::wrap(array.clone().into_any()), fresh_token()),
    };
    let made = ArrayExpr::held(value, &token, chunks, element);
    let made = match name {
        Some(name) => made.map(|expr| expr.with_name(name)),
        None => made,
    };
    PyArrayExpr::wrap(py, made)
}

/// A token of an array's contents.
fn token_of(array: &NdArray) -> String {
    let contiguous = array.to_contiguous();
    let contents = xxh3_128(contiguous.bytes().unwrap_or_default());
    let kind = format!("{:?}{:?}", array.dtype(), array.shape());
    format!("{contents:032x}{:032x}", xxh3_128(kind.as_bytes()))
}

/// One value everywhere.
pub fn full(chunks: Chunks, dtype: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Made {
    let py = dtype.py();
    let element = parse::element_of(dtype)?;
    if let (Some(native), Some(fill)) = (element.native(), fill_of(dtype, value)?) {
        let kind = GeneratorKind::Fill(fill);
        return PyArrayExpr::wrap(py, ArrayExpr::generate(kind, native, chunks));
    }
    let filler = py.import("rask.array.creation")?.getattr("FillBlock")?;
    let function = filler.call1((value, dtype))?.unbind();
    let function = PyFunction::alone("full", function, Style::Make);
    let token = format!("full-{}", fresh_token());
    PyArrayExpr::wrap(py, ArrayExpr::make(function, &token, chunks, element))
}

/// A value as NumPy casts it to the dtype: `full(3, -1, dtype="u1")` is refused as there.
fn fill_of(dtype: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    let numpy = dtype.py().import("numpy")?;
    let cast = numpy.getattr("full")?.call1(((), value, dtype))?;
    Ok(parse::scalar(&cast.get_item(())?))
}

fn native_number(dtype: &Bound<'_, PyAny>) -> PyResult<DType> {
    parse::element_of(dtype)?
        .native()
        .ok_or_else(|| PyValueError::new_err(format!("no range of elements of type {dtype}")))
}

/// Evenly spaced values by their step.
pub fn arange(
    start: &Bound<'_, PyAny>,
    step: &Bound<'_, PyAny>,
    chunks: Chunks,
    dtype: &Bound<'_, PyAny>,
) -> Made {
    let native = native_number(dtype)?;
    let number = |value: &Bound<'_, PyAny>| {
        parse::scalar(value)
            .ok_or_else(|| PyValueError::new_err(format!("arange cannot count by {value}")))
    };
    let kind = GeneratorKind::Arange {
        first: number(start)?,
        step: number(step)?,
    };
    PyArrayExpr::wrap(dtype.py(), ArrayExpr::generate(kind, native, chunks))
}

/// Evenly spaced values by their number; `None` for complex ones.
pub fn linspace(
    start: &Bound<'_, PyAny>,
    stop: &Bound<'_, PyAny>,
    count: u64,
    endpoint: bool,
    chunks: Chunks,
    dtype: &Bound<'_, PyAny>,
) -> PyResult<Option<PyArrayExpr>> {
    let native = native_number(dtype)?;
    if native.kind() == Kind::Complex {
        return Ok(None);
    }
    let (Ok(first), Ok(stop)) = (start.extract::<f64>(), stop.extract::<f64>()) else {
        return Ok(None);
    };
    let intervals = if endpoint { count.max(1) - 1 } else { count };
    let step = match intervals {
        0 => 0.0,
        intervals => (stop - first) / intervals as f64,
    };
    let kind = GeneratorKind::Linspace {
        first,
        step,
        last: (endpoint && count > 1).then_some(stop),
        count,
    };
    PyArrayExpr::wrap(dtype.py(), ArrayExpr::generate(kind, native, chunks)).map(Some)
}

/// Random numbers; `None` for distributions without a kernel.
pub fn random(
    name: &str,
    parameters: &[Bound<'_, PyAny>],
    key: &[u64],
    chunks: Chunks,
    dtype: &Bound<'_, PyAny>,
) -> PyResult<Option<PyArrayExpr>> {
    let Some(native) = parse::element_of(dtype)?.native() else {
        return Ok(None);
    };
    let Some(distribution) = distribution(name, parameters) else {
        return Ok(None);
    };
    distribution.check().map_err(|error| {
        let message = error.to_string();
        PyValueError::new_err(message.trim_start_matches("ValueError: ").to_owned())
    })?;
    let words: Vec<u8> = key.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mixed = xxh3_128(&words);
    let kind = GeneratorKind::Random {
        distribution,
        key: [mixed as u64, (mixed >> 64) as u64],
    };
    PyArrayExpr::wrap(dtype.py(), ArrayExpr::generate(kind, native, chunks)).map(Some)
}

fn distribution(name: &str, parameters: &[Bound<'_, PyAny>]) -> Option<Distribution> {
    use Distribution as D;
    if name == "integers" {
        let (low, high): (i128, i128) = match parameters {
            [low, high] => (low.extract().ok()?, high.extract().ok()?),
            _ => return None,
        };
        return Some(D::Integers {
            low: i64::try_from(low).ok()?,
            span: u64::try_from(high - low).ok()?,
        });
    }
    let numbers: Option<Vec<f64>> = parameters.iter().map(|p| p.extract().ok()).collect();
    Some(match (name, &numbers?[..]) {
        ("random", []) => D::Uniform {
            low: 0.0,
            high: 1.0,
        },
        ("uniform", &[low, high]) => D::Uniform { low, high },
        ("standard_normal", []) => D::Normal {
            mean: 0.0,
            deviation: 1.0,
        },
        ("normal", &[mean, deviation]) => D::Normal { mean, deviation },
        ("lognormal", &[mean, deviation]) => D::Lognormal { mean, deviation },
        ("standard_exponential", []) => D::Exponential { scale: 1.0 },
        ("exponential", &[scale]) => D::Exponential { scale },
        ("laplace", &[location, scale]) => D::Laplace { location, scale },
        ("logistic", &[location, scale]) => D::Logistic { location, scale },
        ("gumbel", &[location, scale]) => D::Gumbel { location, scale },
        ("rayleigh", &[scale]) => D::Rayleigh { scale },
        ("weibull", &[shape]) => D::Weibull { shape },
        ("pareto", &[shape]) => D::Pareto { shape },
        ("power", &[shape]) => D::Power { shape },
        ("triangular", &[left, mode, right]) => D::Triangular { left, mode, right },
        ("standard_cauchy", []) => D::Cauchy,
        ("standard_gamma", &[shape]) => D::Gamma { shape, scale: 1.0 },
        ("gamma", &[shape, scale]) => D::Gamma { shape, scale },
        ("chisquare", &[degrees]) => D::Gamma {
            shape: degrees / 2.0,
            scale: 2.0,
        },
        ("beta", &[a, b]) => D::Beta { a, b },
        ("standard_t", &[degrees]) => D::StandardT { degrees },
        ("f", &[numerator, denominator]) => D::F {
            numerator,
            denominator,
        },
        ("wald", &[mean, scale]) => D::Wald { mean, scale },
        ("vonmises", &[mean, concentration]) => D::VonMises {
            mean,
            concentration,
        },
        ("poisson", &[rate]) => D::Poisson { rate },
        ("binomial", &[trials, probability]) if trials >= 0.0 && trials.fract() == 0.0 => {
            D::Binomial {
                trials: trials as u64,
                probability,
            }
        }
        ("negative_binomial", &[successes, probability]) => D::NegativeBinomial {
            successes,
            probability,
        },
        ("geometric", &[probability]) => D::Geometric { probability },
        ("zipf", &[exponent]) => D::Zipf { exponent },
        ("logseries", &[probability]) => D::LogSeries { probability },
        _ => return None,
    })
}

/// Regions read by a Python callable, or by the native reader of Zarr arrays.
pub fn from_source(
    source: &Bound<'_, PyAny>,
    chunks: Chunks,
    dtype: &Bound<'_, PyAny>,
    token: &str,
) -> PyResult<Result<ArrayExpr, ArrayPlanError>> {
    let element = parse::element_of(dtype)?;
    let reader = match source.cast::<PyZarrArray>() {
        Ok(array) => array.get().reader(),
        Err(_) => PyFunction::alone("from_array", source.clone().unbind(), Style::Read),
    };
    Ok(ArrayExpr::read(reader, token, chunks, element))
}
