//! Checks of the house rules that no compiler makes: `cargo run -p xtask -- check`.
//!
//! Each check says what is wrong, where, and what the rule is for.

mod boundaries;
mod purity;
mod sizes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    if command.as_deref() != Some("check") {
        eprintln!("usage: cargo run -p xtask -- check");
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut findings = boundaries::check(&root);
    findings.extend(purity::check(&root));
    findings.extend(sizes::check(&root));
    for finding in &findings {
        eprintln!("{finding}");
    }
    println!("xtask: {} findings", findings.len());
    if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All files below `directory` whose name ends in `suffix`, in a stable order.
fn files_below(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path, suffix));
        } else if path.to_string_lossy().ends_with(suffix) {
            found.push(path);
        }
    }
    found.sort();
    found
}
