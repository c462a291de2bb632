//! A client's connection to a scheduler elsewhere, and the next one when it ends.
//!
//! Messages that must not be lost are kept until the scheduler has said that it has taken them in;
//! on a new connection those that it has not are said again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rask_proto::{Frame, FromClient, Hello, SessionWelcome, ToClient, Wire};
use rask_wire::{Address, Connection, FrameSender, Role, Security, WireError};

use super::Shared;

/// The first wait before another attempt, and the longest.
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// For the scheduler's answer to a hello.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// What is sent to the scheduler, and what of it may have to be sent again.
pub(super) struct Outbox {
    inner: Mutex<Inner>,
}

struct Inner {
    /// `None` while there is no connection.
    sender: Option<FrameSender>,
    kept: VecDeque<Frame>,
    /// Messages that were kept once and need not be any more.
    received: u64,
    /// Nothing more is to be sent.
    closed: bool,
}

impl Outbox {
    /// Over a connection that has just been made.
    pub fn new(sender: FrameSender) -> Self {
        Outbox {
            inner: Mutex::new(Inner {
                sender: Some(sender),
                kept: VecDeque::new(),
                received: 0,
                closed: false,
            }),
        }
    }

    /// Sends messages, now or on the next connection. Those that need not be kept are lost if there
    /// is no connection.
    pub fn send(&self, messages: impl IntoIterator<Item = FromClient>) {
        let mut inner = self.inner.lock();
        if inner.closed {
            return;
        }
        let mut frames = Vec::new();
        for message in messages {
            let is_kept = message.is_kept();
            let frame = message.into_frame();
            if is_kept {
                inner.kept.push_back(frame.clone());
            }
            frames.push(frame);
        }
        if let Some(sender) = &inner.sender {
            sender.send_all(frames);
        }
    }

    /// The scheduler has taken in so many of the messages that are kept.
    pub fn on_received(&self, count: u64) {
        let mut inner = self.inner.lock();
        let fresh = count.saturating_sub(inner.received) as usize;
        let fresh = fresh.min(inner.kept.len());
        inner.kept.drain(..fresh);
        inner.received += fresh as u64;
    }

    /// The connection has ended.
    fn on_disconnected(&self) {
        self.inner.lock().sender = None;
    }

    /// Goes on over another connection: says again what the scheduler has not taken in.
    fn on_connected(&self, sender: FrameSender) {
        let mut inner = self.inner.lock();
        for frame in &inner.kept {
            sender.send(frame.clone());
        }
        inner.sender = Some(sender);
    }

    /// Says good-bye and ends the connection.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        if let Some(sender) = inner.sender.take() {
            sender.send(FromClient::Bye(()).into_frame());
            sender.close();
        }
    }
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What its user calls it.
    pub name: String,
    /// Whom its work is counted for; for itself if this is empty.
    pub share: String,
}

impl Identity {
    /// The first message of the client, without a session.
    pub(super) fn into_hello(self) -> Hello {
        Hello {
            name: self.name,
            share: self.share,
            user: std::env::var("USER").unwrap_or_default(),
            ..Hello::default()
        }
    }
}

/// Who a client is, and where its scheduler.
pub(super) struct Endpoint {
    pub address: Address,
    pub security: Security,
    pub hello: Hello,
}

impl Endpoint {
    pub fn new(identity: Identity, address: Address, security: Security) -> Self {
        let hello = Hello {
            session: Bytes::copy_from_slice(&rask_wire::random_id()),
            ..identity.into_hello()
        };
        Endpoint {
            address,
            security,
            hello,
        }
    }

    /// A connection with the scheduler's welcome.
    pub async fn connect(&self, resumes: bool) -> Result<(Connection, SessionWelcome), WireError> {
        let mut connection =
            rask_wire::connect(&self.address, &self.security, Role::Client).await?;
        let hello = Hello {
            resumes,
            ..self.hello.clone()
        };
        connection
            .sender
            .send(FromClient::Hello(hello).into_frame());
        let frame = tokio::time::timeout(WELCOME_TIMEOUT, connection.reader.read()).await;
        let frame = frame.map_err(|_| WireError::HandshakeTimeout)??;
        match ToClient::try_from_frame(frame)? {
            ToClient::Welcome(welcome) => Ok((connection, welcome)),
            _ => Err(WireError::NotRask),
        }
    }
}

/// Takes messages until the client is closed or the scheduler is gone, over as many connections
/// as it takes.
pub(super) async fn receive(
    mut connection: Connection,
    endpoint: Endpoint,
    mut reconnect: Duration,
    outbox: Arc<Outbox>,
    shared: Arc<Shared>,
) {
    loop {
        let ended = take_messages(&mut connection, &outbox, &shared).await;
        connection.sender.close();
        outbox.on_disconnected();
        let Some(reason) = ended else {
            return shared.on_closed("the client was closed");
        };
        if reconnect.is_zero() {
            return shared.on_closed(&reason);
        }
        tracing::warn!(
            reason,
            "the connection to the scheduler ended; trying to come back"
        );
        match come_back(&endpoint, reconnect, &shared).await {
            Err(reason) => return shared.on_closed(&reason),
            Ok((next, welcome)) => {
                connection = next;
                reconnect = Duration::from_millis(welcome.reconnect_millis.into());
                outbox.on_received(welcome.received);
                shared.state.lock().capabilities = connection.agreement.capabilities;
                let questions = shared.state.lock().on_resumed();
                outbox.on_connected(connection.sender.clone());
                for question in questions {
                    connection
                        .sender
                        .send(FromClient::Query(question).into_frame());
                }
                shared.changed.notify_all();
            }
        }
    }
}

/// Why the connection ended; `None` if the client was closed.
async fn take_messages(
    connection: &mut Connection,
    outbox: &Outbox,
    shared: &Shared,
) -> Option<String> {
    loop {
        tokio::select! {
            () = shared.stop.notified() => return None,
            frame = connection.reader.read() => {
                let message = frame.and_then(|frame| Ok(ToClient::try_from_frame(frame)?));
                match message {
                    Ok(ToClient::Received(received)) => outbox.on_received(received.count),
                    Ok(message) => shared.on_message(message),
                    Err(error) => return Some(error.to_string()),
                }
            }
        }
    }
}

async fn come_back(
    endpoint: &Endpoint,
    limit: Duration,
    shared: &Shared,
) -> Result<(Connection, SessionWelcome), String> {
    let started = Instant::now();
    let mut wait = RETRY;
    loop {
        tokio::select! {
            () = shared.stop.notified() => return Err("the client was closed".to_owned()),
            outcome = endpoint.connect(true) => match outcome {
                Ok((_, welcome)) if welcome.is_lost => {
                    return Err("the scheduler was started anew and knows nothing of this client's \
                        work: what was computed is lost (a scheduler with a journal remembers)"
                        .to_owned());
                }
                Ok(connected) => return Ok(connected),
                Err(error) if started.elapsed() > limit => {
                    return Err(format!(
                        "the scheduler has been gone for {} seconds: {error}",
                        limit.as_secs()
                    ));
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}
