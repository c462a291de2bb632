//! A drawing of tasks over time, a row a worker.

use std::collections::HashMap;
use std::fmt::Write;

use rask_proto::TaskStream;

use super::text::{escape, quote};

const SCRIPT: &str = include_str!("stream.js");

/// Tasks over time.
#[derive(Clone, Debug, Default)]
pub struct StreamPart {
    workers: Vec<String>,
    operations: Vec<String>,
    /// Worker, operation, start and duration in microseconds.
    tasks: Vec<(usize, usize, u64, u64)>,
}

impl StreamPart {
    /// Tasks by worker, operation, start and duration in microseconds.
    pub fn new<'a>(tasks: impl Iterator<Item = (&'a str, &'a str, u64, u64)>) -> Self {
        let mut part = StreamPart::default();
        let (mut workers, mut operations) = (HashMap::new(), HashMap::new());
        for (worker, operation, start, duration) in tasks {
            let worker = position(&mut workers, &mut part.workers, worker);
            let operation = position(&mut operations, &mut part.operations, operation);
            part.tasks.push((worker, operation, start, duration));
        }
        part
    }

    /// Those of a scheduler's answer.
    pub fn of(stream: &TaskStream) -> Self {
        let name = |column: &[u32], at: usize| {
            let position = column.get(at).map(|&position| position as usize);
            let name = position.and_then(|position| stream.names.get(position));
            name.map_or("", String::as_str)
        };
        StreamPart::new((0..stream.blocks.len()).map(|at| {
            (
                name(&stream.workers, at),
                name(&stream.operations, at),
                stream.start_micros.get(at).copied().unwrap_or_default(),
                stream.duration_micros.get(at).map_or(0, |&n| n.into()),
            )
        }))
    }

    /// The drawing, as a part of a page.
    pub fn render(&self) -> String {
        let legend = self.operations.iter().enumerate().map(|(at, name)| {
            let (color, name) = (self.color(at), escape(name));
            format!("<div><span class=\"swatch\" style=\"background:{color}\"></span>{name}</div>")
        });
        format!(
            "<p>A row a worker, a box a task. Wheel: zoom; drag: move; double click: all.</p>\
             <canvas id=\"stream\"></canvas><div id=\"hover\"></div>{}\
             <script>const DATA = {};\n{SCRIPT}</script>",
            legend.collect::<String>(),
            self.data(),
        )
    }

    fn color(&self, operation: usize) -> String {
        let hue = (360 * operation / self.operations.len().max(1) + 210) % 360;
        format!("hsl({hue} 60% 55%)")
    }

    fn data(&self) -> String {
        let first = self.tasks.iter().map(|task| task.2).min().unwrap_or(0);
        let last = self.tasks.iter().map(|task| task.2 + task.3).max();
        let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(",");
        let mut tasks = String::with_capacity(self.tasks.len() * 24);
        for &(worker, operation, start, duration) in &self.tasks {
            let comma = if tasks.is_empty() { "" } else { "," };
            let (start, duration) = ((start - first) as f64 / 1e6, duration as f64 / 1e6);
            write!(tasks, "{comma}[{worker},{operation},{start},{duration}]").unwrap_or_default();
        }
        format!(
            "{{\"workers\":[{}],\"operations\":[{}],\"colors\":[{}],\"seconds\":{},\"tasks\":[{tasks}]}}",
            list(&mut self.workers.iter().map(|name| quote(name))),
            list(&mut self.operations.iter().map(|name| quote(name))),
            list(&mut (0..self.operations.len()).map(|at| quote(&self.color(at)))),
            (last.unwrap_or(0) - first).max(1) as f64 / 1e6,
        )
    }
}

fn position<'a>(
    positions: &mut HashMap<&'a str, usize>,
    names: &mut Vec<String>,
    name: &'a str,
) -> usize {
    *positions.entry(name).or_insert_with(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}
