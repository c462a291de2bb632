//! Spans: where layers belong, and what is counted.

use rask_proto::{
    AnswerBody, FromClient, LayerSpec, Query, QueryBody, SpanFigures, SpanNote, SpanPath,
    SpanQuery, Spans, ToClient,
};

use crate::double::{Double, needing, source, submission};
use crate::release;

fn path(names: &[&str]) -> SpanPath {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    SpanPath {
        ids: (1..=names.len())
            .map(|depth| names[..depth].join("/"))
            .collect(),
        names,
    }
}

fn within(span: &[&str], layer: LayerSpec) -> LayerSpec {
    LayerSpec {
        span: Some(path(span)),
        ..layer
    }
}

fn ask(double: &mut Double, ids: &[&str], names: &[&str]) -> Spans {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    double.client(FromClient::Query(Query {
        id: 7,
        body: Some(QueryBody::Spans(SpanQuery {
            ids: owned(ids),
            names: owned(names),
        })),
    }));
    let mut found = double
        .take_client()
        .into_iter()
        .filter_map(|message| match message {
            ToClient::Answer(answer) => match answer.body {
                Some(AnswerBody::Spans(spans)) => Some(*spans),
                _ => None,
            },
            _ => None,
        });
    found.next().expect("an answer")
}

fn last_id(span: &SpanFigures) -> &str {
    let path = span.path.as_ref().expect("a path");
    path.ids.last().expect("not empty")
}

#[test]
fn tasks_are_counted_where_their_layers_were_made() {
    let mut double = Double::new(1);
    let mut submit = submission(vec![
        within(&["outer", "inner"], source("a", 2)),
        needing("b", &[&[(0, 0), (0, 1)]]),
    ]);
    submit.span = Some(path(&["other"]));
    double.submit(submit);
    let first = double.take_assigned(1);
    double.finish(1, &first);
    let spans = ask(&mut double, &[], &[]);
    let ids: Vec<&str> = spans.spans.iter().map(last_id).collect();
    assert_eq!(ids, ["outer", "outer/inner", "other"]);
    assert!(spans.spans[0].groups.is_empty());
    let [a] = &spans.spans[1].groups[..] else {
        panic!("one group: {spans:?}")
    };
    // Released, waiting, queued, processing, in memory, erred, forgotten.
    assert_eq!(a.states, [0, 0, 0, 1, 1, 0, 0]);
    assert_eq!((a.ended, a.nbytes, a.compute_micros), (1, 100, 1_000_000));
    assert_eq!(spans.spans[2].groups[0].states, [0, 1, 0, 0, 0, 0, 0]);
    double.take_assigned(1);
}

#[test]
fn figures_stay_when_the_layers_are_gone() {
    let mut double = Double::new(1);
    double.submit(submission(vec![within(&["s"], source("a", 1))]));
    double.take_assigned(1);
    double.finish(1, &[(0, 0)]);
    double.client(release(&[(1, 0)]));
    double.client(FromClient::ForgetLayers([(1, 0)].into_iter().collect()));
    double.take_client();
    double.take_freed(1);
    double.take_forgotten();
    let spans = ask(&mut double, &["s"], &[]);
    let group = &spans.spans[0].groups[0];
    assert_eq!(group.states, [0, 0, 0, 0, 0, 0, 1]);
    assert_eq!((group.name.as_str(), group.nbytes), ("a", 100));
    assert_eq!(
        group.stop_micros - group.start_micros,
        group.stop_micros.min(1_000_000)
    );
}

#[test]
fn a_default_span_ends_when_nothing_is_to_be_done() {
    let mut double = Double::new(1);
    let submit = |double: &mut Double, name: &str, id: u32| {
        let mut submit = submission(vec![source(name, 1)]);
        submit.layers[0].id = id;
        double.submit(submit);
    };
    submit(&mut double, "a", 1);
    double.now += 1_000_000;
    submit(&mut double, "b", 2);
    assert_eq!(ask(&mut double, &[], &["default"]).spans.len(), 1);
    for _ in 0..2 {
        let tasks = double.take_assigned(1);
        double.finish(1, &tasks);
    }
    double.take_client();
    double.now += 1_000_000;
    submit(&mut double, "c", 3);
    assert_eq!(ask(&mut double, &[], &["default"]).spans.len(), 2);
    assert_eq!(ask(&mut double, &[], &["unknown"]).spans.len(), 0);
    double.take_assigned(1);
}

#[test]
fn old_spans_are_forgotten_and_those_with_layers_stay() {
    let mut double = Double::new(1);
    double.submit(submission(vec![within(&["kept"], source("kept", 1))]));
    double.take_assigned(1);
    double.finish(1, &[(0, 0)]);
    double.take_client();
    for number in 1..=10_050u32 {
        let name = format!("s{number}");
        let mut submit = submission(vec![within(&[&name], source(&name, 1))]);
        submit.layers[0].id = number + 1;
        double.submit(submit);
        double.take_assigned(1);
        double.finish(1, &[(number, 0)]);
        double.client(release(&[(number + 1, 0)]));
        let layers = [(number + 1, 0)].into_iter().collect();
        double.client(FromClient::ForgetLayers(layers));
        double.take_client();
        double.take_freed(1);
        double.take_forgotten();
    }
    let spans = ask(&mut double, &[], &[]);
    assert_eq!(spans.spans.len(), 10_000);
    assert_eq!(spans.forgotten, 51);
    assert_eq!(last_id(&spans.spans[0]), "kept");
}

#[test]
fn a_path_that_makes_no_sense_is_refused() {
    let mut double = Double::new(1);
    let mut layer = within(&["a", "b"], source("a", 1));
    layer.span.as_mut().expect("a span").ids.pop();
    double.submit(submission(vec![layer]));
    let refused = double.take_client();
    let [ToClient::Rejected(refused)] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert!(refused.reason.contains("span"), "{}", refused.reason);
    assert!(ask(&mut double, &[], &[]).spans.is_empty());
}

#[test]
fn notes_are_kept_up_to_a_number() {
    let mut double = Double::new(1);
    double.submit(submission(vec![within(&["s"], source("a", 1))]));
    double.take_assigned(1);
    for number in 0..150 {
        double.client(FromClient::Query(Query {
            id: number,
            body: Some(QueryBody::NoteSpan(SpanNote {
                id: "s".to_owned(),
                text: format!("{{\"n\": [{number}]}}"),
            })),
        }));
        double.take_client();
    }
    let spans = ask(&mut double, &["s"], &[]);
    assert_eq!(spans.spans[0].notes.len(), 100);
    double.finish(1, &[(0, 0)]);
    double.take_client();
}
