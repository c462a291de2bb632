//! The dtype of an expression from a schema alone.

use super::{BinaryOp, DtFunction, Expr, Function, StrFunction, UnaryOp};
use crate::engine::{DType, EngineError, Number, Result, Scalar, Schema, TimeUnit};

/// What is known of an operand: its dtype, and its value if it is a literal. Literals are weak:
/// they take the dtype of the column they meet where it holds them.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) dtype: DType,
    pub(super) literal: Option<Scalar>,
}

impl Expr {
    /// The dtype of the expression's values; an error for a column that is not there or an
    /// operation that the dtypes do not have.
    pub fn dtype(&self, schema: &Schema) -> Result<DType> {
        Ok(operand(self, schema)?.dtype)
    }
}

fn operand(expr: &Expr, schema: &Schema) -> Result<Operand> {
    let dtype = match expr {
        Expr::Literal(value) => {
            return Ok(Operand {
                dtype: value.dtype(),
                literal: Some(value.clone()),
            });
        }
        Expr::Column(label) => schema.dtype(label)?.clone(),
        Expr::Index(level) => {
            let levels = schema.index.levels();
            let found = levels.into_iter().nth(*level).map(|(_, dtype)| dtype);
            found.ok_or_else(|| EngineError::value(format!("the index has no level {level}")))?
        }
        Expr::Binary { op, left, right } => {
            binary_dtype(*op, &operand(left, schema)?, &operand(right, schema)?)?
        }
        Expr::Unary { op, input } => unary_dtype(*op, &operand(input, schema)?.dtype)?,
        Expr::Cast { input, dtype } => {
            let from = operand(input, schema)?.dtype;
            cast_dtype(&from, dtype)
        }
        Expr::Call { function, inputs } => {
            let inputs = inputs
                .iter()
                .map(|input| operand(input, schema))
                .collect::<Result<Vec<_>>>()?;
            call_dtype(function, &inputs)?
        }
    };
    Ok(Operand {
        dtype,
        literal: None,
    })
}

/// A cast to `category` keeps the categories' dtype.
pub(super) fn cast_dtype(from: &DType, to: &DType) -> DType {
    match (from, to) {
        (DType::Category { values, .. }, DType::Category { ordered, .. }) => DType::Category {
            ordered: *ordered,
            values: values.clone(),
        },
        (from, DType::Category { ordered, .. }) => DType::Category {
            ordered: *ordered,
            values: Box::new(from.clone()),
        },
        (_, to) => to.clone(),
    }
}

fn refuse(op: BinaryOp, left: &DType, right: &DType) -> EngineError {
    EngineError::type_error(format!(
        "unsupported operand type(s) for {}: '{left}' and '{right}'",
        op.symbol()
    ))
}

pub(super) fn binary_dtype(op: BinaryOp, left: &Operand, right: &Operand) -> Result<DType> {
    let is_nullable = left.dtype.is_nullable() || right.dtype.is_nullable();
    if op.is_comparison() {
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            compare_dtype(op, left, right)?;
        }
        return Ok(if is_nullable {
            DType::NullableBool
        } else {
            DType::Bool
        });
    }
    if op.is_logical() {
        return logical_dtype(op, left, right);
    }
    let number = match (number_of(&left.dtype), number_of(&right.dtype)) {
        (Some(a), Some(b)) => number_dtype(op, left, right, a, b)?,
        _ => return time_or_text_dtype(op, &left.dtype, &right.dtype),
    };
    Ok(match (number, is_nullable) {
        (None, true) => DType::NullableBool,
        (None, false) => DType::Bool,
        (Some(n), true) => DType::NullableNumber(n),
        (Some(n), false) => DType::Number(n),
    })
}

/// The number type of numbers, and none of bools, for arithmetic.
#[allow(clippy::option_option)]
fn number_of(dtype: &DType) -> Option<Option<Number>> {
    match dtype {
        DType::Number(n) | DType::NullableNumber(n) => Some(Some(*n)),
        DType::Bool | DType::NullableBool => Some(None),
        _ => None,
    }
}

fn number_dtype(
    op: BinaryOp,
    left: &Operand,
    right: &Operand,
    a: Option<Number>,
    b: Option<Number>,
) -> Result<Option<Number>> {
    let (Some(a), Some(b)) = (a, b) else {
        return match (a.or(b), op) {
            (Some(n), BinaryOp::TrueDiv) => Ok(Some(division(n))),
            (Some(n), _) => Ok(Some(n)),
            (None, BinaryOp::Add | BinaryOp::Mul) => Ok(None),
            (None, BinaryOp::TrueDiv) => Ok(Some(Number::Float64)),
            (None, BinaryOp::FloorDiv | BinaryOp::Mod | BinaryOp::Pow) => Ok(Some(Number::Int8)),
            (None, _) => Err(refuse(op, &left.dtype, &right.dtype)),
        };
    };
    let common = match (&left.literal, &right.literal) {
        (None, Some(literal)) => weak(a, b, literal),
        (Some(literal), None) => weak(b, a, literal),
        _ => a.promote(b),
    };
    Ok(Some(if op == BinaryOp::TrueDiv {
        division(common)
    } else {
        common
    }))
}

fn division(number: Number) -> Number {
    if number.is_float() {
        number
    } else {
        Number::Float64
    }
}

/// The type of a column and a literal together.
fn weak(column: Number, literal_number: Number, literal: &Scalar) -> Number {
    match literal {
        Scalar::Int(value) if column.is_float() || crate::engine::cast::fits(*value, column) => {
            column
        }
        Scalar::Float(_) | Scalar::Missing if column.is_float() => column,
        _ => column.promote(literal_number),
    }
}

fn logical_dtype(op: BinaryOp, left: &Operand, right: &Operand) -> Result<DType> {
    let (a, b) = (&left.dtype, &right.dtype);
    if a.is_bool() && b.is_bool() {
        let is_nullable = a.is_nullable() || b.is_nullable();
        return Ok(if is_nullable {
            DType::NullableBool
        } else {
            DType::Bool
        });
    }
    match (a, b) {
        (DType::Number(x), DType::Number(y)) if !x.is_float() && !y.is_float() => {
            let number = number_dtype(op, left, right, Some(*x), Some(*y))?;
            Ok(DType::Number(number.unwrap_or(*x)))
        }
        _ => Err(refuse(op, a, b)),
    }
}

fn time_or_text_dtype(op: BinaryOp, left: &DType, right: &DType) -> Result<DType> {
    use BinaryOp::*;
    use DType::{Datetime, Str, Timedelta};
    let found = match (op, left, right) {
        (Add, Str, Str) => Some(Str),
        (Sub, Datetime(a, x), Datetime(b, y)) if x.is_some() == y.is_some() => {
            Some(Timedelta(*a.max(b)))
        }
        (Add | Sub, Datetime(a, zone), Timedelta(b)) => Some(Datetime(*a.max(b), zone.clone())),
        (Add, Timedelta(a), Datetime(b, zone)) => Some(Datetime(*a.max(b), zone.clone())),
        (Add | Sub | Mod, Timedelta(a), Timedelta(b)) => Some(Timedelta(*a.max(b))),
        (TrueDiv, Timedelta(_), Timedelta(_)) => Some(DType::FLOAT64),
        (FloorDiv, Timedelta(_), Timedelta(_)) => Some(DType::INT64),
        (Mul | TrueDiv | FloorDiv, Timedelta(a), n) if n.number().is_some() => Some(Timedelta(*a)),
        (Mul, n, Timedelta(a)) if n.number().is_some() => Some(Timedelta(*a)),
        _ => None,
    };
    found.ok_or_else(|| refuse(op, left, right))
}

/// The dtype in which two operands are compared.
pub(super) fn compare_dtype(op: BinaryOp, left: &Operand, right: &Operand) -> Result<DType> {
    let (a, b) = (plain(&left.dtype), plain(&right.dtype));
    let is_text = |o: &Operand| matches!(o.literal, Some(Scalar::Str(_)));
    let is_missing = |o: &Operand| matches!(o.literal, Some(Scalar::Missing));
    match (&a, &b) {
        _ if is_missing(right) => Ok(a),
        _ if is_missing(left) => Ok(b),
        (DType::Datetime(_, zone), DType::Str) if is_text(right) => {
            Ok(DType::Datetime(TimeUnit::Nanosecond, zone.clone()))
        }
        (DType::Str, DType::Datetime(_, zone)) if is_text(left) => {
            Ok(DType::Datetime(TimeUnit::Nanosecond, zone.clone()))
        }
        (DType::Datetime(x, z), DType::Datetime(y, w)) if z.is_some() == w.is_some() => {
            Ok(DType::Datetime(*x.max(y), z.clone()))
        }
        _ => match (number_of(&a), number_of(&b)) {
            (Some(Some(x)), Some(Some(y))) => Ok(DType::Number(compare_number(left, right, x, y))),
            (Some(x), Some(y)) => Ok(x.or(y).map_or(DType::Bool, DType::Number)),
            _ => a
                .common(&b)
                .map_err(|_| refuse(op, &left.dtype, &right.dtype)),
        },
    }
}

/// Comparisons with a literal keep integer columns integers only if the literal is one.
fn compare_number(left: &Operand, right: &Operand, a: Number, b: Number) -> Number {
    match (&left.literal, &right.literal) {
        (None, Some(literal)) => weak_compare(a, b, literal),
        (Some(literal), None) => weak_compare(b, a, literal),
        _ => a.promote(b),
    }
}

fn weak_compare(column: Number, literal_number: Number, literal: &Scalar) -> Number {
    match literal {
        // A double keeps what a float32 column means against a literal such as 0.1.
        Scalar::Float(_) if column == Number::Float32 => Number::Float32,
        _ => weak(column, literal_number, literal),
    }
}

fn plain(dtype: &DType) -> DType {
    match dtype {
        DType::Category { values, .. } => plain(values),
        DType::NullableNumber(n) => DType::Number(*n),
        DType::NullableBool | DType::ObjectBool => DType::Bool,
        other => other.clone(),
    }
}

fn unary_dtype(op: UnaryOp, input: &DType) -> Result<DType> {
    let is_fine = match op {
        UnaryOp::Neg | UnaryOp::Abs => {
            input.number().is_some() || matches!(input, DType::Timedelta(_))
        }
        UnaryOp::Invert => input.is_bool() || input.is_integer(),
    };
    match (op, input) {
        (UnaryOp::Abs, DType::Bool) => Ok(DType::Bool),
        (UnaryOp::Invert, DType::ObjectBool) => Ok(DType::Bool),
        _ if is_fine => Ok(input.clone()),
        _ => {
            let symbol = match op {
                UnaryOp::Neg => "unary -",
                UnaryOp::Invert => "unary ~",
                UnaryOp::Abs => "abs()",
            };
            Err(EngineError::type_error(format!(
                "bad operand type for {symbol}: '{input}'"
            )))
        }
    }
}

/// The dtype of either of two operands, literals giving way to columns.
pub(super) fn either_dtype(a: &Operand, b: &Operand) -> Result<DType> {
    match (&a.literal, &b.literal) {
        (None, Some(Scalar::Missing)) => Ok(a.dtype.with_missing()),
        (Some(Scalar::Missing), None) => Ok(b.dtype.with_missing()),
        (None, Some(literal)) => weak_either(&a.dtype, literal),
        (Some(literal), None) => weak_either(&b.dtype, literal),
        _ => a.dtype.common(&b.dtype),
    }
}

fn weak_either(column: &DType, literal: &Scalar) -> Result<DType> {
    let value = literal.dtype();
    match (column, value.number()) {
        (DType::Number(n), Some(m)) => Ok(DType::Number(weak(*n, m, literal))),
        (DType::NullableNumber(n), Some(m)) => Ok(DType::NullableNumber(weak(*n, m, literal))),
        (DType::Category { .. }, _) => Ok(column.clone()),
        (DType::Datetime(..), None) if literal.as_str().is_some() => Ok(column.clone()),
        _ => column.common(&value),
    }
}

fn call_dtype(function: &Function, inputs: &[Operand]) -> Result<DType> {
    let wanted = match function {
        Function::FillNa | Function::Str(StrFunction::Cat(_)) => 2,
        Function::Between(_) | Function::Where | Function::Clip => 3,
        _ => 1,
    };
    if inputs.len() != wanted {
        return Err(EngineError::value(format!(
            "{function:?} takes {wanted} operands, {} were given",
            inputs.len()
        )));
    }
    let input = &inputs[0].dtype;
    match function {
        Function::IsNa | Function::NotNa | Function::IsIn(_) => Ok(DType::Bool),
        Function::FillNa => fill_dtype(&inputs[0], &inputs[1]),
        Function::Between(_) => {
            compare_dtype(BinaryOp::Ge, &inputs[0], &inputs[1])?;
            compare_dtype(BinaryOp::Le, &inputs[0], &inputs[2])?;
            Ok(if input.is_nullable() {
                DType::NullableBool
            } else {
                DType::Bool
            })
        }
        Function::Where if input.is_bool() => either_dtype(&inputs[1], &inputs[2]),
        Function::Where => Err(EngineError::type_error(
            "Boolean array expected for the condition, not ".to_string() + &input.pandas_name(),
        )),
        Function::Round(_) if input.number().is_some() => Ok(input.clone()),
        Function::Clip if input.number().is_some() => {
            let low = either_dtype(&inputs[0], &inputs[1]);
            let bound = |o: &Operand| match o.literal {
                Some(Scalar::Missing) => Ok(input.clone()),
                _ => either_dtype(&inputs[0], o),
            };
            drop(low);
            bound(&inputs[1])?.common(&bound(&inputs[2])?)
        }
        Function::Math(_) => match number_of(input) {
            Some(Some(Number::Float32)) => Ok(input.clone()),
            Some(_) if input.is_nullable() => Ok(DType::NullableNumber(Number::Float64)),
            Some(_) => Ok(DType::FLOAT64),
            None => Err(no_method("a float function", input)),
        },
        Function::Map { dtype, .. } => Ok(dtype.with_missing()),
        Function::ToDatetime(unit) => match input {
            DType::Str => Ok(DType::Datetime(*unit, None)),
            DType::Datetime(..) => Ok(input.clone()),
            _ if input.is_integer() => Ok(DType::Datetime(*unit, None)),
            _ => Err(no_method("to_datetime", input)),
        },
        Function::Str(function) => str_dtype(function, input),
        Function::Dt(function) => dt_dtype(function, input),
        Function::Round(_) => Err(no_method("round", input)),
        Function::Clip => Err(no_method("clip", input)),
    }
}

/// Filling a column of whole numbers changes nothing; a filled object column of bools is bool.
fn fill_dtype(input: &Operand, value: &Operand) -> Result<DType> {
    match (&input.dtype, &value.literal) {
        (DType::Bool | DType::ObjectBool, Some(Scalar::Bool(_))) => Ok(input.dtype.clone()),
        (DType::Number(n), _) if !n.is_float() => Ok(input.dtype.clone()),
        (dtype, Some(Scalar::Missing)) => Ok(dtype.clone()),
        _ => either_dtype(input, value).map_err(|_| {
            EngineError::type_error(format!(
                "Invalid value of dtype '{}' for filling a column of dtype '{}'",
                value.dtype, input.dtype
            ))
        }),
    }
}

fn no_method(what: &str, dtype: &DType) -> EngineError {
    EngineError::type_error(format!("{what} is not defined for values of dtype {dtype}"))
}

fn str_dtype(function: &StrFunction, input: &DType) -> Result<DType> {
    let is_text = match input {
        DType::Category { values, .. } => **values == DType::Str,
        other => *other == DType::Str,
    };
    if !is_text {
        return Err(EngineError::type_error(format!(
            "Can only use .str accessor with string values, not {input}"
        )));
    }
    use StrFunction::*;
    Ok(match function {
        Len | Find(_) | Rfind(_) | Count(_) => DType::INT64,
        Contains { .. }
        | Match { .. }
        | FullMatch { .. }
        | StartsWith(_)
        | EndsWith(_)
        | IsDigit
        | IsAlpha
        | IsAlnum
        | IsSpace
        | IsLower
        | IsUpper
        | IsNumeric
        | IsDecimal
        | IsTitle => DType::Bool,
        _ => DType::Str,
    })
}

fn dt_dtype(function: &DtFunction, input: &DType) -> Result<DType> {
    use DtFunction::*;
    let is_span = matches!(input, DType::Timedelta(_));
    let wants_span = matches!(function, TotalSeconds | Days | Seconds | Microseconds);
    let either = matches!(function, Floor(_) | Ceil(_) | Round(_) | AsUnit(_));
    if !is_span && !matches!(input, DType::Datetime(..)) {
        return Err(EngineError::type_error(format!(
            "Can only use .dt accessor with datetimelike values, not {input}"
        )));
    }
    if !either && is_span != wants_span {
        return Err(no_method(
            &format!(".dt.{function:?}").to_lowercase(),
            input,
        ));
    }
    Ok(match function {
        TotalSeconds => DType::FLOAT64,
        Days => DType::INT64,
        IsLeapYear | IsMonthStart | IsMonthEnd | IsQuarterStart | IsQuarterEnd | IsYearStart
        | IsYearEnd => DType::Bool,
        DayName | MonthName | Strftime(_) => DType::Str,
        Normalize | Floor(_) | Ceil(_) | Round(_) => input.clone(),
        AsUnit(unit) => match input {
            DType::Datetime(_, zone) => DType::Datetime(*unit, zone.clone()),
            _ => DType::Timedelta(*unit),
        },
        IsoWeek | IsoYear => DType::NullableNumber(Number::UInt32),
        _ => DType::Number(Number::Int32),
    })
}
