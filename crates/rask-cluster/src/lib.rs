//! The processes of a cluster: scheduler server, worker, nanny and client over tokio.
