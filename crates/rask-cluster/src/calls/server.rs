//! A listener for calls alone.

use std::sync::Arc;

use rask_proto::{FromPeer, Wire};
use rask_wire::{Address, Incoming, Listener, Security};

use super::{CallQueue, IncomingCall, ServiceEvent, runtime};
use crate::ClusterError;

/// Takes calls until it is closed.
pub struct CallServer {
    queue: Arc<CallQueue>,
    address: Address,
    listening: tokio::task::JoinHandle<()>,
}

impl CallServer {
    /// Listens on `address`; port 0 chooses a free one.
    pub fn start(address: &Address, security: &Security) -> Result<Self, ClusterError> {
        let runtime = runtime()?;
        let (report, reported) = std::sync::mpsc::channel();
        let (address, security) = (address.clone(), Arc::new(security.clone()));
        runtime.spawn(async move {
            // Whoever starts the server waits for the report.
            let _ = report.send(Listener::bind(&address, security).await);
        });
        let listener = reported
            .recv()
            .map_err(|_| ClusterError::Unexpected("no start report"))??;
        let address = listener.address().clone();
        let queue = Arc::new(CallQueue::default());
        let listening = runtime.spawn(listen(listener, queue.clone()));
        Ok(CallServer {
            queue,
            address,
            listening,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What has come.
    pub fn queue(&self) -> &Arc<CallQueue> {
        &self.queue
    }

    /// Takes no more calls.
    pub fn close(&self) {
        self.listening.abort();
        self.queue.close();
    }
}

impl Drop for CallServer {
    fn drop(&mut self) {
        self.close();
    }
}

async fn listen(listener: Listener, queue: Arc<CallQueue>) {
    loop {
        match listener.next().await {
            Ok(incoming) => {
                tokio::spawn(serve(incoming, queue.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(incoming: Incoming, queue: Arc<CallQueue>) {
    let Ok(mut connection) = incoming.accept().await else {
        return;
    };
    while let Ok(frame) = connection.reader.read().await {
        match FromPeer::try_from_frame(frame) {
            Ok(FromPeer::Call(call)) => {
                let call = IncomingCall::new(call, connection.sender.clone());
                queue.push(ServiceEvent::Call(call));
            }
            _ => break,
        }
    }
    connection.sender.close();
}
