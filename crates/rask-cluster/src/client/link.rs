//! The way to the scheduler: a connection, or a function call.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rask_proto::{FromClient, ToClient};
use rask_sched::ClientId;
use rask_wire::{Address, Security};

use super::outgoing::leave_soon;
use super::session::{self, Endpoint, Identity, Outbox};
use super::state::State;
use super::{ClusterClient, Shared};
use crate::peer::PeerPool;
use crate::scheduler::SchedulerHandle;
use crate::segments::View;
use crate::{ClusterError, stock};

pub(super) enum Link {
    Remote(Arc<Outbox>),
    Local {
        scheduler: SchedulerHandle,
        client: ClientId,
    },
}

impl Link {
    /// Sends messages in their order, at one go.
    pub fn send(&self, messages: impl IntoIterator<Item = FromClient>) {
        match self {
            Link::Remote(outbox) => outbox.send(messages),
            Link::Local { scheduler, client } => scheduler.client_messages(*client, messages),
        }
    }

    pub fn close(&self) {
        match self {
            Link::Remote(outbox) => outbox.close(),
            Link::Local { scheduler, client } => scheduler.detach_client(*client),
        }
    }
}

/// Connects over the network. The network thread ends when the client is closed.
pub(super) fn connect(
    identity: Identity,
    address: &Address,
    security: &Security,
) -> Result<ClusterClient, ClusterError> {
    let endpoint = Endpoint::new(identity, address.clone(), security.clone());
    start_thread(move |handle, made| async move {
        let (connection, welcome) = match endpoint.connect(false).await {
            Ok(connected) => connected,
            Err(error) => return report(&made, Err(error.into())),
        };
        let outbox = Arc::new(Outbox::new(connection.sender.clone()));
        let link = Link::Remote(outbox.clone());
        let address = endpoint.address.to_string();
        let shared = Arc::new(new_shared(link, address, &endpoint.security, handle));
        shared.state.lock().capabilities = connection.agreement.capabilities;
        let client = ClusterClient {
            shared: shared.clone(),
        };
        report(&made, Ok(client.clone()));
        tokio::spawn(leave_soon(client));
        let reconnect = Duration::from_millis(welcome.reconnect_millis.into());
        session::receive(connection, endpoint, reconnect, outbox, shared).await;
    })
}

/// Attaches to a scheduler of this process.
pub(super) fn attach(
    identity: Identity,
    scheduler: &SchedulerHandle,
    security: &Security,
) -> Result<ClusterClient, ClusterError> {
    let (scheduler, security) = (scheduler.clone(), security.clone());
    start_thread(move |handle, made| async move {
        let cell: Arc<Mutex<Weak<Shared>>> = Arc::new(Mutex::new(Weak::new()));
        let early: Arc<Mutex<Vec<ToClient>>> = Arc::default();
        let sink = sink(cell.clone(), early.clone());
        let client = scheduler.attach_client(sink);
        let hello = FromClient::Hello(identity.into_hello());
        scheduler.client_messages(client, [hello]);
        let address = scheduler.address().to_string();
        let link = Link::Local { scheduler, client };
        let shared = Arc::new(new_shared(link, address, &security, handle));
        shared.state.lock().capabilities = rask_proto::Versions::OURS.capabilities;
        *cell.lock() = Arc::downgrade(&shared);
        for message in early.lock().drain(..) {
            shared.on_message(message);
        }
        let client = ClusterClient {
            shared: shared.clone(),
        };
        report(&made, Ok(client.clone()));
        tokio::spawn(leave_soon(client));
        shared.stop.notified().await;
    })
}

/// Dropped when the scheduler has ended, or knows the client no more.
struct Attached(Arc<Mutex<Weak<Shared>>>);

impl Drop for Attached {
    fn drop(&mut self) {
        let client = self.0.lock().upgrade();
        if let Some(shared) = client {
            shared.on_closed("the scheduler was closed");
        }
    }
}

/// Messages before the client exists are kept for it.
fn sink(
    cell: Arc<Mutex<Weak<Shared>>>,
    early: Arc<Mutex<Vec<ToClient>>>,
) -> crate::scheduler::LocalSink {
    let attached = Attached(cell);
    Arc::new(move |message| match attached.0.lock().upgrade() {
        Some(shared) => shared.on_message(message),
        None => early.lock().push(message),
    })
}

type Made = std::sync::mpsc::Sender<Result<ClusterClient, ClusterError>>;

fn report(made: &Made, outcome: Result<ClusterClient, ClusterError>) {
    // Whoever started the thread waits for the report.
    let _ = made.send(outcome);
}

/// Runs `body` on a new network thread and returns the client it reports.
fn start_thread<F>(
    body: impl FnOnce(tokio::runtime::Handle, Made) -> F + Send + 'static,
) -> Result<ClusterClient, ClusterError>
where
    F: Future<Output = ()>,
{
    let failed = |source| ClusterError::Start {
        what: "the client's network thread",
        source,
    };
    stock::fill();
    let (made, waiting) = std::sync::mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    std::thread::Builder::new()
        .name("rask-client".to_owned())
        .spawn(move || {
            let handle = runtime.handle().clone();
            stock::fill();
            runtime.block_on(body(handle, made));
        })
        .map_err(failed)?;
    waiting
        .recv()
        .map_err(|_| ClusterError::Unexpected("no start report"))?
}

fn new_shared(
    link: Link,
    address: String,
    security: &Security,
    runtime: tokio::runtime::Handle,
) -> Shared {
    let mut state = State::default();
    state.prepare();
    Shared {
        state: Mutex::new(state),
        changed: Condvar::new(),
        pending: Mutex::default(),
        sending: Mutex::default(),
        link,
        address,
        peers: PeerPool::new(Arc::new(security.clone()), View::Private),
        runtime,
        stop: tokio::sync::Notify::new(),
        releases: Mutex::default(),
        soon: tokio::sync::Notify::new(),
    }
}
