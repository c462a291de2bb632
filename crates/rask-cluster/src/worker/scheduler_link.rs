//! Coming back to a scheduler whose connection ended.
//!
//! Values and running tasks stay as they are meanwhile. The scheduler is told of them as soon as
//! there is a connection again, before anything else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rask_proto::{FromWorker, ToWorker, Welcome, Wire};
use rask_wire::{Address, Connection, Role, Security, WireError};

use super::job::Effects;
use super::{Shared, WorkerEnd, WorkerOptions};

/// The first wait before another attempt, and the longest.
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// For the scheduler's welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the scheduler is, and which one.
pub(super) struct SchedulerLink {
    address: Address,
    security: Security,
    /// Numbers of layers mean the same to a scheduler of the same name.
    scheduler: String,
    reconnect: Duration,
}

impl SchedulerLink {
    pub fn new(options: &WorkerOptions, welcome: &Welcome) -> Self {
        SchedulerLink {
            address: options.scheduler.clone(),
            security: options.security.clone(),
            scheduler: welcome.scheduler.clone(),
            reconnect: Duration::from_millis(welcome.reconnect_millis.into()),
        }
    }

    /// Connects anew and says what is here. If the worker has to end instead: how, where that is
    /// known better than that the connection ended.
    pub async fn come_back(
        &mut self,
        shared: &Arc<Shared>,
    ) -> Result<Connection, Option<WorkerEnd>> {
        let started = Instant::now();
        let mut wait = RETRY;
        while started.elapsed() < self.reconnect {
            let attempt = self.connect(shared);
            tokio::select! {
                () = shared.stop.notified() => {
                    let asked = shared.asked_end.lock().take();
                    return Err(Some(asked.unwrap_or(WorkerEnd::Stopped)));
                }
                outcome = attempt => match outcome {
                    Ok((connection, welcome)) if welcome.scheduler == self.scheduler => {
                        bring_holdings(shared, &connection, welcome.worker);
                        return Ok(connection);
                    }
                    Ok((connection, _)) => {
                        connection.sender.close();
                        return Err(Some(WorkerEnd::Shutdown {
                            reason: "another scheduler has taken the place of the one before, \
                                and knows nothing of what this worker holds"
                                .to_owned(),
                            restart: true,
                        }));
                    }
                    Err(error) => tracing::debug!(%error, "the scheduler is not back"),
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
        Err(None)
    }

    async fn connect(&self, shared: &Shared) -> Result<(Connection, Welcome), WireError> {
        let mut connection =
            rask_wire::connect(&self.address, &self.security, Role::Worker).await?;
        let register = FromWorker::Register(shared.register.clone());
        connection.sender.send(register.into_frame());
        let frame = tokio::time::timeout(WELCOME_TIMEOUT, connection.reader.read()).await;
        let frame = frame.map_err(|_| WireError::HandshakeTimeout)??;
        match ToWorker::try_from_frame(frame)? {
            ToWorker::Welcome(welcome) => Ok((connection, welcome)),
            _ => Err(WireError::NotRask),
        }
    }
}

/// Tells what is here over the new connection, and everything from now on. Both under the lock, so
/// that a task that ends meanwhile is either among what runs, and reported after that, or held.
fn bring_holdings(shared: &Arc<Shared>, connection: &Connection, own_number: u32) {
    let mut effects = Effects::default();
    let mut core = shared.core.lock();
    let holdings = core.on_reconnected(own_number, &mut effects);
    let mut sender = shared.sender.lock();
    let capabilities = connection.agreement.capabilities.0;
    shared
        .capabilities
        .store(capabilities, std::sync::atomic::Ordering::Relaxed);
    connection
        .sender
        .send(FromWorker::Holdings(holdings).into_frame());
    *sender = connection.sender.clone();
    drop(sender);
    drop(core);
    shared.tell(FromWorker::Heartbeat(super::memory::heartbeat(shared)));
    shared.follow(effects);
}
