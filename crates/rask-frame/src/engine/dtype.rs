//! The pandas dtypes that the engine holds natively, and their Arrow memory.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};

use super::{EngineError, Result};

/// A number type of NumPy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Number {
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
}

/// Resolution of datetimes and timedeltas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimeUnit {
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

/// The pandas dtype of a column. How each is held, and what a missing value is:
///
/// | dtype | pandas | Arrow memory | missing |
/// |---|---|---|---|
/// | `Bool`, `Number(int)` | `bool`, `int64`, … | the primitive, no validity | cannot be |
/// | `Number(float)` | `float64`, `float32` | the primitive, no validity | NaN |
/// | `NullableBool`, `NullableNumber` | `boolean`, `Int64`, … | the primitive with validity | invalid |
/// | `ObjectBool` | `object` of `True`, `False`, `NaN` | boolean with validity | invalid |
/// | `Str` | `str` | `LargeUtf8` with validity | invalid |
/// | `Datetime`, `Timedelta` | `datetime64[ns]`, … | timestamp, duration with validity | invalid (NaT) |
/// | `Category` | `category` | dictionary with `int32` keys | invalid key |
/// | `List` | (states of aggregations) | `LargeList` | invalid |
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DType {
    Bool,
    NullableBool,
    ObjectBool,
    Number(Number),
    NullableNumber(Number),
    Str,
    Datetime(TimeUnit, Option<Arc<str>>),
    Timedelta(TimeUnit),
    Category { ordered: bool, values: Box<DType> },
    List(Box<DType>),
}

impl Number {
    pub const ALL: [Number; 10] = [
        Number::Int8,
        Number::Int16,
        Number::Int32,
        Number::Int64,
        Number::UInt8,
        Number::UInt16,
        Number::UInt32,
        Number::UInt64,
        Number::Float32,
        Number::Float64,
    ];

    pub fn is_float(self) -> bool {
        matches!(self, Number::Float32 | Number::Float64)
    }

    pub fn is_signed(self) -> bool {
        use Number::*;
        matches!(self, Int8 | Int16 | Int32 | Int64)
    }

    pub fn is_unsigned(self) -> bool {
        !self.is_float() && !self.is_signed()
    }

    pub fn width_bytes(self) -> usize {
        use Number::*;
        match self {
            Int8 | UInt8 => 1,
            Int16 | UInt16 => 2,
            Int32 | UInt32 | Float32 => 4,
            Int64 | UInt64 | Float64 => 8,
        }
    }

    pub fn arrow(self) -> DataType {
        use Number::*;
        match self {
            Int8 => DataType::Int8,
            Int16 => DataType::Int16,
            Int32 => DataType::Int32,
            Int64 => DataType::Int64,
            UInt8 => DataType::UInt8,
            UInt16 => DataType::UInt16,
            UInt32 => DataType::UInt32,
            UInt64 => DataType::UInt64,
            Float32 => DataType::Float32,
            Float64 => DataType::Float64,
        }
    }

    pub fn from_arrow(arrow: &DataType) -> Option<Number> {
        Number::ALL.into_iter().find(|n| n.arrow() == *arrow)
    }

    pub fn numpy_name(self) -> &'static str {
        use Number::*;
        match self {
            Int8 => "int8",
            Int16 => "int16",
            Int32 => "int32",
            Int64 => "int64",
            UInt8 => "uint8",
            UInt16 => "uint16",
            UInt32 => "uint32",
            UInt64 => "uint64",
            Float32 => "float32",
            Float64 => "float64",
        }
    }

    pub fn nullable_name(self) -> &'static str {
        use Number::*;
        match self {
            Int8 => "Int8",
            Int16 => "Int16",
            Int32 => "Int32",
            Int64 => "Int64",
            UInt8 => "UInt8",
            UInt16 => "UInt16",
            UInt32 => "UInt32",
            UInt64 => "UInt64",
            Float32 => "Float32",
            Float64 => "Float64",
        }
    }

    /// NumPy's promotion of two number types.
    pub fn promote(self, other: Number) -> Number {
        use Number::*;
        if self == other {
            return self;
        }
        let (wide, narrow) = if self.width_bytes() >= other.width_bytes() {
            (self, other)
        } else {
            (other, self)
        };
        if wide.is_float() || narrow.is_float() {
            let float = if wide.is_float() { wide } else { narrow };
            let other = if wide.is_float() { narrow } else { wide };
            let keeps = float == Float32 && (other.is_float() || other.width_bytes() <= 2);
            return if keeps { Float32 } else { Float64 };
        }
        if wide.is_signed() == narrow.is_signed() {
            return wide;
        }
        if wide.is_signed() && wide.width_bytes() > narrow.width_bytes() {
            return wide;
        }
        match wide.width_bytes() {
            1 => Int16,
            2 => Int32,
            4 => Int64,
            _ => Float64,
        }
    }
}

impl TimeUnit {
    pub fn arrow(self) -> arrow_schema::TimeUnit {
        match self {
            TimeUnit::Second => arrow_schema::TimeUnit::Second,
            TimeUnit::Millisecond => arrow_schema::TimeUnit::Millisecond,
            TimeUnit::Microsecond => arrow_schema::TimeUnit::Microsecond,
            TimeUnit::Nanosecond => arrow_schema::TimeUnit::Nanosecond,
        }
    }

    pub fn from_arrow(unit: &arrow_schema::TimeUnit) -> TimeUnit {
        match unit {
            arrow_schema::TimeUnit::Second => TimeUnit::Second,
            arrow_schema::TimeUnit::Millisecond => TimeUnit::Millisecond,
            arrow_schema::TimeUnit::Microsecond => TimeUnit::Microsecond,
            arrow_schema::TimeUnit::Nanosecond => TimeUnit::Nanosecond,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Second => "s",
            TimeUnit::Millisecond => "ms",
            TimeUnit::Microsecond => "us",
            TimeUnit::Nanosecond => "ns",
        }
    }

    pub fn per_second(self) -> i64 {
        match self {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        }
    }

    fn from_name(name: &str) -> Option<TimeUnit> {
        [
            TimeUnit::Second,
            TimeUnit::Millisecond,
            TimeUnit::Microsecond,
            TimeUnit::Nanosecond,
        ]
        .into_iter()
        .find(|unit| unit.name() == name)
    }
}

impl DType {
    pub const INT64: DType = DType::Number(Number::Int64);
    pub const FLOAT64: DType = DType::Number(Number::Float64);

    /// A category of strings, the kind that `astype("category")` makes.
    pub fn category_of_str() -> DType {
        DType::Category {
            ordered: false,
            values: Box::new(DType::Str),
        }
    }

    /// The Arrow type of the memory.
    pub fn arrow(&self) -> DataType {
        match self {
            DType::Bool | DType::NullableBool | DType::ObjectBool => DataType::Boolean,
            DType::Number(n) | DType::NullableNumber(n) => n.arrow(),
            DType::Str => DataType::LargeUtf8,
            DType::Datetime(unit, zone) => DataType::Timestamp(unit.arrow(), zone.clone()),
            DType::Timedelta(unit) => DataType::Duration(unit.arrow()),
            DType::Category { values, .. } => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(values.arrow()))
            }
            DType::List(item) => {
                DataType::LargeList(Arc::new(Field::new("item", item.arrow(), true)))
            }
        }
    }

    /// The dtype's number type, nullable or not.
    pub fn number(&self) -> Option<Number> {
        match self {
            DType::Number(n) | DType::NullableNumber(n) => Some(*n),
            _ => None,
        }
    }

    pub fn is_bool(&self) -> bool {
        matches!(self, DType::Bool | DType::NullableBool | DType::ObjectBool)
    }

    pub fn is_float(&self) -> bool {
        self.number().is_some_and(Number::is_float)
    }

    pub fn is_integer(&self) -> bool {
        self.number().is_some_and(|n| !n.is_float())
    }

    /// Whether NaN is this dtype's missing value.
    pub fn is_nan_missing(&self) -> bool {
        matches!(self, DType::Number(n) if n.is_float())
    }

    /// Whether the Arrow validity bitmap says what is missing.
    pub fn has_validity(&self) -> bool {
        !matches!(self, DType::Bool | DType::Number(_))
    }

    /// Whether it is one of pandas' masked dtypes.
    pub fn is_nullable(&self) -> bool {
        matches!(self, DType::NullableBool | DType::NullableNumber(_))
    }

    /// What the dtype becomes when missing values enter (a left join, a shift).
    pub fn with_missing(&self) -> DType {
        match self {
            DType::Bool => DType::ObjectBool,
            DType::Number(n) if !n.is_float() => DType::FLOAT64,
            other => other.clone(),
        }
    }

    /// pandas' name of the dtype: what `str(series.dtype)` says.
    pub fn pandas_name(&self) -> String {
        match self {
            DType::Bool => "bool".into(),
            DType::NullableBool => "boolean".into(),
            DType::ObjectBool | DType::List(_) => "object".into(),
            DType::Number(n) => n.numpy_name().into(),
            DType::NullableNumber(n) => n.nullable_name().into(),
            DType::Str => "str".into(),
            DType::Datetime(unit, None) => format!("datetime64[{}]", unit.name()),
            DType::Datetime(unit, Some(zone)) => format!("datetime64[{}, {zone}]", unit.name()),
            DType::Timedelta(unit) => format!("timedelta64[{}]", unit.name()),
            DType::Category { .. } => "category".into(),
        }
    }

    /// Reads a pandas or NumPy dtype name: `"int64"`, `"Int64"`, `"str"`, `"datetime64[ns, UTC]"`.
    pub fn from_name(name: &str) -> Result<DType> {
        let simple = match name {
            "bool" | "?" => Some(DType::Bool),
            "boolean" => Some(DType::NullableBool),
            "str" | "string" | "string[pyarrow]" | "large_string[pyarrow]" | "object" | "O" => {
                Some(DType::Str)
            }
            "category" => Some(DType::category_of_str()),
            "int" | "i8" | "<i8" => Some(DType::INT64),
            "i4" | "<i4" => Some(DType::Number(Number::Int32)),
            "float" | "double" | "f8" | "<f8" => Some(DType::FLOAT64),
            "f4" | "<f4" => Some(DType::Number(Number::Float32)),
            "datetime64" | "M8" => Some(DType::Datetime(TimeUnit::Nanosecond, None)),
            "timedelta64" | "m8" => Some(DType::Timedelta(TimeUnit::Nanosecond)),
            _ => None,
        };
        if let Some(dtype) = simple {
            return Ok(dtype);
        }
        for number in Number::ALL {
            if number.numpy_name() == name {
                return Ok(DType::Number(number));
            }
            if number.nullable_name() == name {
                return Ok(DType::NullableNumber(number));
            }
        }
        parse_time_name(name)
            .ok_or_else(|| EngineError::type_error(format!("data type '{name}' not understood")))
    }

    /// The dtype that holds values of both (concatenation, `where`, join keys).
    pub fn common(&self, other: &DType) -> Result<DType> {
        use DType::*;
        let found = match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Number(a), Number(b)) => Some(Number(a.promote(*b))),
            (Number(a) | NullableNumber(a), Number(b) | NullableNumber(b)) => {
                Some(NullableNumber(a.promote(*b)))
            }
            (NullableBool, Bool) | (Bool, NullableBool) => Some(NullableBool),
            (ObjectBool, Bool | NullableBool) | (Bool | NullableBool, ObjectBool) => {
                Some(ObjectBool)
            }
            (Datetime(a, x), Datetime(b, y)) if x == y => Some(Datetime(*a.max(b), x.clone())),
            (Timedelta(a), Timedelta(b)) => Some(Timedelta(*a.max(b))),
            (Category { values: a, .. }, Category { values: b, .. }) if a == b => Some(Category {
                ordered: false,
                values: a.clone(),
            }),
            (Category { values, .. }, plain) | (plain, Category { values, .. }) => {
                return values.common(plain);
            }
            (List(a), List(b)) => Some(List(Box::new(a.common(b)?))),
            _ => None,
        };
        found.ok_or_else(|| {
            EngineError::type_error(format!(
                "cannot combine values of dtype {} with values of dtype {}",
                self.pandas_name(),
                other.pandas_name()
            ))
        })
    }
}

fn parse_time_name(name: &str) -> Option<DType> {
    let (kind, rest) = name.split_once('[')?;
    let inside = rest.strip_suffix(']')?;
    match kind {
        "datetime64" | "M8" | "<M8" => {
            let (unit, zone) = match inside.split_once(',') {
                Some((unit, zone)) => (unit.trim(), Some(Arc::from(zone.trim()))),
                None => (inside, None),
            };
            Some(DType::Datetime(TimeUnit::from_name(unit)?, zone))
        }
        "timedelta64" | "m8" | "<m8" => Some(DType::Timedelta(TimeUnit::from_name(inside)?)),
        _ => None,
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pandas_name())
    }
}
