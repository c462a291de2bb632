//! Functions of expressions by the names that pandas gives them.

use pyo3::exceptions::{PyNotImplementedError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rask_frame::engine::expr::{DtFunction, Function, Inclusive, MathFunction, Side, StrFunction};
use rask_frame::engine::{DType, Scalar, TimeUnit};

use super::convert::to_py_err;
use super::scalar::scalar_of;

/// The function of a name such as `"isna"`, `"str.lower"` or `"dt.year"` with its parameters.
pub fn function_of(name: &str, params: &Bound<'_, PyTuple>) -> PyResult<Function> {
    if let Some(name) = name.strip_prefix("str.") {
        return Ok(Function::Str(str_function(name, params)?));
    }
    if let Some(name) = name.strip_prefix("dt.") {
        return Ok(Function::Dt(dt_function(name, params)?));
    }
    Ok(match name {
        "isna" => Function::IsNa,
        "notna" => Function::NotNa,
        "fillna" => Function::FillNa,
        "where" => Function::Where,
        "clip" => Function::Clip,
        "isin" => Function::IsIn(scalars(&params.get_item(0)?)?),
        "between" => Function::Between(inclusive(&text(params, 0)?)?),
        "round" => Function::Round(params.get_item(0)?.extract()?),
        "to_datetime" => Function::ToDatetime(TimeUnit::Microsecond),
        "map" => map_function(params)?,
        other => Function::Math(math_function(other)?),
    })
}

fn map_function(params: &Bound<'_, PyTuple>) -> PyResult<Function> {
    let keys = scalars(&params.get_item(0)?)?;
    let values = scalars(&params.get_item(1)?)?;
    let mut dtype: Option<DType> = None;
    for value in values.iter().filter(|v| !v.is_missing()) {
        let own = value.dtype();
        dtype = Some(match dtype {
            None => own,
            Some(known) => known.common(&own).map_err(to_py_err)?,
        });
    }
    Ok(Function::Map {
        pairs: keys.into_iter().zip(values).collect(),
        dtype: dtype.unwrap_or(DType::FLOAT64),
    })
}

fn scalars(object: &Bound<'_, PyAny>) -> PyResult<Vec<Scalar>> {
    object.try_iter()?.map(|item| scalar_of(&item?)).collect()
}

fn text(params: &Bound<'_, PyTuple>, place: usize) -> PyResult<String> {
    params.get_item(place)?.extract()
}

fn inclusive(name: &str) -> PyResult<Inclusive> {
    Ok(match name {
        "both" => Inclusive::Both,
        "neither" => Inclusive::Neither,
        "left" => Inclusive::Left,
        "right" => Inclusive::Right,
        other => {
            return Err(pyo3::exceptions::PyValueError::new_err(format!(
                "inclusive has to be one of 'both', 'neither', 'left', 'right', not '{other}'"
            )));
        }
    })
}

fn math_function(name: &str) -> PyResult<MathFunction> {
    use MathFunction::*;
    Ok(match name {
        "sqrt" => Sqrt,
        "exp" => Exp,
        "expm1" => Expm1,
        "log" => Log,
        "log2" => Log2,
        "log10" => Log10,
        "log1p" => Log1p,
        "sin" => Sin,
        "cos" => Cos,
        "tan" => Tan,
        "arcsin" => Arcsin,
        "arccos" => Arccos,
        "arctan" => Arctan,
        "sinh" => Sinh,
        "cosh" => Cosh,
        "tanh" => Tanh,
        "floor" => Floor,
        "ceil" => Ceil,
        "trunc" => Trunc,
        "rint" => Rint,
        "sign" => Sign,
        other => {
            return Err(PyNotImplementedError::new_err(format!(
                "no native function named {other}"
            )));
        }
    })
}

fn side(name: &str) -> Side {
    match name {
        "left" => Side::Left,
        "right" => Side::Right,
        _ => Side::Both,
    }
}

fn texts(object: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    match object.extract::<String>() {
        Ok(one) => Ok(vec![one]),
        Err(_) => object.extract(),
    }
}

fn str_function(name: &str, params: &Bound<'_, PyTuple>) -> PyResult<StrFunction> {
    use StrFunction::*;
    let flag = |place: usize| -> PyResult<bool> { params.get_item(place)?.extract() };
    Ok(match name {
        "lower" => Lower,
        "upper" => Upper,
        "title" => Title,
        "capitalize" => Capitalize,
        "swapcase" => Swapcase,
        "len" => Len,
        "strip" => Strip {
            side: side(&text(params, 0)?),
            characters: params.get_item(1)?.extract()?,
        },
        "contains" => Contains {
            pattern: text(params, 0)?,
            is_regex: flag(1)?,
            is_case_sensitive: flag(2)?,
        },
        "match" => Match {
            pattern: text(params, 0)?,
            is_case_sensitive: flag(1)?,
        },
        "fullmatch" => FullMatch {
            pattern: text(params, 0)?,
            is_case_sensitive: flag(1)?,
        },
        "startswith" => StartsWith(texts(&params.get_item(0)?)?),
        "endswith" => EndsWith(texts(&params.get_item(0)?)?),
        "removeprefix" => RemovePrefix(text(params, 0)?),
        "removesuffix" => RemoveSuffix(text(params, 0)?),
        "replace" => Replace {
            pattern: text(params, 0)?,
            replacement: text(params, 1)?,
            is_regex: flag(2)?,
            is_case_sensitive: flag(3)?,
            count: params.get_item(4)?.extract()?,
        },
        "slice" => Slice {
            start: params.get_item(0)?.extract()?,
            stop: params.get_item(1)?.extract()?,
            step: params.get_item(2)?.extract()?,
        },
        "get" => Get(params.get_item(0)?.extract()?),
        "cat" => Cat(text(params, 0)?),
        "zfill" => Zfill(params.get_item(0)?.extract()?),
        "pad" => Pad {
            width: params.get_item(0)?.extract()?,
            side: side(&text(params, 1)?),
            fill: text(params, 2)?.chars().next().unwrap_or(' '),
        },
        "repeat" => Repeat(params.get_item(0)?.extract()?),
        "find" => Find(text(params, 0)?),
        "rfind" => Rfind(text(params, 0)?),
        "count" => Count(text(params, 0)?),
        "isdigit" => IsDigit,
        "isalpha" => IsAlpha,
        "isalnum" => IsAlnum,
        "isspace" => IsSpace,
        "islower" => IsLower,
        "isupper" => IsUpper,
        "isnumeric" => IsNumeric,
        "isdecimal" => IsDecimal,
        "istitle" => IsTitle,
        other => {
            return Err(PyNotImplementedError::new_err(format!(
                "no native function named str.{other}"
            )));
        }
    })
}

fn dt_function(name: &str, params: &Bound<'_, PyTuple>) -> PyResult<DtFunction> {
    use DtFunction::*;
    let step = || -> PyResult<i64> { params.get_item(0)?.extract() };
    Ok(match name {
        "year" => Year,
        "month" => Month,
        "day" => Day,
        "hour" => Hour,
        "minute" => Minute,
        "second" => Second,
        "microsecond" => Microsecond,
        "nanosecond" => Nanosecond,
        "dayofweek" | "day_of_week" | "weekday" => DayOfWeek,
        "dayofyear" | "day_of_year" => DayOfYear,
        "quarter" => Quarter,
        "days_in_month" | "daysinmonth" => DaysInMonth,
        "is_leap_year" => IsLeapYear,
        "is_month_start" => IsMonthStart,
        "is_month_end" => IsMonthEnd,
        "is_quarter_start" => IsQuarterStart,
        "is_quarter_end" => IsQuarterEnd,
        "is_year_start" => IsYearStart,
        "is_year_end" => IsYearEnd,
        "day_name" => DayName,
        "month_name" => MonthName,
        "normalize" => Normalize,
        "floor" => Floor(step()?),
        "ceil" => Ceil(step()?),
        "round" => Round(step()?),
        "strftime" => Strftime(text(params, 0)?),
        "total_seconds" => TotalSeconds,
        "days" => Days,
        "seconds" => Seconds,
        "microseconds" => Microseconds,
        other => {
            return Err(PyTypeError::new_err(format!(
                "no native function named dt.{other}"
            )));
        }
    })
}
