//! Connections: addresses, frames, encryption and tokens. What the frames say is not known here.
//!
//! * [`Address`]: `tcp://host:port`, `tls://host:port`.
//! * [`Security`]: the token that every connection needs, and certificates for `tls://`.
//! * [`Listener::bind`], [`connect`]: both ends agree on a version of the protocol and prove that they
//!   know the token before anything else is read, see the module `handshake`.
//! * [`Timeouts`]: when a host that says nothing counts as gone.
//! * [`FrameReader`], [`FrameSender`]: frames with limits on their sizes. Sending never blocks: it
//!   writes at once where the socket takes it, from whichever thread, and queues the rest.

mod address;
mod connection;
mod error;
mod handshake;
mod reader;
mod security;
mod sender;
mod timeouts;

pub use address::{Address, Scheme};
pub use connection::{Connection, Incoming, Listener, Places, connect};
pub use error::WireError;
pub use handshake::{Agreement, Role, accept as answer_handshake};
pub use reader::{FrameReader, Limits};
pub use security::{Security, TlsVersion, Token, random_id};
pub use sender::FrameSender;
pub use timeouts::{Timeouts, set_timeouts, timeouts};
