//! Buffers of messages that have been read or sent, for those to come: columns are made anew for
//! every message, and asking for their memory costs more than filling them.

use std::mem::take;

use rask_proto::{Assign, Blocks, PeerAddress, ToWorker};

/// All that are kept together take no more than this: enough for messages to thousands of workers.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Longer ones are given back.
const LENGTH_MAX: usize = 1024;

/// Empty lists with room.
#[derive(Default)]
pub(crate) struct Spare {
    words: Lists<u32>,
    doubles: Lists<u64>,
    flags: Lists<bool>,
    peers: Lists<PeerAddress>,
    bytes: usize,
}

type Lists<T> = Vec<Vec<T>>;

#[inline]
fn keep<T>(kept: &mut Lists<T>, bytes: &mut usize, mut list: Vec<T>) {
    let taken = list.capacity() * size_of::<T>();
    if (1..=LENGTH_MAX).contains(&list.capacity()) && *bytes + taken <= KEPT_BYTES_MAX {
        list.clear();
        kept.push(list);
        *bytes += taken;
    }
}

#[inline]
fn take_one<T>(kept: &mut Lists<T>, bytes: &mut usize) -> Vec<T> {
    let list = kept.pop().unwrap_or_default();
    *bytes -= list.capacity() * size_of::<T>();
    list
}

impl Spare {
    #[inline]
    pub fn words(&mut self) -> Vec<u32> {
        take_one(&mut self.words, &mut self.bytes)
    }

    pub fn peers(&mut self) -> Vec<PeerAddress> {
        take_one(&mut self.peers, &mut self.bytes)
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
            priorities: take_one(&mut self.doubles, &mut self.bytes),
            wanted: take_one(&mut self.flags, &mut self.bytes),
            input_counts: self.words(),
            inputs: None,
            holders: self.words(),
            input_nbytes: take_one(&mut self.doubles, &mut self.bytes),
        }
    }

    pub fn keep_words(&mut self, list: Vec<u32>) {
        keep(&mut self.words, &mut self.bytes, list);
    }

    pub fn keep_doubles(&mut self, list: Vec<u64>) {
        keep(&mut self.doubles, &mut self.bytes, list);
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
                keep(&mut self.flags, &mut self.bytes, take(&mut assign.wanted));
            }
            ToWorker::Peers(peers) => {
                keep(&mut self.peers, &mut self.bytes, take(&mut peers.joined))
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
        let per_list = LENGTH_MAX * size_of::<u32>();
        for _ in 0..2 * KEPT_BYTES_MAX / per_list {
            spare.keep_words(Vec::with_capacity(LENGTH_MAX));
        }
        assert!(spare.words.len() <= KEPT_BYTES_MAX / per_list);
        while !spare.words.is_empty() {
            spare.words();
        }
        spare.keep_doubles(Vec::with_capacity(LENGTH_MAX + 1));
        assert!(spare.doubles.is_empty(), "large ones are given back");
    }
}
