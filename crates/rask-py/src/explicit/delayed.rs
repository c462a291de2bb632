//! Delayed calls into a plan: one layer for the calls, one that puts together the collections
//! among their arguments, and those collections' own layers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyNone, PySet, PyString, PyTuple};
use rask_graph::{Block, LayerId};
use rask_value::{Origin, Plan};

use super::assembler::{Assembler, OWN, unique_name};
use super::node::DelayedNode;
use crate::annotations;
use crate::origin;
use crate::plan::PyPlan;
use crate::program::Step;

/// The layer of collections among the arguments: the first source after the calls' own.
const COLLECTIONS: u32 = 1;

struct Compiler<'py> {
    py: Python<'py>,
    assembler: Assembler,
    /// Object address to task number; the objects are kept alive by the queue and the roots.
    numbers: HashMap<usize, u32, foldhash::fast::RandomState>,
    queue: VecDeque<Bound<'py, DelayedNode>>,
    kept: Vec<Bound<'py, PyAny>>,
    collections: Vec<Bound<'py, PyAny>>,
    collection_numbers: HashMap<usize, u32, foldhash::fast::RandomState>,
}

/// Compiles delayed nodes into a plan that wants one block for each.
///
/// `unpack(object)` says what an argument of a type unknown here stands for: a node to compute in
/// its place, the object itself if it is a collection, or None. `lower(collections)` gives the
/// collections' joint plan, how many of its wanted blocks belong to each, and a function for each
/// that makes its value of the list of its blocks.
#[pyfunction]
pub fn compile_delayed<'py>(
    py: Python<'py>,
    nodes: &Bound<'py, PyList>,
    unpack: &Bound<'py, PyAny>,
    lower: &Bound<'py, PyAny>,
) -> PyResult<PyPlan> {
    let mut compiler = Compiler {
        py,
        assembler: Assembler::new(),
        numbers: HashMap::default(),
        queue: VecDeque::new(),
        kept: Vec::new(),
        collections: Vec::new(),
        collection_numbers: HashMap::default(),
    };
    let mut wanted = Vec::with_capacity(nodes.len());
    for node in nodes.iter() {
        wanted.push(compiler.number_of(node.cast::<DelayedNode>()?));
    }
    // The collections' layer is not known yet; its number is patched in by `add_source` below.
    while let Some(node) = compiler.queue.pop_front() {
        compiler.node(&node, unpack)?;
    }
    let mut plan = Plan::default();
    let Compiler {
        mut assembler,
        collections,
        ..
    } = compiler;
    if !collections.is_empty() {
        let layer = add_collections(py, &mut plan, &collections, lower)?;
        assembler.add_source(layer);
    }
    let origin = origin::capture(py);
    let places = assembler.add_by_annotations(py, &mut plan, "delayed", origin)?;
    plan.graph.wanted.extend(wanted.into_iter().map(|task| {
        let (layer, block) = places[task as usize];
        Block { layer, block }
    }));
    Ok(PyPlan::new(plan))
}

/// Adds the collections' layers and one that makes each collection's value of its blocks.
fn add_collections<'py>(
    py: Python<'py>,
    plan: &mut Plan,
    collections: &[Bound<'py, PyAny>],
    lower: &Bound<'py, PyAny>,
) -> PyResult<LayerId> {
    let (lowered, counts, finishers): (Bound<'py, PyPlan>, Vec<usize>, Vec<Bound<'py, PyAny>>) =
        lower.call1((PyList::new(py, collections)?,))?.extract()?;
    let mut known = plan.layer_names();
    let blocks = plan.graft(&mut known, lowered.get().plan());
    let mut assembler = Assembler::new();
    let mut sources: HashMap<LayerId, u32> = HashMap::new();
    let mut blocks = blocks.into_iter();
    for (count, finisher) in counts.into_iter().zip(&finishers) {
        assembler.constant(finisher);
        for block in blocks.by_ref().take(count) {
            let source = *sources
                .entry(block.layer)
                .or_insert_with(|| assembler.add_source(block.layer));
            assembler.input(source, block.block);
        }
        assembler.step(Step::List(count as u32));
        assembler.step(Step::Call(1));
        assembler.finish_task(None);
    }
    Ok(assembler.add_to(plan, unique_name(py, "finish")?, "finish", None))
}

/// The origin of a node with what functions of keys say of the node's.
fn annotated_by_key(
    node: &Bound<'_, DelayedNode>,
    origin: Option<Origin>,
) -> PyResult<Option<Origin>> {
    let Some(origin) = origin else {
        return Ok(None);
    };
    let annotations = origin.annotations.as_ref();
    let Some(functions) = annotations.and_then(|annotations| annotations.functions.as_ref()) else {
        return Ok(Some(origin));
    };
    let key = node.getattr(pyo3::intern!(node.py(), "key"))?;
    let found = annotations::of_key(functions, &key, &origin)?;
    Ok(Some(Origin {
        annotations: Some(Arc::new(found)),
        ..origin
    }))
}

impl<'py> Compiler<'py> {
    fn number_of(&mut self, node: &Bound<'py, DelayedNode>) -> u32 {
        let next = self.numbers.len() as u32;
        *self
            .numbers
            .entry(node.as_ptr() as usize)
            .or_insert_with(|| {
                self.queue.push_back(node.clone());
                self.kept.push(node.clone().into_any());
                next
            })
    }

    fn node(&mut self, node: &Bound<'py, DelayedNode>, unpack: &Bound<'py, PyAny>) -> PyResult<()> {
        let call = node.get();
        let arguments = call.arguments.bind(self.py);
        let function = call.function.bind(self.py);
        if call.plan(self.py).is_some() {
            self.collection(node.as_any());
        } else if function.is_none() {
            self.argument(&arguments.get_item(0)?, unpack)?;
        } else {
            self.call(call, arguments, unpack)?;
        }
        let origin = annotated_by_key(node, call.origin.clone())?;
        self.assembler.finish_task(origin);
        Ok(())
    }

    fn call(
        &mut self,
        call: &DelayedNode,
        arguments: &Bound<'py, PyTuple>,
        unpack: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        self.argument(call.function.bind(self.py), unpack)?;
        for argument in arguments.iter() {
            self.argument(&argument, unpack)?;
        }
        let count = arguments.len() as u32;
        match &call.keywords {
            None => self.assembler.step(Step::Call(count)),
            Some(keywords) => {
                let keywords = keywords.bind(self.py);
                for (name, value) in keywords.iter() {
                    self.assembler.constant(&name);
                    self.argument(&value, unpack)?;
                }
                self.assembler.step(Step::Dict(keywords.len() as u32));
                self.assembler.step(Step::CallKeywords(count));
            }
        }
        Ok(())
    }

    /// Emits an argument; true if it is computed and not just a constant.
    fn argument(
        &mut self,
        object: &Bound<'py, PyAny>,
        unpack: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        if let Ok(node) = object.cast::<DelayedNode>() {
            let number = self.number_of(node);
            self.assembler.input(OWN, number);
            return Ok(true);
        }
        if let Ok(list) = object.cast_exact::<PyList>() {
            return self.items(object, list.iter(), Step::List(list.len() as u32), unpack);
        }
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            return self.items(
                object,
                tuple.iter(),
                Step::Tuple(tuple.len() as u32),
                unpack,
            );
        }
        if let Ok(set) = object.cast_exact::<PySet>() {
            return self.items(object, set.iter(), Step::Set(set.len() as u32), unpack);
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            return self.dict(dict, unpack);
        }
        if is_plain(object) {
            self.assembler.constant(object);
            return Ok(false);
        }
        self.foreign(object, unpack)
    }

    fn items(
        &mut self,
        whole: &Bound<'py, PyAny>,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        step: Step,
        unpack: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let mark = self.assembler.mark();
        let mut computed = false;
        for item in items {
            computed |= self.argument(&item, unpack)?;
        }
        if computed {
            self.assembler.step(step);
        } else {
            self.assembler.replace_by_constant(mark, whole);
        }
        Ok(computed)
    }

    fn dict(&mut self, dict: &Bound<'py, PyDict>, unpack: &Bound<'py, PyAny>) -> PyResult<bool> {
        let mark = self.assembler.mark();
        let mut computed = false;
        for (key, value) in dict.iter() {
            computed |= self.argument(&key, unpack)?;
            computed |= self.argument(&value, unpack)?;
        }
        if computed {
            self.assembler.step(Step::Dict(dict.len() as u32));
        } else {
            self.assembler.replace_by_constant(mark, dict.as_any());
        }
        Ok(computed)
    }

    /// An object of another type: a collection, something that holds one, or a constant.
    fn foreign(
        &mut self,
        object: &Bound<'py, PyAny>,
        unpack: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let standing_for = unpack.call1((object,))?;
        if standing_for.is_none() {
            self.assembler.constant(object);
            return Ok(false);
        }
        if standing_for.is(object) {
            self.collection(object);
            return Ok(true);
        }
        self.argument(&standing_for, unpack)?;
        Ok(true)
    }

    fn collection(&mut self, collection: &Bound<'py, PyAny>) {
        let next = self.collections.len() as u32;
        let number = *self
            .collection_numbers
            .entry(collection.as_ptr() as usize)
            .or_insert_with(|| {
                self.collections.push(collection.clone());
                next
            });
        self.assembler.input(COLLECTIONS, number);
    }
}

fn is_plain(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyBytes, PyCFunction, PyFloat, PyInt};
    object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyNone>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyBytes>()
        || object.is_exact_instance_of::<PyCFunction>()
}
