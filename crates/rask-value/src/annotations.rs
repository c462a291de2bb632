//! How the user wants tasks to be run.

use std::any::Any;
use std::sync::Arc;

/// What was annotated where a layer was made, as far as it says how its tasks are to be run. What is
/// not said here is as the submission has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// Higher runs earlier.
    pub priority: Option<i32>,
    /// How many times a task that raises is run again.
    pub retries: Option<u32>,
    /// Names, addresses or hosts of the workers that may run it; any if empty.
    pub workers: Vec<String>,
    /// Others may run it too, where none of these are there.
    pub allow_other_workers: bool,
    /// What a task takes of a worker's resources.
    pub resources: Vec<(String, f64)>,
    /// A task that runs for longer fails.
    pub timeout_millis: Option<u32>,
    /// Time until a task that raised is run again the first time, and the longest of these times.
    pub retry_millis: Option<u32>,
    pub retry_millis_max: Option<u32>,
    /// Why something that was annotated cannot be followed by a cluster.
    pub refused: Option<String>,
    /// All of this as functions of keys, which whoever submits has to call.
    pub functions: Option<KeyFunctions>,
    /// What came of them; nothing else is said then.
    pub by_block: Option<Arc<ByBlock>>,
}

/// Annotations that differ between the blocks of a layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByBlock {
    pub kinds: Vec<Annotations>,
    /// For each block, which of them it has.
    pub of_blocks: Vec<u32>,
}

/// Functions of keys, which only whoever made them knows to call.
#[derive(Clone)]
pub struct KeyFunctions(pub Arc<dyn Any + Send + Sync>);

impl PartialEq for KeyFunctions {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for KeyFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFunctions")
    }
}
