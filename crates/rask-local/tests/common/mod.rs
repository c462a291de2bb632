//! Values and ops for tests: numbers that can be spilled, and ops that add their inputs.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use rask_graph::{Grid, Input, InputMap, Layer, LayerId};
use rask_value::{
    CodecError, Encoded, Frames, Inputs, LayerOp, Op, OpRef, Plan, Scope, TaskContext, TaskError,
    Value, ValueRef, codec,
};

/// How many `Number`s exist.
pub static ALIVE: AtomicI64 = AtomicI64::new(0);

/// A number that claims a size, and carries that many bytes when written.
#[derive(Debug)]
pub struct Number {
    pub value: u64,
    pub nbytes: u64,
}

impl Number {
    pub fn new(value: u64, nbytes: u64) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Number { value, nbytes }
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Value for Number {
    fn nbytes(&self) -> u64 {
        self.nbytes
    }

    fn type_name(&self) -> String {
        "number".to_string()
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(Encoded {
            kind: "test-number".to_string(),
            frames: Frames {
                header: Bytes::copy_from_slice(&self.value.to_le_bytes()),
                buffers: vec![Bytes::from(vec![7; self.nbytes as usize])],
            },
        })
    }
}

fn decode_number(frames: &Frames) -> Result<ValueRef, CodecError> {
    let bytes: [u8; 8] = frames.header[..].try_into().expect("8 bytes");
    let nbytes = frames.buffers[0].len() as u64;
    Ok(Arc::new(Number::new(u64::from_le_bytes(bytes), nbytes)))
}

pub fn register() {
    codec::register_value("test-number", decode_number);
    codec::register_op("test-mix", decode_mix);
}

pub fn number_of(value: &ValueRef) -> u64 {
    value.downcast_ref::<Number>().expect("a number").value
}

type Body = dyn Fn(TaskContext<'_>, &[u64]) -> Result<u64, TaskError> + Send + Sync;

/// An op over numbers.
pub struct NumberOp {
    pub name: &'static str,
    pub nbytes: u64,
    pub scope: Option<&'static dyn Scope>,
    pub body: Box<Body>,
}

impl std::fmt::Debug for NumberOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Op for NumberOp {
    fn name(&self) -> &str {
        self.name
    }

    fn run(&self, context: TaskContext<'_>, inputs: Inputs) -> Result<ValueRef, TaskError> {
        let numbers: Vec<u64> = inputs.iter().map(number_of).collect();
        let value = (self.body)(context, &numbers)?;
        Ok(Arc::new(Number::new(value, self.nbytes)))
    }

    fn scope(&self) -> Option<&'static dyn Scope> {
        self.scope
    }

    fn encode(&self) -> Result<Encoded, CodecError> {
        Ok(Encoded {
            kind: "test-mix".to_string(),
            frames: Frames {
                header: Bytes::copy_from_slice(&self.nbytes.to_le_bytes()),
                buffers: Vec::new(),
            },
        })
    }
}

/// Any op of these tests is read back as one that mixes.
fn decode_mix(frames: &Frames) -> Result<OpRef, CodecError> {
    Ok(Arc::new(NumberOp {
        name: "test",
        nbytes: u64::from_le_bytes(frames.header[..].try_into().expect("8 bytes")),
        scope: None,
        body: Box::new(mix),
    }))
}

/// A mix of the layer, the block and the inputs, in order: what every task of a random graph makes.
pub fn mix(context: TaskContext<'_>, inputs: &[u64]) -> Result<u64, TaskError> {
    let seed = context.layer.len() as u64 * 1_000_003 + u64::from(context.block);
    Ok(inputs.iter().fold(seed, |sum, &input| {
        sum.rotate_left(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ input
    }))
}

pub fn op(
    body: impl Fn(TaskContext<'_>, &[u64]) -> Result<u64, TaskError> + Send + Sync + 'static,
) -> LayerOp {
    sized_op(8, None, body)
}

pub fn sized_op(
    nbytes: u64,
    scope: Option<&'static dyn Scope>,
    body: impl Fn(TaskContext<'_>, &[u64]) -> Result<u64, TaskError> + Send + Sync + 'static,
) -> LayerOp {
    LayerOp::Run(Arc::new(NumberOp {
        name: "test",
        nbytes,
        scope,
        body: Box::new(body),
    }))
}

pub fn layer(name: &str, blocks: u32, inputs: Vec<Input>) -> Layer {
    Layer {
        name: name.into(),
        grid: Grid::new([blocks]),
        inputs: inputs.into(),
    }
}

pub fn explicit(layer: LayerId, lists: &[Vec<u32>]) -> Input {
    let mut offsets = vec![0];
    let mut blocks = Vec::new();
    for list in lists {
        blocks.extend_from_slice(list);
        offsets.push(blocks.len() as u32);
    }
    Input {
        layer,
        map: InputMap::Explicit {
            offsets: offsets.into(),
            blocks: blocks.into(),
        },
    }
}

/// `count` sources, one consumer of each, and a sum in steps of `every`.
pub fn tree(count: u32, every: u32, make: impl Fn() -> LayerOp) -> Plan {
    let mut plan = Plan::default();
    let source = plan.add(layer("source", count, vec![]), make(), None);
    let mut last = plan.add(
        layer("next", count, vec![Input::same(source, 1)]),
        make(),
        None,
    );
    let mut length = count;
    while length > 1 {
        let shorter = length.div_ceil(every);
        let lists: Vec<Vec<u32>> = (0..shorter)
            .map(|c| (c * every..((c + 1) * every).min(length)).collect())
            .collect();
        last = plan.add(
            layer("sum", shorter, vec![explicit(last, &lists)]),
            make(),
            None,
        );
        length = shorter;
    }
    plan.graph.want_all(last);
    plan
}
