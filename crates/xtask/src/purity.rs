//! State machines have no clock, socket, thread or random source inside.

use std::path::Path;

use crate::files_below;

const PURE_CRATES: &[&str] = &["rask-graph", "rask-exec", "rask-sched"];

const FORBIDDEN: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "std::net",
    "std::thread",
    "std::fs",
    "std::process",
    "std::env",
];

/// Lines of the pure crates that reach outside. Tests may measure and print.
pub fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for name in PURE_CRATES {
        for path in files_below(&root.join("crates").join(name).join("src"), ".rs") {
            let shown = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            if shown.contains("test") {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in product.lines().enumerate() {
                for what in FORBIDDEN.iter().filter(|what| line.contains(**what)) {
                    findings.push(format!(
                        "{shown}:{}: {what} in a state machine; time and effects come in as \
                         events and go out as commands, so that the simulator can replay them",
                        number + 1
                    ));
                }
            }
        }
    }
    findings
}
