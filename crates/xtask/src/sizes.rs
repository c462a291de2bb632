//! A file holds one idea; past this size it holds two.

use std::path::Path;

use crate::files_below;

const LINES_MAX: usize = 700;

/// Files that may be longer, up to a limit of their own: each is one class with the many short
/// documented methods of an interface that users know, or one table of cases.
const LISTED: &[(&str, usize)] = &[
    ("python/rask/array/core.py", 850),
    ("python/rask/array/reductions.py", 750),
    ("python/rask/bag/core.py", 850),
];

/// Source files (tests aside) of more than [`LINES_MAX`] lines.
pub fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let rust = files_below(&root.join("crates"), ".rs");
    let python = files_below(&root.join("python"), ".py");
    for path in rust.into_iter().chain(python) {
        let shown = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        if shown.contains("/tests") || shown.contains("/target/") {
            continue;
        }
        let lines = std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        let listed = LISTED.iter().find(|(path, _)| *path == shown);
        let lines_max = listed.map_or(LINES_MAX, |(_, lines_max)| *lines_max);
        if lines > lines_max {
            findings.push(format!(
                "{shown}: {lines} lines; at most {lines_max} are allowed. Split it by idea."
            ));
        }
    }
    findings
}
