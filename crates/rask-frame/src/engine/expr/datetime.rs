//! Functions of `Series.dt`.

use std::sync::Arc;

use arrow_array::timezone::Tz;
use arrow_array::types::Int32Type;
use arrow_array::{Array, BooleanArray, Float64Array, Int32Array, Int64Array, UInt32Array};
use chrono::{DateTime, Offset, TimeZone};

use super::DtFunction;
use crate::engine::calendar::{self, Date, date_of_days, days_in_month, days_of_date, split_days};
use crate::engine::{Column, DType, EngineError, Number, Result, TimeUnit};

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) fn to_datetime(input: &Column, unit: TimeUnit) -> Result<Column> {
    match input.dtype() {
        DType::Datetime(..) => Ok(input.clone()),
        DType::Str => input.cast(&DType::Datetime(unit, None)),
        dtype if dtype.is_integer() => {
            let ticks = input.cast(&DType::INT64)?.ticks()?;
            Column::from_ticks(DType::Datetime(unit, None), ticks)
        }
        other => Err(EngineError::type_error(format!(
            "cannot read values of dtype {other} as datetimes"
        ))),
    }
}

/// Ticks of the local clock: the zone's offset added.
fn local_ticks(input: &Column) -> Result<(Int64Array, TimeUnit)> {
    let DType::Datetime(unit, zone) = input.dtype() else {
        return Err(EngineError::type_error(format!(
            "Can only use .dt accessor with datetimelike values, not {}",
            input.dtype()
        )));
    };
    let ticks = input.ticks()?;
    let Some(zone) = zone.as_deref().filter(|z| *z != "UTC") else {
        return Ok((ticks, *unit));
    };
    let zone: Tz = zone.parse()?;
    let per_second = unit.per_second();
    let shifted = ticks.unary(|tick: i64| {
        let seconds = tick.div_euclid(per_second);
        let offset = DateTime::from_timestamp(seconds, 0).map_or(0, |utc| {
            let offset = zone.offset_from_utc_datetime(&utc.naive_utc()).fix();
            i64::from(offset.local_minus_utc())
        });
        tick.wrapping_add(offset * per_second)
    });
    Ok((shifted, *unit))
}

pub(super) fn datetime_function(function: &DtFunction, input: &Column) -> Result<Column> {
    use DtFunction::*;
    if let DType::Timedelta(_) = input.dtype() {
        return timedelta_function(function, input);
    }
    match function {
        AsUnit(unit) => {
            let DType::Datetime(_, zone) = input.dtype() else {
                return Err(EngineError::type_error("expected datetimes"));
            };
            return input.cast(&DType::Datetime(*unit, zone.clone()));
        }
        Floor(step) => return to_multiple(input, *step, |rest, step| rest - rest.rem_euclid(step)),
        Ceil(step) => return to_multiple(input, *step, ceil_to),
        Round(step) => return to_multiple(input, *step, round_to),
        Normalize => {
            return to_multiple(input, 86_400_000_000_000, |v, step| v - v.rem_euclid(step));
        }
        _ => {}
    }
    let (ticks, unit) = local_ticks(input)?;
    match function {
        IsLeapYear | IsMonthStart | IsMonthEnd | IsQuarterStart | IsQuarterEnd | IsYearStart
        | IsYearEnd => Ok(Column::from_bits(
            ticks
                .iter()
                .map(|tick| tick.is_some_and(|t| is_date(function, split_days(t, unit).0)))
                .collect::<BooleanArray>()
                .values()
                .clone(),
        )),
        DayName | MonthName | Strftime(_) => names(function, &ticks, unit),
        IsoWeek | IsoYear => {
            let array: UInt32Array = ticks
                .iter()
                .map(|tick| {
                    tick.map(|t| {
                        let (year, week) = iso_week(split_days(t, unit).0);
                        if *function == IsoWeek {
                            week
                        } else {
                            year as u32
                        }
                    })
                })
                .collect();
            Column::new(DType::NullableNumber(Number::UInt32), Arc::new(array))
        }
        _ => fields(function, &ticks, unit),
    }
}

/// A field as int32, or float64 when there are missing values, as pandas.
fn fields(function: &DtFunction, ticks: &Int64Array, unit: TimeUnit) -> Result<Column> {
    if ticks.null_count() == 0 {
        let values = ticks.values().iter().map(|t| field(function, *t, unit));
        return Ok(Column::from_values::<Int32Type>(values.collect()));
    }
    let values: Float64Array = ticks
        .iter()
        .map(|tick| tick.map(|t| f64::from(field(function, t, unit))))
        .collect();
    Column::new(DType::FLOAT64, Arc::new(values))
}

fn field(function: &DtFunction, tick: i64, unit: TimeUnit) -> i32 {
    use DtFunction::*;
    let (days, in_day) = split_days(tick, unit);
    let per_second = unit.per_second();
    let seconds = in_day / per_second;
    let nanoseconds = in_day % per_second * (1_000_000_000 / per_second);
    let value = match function {
        Hour => seconds / 3600,
        Minute => seconds / 60 % 60,
        Second => seconds % 60,
        Microsecond => nanoseconds / 1000,
        Nanosecond => nanoseconds % 1000,
        DayOfWeek => day_of_week(days),
        _ => {
            let date = date_of_days(days);
            match function {
                Year => date.year,
                Month => i64::from(date.month),
                Day => i64::from(date.day),
                Quarter => i64::from((date.month - 1) / 3 + 1),
                DaysInMonth => i64::from(days_in_month(date.year, date.month)),
                _ => days - days_of_date(date.year, 1, 1) + 1,
            }
        }
    };
    value as i32
}

fn day_of_week(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

fn is_date(function: &DtFunction, days: i64) -> bool {
    use DtFunction::*;
    let Date { year, month, day } = date_of_days(days);
    let is_last = day == days_in_month(year, month);
    match function {
        IsLeapYear => calendar::is_leap(year),
        IsMonthStart => day == 1,
        IsMonthEnd => is_last,
        IsQuarterStart => day == 1 && month % 3 == 1,
        IsQuarterEnd => is_last && month % 3 == 0,
        IsYearStart => day == 1 && month == 1,
        _ => is_last && month == 12,
    }
}

/// The year and week of ISO 8601.
fn iso_week(days: i64) -> (i64, u32) {
    let thursday = days - day_of_week(days) + 3;
    let year = date_of_days(thursday).year;
    let week = (thursday - days_of_date(year, 1, 1)) / 7 + 1;
    (year, week as u32)
}

fn names(function: &DtFunction, ticks: &Int64Array, unit: TimeUnit) -> Result<Column> {
    let name = |tick: i64| -> Result<String> {
        let days = split_days(tick, unit).0;
        match function {
            DtFunction::DayName => Ok(DAYS[day_of_week(days) as usize].to_string()),
            DtFunction::Strftime(format) => strftime(tick, unit, format),
            _ => Ok(MONTHS[date_of_days(days).month as usize - 1].to_string()),
        }
    };
    let texts = ticks
        .iter()
        .map(|tick| tick.map(name).transpose())
        .collect::<Result<arrow_array::LargeStringArray>>()?;
    Ok(Column::from_strings(texts))
}

fn strftime(tick: i64, unit: TimeUnit, format: &str) -> Result<String> {
    use std::fmt::Write;
    let (seconds, rest) = (
        tick.div_euclid(unit.per_second()),
        tick.rem_euclid(unit.per_second()),
    );
    let nanoseconds = rest * (1_000_000_000 / unit.per_second());
    let time = DateTime::from_timestamp(seconds, nanoseconds as u32)
        .ok_or_else(|| EngineError::value("a datetime beyond the calendar"))?;
    // Python's %f is six digits without a point.
    let format = format.replace("%f", &format!("{:06}", nanoseconds / 1000));
    let mut out = String::new();
    write!(out, "{}", time.naive_utc().format(&format))
        .map_err(|_| EngineError::value(format!("unknown datetime format '{format}'")))?;
    Ok(out)
}

/// To multiples of a step of nanoseconds on the local clock.
fn to_multiple(input: &Column, step_ns: i64, f: impl Fn(i64, i64) -> i64) -> Result<Column> {
    let unit = input
        .time_unit()
        .ok_or_else(|| EngineError::type_error("expected datetimes"))?;
    let step = step_ns / (1_000_000_000 / unit.per_second());
    if step <= 1 {
        return Ok(input.clone());
    }
    let ticks = input.ticks()?;
    let local = match input.dtype() {
        DType::Datetime(..) => local_ticks(input)?.0,
        _ => ticks.clone(),
    };
    let values = ticks
        .values()
        .iter()
        .zip(local.values())
        .map(|(tick, local)| tick + (f(*local, step) - local))
        .collect();
    Column::from_ticks(
        input.dtype().clone(),
        Int64Array::new(values, ticks.nulls().cloned()),
    )
}

fn ceil_to(value: i64, step: i64) -> i64 {
    let rest = value.rem_euclid(step);
    if rest == 0 {
        value
    } else {
        value - rest + step
    }
}

/// To the nearest multiple, halves to the even one.
fn round_to(value: i64, step: i64) -> i64 {
    let rest = value.rem_euclid(step);
    let down = value - rest;
    let is_up = rest * 2 > step || (rest * 2 == step && down.div_euclid(step) % 2 != 0);
    if is_up { down + step } else { down }
}

fn timedelta_function(function: &DtFunction, input: &Column) -> Result<Column> {
    use DtFunction::*;
    let unit = input
        .time_unit()
        .ok_or_else(|| EngineError::type_error("expected timedeltas"))?;
    let ticks = input.ticks()?;
    let per_second = unit.per_second();
    match function {
        AsUnit(unit) => input.cast(&DType::Timedelta(*unit)),
        Floor(step) => to_multiple(input, *step, |v, step| v - v.rem_euclid(step)),
        Ceil(step) => to_multiple(input, *step, ceil_to),
        Round(step) => to_multiple(input, *step, round_to),
        TotalSeconds => {
            let seconds: Float64Array = ticks.unary(|t: i64| t as f64 / per_second as f64);
            Column::new(DType::FLOAT64, Arc::new(seconds))
        }
        Days => {
            let days: Int64Array = ticks.unary(|t: i64| split_days(t, unit).0);
            Column::from_arrow(Arc::new(days))
        }
        Seconds | Microseconds => {
            let is_seconds = *function == Seconds;
            let part: Int32Array = ticks.unary(|t: i64| {
                let in_day = split_days(t, unit).1;
                if is_seconds {
                    (in_day / per_second) as i32
                } else {
                    (in_day % per_second * (1_000_000_000 / per_second) / 1000) as i32
                }
            });
            Column::from_arrow(Arc::new(part))
        }
        other => Err(EngineError::type_error(format!(
            "timedeltas have no .dt.{}",
            format!("{other:?}").to_lowercase()
        ))),
    }
}
