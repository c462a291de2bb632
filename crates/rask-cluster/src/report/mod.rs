//! Pages about what a cluster did: plain HTML that needs no network.

mod stream;
mod text;

use std::collections::BTreeMap;

use rask_proto::{Info, SpanFigures, Spans, TaskStream};

pub use self::stream::StreamPart;
use self::text::{count, escape, mebibytes, seconds, time};

const STYLE: &str = include_str!("page.css");

/// What a report is made from.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub stream: TaskStream,
    pub spans: Spans,
    pub info: Info,
    /// Since the epoch.
    pub start_micros: u64,
    pub stop_micros: u64,
    /// What ran, as its user wrote it.
    pub code: String,
    /// Whoever asked for the report is gone.
    pub is_orphaned: bool,
}

/// A page with this body.
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    )
}

/// A page of a task stream.
pub fn stream_page(part: &StreamPart) -> String {
    page("Task stream", &part.render())
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.enumerate().map(|(at, cell)| {
            let kind = if at > 0 { " class=\"number\"" } else { "" };
            format!("<{tag}{kind}>{}</{tag}>", escape(cell))
        });
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let head = line("th", &mut head.iter().copied());
    let rows = rows
        .iter()
        .map(|row| line("td", &mut row.iter().map(String::as_str)));
    format!("<table>{head}{}</table>", rows.collect::<String>())
}

/// Tasks of one operation.
#[derive(Default)]
struct Operation {
    count: u64,
    micros: u64,
    nbytes: u64,
}

impl Report {
    /// The page.
    pub fn render(&self) -> String {
        let part = StreamPart::of(&self.stream);
        let mut body = format!(
            "<h2>Summary</h2>{}<h2>Task stream</h2>{}<h2>Operations</h2>{}<h2>Spans</h2>{}\
             <h2>Workers</h2>{}",
            self.summary(),
            part.render(),
            self.operations(),
            self.span_table(),
            self.workers(),
        );
        if !self.code.is_empty() {
            body.push_str(&format!("<h2>Code</h2><pre>{}</pre>", escape(&self.code)));
        }
        page("Rask performance report", &body)
    }

    fn thread_count(&self) -> u64 {
        let registers = self.info.workers.iter().flat_map(|worker| &worker.register);
        registers
            .map(|register| u64::from(register.thread_count))
            .sum()
    }

    fn summary(&self) -> String {
        let busy: u64 = self
            .stream
            .duration_micros
            .iter()
            .copied()
            .map(u64::from)
            .sum();
        let took = self.stop_micros.saturating_sub(self.start_micros);
        let threads = self.thread_count();
        let share = busy as f64 / (took as f64 * threads as f64).max(1.0);
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![
            row("Began", time(self.start_micros)),
            row("Duration", format!("{} s", seconds(took))),
            row("Tasks", count(self.stream.blocks.len() as u64)),
            row(
                "Computing, over all threads",
                format!("{} s", seconds(busy)),
            ),
            row("Threads busy", format!("{:.0} %", 100.0 * share)),
            row("Workers", count(self.info.workers.len() as u64)),
            row("Threads", count(threads)),
        ];
        if self.stream.forgotten > 0 {
            rows.push(row(
                "Earlier tasks, not remembered any more",
                format!("up to {}", count(self.stream.forgotten)),
            ));
        }
        if self.is_orphaned {
            let why = "by the scheduler: whoever asked for it was gone";
            rows.push(row("Written", why.to_owned()));
        }
        table(&["", ""], &rows)
    }

    fn operations(&self) -> String {
        let mut operations: BTreeMap<&str, Operation> = BTreeMap::new();
        for (at, &name) in self.stream.operations.iter().enumerate() {
            let name = self.stream.names.get(name as usize);
            let operation = operations
                .entry(name.map_or("", String::as_str))
                .or_default();
            operation.count += 1;
            operation.micros += self.stream.duration_micros.get(at).map_or(0, |&n| n.into());
            operation.nbytes += self.stream.nbytes.get(at).copied().unwrap_or_default();
        }
        let mut operations: Vec<_> = operations.into_iter().collect();
        operations.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.micros));
        let rows = operations.into_iter().map(|(name, operation)| {
            vec![
                name.to_owned(),
                count(operation.count),
                seconds(operation.micros),
                format!(
                    "{:.3}",
                    operation.micros as f64 / 1e3 / operation.count as f64
                ),
                mebibytes(operation.nbytes),
            ]
        });
        let head = ["operation", "tasks", "seconds", "ms a task", "results"];
        table(&head, &rows.collect::<Vec<_>>())
    }

    /// Spans in which something ended in the time of the report.
    fn span_table(&self) -> String {
        let spans = self.spans.spans.iter();
        let rows = spans.filter(|span| self.concerns(span)).map(|span| {
            let groups = &span.groups;
            let sum =
                |figure: &dyn Fn(&rask_proto::SpanGroup) -> u64| groups.iter().map(figure).sum();
            let path = span.path.clone().unwrap_or_default();
            vec![
                path.names.join(" / "),
                count(sum(&|group| group.ended)),
                seconds(sum(&|group| group.compute_micros)),
                mebibytes(sum(&|group| group.nbytes)),
            ]
        });
        let head = ["span, from its beginning", "tasks", "seconds", "results"];
        table(&head, &rows.collect::<Vec<_>>())
    }

    fn concerns(&self, span: &SpanFigures) -> bool {
        let mut groups = span.groups.iter();
        groups.any(|group| group.stop_micros >= self.start_micros)
    }

    fn workers(&self) -> String {
        let workers = self.info.workers.iter().map(|worker| {
            let register = worker.register.clone().unwrap_or_default();
            let heartbeat = worker.heartbeat.clone().unwrap_or_default();
            vec![
                register.name,
                register.address,
                count(u64::from(register.thread_count)),
                mebibytes(register.memory_bytes_max),
                mebibytes(heartbeat.process_bytes),
            ]
        });
        let mut workers: Vec<_> = workers.collect();
        workers.sort_by(|left, right| left[1].cmp(&right[1]));
        table(&["name", "address", "threads", "limit", "memory"], &workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_everything_and_escapes_it() {
        let report = Report {
            stream: TaskStream {
                names: ["layer", "</script>", "tcp://a"]
                    .map(str::to_owned)
                    .to_vec(),
                layers: vec![0, 0],
                operations: vec![1, 1],
                workers: vec![2, 2],
                blocks: vec![0, 1],
                start_micros: vec![5, 10],
                duration_micros: vec![1000, 3000],
                nbytes: vec![1 << 20, 1 << 20],
                ..TaskStream::default()
            },
            start_micros: 1_000_000,
            stop_micros: 3_500_000,
            code: "x < y".to_owned(),
            is_orphaned: true,
            ..Report::default()
        };
        let page = report.render();
        assert!(page.contains("<td class=\"number\">2.500 s</td>"), "{page}");
        assert!(page.contains("<pre>x &lt; y</pre>"));
        assert!(page.contains("&lt;/script&gt;") && page.contains("\\u003c/script\\u003e"));
        assert_eq!(page.matches("</script>").count(), 1);
        assert!(page.contains("whoever asked for it was gone"));
        assert!(page.contains("<td class=\"number\">2.0 MiB</td>"));
    }
}
