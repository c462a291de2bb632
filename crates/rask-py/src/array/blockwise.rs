//! Python functions over blocks that index notation puts together.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rask_array::chunks::Chunks;
use rask_array::expr::{BlockArgument, BlockwiseSpec, Contracted};
use rask_array::{ArrayExpr, ArrayPlanError, ElementType};

use super::expr::PyArrayExpr;
use super::opaque::{Argument, PyFunction, Style};
use super::parse;

static PROCESS: LazyLock<u128> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |elapsed| elapsed.as_nanos());
    let place = std::ptr::from_ref(&COUNT) as u128;
    let seed = [nanos, place, u128::from(std::process::id())];
    let bytes: Vec<u8> = seed.iter().flat_map(|part| part.to_le_bytes()).collect();
    xxhash_rust::xxh3::xxh3_128(&bytes)
});
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A token like no other: functions are not compared, so each use of one is a layer of its own.
pub fn fresh_token() -> String {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:032x}-{count}", *PROCESS)
}

/// From index to block lengths.
pub fn axis_lengths(given: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(u32, Vec<i64>)>> {
    let mut axes = Vec::new();
    if let Some(given) = given {
        for (index, lengths) in given {
            axes.push((index.extract()?, parse::lengths(&lengths)?));
        }
    }
    Ok(axes)
}

/// What `blockwise` is asked for.
pub struct Blockwise<'a> {
    pub function: Py<PyAny>,
    pub name: &'a str,
    pub out_index: Vec<u32>,
    pub keywords: Option<Py<PyDict>>,
    pub element: ElementType,
    pub new_axes: Vec<(u32, Vec<i64>)>,
    pub adjust_chunks: Vec<(u32, Vec<i64>)>,
    pub concatenate: bool,
    pub block_id: bool,
}

impl Blockwise<'_> {
    /// The expression; `token` stands for its contents where it is given.
    pub fn make(
        self,
        given: Vec<(Bound<'_, PyAny>, Option<Vec<u32>>)>,
        token: Option<&str>,
    ) -> Result<ArrayExpr, ArrayPlanError> {
        let mut arguments = Vec::new();
        let mut arrays = Vec::new();
        for (value, index) in given {
            match (value.cast::<PyArrayExpr>(), index) {
                (Ok(array), Some(index)) => {
                    let array = array.get().expr().clone();
                    arrays.push(BlockArgument { array, index });
                    arguments.push(Argument::Input);
                }
                _ => arguments.push(Argument::Literal(value.unbind())),
            }
        }
        let token = token.map_or_else(fresh_token, str::to_owned);
        let function = Arc::new(PyFunction {
            name: self.name.to_owned(),
            function: self.function,
            arguments,
            keywords: self.keywords,
            style: match self.block_id {
                true => Style::BlocksWithId,
                false => Style::Blocks,
            },
        });
        if arrays.is_empty() {
            let lengths = |index: &u32| {
                let found = self.new_axes.iter().find(|(axis, _)| axis == index);
                found.map_or_else(Vec::new, |(_, lengths)| lengths.clone())
            };
            let chunks: Chunks = self
                .out_index
                .iter()
                .map(|index| lengths(index).into())
                .collect();
            let token = format!("{}-{token}", self.name);
            return ArrayExpr::make(function, &token, chunks, self.element);
        }
        ArrayExpr::blockwise(BlockwiseSpec {
            function,
            name: self.name.to_owned(),
            token,
            out_index: self.out_index,
            arguments: arrays,
            contracted: match self.concatenate {
                true => Contracted::Concatenate,
                false => Contracted::Lists,
            },
            new_axes: self.new_axes,
            adjust_chunks: self.adjust_chunks,
            element: self.element,
        })
    }
}
