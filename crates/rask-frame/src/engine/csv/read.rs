//! Reading a range of a file, a buffer, or a whole file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::builder::{BadField, Builder, Rules};
use super::scan::{Fields, TooManyFields};
use super::{CsvOptions, CsvSchema, Separator, split};
use crate::engine::{Column, EngineError, Index, Label, Result, Table};

/// Bytes parsed at a time: a block, its field ends and the columns made of it stay in cache.
const BLOCK_BYTES: usize = 256 << 10;

/// The header of a file.
pub(super) struct Header {
    pub(super) labels: Vec<Label>,
    /// Where the first record starts.
    pub(super) body_start: usize,
}

/// The beginning of a file, up to so many bytes: what [`infer`](super::infer) needs. Cut after the
/// last whole line unless the file ends before.
pub fn read_sample(path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let file = open(path)?;
    let size = size_of(&file, path)?;
    let mut sample = vec![0; (bytes_max as u64).min(size) as usize];
    read_exact_at(&file, &mut sample, 0, path)?;
    if (sample.len() as u64) < size
        && let Some(end) = memchr::memrchr(b'\n', &sample)
    {
        sample.truncate(end + 1);
    }
    Ok(sample)
}

/// Reads the records that start in bytes `start..end` of a file; the header belongs to the first
/// range. Adjacent ranges share out the records without gap or overlap. `columns` are the ones
/// wanted, in this order (all, if `None`).
pub fn read_range(
    path: &Path,
    start: u64,
    end: u64,
    schema: &CsvSchema,
    options: &CsvOptions,
    columns: Option<&[Label]>,
) -> Result<Table> {
    let file = open(path)?;
    let size = size_of(&file, path)?;
    let end = end.min(size);
    let name = path.display().to_string();
    let first = if start == 0 {
        let body = find_body(&file, size, &name, schema, options, path)?;
        body.min(size)
    } else {
        record_start(&file, start, size, options, path)?
    };
    let last = record_start(&file, end, size, options, path)?;
    let mut parser = Parser::new(schema, options, columns, last.saturating_sub(first))?;
    let mut source = FileSource {
        file: &file,
        path,
        at: first,
        end: last,
    };
    let result = parser.run(&mut source, first);
    result.map_err(|failure| failure.into_error(&name, |at| line_in_file(&file, at, path)))?;
    parser.finish()
}

/// Reads a whole file, decompressed by the caller or not compressed.
pub fn read_whole(
    path: &Path,
    schema: &CsvSchema,
    options: &CsvOptions,
    columns: Option<&[Label]>,
) -> Result<Table> {
    read_range(path, 0, u64::MAX, schema, options, columns)
}

/// Reads the contents of a whole file from memory; the name is for error messages.
pub fn read_bytes(
    bytes: &[u8],
    name: &str,
    schema: &CsvSchema,
    options: &CsvOptions,
    columns: Option<&[Label]>,
) -> Result<Table> {
    let header = read_header(bytes, name, options)?;
    check_header(&header.labels, name, schema)?;
    let body = &bytes[header.body_start..];
    let mut parser = Parser::new(schema, options, columns, body.len() as u64)?;
    let mut source = MemorySource { rest: body };
    let result = parser.run(&mut source, header.body_start as u64);
    result
        .map_err(|failure| failure.into_error(name, |at| Ok(line_in_bytes(bytes, at as usize))))?;
    parser.finish()
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| EngineError::io(path, e))
}

fn size_of(file: &File, path: &Path) -> Result<u64> {
    Ok(file.metadata().map_err(|e| EngineError::io(path, e))?.len())
}

fn read_exact_at(file: &File, buffer: &mut [u8], at: u64, path: &Path) -> Result<()> {
    file.read_exact_at(buffer, at)
        .map_err(|e| EngineError::io(path, e))
}

/// Reads the names: the labels of all fields and where the records start.
pub(super) fn read_header(bytes: &[u8], name: &str, options: &CsvOptions) -> Result<Header> {
    let mut at = if bytes.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    };
    for _ in 0..options.skip_rows {
        match memchr::memchr(b'\n', &bytes[at..]) {
            Some(n) => at += n + 1,
            None => at = bytes.len(),
        }
    }
    let (texts, next) = first_record(&bytes[at..], options).ok_or_else(|| {
        EngineError::value(format!(
            "{name}: No columns to parse from file: it is empty"
        ))
    })?;
    let body_start = if options.has_header { at + next } else { at };
    let labels = match (&options.names, options.has_header) {
        (Some(names), _) => {
            if names.len() != texts.len() {
                return Err(EngineError::value(format!(
                    "{name}: {} names were given, the first record has {} fields",
                    names.len(),
                    texts.len()
                )));
            }
            names.clone()
        }
        (None, true) => header_labels(texts),
        (None, false) => (0..texts.len() as i64).map(Label::Int).collect(),
    };
    Ok(Header { labels, body_start })
}

/// The fields of the first record that is not blank, and where the next one starts.
fn first_record(bytes: &[u8], options: &CsvOptions) -> Option<(Vec<String>, usize)> {
    let mut end = 0;
    loop {
        let is_last = match memchr::memchr(b'\n', &bytes[end..]) {
            Some(n) => {
                end += n + 1;
                false
            }
            None => {
                end = bytes.len();
                true
            }
        };
        let mut block = bytes[..end].to_vec();
        if is_last && block.last().is_some_and(|b| *b != b'\n') {
            block.push(b'\n');
        }
        let mut fields = Fields::default();
        // The number of fields is not known yet: ask for none and be told.
        let count = match fields.scan(&block, options, 0) {
            Err(TooManyFields { found, .. }) => found,
            Ok(()) if is_last => return None,
            Ok(()) => continue,
        };
        fields.scan(&block, options, count).ok()?;
        let own = fields.bytes(&block);
        let texts = (0..count)
            .map(|i| {
                let end = fields.ends[i] as usize;
                let start = match i {
                    0 => fields.starts[0] as usize,
                    _ => fields.ends[i - 1] as usize + 1,
                };
                String::from_utf8_lossy(&own[start.min(end)..end]).into_owned()
            })
            .collect();
        return Some((texts, end));
    }
}

/// pandas' names: repeated ones numbered, empty ones by place.
fn header_labels(texts: Vec<String>) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::with_capacity(texts.len());
    for (i, text) in texts.into_iter().enumerate() {
        let base = if text.is_empty() {
            format!("Unnamed: {i}")
        } else {
            text
        };
        let mut label = Label::from(base.as_str());
        let mut number = 0;
        while labels.contains(&label) {
            number += 1;
            label = Label::from(format!("{base}.{number}"));
        }
        labels.push(label);
    }
    labels
}

/// Refuses a file whose header is not that of the file the schema came from.
fn check_header(labels: &[Label], name: &str, schema: &CsvSchema) -> Result<()> {
    if labels.len() != schema.field_count {
        return Err(EngineError::value(format!(
            "{name}: the header has {} columns where the first file has {}",
            labels.len(),
            schema.field_count
        )));
    }
    for column in &schema.columns {
        let found = &labels[column.position];
        if *found != column.label {
            return Err(EngineError::value(format!(
                "{name}: column {} is {found} where the first file has {}",
                column.position + 1,
                column.label
            )));
        }
    }
    Ok(())
}

fn find_body(
    file: &File,
    size: u64,
    name: &str,
    schema: &CsvSchema,
    options: &CsvOptions,
    path: &Path,
) -> Result<u64> {
    let mut window = BLOCK_BYTES as u64;
    loop {
        let mut head = vec![0; window.min(size) as usize];
        read_exact_at(file, &mut head, 0, path)?;
        let header = read_header(&head, name, options)?;
        if header.body_start < head.len() || window >= size {
            check_header(&header.labels, name, schema)?;
            return Ok(header.body_start as u64);
        }
        window *= 4;
    }
}

/// The start of the first record at or after a place in the file.
fn record_start(file: &File, at: u64, size: u64, options: &CsvOptions, path: &Path) -> Result<u64> {
    if at == 0 || at >= size {
        return Ok(at.min(size));
    }
    let mut window = 64 << 10;
    loop {
        let len = (size - at + 1).min(window);
        let is_last = at - 1 + len >= size;
        let mut bytes = vec![0; len as usize];
        read_exact_at(file, &mut bytes, at - 1, path)?;
        let found = split::find_record_start(&bytes[1..], bytes[0], is_last, options);
        if let Some(found) = found {
            return Ok(at + found as u64);
        }
        window *= 4;
    }
}

/// Where bytes come from: adds some to the buffer; none left if it adds nothing.
trait Source {
    fn fill(&mut self, buffer: &mut Vec<u8>, bytes: usize) -> Result<bool>;
}

struct FileSource<'a> {
    file: &'a File,
    path: &'a Path,
    at: u64,
    end: u64,
}

impl Source for FileSource<'_> {
    fn fill(&mut self, buffer: &mut Vec<u8>, bytes: usize) -> Result<bool> {
        let count = (self.end.saturating_sub(self.at)).min(bytes as u64) as usize;
        let old = buffer.len();
        buffer.resize(old + count, 0);
        read_exact_at(self.file, &mut buffer[old..], self.at, self.path)?;
        self.at += count as u64;
        Ok(self.at >= self.end)
    }
}

struct MemorySource<'a> {
    rest: &'a [u8],
}

impl Source for MemorySource<'_> {
    fn fill(&mut self, buffer: &mut Vec<u8>, bytes: usize) -> Result<bool> {
        let (now, later) = self.rest.split_at(bytes.min(self.rest.len()));
        buffer.extend_from_slice(now);
        self.rest = later;
        Ok(later.is_empty())
    }
}

/// What stops a parse, with the place in the file.
enum Failure {
    Other(EngineError),
    Ragged {
        at: u64,
        text: String,
        found: usize,
        expected: usize,
    },
    Field {
        at: u64,
        label: Label,
        message: String,
    },
    Unclosed {
        at: u64,
    },
}

struct Parser<'a> {
    options: &'a CsvOptions,
    field_count: usize,
    builders: Vec<Builder>,
    rules: Rules,
    rows: usize,
    bytes_total: u64,
}

impl<'a> Parser<'a> {
    fn new(
        schema: &CsvSchema,
        options: &'a CsvOptions,
        columns: Option<&[Label]>,
        bytes_total: u64,
    ) -> Result<Parser<'a>> {
        if let Separator::Byte(b'\n' | b'\r') = options.separator {
            return Err(EngineError::value("a newline cannot be the separator"));
        }
        let builders = schema.project(columns)?.into_iter();
        Ok(Parser {
            options,
            field_count: schema.field_count,
            builders: builders.map(|column| Builder::new(column, 0)).collect(),
            rules: Rules::new(options),
            rows: 0,
            bytes_total,
        })
    }

    fn run(&mut self, source: &mut dyn Source, start: u64) -> std::result::Result<(), Failure> {
        let mut buffer: Vec<u8> = Vec::with_capacity(BLOCK_BYTES + 4096);
        let mut fields = Fields::default();
        let mut at = start;
        let mut is_last = self.bytes_total == 0;
        while !is_last {
            let wanted = BLOCK_BYTES.max(buffer.len());
            is_last = source.fill(&mut buffer, wanted).map_err(Failure::Other)?;
            if is_last && buffer.last().is_some_and(|b| *b != b'\n') {
                buffer.push(b'\n');
            }
            let scanned = fields.scan(&buffer, self.options, self.field_count);
            scanned.map_err(|error| self.ragged(&buffer, at, error))?;
            let is_full = self.add_block(&buffer, &mut fields, at)?;
            if is_full {
                return Ok(());
            }
            let rest = buffer.len() - fields.consumed;
            if is_last && rest > 0 {
                let at = at + fields.consumed as u64;
                return Err(Failure::Unclosed { at });
            }
            buffer.copy_within(fields.consumed.., 0);
            buffer.truncate(rest);
            at += fields.consumed as u64;
        }
        Ok(())
    }

    /// Adds a block's records; whether that was enough of them.
    fn add_block(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
        at: u64,
    ) -> std::result::Result<bool, Failure> {
        if let Some(most) = self.options.rows_max
            && self.rows + fields.len() > most
        {
            fields.truncate(most - self.rows, self.field_count);
        }
        if self.rows == 0 && fields.consumed > 0 {
            self.reserve(fields);
        }
        for builder in &mut self.builders {
            let added = builder.add(block, fields, self.field_count, &self.rules);
            added.map_err(|bad| Failure::Field {
                at: at + u64::from(fields.records[bad.row]),
                label: builder.column().label.clone(),
                message: clash(builder, &bad, &self.rules),
            })?;
        }
        self.rows += fields.len();
        Ok(self.options.rows_max == Some(self.rows))
    }

    /// Makes room for as many rows as the first block promises.
    fn reserve(&mut self, fields: &Fields) {
        let rows = self.bytes_total as f64 / fields.consumed as f64 * fields.len() as f64;
        let rows = (rows * 1.02) as usize + 16;
        let columns: Vec<_> = self.builders.iter().map(|b| b.column().clone()).collect();
        self.builders = columns
            .into_iter()
            .map(|column| Builder::new(column, rows))
            .collect();
    }

    fn ragged(&self, block: &[u8], at: u64, error: TooManyFields) -> Failure {
        Failure::Ragged {
            at: at + error.at as u64,
            text: line_text(&block[error.at..]),
            found: error.found,
            expected: self.field_count,
        }
    }

    fn finish(self) -> Result<Table> {
        let rows = self.rows;
        let columns = self
            .builders
            .into_iter()
            .map(|builder| {
                let label = builder.column().label.clone();
                let column: Column = builder
                    .finish()
                    .map_err(|e| EngineError::value(format!("column {label}: {e}")))?;
                Ok((label, column))
            })
            .collect::<Result<_>>()?;
        Table::new(columns, Index::default_range(), rows)
    }
}

/// What to tell about a field that is not of its column's dtype.
fn clash(builder: &Builder, bad: &BadField, rules: &Rules) -> String {
    let column = builder.column();
    let expected = &column.dtype;
    let found = if bad.is_missing {
        "a missing value".to_string()
    } else {
        format!("'{}'", bad.text)
    };
    let is_number = bad.is_missing || rules.parse_float(bad.text.as_bytes()).is_some();
    let wanted = match (expected.is_integer(), expected.is_bool(), is_number) {
        (true, _, true) => "float64",
        (false, true, true) if bad.is_missing => "boolean",
        _ => "str",
    };
    let reason = if column.is_inferred {
        format!("the beginning of the first file has dtype {expected}")
    } else {
        format!("dtype {expected} was asked for")
    };
    format!(
        "found {found} where {reason}; pass dtype={{{}: '{wanted}'}} to read_csv",
        column.label
    )
}

impl Failure {
    fn into_error(self, name: &str, line: impl Fn(u64) -> Result<u64>) -> EngineError {
        let text = match &self {
            Failure::Other(error) => return error.clone(),
            Failure::Ragged {
                at,
                text,
                found,
                expected,
            } => line(*at).map(|n| {
                format!("{name}, line {n}: expected {expected} fields, saw {found}: {text}")
            }),
            Failure::Field { at, label, message } => {
                line(*at).map(|n| format!("{name}, line {n}, column {label}: {message}"))
            }
            Failure::Unclosed { at } => {
                line(*at).map(|n| format!("{name}, line {n}: a quote is opened and never closed"))
            }
        };
        match text {
            Ok(text) => EngineError::value(text),
            Err(error) => error,
        }
    }
}

/// The error for a ragged sample.
pub(super) fn ragged(
    name: &str,
    bytes: &[u8],
    body_start: usize,
    error: TooManyFields,
    expected: usize,
) -> EngineError {
    let at = body_start + error.at;
    let failure = Failure::Ragged {
        at: at as u64,
        text: line_text(&bytes[at..]),
        found: error.found,
        expected,
    };
    failure.into_error(name, |at| Ok(line_in_bytes(bytes, at as usize)))
}

fn line_text(bytes: &[u8]) -> String {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    let text = text.trim_end();
    match text.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_string(),
    }
}

fn line_in_bytes(bytes: &[u8], at: usize) -> u64 {
    memchr::memchr_iter(b'\n', &bytes[..at.min(bytes.len())]).count() as u64 + 1
}

/// The number of the line at a place in a file, counting from one.
fn line_in_file(file: &File, at: u64, path: &Path) -> Result<u64> {
    let mut line = 1;
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut from = 0;
    while from < at {
        let len = ((at - from) as usize).min(buffer.len());
        read_exact_at(file, &mut buffer[..len], from, path)?;
        line += memchr::memchr_iter(b'\n', &buffer[..len]).count() as u64;
        from += len as u64;
    }
    Ok(line)
}
