//! A client: random graphs, and what came of the blocks it wants.

use std::collections::BTreeMap;

use bytes::Bytes;
use rask_proto::{Blocks, FromClient, LayerSpec, Packed, RefColumns, Submit, ToClient};

use crate::random::Random;

/// How a wanted block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Pending,
    Finished,
    Erred,
}

/// One client.
#[derive(Default)]
pub(crate) struct SimClient {
    submissions: u32,
    pub wanted: BTreeMap<(u32, u32), Known>,
}

impl SimClient {
    /// A random graph of a few layers; every block of the last, and some of others, are wanted.
    pub fn submit(&mut self, random: &mut Random) -> FromClient {
        let first_number = self.submissions * 16 + 1;
        self.submissions += 1;
        let layer_count = 1 + random.below(5) as u32;
        let mut layers: Vec<LayerSpec> = Vec::new();
        for position in 0..layer_count {
            let blocks = 1 + random.below(8) as u32;
            let mut layer = LayerSpec {
                name: format!("layer-{}-{position}", self.submissions),
                grid: vec![blocks],
                op: Some(Packed::new("sim", Bytes::new(), Vec::new())),
                operation: format!("op-{}", random.below(3)),
                id: first_number + position,
                ..LayerSpec::default()
            };
            if position > 0 {
                layer.refs = Some(references(&layers, blocks, random));
            }
            layers.push(layer);
        }
        let mut wanted = Blocks::default();
        for (position, layer) in layers.iter().enumerate() {
            let last = position + 1 == layers.len();
            for block in 0..layer.grid[0] {
                if last || random.chance(10) {
                    wanted.push(position as u32, block);
                    self.wanted.insert((layer.id, block), Known::Pending);
                }
            }
        }
        FromClient::Submit(Submit {
            layers,
            wanted: Some(wanted),
            retries: random.below(3) as u32,
            ..Submit::default()
        })
    }

    /// Lets go of one block, if there is one.
    pub fn release(&mut self, random: &mut Random) -> Option<FromClient> {
        let at = random.below(self.wanted.len().max(1) as u64) as usize;
        let key = *self.wanted.keys().nth(at)?;
        self.wanted.remove(&key);
        Some(FromClient::Release(Blocks::from_iter([key])))
    }

    /// Takes note of news.
    pub fn on_message(&mut self, message: ToClient) {
        let (blocks, known) = match message {
            ToClient::Finished(finished) => (finished.blocks, Known::Finished),
            ToClient::Erred(erred) => (erred.blocks, Known::Erred),
            ToClient::Lost(blocks) => (Some(blocks), Known::Pending),
            _ => return,
        };
        for key in blocks.iter().flat_map(Blocks::iter) {
            if let Some(entry) = self.wanted.get_mut(&key) {
                *entry = known;
            }
        }
    }

    /// Whether nothing is pending.
    pub fn is_done(&self) -> bool {
        self.wanted.values().all(|known| *known != Known::Pending)
    }
}

/// Each block needs up to four blocks of earlier layers.
fn references(earlier: &[LayerSpec], blocks: u32, random: &mut Random) -> RefColumns {
    let mut refs = RefColumns {
        offsets: vec![0],
        ..RefColumns::default()
    };
    for _ in 0..blocks {
        for _ in 0..random.below(5) {
            let layer = random.below(earlier.len() as u64) as u32;
            let count = earlier[layer as usize].grid[0];
            refs.layers.push(layer);
            refs.blocks.push(random.below(u64::from(count)) as u32);
        }
        refs.offsets.push(refs.blocks.len() as u32);
    }
    refs
}
