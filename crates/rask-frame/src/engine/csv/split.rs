//! Where the first record at or after a place in a file starts.
//!
//! A newline inside quotes ends no record, and whether a place is inside quotes is known only from
//! the start of the file. Both possibilities are tried on what follows: the one whose records have
//! the right number of fields is taken. The answer depends on the file and the place alone, so two
//! readers of adjacent ranges agree.

use super::CsvOptions;
use super::scan::Fields;

/// Records looked at to judge a possibility.
const JUDGED: usize = 16;

/// The start of the first record at or after `at` in the window, or `None` if the window is too
/// short to say. `before` is the byte before the window's start.
pub(super) fn find_record_start(
    window: &[u8],
    before: u8,
    is_last: bool,
    options: &CsvOptions,
    field_count: usize,
) -> Option<usize> {
    let has_quotes = memchr::memchr(options.quote, window).is_some();
    let outside = find_record_end(window, before, options.quote, false);
    if !has_quotes {
        return outside.or(is_last.then_some(window.len()));
    }
    let inside = find_record_end(window, before, options.quote, true);
    if !is_last && (outside.is_none() || inside.is_none()) && window.len() < 1 << 24 {
        return None;
    }
    let fits = |start: Option<usize>| {
        start.is_some_and(|s| is_plausible(&window[s..], options, field_count))
    };
    let found = match (fits(outside), fits(inside)) {
        (false, true) => inside,
        _ => outside,
    };
    found.or(is_last.then_some(window.len()))
}

/// The place after the first newline outside quotes, given whether the window starts inside.
fn find_record_end(window: &[u8], before: u8, quote: u8, is_inside: bool) -> Option<usize> {
    if before == b'\n' && !is_inside {
        return Some(0);
    }
    let mut is_inside = is_inside;
    let mut at = 0;
    loop {
        let found = at + memchr::memchr2(quote, b'\n', &window[at..])?;
        if window[found] == quote {
            is_inside = !is_inside;
        } else if !is_inside {
            return Some(found + 1);
        }
        at = found + 1;
    }
}

fn is_plausible(rest: &[u8], options: &CsvOptions, field_count: usize) -> bool {
    let mut end = 0;
    for _ in 0..JUDGED * 4 {
        match memchr::memchr(b'\n', &rest[end..]) {
            Some(n) => end += n + 1,
            None => break,
        }
    }
    let mut fields = Fields::default();
    if fields.scan(&rest[..end], options, field_count).is_err() {
        return false;
    }
    // Short records are padded with empty fields: count the full ones.
    let full = (0..fields.len().min(JUDGED)).filter(|row| {
        let ends = &fields.ends[row * field_count..(row + 1) * field_count];
        field_count < 2 || ends[field_count - 1] != ends[field_count - 2]
    });
    let judged = fields.len().min(JUDGED);
    judged == 0 || full.count() * 2 >= judged
}
