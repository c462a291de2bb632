//! Making calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use parking_lot::{Condvar, Mutex};
use rask_proto::{Call, Failure, FromPeer, Packed, ToPeer};
use rask_wire::Security;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::runtime;
use crate::ClusterError;
use crate::client::CompletionQueue;
use crate::peer::PeerPool;
use crate::segments::View;

/// Makes calls to workers and nannies; clones share its connections.
#[derive(Clone)]
pub struct Caller {
    shared: Arc<Shared>,
}

struct Shared {
    peers: Arc<PeerPool>,
    runtime: tokio::runtime::Handle,
    /// One line of requests an address.
    lines: Mutex<HashMap<String, UnboundedSender<(Call, PendingCall)>>>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub enum CallOutcome {
    Value(Packed),
    Failed(Box<Failure>),
    /// There was no connection, or it ended before the answer.
    Unreachable(String),
}

/// A call under way; clones share it.
#[derive(Clone, Default)]
pub struct PendingCall {
    shared: Arc<Pending>,
}

#[derive(Default)]
struct Pending {
    state: Mutex<PendingState>,
    done: Condvar,
}

#[derive(Default)]
struct PendingState {
    outcome: Option<CallOutcome>,
    watchers: Vec<(Arc<CompletionQueue>, u64)>,
}

impl Caller {
    /// Without connections so far.
    pub fn new(security: &Security) -> Result<Self, ClusterError> {
        Ok(Caller {
            shared: Arc::new(Shared {
                peers: Arc::new(PeerPool::new(Arc::new(security.clone()), View::Shared)),
                runtime: runtime()?,
                lines: Mutex::default(),
            }),
        })
    }

    /// Begins a call.
    pub fn call(&self, address: &str, kind: &str, target: &str, body: Packed) -> PendingCall {
        let call = Call {
            id: 0,
            kind: kind.to_owned(),
            target: target.to_owned(),
            body: Some(body),
        };
        let pending = PendingCall::default();
        let mut lines = self.shared.lines.lock();
        let line = lines.entry(address.to_owned()).or_insert_with(|| {
            let (sender, receiver) = unbounded_channel();
            let requests = run_line(self.shared.peers.clone(), address.to_owned(), receiver);
            self.shared.runtime.spawn(requests);
            sender
        });
        if let Err(refused) = line.send((call, pending.clone())) {
            refused
                .0
                .1
                .finish(CallOutcome::Unreachable("the caller has ended".to_owned()));
        }
        pending
    }

    /// Ends the connections; calls under way fail.
    pub fn close(&self) {
        let lines = std::mem::take(&mut *self.shared.lines.lock());
        for address in lines.keys() {
            self.shared.peers.forget(address);
        }
    }
}

/// Sends the requests to one address one after the other, and waits for each answer aside.
async fn run_line(
    peers: Arc<PeerPool>,
    address: String,
    mut requests: UnboundedReceiver<(Call, PendingCall)>,
) {
    while let Some((call, pending)) = requests.recv().await {
        let make = |id| FromPeer::Call(Call { id, ..call });
        match peers.begin(&address, make).await {
            Err(error) => pending.finish(CallOutcome::Unreachable(error.to_string())),
            Ok(answered) => {
                let (peers, address) = (peers.clone(), address.clone());
                tokio::spawn(async move {
                    pending.finish(match answered.await {
                        Ok(ToPeer::Called(reply)) => match (reply.value, reply.failure) {
                            (Some(value), _) => CallOutcome::Value(value),
                            (None, failure) => {
                                CallOutcome::Failed(Box::new(failure.unwrap_or_default()))
                            }
                        },
                        Ok(_) => CallOutcome::Unreachable("an answer to another question".into()),
                        Err(_) => {
                            peers.forget(&address);
                            CallOutcome::Unreachable("the connection ended".to_owned())
                        }
                    });
                });
            }
        }
    }
}

impl PendingCall {
    fn finish(&self, outcome: CallOutcome) {
        let watchers = {
            let mut state = self.shared.state.lock();
            state.outcome = Some(outcome);
            std::mem::take(&mut state.watchers)
        };
        self.shared.done.notify_all();
        for (queue, token) in watchers {
            queue.push(token);
        }
    }

    /// Whether the outcome is there.
    pub fn is_done(&self) -> bool {
        self.shared.state.lock().outcome.is_some()
    }

    /// The outcome, waiting up to `limit` for it.
    pub fn wait(&self, limit: Duration) -> Option<CallOutcome> {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.state.lock();
        while state.outcome.is_none() {
            let waited = self.shared.done.wait_until(&mut state, deadline);
            if waited.timed_out() {
                break;
            }
        }
        state.outcome.clone()
    }

    /// Puts `token` into `queue` when the outcome is there, at once if it is.
    pub fn watch(&self, queue: &Arc<CompletionQueue>, token: u64) {
        let mut state = self.shared.state.lock();
        match state.outcome {
            None => state.watchers.push((queue.clone(), token)),
            Some(_) => queue.push(token),
        }
    }
}
