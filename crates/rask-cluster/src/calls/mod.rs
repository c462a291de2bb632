//! Calls into the services of workers and nannies: what tasks have no part in.
//!
//! * [`CallQueue`]: calls that have come, for the service to take in their order.
//! * [`CallServer`]: a listener for calls alone, as a nanny has.
//! * [`Caller`]: makes calls; those to one address are begun there in the order in which they were
//!   made.

mod caller;
mod queue;
mod server;

pub use caller::{CallOutcome, Caller, PendingCall};
pub use queue::{CallQueue, IncomingCall, ServiceEvent};
pub use server::CallServer;

use std::sync::OnceLock;

use crate::ClusterError;

/// The runtime of callers and call servers: one thread a process, whatever their number.
pub(crate) fn runtime() -> Result<tokio::runtime::Handle, ClusterError> {
    static RUNTIME: OnceLock<Result<tokio::runtime::Handle, String>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("rask-calls".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(|error| error.to_string())?;
        Ok(handle)
    });
    started.clone().map_err(|reason| ClusterError::Start {
        what: "the thread of calls",
        source: std::io::Error::other(reason),
    })
}
