//! Text within pages.

use std::fmt::Write;

/// Text that means nothing to a browser.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A string for a script: nothing in it ends the string or the script.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                write!(quoted, "\\u{:04x}", character as u32).unwrap_or_default();
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A number with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut apart = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// Microseconds as seconds.
pub fn seconds(micros: u64) -> String {
    format!("{}.{:03}", count(micros / 1_000_000), micros / 1000 % 1000)
}

/// Bytes as mebibytes.
pub fn mebibytes(nbytes: u64) -> String {
    let tenths = (u128::from(nbytes) * 10 / (1 << 20)) as u64;
    format!("{}.{} MiB", count(tenths / 10), tenths % 10)
}

/// A time in microseconds since the epoch, in UTC.
pub fn time(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC",
        second % 60
    )
}

/// The date so many days after the epoch: years are counted from March on, in cycles of 400.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + cycle * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_script() {
        let quoted = quote("</script>\"\\\n\u{2028}é");
        assert_eq!(quoted, "\"\\u003c/script\\u003e\\\"\\\\\\u000a\\u2028é\"");
        assert_eq!(
            escape("<a b='c'>&\""),
            "&lt;a b=&#x27;c&#x27;&gt;&amp;&quot;"
        );
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(seconds(1_234_567_890), "1,234.567");
        assert_eq!(mebibytes(3 << 19), "1.5 MiB");
        assert_eq!(mebibytes(5 << 40), "5,242,880.0 MiB");
        assert_eq!(mebibytes(0), "0.0 MiB");
    }

    #[test]
    fn times_are_dates() {
        assert_eq!(time(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(time(951_782_400_000_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(time(1_795_248_239_000_000), "2026-11-21 08:03:59 UTC");
    }
}
