//! Connections to workers for data, one an address, with many requests under way on each.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use parking_lot::Mutex;
use rask_proto::{FromPeer, GetData, PeerData, ToPeer, Wire};
use rask_wire::{Address, FrameReader, FrameSender, Role, Security, WireError};
use tokio::sync::{Notify, OnceCell, oneshot};

use crate::segments::{self, View};

/// Connections to workers.
pub(crate) struct PeerPool {
    security: Arc<Security>,
    links: Mutex<HashMap<String, Arc<Entry>>>,
    /// Peers of this host whose segments cannot be opened here.
    closed_to_us: Mutex<HashSet<String>>,
    view: View,
}

/// A connection, or one that is being made.
#[derive(Default)]
struct Entry {
    link: OnceCell<Link>,
    /// The worker is gone: there is nothing to connect to.
    forgotten: Notify,
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
    /// No connections yet; what peers of this host lend is seen in this way.
    pub fn new(security: Arc<Security>, view: View) -> Self {
        PeerPool {
            security,
            links: Mutex::default(),
            closed_to_us: Mutex::default(),
            view,
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

    /// Fetches values: through shared memory what is large and on this host, else through the
    /// connection.
    pub async fn get_data(&self, address: &str, wanted: GetData) -> Option<PeerData> {
        let may_map = !self.closed_to_us.lock().contains(address);
        let host = if may_map { segments::host() } else { "" };
        let mut data = self.get_data_at(address, wanted.clone(), host).await?;
        if data.lent.is_empty() {
            return Some(data);
        }
        let taken = segments::take_lent(&mut data, self.view);
        let link = self.link(address).await.ok()?;
        link.sender.send(FromPeer::Mapped(data.id).into_frame());
        let Err(error) = taken else {
            return Some(data);
        };
        tracing::info!(%error, address, "shared memory cannot be used with this peer");
        self.closed_to_us.lock().insert(address.to_owned());
        self.get_data_at(address, wanted, "").await
    }

    async fn get_data_at(&self, address: &str, wanted: GetData, host: &str) -> Option<PeerData> {
        let request = |id| {
            FromPeer::GetData(GetData {
                id,
                host: host.to_owned(),
                ..wanted
            })
        };
        match self.ask(address, request).await {
            Ok(ToPeer::Data(data)) => Some(data),
            _ => None,
        }
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
        self.closed_to_us.lock().remove(address);
        let Some(entry) = self.links.lock().remove(address) else {
            return;
        };
        entry.forgotten.notify_waiters();
        if let Some(link) = entry.link.get() {
            link.sender.abort();
        }
    }

    async fn link(&self, address: &str) -> Result<Link, WireError> {
        let entry = self
            .links
            .lock()
            .entry(address.to_owned())
            .or_default()
            .clone();
        if let Some(link) = entry.link.get() {
            return Ok(link.clone());
        }
        let forgotten = entry.forgotten.notified();
        tokio::pin!(forgotten);
        forgotten.as_mut().enable();
        let known = self.links.lock().get(address).cloned();
        if !known.is_some_and(|known| Arc::ptr_eq(&known, &entry)) {
            return Err(WireError::Closed);
        }
        let link = tokio::select! {
            link = entry.link.get_or_try_init(|| self.connect(address)) => link.cloned(),
            () = &mut forgotten => return Err(WireError::Closed),
        };
        if link.is_err() {
            self.forget(address);
        }
        link
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
        let left = match waiting {
            Some(waiting) => waiting.send(message).err(),
            None => Some(message),
        };
        // Whoever asked has given up: what was lent to it need not wait for it.
        if matches!(&left, Some(ToPeer::Data(data)) if !data.lent.is_empty()) {
            link.sender.send(FromPeer::Mapped(number).into_frame());
        }
    }
    let mut waiting = link.waiting.lock();
    waiting.closed = true;
    waiting.answers.clear();
    link.sender.close();
}
