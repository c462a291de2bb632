//! Where the first record at or after a place in a file starts.
//!
//! A newline inside quotes ends no record, and whether a place is inside quotes is known only from
//! the start of the file. Both possibilities are tried on what follows: under the wrong one quotes
//! open in the middle of fields and close before text. The one with fewer such quotes is taken. The
//! answer depends on the file and the place alone, so two readers of adjacent ranges agree.

use super::{CsvOptions, Separator};

/// Windows longer than this are judged by what is there.
const WINDOW_BYTES_MAX: usize = 1 << 24;

/// The start of the first record at or after a place, or `None` if the window, which starts there,
/// is too short to say. `before` is the byte before the window.
pub(super) fn find_record_start(
    window: &[u8],
    before: u8,
    is_last: bool,
    options: &CsvOptions,
) -> Option<usize> {
    let outside = read_quotes(window, before, options, false);
    let is_short = !is_last && window.len() < WINDOW_BYTES_MAX;
    if memchr::memchr(options.quote, window).is_none() {
        return outside.end.or((!is_short).then_some(window.len()));
    }
    let inside = read_quotes(window, before, options, true);
    if is_short && (outside.end.is_none() || inside.end.is_none()) {
        return None;
    }
    let found = if inside.misplaced < outside.misplaced {
        inside.end
    } else {
        outside.end
    };
    found.or(Some(window.len()))
}

/// A reading of a window.
struct Reading {
    /// The place after the first newline outside quotes.
    end: Option<usize>,
    /// Quotes that open in the middle of a field or close before text.
    misplaced: usize,
}

fn read_quotes(window: &[u8], before: u8, options: &CsvOptions, is_inside: bool) -> Reading {
    let is_border = |byte: Option<&u8>| match byte {
        None | Some(b'\n' | b'\r') => true,
        Some(byte) => match options.separator {
            Separator::Byte(separator) => *byte == separator,
            Separator::Whitespace => matches!(byte, b' ' | b'\t'),
        },
    };
    let mut reading = Reading {
        end: (before == b'\n' && !is_inside).then_some(0),
        misplaced: 0,
    };
    let mut is_inside = is_inside;
    let mut at = 0;
    while let Some(found) = memchr::memchr2(options.quote, b'\n', &window[at..]) {
        let place = at + found;
        at = place + 1;
        if window[place] == b'\n' {
            if !is_inside && reading.end.is_none() {
                reading.end = Some(at);
            }
        } else if !is_inside {
            let previous = match place {
                0 => Some(&before),
                _ => window.get(place - 1),
            };
            // Such a quote is a letter like any other.
            let opens = is_border(previous);
            reading.misplaced += usize::from(!opens);
            is_inside = opens;
        } else if window.get(at) == Some(&options.quote) {
            at += 1;
        } else {
            reading.misplaced += usize::from(!is_border(window.get(at)));
            is_inside = false;
        }
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_leads_to_the_next_record() {
        let text = "1,\"line\nbreak, and 12\",1.5\n2,\"say \"\"hi\"\"\",x\n3,plain,y\n".repeat(3);
        let starts: Vec<usize> = {
            let mut starts = vec![0];
            let mut is_inside = false;
            for (i, byte) in text.bytes().enumerate() {
                is_inside ^= byte == b'"';
                if byte == b'\n' && !is_inside {
                    starts.push(i + 1);
                }
            }
            starts
        };
        let bytes = text.as_bytes();
        let options = CsvOptions::default();
        for place in 1..bytes.len() {
            // The last record alone does not say whether a place in it is quoted.
            if place > starts[starts.len() - 3] {
                break;
            }
            let found = find_record_start(&bytes[place..], bytes[place - 1], true, &options);
            let wanted = *starts.iter().find(|s| **s >= place).expect("a later start");
            assert_eq!(found.map(|f| f + place), Some(wanted), "at {place}");
        }
    }
}
