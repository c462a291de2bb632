//! Text of values as Python and pandas write them.

use std::fmt::Write;

/// Appends a float as Python's `repr` does: shortest digits that read back, `1e+16` for large and
/// `1e-05` for small magnitudes, always with a point or an exponent.
pub(crate) fn write_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("nan");
        return;
    }
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "inf" } else { "-inf" });
        return;
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        write_exponent(out, value);
        return;
    }
    if value.fract() == 0.0 {
        let _ = write!(out, "{value:.1}");
    } else {
        let _ = write!(out, "{value}");
    }
}

fn write_exponent(out: &mut String, value: f64) {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "{digits}e{sign}{:02}", exponent.abs());
}

/// As [`write_float`] with the shortest digits of single precision.
pub(crate) fn write_float32(out: &mut String, value: f32) {
    if !value.is_finite() || value == 0.0 {
        write_float(out, f64::from(value));
        return;
    }
    match value.to_string().parse::<f64>() {
        Ok(shortest) => write_float(out, shortest),
        Err(_) => write_float(out, f64::from(value)),
    }
}
