//! The blocks of a layer that a client refers to. Mostly these are all blocks from the first on: a
//! million of them take 24 MB.

use std::sync::Arc;

use bytes::Bytes;
use foldhash::HashMap;
use rask_proto::Failure;

use super::CompletionQueue;
use super::state::BlockStatus;

/// One block.
pub(super) struct BlockEntry {
    /// References of the client's user; 0 for blocks that nobody refers to.
    references: u32,
    pub holder: u32,
    pub status: BlockStatus,
    /// What few blocks have, or what comes late.
    pub detail: Option<Box<Detail>>,
}

/// What else is known of a block.
#[derive(Default)]
pub(super) struct Detail {
    inline: Option<Bytes>,
    pub failure: Option<Arc<Failure>>,
    pub watchers: Vec<Watcher>,
}

/// Where a token goes when the block is done.
pub(super) type Watcher = (Arc<CompletionQueue>, u64);

impl BlockEntry {
    fn new(references: u32) -> Self {
        BlockEntry {
            references,
            holder: 0,
            status: BlockStatus::Pending,
            detail: None,
        }
    }

    pub fn detail(&mut self) -> &mut Detail {
        self.detail.get_or_insert_default()
    }

    /// The value as it came with the message that it is there.
    pub fn inline(&self) -> Option<&Bytes> {
        self.detail.as_ref()?.inline.as_ref()
    }

    pub fn set_inline(&mut self, inline: Option<Bytes>) {
        match inline {
            Some(inline) => self.detail().inline = Some(inline),
            None => {
                if let Some(detail) = &mut self.detail {
                    detail.inline = None;
                }
            }
        }
    }

    pub fn failure(&self) -> Option<Arc<Failure>> {
        self.detail.as_ref()?.failure.clone()
    }

    pub fn take_watchers(&mut self) -> Vec<Watcher> {
        let detail = self.detail.as_mut();
        detail.map_or_else(Vec::new, |detail| std::mem::take(&mut detail.watchers))
    }
}

/// The blocks of a layer.
pub(super) struct LayerEntry {
    pub name: Arc<str>,
    /// Blocks that follow each other from `first` on; some of them may not be referred to.
    first: u32,
    row: Vec<BlockEntry>,
    others: HashMap<u32, BlockEntry>,
    /// How many are referred to, and how many of these are cancelled.
    count: usize,
    cancelled_count: usize,
}

impl LayerEntry {
    /// Without blocks.
    pub fn new(name: Arc<str>) -> Self {
        LayerEntry {
            name,
            first: 0,
            row: Vec::new(),
            others: HashMap::default(),
            count: 0,
            cancelled_count: 0,
        }
    }

    /// Whether all that are referred to are cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled_count == self.count
    }

    /// A block is cancelled; whoever watches it, unless it was cancelled before.
    pub fn cancel(&mut self, block: u32) -> Vec<Watcher> {
        match self.find_mut(block) {
            Some(entry) if entry.status != BlockStatus::Cancelled => {
                entry.status = BlockStatus::Cancelled;
                let watchers = entry.take_watchers();
                self.cancelled_count += 1;
                watchers
            }
            _ => Vec::new(),
        }
    }

    /// What was cancelled is wanted again.
    pub fn revive(&mut self, block: u32) {
        if let Some(entry) = self.find_mut(block)
            && entry.status == BlockStatus::Cancelled
        {
            entry.status = BlockStatus::Pending;
            entry.detail = None;
            self.cancelled_count -= 1;
        }
    }

    pub fn is_unused(&self) -> bool {
        self.count == 0
    }

    /// Refers to a block once more.
    pub fn refer(&mut self, block: u32) {
        if self.row.is_empty() {
            self.first = block;
            // Most layers have one block.
            self.row.reserve_exact(1);
        }
        let at = block.wrapping_sub(self.first) as usize;
        let entry = match at.cmp(&self.row.len()) {
            std::cmp::Ordering::Less => &mut self.row[at],
            std::cmp::Ordering::Equal if !self.others.contains_key(&block) => {
                self.row.push(BlockEntry::new(0));
                &mut self.row[at]
            }
            _ => self
                .others
                .entry(block)
                .or_insert_with(|| BlockEntry::new(0)),
        };
        self.count += usize::from(entry.references == 0);
        entry.references += 1;
    }

    /// Refers to a block once less; whether it is not referred to any more.
    pub fn release(&mut self, block: u32) -> bool {
        let Some(entry) = self.find_mut(block) else {
            return false;
        };
        entry.references -= 1;
        if entry.references > 0 {
            return false;
        }
        let released = std::mem::replace(entry, BlockEntry::new(0));
        self.others.remove(&block);
        self.count -= 1;
        self.cancelled_count -= usize::from(released.status == BlockStatus::Cancelled);
        true
    }

    /// A block that is referred to.
    pub fn find(&self, block: u32) -> Option<&BlockEntry> {
        let at = block.wrapping_sub(self.first) as usize;
        let entry = self.row.get(at).or_else(|| self.others.get(&block));
        entry.filter(|entry| entry.references > 0)
    }

    pub fn find_mut(&mut self, block: u32) -> Option<&mut BlockEntry> {
        let at = block.wrapping_sub(self.first) as usize;
        let entry = match self.row.get_mut(at) {
            Some(entry) => Some(entry),
            None => self.others.get_mut(&block),
        };
        entry.filter(|entry| entry.references > 0)
    }

    /// The numbers of the blocks.
    pub fn blocks(&self) -> impl Iterator<Item = u32> {
        let row = (self.first..).zip(&self.row);
        let others = self.others.iter().map(|(&block, entry)| (block, entry));
        let all = row.chain(others);
        all.filter(|(_, entry)| entry.references > 0)
            .map(|(block, _)| block)
    }

    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut BlockEntry> {
        let all = self.row.iter_mut().chain(self.others.values_mut());
        all.filter(|entry| entry.references > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_known_as_long_as_they_are_referred_to() {
        let mut layer = LayerEntry::new("layer".into());
        // In a row, out of it, into it again, and twice.
        for block in [5, 6, 9, 7, 8, 9, 2, 10] {
            layer.refer(block);
        }
        let known = |layer: &LayerEntry| {
            let mut blocks: Vec<u32> = layer.blocks().collect();
            blocks.sort_unstable();
            blocks
        };
        assert_eq!(known(&layer), [2, 5, 6, 7, 8, 9, 10]);
        layer.find_mut(9).unwrap().holder = 3;
        assert!(!layer.release(9));
        assert_eq!(layer.find(9).unwrap().holder, 3);
        assert!(layer.release(9));
        assert!(!layer.release(9));
        assert!(layer.find(9).is_none());
        layer.refer(9);
        assert_eq!(layer.find(9).unwrap().holder, 0);
        for block in known(&layer) {
            assert!(!layer.is_unused());
            assert!(layer.release(block));
        }
        assert!(layer.is_unused());
        assert!(known(&layer).is_empty());
    }
}
