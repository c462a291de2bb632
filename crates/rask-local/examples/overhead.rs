//! Prints what the engine itself costs a task: no-op tasks on threads, and inside a scope.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::{sized_op, tree};
use rask_local::{Options, run};
use rask_value::{LayerOp, Scope};

struct Door;

impl Scope for Door {
    fn enter(&self, body: &mut dyn FnMut()) {
        body();
    }
}

static DOOR: Door = Door;

fn main() {
    let measure = |what: &str, threads: usize, memory: Option<u64>, make: &dyn Fn() -> LayerOp| {
        let plan = tree(400_000, 8, make);
        let tasks: u64 = plan.graph.layers.iter().map(|l| l.block_count()).sum();
        let options = Options {
            threads,
            memory_bytes_max: memory,
            ..Options::default()
        };
        let started = Instant::now();
        run(&plan, &options, &()).expect("no-ops do not fail");
        let nanos = started.elapsed().as_nanos() as f64 / tasks as f64;
        println!("{what:40} {threads} threads: {nanos:6.0} ns a task ({tasks} tasks)");
    };
    let native = || sized_op(8, None, |_, _| Ok(1));
    let scoped = || sized_op(8, Some(&DOOR), |_, _| Ok(1));
    for threads in [0, 1, 2] {
        measure("no-op", threads, None, &native);
        measure(
            "no-op, with a memory budget",
            threads,
            Some(1 << 30),
            &native,
        );
        measure("no-op in a scope", threads, None, &scoped);
    }
    let plan = tree(1, 8, native);
    let options = Options::default();
    let started = Instant::now();
    for _ in 0..10_000 {
        run(&plan, &options, &()).expect("no-ops do not fail");
    }
    println!("a run of two tasks: {:.2?}", started.elapsed() / 10_000);
}
