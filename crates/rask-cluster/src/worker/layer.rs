//! Layers as a worker has them: ops and pages are decoded when the first task needs them, on the
//! thread that runs it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::HashMap;
use parking_lot::Mutex;
use rask_graph::Grid;
use rask_proto::{BlockSizes, Packed, WorkerLayer, WorkerPage};
use rask_value::{OpRef, Origin, SpanPath, TakesParts, TaskError, ValueRef, codec};

use super::activity::Activity;
use crate::client::HELD_KIND;
use crate::convert::{unpack, unpack_origin, unpack_span};

/// One layer.
pub(super) struct RunLayer {
    pub name: Arc<str>,
    pub grid: Grid,
    pub origin: Option<Origin>,
    /// The span that its tasks belong to, unless that is the default one.
    pub span: Option<Arc<SpanPath>>,
    /// How long a task may run.
    pub time_limit: Option<Duration>,
    /// Which part of their inputs blocks need, if not all of them.
    takes_parts: Option<TakesParts>,
    /// Bytes of the blocks' values, where they are certain.
    sizes: Option<BlockSizes>,
    packed: Packed,
    op: OnceLock<Result<OpRef, TaskError>>,
    page_blocks: u32,
    pages: Mutex<HashMap<u32, Arc<Page>>>,
    /// What its tasks do with their time.
    pub activity: Arc<Activity>,
    /// Mean duration of a task in nanoseconds, 0 before the first.
    mean_nanos: AtomicU32,
    /// The same for all layers that were made by the same function, as it seems from their names.
    kin_nanos: Arc<AtomicU32>,
}

/// What tasks of layers take whose names begin alike.
#[derive(Default)]
pub(super) struct Kin {
    nanos: HashMap<Box<str>, Arc<AtomicU32>>,
}

/// More are forgotten, all at once: they are learned again soon.
const KIN_COUNT_MAX: usize = 1024;

impl Kin {
    fn of(&mut self, name: &str) -> Arc<AtomicU32> {
        let prefix = name.rsplit_once('-').map_or(name, |(prefix, _)| prefix);
        if let Some(known) = self.nanos.get(prefix) {
            return known.clone();
        }
        if self.nanos.len() >= KIN_COUNT_MAX {
            self.nanos.clear();
        }
        self.nanos.entry(prefix.into()).or_default().clone()
    }
}

struct Page {
    packed: Packed,
    value: OnceLock<Result<ValueRef, TaskError>>,
}

impl RunLayer {
    /// From what the scheduler sent.
    pub fn new(layer: WorkerLayer, kin: &mut Kin) -> Self {
        let sizes = layer.sizes.as_ref();
        let span = layer.span.map(|span| Arc::new(unpack_span(span)));
        RunLayer {
            kin_nanos: kin.of(&layer.name),
            sizes: sizes.and_then(|spec| BlockSizes::try_from_spec(spec, &layer.grid).ok()),
            name: layer.name.as_str().into(),
            grid: Grid::new(layer.grid.iter().copied()),
            origin: layer.origin.as_ref().map(unpack_origin),
            activity: Activity::new(span.clone()),
            span,
            time_limit: match layer.timeout_millis {
                0 => None,
                millis => Some(Duration::from_millis(u64::from(millis))),
            },
            takes_parts: (layer.part_modulo > 0).then_some(TakesParts {
                modulo: layer.part_modulo,
                count: layer.part_count,
            }),
            packed: layer.op.unwrap_or_default(),
            op: OnceLock::new(),
            page_blocks: layer.page_blocks,
            pages: Mutex::default(),
            mean_nanos: AtomicU32::new(0),
        }
    }

    /// What a block needs of its inputs, as in [`rask_exec::Source::part`].
    pub fn part_needed(&self, block: u32) -> u32 {
        self.takes_parts.map_or(0, |parts| 1 + parts.part_of(block))
    }

    /// Bytes of a block's value, where they are certain.
    pub fn find_output_bytes(&self, block: u32) -> Option<u64> {
        Some(self.sizes.as_ref()?.at(block))
    }

    /// Keeps a page.
    pub fn add_page(&self, page: WorkerPage) {
        let packed = page.content.unwrap_or_default();
        let value = OnceLock::new();
        let kept = Arc::new(Page { packed, value });
        self.pages.lock().insert(page.page, kept);
    }

    /// The op, decoded once.
    pub fn try_op(&self) -> Result<&OpRef, TaskError> {
        self.op
            .get_or_init(|| Ok(codec::decode_op(&unpack(self.packed.clone()))?))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The op, if it has been decoded.
    pub fn find_op(&self) -> Option<&OpRef> {
        self.op.get()?.as_ref().ok()
    }

    /// The page of a block, if its layer has pages. A page of a single block is given away.
    pub fn try_page(&self, block: u32) -> Result<Option<ValueRef>, TaskError> {
        if self.page_blocks == 0 {
            return Ok(None);
        }
        let number = block / self.page_blocks;
        let page = match self.page_blocks {
            1 => self.pages.lock().remove(&number),
            _ => self.pages.lock().get(&number).cloned(),
        };
        let page = page.ok_or_else(|| TaskError::new("the arguments of the block did not come"))?;
        let value = page
            .value
            .get_or_init(|| Ok(codec::decode_value(&unpack(page.packed.clone()))?));
        value.clone().map(Some)
    }

    /// The value of a block of a layer whose blocks are their pages; it is given away.
    pub fn take_held(&self, block: u32) -> Option<Packed> {
        if self.packed.kind != HELD_KIND || self.page_blocks != 1 {
            return None;
        }
        let page = self.pages.lock().remove(&block)?;
        Some(page.packed.clone())
    }

    /// What a task of this layer is thought to take.
    pub fn predict_nanos(&self) -> u32 {
        match self.mean_nanos.load(Ordering::Relaxed) {
            0 => self.kin_nanos.load(Ordering::Relaxed),
            nanos => nanos,
        }
    }

    /// Learns from one more task that ended.
    pub fn learn(&self, nanos: u64) {
        learn(&self.mean_nanos, nanos);
        learn(&self.kin_nanos, nanos);
    }
}

fn learn(mean_nanos: &AtomicU32, nanos: u64) {
    let nanos = nanos.min(u64::from(u32::MAX)) as i64;
    let mean = i64::from(mean_nanos.load(Ordering::Relaxed));
    let next = if mean == 0 {
        nanos
    } else {
        mean + (nanos - mean) / if nanos < mean { 2 } else { 8 }
    };
    mean_nanos.store(next.max(1) as u32, Ordering::Relaxed);
}
