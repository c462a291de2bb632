//! Dependencies point downwards only: which of Rask's crates, and which outside crates, each may
//! name in its manifest.

use std::path::Path;

/// A crate, the crates of Rask it may use, and outside crates it must not.
struct Boundary {
    name: &'static str,
    may_use: &'static [&'static str],
    must_not_use: &'static [&'static str],
}

const NO_IO: &[&str] = &[
    "tokio",
    "parking_lot",
    "crossbeam-channel",
    "rustix",
    "pyo3",
];

const BOUNDARIES: &[Boundary] = &[
    Boundary {
        name: "rask-graph",
        may_use: &[],
        must_not_use: NO_IO,
    },
    Boundary {
        name: "rask-value",
        may_use: &["rask-graph"],
        must_not_use: &["tokio", "pyo3"],
    },
    Boundary {
        name: "rask-store",
        may_use: &["rask-value"],
        must_not_use: &["tokio", "pyo3"],
    },
    Boundary {
        name: "rask-array",
        may_use: &["rask-graph", "rask-value"],
        must_not_use: &["tokio", "pyo3"],
    },
    Boundary {
        name: "rask-frame",
        may_use: &["rask-graph", "rask-value"],
        must_not_use: &["tokio", "pyo3"],
    },
    Boundary {
        name: "rask-io",
        may_use: &["rask-graph", "rask-value", "rask-array", "rask-frame"],
        must_not_use: &["tokio", "pyo3"],
    },
    Boundary {
        name: "rask-exec",
        may_use: &["rask-graph", "rask-value"],
        must_not_use: NO_IO,
    },
    Boundary {
        name: "rask-local",
        may_use: &["rask-exec", "rask-graph", "rask-store", "rask-value"],
        must_not_use: &["tokio", "pyo3"],
    },
    Boundary {
        name: "rask-proto",
        may_use: &["rask-graph"],
        must_not_use: NO_IO,
    },
    Boundary {
        name: "rask-sched",
        may_use: &["rask-graph", "rask-proto"],
        must_not_use: NO_IO,
    },
    Boundary {
        name: "rask-wire",
        may_use: &["rask-proto"],
        must_not_use: &["pyo3"],
    },
    Boundary {
        name: "rask-cluster",
        may_use: &[
            "rask-exec",
            "rask-graph",
            "rask-local",
            "rask-proto",
            "rask-sched",
            "rask-store",
            "rask-value",
            "rask-wire",
        ],
        must_not_use: &["pyo3"],
    },
    Boundary {
        name: "rask-sim",
        may_use: &[
            "rask-exec",
            "rask-graph",
            "rask-proto",
            "rask-sched",
            "rask-value",
        ],
        must_not_use: NO_IO,
    },
];

/// What each crate's manifest names that it must not.
pub fn check(root: &Path) -> Vec<String> {
    BOUNDARIES
        .iter()
        .flat_map(|boundary| check_crate(root, boundary))
        .collect()
}

fn check_crate(root: &Path, boundary: &Boundary) -> Vec<String> {
    let path = root.join("crates").join(boundary.name).join("Cargo.toml");
    let Ok(manifest) = std::fs::read_to_string(&path) else {
        return Vec::new();
    };
    dependencies_of(&manifest)
        .into_iter()
        .filter(|dependency| {
            let ours = dependency.starts_with("rask-");
            (ours && !boundary.may_use.contains(&dependency.as_str()))
                || boundary.must_not_use.contains(&dependency.as_str())
        })
        .map(|dependency| {
            format!(
                "crates/{}/Cargo.toml: must not depend on {dependency}; dependencies point \
                 downwards only (ARCHITECTURE.md, Layout). Move the code to a crate that may.",
                boundary.name
            )
        })
        .collect()
}

/// The names in `[dependencies]` and in `[target.….dependencies]`.
fn dependencies_of(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]" || line.ends_with(".dependencies]");
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            names.push(name.to_string());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::dependencies_of;

    #[test]
    fn reads_only_dependencies() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nc = \"1\"\n\
                        [dev-dependencies]\nd = \"1\"\n";
        assert_eq!(dependencies_of(manifest), ["b", "c"]);
    }
}
