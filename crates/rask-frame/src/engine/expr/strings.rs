//! Functions of `Series.str`. Missing texts stay missing; tests of them are false.

use std::sync::Arc;

use arrow_array::builder::LargeStringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, Int64Array, LargeStringArray};
use arrow_buffer::BooleanBuffer;
use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};

use super::evaluate::Evaluated;
use super::{Side, StrFunction};
use crate::engine::{Column, DType, EngineError, Result, Scalar};

pub(super) fn string_function(
    function: &StrFunction,
    input: &Column,
    rest: &[Evaluated],
) -> Result<Column> {
    if let DType::Category { .. } = input.dtype() {
        return on_categories(function, input, rest);
    }
    let texts = input.as_str()?;
    use StrFunction::*;
    match function {
        Len => Ok(integers(texts, |t| count_characters(t) as i64)),
        Find(part) => Ok(integers(texts, |t| place(t, t.find(part.as_str())))),
        Rfind(part) => Ok(integers(texts, |t| place(t, t.rfind(part.as_str())))),
        Count(pattern) => {
            let regex = regex_of(pattern, true)?;
            Ok(integers(texts, |t| regex.find_iter(t).count() as i64))
        }
        Cat(separator) => cat(texts, separator, &rest[0]),
        Get(at) => Ok(optional(texts, |t| get(t, *at))),
        SplitGet {
            separator,
            limit,
            place,
        } => Ok(optional(texts, |t| {
            split_get(t, separator.as_deref(), *limit, *place)
        })),
        Extract { pattern, group } => {
            let regex = regex_of(pattern, true)?;
            Ok(optional(texts, |t| {
                let captures = regex.captures(t)?;
                Some(captures.get(*group)?.as_str().to_string())
            }))
        }
        _ => match find_test(function)? {
            Some(test) => Ok(tests(texts, |t| test(t))),
            None => transform(function, texts),
        },
    }
}

/// The function of each category, looked up by row.
fn on_categories(function: &StrFunction, input: &Column, rest: &[Evaluated]) -> Result<Column> {
    if !rest.is_empty() {
        return string_function(function, &input.cast(&DType::Str)?, rest);
    }
    let dictionary = input.array().as_dictionary::<Int32Type>();
    let categories = Column::new(DType::Str, dictionary.values().clone())?;
    let mapped = string_function(function, &categories, rest)?;
    let rows = dictionary
        .keys()
        .iter()
        .map(|key| key.map(|k| k as u32))
        .collect();
    let out = mapped.take_optional(&rows)?;
    if mapped.dtype() == &DType::Bool && out.missing_count() > 0 {
        let filled = super::missing::fill(&out, &Evaluated::Scalar(Scalar::Bool(false)))?;
        return filled.cast(&DType::Bool);
    }
    Ok(out)
}

fn integers(texts: &LargeStringArray, f: impl Fn(&str) -> i64) -> Column {
    let array: Int64Array = texts.iter().map(|t| t.map(&f)).collect();
    if array.null_count() == 0 {
        return Column::from_values::<Int64Type>(array.values().to_vec());
    }
    let values = array.iter().map(|v| v.map_or(f64::NAN, |v| v as f64));
    Column::from_f64(values.collect())
}

fn optional(texts: &LargeStringArray, f: impl Fn(&str) -> Option<String>) -> Column {
    Column::from_strings(texts.iter().map(|t| f(t?)).collect())
}

fn tests(texts: &LargeStringArray, f: impl Fn(&str) -> bool) -> Column {
    Column::from_bits(BooleanBuffer::collect_bool(texts.len(), |i| {
        texts.is_valid(i) && f(texts.value(i))
    }))
}

fn count_characters(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// A byte place as a character place, -1 if there is none.
fn place(text: &str, found: Option<usize>) -> i64 {
    found.map_or(-1, |at| count_characters(&text[..at]) as i64)
}

fn regex_of(pattern: &str, is_case_sensitive: bool) -> Result<Regex> {
    RegexBuilder::new(pattern)
        .case_insensitive(!is_case_sensitive)
        .build()
        .map_err(|e| EngineError::value(format!("unusable regular expression '{pattern}': {e}")))
}

type Test = Box<dyn Fn(&str) -> bool>;

fn find_test(function: &StrFunction) -> Result<Option<Test>> {
    use StrFunction::*;
    let all = |f: fn(char) -> bool| -> Option<Test> {
        Some(Box::new(move |t| !t.is_empty() && t.chars().all(f)))
    };
    Ok(match function {
        Contains {
            pattern,
            is_regex,
            is_case_sensitive,
        } => Some(contains(pattern, *is_regex, *is_case_sensitive)?),
        Match {
            pattern,
            is_case_sensitive,
        } => {
            let regex = regex_of(&format!("^(?:{pattern})"), *is_case_sensitive)?;
            Some(Box::new(move |t| regex.is_match(t)))
        }
        FullMatch {
            pattern,
            is_case_sensitive,
        } => {
            let regex = regex_of(&format!("^(?:{pattern})$"), *is_case_sensitive)?;
            Some(Box::new(move |t| regex.is_match(t)))
        }
        StartsWith(parts) => {
            let parts = parts.clone();
            Some(Box::new(move |t| {
                parts.iter().any(|p| t.starts_with(p.as_str()))
            }))
        }
        EndsWith(parts) => {
            let parts = parts.clone();
            Some(Box::new(move |t| {
                parts.iter().any(|p| t.ends_with(p.as_str()))
            }))
        }
        IsDigit | IsDecimal => all(|c| c.is_ascii_digit() || (c.is_numeric() && !c.is_ascii())),
        IsNumeric => all(char::is_numeric),
        IsAlpha => all(char::is_alphabetic),
        IsAlnum => all(char::is_alphanumeric),
        IsSpace => all(char::is_whitespace),
        IsLower => Some(Box::new(|t| {
            t.chars().any(char::is_lowercase) && !t.chars().any(char::is_uppercase)
        })),
        IsUpper => Some(Box::new(|t| {
            t.chars().any(char::is_uppercase) && !t.chars().any(char::is_lowercase)
        })),
        IsTitle => Some(Box::new(|t| !t.is_empty() && title(t) == t)),
        _ => None,
    })
}

fn contains(pattern: &str, is_regex: bool, is_case_sensitive: bool) -> Result<Test> {
    let is_plain = !is_regex || regex::escape(pattern) == pattern;
    if is_plain && is_case_sensitive {
        let finder = Finder::new(pattern.as_bytes()).into_owned();
        return Ok(Box::new(move |t| finder.find(t.as_bytes()).is_some()));
    }
    let pattern = if is_plain {
        regex::escape(pattern)
    } else {
        pattern.to_string()
    };
    let regex = regex_of(&pattern, is_case_sensitive)?;
    Ok(Box::new(move |t| regex.is_match(t)))
}

/// Functions from text to text, written into one buffer.
fn transform(function: &StrFunction, texts: &LargeStringArray) -> Result<Column> {
    let write = writer(function)?;
    let mut builder = LargeStringBuilder::with_capacity(texts.len(), texts.value_data().len());
    let mut buffer = String::new();
    for text in texts {
        match text {
            None => builder.append_null(),
            Some(text) => {
                buffer.clear();
                write(text, &mut buffer);
                builder.append_value(&buffer);
            }
        }
    }
    Column::new(DType::Str, Arc::new(builder.finish()))
}

type Writer = Box<dyn Fn(&str, &mut String)>;

fn writer(function: &StrFunction) -> Result<Writer> {
    use StrFunction::*;
    Ok(match function.clone() {
        Lower => Box::new(|t, out| {
            if t.is_ascii() {
                out.push_str(t);
                out.make_ascii_lowercase();
            } else {
                out.push_str(&t.to_lowercase());
            }
        }),
        Upper => Box::new(|t, out| {
            if t.is_ascii() {
                out.push_str(t);
                out.make_ascii_uppercase();
            } else {
                out.push_str(&t.to_uppercase());
            }
        }),
        Title => Box::new(|t, out| out.push_str(&title(t))),
        Capitalize => Box::new(|t, out| {
            let mut characters = t.chars();
            if let Some(first) = characters.next() {
                out.extend(first.to_uppercase());
                out.push_str(&characters.as_str().to_lowercase());
            }
        }),
        Swapcase => Box::new(|t, out| {
            for c in t.chars() {
                if c.is_uppercase() {
                    out.extend(c.to_lowercase());
                } else {
                    out.extend(c.to_uppercase());
                }
            }
        }),
        Strip { side, characters } => Box::new(move |t, out| {
            let is_stripped = |c: char| match &characters {
                Some(set) => set.contains(c),
                None => c.is_whitespace(),
            };
            out.push_str(match side {
                Side::Left => t.trim_start_matches(is_stripped),
                Side::Right => t.trim_end_matches(is_stripped),
                Side::Both => t.trim_matches(is_stripped),
            });
        }),
        RemovePrefix(part) => {
            Box::new(move |t, out| out.push_str(t.strip_prefix(part.as_str()).unwrap_or(t)))
        }
        RemoveSuffix(part) => {
            Box::new(move |t, out| out.push_str(t.strip_suffix(part.as_str()).unwrap_or(t)))
        }
        Replace {
            pattern,
            replacement,
            is_regex,
            is_case_sensitive,
            count,
        } => replacer(&pattern, replacement, is_regex, is_case_sensitive, count)?,
        Slice { start, stop, step } => {
            if step == Some(0) {
                return Err(EngineError::value("slice step cannot be zero"));
            }
            Box::new(move |t, out| slice(t, start, stop, step.unwrap_or(1), out))
        }
        Zfill(width) => Box::new(move |t, out| {
            let (sign, digits) = match t.as_bytes().first() {
                Some(b'+' | b'-') => t.split_at(1),
                _ => ("", t),
            };
            out.push_str(sign);
            let missing = width.saturating_sub(count_characters(t));
            out.extend(std::iter::repeat_n('0', missing));
            out.push_str(digits);
        }),
        Pad { width, side, fill } => Box::new(move |t, out| {
            let missing = width.saturating_sub(count_characters(t));
            // As Python's `center`: an odd rest goes left when the width is odd.
            let before = match side {
                Side::Left => missing,
                Side::Right => 0,
                Side::Both => missing / 2 + (missing & width & 1),
            };
            out.extend(std::iter::repeat_n(fill, before));
            out.push_str(t);
            out.extend(std::iter::repeat_n(fill, missing - before));
        }),
        Repeat(times) => Box::new(move |t, out| out.push_str(&t.repeat(times))),
        other => {
            return Err(EngineError::unsupported(format!(
                "{other:?} does not give text"
            )));
        }
    })
}

fn replacer(
    pattern: &str,
    replacement: String,
    is_regex: bool,
    is_case_sensitive: bool,
    count: Option<usize>,
) -> Result<Writer> {
    if !is_regex && is_case_sensitive {
        let pattern = pattern.to_string();
        return Ok(Box::new(move |t, out| {
            out.push_str(&match count {
                None => t.replace(&pattern, &replacement),
                Some(count) => t.replacen(&pattern, &replacement, count),
            });
        }));
    }
    let regex = if is_regex {
        regex_of(pattern, is_case_sensitive)?
    } else {
        regex_of(&regex::escape(pattern), is_case_sensitive)?
    };
    let replacement = python_replacement(&replacement, is_regex);
    Ok(Box::new(move |t, out| {
        out.push_str(&regex.replacen(t, count.unwrap_or(0), replacement.as_str()));
    }))
}

/// Python's `\1` and `\g<name>` as the regex crate's `${1}` and `${name}`.
fn python_replacement(text: &str, is_regex: bool) -> String {
    let escaped = text.replace('$', "$$");
    if !is_regex {
        return escaped;
    }
    let mut out = String::new();
    let mut rest = escaped.as_str();
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            out.push_str(&format!("${{{}}}", &rest[..digits]));
            rest = &rest[digits..];
        } else if let Some(name) = rest.strip_prefix("g<").and_then(|r| r.split_once('>')) {
            out.push_str(&format!("${{{}}}", name.0));
            rest = name.1;
        } else if let Some(plain) = rest.strip_prefix('\\') {
            out.push('\\');
            rest = plain;
        } else {
            out.push('\\');
        }
    }
    out.push_str(rest);
    out
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_inside = false;
    for c in text.chars() {
        if c.is_alphabetic() {
            if is_inside {
                out.extend(c.to_lowercase());
            } else {
                out.extend(c.to_uppercase());
            }
            is_inside = true;
        } else {
            out.push(c);
            is_inside = false;
        }
    }
    out
}

fn slice(text: &str, start: Option<i64>, stop: Option<i64>, step: i64, out: &mut String) {
    let characters: Vec<char> = text.chars().collect();
    let len = characters.len() as i64;
    let resolve = |at: i64, low: i64, high: i64| {
        let at = if at < 0 { at + len } else { at };
        at.clamp(low, high)
    };
    let (mut at, end) = if step > 0 {
        (
            start.map_or(0, |s| resolve(s, 0, len)),
            stop.map_or(len, |s| resolve(s, 0, len)),
        )
    } else {
        (
            start.map_or(len - 1, |s| resolve(s, -1, len - 1)),
            stop.map_or(-1, |s| resolve(s, -1, len - 1)),
        )
    };
    while (step > 0 && at < end) || (step < 0 && at > end) {
        out.push(characters[at as usize]);
        at += step;
    }
}

fn get(text: &str, at: i64) -> Option<String> {
    let place = if at < 0 {
        count_characters(text) as i64 + at
    } else {
        at
    };
    let place = usize::try_from(place).ok()?;
    text.chars().nth(place).map(|c| c.to_string())
}

fn split_get(
    text: &str,
    separator: Option<&str>,
    limit: Option<usize>,
    place: i64,
) -> Option<String> {
    let parts: Vec<&str> = match (separator, limit) {
        (None, None) => text.split_whitespace().collect(),
        (None, Some(limit)) => split_white_space(text, limit),
        (Some(separator), None) => text.split(separator).collect(),
        (Some(separator), Some(limit)) => text.splitn(limit + 1, separator).collect(),
    };
    let place = if place < 0 {
        parts.len() as i64 + place
    } else {
        place
    };
    parts
        .get(usize::try_from(place).ok()?)
        .map(|part| part.to_string())
}

fn split_white_space(text: &str, limit: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if parts.len() == limit {
            parts.push(rest);
            break;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        parts.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    parts
}

fn cat(texts: &LargeStringArray, separator: &str, other: &Evaluated) -> Result<Column> {
    let other = other.clone().into_column(texts.len())?;
    let joined: LargeStringArray = texts
        .iter()
        .zip(other.as_str()?.iter())
        .map(|(a, b)| Some([a?, separator, b?].concat()))
        .collect();
    Ok(Column::from_strings(joined))
}
