//! Layers whose tasks are run on terms of their own.

use rask_proto::{LayerOptions, LayerSpec, Resource, Submit, ToClient, VariedOptions};

use crate::double::{Double, needing, source, submission};

fn with_options(spec: LayerSpec, options: LayerOptions) -> LayerSpec {
    LayerSpec {
        options: Some(Box::new(options)),
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

fn varied(spec: LayerSpec, options: Vec<LayerOptions>, of_blocks: &[u32]) -> LayerSpec {
    LayerSpec {
        varied: Some(Box::new(VariedOptions {
            options,
            of_blocks: of_blocks.to_vec(),
        })),
        ..spec
    }
}

#[test]
fn blocks_of_a_layer_are_run_where_each_is_to_be() {
    let mut double = Double::new(2);
    let places = vec![on_worker("w1"), on_worker("w2")];
    let needs = varied(
        needing("b", &[&[(0, 0)], &[(0, 1)]]),
        places.clone(),
        &[1, 0],
    );
    let layers = vec![varied(source("a", 2), places, &[0, 1]), needs];
    double.submit(submission(layers));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    assert_eq!(double.take_assigned(2), [(0, 1)]);
    double.finish(1, &[(0, 0)]);
    double.finish(2, &[(0, 1)]);
    assert_eq!(double.take_assigned(1), [(1, 1)]);
    assert_eq!(double.take_assigned(2), [(1, 0)]);
    double.finish(1, &[(1, 1)]);
    double.finish(2, &[(1, 0)]);
    double.forget_all();
}

#[test]
fn blocks_have_priorities_retries_and_resources_of_their_own() {
    let mut double = Double::new(1);
    let urgent = LayerOptions {
        priority: Some(5),
        retries: Some(0),
        ..LayerOptions::default()
    };
    let usual = LayerOptions::default();
    let layer = varied(source("a", 2), vec![usual.clone(), urgent], &[0, 1]);
    double.submit(Submit {
        retries: 1,
        ..submission(vec![layer, needing("both", &[&[(0, 0), (0, 1)]])])
    });
    assert_eq!(double.take_assigned(1), [(0, 1)]);
    double.finish(1, &[(0, 1)]);
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.fail(1, (0, 0));
    assert_eq!(double.take_assigned(1), [(0, 0)]);
    double.finish(1, &[(0, 0)]);
    assert_eq!(double.take_assigned(1), [(1, 0)]);
    double.finish(1, &[(1, 0)]);
    double.forget_all();
    let gpu = LayerOptions {
        resources: vec![Resource {
            name: "GPU".to_owned(),
            amount: 1.0,
        }],
        ..LayerOptions::default()
    };
    let mut double = Double::new(1);
    let layer = varied(source("c", 2), vec![usual, gpu], &[0, 1]);
    double.submit(submission(vec![layer]));
    assert_eq!(double.take_assigned(1), [(0, 0)], "there is no GPU");
}

#[test]
fn options_of_blocks_that_are_not_there_are_refused() {
    for of_blocks in [&[0][..], &[0, 1], &[0, 0, 0]] {
        let mut double = Double::new(1);
        let layer = varied(source("a", 2), vec![LayerOptions::default()], of_blocks);
        double.submit(submission(vec![layer]));
        let told = double.take_client();
        assert!(matches!(told[..], [ToClient::Rejected(_)]), "{told:?}");
    }
}
