//! What the tasks of frame layers run.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rask_value::{
    CodecError, Encoded, Frames, Inputs, Op, OpRef, TakesParts, TaskContext, TaskError, ValueRef,
    codec,
};
use serde::{Deserialize, Serialize};

use crate::engine::csv::{self, CsvOptions, CsvSchema};
use crate::engine::groupby::{self, GroupbySpec};
use crate::engine::join::{self, JoinSpec};
use crate::engine::sort::{self, Key, SortSpec};
use crate::engine::{
    EngineError, Expr, Label, Piece, Schema, Table, assemble, assemble_sorted, parquet, partition,
};
use crate::node::{CsvPiece, ParquetPiece, WriteFormat};
use crate::parts::{Parts, find_piece};
use crate::run::{Run, sample_of};
use crate::step::Step;

/// The kind of encoded frame ops.
const KIND: &str = "frame";

/// A task of a frame layer. Each says which inputs it takes, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FrameOp {
    /// No input: block `i` reads piece `i`.
    ReadCsv {
        pieces: Arc<[CsvPiece]>,
        schema: CsvSchema,
        options: CsvOptions,
        columns: Vec<Label>,
        token: String,
    },
    /// No input: block `i` reads piece `i`.
    ReadParquet {
        pieces: Arc<[ParquetPiece]>,
        columns: Vec<Label>,
        predicate: Option<Expr>,
        token: String,
    },
    /// (table).
    Step(Step),
    /// (table): states of its groups.
    Partial(GroupbySpec),
    /// (states, …).
    Combine(GroupbySpec),
    /// (states): the result; the schema is that of the grouped table.
    Finalize(GroupbySpec, Schema),
    /// (parts of states, …): block `i` has the groups of the parts `i`, as `Finalize` does.
    CombineParts {
        spec: GroupbySpec,
        schema: Schema,
        parts: u32,
    },
    /// (left, right).
    Join(JoinSpec),
    /// (table): parts by the hash of the keys.
    SplitByHash { keys: Vec<Key>, parts: u32 },
    /// (parts of left, …, parts of right, …): block `i` joins the parts `i`.
    JoinParts {
        spec: JoinSpec,
        lefts: u32,
        parts: u32,
    },
    /// (table): the same as a [`Run`], with about so many of its keys.
    BeginRun { spec: SortSpec, sampled: usize },
    /// (samples of runs, …): the borders of partitions.
    Borders { spec: SortSpec, partitions: usize },
    /// (run, borders): parts by the borders.
    SplitByBorders { spec: SortSpec, parts: u32 },
    /// (parts, …): block `i` has the parts `i`, one after the other.
    ConcatParts { parts: u32 },
    /// (parts, …): block `i` sorts the parts `i`.
    SortParts { spec: SortSpec, parts: u32 },
    /// (table, …): one after the other.
    Concat,
    /// (table): part `i` of `count` about equal runs of rows goes to block `i`.
    SplitEvenly { parts: u32 },
    /// (parts): block `i` takes the part `i % count`.
    TakePart { count: u32 },
    /// (table): written to file `i`.
    Write {
        paths: Arc<[String]>,
        format: WriteFormat,
    },
}

/// Makes frame ops and their values decodable in this process.
pub fn register() {
    crate::engine::register();
    crate::parts::register();
    crate::run::register();
    codec::register_op(KIND, |frames| {
        let op: FrameOp =
            postcard::from_bytes(&frames.header).map_err(|e| CodecError::Malformed {
                kind: KIND,
                reason: e.to_string(),
            })?;
        Ok(Arc::new(op) as OpRef)
    });
}

type TableReader = fn(&ValueRef) -> Result<Table, TaskError>;

static READER: OnceLock<TableReader> = OnceLock::new();

/// Says how values that are no tables (Python's data frames) are read as tables.
pub fn register_table_reader(reader: TableReader) {
    let _ = READER.set(reader);
}

/// A value as a table.
pub fn table_of(value: &ValueRef) -> Result<Table, TaskError> {
    if let Some(table) = value.downcast_ref::<Table>() {
        return Ok(table.clone());
    }
    match READER.get() {
        Some(read) => read(value),
        None => Err(TaskError::new(format!(
            "TypeError: expected a table, found {}",
            value.type_name()
        ))),
    }
}

fn tables_of(values: &[ValueRef]) -> Result<Vec<Table>, TaskError> {
    values.iter().map(table_of).collect()
}

fn concat(tables: &[Table]) -> Result<Table, EngineError> {
    Table::concat(&tables.iter().collect::<Vec<_>>(), false)
}

/// The parts `number` of each value.
fn parts_of(values: &[ValueRef], number: usize) -> Result<Vec<Piece>, TaskError> {
    let parts = values.iter().map(|value| find_piece(value, number));
    parts.collect()
}

/// The parts `number` of each value, one after the other.
fn gather(values: &[ValueRef], number: usize) -> Result<Table, TaskError> {
    Ok(assemble(&parts_of(values, number)?)?)
}

fn only(inputs: &Inputs) -> Result<Table, TaskError> {
    match inputs.as_slice() {
        [value] => table_of(value),
        other => Err(TaskError::new(format!(
            "expected one input, got {}",
            other.len()
        ))),
    }
}

impl Op for FrameOp {
    fn name(&self) -> &str {
        match self {
            FrameOp::ReadCsv { .. } => "read_csv",
            FrameOp::ReadParquet { .. } => "read_parquet",
            FrameOp::Step(step) => step.name(),
            FrameOp::Partial(_) => "groupby-partial",
            FrameOp::Combine(_) => "groupby-combine",
            FrameOp::Finalize(..) => "groupby-finalize",
            FrameOp::CombineParts { .. } => "groupby-gather",
            FrameOp::Join(_) => "merge",
            FrameOp::SplitByHash { .. } => "shuffle-split",
            FrameOp::JoinParts { .. } => "shuffle-merge",
            FrameOp::BeginRun { .. } => "sort-run",
            FrameOp::Borders { .. } => "sort-borders",
            FrameOp::SplitByBorders { .. } => "sort-split",
            FrameOp::SortParts { .. } => "sort-merge",
            FrameOp::ConcatParts { .. } => "shuffle-concat",
            FrameOp::Concat => "concat",
            FrameOp::SplitEvenly { .. } | FrameOp::TakePart { .. } => "repartition",
            FrameOp::Write { format, .. } => match format {
                WriteFormat::Csv(_) => "to_csv",
                WriteFormat::Parquet(_) => "to_parquet",
            },
        }
    }

    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
        let block = context.block as usize;
        match self {
            FrameOp::SplitByHash { keys, parts } => {
                let table = only(&inputs)?;
                let parts = partition::by_hash(table, keys, *parts as usize)?;
                Ok(Arc::new(Parts::Divided(parts)))
            }
            FrameOp::SplitByBorders { spec, parts } => {
                let [run, borders] = inputs.as_slice() else {
                    return Err(TaskError::new("expected a run and borders"));
                };
                let Some(run) = run.downcast_ref::<Run>() else {
                    let found = run.type_name();
                    return Err(TaskError::new(format!("TypeError: {found} is no run")));
                };
                let parts = run.cut(spec, &table_of(borders)?, *parts as usize)?;
                Ok(Arc::new(Parts::Divided(parts)))
            }
            FrameOp::BeginRun { spec, sampled } => {
                let run = Run::new(only(&inputs)?, spec, *sampled)?;
                Ok(Arc::new(run))
            }
            FrameOp::SplitEvenly { parts } => {
                let table = only(&inputs)?;
                let (len, count) = (table.len(), *parts as usize);
                let bounds = |i: usize| i * len / count;
                let parts = (0..count).map(|i| table.slice(bounds(i), bounds(i + 1) - bounds(i)));
                Ok(Arc::new(Parts::Apart(parts.collect())))
            }
            _ => Ok(Arc::new(self.run_to_table(block, &inputs)?)),
        }
    }

    fn takes_parts(&self) -> Option<TakesParts> {
        match *self {
            FrameOp::JoinParts { parts, .. }
            | FrameOp::SortParts { parts, .. }
            | FrameOp::CombineParts { parts, .. }
            | FrameOp::ConcatParts { parts } => Some(TakesParts::by_block(parts)),
            // The sample, which is so small a part of a run.
            FrameOp::Borders { .. } => Some(TakesParts {
                modulo: 1,
                count: 1 << 12,
            }),
            FrameOp::TakePart { count } => Some(TakesParts {
                modulo: count,
                count,
            }),
            _ => None,
        }
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        let header = postcard::to_allocvec(self).map_err(|e| CodecError::NotSerialisable {
            what: self.name().into(),
            reason: e.to_string(),
        })?;
        Ok(Encoded {
            kind: KIND.into(),
            frames: Frames {
                header: header.into(),
                buffers: Vec::new(),
            },
        })
    }
}

impl FrameOp {
    fn run_to_table(&self, block: usize, inputs: &Inputs) -> Result<Table, TaskError> {
        Ok(match self {
            FrameOp::ReadCsv {
                pieces,
                schema,
                options,
                columns,
                token: _,
            } => {
                let CsvPiece { path, start, end } = &pieces[block];
                let path = Path::new(path);
                csv::read_range(path, *start, *end, schema, options, Some(columns))?
            }
            FrameOp::ReadParquet {
                pieces,
                columns,
                predicate,
                token: _,
            } => {
                let piece = &pieces[block];
                let groups = piece.row_groups.as_deref();
                let path = Path::new(&piece.path);
                parquet::read(path, groups, Some(columns), predicate.as_ref())?
            }
            FrameOp::Step(step) => step.apply(&only(inputs)?)?,
            FrameOp::Partial(spec) => groupby::partial(&only(inputs)?, spec)?,
            FrameOp::Combine(spec) => {
                let states = tables_of(inputs)?;
                groupby::combine(&states.iter().collect::<Vec<_>>(), spec)?
            }
            FrameOp::Finalize(spec, schema) => groupby::finalize(&only(inputs)?, spec, schema)?,
            FrameOp::CombineParts { spec, schema, .. } => {
                let states = parts_of(inputs, block)?;
                let states: Vec<Table> = states.iter().map(Piece::to_table).collect();
                let states = groupby::combine(&states.iter().collect::<Vec<_>>(), spec)?;
                groupby::finalize(&states, spec, schema)?
            }
            FrameOp::Join(spec) => {
                let sides = tables_of(inputs)?;
                let [left, right] = sides.as_slice() else {
                    return Err(TaskError::new("expected two tables"));
                };
                join::join(left, right, spec)?
            }
            FrameOp::JoinParts { spec, lefts, .. } => {
                let (left, right) = inputs.split_at((*lefts as usize).min(inputs.len()));
                join::join_pieces(&parts_of(left, block)?, &parts_of(right, block)?, spec)?
            }
            FrameOp::Borders { spec, partitions } => {
                let samples = inputs.iter().map(sample_of);
                let samples = samples.collect::<Result<Vec<_>, _>>()?;
                sort::boundaries(&samples.iter().collect::<Vec<_>>(), spec, *partitions)?
            }
            FrameOp::SortParts { spec, .. } => assemble_sorted(&parts_of(inputs, block)?, spec)?,
            FrameOp::ConcatParts { .. } => gather(inputs, block)?,
            FrameOp::Concat => concat(&tables_of(inputs)?)?,
            FrameOp::TakePart { count } => gather(inputs, block % *count as usize)?,
            FrameOp::Write { paths, format } => {
                let table = only(inputs)?;
                write(&table, Path::new(&paths[block]), format)?;
                table.slice(0, 0)
            }
            FrameOp::SplitByHash { .. }
            | FrameOp::BeginRun { .. }
            | FrameOp::SplitByBorders { .. }
            | FrameOp::SplitEvenly { .. } => {
                return Err(TaskError::new("a bug: what this makes is no table"));
            }
        })
    }
}

/// Writes beside the file and moves it there: a task that is run again after a failure finds
/// either nothing or a whole file.
fn write(table: &Table, path: &Path, format: &WriteFormat) -> Result<(), EngineError> {
    let failed = |e: std::io::Error| EngineError::Io {
        path: path.display().to_string(),
        reason: e.to_string(),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = std::path::PathBuf::from(name);
    match format {
        WriteFormat::Parquet(options) => parquet::write(table, &beside, options)?,
        WriteFormat::Csv(options) => {
            let file = std::fs::File::create(&beside).map_err(failed)?;
            let mut out = std::io::BufWriter::new(file);
            csv::write(table, &mut out, options)?;
            std::io::Write::flush(&mut out).map_err(failed)?;
        }
    }
    std::fs::rename(&beside, path).map_err(failed)
}
