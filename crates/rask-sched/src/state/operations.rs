//! What is learned of operations, over the layers that run them.

use std::sync::Arc;

use super::Estimate;
use crate::HashMap;

/// One operation.
#[derive(Debug, Default)]
pub(crate) struct Operation {
    /// Mean duration of its tasks, once one has ended.
    pub mean_micros: Option<f32>,
    /// Bytes of its values.
    pub output: Estimate,
}

impl Operation {
    /// Learns from the mean of one of its layers, of which one more task has ended.
    #[inline]
    pub fn learn(&mut self, mean: f32) {
        match &mut self.mean_micros {
            Some(known) => *known += (mean - *known) * 0.1,
            None => self.mean_micros = Some(mean),
        }
    }
}

/// All operations, by number and by name.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    records: Vec<Operation>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Operations {
    /// The number of an operation. All that name it share the name.
    pub fn add(&mut self, name: &mut Arc<str>) -> u32 {
        if let Some((known, &number)) = self.numbers.get_key_value(name) {
            *name = known.clone();
            return number;
        }
        let number = self.records.len() as u32;
        self.records.push(Operation::default());
        self.numbers.insert(name.clone(), number);
        number
    }

    #[inline]
    pub fn get(&self, number: u32) -> &Operation {
        &self.records[number as usize]
    }

    #[inline]
    pub fn get_mut(&mut self, number: u32) -> &mut Operation {
        &mut self.records[number as usize]
    }
}
