//! What the processes of a cluster log, kept for those who ask: a ring of the last lines of this
//! process. Lines of the level WARNING and above also go to standard error.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Lines kept, unless told otherwise.
const LINES_MAX: usize = 10_000;
/// Lines that wait for standard error to take them; further ones are not written there.
const WAITING_MAX: usize = 1000;
/// What is longer is cut.
const LINE_BYTES_MAX: usize = 4096;
/// Names the lowest level that is kept: "error", "warn", "info", "debug" or "trace".
const LEVEL_VARIABLE: &str = "RASK_LOG";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Since the epoch.
    pub micros: u64,
    pub level: &'static str,
    /// The module that wrote it.
    pub target: &'static str,
    pub text: String,
}

struct Ring {
    lines: Mutex<VecDeque<Line>>,
    level: Level,
    lines_max: AtomicUsize,
    /// Whoever logs does not wait for standard error: it may be a pipe that nobody reads.
    printer: Option<SyncSender<String>>,
}

static RING: OnceLock<Ring> = OnceLock::new();

struct Keeper;

/// Begins to keep lines, unless that was done, or the process has another place for them.
pub fn install() {
    RING.get_or_init(|| {
        // Somebody else's subscriber stays in place, and then nothing is kept here.
        let _ = tracing::subscriber::set_global_default(Keeper);
        Ring {
            lines: Mutex::default(),
            lines_max: AtomicUsize::new(LINES_MAX),
            printer: start_printer(),
            level: level_of(std::env::var(LEVEL_VARIABLE).ok().as_deref()),
        }
    });
}

/// Keeps so many lines of this process from now on.
pub fn set_length(lines_max: usize) {
    install();
    if let Some(ring) = RING.get() {
        ring.lines_max.store(lines_max, Ordering::Relaxed);
    }
}

fn start_printer() -> Option<SyncSender<String>> {
    let (sender, lines) = sync_channel::<String>(WAITING_MAX);
    let printer = std::thread::Builder::new().name("rask-log".to_owned());
    let started = printer.spawn(move || {
        for line in lines {
            eprintln!("{line}");
        }
    });
    started.is_ok().then_some(sender)
}

fn level_of(name: Option<&str>) -> Level {
    name.and_then(|name| name.parse().ok())
        .unwrap_or(Level::INFO)
}

/// The last `count` lines (0: all that are kept) that modules wrote whose names begin with one of
/// `targets`, the oldest first.
pub fn last(targets: &[&str], count: usize) -> Vec<Line> {
    let Some(ring) = RING.get() else {
        return Vec::new();
    };
    let lines = ring.lines.lock();
    let wanted = lines
        .iter()
        .rev()
        .filter(|line| targets.iter().any(|target| line.target.starts_with(target)));
    let count = if count == 0 { usize::MAX } else { count };
    let mut found: Vec<Line> = wanted.take(count).cloned().collect();
    found.reverse();
    found
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = RING.get().map_or(Level::INFO, |ring| ring.level);
        *metadata.level() <= level && metadata.target().starts_with("rask")
    }

    fn event(&self, event: &Event<'_>) {
        let Some(ring) = RING.get() else { return };
        let mut text = Text::default();
        event.record(&mut text);
        let line = Line {
            micros: now_micros(),
            level: name_of(event.metadata().level()),
            target: event.metadata().target(),
            text: text.finish(),
        };
        if *event.metadata().level() <= Level::WARN {
            let text = format!("rask {} {}: {}", line.level, line.target, line.text);
            if let Some(printer) = &ring.printer {
                // What standard error is too slow for is still in the ring.
                let _ = printer.try_send(text);
            }
        }
        let mut lines = ring.lines.lock();
        while lines.len() >= ring.lines_max.load(Ordering::Relaxed).max(1) {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn name_of(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// The time, in microseconds since the epoch.
pub fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

/// The message of an event, and its fields behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(self) -> String {
        let mut text = self.message;
        text.push_str(&self.fields);
        if text.len() > LINE_BYTES_MAX {
            let mut end = LINE_BYTES_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, ", {name}: {value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_by_level_and_target() {
        install();
        tracing::info!(target: "rask_test::here", worker = "w", "it joined");
        tracing::debug!(target: "rask_test::here", "not kept");
        tracing::warn!(target: "rask_test::elsewhere", "long {}", "é".repeat(4000));
        let lines = last(&["rask_test::here"], 0);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].text, "it joined, worker: \"w\"");
        assert_eq!(lines[0].level, "INFO");
        let lines = last(&["rask_test"], 1);
        assert_eq!(lines[0].target, "rask_test::elsewhere");
        assert!(lines[0].text.len() < LINE_BYTES_MAX + 8);
    }
}
