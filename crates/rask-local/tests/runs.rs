//! What a run does besides giving values: errors, interrupts, scopes, nesting, observers, budgets.

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use common::{ALIVE, Number, explicit, layer, mix, number_of, op, register, sized_op, tree};
use rask_graph::{Block, Input};
use rask_local::{Observer, Options, Progress, RunError, TaskInfo, run};
use rask_value::{LayerOp, Origin, Plan, Scope, TaskError, ValueRef};

fn with_threads(threads: usize) -> Options<'static> {
    Options {
        threads,
        ..Options::default()
    }
}

/// Tests that count the values alive exclude each other, and those that make values.
static COUNTING: Mutex<()> = Mutex::new(());

fn count_alone() -> std::sync::MutexGuard<'static, ()> {
    COUNTING.lock().unwrap_or_else(|e| e.into_inner())
}

#[test]
fn the_first_failure_names_the_users_line_and_leaks_nothing() {
    let _alone = count_alone();
    for threads in [0, 1, 2, 4] {
        let ran = Arc::new(AtomicU32::new(0));
        let counter = ran.clone();
        let mut plan = Plan::default();
        let source = plan.add(layer("source", 100_000, vec![]), op(mix), None);
        let origin = Origin {
            annotations: None,
            span: None,
            file: "analysis.py".into(),
            line: 12,
            function: "main".into(),
        };
        let body = move |context: rask_value::TaskContext<'_>, _: &[u64]| {
            counter.fetch_add(1, Ordering::Relaxed);
            match context.block {
                20 => Err(TaskError::new("ZeroDivisionError: division by zero")),
                block => Ok(u64::from(block)),
            }
        };
        let divided = plan.add(
            layer("divide", 100_000, vec![Input::same(source, 1)]),
            op(body),
            Some(origin.clone()),
        );
        plan.graph.want_all(divided);
        let error = run(&plan, &with_threads(threads), &()).unwrap_err();
        let RunError::Task {
            layer,
            block,
            error,
        } = error
        else {
            panic!("not a task's error: {error}");
        };
        assert_eq!((layer.as_str(), block), ("divide", 20));
        assert_eq!(error.origin, Some(origin));
        assert!(
            ran.load(Ordering::Relaxed) < 50_000,
            "the rest is abandoned"
        );
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0, "values are left");
    }
}

#[test]
fn a_panic_is_the_tasks_failure() {
    let _alone = count_alone();
    let mut plan = Plan::default();
    let bad = plan.add(
        layer("bad", 1, vec![]),
        op(|_, _| panic!("out of cheese")),
        None,
    );
    plan.graph.want_all(bad);
    let error = run(&plan, &with_threads(2), &()).unwrap_err().to_string();
    assert!(error.contains("out of cheese"), "{error}");
}

#[test]
fn values_are_forgotten_as_soon_as_nothing_needs_them() {
    let _alone = count_alone();
    static MOST: AtomicI64 = AtomicI64::new(0);
    let plan = tree(4096, 4, || {
        op(|context, inputs| {
            MOST.fetch_max(ALIVE.load(Ordering::SeqCst), Ordering::SeqCst);
            mix(context, inputs)
        })
    });
    run(&plan, &with_threads(0), &()).unwrap();
    let most = MOST.load(Ordering::SeqCst);
    assert!(most < 40, "{most} of 4096 values at a time");
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

#[test]
fn a_budget_is_kept_by_spilling() {
    let _alone = count_alone();
    register();
    static HELD: AtomicI64 = AtomicI64::new(0);
    static MOST: AtomicI64 = AtomicI64::new(0);
    // Every source is needed twice, the second time after all others were made.
    let mut plan = Plan::default();
    let make = || {
        sized_op(10_000, None, |context, inputs| {
            HELD.store(ALIVE.load(Ordering::SeqCst), Ordering::SeqCst);
            MOST.fetch_max(HELD.load(Ordering::SeqCst), Ordering::SeqCst);
            mix(context, inputs)
        })
    };
    let source = plan.add(layer("source", 200, vec![]), make(), None);
    let all: Vec<u32> = (0..200).collect();
    let lists: Vec<Vec<u32>> = all.chunks(4).map(<[u32]>::to_vec).collect();
    let partial = plan.add(
        layer("partial", 50, vec![explicit(source, &lists)]),
        make(),
        None,
    );
    let total = plan.add(
        layer("total", 1, vec![explicit(partial, &[(0..50).collect()])]),
        sized_op(8, None, mix),
        None,
    );
    let zeros = vec![vec![0]; 200];
    let centred = plan.add(
        layer(
            "centred",
            200,
            vec![Input::same(source, 1), explicit(total, &zeros)],
        ),
        sized_op(8, None, mix),
        None,
    );
    plan.graph.want_all(centred);
    let expected: Vec<u64> = numbers(run(&plan, &with_threads(0), &()).unwrap());
    for threads in [0, 2] {
        MOST.store(0, Ordering::SeqCst);
        let options = Options {
            threads,
            memory_bytes_max: Some(1_000_000),
            ..Options::default()
        };
        let found = numbers(run(&plan, &options, &()).unwrap());
        assert_eq!(found, expected);
        let most = MOST.load(Ordering::SeqCst);
        assert!(
            most < 330,
            "{most} values of at most 100 large and 200 small ones"
        );
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    }
}

fn numbers(values: Vec<ValueRef>) -> Vec<u64> {
    values.iter().map(number_of).collect()
}

#[test]
fn an_interrupt_ends_the_run() {
    let _alone = count_alone();
    for threads in [0, 2] {
        let begun = Arc::new(AtomicBool::new(false));
        let seen = begun.clone();
        let plan = tree(1_000_000, 8, move || {
            let begun = begun.clone();
            op(move |context, inputs| {
                begun.store(true, Ordering::Relaxed);
                mix(context, inputs)
            })
        });
        let interrupt = || seen.load(Ordering::Relaxed);
        let options = Options {
            interrupt: Some(&interrupt),
            ..with_threads(threads)
        };
        let error = run(&plan, &options, &()).unwrap_err();
        assert!(matches!(error, RunError::Interrupted), "{error}");
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn tasks_may_run_plans() {
    let _alone = count_alone();
    let mut plan = Plan::default();
    let nested = op(|context, _| {
        let inner = tree(100 + context.block, 4, || op(mix));
        let values =
            run(&inner, &with_threads(3), &()).map_err(|e| TaskError::new(e.to_string()))?;
        Ok(number_of(&values[0]))
    });
    let outer = plan.add(layer("outer", 40, vec![]), nested, None);
    plan.graph.want_all(outer);
    let serial = numbers(run(&plan, &with_threads(0), &()).unwrap());
    let parallel = numbers(run(&plan, &with_threads(3), &()).unwrap());
    assert_eq!(serial, parallel);
}

#[test]
fn many_callers_share_the_pool() {
    let _alone = count_alone();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for count in 1..60 {
                    let plan = tree(count, 3, || op(mix));
                    let alone = numbers(run(&plan, &with_threads(0), &()).unwrap());
                    assert_eq!(numbers(run(&plan, &with_threads(3), &()).unwrap()), alone);
                }
            });
        }
    });
}

/// Counts how often it is entered.
struct CountingScope(AtomicU32);

impl Scope for CountingScope {
    fn enter(&self, body: &mut dyn FnMut()) {
        self.0.fetch_add(1, Ordering::Relaxed);
        body();
    }
}

#[test]
fn short_tasks_of_a_scope_share_an_entering() {
    let _alone = count_alone();
    static SCOPE: CountingScope = CountingScope(AtomicU32::new(0));
    let plan = tree(20_000, 8, || sized_op(8, Some(&SCOPE), mix));
    run(&plan, &with_threads(1), &()).unwrap();
    let entered = SCOPE.0.load(Ordering::Relaxed);
    assert!(entered < 10, "entered {entered} times for 40,000 tasks");
}

#[test]
fn held_values_take_the_place_of_work_and_remote_ones_are_refused() {
    let _alone = count_alone();
    let mut plan = Plan::default();
    let held: Vec<ValueRef> = (0..3)
        .map(|n| Arc::new(Number::new(n, 8)) as ValueRef)
        .collect();
    let source = plan.add(layer("held", 3, vec![]), LayerOp::Held(held.into()), None);
    let next = plan.add(
        layer("next", 3, vec![Input::same(source, 1)]),
        op(|_, inputs| Ok(inputs[0] + 10)),
        None,
    );
    plan.graph.want_all(next);
    plan.graph.wanted.push(Block {
        layer: source,
        block: 2,
    });
    let values = run(&plan, &with_threads(2), &()).unwrap();
    assert_eq!(numbers(values), [10, 11, 12, 2]);
    plan.ops[source.0 as usize] = LayerOp::Remote;
    let error = run(&plan, &with_threads(2), &()).unwrap_err();
    assert!(matches!(error, RunError::Remote { .. }), "{error}");
}

#[derive(Default)]
struct Watcher {
    progress: Mutex<Option<Arc<Progress>>>,
    started: AtomicU32,
    finished: AtomicU32,
    threads: Mutex<HashSet<ThreadId>>,
    ended: AtomicU32,
}

impl Observer for Watcher {
    fn wants_tasks(&self) -> bool {
        true
    }

    fn on_run_started(&self, progress: &Arc<Progress>) {
        *self.progress.lock().unwrap() = Some(progress.clone());
    }

    fn on_task_started(&self, task: &TaskInfo<'_>) {
        assert!(task.worker < 3);
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    fn on_task_finished(&self, task: &TaskInfo<'_>, outcome: Result<&ValueRef, &TaskError>) {
        assert!(task.ended >= task.started);
        assert_eq!(task.op, "test");
        assert!(outcome.is_ok());
        self.finished.fetch_add(1, Ordering::Relaxed);
        let id = std::thread::current().id();
        self.threads.lock().unwrap().insert(id);
    }

    fn on_run_finished(&self, error: Option<&RunError>) {
        assert!(error.is_none());
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn observers_see_every_task_and_the_progress() {
    let _alone = count_alone();
    let plan = tree(64, 4, || op(mix));
    let watcher = Watcher::default();
    let options = Options {
        optimize: false,
        ..with_threads(3)
    };
    run(&plan, &options, &watcher).unwrap();
    let total = 64 + 64 + 16 + 4 + 1;
    assert_eq!(watcher.started.load(Ordering::Relaxed), total);
    assert_eq!(watcher.finished.load(Ordering::Relaxed), total);
    assert_eq!(watcher.ended.load(Ordering::Relaxed), 1);
    assert!(watcher.threads.lock().unwrap().len() <= 3);
    let progress = watcher.progress.lock().unwrap().take().unwrap();
    assert_eq!((progress.done(), progress.total()), (149, 149));
    let layers: Vec<_> = progress.layers().collect();
    assert_eq!(layers[0], ("source", 64, 64));
    assert_eq!(layers.len(), 5);
}

#[test]
fn the_last_reader_has_its_input_for_its_own() {
    let _alone = count_alone();
    #[derive(Debug)]
    struct InPlace(Arc<AtomicU32>);
    impl rask_value::Op for InPlace {
        fn name(&self) -> &str {
            "in-place"
        }
        fn run(
            &self,
            _: rask_value::TaskContext<'_>,
            mut inputs: rask_value::Inputs,
        ) -> Result<ValueRef, TaskError> {
            let alone = Arc::get_mut(&mut inputs[0]).is_some();
            self.0.fetch_add(u32::from(alone), Ordering::Relaxed);
            Ok(inputs.swap_remove(0))
        }
        fn encode(&self) -> Result<rask_value::Encoded, rask_value::CodecError> {
            Err(rask_value::CodecError::UnknownKind("in-place".to_string()))
        }
    }
    for memory in [None, Some(1 << 30)] {
        let alone = Arc::new(AtomicU32::new(0));
        let mut plan = Plan::default();
        let source = plan.add(layer("source", 10, vec![]), op(mix), None);
        let next = plan.add(
            layer("next", 10, vec![Input::same(source, 1)]),
            LayerOp::Run(Arc::new(InPlace(alone.clone()))),
            None,
        );
        plan.graph.want_all(next);
        let options = Options {
            memory_bytes_max: memory,
            ..with_threads(2)
        };
        run(&plan, &options, &()).unwrap();
        assert_eq!(alone.load(Ordering::Relaxed), 10);
    }
}
