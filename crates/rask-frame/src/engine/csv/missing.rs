//! The texts that mean a missing value.

use hashbrown::HashSet;

use super::CsvOptions;

/// pandas' default texts for missing values.
const DEFAULT: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// A set of texts with a quick refusal by first byte and length.
pub(super) struct MissingTexts {
    texts: HashSet<Vec<u8>>,
    starts: [bool; 256],
    len_max: usize,
    has_empty: bool,
}

impl MissingTexts {
    pub(super) fn new(options: &CsvOptions) -> MissingTexts {
        let mut texts: HashSet<Vec<u8>> = HashSet::new();
        if options.na_filter {
            if options.keep_default_na {
                texts.extend(DEFAULT.iter().map(|t| t.as_bytes().to_vec()));
            }
            texts.extend(options.na_values.iter().map(|t| t.as_bytes().to_vec()));
        }
        let mut starts = [false; 256];
        for text in &texts {
            if let Some(first) = text.first() {
                starts[*first as usize] = true;
            }
        }
        MissingTexts {
            len_max: texts.iter().map(|t| t.len()).max().unwrap_or(0),
            has_empty: texts.contains(&b""[..]),
            texts,
            starts,
        }
    }

    #[inline]
    pub(super) fn contains(&self, field: &[u8]) -> bool {
        match field.first() {
            None => self.has_empty,
            Some(first) => {
                self.starts[*first as usize]
                    && field.len() <= self.len_max
                    && self.texts.contains(field)
            }
        }
    }
}
