//! Which columns of each node are needed, so that readers read only those.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::engine::join::JoinSpec;
use crate::engine::sort::{Key, SortSpec};
use crate::engine::{Expr, Label, Schema};
use crate::node::{Kind, Node, NodeRef};
use crate::step::Step;

type Labels = BTreeSet<Label>;

/// Columns needed of each node, by its address.
pub(crate) struct Required {
    labels: HashMap<*const Node, Labels>,
}

impl Required {
    /// What is needed for all columns of the roots.
    pub(crate) fn of(roots: &[NodeRef]) -> Required {
        let mut required = Required {
            labels: HashMap::new(),
        };
        for root in roots {
            required.add(root, root.schema.labels().into_iter().collect());
        }
        for node in consumers_first(roots) {
            let own = required.get(node);
            for (input, labels) in needs(node, &own) {
                required.add(input, labels);
            }
        }
        required
    }

    fn add(&mut self, node: &NodeRef, labels: Labels) {
        self.labels
            .entry(Arc::as_ptr(node))
            .or_default()
            .extend(labels);
    }

    /// The columns needed of a node.
    pub(crate) fn get(&self, node: &NodeRef) -> Labels {
        let found = self.labels.get(&Arc::as_ptr(node));
        found.cloned().unwrap_or_default()
    }

    /// The columns needed, in the node's order.
    pub(crate) fn ordered(&self, node: &NodeRef) -> Vec<Label> {
        let own = self.get(node);
        let labels = node.schema.labels().into_iter();
        labels.filter(|label| own.contains(label)).collect()
    }
}

/// All nodes, each before its inputs.
fn consumers_first(roots: &[NodeRef]) -> Vec<&NodeRef> {
    fn visit<'a>(
        node: &'a NodeRef,
        seen: &mut std::collections::HashSet<*const Node>,
        order: &mut Vec<&'a NodeRef>,
    ) {
        if !seen.insert(Arc::as_ptr(node)) {
            return;
        }
        for input in node.inputs() {
            visit(input, seen, order);
        }
        order.push(node);
    }
    let mut order = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for root in roots {
        visit(root, &mut seen, &mut order);
    }
    order.reverse();
    order
}

fn all(schema: &Schema) -> Labels {
    schema.labels().into_iter().collect()
}

fn with_expr(mut labels: Labels, expr: &Expr) -> Labels {
    expr.columns(&mut labels);
    labels
}

fn with_keys<'a>(mut labels: Labels, keys: impl Iterator<Item = &'a Key>) -> Labels {
    labels.extend(keys.filter_map(|key| match key {
        Key::Column(label) => Some(label.clone()),
        Key::Index(_) => None,
    }));
    labels
}

fn with_sort(labels: Labels, spec: &SortSpec) -> Labels {
    with_keys(labels, spec.keys.iter().map(|k| &k.key))
}

/// What a node needs of its inputs when `own` is needed of it.
fn needs<'a>(node: &'a Node, own: &Labels) -> Vec<(&'a NodeRef, Labels)> {
    match &node.kind {
        Kind::Step { input, step } => vec![(input, step_needs(step, &input.schema, own))],
        Kind::Group { input, spec } => {
            let exprs = spec.keys.iter();
            let exprs = exprs.chain(spec.aggregations.iter().map(|a| &a.input));
            vec![(input, exprs.fold(Labels::new(), with_expr))]
        }
        Kind::Join { left, right, spec } => join_needs(left, right, spec, own),
        Kind::Sort { input, spec } => vec![(input, with_sort(own.clone(), spec))],
        Kind::Shuffle { input, keys } => vec![(input, with_keys(own.clone(), keys.iter()))],
        Kind::Concat(inputs) => inputs
            .iter()
            .map(|input| {
                let theirs = all(&input.schema);
                (input, own.intersection(&theirs).cloned().collect())
            })
            .collect(),
        Kind::Repartition(input) | Kind::Pick { input, .. } => vec![(input, own.clone())],
        Kind::Call { inputs, .. } => inputs.iter().map(|i| (i, all(&i.schema))).collect(),
        Kind::Write { input, .. } => vec![(input, all(&input.schema))],
        Kind::ReadCsv { .. } | Kind::ReadParquet { .. } | Kind::Held { .. } | Kind::Plan(_) => {
            Vec::new()
        }
    }
}

fn step_needs(step: &Step, input: &Schema, own: &Labels) -> Labels {
    match step {
        Step::Select(columns) => columns
            .iter()
            .filter(|(label, _)| own.contains(label))
            .fold(Labels::new(), |labels, (_, expr)| with_expr(labels, expr)),
        Step::Filter(predicate) => with_expr(own.clone(), predicate),
        Step::SetIndex { labels, .. } => {
            let mut needed = own.clone();
            needed.extend(labels.iter().cloned());
            needed
        }
        Step::ResetIndex { .. } => {
            let theirs = all(input);
            own.intersection(&theirs).cloned().collect()
        }
        // By place: all columns, or the places would shift.
        Step::Rename(_) => all(input),
        Step::DropDuplicates { subset, .. } => {
            let mut needed = own.clone();
            match subset {
                Some(labels) => needed.extend(labels.iter().cloned()),
                None => needed.extend(all(input)),
            }
            needed
        }
        Step::Top { spec, .. } | Step::Sort(spec) => with_sort(own.clone(), spec),
        Step::RenameIndex(_) | Step::Head(_) | Step::Tail(_) | Step::SortIndex { .. } => {
            own.clone()
        }
    }
}

fn join_needs<'a>(
    left: &'a NodeRef,
    right: &'a NodeRef,
    spec: &JoinSpec,
    own: &Labels,
) -> Vec<(&'a NodeRef, Labels)> {
    let (lefts, rights) = (all(&left.schema), all(&right.schema));
    let is_needed = |label: &Label, suffix: &Option<String>| {
        let is_overlap = lefts.contains(label) && rights.contains(label);
        // Names in both tables are kept in both, so that suffixes stay what they are.
        is_overlap
            || own.contains(label)
            || suffix
                .as_ref()
                .is_some_and(|s| own.contains(&label.with_suffix(s)))
    };
    let pick = |labels: &Labels, suffix: &Option<String>| -> Labels {
        let needed = labels.iter().filter(|label| is_needed(label, suffix));
        needed.cloned().collect()
    };
    vec![
        (
            left,
            with_keys(pick(&lefts, &spec.suffixes.0), spec.left_on.iter()),
        ),
        (
            right,
            with_keys(pick(&rights, &spec.suffixes.1), spec.right_on.iter()),
        ),
    ]
}
