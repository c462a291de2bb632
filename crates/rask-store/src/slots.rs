//! The values of numbered tasks.

use std::collections::HashMap;

use rask_value::ValueRef;

use crate::Extent;

/// Values in memory by number, and where spilled ones lie.
#[derive(Debug, Default)]
pub struct Slots {
    values: Vec<Option<ValueRef>>,
    extents: HashMap<u32, Extent>,
}

/// What was known of a number that is forgotten: drop it outside of locks, since dropping a foreign
/// object may wait for its interpreter.
#[derive(Debug, Default)]
pub struct Spilled {
    pub value: Option<ValueRef>,
    pub extent: Option<Extent>,
}

impl Slots {
    /// Room for `count` values.
    pub fn with_count(count: usize) -> Self {
        let mut values = Vec::new();
        values.resize_with(count, || None);
        Slots {
            values,
            extents: HashMap::new(),
        }
    }

    /// Puts a value into memory.
    #[inline]
    pub fn put(&mut self, task: u32, value: ValueRef) {
        let index = task as usize;
        if index >= self.values.len() {
            self.values.resize_with(index + 1, || None);
        }
        self.values[index] = Some(value);
    }

    /// The value, if it is in memory.
    #[inline]
    pub fn find(&self, task: u32) -> Option<&ValueRef> {
        self.values.get(task as usize)?.as_ref()
    }

    /// Takes the value out of memory. A copy on disk stays.
    #[inline]
    pub fn take(&mut self, task: u32) -> Option<ValueRef> {
        self.values.get_mut(task as usize)?.take()
    }

    /// Notes that the value has been written.
    pub fn put_extent(&mut self, task: u32, extent: Extent) {
        self.extents.insert(task, extent);
    }

    /// Where the value lies on disk.
    pub fn find_extent(&self, task: u32) -> Option<&Extent> {
        self.extents.get(&task)
    }

    /// Forgets the value, in memory and on disk.
    #[inline]
    pub fn remove(&mut self, task: u32) -> Spilled {
        Spilled {
            value: self.take(task),
            extent: if self.extents.is_empty() {
                None
            } else {
                self.extents.remove(&task)
            },
        }
    }
}
