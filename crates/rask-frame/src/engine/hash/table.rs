//! An open-addressing table from 64-bit keys to dense codes.

/// Marks an empty slot, and rows that belong to no group.
pub(crate) const NO_CODE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Slot {
    key: u64,
    code: u32,
}

const EMPTY: Slot = Slot {
    key: 0,
    code: NO_CODE,
};

/// Tables with so many slots or more take megabytes: they grow by half as much, and get fuller.
const LARGE_BITS: u32 = 17;

/// Keys to codes in order of first appearance; linear probing, at most half full, or five eighths.
pub(crate) struct CodeTable {
    slots: Vec<Slot>,
    shift: u32,
    len: u32,
    len_max: u32,
}

impl CodeTable {
    pub(crate) fn new() -> CodeTable {
        CodeTable::with_bits(10)
    }

    fn with_bits(bits: u32) -> CodeTable {
        CodeTable {
            slots: vec![EMPTY; 1 << bits],
            shift: 64 - bits,
            len: 0,
            len_max: match bits < LARGE_BITS {
                true => 1 << (bits - 1),
                false => 5 << (bits - 3),
            },
        }
    }

    fn place(&self, key: u64) -> usize {
        ((key ^ (key >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    /// The code of an exact key, a new one if it was not there; the flag says which.
    #[inline]
    pub(crate) fn insert(&mut self, key: u64, next: u32) -> (u32, bool) {
        self.insert_with(key, next, |_| true)
    }

    /// As `insert` for keys that are hashes: `is_same` tells whether a code is the key's own.
    #[inline]
    pub(crate) fn insert_with(
        &mut self,
        key: u64,
        next: u32,
        is_same: impl Fn(u32) -> bool,
    ) -> (u32, bool) {
        let mask = self.slots.len() - 1;
        let mut at = self.place(key);
        loop {
            let slot = self.slots[at & mask];
            if slot.code == NO_CODE {
                break;
            }
            if slot.key == key && is_same(slot.code) {
                return (slot.code, false);
            }
            at += 1;
        }
        self.slots[at & mask] = Slot { key, code: next };
        self.len += 1;
        if self.len > self.len_max {
            self.grow();
        }
        (next, true)
    }

    #[cold]
    fn grow(&mut self) {
        let bits = 64 - self.shift;
        let bits = bits + if bits < LARGE_BITS { 2 } else { 1 };
        let mut bigger = CodeTable::with_bits(bits);
        let mask = bigger.slots.len() - 1;
        for slot in self.slots.iter().filter(|slot| slot.code != NO_CODE) {
            let mut at = bigger.place(slot.key);
            while bigger.slots[at & mask].code != NO_CODE {
                at += 1;
            }
            bigger.slots[at & mask] = *slot;
        }
        bigger.len = self.len;
        *self = bigger;
    }
}
