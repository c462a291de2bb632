//! Many seeds; `RASK_SIM_SEEDS` runs more of them, `RASK_SIM_SEED` one alone.

use rask_sim::{Faults, simulate};

fn seeds() -> std::ops::Range<u64> {
    let read = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match read("RASK_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..read("RASK_SIM_SEEDS").unwrap_or(2000),
    }
}

fn run(faults: Faults) -> (usize, usize) {
    let outcomes = seeds().map(|seed| match simulate(seed, faults) {
        Ok(outcome) => (outcome.finished, outcome.erred),
        Err(broken) => panic!("{broken}"),
    });
    outcomes.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[test]
fn without_faults_everything_finishes() {
    let (finished, erred) = run(Faults {
        crash: 0,
        task_fails: 0,
        release: 0,
    });
    assert!(finished > 0);
    assert_eq!(erred, 0);
}

#[test]
fn crashes_lose_nothing() {
    let (finished, erred) = run(Faults {
        crash: 100,
        task_fails: 0,
        release: 50,
    });
    assert!(finished > 0);
    assert_eq!(erred, 0);
}

#[test]
fn failures_and_crashes_end() {
    let (finished, erred) = run(Faults {
        crash: 80,
        task_fails: 3,
        release: 100,
    });
    assert!(finished > 0 && erred > 0);
}

#[test]
fn a_seed_gives_the_same_run() {
    let faults = Faults {
        crash: 100,
        task_fails: 3,
        release: 100,
    };
    for seed in 0..50 {
        assert_eq!(simulate(seed, faults), simulate(seed, faults));
    }
}
