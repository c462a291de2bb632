//! The functions that expressions can call.

use serde::{Deserialize, Serialize};

use crate::engine::{DType, Scalar, TimeUnit};

/// A function of the values in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Function {
    /// (x): whether missing.
    IsNa,
    /// (x): whether present.
    NotNa,
    /// (x, value): x, or the value where x is missing.
    FillNa,
    /// (x): whether among the values.
    IsIn(Vec<Scalar>),
    /// (x, low, high).
    Between(Inclusive),
    /// (condition, then, else): `then.where(condition, else)`.
    Where,
    /// (x): rounded to decimals, halves to even.
    Round(i32),
    /// (x, low, high); a missing literal for no bound.
    Clip,
    /// (x): floats.
    Math(MathFunction),
    /// (x): the value mapped by a table of pairs; missing if it is not in there.
    Map {
        pairs: Vec<(Scalar, Scalar)>,
        dtype: DType,
    },
    /// (text): as datetimes of the unit.
    ToDatetime(TimeUnit),
    /// (text, …).
    Str(StrFunction),
    /// (datetime) or (timedelta).
    Dt(DtFunction),
}

/// Which ends of an interval belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Inclusive {
    Both,
    Neither,
    Left,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MathFunction {
    Sqrt,
    Exp,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sin,
    Cos,
    Tan,
    Arcsin,
    Arccos,
    Arctan,
    Sinh,
    Cosh,
    Tanh,
    Floor,
    Ceil,
    Trunc,
    Rint,
    Sign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    Left,
    Right,
    Both,
}

/// Functions of `Series.str`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrFunction {
    Lower,
    Upper,
    Title,
    Capitalize,
    Swapcase,
    Len,
    Strip {
        side: Side,
        characters: Option<String>,
    },
    Contains {
        pattern: String,
        is_regex: bool,
        is_case_sensitive: bool,
    },
    /// The pattern matches at the start.
    Match {
        pattern: String,
        is_case_sensitive: bool,
    },
    /// The pattern matches the whole text.
    FullMatch {
        pattern: String,
        is_case_sensitive: bool,
    },
    StartsWith(Vec<String>),
    EndsWith(Vec<String>),
    RemovePrefix(String),
    RemoveSuffix(String),
    Replace {
        pattern: String,
        replacement: String,
        is_regex: bool,
        is_case_sensitive: bool,
        /// All, if `None`.
        count: Option<usize>,
    },
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: Option<i64>,
    },
    /// The character at a place, missing when the text is shorter.
    Get(i64),
    /// (a, b): joined with a separator between.
    Cat(String),
    Zfill(usize),
    Pad {
        width: usize,
        side: Side,
        fill: char,
    },
    Repeat(usize),
    /// The place of a text, -1 if it is not there.
    Find(String),
    Rfind(String),
    /// How often the pattern matches.
    Count(String),
    IsDigit,
    IsAlpha,
    IsAlnum,
    IsSpace,
    IsLower,
    IsUpper,
    IsNumeric,
    IsDecimal,
    IsTitle,
    /// The part at a place after splitting at a separator (white space if `None`).
    SplitGet {
        separator: Option<String>,
        /// Splits at most this often.
        limit: Option<usize>,
        place: i64,
    },
    /// The first match of a group of a pattern.
    Extract {
        pattern: String,
        group: usize,
    },
}

/// Functions of `Series.dt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DtFunction {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Microsecond,
    Nanosecond,
    /// Monday is 0.
    DayOfWeek,
    DayOfYear,
    Quarter,
    DaysInMonth,
    IsLeapYear,
    IsMonthStart,
    IsMonthEnd,
    IsQuarterStart,
    IsQuarterEnd,
    IsYearStart,
    IsYearEnd,
    DayName,
    MonthName,
    IsoWeek,
    IsoYear,
    /// Midnight of the day.
    Normalize,
    /// Down to a multiple of so many nanoseconds.
    Floor(i64),
    Ceil(i64),
    Round(i64),
    Strftime(String),
    /// A timedelta in seconds, as a float.
    TotalSeconds,
    /// The days of a timedelta.
    Days,
    /// The seconds of a timedelta beyond its days.
    Seconds,
    /// The microseconds of a timedelta beyond its seconds.
    Microseconds,
    /// To another resolution.
    AsUnit(TimeUnit),
}
