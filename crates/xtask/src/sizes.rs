//! A file holds one idea; past this size it holds two.

use std::path::Path;

use crate::files_below;

const LINES_MAX: usize = 700;

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
        if lines > LINES_MAX {
            findings.push(format!(
                "{shown}: {lines} lines; at most {LINES_MAX} are allowed. Split it by idea."
            ));
        }
    }
    findings
}
