//! What tasks went through, and dumps, against the recording double.

use rask_proto::{
    AnswerBody, BlockName, Blocks, FromClient, Query, QueryBody, StateDump, Story, StoryQuery,
    ToClient,
};

use crate::double::{Double, finished, needing, source, submission};

fn ask(double: &mut Double, body: QueryBody) -> AnswerBody {
    double.client(FromClient::Query(Query {
        id: 9,
        body: Some(body),
    }));
    match double.take_client().pop() {
        Some(ToClient::Answer(answer)) => answer.body.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn story(double: &mut Double, query: StoryQuery) -> Story {
    match ask(double, QueryBody::Story(query)) {
        AnswerBody::Story(story) => *story,
        other => panic!("{other:?}"),
    }
}

/// Layer, block, states before and after, stimulus without its number.
fn lines(story: &Story) -> Vec<(String, u32, String, String, String)> {
    let name = |position: &[u32], at: usize| story.names[position[at] as usize].clone();
    (0..story.layers.len())
        .map(|at| {
            let stimulus = name(&story.stimuli, at);
            let (stimulus, _) = stimulus.rsplit_once('-').unwrap();
            (
                name(&story.layers, at),
                story.blocks[at],
                name(&story.starts, at),
                name(&story.finishes, at),
                stimulus.to_owned(),
            )
        })
        .collect()
}

fn line(layer: &str, from: &str, to: &str, why: &str) -> (String, u32, String, String, String) {
    let own = str::to_owned;
    (own(layer), 0, own(from), own(to), own(why))
}

fn run_two_layers() -> Double {
    let mut double = Double::new(1);
    double.submit(submission(vec![source("a", 1), needing("b", &[&[(0, 0)]])]));
    double.take_assigned(1);
    double.finish(1, &[(0, 0)]);
    double.take_assigned(1);
    double.finish(1, &[(1, 0)]);
    assert_eq!(finished(&double.take_client()), [(1, 0)]);
    assert_eq!(double.take_freed(1), [(0, 0)]);
    double
}

#[test]
fn a_task_has_a_story_even_when_it_is_gone() {
    let mut double = run_two_layers();
    double.client(FromClient::Release(Blocks::from_iter([(1, 0)])));
    double.client(FromClient::ForgetLayers(Blocks::from_iter([(1, 0)])));
    double.take_freed(1);
    double.take_forgotten();
    assert_eq!(double.scheduler.task_count(), 0);
    let query = StoryQuery {
        layers: vec!["a".to_owned()],
        ..StoryQuery::default()
    };
    let told = story(&mut double, query);
    assert_eq!(
        lines(&told),
        [
            line("a", "released", "waiting", "update-graph"),
            line("a", "waiting", "queued", "update-graph"),
            line("a", "queued", "processing", "update-graph"),
            line("a", "processing", "memory", "task-finished"),
            line("a", "memory", "released", "task-finished"),
            line("a", "released", "forgotten", "client-releases-keys"),
        ]
    );
    let worker = &told.names[told.workers[2] as usize];
    assert_eq!(worker, "tcp://host-1:1");
    let stimulus = told.names[told.stimuli[3] as usize].clone();
    let query = StoryQuery {
        stimuli: vec![stimulus],
        ..StoryQuery::default()
    };
    let layers: Vec<String> = lines(&story(&mut double, query))
        .into_iter()
        .map(|line| line.0)
        .collect();
    assert!(layers.contains(&"a".to_owned()) && layers.contains(&"b".to_owned()));
    let query = StoryQuery {
        keys: vec![BlockName {
            layer: "b".to_owned(),
            block: 3,
        }],
        stimuli: vec!["task-finished".to_owned(), "nonsense-7".to_owned()],
        ..StoryQuery::default()
    };
    assert!(lines(&story(&mut double, query)).is_empty());
    let all = story(
        &mut double,
        StoryQuery {
            all: true,
            from: told.written - 1,
            ..StoryQuery::default()
        },
    );
    assert_eq!(all.layers.len(), 1);
}

#[test]
fn a_dump_has_every_task_with_what_it_needs() {
    let mut double = run_two_layers();
    double.submit(rask_proto::Submit {
        layers: {
            let mut failing = source("c", 1);
            failing.id = 2;
            vec![failing]
        },
        wanted: Some(Blocks::from_iter([(0, 0)])),
        ..Default::default()
    });
    let given = double.take_assigned(1);
    double.fail(1, given[0]);
    double.take_client();
    let AnswerBody::Dump(dump) = ask(&mut double, QueryBody::Dump(())) else {
        panic!("no dump");
    };
    let StateDump {
        names,
        tasks,
        states,
        input_counts,
        inputs,
        failures,
        ..
    } = *dump;
    let tasks: Vec<(u32, u32)> = tasks.iter().flat_map(Blocks::iter).collect();
    let described: Vec<(&str, &str)> = tasks
        .iter()
        .zip(&states)
        .map(|((layer, _), state)| {
            let layer = names[*layer as usize].as_str();
            (layer, names[*state as usize].as_str())
        })
        .collect();
    let position = |task| described.iter().position(|other| *other == task);
    let a = position(("a", "released")).expect("a task");
    let b = position(("b", "memory")).expect("a task");
    assert!(described.len() == 3 && position(("c", "erred")).is_some());
    let with_inputs: Vec<usize> = (0..3).filter(|at| input_counts[*at] > 0).collect();
    assert_eq!(with_inputs, [b]);
    assert_eq!(inputs, [a as u32]);
    assert_eq!(failures, ["ValueError: no"]);
}
