//! How worker processes end: in words, and told to the scheduler.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rask_proto::{Death, FromWorker, Wire};
use rask_wire::{Address, Role, Security};

/// For the scheduler to take the message.
const TELL_LIMIT: Duration = Duration::from_secs(5);

/// Whom a supervisor tells how its processes end.
#[derive(Clone, Debug)]
pub struct DeathReports {
    pub scheduler: Address,
    pub security: Security,
    /// The worker's name; empty where the worker makes one up.
    pub name: String,
}

impl DeathReports {
    /// Tells the scheduler, aside: it warns of deaths. If it cannot be told, this process does.
    pub(crate) fn tell(&self, process: u32, reason: &str, is_death: bool) {
        let message = FromWorker::Death(Death {
            name: self.name.clone(),
            reason: reason.to_owned(),
            process,
        });
        let (scheduler, security) = (self.scheduler.clone(), self.security.clone());
        let end = reason.to_owned();
        let Ok(runtime) = crate::calls::runtime() else {
            return;
        };
        runtime.spawn(async move {
            let telling = async {
                let connection = rask_wire::connect(&scheduler, &security, Role::Worker).await?;
                connection.sender.send(message.into_frame());
                connection.sender.close();
                let mut reader = connection.reader;
                // The scheduler closes once it has read the message.
                let _ = reader.read().await;
                Ok::<_, rask_wire::WireError>(())
            };
            match tokio::time::timeout(TELL_LIMIT, telling).await {
                Ok(Ok(())) => {}
                _ if !is_death => tracing::debug!(end, "the scheduler could not be told of an end"),
                Ok(Err(error)) => tracing::warn!(process, end, %error, "a worker process died"),
                Err(_) => tracing::warn!(process, end, "a worker process died"),
            }
        });
    }
}

/// How a process ended: `"exit code 3"`, `"signal 9 (SIGKILL)"`.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match name_of_signal(signal) {
            Some(name) => format!("signal {signal} ({name})"),
            None => format!("signal {signal}"),
        },
        (None, None) => "unknown".to_owned(),
    }
}

fn name_of_signal(signal: i32) -> Option<&'static str> {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return None,
    };
    Some(name)
}

/// How often the kernel has killed processes of this control group for want of memory.
pub(crate) fn memory_kill_count() -> u64 {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.unwrap_or("/").trim_start_matches('/');
    let folders = [format!("/sys/fs/cgroup/{own}"), "/sys/fs/cgroup".to_owned()];
    let texts = folders
        .iter()
        .filter_map(|folder| std::fs::read_to_string(format!("{folder}/memory.events")).ok());
    let counts = texts.filter_map(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        line.trim().parse::<u64>().ok()
    });
    counts.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(describe(ExitStatus::from_raw(3 << 8)), "exit code 3");
        assert_eq!(describe(ExitStatus::from_raw(9)), "signal 9 (SIGKILL)");
        assert_eq!(describe(ExitStatus::from_raw(40)), "signal 40");
    }
}
