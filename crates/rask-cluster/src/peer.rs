//! Connections to workers for data, one an address, with many requests under way on each.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::Mutex;
use rask_proto::{FromPeer, ToPeer, Wire};
use rask_wire::{Address, FrameReader, FrameSender, Role, Security, WireError};
use tokio::sync::oneshot;

/// Connections to workers.
pub(crate) struct PeerPool {
    security: Arc<Security>,
    links: Mutex<HashMap<String, Arc<tokio::sync::OnceCell<Link>>>>,
}

/// One connection.
#[derive(Clone)]
struct Link {
    sender: FrameSender,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    answers: HashMap<u64, oneshot::Sender<ToPeer>>,
    closed: bool,
}

impl PeerPool {
    /// No connections yet.
    pub fn new(security: Arc<Security>) -> Self {
        PeerPool {
            security,
            links: Mutex::default(),
        }
    }

    /// Sends the request that `make` makes of its number, and waits for the answer.
    pub async fn ask(
        &self,
        address: &str,
        make: impl FnOnce(u64) -> FromPeer,
    ) -> Result<ToPeer, WireError> {
        let answered = self.begin(address, make).await?;
        answered.await.map_err(|_| {
            self.forget(address);
            WireError::Closed
        })
    }

    /// Sends the request that `make` makes of its number; where the answer will be.
    pub async fn begin(
        &self,
        address: &str,
        make: impl FnOnce(u64) -> FromPeer,
    ) -> Result<oneshot::Receiver<ToPeer>, WireError> {
        let link = self.link(address).await?;
        let (answer, answered) = oneshot::channel();
        let request = {
            let mut waiting = link.waiting.lock();
            if waiting.closed {
                drop(waiting);
                self.forget(address);
                return Err(WireError::Closed);
            }
            waiting.next += 1;
            let number = waiting.next;
            waiting.answers.insert(number, answer);
            make(number)
        };
        link.sender.send(request.into_frame());
        Ok(answered)
    }

    /// Ends the connection to a worker that is gone.
    pub fn forget(&self, address: &str) {
        let link = self.links.lock().remove(address);
        if let Some(link) = link.as_ref().and_then(|cell| cell.get()) {
            link.sender.close();
        }
    }

    async fn link(&self, address: &str) -> Result<Link, WireError> {
        let cell = self
            .links
            .lock()
            .entry(address.to_owned())
            .or_default()
            .clone();
        let link = cell.get_or_try_init(|| self.connect(address)).await;
        if link.is_err() {
            self.forget(address);
        }
        link.cloned()
    }

    async fn connect(&self, address: &str) -> Result<Link, WireError> {
        let address: Address = address.parse()?;
        let connection = rask_wire::connect(&address, &self.security, Role::Peer).await?;
        let link = Link {
            sender: connection.sender,
            waiting: Arc::default(),
        };
        tokio::spawn(receive(connection.reader, link.clone()));
        Ok(link)
    }
}

/// Hands answers to those who wait for them until the connection ends.
async fn receive(mut reader: FrameReader, link: Link) {
    while let Ok(frame) = reader.read().await {
        let Ok(message) = ToPeer::try_from_frame(frame) else {
            break;
        };
        let number = match &message {
            ToPeer::Data(data) => data.id,
            ToPeer::Ran(reply) => reply.id,
            ToPeer::Called(reply) => reply.id,
        };
        let waiting = link.waiting.lock().answers.remove(&number);
        if let Some(waiting) = waiting {
            // Whoever asked may have given up.
            let _ = waiting.send(message);
        }
    }
    let mut waiting = link.waiting.lock();
    waiting.closed = true;
    waiting.answers.clear();
    link.sender.close();
}
