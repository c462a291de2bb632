//! Layers whose tasks are run on terms of their own.

use rask_proto::{LayerOptions, LayerSpec, Resource, Submit, ToClient};

use crate::double::{Double, needing, source, submission};

fn with_options(spec: LayerSpec, options: LayerOptions) -> LayerSpec {
    LayerSpec {
        options: Some(options),
        ..spec
    }
}

fn on_worker(name: &str) -> LayerOptions {
    LayerOptions {
        workers: vec![name.to_owned()],
        ..LayerOptions::default()
    }
}

#[test]
fn each_layer_is_run_where_it_is_to_be() {
    let mut double = Double::new(2);
    let layers = vec![
        with_options(source("a", 2), on_worker("w1")),
        with_options(needing("b", &[&[(0, 0)], &[(0, 1)]]), on_worker("w2")),
    ];
    double.submit(submission(layers));
    for _ in 0..2 {
        let first = double.take_assigned(1);
        assert!(first.iter().all(|&(layer, _)| layer == 0) && !first.is_empty());
        double.finish(1, &first);
        let second = double.take_assigned(2);
        assert!(second.iter().all(|&(layer, _)| layer == 1) && !second.is_empty());
        double.finish(2, &second);
    }
    double.forget_all();
}

#[test]
fn a_layer_says_its_own_priority_and_retries_and_else_the_submission_does() {
    let mut double = Double::new(1);
    let urgent = LayerOptions {
        priority: Some(5),
        retries: Some(0),
        ..LayerOptions::default()
    };
    let layers = vec![
        source("usual", 1),
        with_options(source("urgent", 1), urgent),
        needing("both", &[&[(0, 0), (1, 0)]]),
    ];
    double.submit(Submit {
        retries: 1,
        ..submission(layers)
    });
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.finish(1, &[(1, 0)]);
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.fail(1, (0, 0));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.fail(1, (0, 0));
    let told = double.take_client();
    assert!(matches!(told[..], [ToClient::Erred(_)]), "{told:?}");
    double.forget_all();
}

#[test]
fn resources_of_a_layer_that_make_no_sense_are_refused() {
    let mut double = Double::new(1);
    let nothing = LayerOptions {
        resources: vec![Resource {
            name: "GPU".to_owned(),
            amount: f64::NAN,
        }],
        ..LayerOptions::default()
    };
    double.submit(submission(vec![with_options(source("a", 1), nothing)]));
    let told = double.take_client();
    assert!(matches!(told[..], [ToClient::Rejected(_)]), "{told:?}");
}
