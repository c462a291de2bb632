//! Clients, and their own numbers for layers.

use super::TaskId;
use crate::HashMap;

use crate::event::ClientId;

/// One client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Who it says it is.
    pub hello: rask_proto::Hello,
    /// The scheduler's number for each of the client's.
    pub layers: HashMap<u32, u32>,
    /// The client's number for each of the scheduler's.
    pub numbers: HashMap<u32, u32>,
    /// Tasks that it wanted of layers that it gave no number, with their serials.
    pub unnumbered: Vec<(TaskId, u32)>,
}

/// All clients.
#[derive(Default)]
pub(crate) struct Clients {
    pub by_id: HashMap<ClientId, Client>,
}

impl Clients {
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
