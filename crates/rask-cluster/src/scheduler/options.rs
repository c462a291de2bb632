//! How a scheduler is started.

use rask_sched::Settings;
use rask_wire::{Address, Security};

use super::HelperCommand;

/// How a scheduler is started.
#[derive(Clone, Debug)]
pub struct SchedulerOptions {
    /// Where to listen; port 0 chooses a free one.
    pub address: Address,
    pub security: Security,
    pub settings: Settings,
    /// A worker that has said nothing for this long is taken for dead.
    pub worker_timeout: std::time::Duration,
    /// What runs code of users beside the scheduler; nothing does without it.
    pub helper: Option<HelperCommand>,
    /// Where to write down what has to outlive a restart; nothing does without.
    pub journal: Option<std::path::PathBuf>,
    /// With a journal: clients and workers whose connection ends try for this long to come back,
    /// and their work is kept.
    pub reconnect_timeout: std::time::Duration,
    /// After a restart, workers have this long to come back before what they held is made anew.
    pub recovery_timeout: std::time::Duration,
    /// Where reports go whose clients are gone; made up if there is none.
    pub reports: Option<std::path::PathBuf>,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        SchedulerOptions {
            address: Address {
                scheme: rask_wire::Scheme::Tcp,
                host: "127.0.0.1".to_owned(),
                port: 0,
            },
            security: Security::default(),
            settings: Settings::default(),
            worker_timeout: std::time::Duration::from_secs(60),
            helper: None,
            journal: None,
            reconnect_timeout: std::time::Duration::from_secs(60),
            recovery_timeout: std::time::Duration::from_secs(15),
            reports: None,
        }
    }
}
