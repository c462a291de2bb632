//! Tasks go to where their inputs come fast, as measured.

use rask_proto::{FromWorker, Heartbeat, LayerSpec, Submit, TasksFinished, ToWorker, Transfers};

use crate::double::{Double, needing, source, submission};

const MEGABYTE: u64 = 1_000_000;

/// The worker has made a value.
fn make(double: &mut Double, number: u32, task: (u32, u32), nbytes: u64) {
    let report = TasksFinished {
        blocks: Some([task].into_iter().collect()),
        nbytes: vec![nbytes],
        duration_micros: vec![1000],
        ..TasksFinished::default()
    };
    double.hear_worker(number, FromWorker::Finished(report));
}

/// The worker has fetched 100 MB at so many MB a second.
fn measure(double: &mut Double, number: u32, from: u32, megabytes_per_second: u64) {
    let mut transfers = Transfers::default();
    let micros = 100 * 1_000_000 / megabytes_per_second;
    transfers.push(from, [100 * MEGABYTE, micros, 0, 0]);
    double.hear_worker(
        number,
        FromWorker::Heartbeat(Heartbeat {
            transfers: Some(transfers),
            ..Heartbeat::default()
        }),
    );
}

/// Workers 1 and 2 have made one input each, the one of worker 2 larger; where the task is that
/// needs both.
fn place_with(measured: &[(u32, u32, u64)]) -> u32 {
    let mut double = Double::new(2);
    for &(to, from, speed) in measured {
        measure(&mut double, to, from, speed);
    }
    let layers = vec![source("a", 2), needing("b", &[&[(0, 0), (0, 1)]])];
    double.submit(submission(layers));
    for number in [1, 2] {
        let [task] = double.take_assigned(number)[..] else {
            panic!("every worker makes one input");
        };
        make(&mut double, number, task, u64::from(10 + number) * MEGABYTE);
    }
    let counts = [1, 2].map(|number| double.take_assigned(number).len());
    double.lose(1);
    double.lose(2);
    double.forget_all();
    match counts {
        [1, 0] => 1,
        [0, 1] => 2,
        _ => panic!("{counts:?}"),
    }
}

#[test]
fn a_task_goes_where_less_has_to_be_moved_unless_that_takes_longer() {
    assert_eq!(place_with(&[]), 2);
    assert_eq!(place_with(&[(2, 1, 10), (1, 2, 500)]), 1);
    assert_eq!(place_with(&[(2, 1, 500), (1, 2, 10)]), 2);
}

/// Workers 1 and 2 hold an input; from whom worker 3 has it for each of ten tasks.
fn senders_with(measured: &[(u32, u32, u64)]) -> Vec<u32> {
    let mut double = Double::new(3);
    for &(to, from, speed) in measured {
        measure(&mut double, to, from, speed);
    }
    double.submit(Submit {
        workers: vec!["w1".to_owned()],
        ..submission(vec![source("a", 1)])
    });
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    make(&mut double, 1, (0, 0), MEGABYTE);
    double.hear_worker(2, FromWorker::Fetched([(0, 0)].into_iter().collect()));
    let known = LayerSpec {
        remote: true,
        op: None,
        ..source("a", 1)
    };
    let mut submit = submission(vec![known, needing("b", &[[(0, 0)].as_slice(); 10])]);
    submit.layers[1].id = 2;
    double.submit(Submit {
        workers: vec!["w3".to_owned()],
        ..submit
    });
    let mut senders = Vec::new();
    for block in 0..10 {
        double.take_from(3, |message| {
            if let ToWorker::Assign(assign) = message {
                senders.extend(&assign.holders);
            }
            true
        });
        make(&mut double, 3, (1, block), 8);
    }
    double.forget_all();
    senders
}

#[test]
fn an_input_comes_from_the_holder_that_sends_fast() {
    let alike = senders_with(&[]);
    assert!(alike.contains(&1) && alike.contains(&2), "{alike:?}");
    let slow = senders_with(&[(3, 1, 5), (3, 2, 500)]);
    assert!(
        !slow.is_empty() && slow.iter().all(|&sender| sender == 2),
        "{slow:?}"
    );
}
