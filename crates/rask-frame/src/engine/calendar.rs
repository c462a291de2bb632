//! Days, dates and clock times as integers, and their text.
//!
//! The conversion between days and dates is Howard Hinnant's `days_from_civil`
//! (<https://howardhinnant.github.io/date_algorithms.html>).

use super::TimeUnit;

/// A date of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

pub(crate) fn date_of_days(days: i64) -> Date {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    } as u32;
    Date {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day,
    }
}

pub(crate) fn days_of_date(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads `2013-01-31`, `2013/01/31 05:15`, `2013-01-31T05:15:07.25Z`, `20130131`, `1/31/2013`:
/// nanosecond-exact parts as (seconds since 1970-01-01 UTC, nanoseconds), and whether an offset
/// from UTC was given.
pub(crate) fn parse_datetime(text: &[u8]) -> Option<(i64, u32, bool)> {
    let text = text.trim_ascii();
    let (days, rest) = parse_date(text)?;
    if rest.is_empty() {
        return Some((days * 86_400, 0, false));
    }
    let rest = match rest[0] {
        b'T' | b't' | b' ' => &rest[1..],
        _ => return None,
    };
    let (seconds, nanoseconds, rest) = parse_clock(rest)?;
    let (offset, has_offset) = parse_offset(rest.trim_ascii_start())?;
    Some((days * 86_400 + seconds - offset, nanoseconds, has_offset))
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0u32, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + u32::from(byte - b'0'))
    })
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn parse_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let first = digits(text);
    if first == 8 {
        let (year, month, day) = (
            number(&text[..4])?,
            number(&text[4..6])?,
            number(&text[6..8])?,
        );
        return checked_days(year, month, day).map(|days| (days, &text[8..]));
    }
    if first == 4 && text.len() >= 7 && matches!(text[4], b'-' | b'/') {
        let rest = &text[5..];
        let n = digits(rest);
        let month = number(&rest[..n])?;
        if n == rest.len() {
            return checked_days(number(&text[..4])?, month, 1).map(|days| (days, &rest[n..]));
        }
        if rest[n] != text[4] {
            return None;
        }
        let rest = &rest[n + 1..];
        let n = digits(rest);
        let day = number(&rest[..n])?;
        return checked_days(number(&text[..4])?, month, day).map(|days| (days, &rest[n..]));
    }
    if (first == 1 || first == 2) && text.len() > first && matches!(text[first], b'/' | b'-') {
        let month = number(&text[..first])?;
        let rest = &text[first + 1..];
        let n = digits(rest);
        if n == 0 || n > 2 || rest.len() < n + 5 || rest[n] != text[first] {
            return None;
        }
        let day = number(&rest[..n])?;
        let rest = &rest[n + 1..];
        return checked_days(number(&rest[..4])?, month, day).map(|days| (days, &rest[4..]));
    }
    None
}

fn checked_days(year: u32, month: u32, day: u32) -> Option<i64> {
    let is_date =
        (1..=12).contains(&month) && day >= 1 && day <= days_in_month(i64::from(year), month);
    is_date.then(|| days_of_date(i64::from(year), month, day))
}

fn parse_clock(text: &[u8]) -> Option<(i64, u32, &[u8])> {
    let n = digits(text);
    let hour = number(&text[..n.min(2)])?;
    let mut rest = &text[n.min(2)..];
    let (mut minute, mut second, mut nanoseconds) = (0, 0, 0);
    if let Some(after) = rest.strip_prefix(b":") {
        minute = number(after.get(..2)?)?;
        rest = &after[2..];
        if let Some(after) = rest.strip_prefix(b":") {
            second = number(after.get(..2)?)?;
            rest = &after[2..];
        }
        if let Some(after) = rest.strip_prefix(b".") {
            let n = digits(after);
            let mut scaled = [b'0'; 9];
            let kept = n.min(9);
            scaled[..kept].copy_from_slice(&after[..kept]);
            nanoseconds = number(&scaled)?;
            rest = &after[n..];
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some((seconds, nanoseconds, rest))
}

fn parse_offset(text: &[u8]) -> Option<(i64, bool)> {
    let (sign, rest) = match text.first() {
        None => return Some((0, false)),
        Some(b'Z' | b'z') if text.len() == 1 => return Some((0, true)),
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        Some(_) => return None,
    };
    let hours = number(rest.get(..2)?)?;
    let rest = rest[2..].strip_prefix(b":").unwrap_or(&rest[2..]);
    let minutes = if rest.is_empty() { 0 } else { number(rest)? };
    Some((sign * i64::from(hours * 3600 + minutes * 60), true))
}

/// Ticks of the unit, if they fit.
pub(crate) fn ticks_of(seconds: i64, nanoseconds: u32, unit: TimeUnit) -> Option<i64> {
    let per_second = unit.per_second();
    let fraction = i64::from(nanoseconds) / (1_000_000_000 / per_second);
    seconds.checked_mul(per_second)?.checked_add(fraction)
}

/// Days and ticks into the day.
pub(crate) fn split_days(ticks: i64, unit: TimeUnit) -> (i64, i64) {
    let per_day = 86_400 * unit.per_second();
    (ticks.div_euclid(per_day), ticks.rem_euclid(per_day))
}

/// Appends `2013-01-31`.
pub(crate) fn write_date(out: &mut String, days: i64) {
    use std::fmt::Write;
    let date = date_of_days(days);
    let _ = write!(out, "{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

/// Appends `05:15:07` and a fraction of as many digits as the value needs (3, 6 or 9).
pub(crate) fn write_clock(out: &mut String, ticks_in_day: i64, unit: TimeUnit, digits: usize) {
    use std::fmt::Write;
    let per_second = unit.per_second();
    let seconds = ticks_in_day / per_second;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "{h:02}:{m:02}:{s:02}");
    if digits > 0 {
        let nanoseconds = ticks_in_day % per_second * (1_000_000_000 / per_second);
        let text = format!("{nanoseconds:09}");
        out.push('.');
        out.push_str(&text[..digits]);
    }
}

/// How a column of datetimes is written: dates only if every time is midnight, else with as many
/// fractional digits as any value needs.
#[derive(Clone, Copy)]
pub(crate) struct DatetimeStyle {
    is_date_only: bool,
    fraction_digits: usize,
}

impl DatetimeStyle {
    pub(crate) fn of(ticks: impl Iterator<Item = i64>, unit: TimeUnit) -> DatetimeStyle {
        let mut is_date_only = true;
        let mut fraction_digits = 0;
        let per_second = unit.per_second();
        for tick in ticks {
            let in_day = split_days(tick, unit).1;
            if in_day == 0 {
                continue;
            }
            is_date_only = false;
            let nanoseconds = in_day % per_second * (1_000_000_000 / per_second);
            fraction_digits = fraction_digits.max(match nanoseconds {
                0 => 0,
                n if n % 1_000_000 == 0 => 3,
                n if n % 1_000 == 0 => 6,
                _ => 9,
            });
        }
        // pandas writes microseconds as soon as there is a fraction.
        if fraction_digits == 3 && unit != TimeUnit::Millisecond {
            fraction_digits = 6;
        }
        DatetimeStyle {
            is_date_only,
            fraction_digits,
        }
    }

    pub(crate) fn write(&self, out: &mut String, ticks: i64, unit: TimeUnit) {
        let (days, in_day) = split_days(ticks, unit);
        write_date(out, days);
        if !self.is_date_only {
            out.push(' ');
            write_clock(out, in_day, unit, self.fraction_digits);
        }
    }
}

/// Appends pandas' text of a timedelta: `0 days 05:15:00`, `-1 days +23:00:00.500000`.
pub(crate) fn write_timedelta(out: &mut String, ticks: i64, unit: TimeUnit) {
    use std::fmt::Write;
    let (days, in_day) = split_days(ticks, unit);
    let sign = if days < 0 { "+" } else { "" };
    let _ = write!(out, "{days} days {sign}");
    let per_second = unit.per_second();
    let nanoseconds = in_day % per_second * (1_000_000_000 / per_second);
    let digits = match nanoseconds {
        0 => 0,
        n if n % 1_000 == 0 => 6,
        _ => 9,
    };
    write_clock(out, in_day, unit, digits);
}
