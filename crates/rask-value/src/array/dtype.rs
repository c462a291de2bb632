//! The dtypes of native arrays: NumPy's numeric, bool, complex and datetime types.

use serde::{Deserialize, Serialize};

/// The unit of a datetime or timedelta; NumPy's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimeUnit {
    Generic,
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Picosecond,
    Femtosecond,
    Attosecond,
}

const UNIT_CODES: [(TimeUnit, &str); 14] = [
    (TimeUnit::Generic, "generic"),
    (TimeUnit::Year, "Y"),
    (TimeUnit::Month, "M"),
    (TimeUnit::Week, "W"),
    (TimeUnit::Day, "D"),
    (TimeUnit::Hour, "h"),
    (TimeUnit::Minute, "m"),
    (TimeUnit::Second, "s"),
    (TimeUnit::Millisecond, "ms"),
    (TimeUnit::Microsecond, "us"),
    (TimeUnit::Nanosecond, "ns"),
    (TimeUnit::Picosecond, "ps"),
    (TimeUnit::Femtosecond, "fs"),
    (TimeUnit::Attosecond, "as"),
];

impl TimeUnit {
    /// NumPy's code: `"ns"`.
    pub fn code(self) -> &'static str {
        UNIT_CODES[self as usize].1
    }

    /// The unit of a code.
    pub fn find(code: &str) -> Option<TimeUnit> {
        UNIT_CODES
            .iter()
            .find(|(_, known)| *known == code)
            .map(|(unit, _)| *unit)
    }
}

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
    Complex64,
    Complex128,
    /// Ticks of `multiplier` units since 1970-01-01; `i64::MIN` is NaT.
    DateTime64 {
        unit: TimeUnit,
        multiplier: u32,
    },
    /// A number of ticks; `i64::MIN` is NaT.
    TimeDelta64 {
        unit: TimeUnit,
        multiplier: u32,
    },
}

/// What kind of number a dtype is, in the order of promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Bool,
    UInt,
    Int,
    Float,
    Complex,
    DateTime,
    TimeDelta,
}

impl DType {
    /// Bytes of one element.
    pub const fn itemsize(self) -> usize {
        match self {
            DType::Bool | DType::Int8 | DType::UInt8 => 1,
            DType::Int16 | DType::UInt16 | DType::Float16 => 2,
            DType::Int32 | DType::UInt32 | DType::Float32 => 4,
            DType::Int64 | DType::UInt64 | DType::Float64 | DType::Complex64 => 8,
            DType::DateTime64 { .. } | DType::TimeDelta64 { .. } => 8,
            DType::Complex128 => 16,
        }
    }
}

/// Codes of the dtypes without a unit, as in NumPy's `dtype.str` without the byte order.
const PLAIN_CODES: [(DType, &str, &str); 14] = [
    (DType::Bool, "b1", "bool"),
    (DType::Int8, "i1", "int8"),
    (DType::Int16, "i2", "int16"),
    (DType::Int32, "i4", "int32"),
    (DType::Int64, "i8", "int64"),
    (DType::UInt8, "u1", "uint8"),
    (DType::UInt16, "u2", "uint16"),
    (DType::UInt32, "u4", "uint32"),
    (DType::UInt64, "u8", "uint64"),
    (DType::Float16, "f2", "float16"),
    (DType::Float32, "f4", "float32"),
    (DType::Float64, "f8", "float64"),
    (DType::Complex64, "c8", "complex64"),
    (DType::Complex128, "c16", "complex128"),
];

impl DType {
    /// The kind of number.
    pub const fn kind(self) -> Kind {
        match self {
            DType::Bool => Kind::Bool,
            DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => Kind::Int,
            DType::UInt8 | DType::UInt16 | DType::UInt32 | DType::UInt64 => Kind::UInt,
            DType::Float16 | DType::Float32 | DType::Float64 => Kind::Float,
            DType::Complex64 | DType::Complex128 => Kind::Complex,
            DType::DateTime64 { .. } => Kind::DateTime,
            DType::TimeDelta64 { .. } => Kind::TimeDelta,
        }
    }

    /// NumPy's `dtype.str`: `"<f8"`, `"|b1"`, `"<M8[ns]"`, `"<m8[10us]"`.
    pub fn typestr(self) -> String {
        let order = if self.itemsize() == 1 { '|' } else { '<' };
        match self {
            DType::DateTime64 { unit, multiplier } => format!("<M8{}", suffix(unit, multiplier)),
            DType::TimeDelta64 { unit, multiplier } => format!("<m8{}", suffix(unit, multiplier)),
            plain => format!("{order}{}", plain.plain_names().0),
        }
    }

    /// NumPy's `dtype.name`: `"float64"`, `"datetime64[ns]"`.
    pub fn name(self) -> String {
        match self {
            DType::DateTime64 { unit, multiplier } => {
                format!("datetime64{}", suffix(unit, multiplier))
            }
            DType::TimeDelta64 { unit, multiplier } => {
                format!("timedelta64{}", suffix(unit, multiplier))
            }
            plain => plain.plain_names().1.to_string(),
        }
    }

    fn plain_names(self) -> (&'static str, &'static str) {
        PLAIN_CODES
            .iter()
            .find(|(dtype, ..)| *dtype == self)
            .map_or(("", ""), |(_, code, name)| (code, name))
    }

    /// The dtype of a `dtype.str` or `dtype.name`; `None` for what is not native here (other byte
    /// orders, strings, objects, structures).
    pub fn find(text: &str) -> Option<DType> {
        let bare = text.strip_prefix(['<', '|', '=']).unwrap_or(text);
        if let Some(&(dtype, ..)) = PLAIN_CODES
            .iter()
            .find(|(_, code, name)| *code == bare || *name == bare)
        {
            return Some(dtype);
        }
        for (prefix, is_datetime) in [
            ("M8", true),
            ("m8", false),
            ("datetime64", true),
            ("timedelta64", false),
        ] {
            if let Some(rest) = bare.strip_prefix(prefix) {
                let (unit, multiplier) = find_unit(rest)?;
                return Some(if is_datetime {
                    DType::DateTime64 { unit, multiplier }
                } else {
                    DType::TimeDelta64 { unit, multiplier }
                });
            }
        }
        None
    }
}

fn suffix(unit: TimeUnit, multiplier: u32) -> String {
    match (unit, multiplier) {
        (TimeUnit::Generic, _) => String::new(),
        (unit, 1) => format!("[{}]", unit.code()),
        (unit, multiplier) => format!("[{multiplier}{}]", unit.code()),
    }
}

fn find_unit(text: &str) -> Option<(TimeUnit, u32)> {
    if text.is_empty() {
        return Some((TimeUnit::Generic, 1));
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let digits = inner.chars().take_while(char::is_ascii_digit).count();
    let multiplier = if digits == 0 {
        1
    } else {
        inner[..digits].parse().ok()?
    };
    Some((TimeUnit::find(&inner[digits..])?, multiplier))
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}
