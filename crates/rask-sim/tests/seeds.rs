//! Many seeds, without faults, with each fault and with all of them. `RASK_SIM_SEEDS` says how many.

use rask_sim::{Faults, Hosts, Report, Settings, simulate};

const SETTINGS: Settings = Settings {
    workers: 3,
    threads: 2,
    memory_bytes_max: None,
    clients: 2,
    layers: 6,
    blocks: 12,
    hosts: Hosts {
        count: 0,
        slow_nanos_per_byte: 0,
        value_scale: 1,
        are_unmeasured: false,
    },
    speculates: false,
    drops_replicas: false,
    faults: Faults {
        deaths: 0,
        restarts: 0,
        retirements: 0,
        cuts: 0,
        partitions: 0,
        full_disks: 0,
        slow_disk_percent: 0,
        pauses: 0,
        memory_pauses: 0,
        refused_percent: 0,
        raising_percent: 0,
        flaky_percent: 0,
        spill_failing_percent: 0,
        leaving_percent: 0,
        cancellations: 0,
        suggestions: 0,
        straggling_percent: 0,
    },
    together_micros: 0,
    happenings_max: 200_000,
    trace: false,
};

fn seed_count() -> u64 {
    let count = std::env::var("RASK_SIM_SEEDS").ok();
    count.and_then(|text| text.parse().ok()).unwrap_or(400)
}

/// Runs the seeds and returns the sum of their reports. A failing seed is named.
fn run_seeds(settings: &Settings) -> Report {
    let mut sum = Report::default();
    for seed in 0..seed_count() {
        let report = std::panic::catch_unwind(|| simulate(seed, settings))
            .unwrap_or_else(|_| panic!("seed {seed} fails with {settings:?}"));
        sum.tasks_run += report.tasks_run;
        sum.values_spilled += report.values_spilled;
        sum.values_fetched += report.values_fetched;
        sum.tasks_raised += report.tasks_raised;
        sum.workers_died += report.workers_died;
        sum.workers_retired += report.workers_retired;
        sum.restarts += report.restarts;
        sum.reconnections += report.reconnections;
        sum.cancellations += report.cancellations;
        sum.suggestions += report.suggestions;
        sum.memory_pauses += report.memory_pauses;
        sum.tasks_crawled += report.tasks_crawled;
        sum.held_most = sum.held_most.max(report.held_most);
    }
    sum
}

#[test]
fn without_faults() {
    let report = run_seeds(&SETTINGS);
    assert!(report.values_fetched > 0 && report.tasks_run > 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let settings = Settings::with_every_fault();
    let (first, second) = (simulate(5, &settings), simulate(5, &settings));
    assert_eq!(first.happenings, second.happenings);
    assert_eq!(first.micros, second.micros);
}

#[test]
fn with_little_memory() {
    let settings = Settings {
        memory_bytes_max: Some(3000),
        ..SETTINGS
    };
    let report = run_seeds(&settings);
    assert!(report.values_spilled > 0);
}

#[test]
fn with_dying_workers() {
    let faults = Faults {
        deaths: 5,
        ..SETTINGS.faults
    };
    let report = run_seeds(&Settings { faults, ..SETTINGS });
    assert!(report.workers_died > 0);
}

/// Workers that leave in order take nothing with them that only they held.
#[test]
fn with_retirements() {
    let faults = Faults {
        retirements: 2,
        ..SETTINGS.faults
    };
    let settings = Settings {
        workers: 4,
        faults,
        ..SETTINGS
    };
    let report = run_seeds(&settings);
    assert!(report.workers_retired > 0);
}

#[test]
fn with_pauses_and_refusals() {
    let faults = Faults {
        pauses: 5,
        refused_percent: 20,
        ..SETTINGS.faults
    };
    run_seeds(&Settings { faults, ..SETTINGS });
}

/// What waited for a worker that is short of memory is taken by others; where there are none, or the
/// work is theirs alone, it waits, or they do it one by one.
#[test]
fn with_workers_short_of_memory() {
    for workers in [1, 3] {
        let faults = Faults {
            memory_pauses: 4,
            ..SETTINGS.faults
        };
        let settings = Settings {
            workers,
            faults,
            ..SETTINGS
        };
        let report = run_seeds(&settings);
        assert!(report.memory_pauses > 0);
        assert!(workers > 1 || report.tasks_crawled > 0);
    }
}

#[test]
fn with_raising_tasks_and_leaving_clients() {
    let faults = Faults {
        raising_percent: 5,
        leaving_percent: 40,
        ..SETTINGS.faults
    };
    let settings = Settings {
        clients: 4,
        faults,
        ..SETTINGS
    };
    run_seeds(&settings);
}

/// Tasks that raise now and then are run again later, and nobody hears of it.
#[test]
fn with_flaky_tasks() {
    let calm = Faults {
        flaky_percent: 30,
        ..SETTINGS.faults
    };
    let stormy = Faults {
        deaths: 3,
        restarts: 2,
        cuts: 3,
        ..calm
    };
    for faults in [calm, stormy] {
        let report = run_seeds(&Settings { faults, ..SETTINGS });
        assert!(report.tasks_raised > seed_count());
    }
}

#[test]
fn with_restarts_of_the_scheduler() {
    let faults = Faults {
        restarts: 3,
        ..SETTINGS.faults
    };
    let report = run_seeds(&Settings { faults, ..SETTINGS });
    assert!(report.restarts > 0);
}

/// Everything that was made is still held when the scheduler is back, so nothing is made twice.
#[test]
fn a_restart_alone_repeats_no_work() {
    let alone = Settings {
        clients: 1,
        ..SETTINGS
    };
    let faults = Faults {
        restarts: 3,
        ..SETTINGS.faults
    };
    let restarted = Settings { faults, ..alone };
    let mut restarts = 0;
    for seed in 0..seed_count() {
        let (calm, report) = (simulate(seed, &alone), simulate(seed, &restarted));
        assert_eq!(report.tasks_run, calm.tasks_run, "seed {seed}");
        restarts += report.restarts;
    }
    assert!(restarts > 0);
}

#[test]
fn with_restarts_and_dying_workers() {
    let faults = Faults {
        deaths: 4,
        restarts: 3,
        raising_percent: 3,
        leaving_percent: 20,
        ..SETTINGS.faults
    };
    run_seeds(&Settings { faults, ..SETTINGS });
}

/// Values that a worker brings back are used again, tasks that it still runs are not run twice
/// there, and who is taken for dead while it lives does no harm.
#[test]
fn with_connections_that_end() {
    let faults = Faults {
        cuts: 6,
        ..SETTINGS.faults
    };
    let report = run_seeds(&Settings { faults, ..SETTINGS });
    assert!(report.reconnections > 0);
}

#[test]
fn with_connections_that_end_and_restarts() {
    let faults = Faults {
        cuts: 5,
        restarts: 3,
        deaths: 2,
        ..SETTINGS.faults
    };
    let report = run_seeds(&Settings { faults, ..SETTINGS });
    assert!(report.reconnections > report.restarts && report.restarts > 0);
}

#[test]
fn with_workers_that_cannot_reach_each_other() {
    let faults = Faults {
        partitions: 10,
        ..SETTINGS.faults
    };
    run_seeds(&Settings { faults, ..SETTINGS });
}

#[test]
fn with_full_and_slow_disks() {
    let faults = Faults {
        full_disks: 5,
        slow_disk_percent: 20,
        ..SETTINGS.faults
    };
    let settings = Settings {
        memory_bytes_max: Some(3000),
        faults,
        ..SETTINGS
    };
    let report = run_seeds(&settings);
    assert!(report.values_spilled > 0);
}

/// Of a task that takes long a copy runs elsewhere, and the first result counts: no more is lost
/// than that, and nothing else changes.
#[test]
fn with_tasks_that_take_long_and_copies_of_them() {
    let faults = Faults {
        straggling_percent: 2,
        ..SETTINGS.faults
    };
    let alone = Settings {
        faults,
        blocks: 40,
        ..SETTINGS
    };
    let copied = Settings {
        speculates: true,
        ..alone
    };
    let (mut with, mut without) = (0, 0);
    for seed in 0..seed_count().min(400) {
        with += simulate(seed, &copied).done_micros;
        without += simulate(seed, &alone).done_micros;
    }
    assert!(
        with < without / 100 * 85,
        "{with} µs with copies, {without} µs without"
    );
    let faults = Faults {
        deaths: 4,
        pauses: 2,
        retirements: 1,
        restarts: 1,
        refused_percent: 5,
        raising_percent: 3,
        straggling_percent: 10,
        ..SETTINGS.faults
    };
    run_seeds(&Settings { faults, ..copied });
}

/// What several workers hold and nobody needs there is dropped, and nothing that is needed.
#[test]
fn with_superfluous_copies_dropped() {
    let dropping = Settings {
        drops_replicas: true,
        ..SETTINGS
    };
    run_seeds(&dropping);
    let faults = Faults {
        deaths: 3,
        retirements: 2,
        restarts: 1,
        cuts: 2,
        refused_percent: 5,
        ..SETTINGS.faults
    };
    run_seeds(&Settings { faults, ..dropping });
}

/// What is cancelled ends, what is wanted again is made again, and what others want goes on.
#[test]
fn with_clients_that_cancel() {
    for clients in [1, 3] {
        let faults = Faults {
            cancellations: 6,
            ..SETTINGS.faults
        };
        let settings = Settings {
            clients,
            faults,
            ..SETTINGS
        };
        let report = run_seeds(&settings);
        assert!(report.cancellations > seed_count());
    }
}

/// Copies come and go as policies of users want, wherever values are, and nothing is lost of it.
#[test]
fn with_policies_of_users() {
    for (deaths, memory_bytes_max) in [(0, None), (3, Some(3000))] {
        let faults = Faults {
            suggestions: 12,
            deaths,
            retirements: 1,
            refused_percent: 5,
            ..SETTINGS.faults
        };
        let settings = Settings {
            memory_bytes_max,
            drops_replicas: true,
            faults,
            ..SETTINGS
        };
        let report = run_seeds(&settings);
        assert!(report.suggestions > seed_count());
    }
}

/// A scheduler that was started again waits for nothing that was cancelled, and clients that were
/// away learn what others have cancelled.
#[test]
fn with_clients_that_cancel_and_restarts() {
    for clients in [1, 3] {
        let faults = Faults {
            cancellations: 6,
            restarts: 3,
            cuts: 4,
            ..SETTINGS.faults
        };
        let settings = Settings {
            clients,
            faults,
            ..SETTINGS
        };
        run_seeds(&settings);
    }
}

#[test]
fn with_clients_that_cancel_and_bad_workers() {
    let faults = Faults {
        cancellations: 6,
        deaths: 3,
        pauses: 3,
        retirements: 1,
        partitions: 4,
        refused_percent: 5,
        raising_percent: 4,
        flaky_percent: 10,
        ..SETTINGS.faults
    };
    let settings = Settings {
        memory_bytes_max: Some(3000),
        speculates: true,
        drops_replicas: true,
        faults,
        ..SETTINGS
    };
    run_seeds(&settings);
}

#[test]
fn with_reports_that_are_taken_in_together() {
    run_seeds(&Settings {
        together_micros: 300,
        ..SETTINGS
    });
    run_seeds(&Settings {
        together_micros: 1_000,
        ..Settings::with_every_fault()
    });
}

#[test]
fn with_everything() {
    run_seeds(&Settings::with_every_fault());
}
