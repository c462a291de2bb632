//! Items, and the blocks that they refer to.

use std::sync::Arc;

use rask_proto::{Blocks, Item, Packed};

use super::Ticket;
use crate::HashMap;
use crate::event::ClientId;
use crate::scheduler::Scheduler;
use crate::state::TaskState;

/// The client that stands for all items: it wants the blocks that they refer to.
const ITEMS: ClientId = ClientId(u32::MAX - 1);

/// An item as it is kept.
#[derive(Debug)]
pub(crate) struct Stored {
    value: Packed,
    /// In the scheduler's numbering.
    blocks: Vec<(u32, u32)>,
}

/// Which blocks items refer to.
#[derive(Default)]
pub(crate) struct Holds {
    /// How many items refer to a block.
    counts: HashMap<(u32, u32), u32>,
    /// Items in answers whose askers do not refer to the blocks by themselves yet.
    given: HashMap<Ticket, Vec<Arc<Stored>>>,
}

impl Holds {
    /// What was given in the answer to a question.
    pub fn take_given(&mut self, ticket: Ticket) -> Vec<Arc<Stored>> {
        self.given.remove(&ticket).unwrap_or_default()
    }

    /// What was given to a client.
    pub fn take_given_to(&mut self, client: ClientId) -> Vec<Arc<Stored>> {
        let given = self.given.extract_if(|ticket, _| ticket.0 == client);
        given.flat_map(|(_, items)| items).collect()
    }
}

impl Scheduler {
    /// Keeps an item and what it refers to.
    pub(super) fn store_item(&mut self, client: ClientId, item: Item) -> Arc<Stored> {
        let blocks = item.blocks.unwrap_or_default();
        let blocks = blocks.iter().filter_map(|(number, block)| {
            let layer = self.clients.find_layer(client, number)?;
            Some((layer, block))
        });
        let stored = Stored {
            blocks: blocks.collect(),
            value: item.value.unwrap_or_default(),
        };
        self.hold(&stored);
        Arc::new(stored)
    }

    /// The item for a client that may know none of its layers.
    pub(super) fn describe_item(&self, stored: &Stored) -> Item {
        let mut layers: Vec<String> = Vec::new();
        let mut blocks = Blocks::default();
        for &(layer, block) in &stored.blocks {
            let Some(known) = self.layers.find(layer) else {
                continue;
            };
            let named = layers.iter().position(|name| **name == *known.name);
            let position = named.unwrap_or_else(|| {
                layers.push(known.name.to_string());
                layers.len() - 1
            });
            blocks.push(position as u32, block);
        }
        Item {
            value: Some(stored.value.clone()),
            blocks: Some(blocks),
            layers,
        }
    }

    /// Keeps what was given in an answer for the asker.
    pub(super) fn hold_given(&mut self, ticket: Ticket, items: Vec<Arc<Stored>>) {
        let items: Vec<_> = items
            .into_iter()
            .filter(|item| !item.blocks.is_empty())
            .collect();
        for item in &items {
            self.hold(item);
        }
        if !items.is_empty() {
            self.coordination.holds.given.insert(ticket, items);
        }
    }

    fn hold(&mut self, stored: &Stored) {
        for &block in &stored.blocks {
            let count = self.coordination.holds.counts.entry(block).or_insert(0);
            *count += 1;
            if *count > 1 {
                continue;
            }
            let Some(id) = self.find_task(block.0, block.1) else {
                continue;
            };
            self.tasks.push_wanted_by(id, ITEMS);
            if self.tasks.get(id).state == TaskState::Released {
                self.transition_released_waiting(id);
            }
        }
    }

    /// An item is gone from one place.
    pub(super) fn drop_item(&mut self, stored: &Stored) {
        for block in &stored.blocks {
            let Some(count) = self.coordination.holds.counts.get_mut(block) else {
                continue;
            };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            self.coordination.holds.counts.remove(block);
            if let Some(id) = self.find_task(block.0, block.1) {
                self.unwant(ITEMS, id);
            }
        }
    }
}
