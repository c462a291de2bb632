//! How long this process waits for hosts that say nothing.

use std::os::fd::AsFd;
use std::sync::RwLock;
use std::time::Duration;

use rustix::net::sockopt;

/// A silent connection is asked so often for a sign of life before it is taken for dead.
const PROBE_COUNT: u32 = 4;
/// The system counts these times in seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Times after which a host counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a host to answer at all: one that is cut off does not even refuse. Who tries again does so
    /// soon after the host is back, where the system would wait longer each time.
    pub connect: Duration,
    /// The connection to a host that gives no sign of life for this long, or acknowledges nothing, is
    /// ended.
    pub silence: Duration,
}

impl Timeouts {
    const DEFAULT: Self = Timeouts {
        connect: Duration::from_secs(10),
        silence: Duration::from_secs(30),
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts::DEFAULT
    }
}

static CURRENT: RwLock<Timeouts> = RwLock::new(Timeouts::DEFAULT);

/// Sets the times of the connections that this process makes or takes from now on.
pub fn set_timeouts(timeouts: Timeouts) {
    *CURRENT.write().unwrap_or_else(|e| e.into_inner()) = timeouts;
}

/// The times of connections made now.
pub fn timeouts() -> Timeouts {
    *CURRENT.read().unwrap_or_else(|e| e.into_inner())
}

/// Dead hosts are noticed: a silent one is asked after a third of the time, and then every sixth of it.
pub(crate) fn watch(socket: impl AsFd) -> rustix::io::Result<()> {
    let silence = timeouts().silence;
    let millis = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, (silence / 3).max(SECOND))?;
    sockopt::set_tcp_keepintvl(&socket, (silence / 6).max(SECOND))?;
    sockopt::set_tcp_keepcnt(&socket, PROBE_COUNT)?;
    sockopt::set_tcp_user_timeout(&socket, millis)
}
