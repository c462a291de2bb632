//! Sending frames from any thread, without waiting.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use rask_proto::Frame;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// Payloads up to this size are copied behind the control part, to save a slice in the write.
const COPIED_BYTES_MAX: usize = 16 << 10;
const SLICES_MAX: usize = 64;
/// So much is written at a time, out of memory that a thread uses again for what it sends next.
const CHUNK_BYTES: usize = 32 << 10;
/// Memory that was needed for a longer message is not kept.
const KEPT_BYTES_MAX: usize = 4 * CHUNK_BYTES;

thread_local! {
    /// What the thread's messages are put together in. It is the thread's alone as soon as they have
    /// been written.
    static SCRATCH: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// The sending half of a connection; clones share it.
///
/// [`send`](Self::send) writes to the socket on the calling thread if nothing is queued, so that a
/// message needs no other thread to leave; what the socket does not take at once is queued and
/// written by the connection's own task.
#[derive(Clone)]
pub struct FrameSender {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the connection's writing task.
    wake: Notify,
    /// Wakes those who wait for the queue to become short.
    drained: Notify,
    /// The socket where it can be written to from any thread; `None` under TLS.
    direct: Option<OwnedWriteHalf>,
    /// The socket under TLS, to end it.
    below: Option<OwnedFd>,
}

#[derive(Default)]
struct Queue {
    segments: VecDeque<Bytes>,
    queued_bytes: usize,
    /// The writing task has taken segments out and not written them yet.
    writing: bool,
    closed: bool,
    /// A peer that leaves more than this unread is given up; 0 is without limit.
    bytes_max: usize,
}

impl FrameSender {
    /// For a socket that any thread may write to.
    pub(crate) fn direct(socket: OwnedWriteHalf) -> Self {
        let sender = Self::new(Some(socket), None);
        let task = sender.clone();
        tokio::spawn(async move { task.drain_direct().await });
        sender
    }

    /// For a stream over `socket` that only its own task writes to.
    pub(crate) fn queued(
        stream: impl AsyncWrite + Send + Unpin + 'static,
        socket: OwnedFd,
    ) -> Self {
        let sender = Self::new(None, Some(socket));
        let task = sender.clone();
        tokio::spawn(async move { task.drain_into(stream).await });
        sender
    }

    fn new(direct: Option<OwnedWriteHalf>, below: Option<OwnedFd>) -> Self {
        FrameSender {
            shared: Arc::new(Shared {
                queue: Mutex::default(),
                wake: Notify::new(),
                drained: Notify::new(),
                direct,
                below,
            }),
        }
    }

    /// Sends a frame after those sent before; `false` if the connection has ended.
    pub fn send(&self, frame: Frame) -> bool {
        self.send_all([frame])
    }

    /// Sends frames after those sent before, in one write as far as possible; `false` if the
    /// connection has ended.
    pub fn send_all(&self, frames: impl IntoIterator<Item = Frame>) -> bool {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            return false;
        }
        let idle = queue.segments.is_empty() && !queue.writing;
        match &self.shared.direct {
            Some(socket) if idle => write_frames(&mut queue, frames, socket),
            _ => push_frames(&mut queue, frames),
        }
        if queue.bytes_max > 0 && queue.queued_bytes > queue.bytes_max {
            fail(&mut queue);
            self.shared.shut_down();
            self.shared.drained.notify_waiters();
        }
        if !queue.segments.is_empty() || queue.closed {
            drop(queue);
            self.shared.wake.notify_one();
        }
        true
    }

    /// Bytes waiting for the peer to read.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queue.lock().queued_bytes
    }

    /// Ends the connection, with what is queued, when more than `bytes_max` wait for the peer to
    /// read.
    pub fn give_up_beyond(&self, bytes_max: usize) {
        self.shared.queue.lock().bytes_max = bytes_max;
    }

    /// Waits until at most `bytes_max` are queued, or the connection has ended.
    pub async fn wait_for_room(&self, bytes_max: usize) {
        loop {
            let drained = self.shared.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let queue = self.shared.queue.lock();
                if queue.closed || queue.queued_bytes <= bytes_max {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Ends the connection once what is queued has been written.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_one();
        self.shared.drained.notify_waiters();
    }

    /// Ends the connection at once, to a peer that may never read what is queued.
    pub fn abort(&self) {
        self.fail();
        self.shared.shut_down();
        self.shared.wake.notify_one();
    }

    /// Whether [`close`](Self::close) was called or writing failed.
    pub fn is_closed(&self) -> bool {
        self.shared.queue.lock().closed
    }

    async fn drain_direct(self) {
        let Some(socket) = &self.shared.direct else {
            return;
        };
        loop {
            self.shared.wake.notified().await;
            loop {
                {
                    let mut queue = self.shared.queue.lock();
                    write_now(&mut queue, socket);
                    self.shared.drained.notify_waiters();
                    if queue.segments.is_empty() {
                        if queue.closed {
                            break;
                        }
                        drop(queue);
                        break;
                    }
                }
                if socket.writable().await.is_err() {
                    self.fail();
                }
            }
            let queue = self.shared.queue.lock();
            if queue.closed && queue.segments.is_empty() {
                drop(queue);
                self.shared.shut_down();
                return;
            }
        }
    }

    async fn drain_into(self, mut stream: impl AsyncWrite + Send + Unpin) {
        loop {
            self.shared.wake.notified().await;
            while let Some(segments) = self.take_all() {
                for segment in segments {
                    if stream.write_all(&segment).await.is_err() {
                        self.fail();
                        break;
                    }
                    self.on_written(segment.len());
                }
                if stream.flush().await.is_err() {
                    self.fail();
                }
                self.shared.queue.lock().writing = false;
            }
            if self.is_closed() {
                // The peer may be gone already, then there is nobody left to say goodbye to.
                let _ = stream.shutdown().await;
                return;
            }
        }
    }

    fn take_all(&self) -> Option<VecDeque<Bytes>> {
        let mut queue = self.shared.queue.lock();
        if queue.segments.is_empty() {
            return None;
        }
        queue.writing = true;
        Some(std::mem::take(&mut queue.segments))
    }

    fn on_written(&self, count: usize) {
        let mut queue = self.shared.queue.lock();
        queue.queued_bytes = queue.queued_bytes.saturating_sub(count);
        drop(queue);
        self.shared.drained.notify_waiters();
    }

    fn fail(&self) {
        fail(&mut self.shared.queue.lock());
        self.shared.drained.notify_waiters();
    }
}

fn fail(queue: &mut Queue) {
    queue.closed = true;
    queue.segments.clear();
    queue.queued_bytes = 0;
}

impl Shared {
    /// Ends the socket in both directions, so that the peer and the own reader notice.
    fn shut_down(&self) {
        let stream = self.direct.as_ref().map(AsRef::<TcpStream>::as_ref);
        let below = self.below.as_ref().map(AsFd::as_fd);
        if let Some(socket) = stream.map(AsFd::as_fd).or(below) {
            // A socket that the peer has closed already is as good as shut down.
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
        }
    }
}

/// Small frames one behind the other in one segment.
fn push_frames(queue: &mut Queue, frames: impl IntoIterator<Item = Frame>) {
    let mut head = BytesMut::new();
    for frame in frames {
        head.reserve(copied_bytes_of(&frame));
        push_frame(queue, &mut head, frame);
    }
    push(queue, head.freeze());
}

/// Writes frames for which nothing else waits, a chunk after the other in the same memory: what is
/// new to the process costs more than to write it again.
fn write_frames(
    queue: &mut Queue,
    frames: impl IntoIterator<Item = Frame>,
    socket: &OwnedWriteHalf,
) {
    let kept = SCRATCH.try_with(Cell::take).ok().flatten();
    let mut head = kept.unwrap_or_default();
    // All of it is free again once everything in it has been written.
    head.reserve(CHUNK_BYTES);
    for frame in frames {
        let needed = copied_bytes_of(&frame);
        if needed > head.capacity() - head.len() {
            push(queue, head.split().freeze());
            write_now(queue, socket);
            head.reserve(needed.max(CHUNK_BYTES));
        }
        push_frame(queue, &mut head, frame);
    }
    push(queue, head.split().freeze());
    write_now(queue, socket);
    if head.capacity() <= KEPT_BYTES_MAX {
        // A thread that ends keeps nothing.
        let _ = SCRATCH.try_with(|scratch| scratch.set(Some(head)));
    }
}

/// Bytes of a frame but for payloads that stay where they are.
fn copied_bytes_of(frame: &Frame) -> usize {
    let payloads = frame.payloads.iter().map(Bytes::len);
    let copied: usize = payloads.filter(|&length| length <= COPIED_BYTES_MAX).sum();
    8 + frame.payloads.len() * 8 + frame.control.len() + copied
}

fn push_frame(queue: &mut Queue, head: &mut BytesMut, frame: Frame) {
    head.put_u32_le(frame.control.len() as u32);
    head.put_u32_le(frame.payloads.len() as u32);
    for payload in &frame.payloads {
        head.put_u64_le(payload.len() as u64);
    }
    head.put_slice(&frame.control);
    for payload in frame.payloads {
        if payload.len() <= COPIED_BYTES_MAX {
            head.put_slice(&payload);
        } else {
            push(queue, head.split().freeze());
            push(queue, payload);
        }
    }
}

fn push(queue: &mut Queue, segment: Bytes) {
    if !segment.is_empty() {
        queue.queued_bytes += segment.len();
        queue.segments.push_back(segment);
    }
}

/// Writes what the socket takes without blocking.
fn write_now(queue: &mut Queue, socket: &OwnedWriteHalf) {
    while !queue.segments.is_empty() {
        let slices: Vec<IoSlice<'_>> = queue
            .segments
            .iter()
            .take(SLICES_MAX)
            .map(|segment| IoSlice::new(segment))
            .collect();
        match socket.try_write_vectored(&slices) {
            Ok(written) => consume(queue, written),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(_) => return fail(queue),
        }
    }
}

fn consume(queue: &mut Queue, mut written: usize) {
    queue.queued_bytes -= written;
    while let Some(segment) = queue.segments.front_mut() {
        if segment.len() > written {
            segment.advance(written);
            return;
        }
        written -= segment.len();
        queue.segments.pop_front();
    }
}
