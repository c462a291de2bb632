//! What has come for a service.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rask_proto::{Call, CallReply, Failure, Packed, ToPeer, Wire};
use rask_wire::FrameSender;

/// Something for a service to do.
pub enum ServiceEvent {
    Call(IncomingCall),
    /// The outcome of this run of a task, which the service was given, is not wanted any longer.
    /// With `kill` it is to be stopped by whatever means there are.
    Stop {
        run: u64,
        kill: bool,
    },
    /// A task changed its state; told where the service asked for it.
    Transition {
        name: String,
        block: u32,
        /// The block is part of the key.
        numbered: bool,
        start: &'static str,
        finish: &'static str,
    },
}

/// A call that is to be answered. One that is dropped is answered with an error.
pub struct IncomingCall {
    pub kind: String,
    pub target: String,
    body: Option<Packed>,
    id: u64,
    answer: Option<Answer>,
}

/// Takes the answer to a call to whoever made it.
type Answer = Box<dyn FnOnce(CallReply) + Send>;

impl IncomingCall {
    pub(crate) fn new(call: Call, sender: FrameSender) -> Self {
        Self::answered_by(call, move |reply| {
            sender.send(ToPeer::Called(reply).into_frame());
        })
    }

    /// A call whose answer `answer` takes.
    pub fn answered_by(call: Call, answer: impl FnOnce(CallReply) + Send + 'static) -> Self {
        IncomingCall {
            kind: call.kind,
            target: call.target,
            body: call.body,
            id: call.id,
            answer: Some(Box::new(answer)),
        }
    }

    /// What came with the call.
    pub fn take_body(&mut self) -> Packed {
        self.body.take().unwrap_or_default()
    }

    /// Answers.
    pub fn reply(&mut self, outcome: Result<Packed, Failure>) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        let (value, failure) = match outcome {
            Ok(value) => (Some(value), None),
            Err(failure) => (None, Some(failure)),
        };
        answer(CallReply {
            id: self.id,
            value,
            failure,
        });
    }
}

impl Drop for IncomingCall {
    fn drop(&mut self) {
        self.reply(Err(Failure {
            message: format!("RuntimeError: nobody took the call {:?}", self.kind),
            ..Failure::default()
        }));
    }
}

/// What has come, in its order.
#[derive(Default)]
pub struct CallQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<ServiceEvent>,
    closed: bool,
}

impl CallQueue {
    /// Puts something in; once the queue is closed it is dropped.
    pub fn push(&self, event: ServiceEvent) {
        let mut state = self.state.lock();
        if !state.closed {
            state.events.push_back(event);
            self.changed.notify_one();
        }
    }

    /// Everything that has come, waiting up to `limit` for the first; `None` once the queue is
    /// closed and empty.
    pub fn take(&self, limit: Duration) -> Option<Vec<ServiceEvent>> {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        while state.events.is_empty() && !state.closed {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        let taken: Vec<_> = state.events.drain(..).collect();
        (!taken.is_empty() || !state.closed).then_some(taken)
    }

    /// Takes nothing more.
    pub fn close(&self) {
        let left = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.events)
        };
        self.changed.notify_all();
        drop(left);
    }
}
