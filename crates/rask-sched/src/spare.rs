//! Buffers of messages that have been read or sent, for those to come: columns are made anew for
//! every message, and asking for their memory costs more than filling them.

use std::mem::take;

use rask_proto::{Assign, Blocks, ToWorker};

/// Of each kind so many are kept.
const KEPT_MAX: usize = 1024;
/// Longer ones are given back.
const LENGTH_MAX: usize = 1024;

/// Empty lists with room.
#[derive(Default)]
pub(crate) struct Spare {
    words: Vec<Vec<u32>>,
    doubles: Vec<Vec<u64>>,
    flags: Vec<Vec<bool>>,
}

#[inline]
fn keep<T>(kept: &mut Vec<Vec<T>>, mut list: Vec<T>) {
    if kept.len() < KEPT_MAX && (1..=LENGTH_MAX).contains(&list.capacity()) {
        list.clear();
        kept.push(list);
    }
}

impl Spare {
    pub fn words(&mut self) -> Vec<u32> {
        self.words.pop().unwrap_or_default()
    }

    pub fn blocks(&mut self) -> Blocks {
        Blocks {
            layers: self.words(),
            blocks: self.words(),
        }
    }

    /// An assignment of no tasks and no inputs.
    pub fn assign(&mut self) -> Assign {
        Assign {
            tasks: Some(self.blocks()),
            priorities: self.doubles.pop().unwrap_or_default(),
            wanted: self.flags.pop().unwrap_or_default(),
            input_counts: self.words(),
            inputs: None,
            holders: self.words(),
            input_nbytes: self.doubles.pop().unwrap_or_default(),
        }
    }

    pub fn keep_words(&mut self, list: Vec<u32>) {
        keep(&mut self.words, list);
    }

    pub fn keep_doubles(&mut self, list: Vec<u64>) {
        keep(&mut self.doubles, list);
    }

    pub fn keep_blocks(&mut self, blocks: Blocks) {
        self.keep_words(blocks.layers);
        self.keep_words(blocks.blocks);
    }

    /// Takes the columns of a message that has been sent.
    pub fn keep_message(&mut self, message: &mut ToWorker) {
        match message {
            ToWorker::Assign(assign) => {
                let blocks = assign.tasks.take().into_iter().chain(assign.inputs.take());
                blocks.for_each(|blocks| self.keep_blocks(blocks));
                self.keep_words(take(&mut assign.input_counts));
                self.keep_words(take(&mut assign.holders));
                self.keep_doubles(take(&mut assign.priorities));
                self.keep_doubles(take(&mut assign.input_nbytes));
                keep(&mut self.flags, take(&mut assign.wanted));
            }
            ToWorker::Free(blocks) | ToWorker::Unassign(blocks) => self.keep_blocks(take(blocks)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_used_again_and_empty() {
        let mut spare = Spare::default();
        let mut assign = spare.assign();
        assign.tasks.get_or_insert_default().push(1, 2);
        assign.priorities.push(3);
        assign.wanted.push(true);
        spare.keep_message(&mut ToWorker::Assign(assign));
        let again = spare.assign();
        assert_eq!(again, Spare::default().assign());
        assert!(again.priorities.capacity() > 0 && again.wanted.capacity() > 0);
        for _ in 0..2 * KEPT_MAX {
            spare.keep_blocks(Blocks::from_iter([(1, 1)]));
        }
        assert_eq!(spare.words.len(), KEPT_MAX);
        spare.keep_doubles(Vec::with_capacity(LENGTH_MAX + 1));
        assert!(spare.doubles.is_empty(), "large ones are given back");
    }
}
