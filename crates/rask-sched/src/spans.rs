//! Spans: work that users named, and the default spans of all other work. A layer belongs to the
//! span in which it first came; what became of its tasks is counted with the layer, and kept with
//! the span when the layer goes. Bounded: the oldest spans without layers are forgotten, and a span
//! with very many groups keeps the figures of further ones together.

mod activities;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rask_proto::{
    LayerSpec, OriginSpec, SpanFigures, SpanGroup, SpanPath, SpanQuery, Spans as Answer, Submit,
};

use self::activities::Activities;
use crate::event::Time;
use crate::scheduler::Scheduler;
use crate::state::{Ended, Layer, NO_TASK, TaskState};
use crate::{HashMap, HashSet};

/// Spans remembered, but for those whose layers exist.
const SPANS_MAX: usize = 10_000;
/// Of the oldest, how many are looked at to forget one.
const LOOKED_AT_MAX: usize = 64;
/// Groups of layers that are gone, over all spans.
const GROUPS_TOTAL_MAX: usize = 100_000;
/// Groups told apart in a span, lines that made its layers, and notes.
const GROUPS_MAX: usize = 1000;
const ORIGINS_MAX: usize = 50;
const NOTES_MAX: usize = 100;
const NOTE_BYTES_MAX: usize = 64 << 10;
/// Changes of the number of threads that are remembered.
const THREADS_MAX: usize = 10_000;
/// What is left over in a span with too many groups.
const OTHERS: &str = "(others)";
/// A default span goes on with work that comes this soon after it had nothing more to do.
const PAUSE_MICROS: u64 = 100_000;
const DEFAULT: &str = "default";

/// Tasks of one layer, or of all calls of one function.
#[derive(Debug, Default)]
struct Group {
    operation: Arc<str>,
    ended: Ended,
    /// Tasks by state; of layers that are gone there are none.
    states: [u64; 6],
}

#[derive(Debug)]
struct Span {
    path: SpanPath,
    is_default: bool,
    parent: Option<u32>,
    children: Vec<u32>,
    enqueued: Time,
    /// Layers that exist.
    layer_count: u32,
    /// Of layers that are gone.
    groups: BTreeMap<Arc<str>, Group>,
    origins: Vec<OriginSpec>,
    notes: Vec<String>,
    activities: Activities,
}

/// All spans.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    by_number: BTreeMap<u32, Span>,
    by_id: HashMap<String, u32>,
    next: u32,
    forgotten: u64,
    /// Groups of layers that are gone.
    group_count: usize,
    /// Operations in the activities of all spans.
    operation_count: usize,
    /// The default span that was used last, and when.
    default: Option<(u32, Time)>,
    /// When the number of threads changed, and to what.
    threads: VecDeque<(Time, u32)>,
}

impl Spans {
    /// The path of a span that is not a default one.
    pub fn find_path(&self, number: u32) -> Option<SpanPath> {
        let span = self.by_number.get(&number)?;
        (!span.is_default).then(|| span.path.clone())
    }

    /// Keeps something with a span that is known.
    pub fn note(&mut self, id: &str, text: String) {
        let number = self.by_id.get(id).copied();
        let span = number.and_then(|number| self.by_number.get_mut(&number));
        if let Some(span) = span
            && span.notes.len() < NOTES_MAX
            && text.len() <= NOTE_BYTES_MAX
        {
            span.notes.push(text);
        }
    }

    /// A layer that belonged to a span goes.
    pub fn leave(&mut self, layer: &Layer) {
        if self.group_count >= GROUPS_TOTAL_MAX {
            self.forget_oldest(Some(layer.span));
        }
        let groups_max = match self.group_count < GROUPS_TOTAL_MAX {
            true => GROUPS_MAX,
            false => 0,
        };
        let Some(span) = self.by_number.get_mut(&layer.span) else {
            return;
        };
        span.layer_count -= 1;
        let before = span.groups.len();
        let group = group_mut(&mut span.groups, layer, groups_max);
        group.ended.add(&layer.ended);
        self.group_count += span.groups.len() - before;
    }

    /// So many threads more are there.
    pub fn add_threads(&mut self, now: Time, more: i64) {
        let count = self.threads.back().map_or(0, |(_, count)| *count);
        if self.threads.len() >= THREADS_MAX {
            self.threads.pop_front();
        }
        let count = (i64::from(count) + more).clamp(0, i64::from(u32::MAX));
        self.threads.push_back((now, count as u32));
    }

    /// The span of this path, which is made if there is none, and so are those around it.
    fn ensure(&mut self, path: &SpanPath, now: Time) -> u32 {
        let mut parent = None;
        for depth in 1..=path.ids.len() {
            let id = &path.ids[depth - 1];
            let number = match self.by_id.get(id) {
                Some(&number) => number,
                None => self.add(
                    SpanPath {
                        names: path.names[..depth].to_vec(),
                        ids: path.ids[..depth].to_vec(),
                    },
                    parent,
                    now,
                ),
            };
            parent = Some(number);
        }
        parent.unwrap_or_default()
    }

    fn add(&mut self, path: SpanPath, parent: Option<u32>, now: Time) -> u32 {
        if self.by_number.len() >= SPANS_MAX {
            self.forget_oldest(parent);
        }
        let number = self.next;
        self.next += 1;
        self.by_id
            .extend(path.ids.last().map(|id| (id.clone(), number)));
        if let Some(parent) = parent.and_then(|parent| self.by_number.get_mut(&parent)) {
            parent.children.push(number);
        }
        let span = Span {
            path,
            is_default: false,
            parent,
            children: Vec::new(),
            enqueued: now,
            layer_count: 0,
            groups: BTreeMap::new(),
            origins: Vec::new(),
            notes: Vec::new(),
            activities: Activities::default(),
        };
        self.by_number.insert(number, span);
        number
    }

    /// Forgets the oldest span that has neither layers nor children, if there is one among the
    /// oldest, but for one that is about to get some.
    fn forget_oldest(&mut self, needed: Option<u32>) {
        let oldest = self.by_number.iter().take(LOOKED_AT_MAX);
        let found = oldest
            .filter(|(number, _)| Some(**number) != needed)
            .find(|(_, span)| span.layer_count == 0 && span.children.is_empty());
        let Some(number) = found.map(|(&number, _)| number) else {
            return;
        };
        let Some(span) = self.by_number.remove(&number) else {
            return;
        };
        self.forgotten += 1;
        self.group_count -= span.groups.len();
        self.operation_count -= span.activities.len();
        span.path.ids.last().map(|id| self.by_id.remove(id));
        if let Some(parent) = span.parent.and_then(|up| self.by_number.get_mut(&up)) {
            parent.children.retain(|&child| child != number);
        }
    }

    /// The default span: the one used last, if it is still going on.
    fn ensure_default(&mut self, now: Time, is_busy: bool, epoch_micros: u64) -> u32 {
        let going_on = self.default.filter(|(number, used)| {
            let is_known = self.by_number.contains_key(number);
            is_known && (is_busy || now.micros.saturating_sub(used.micros) < PAUSE_MICROS)
        });
        let number = match going_on {
            Some((number, _)) => number,
            None => {
                let id = format!("{DEFAULT}-{epoch_micros:x}-{}", self.next);
                let path = SpanPath {
                    names: vec![DEFAULT.to_owned()],
                    ids: vec![id],
                };
                let number = self.add(path, None, now);
                if let Some(span) = self.by_number.get_mut(&number) {
                    span.is_default = true;
                }
                number
            }
        };
        self.default = Some((number, now));
        number
    }

    fn enter(&mut self, number: u32, origin: Option<&OriginSpec>) {
        let Some(span) = self.by_number.get_mut(&number) else {
            return;
        };
        span.layer_count += 1;
        if let Some(origin) = origin
            && span.origins.len() < ORIGINS_MAX
            && span
                .origins
                .iter()
                .all(|known| known.line != origin.line || known != origin)
        {
            span.origins.push(origin.clone());
        }
    }

    /// The outermost span around one.
    fn root_of(&self, mut number: u32) -> u32 {
        while let Some(parent) = self.by_number.get(&number).and_then(|span| span.parent) {
            number = parent;
        }
        number
    }

    /// Numbers of the asked spans, with all around and inside of them.
    fn find_asked(&self, query: &SpanQuery) -> HashSet<u32> {
        if query.ids.is_empty() && query.names.is_empty() {
            return self.by_number.keys().copied().collect();
        }
        let ids = query.ids.iter().filter_map(|id| self.by_id.get(id));
        let named = self.by_number.iter().filter(|(_, span)| {
            let mut names = query.names.iter();
            names.any(|name| span.path.names.contains(name))
        });
        let found = ids.copied().chain(named.map(|(&number, _)| number));
        let mut stack: Vec<u32> = found.map(|number| self.root_of(number)).collect();
        let mut asked = HashSet::default();
        while let Some(number) = stack.pop() {
            if asked.insert(number) {
                stack.extend(&self.by_number[&number].children);
            }
        }
        asked
    }
}

/// The group that a layer belongs to: its own, or, for a call on its own, that of the function; that
/// of all others, if there are so many already.
fn group_mut<'a>(
    groups: &'a mut BTreeMap<Arc<str>, Group>,
    layer: &Layer,
    groups_max: usize,
) -> &'a mut Group {
    let name = match layer.grid.is_empty() {
        true => &layer.operation,
        false => &layer.name,
    };
    let is_full = groups.len() >= groups_max && !groups.contains_key(name);
    let (name, operation) = match is_full {
        true => (Arc::from(OTHERS), Arc::from(OTHERS)),
        false => (name.clone(), layer.operation.clone()),
    };
    groups.entry(name).or_insert_with(|| Group {
        operation,
        ..Group::default()
    })
}

impl Scheduler {
    /// The span of a layer that comes now: where it was made, or where it was submitted, or the
    /// default one.
    pub(crate) fn enter_span(&mut self, submit: &Submit, spec: &LayerSpec) -> u32 {
        let number = match spec.span.as_ref().or(submit.span.as_ref()) {
            Some(path) => self.spans.ensure(path, self.now),
            None => {
                let is_busy = self.tasks.pending_count() > 0;
                let epoch_micros = self.settings.epoch_micros;
                self.spans.ensure_default(self.now, is_busy, epoch_micros)
            }
        };
        self.spans.enter(number, spec.origin.as_ref());
        number
    }

    /// What became of spans.
    pub(crate) fn describe_spans(&self, query: &SpanQuery) -> Answer {
        let asked = self.spans.find_asked(query);
        let mut living: HashMap<u32, BTreeMap<Arc<str>, Group>> = HashMap::default();
        let layers = self.layers.iter();
        for (_, layer) in layers.filter(|(_, layer)| asked.contains(&layer.span)) {
            let groups = living.entry(layer.span).or_default();
            let group = group_mut(groups, layer, GROUPS_MAX);
            group.ended.add(&layer.ended);
            for &id in layer.slots.iter().filter(|&&id| id != NO_TASK) {
                if let Some(at) = position_of(self.tasks.state(id)) {
                    group.states[at] += 1;
                }
            }
        }
        let epoch_micros = self.settings.epoch_micros;
        let spans = self.spans.by_number.iter();
        let spans = spans.filter(|(number, _)| asked.contains(number));
        Answer {
            spans: spans
                .map(|(number, span)| span.describe(living.remove(number), epoch_micros))
                .collect(),
            forgotten: self.spans.forgotten,
            thread_micros: self
                .spans
                .threads
                .iter()
                .map(|(time, _)| epoch_micros + time.micros)
                .collect(),
            thread_counts: self.spans.threads.iter().map(|(_, count)| *count).collect(),
            now_micros: epoch_micros + self.now.micros,
        }
    }

    pub(crate) fn check_spans(&self) -> Result<(), String> {
        let mut counts: HashMap<u32, u32> = HashMap::default();
        for (_, layer) in self.layers.iter() {
            *counts.entry(layer.span).or_default() += 1;
        }
        for (number, span) in &self.spans.by_number {
            if counts.remove(number).unwrap_or(0) != span.layer_count {
                return Err(format!("layer_count of span {number} is wrong"));
            }
        }
        let groups: usize = self
            .spans
            .by_number
            .values()
            .map(|span| span.groups.len())
            .sum();
        if groups != self.spans.group_count {
            return Err("group_count of the spans is wrong".to_owned());
        }
        self.spans.check_activities()?;
        match counts.is_empty() {
            true => Ok(()),
            false => Err("a layer is in a span that is forgotten".to_owned()),
        }
    }
}

/// The place of a state in a group's figures.
fn position_of(state: TaskState) -> Option<usize> {
    match state {
        TaskState::Released => Some(0),
        TaskState::Waiting => Some(1),
        TaskState::Queued | TaskState::Placed => Some(2),
        TaskState::Assigned => Some(3),
        TaskState::Memory => Some(4),
        TaskState::Erred => Some(5),
        TaskState::Forgotten => None,
    }
}

impl Span {
    fn describe(
        &self,
        living: Option<BTreeMap<Arc<str>, Group>>,
        epoch_micros: u64,
    ) -> SpanFigures {
        let mut living = living.unwrap_or_default();
        let gone = self.groups.iter().map(|(name, gone)| {
            let living = living.remove(name).unwrap_or_default();
            gone.describe(name, living, epoch_micros)
        });
        let mut groups: Vec<SpanGroup> = gone.collect();
        let rest = living.into_iter();
        groups.extend(rest.map(|(name, group)| {
            let gone = Group {
                operation: group.operation.clone(),
                ..Group::default()
            };
            gone.describe(&name, group, epoch_micros)
        }));
        SpanFigures {
            path: Some(self.path.clone()),
            enqueued_micros: epoch_micros + self.enqueued.micros,
            groups,
            origins: self.origins.clone(),
            notes: self.notes.clone(),
            activities: self.activities.describe(),
        }
    }
}

impl Group {
    /// Together with the layers of the group that exist.
    fn describe(&self, name: &str, living: Group, epoch_micros: u64) -> SpanGroup {
        let mut ended = self.ended;
        ended.add(&living.ended);
        let mut states = living.states.to_vec();
        states.push(ended.forgotten);
        let has_ended = ended.count > 0;
        let time = |micros: u64| u64::from(has_ended) * (epoch_micros + micros);
        SpanGroup {
            name: name.to_owned(),
            operation: self.operation.to_string(),
            states,
            ended: ended.count,
            nbytes: ended.nbytes,
            start_micros: time(ended.start_micros),
            stop_micros: time(ended.stop_micros),
            compute_micros: ended.compute_micros,
        }
    }
}
