//! The helper process: it runs what users want run beside the scheduler, which itself runs nothing
//! of theirs. Started when the first asks for it.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command as Program, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use parking_lot::Mutex;
use rask_proto::{
    Answer, AnswerBody, Call, CallReply, Failure, FromClient, FromHelper, HelperCall, HelperEvent,
    MemoryManager, MemoryManagerOp, QueryBody, ToClient, ToHelper,
};
use rask_sched::{ClientId, Event};

use super::SchedulerHandle;

/// What to run. The process gets no other environment than this.
#[derive(Clone, Debug)]
pub struct HelperCommand {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// Events that may wait for the helper; further ones are counted and left out.
const EVENTS_MAX: usize = 100_000;
/// Longest message of the helper's that is read.
const MESSAGE_BYTES_MAX: u64 = 1 << 30;
/// For plugins to be closed when the scheduler ends.
const GRACE: Duration = Duration::from_secs(3);

/// The helper process of one scheduler.
pub(super) struct Helper {
    command: Option<HelperCommand>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    next: u64,
    /// The questions of clients by the number of the call.
    waiting: HashMap<u64, (ClientId, u64)>,
    /// Events are wanted.
    watching: bool,
    /// Events left out since the last that was told.
    lost: u32,
}

struct Running {
    child: Child,
    sender: SyncSender<ToHelper>,
}

impl Helper {
    pub fn new(command: Option<HelperCommand>) -> Self {
        Helper {
            command,
            state: Mutex::default(),
        }
    }

    /// Whether events are wanted.
    pub fn is_watching(&self) -> bool {
        self.state.lock().watching
    }

    /// Tells an event; never waits.
    pub fn tell(&self, event: HelperEvent) {
        let mut state = self.state.lock();
        let Some(running) = &state.running else {
            return;
        };
        if state.lost > 0 {
            let lost = HelperEvent {
                kind: "lost".to_owned(),
                block: state.lost,
                ..HelperEvent::default()
            };
            if running.sender.try_send(ToHelper::Event(lost)).is_err() {
                state.lost += 1;
                return;
            }
            state.lost = 0;
        }
        let Some(running) = &state.running else {
            return;
        };
        if let Err(TrySendError::Full(_)) = running.sender.try_send(ToHelper::Event(event)) {
            state.lost += 1;
        }
    }

    /// Ends the process, gently at first. Until it has ended it may still ask for the state.
    pub fn close(&self) {
        match &self.state.lock().running {
            None => return,
            // A full queue is not waited for: the process is ended the other way.
            Some(running) => drop(running.sender.try_send(ToHelper::Close(()))),
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            let runs = match &mut self.state.lock().running {
                None => return,
                Some(running) => matches!(running.child.try_wait(), Ok(None)),
            };
            if !runs {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let Some(mut running) = self.state.lock().running.take() else {
            return;
        };
        // It may have ended by itself since it was last looked at.
        let _ = running.child.kill();
        let _ = running.child.wait();
    }
}

/// Whether a message is for the helper; then it is taken care of.
pub(super) fn take(handle: &SchedulerHandle, client: ClientId, message: &FromClient) -> bool {
    let FromClient::Query(query) = message else {
        return false;
    };
    let call = match &query.body {
        Some(QueryBody::Helper(call)) => call,
        Some(QueryBody::MemoryManager(wish)) => {
            steer_policies(&handle.shared.helper, wish);
            return false;
        }
        _ => return false,
    };
    if let Err(reason) = pass_on(handle, client, query.id, call) {
        answer(handle, (client, query.id), refusal(reason));
    }
    true
}

/// The policies of users that run there do as the one of the scheduler's own.
fn steer_policies(helper: &Helper, wish: &MemoryManager) {
    let name = match wish.op() {
        MemoryManagerOp::Start => "start",
        MemoryManagerOp::Stop => "stop",
        MemoryManagerOp::RunOnce => "run_once",
        MemoryManagerOp::Running => return,
    };
    tell_policies(helper, name);
}

fn tell_policies(helper: &Helper, what: &str) {
    helper.tell(HelperEvent {
        kind: "memory_manager".to_owned(),
        name: what.to_owned(),
        ..HelperEvent::default()
    });
}

/// Starts the process if it does not run, with the plugins that are registered.
pub(super) fn ensure(handle: &SchedulerHandle) -> Result<(), String> {
    let helper = &handle.shared.helper;
    {
        let mut state = helper.state.lock();
        if state.running.is_some() {
            return Ok(());
        }
        let command = helper.command.as_ref();
        let command = command.ok_or("this scheduler was started without a helper process")?;
        let running = start(handle, command);
        let running = running.map_err(|error| format!("the helper did not start: {error}"))?;
        state.running = Some(running);
    }
    let mut plugins = handle.plugins_of_helper().into_iter();
    plugins.try_for_each(|plugin| send(handle, None, plugin))?;
    if handle.shared.state.lock().machine.drops_replicas() {
        tell_policies(helper, "start");
    }
    Ok(())
}

fn pass_on(
    handle: &SchedulerHandle,
    client: ClientId,
    question: u64,
    call: &HelperCall,
) -> Result<(), String> {
    ensure(handle)?;
    let call = Call {
        id: 0,
        kind: call.kind.clone(),
        target: call.target.clone(),
        body: call.body.clone(),
    };
    send(handle, Some((client, question)), call)
}

fn send(
    handle: &SchedulerHandle,
    asker: Option<(ClientId, u64)>,
    mut call: Call,
) -> Result<(), String> {
    let mut state = handle.shared.helper.state.lock();
    state.next += 1;
    call.id = state.next;
    let running = state.running.as_ref().ok_or("the helper ended")?;
    let sender = running.sender.clone();
    if let Some(asker) = asker {
        state.waiting.insert(call.id, asker);
    }
    drop(state);
    let sent = sender.try_send(ToHelper::Call(call));
    sent.map_err(|_| "the helper is too far behind".to_owned())
}

fn start(handle: &SchedulerHandle, command: &HelperCommand) -> std::io::Result<Running> {
    let mut child = Program::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .envs(command.environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let missing = || std::io::Error::other("no pipe to the helper");
    let input = child.stdin.take().ok_or_else(missing)?;
    let output = child.stdout.take().ok_or_else(missing)?;
    let (sender, receiver) = sync_channel(EVENTS_MAX);
    std::thread::Builder::new()
        .name("rask-helper-in".to_owned())
        .spawn(move || write(input, &receiver))?;
    let handle = handle.clone();
    std::thread::Builder::new()
        .name("rask-helper-out".to_owned())
        .spawn(move || read(&handle, output))?;
    Ok(Running { child, sender })
}

fn write(mut input: ChildStdin, messages: &std::sync::mpsc::Receiver<ToHelper>) {
    while let Ok(message) = messages.recv() {
        let bytes = message.to_bytes();
        let length = (bytes.len() as u64).to_le_bytes();
        let written = input
            .write_all(&length)
            .and_then(|()| input.write_all(&bytes));
        if written.and_then(|()| input.flush()).is_err() {
            return;
        }
    }
}

fn read(handle: &SchedulerHandle, mut output: ChildStdout) {
    while let Some(message) = next(&mut output) {
        match message {
            FromHelper::Reply(reply) => {
                let asker = handle.shared.helper.state.lock().waiting.remove(&reply.id);
                if let Some(asker) = asker {
                    answer(handle, asker, reply);
                }
            }
            FromHelper::AskState(with_tasks) => {
                let state = handle.view(with_tasks);
                let sender = {
                    let helper = handle.shared.helper.state.lock();
                    helper
                        .running
                        .as_ref()
                        .map(|running| running.sender.clone())
                };
                if let Some(sender) = sender
                    && sender.send(ToHelper::State(state)).is_err()
                {
                    break;
                }
            }
            FromHelper::Suggest(suggestions) => {
                let mut state = handle.shared.state.lock();
                state.on_event(handle.now(), Event::Suggested { suggestions });
            }
            FromHelper::Watch(wanted) => handle.shared.helper.state.lock().watching = wanted,
        }
    }
    on_ended(handle);
}

fn next(output: &mut ChildStdout) -> Option<FromHelper> {
    let mut length = [0; 8];
    output.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > MESSAGE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    output.take(length).read_to_end(&mut bytes).ok()?;
    FromHelper::try_from_bytes(&bytes).ok()
}

/// The process has ended, or speaks nonsense: whoever waits for it is told, and the next call starts
/// another.
fn on_ended(handle: &SchedulerHandle) {
    let (ended, waiting) = {
        let mut state = handle.shared.helper.state.lock();
        state.watching = false;
        (state.running.take(), std::mem::take(&mut state.waiting))
    };
    let how = ended.map(|mut running| {
        // It may have ended by itself.
        let _ = running.child.kill();
        running
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string())
    });
    for asker in waiting.into_values() {
        let how = how.as_deref().unwrap_or("the scheduler ends");
        let reason = format!("the helper process beside the scheduler ended: {how}");
        answer(handle, asker, refusal(reason));
    }
}

fn refusal(reason: String) -> CallReply {
    CallReply {
        failure: Some(Failure {
            message: format!("RuntimeError: {reason}"),
            ..Failure::default()
        }),
        ..CallReply::default()
    }
}

fn answer(handle: &SchedulerHandle, (client, id): (ClientId, u64), reply: CallReply) {
    let answer = Answer {
        id,
        body: Some(AnswerBody::Called(reply)),
    };
    let message = ToClient::Answer(answer);
    handle.shared.state.lock().tell(client, message);
}
