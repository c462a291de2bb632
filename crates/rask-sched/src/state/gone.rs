//! Layers that are gone, as long as histories name them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Layer, Layers};
use crate::HashMap;

/// What histories tell of a layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerName {
    pub name: Arc<str>,
    pub operation: Arc<str>,
    /// The number of a block is part of its key.
    pub numbered: bool,
}

impl LayerName {
    fn of(layer: &Layer) -> Self {
        LayerName {
            name: layer.name.clone(),
            operation: layer.operation.clone(),
            numbered: !layer.grid.is_empty(),
        }
    }
}

/// How much was written into the histories: changes of state, and tasks that ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub changes: u64,
    pub ended: u64,
}

#[derive(Debug)]
struct Gone {
    number: u32,
    name: LayerName,
    /// What was written before it went.
    until: Written,
}

/// Layers kept at most; what names others is left without a name.
const KEPT_MAX: usize = 200_000;

/// Layers that are gone, in the order in which they went.
#[derive(Debug, Default)]
pub(crate) struct GoneLayers {
    layers: VecDeque<Gone>,
}

impl GoneLayers {
    /// Keeps the name of a layer that goes, and drops those that no history names any more, which
    /// remember what was written after `oldest`.
    pub fn add(&mut self, number: u32, layer: &Layer, written: Written, oldest: Written) {
        self.layers.push_back(Gone {
            number,
            name: LayerName::of(layer),
            until: written,
        });
        while let Some(first) = self.layers.front() {
            let until = first.until;
            let is_named = until.changes > oldest.changes || until.ended > oldest.ended;
            if is_named && self.layers.len() <= KEPT_MAX {
                return;
            }
            self.layers.pop_front();
        }
    }

    /// Looks names up, of layers that are there and of those that are gone.
    pub fn names<'a>(&'a self, layers: &'a Layers) -> LayerNames<'a> {
        let gone = self.layers.iter();
        LayerNames {
            layers,
            gone: gone.map(|gone| (gone.number, &gone.name)).collect(),
        }
    }
}

/// Names of layers for one answer.
pub(crate) struct LayerNames<'a> {
    layers: &'a Layers,
    gone: HashMap<u32, &'a LayerName>,
}

impl LayerNames<'_> {
    /// The name of a layer.
    pub fn name(&self, number: u32) -> LayerName {
        match (self.layers.find(number), self.gone.get(&number)) {
            (Some(layer), _) => LayerName::of(layer),
            (None, Some(name)) => (*name).clone(),
            (None, None) => LayerName {
                name: "a layer that was forgotten".into(),
                operation: "".into(),
                numbered: true,
            },
        }
    }

    /// The numbers of all layers of these names.
    pub fn numbers(&self, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        let there = self.layers.iter();
        let there = there.filter(|(_, layer)| wanted(&layer.name));
        let there = there.map(|(number, _)| number);
        let gone = self.gone.iter();
        let gone = gone.filter(|(_, layer)| wanted(&layer.name));
        there.chain(gone.map(|(number, _)| *number)).collect()
    }
}
