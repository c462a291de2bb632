//! Tables as values: a header of dtypes and shapes, and the Arrow buffers as they are.

use std::sync::Arc;

use arrow_array::{Array, make_array};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::ArrayData;
use bytes::Bytes;
use rask_value::{CodecError, Encoded, Frames, Value, ValueRef, codec};
use serde::{Deserialize, Serialize};

use super::{Column, DType, Index, Label, NearLabels, Number, Table};

/// The kind of encoded tables.
pub const KIND: &str = "table";

/// Makes tables decodable in this process.
pub fn register() {
    codec::register_value(KIND, |frames| Ok(Arc::new(decode(frames)?) as ValueRef));
}

#[derive(Serialize, Deserialize)]
struct Header {
    len: u64,
    columns: Vec<(Label, DType, Node)>,
    index: IndexHeader,
}

#[derive(Serialize, Deserialize)]
enum IndexHeader {
    Range {
        start: i64,
        step: i64,
        name: Label,
    },
    Columns(Vec<(Label, DType, Node)>),
    Near {
        least: i64,
        name: Label,
        steps: Node,
    },
}

/// The shape of one Arrow array: its buffers follow in the frames, validity first.
#[derive(Serialize, Deserialize)]
struct Node {
    len: u64,
    has_validity: bool,
    buffers: u32,
    children: Vec<Node>,
}

impl Value for Table {
    fn nbytes(&self) -> u64 {
        64 + self.all_columns().map(|c| c.nbytes()).sum::<u64>()
    }

    fn type_name(&self) -> String {
        "table".into()
    }

    fn describe(&self) -> String {
        let (rows, columns) = (self.len(), self.columns().len());
        format!(
            "table of {rows} rows and {columns} columns, {} bytes",
            self.nbytes()
        )
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(Encoded {
            kind: KIND.into(),
            frames: encode(self, compact)?,
        })
    }
}

/// A run of rows as a table of its own, in the memory of `table`, however small a part of it that is.
pub(crate) fn encode_run(table: &Table, offset: usize, len: usize) -> Result<Frames, CodecError> {
    encode(&table.slice(offset, len), |data| {
        find_window(&data).unwrap_or_else(|| compact(data))
    })
}

/// The table in its own memory; `None` if a part of it would have to be copied.
pub(crate) fn encode_in_place(table: &Table) -> Option<Frames> {
    let is_copied = std::cell::Cell::new(false);
    let in_place = |data: ArrayData| {
        find_window(&data).unwrap_or_else(|| {
            is_copied.set(true);
            data
        })
    };
    let frames = encode(table, in_place).ok()?;
    (!is_copied.get()).then_some(frames)
}

fn encode(table: &Table, own: impl Fn(ArrayData) -> ArrayData) -> Result<Frames, CodecError> {
    let mut buffers = Vec::new();
    let mut node_of = |column: &Column| describe_data(&own(column.array().to_data()), &mut buffers);
    let mut describe = |columns: &[(Label, Column)]| -> Vec<(Label, DType, Node)> {
        let described = columns
            .iter()
            .map(|(label, column)| (label.clone(), column.dtype().clone(), node_of(column)));
        described.collect()
    };
    let columns = describe(table.columns());
    let index = match table.index() {
        Index::Range { start, step, name } => IndexHeader::Range {
            start: *start,
            step: *step,
            name: name.clone(),
        },
        Index::Columns(levels) => IndexHeader::Columns(describe(levels)),
        Index::Near { labels, name } => IndexHeader::Near {
            least: labels.least(),
            name: name.clone(),
            steps: node_of(labels.steps()),
        },
    };
    let header = Header {
        len: table.len() as u64,
        columns,
        index,
    };
    let header = postcard::to_allocvec(&header).map_err(|e| CodecError::NotSerialisable {
        what: KIND.into(),
        reason: e.to_string(),
    })?;
    Ok(Frames {
        header: header.into(),
        buffers,
    })
}

/// Numbers, none of which is missing, without what is before and behind them in their memory.
fn find_window(data: &ArrayData) -> Option<ArrayData> {
    let width = data.data_type().primitive_width()?;
    let buffer = data.buffers().first().filter(|_| data.null_count() == 0)?;
    let own = buffer.slice_with_length(data.offset() * width, data.len() * width);
    let window = ArrayData::builder(data.data_type().clone()).len(data.len());
    window.add_buffer(own).build().ok()
}

/// Data whose buffers hold its own rows only: slices are copied out when they are a small part of
/// what they share.
fn compact(data: ArrayData) -> ArrayData {
    let own = data.get_slice_memory_size().unwrap_or(usize::MAX);
    let is_whole = data.offset() == 0 && own.saturating_mul(2) > data.get_buffer_memory_size();
    if is_whole && data.nulls().is_none_or(|n| n.offset() == 0) {
        return data;
    }
    let array = make_array(data.clone());
    match arrow_select::concat::concat(&[array.as_ref(), &array.slice(0, 0)]) {
        Ok(copy) => copy.into_data(),
        Err(_) => data,
    }
}

/// An Arrow buffer as the owner of `Bytes`.
struct Owner(Buffer);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

pub(super) fn to_bytes(buffer: Buffer) -> Bytes {
    Bytes::from_owner(Owner(buffer))
}

fn describe_data(data: &ArrayData, buffers: &mut Vec<Bytes>) -> Node {
    if let Some(nulls) = data.nulls() {
        buffers.push(to_bytes(nulls.inner().sliced()));
    }
    buffers.extend(data.buffers().iter().map(|b| to_bytes(b.clone())));
    Node {
        len: data.len() as u64,
        has_validity: data.nulls().is_some(),
        buffers: data.buffers().len() as u32,
        children: data
            .child_data()
            .iter()
            .map(|child| describe_data(&compact(child.clone()), buffers))
            .collect(),
    }
}

/// Reads an encoded table; the memory is shared with the frames where it is aligned.
pub fn decode(frames: &Frames) -> Result<Table, CodecError> {
    let header: Header =
        postcard::from_bytes(&frames.header).map_err(|e| malformed(e.to_string()))?;
    let mut buffers = frames.buffers.iter();
    let mut read_one = |dtype: DType, node: &Node| {
        let data = rebuild(node, &dtype.arrow(), &mut buffers)?;
        Column::new(dtype, make_array(data)).map_err(|e| malformed(e.to_string()))
    };
    let mut read = |columns: Vec<(Label, DType, Node)>| {
        columns
            .into_iter()
            .map(|(label, dtype, node)| Ok((label, read_one(dtype, &node)?)))
            .collect::<Result<Vec<_>, CodecError>>()
    };
    let columns = read(header.columns)?;
    let index = match header.index {
        IndexHeader::Range { start, step, name } => Index::Range { start, step, name },
        IndexHeader::Columns(levels) => Index::Columns(read(levels)?),
        IndexHeader::Near { least, name, steps } => {
            let steps = read_one(DType::Number(Number::UInt32), &steps)?;
            let labels = NearLabels::from_column(least, steps);
            Index::Near {
                labels: labels.map_err(|e| malformed(e.to_string()))?,
                name,
            }
        }
    };
    Table::new(columns, index, header.len as usize).map_err(|e| malformed(e.to_string()))
}

fn malformed(reason: String) -> CodecError {
    CodecError::Malformed { kind: KIND, reason }
}

fn rebuild<'a>(
    node: &Node,
    arrow: &arrow_schema::DataType,
    buffers: &mut impl Iterator<Item = &'a Bytes>,
) -> Result<ArrayData, CodecError> {
    let mut next = || {
        buffers
            .next()
            .map(|bytes| Buffer::from(bytes.clone()))
            .ok_or_else(|| malformed("a buffer is missing".into()))
    };
    let len = node.len as usize;
    let nulls = if node.has_validity {
        let bits = next()?;
        if bits.len() * 8 < len {
            return Err(malformed("a validity bitmap is too short".into()));
        }
        Some(NullBuffer::new(arrow_buffer::BooleanBuffer::new(
            bits, 0, len,
        )))
    } else {
        None
    };
    let own = (0..node.buffers)
        .map(|_| next())
        .collect::<Result<Vec<_>, _>>()?;
    let child_types = match arrow {
        arrow_schema::DataType::Dictionary(_, values) => vec![(**values).clone()],
        arrow_schema::DataType::LargeList(item) => vec![item.data_type().clone()],
        _ => Vec::new(),
    };
    if child_types.len() != node.children.len() {
        return Err(malformed("children do not fit the dtype".into()));
    }
    let children = node
        .children
        .iter()
        .zip(&child_types)
        .map(|(child, arrow)| rebuild(child, arrow, buffers))
        .collect::<Result<Vec<_>, _>>()?;
    ArrayData::builder(arrow.clone())
        .len(len)
        .nulls(nulls)
        .buffers(own)
        .child_data(children)
        .align_buffers(true)
        .build()
        .map_err(|e| malformed(e.to_string()))
}
