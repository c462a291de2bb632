//! Numbers from text.

/// Reads an integer; `None` if the text is none or does not fit.
#[inline]
pub(super) fn parse_i64(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        b' ' => return parse_i64(text.trim_ascii()),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return parse_long(text);
    }
    let mut value = 0i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return parse_long(text);
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if is_negative { -value } else { value })
}

#[cold]
fn parse_long(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Reads a float. Short decimals are exact in doubles (Clinger's fast path); the rest goes to a
/// full parser.
#[inline]
pub(super) fn parse_f64(text: &[u8]) -> Option<f64> {
    let (is_negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 16 {
        return parse_any(text);
    }
    let mut mantissa = 0u64;
    let mut fraction_digits = 0;
    let mut has_point = false;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
            fraction_digits += usize::from(has_point);
        } else if *byte == b'.' && !has_point {
            has_point = true;
        } else {
            return parse_any(text);
        }
    }
    if mantissa >= 1 << 53 || (has_point && digits.len() == 1) {
        return parse_any(text);
    }
    let value = if fraction_digits == 0 {
        mantissa as f64
    } else {
        mantissa as f64 / POWERS[fraction_digits]
    };
    Some(if is_negative { -value } else { value })
}

#[cold]
fn parse_any(text: &[u8]) -> Option<f64> {
    fast_float2::parse(text.trim_ascii()).ok()
}

/// The text of a number with the decimal point and without thousands separators.
pub(super) fn normalised<'a>(
    text: &[u8],
    decimal: u8,
    thousands: Option<u8>,
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    scratch.clear();
    for byte in text {
        if Some(*byte) == thousands {
            continue;
        }
        scratch.push(if *byte == decimal { b'.' } else { *byte });
    }
    scratch
}
