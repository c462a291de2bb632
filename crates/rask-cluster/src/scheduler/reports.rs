//! Reports that clients have begun: the scheduler keeps what was to be said about them, and writes the
//! page itself when the client is gone before it has asked for it.

use std::io::Write;
use std::path::{Path, PathBuf};

use foldhash::HashMap;
use rask_proto::{
    Answer, AnswerBody, FromClient, Query, QueryBody, ReportPage, ReportRequest, ToClient,
};
use rask_sched::{ClientId, Event, Scheduler, Time};

use super::SchedulerHandle;
use crate::logs::now_micros;
use crate::report::Report;

/// Reports open at a time.
const REPORTS_MAX: usize = 1000;
const CODE_BYTES_MAX: usize = 1 << 20;
const NAME_BYTES_MAX: usize = 80;

/// A report that has begun.
struct Open {
    client: ClientId,
    name: String,
    code: String,
    since: Time,
    start_micros: u64,
}

/// All that have begun, by name.
#[derive(Default)]
pub(super) struct Reports {
    open: HashMap<String, Open>,
    /// Where pages go whose clients are gone.
    folder: PathBuf,
}

impl Reports {
    pub fn new(folder: Option<PathBuf>) -> Self {
        let made_up = || std::env::temp_dir().join(format!("rask-reports-{}", std::process::id()));
        Reports {
            open: HashMap::default(),
            folder: folder.unwrap_or_else(made_up),
        }
    }

    /// Looks at an event before the machine does: a client that leaves cannot ask any more.
    pub fn before(&mut self, machine: &Scheduler, now: Time, event: &Event) {
        let Event::ClientLeft { client } = event else {
            return;
        };
        let open = self.open.iter().filter(|(_, open)| open.client == *client);
        let keys: Vec<String> = open.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.write_orphan(machine, now, &key);
        }
    }

    /// The scheduler ends, and nobody can ask any more.
    pub fn write_all(&mut self, machine: &Scheduler, now: Time) {
        let keys: Vec<String> = self.open.keys().cloned().collect();
        for key in keys {
            if let Some(thread) = self.write_orphan(machine, now, &key) {
                // What went wrong has been logged.
                let _ = thread.join();
            }
        }
    }

    fn write_orphan(
        &mut self,
        machine: &Scheduler,
        now: Time,
        key: &str,
    ) -> Option<std::thread::JoinHandle<()>> {
        let open = self.open.remove(key)?;
        let path = self.folder.join(file_name(&open.name, key));
        let mut report = open.into_report(machine, now);
        report.is_orphaned = true;
        let write = move || match write(&path, &report.render()) {
            Ok(()) => tracing::warn!(
                path = %path.display(),
                "a client is gone before it asked for its performance report, which was written here"
            ),
            Err(error) => tracing::error!(
                %error,
                path = %path.display(),
                "the performance report of a client that is gone cannot be written"
            ),
        };
        let thread = std::thread::Builder::new().name("rask-report".to_owned());
        match thread.spawn(write) {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::error!(%error, "a performance report cannot be written");
                None
            }
        }
    }

    fn begin(&mut self, now: Time, client: ClientId, request: &ReportRequest) -> ReportPage {
        if self.open.len() >= REPORTS_MAX {
            return refusal(format!("{REPORTS_MAX} reports are going on already"));
        }
        let mut code = request.code.clone();
        code.truncate(code.floor_char_boundary(CODE_BYTES_MAX));
        let key = super::memory::fresh_id();
        let open = Open {
            client,
            name: request.name.clone(),
            code,
            since: now,
            start_micros: now_micros(),
        };
        self.open.insert(key.clone(), open);
        ReportPage {
            key,
            folder: self.folder.display().to_string(),
            ..ReportPage::default()
        }
    }
}

impl Open {
    fn into_report(self, machine: &Scheduler, now: Time) -> Report {
        let (stream, spans, info) = machine.figures_since(now, self.since);
        Report {
            stream,
            spans,
            info,
            start_micros: self.start_micros,
            stop_micros: now_micros(),
            code: self.code,
            is_orphaned: false,
        }
    }
}

/// A file's name that means nothing to a shell or a folder.
fn file_name(name: &str, key: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.strip_suffix(".html").unwrap_or(name);
    let kept = stem.chars().map(|character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
        _ => '_',
    });
    let stem: String = kept.take(NAME_BYTES_MAX).collect();
    format!("{stem}-{}.html", &key[..key.len().min(12)])
}

fn write(path: &Path, page: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(page.as_bytes())
}

fn refusal(reason: String) -> ReportPage {
    ReportPage {
        refusal: reason,
        ..ReportPage::default()
    }
}

/// Takes what is said about reports.
pub(super) fn take(handle: &SchedulerHandle, client: ClientId, message: &FromClient) -> bool {
    let FromClient::Query(Query {
        id,
        body: Some(QueryBody::Report(request)),
    }) = message
    else {
        return false;
    };
    let page = match request.key.is_empty() {
        true => handle
            .shared
            .state
            .lock()
            .reports
            .begin(handle.now(), client, request),
        false => end(handle, &request.key),
    };
    let message = ToClient::Answer(Answer {
        id: *id,
        body: Some(AnswerBody::Report(page)),
    });
    handle.shared.state.lock().tell(client, message);
    true
}

fn end(handle: &SchedulerHandle, key: &str) -> ReportPage {
    let report = {
        let mut state = handle.shared.state.lock();
        let open = state.reports.open.remove(key);
        open.map(|open| open.into_report(&state.machine, handle.now()))
    };
    match report {
        Some(report) => ReportPage {
            page: report.render(),
            ..ReportPage::default()
        },
        None => refusal("the scheduler does not know this report: was it restarted?".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_stay_in_their_folder() {
        let key = "0123456789abcdef";
        assert_eq!(file_name("report.html", key), "report-0123456789ab.html");
        assert_eq!(
            file_name("../../etc/pass wd", key),
            "pass_wd-0123456789ab.html"
        );
        assert_eq!(file_name("C:\\x\\..", key), "__-0123456789ab.html");
        assert_eq!(file_name("", "k"), "-k.html");
    }
}
