//! Clients, and their own numbers for layers.

use std::collections::BTreeSet;

use super::{COMMON, ShareId, TaskId};
use crate::HashMap;

use crate::event::ClientId;

/// One client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Whom its tasks are counted for.
    pub share: ShareId,
    /// Who it says it is.
    pub hello: rask_proto::Hello,
    /// The scheduler's number for each of the client's.
    pub layers: HashMap<u32, u32>,
    /// The client's number for each of the scheduler's: the last, if it has given several.
    pub numbers: HashMap<u32, u32>,
    /// Tasks that it wanted of layers that it gave no number, with their serials.
    pub unnumbered: Vec<(TaskId, u32)>,
    /// Its blocks that others have cancelled, in its own numbering, until it speaks of them.
    pub cancelled: BTreeSet<(u32, u32)>,
}

/// All clients.
#[derive(Default)]
pub(crate) struct Clients {
    pub by_id: HashMap<ClientId, Client>,
}

impl Clients {
    /// Whom a client's tasks are counted for.
    pub fn share_of(&self, client: ClientId) -> ShareId {
        self.by_id
            .get(&client)
            .map_or(COMMON, |client| client.share)
    }

    /// The scheduler's number for a client's layer.
    pub fn find_layer(&self, client: ClientId, number: u32) -> Option<u32> {
        self.by_id.get(&client)?.layers.get(&number).copied()
    }

    /// The client's number for a layer.
    #[inline]
    pub fn find_number(&self, client: ClientId, layer: u32) -> Option<u32> {
        self.by_id.get(&client)?.numbers.get(&layer).copied()
    }
}
