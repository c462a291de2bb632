//! Partitioned tables that have not been computed.

use std::sync::Arc;

use rask_value::{OpRef, Origin, Plan, ValueRef};
use serde::{Deserialize, Serialize};

use crate::engine::csv::{CsvOptions, CsvSchema, CsvWriteOptions};
use crate::engine::groupby::{self, GroupbySpec};
use crate::engine::join::{self, JoinHow, JoinSpec};
use crate::engine::parquet::ParquetWriteOptions;
use crate::engine::sort::{Key, SortSpec};
use crate::engine::{EngineError, Expr, Result, Schema, Table};
use crate::step::Step;

/// A shared node.
pub type NodeRef = Arc<Node>;

/// A range of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvPiece {
    pub path: String,
    pub start: u64,
    pub end: u64,
}

/// Row groups of a Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParquetPiece {
    pub path: String,
    /// All, if `None`.
    pub row_groups: Option<Vec<usize>>,
}

/// What a partition is written as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WriteFormat {
    Csv(CsvWriteOptions),
    Parquet(ParquetWriteOptions),
}

/// A table in partitions, described by what makes it.
#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    pub schema: Schema,
    pub partitions: u32,
    pub origin: Option<Origin>,
}

/// What makes the partitions of a node.
#[derive(Debug)]
pub enum Kind {
    ReadCsv {
        pieces: Arc<[CsvPiece]>,
        csv: CsvSchema,
        options: CsvOptions,
        /// Stands for the contents of the files.
        token: String,
    },
    ReadParquet {
        pieces: Arc<[ParquetPiece]>,
        token: String,
    },
    /// Values that are there already.
    Held {
        values: Arc<[ValueRef]>,
        token: String,
    },
    /// The wanted blocks of a plan.
    Plan(Arc<Plan>),
    /// An op of the partitions of one or more inputs with equal numbers of them (or one).
    Call {
        inputs: Vec<NodeRef>,
        op: OpRef,
        token: String,
    },
    Step {
        input: NodeRef,
        step: Step,
    },
    /// Groupby or (without keys) reduction, to one partition, or to several by the hash of the keys.
    Group {
        input: NodeRef,
        spec: GroupbySpec,
    },
    Join {
        left: NodeRef,
        right: NodeRef,
        spec: JoinSpec,
    },
    Sort {
        input: NodeRef,
        spec: SortSpec,
    },
    /// Rows with equal keys in one partition.
    Shuffle {
        input: NodeRef,
        keys: Vec<Key>,
    },
    /// The partitions of one input after those of the other.
    Concat(Vec<NodeRef>),
    /// The rows of an input in fewer (or more) partitions.
    Repartition(NodeRef),
    /// Some partitions of an input.
    Pick {
        input: NodeRef,
        partitions: Vec<u32>,
    },
    /// Each partition written to a file; the values are empty tables.
    Write {
        input: NodeRef,
        paths: Arc<[String]>,
        format: WriteFormat,
    },
}

impl Node {
    /// A node of any kind whose schema and number of partitions are known.
    pub fn new(kind: Kind, schema: Schema, partitions: u32, origin: Option<Origin>) -> NodeRef {
        Arc::new(Node {
            kind,
            schema,
            partitions,
            origin,
        })
    }

    /// A step on each partition.
    pub fn step(input: &NodeRef, step: Step, origin: Option<Origin>) -> Result<NodeRef> {
        let schema = step.schema(&input.schema)?;
        let kind = Kind::Step {
            input: input.clone(),
            step,
        };
        Ok(Node::new(kind, schema, input.partitions, origin))
    }

    /// A groupby, or without keys a reduction, which has one partition.
    pub fn group(
        input: &NodeRef,
        spec: GroupbySpec,
        partitions: u32,
        origin: Option<Origin>,
    ) -> Result<NodeRef> {
        let schema = groupby::schema(&input.schema, &spec)?;
        let partitions = match spec.keys.is_empty() {
            true => 1,
            false => partitions.max(1),
        };
        let kind = Kind::Group {
            input: input.clone(),
            spec,
        };
        Ok(Node::new(kind, schema, partitions, origin))
    }

    /// A join. A side of one partition is sent to every partition of the other where the kind of
    /// join allows; otherwise both are shuffled by key, to `partitions` partitions or as many as the
    /// larger one has.
    pub fn join(
        left: &NodeRef,
        right: &NodeRef,
        spec: JoinSpec,
        partitions: Option<u32>,
        origin: Option<Origin>,
    ) -> Result<NodeRef> {
        let schema = join::schema(&left.schema, &right.schema, &spec)?;
        let partitions = match broadcast_side(left, right, &spec) {
            Some(Side::Right) => left.partitions,
            Some(Side::Left) => right.partitions,
            None if spec.how == JoinHow::Cross => {
                return Err(EngineError::Unsupported(
                    "a cross join needs one side of a single partition".into(),
                ));
            }
            None => partitions.unwrap_or(left.partitions.max(right.partitions)),
        };
        let kind = Kind::Join {
            left: left.clone(),
            right: right.clone(),
            spec,
        };
        Ok(Node::new(kind, schema, partitions, origin))
    }

    /// All rows in order, in `partitions` partitions, or as many as there are.
    pub fn sort(
        input: &NodeRef,
        spec: SortSpec,
        partitions: Option<u32>,
        origin: Option<Origin>,
    ) -> Result<NodeRef> {
        let schema = Step::Sort(spec.clone()).schema(&input.schema)?;
        let kind = Kind::Sort {
            input: input.clone(),
            spec,
        };
        let partitions = partitions.unwrap_or(input.partitions);
        Ok(Node::new(kind, schema, partitions, origin))
    }

    /// All rows in `partitions` partitions, those with equal keys in the same one.
    pub fn shuffle(
        input: &NodeRef,
        keys: Vec<Key>,
        partitions: u32,
        origin: Option<Origin>,
    ) -> Result<NodeRef> {
        let empty = Table::empty(&input.schema);
        keys.iter().try_for_each(|key| key.of(&empty).map(|_| ()))?;
        let kind = Kind::Shuffle {
            input: input.clone(),
            keys,
        };
        Ok(Node::new(kind, input.schema.clone(), partitions, origin))
    }

    /// The partitions of all inputs, one input after the other.
    pub fn concat(inputs: Vec<NodeRef>, origin: Option<Origin>) -> Result<NodeRef> {
        let empty: Vec<Table> = inputs.iter().map(|n| Table::empty(&n.schema)).collect();
        let schema = Table::concat(&empty.iter().collect::<Vec<_>>(), false)?.schema();
        let partitions = inputs.iter().map(|n| n.partitions).sum();
        Ok(Node::new(Kind::Concat(inputs), schema, partitions, origin))
    }

    /// The rows of all partitions in another number of them.
    pub fn repartition(input: &NodeRef, partitions: u32, origin: Option<Origin>) -> NodeRef {
        let schema = input.schema.clone();
        Node::new(Kind::Repartition(input.clone()), schema, partitions, origin)
    }

    /// Some of the partitions.
    pub fn pick(input: &NodeRef, partitions: Vec<u32>, origin: Option<Origin>) -> NodeRef {
        let count = partitions.len() as u32;
        let kind = Kind::Pick {
            input: input.clone(),
            partitions,
        };
        Node::new(kind, input.schema.clone(), count, origin)
    }

    /// The columns computed from those of a node; the node itself if they are its own.
    pub fn select(
        input: &NodeRef,
        columns: &[(crate::engine::Label, Expr)],
        origin: Option<Origin>,
    ) -> Result<NodeRef> {
        let own = &input.schema.columns;
        let is_same = own.len() == columns.len()
            && own
                .iter()
                .zip(columns)
                .all(|((a, _), (b, e))| a == b && *e == Expr::Column(a.clone()));
        if is_same {
            return Ok(input.clone());
        }
        Node::step(input, Step::Select(columns.to_vec()), origin)
    }

    /// The nodes that this one reads.
    pub fn inputs(&self) -> Vec<&NodeRef> {
        match &self.kind {
            Kind::ReadCsv { .. } | Kind::ReadParquet { .. } | Kind::Held { .. } | Kind::Plan(_) => {
                Vec::new()
            }
            Kind::Call { inputs, .. } | Kind::Concat(inputs) => inputs.iter().collect(),
            Kind::Step { input, .. }
            | Kind::Group { input, .. }
            | Kind::Sort { input, .. }
            | Kind::Shuffle { input, .. }
            | Kind::Repartition(input)
            | Kind::Pick { input, .. }
            | Kind::Write { input, .. } => vec![input],
            Kind::Join { left, right, .. } => vec![left, right],
        }
    }
}

/// A side of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The side of one partition that every partition of the other can be joined with.
pub(crate) fn broadcast_side(left: &Node, right: &Node, spec: &JoinSpec) -> Option<Side> {
    use JoinHow::*;
    let keeps_left_only = matches!(spec.how, Inner | Left | Cross | LeftSemi | LeftAnti);
    if right.partitions == 1 && (keeps_left_only || left.partitions == 1) {
        return Some(Side::Right);
    }
    let keeps_right_only = matches!(spec.how, Inner | Right | Cross);
    (left.partitions == 1 && keeps_right_only).then_some(Side::Left)
}
